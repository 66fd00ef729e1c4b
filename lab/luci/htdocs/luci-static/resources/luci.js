// The stand-in's core: what LuCI's luci.js and cbi.js give to a view, as far as the views of sniroute use it. It
// behaves as the real one does where a view can tell: classes, the modules that 'require' names, DOM helpers that make
// markup of a string and text of a list, polling, the view's life and its footer.
//
// Unlike the real one it runs under Trusted Types: the default policy refuses whatever looks like markup, so that a
// view that makes HTML of what a cluster says fails its test.
(() => {
	'use strict';

	const scripts = trustedTypes.createPolicy('luci', { createScript: source => source });

	trustedTypes.createPolicy('default', {
		createHTML(text) {
			if (/[<>&]/.test(text)) {
				console.error('markup of a string: %s', text);

				throw new TypeError(`markup of a string: ${text}`);
			}

			return text;
		}
	});

	/* texts */

	window.TR ??= {};
	window._ = text => window.TR[text] || text;
	window.N_ = (n, one, many) => window._(n == 1 ? one : many);

	const escapes = { '&': '&#38;', '<': '&#60;', '>': '&#62;', '"': '&#34;', '\'': '&#39;' };

	String.prototype.format = function(...args) {
		return this.replace(/%(0)?(\d+)?(?:\.(\d+))?([%dfhsx])/g, (all, zero, width, precision, kind) => {
			if (kind == '%')
				return '%';

			const arg = args.shift();
			let text = String(arg ?? '');

			switch (kind) {
			case 'd': text = String(Math.floor(Number(arg)) || 0); break;
			case 'f': text = Number(arg).toFixed(precision ?? 6); break;
			case 'x': text = Math.floor(Number(arg)).toString(16); break;
			case 'h': text = text.replace(/[&<>"']/g, c => escapes[c]); break;
			}

			return width ? text.padStart(width, zero ?? ' ') : text;
		});
	};

	/* classes */

	const chain = function*(object, key) {
		for (let p = object; p; p = Object.getPrototypeOf(p))
			if (Object.hasOwn(p, key))
				yield p;
	};

	class Base {
		constructor(...args) {
			this.__init__?.(...args);
		}

		// Calls the method of the class above the one that calls.
		super(key, args) {
			this.__above__ ??= {};

			const before = this.__above__[key];
			const [ own, above ] = chain(before ?? Object.getPrototypeOf(this), key);
			const next = above;

			if (!own || !next)
				return undefined;

			this.__above__[key] = next;

			try {
				return next[key].apply(this, args ?? []);
			}
			finally {
				this.__above__[key] = before;
			}
		}

		static extend(properties) {
			const derived = class extends this {};

			Object.assign(derived.prototype, properties);

			return derived;
		}

		static singleton(properties, ...args) {
			return new (this.extend(properties))(...args);
		}

		static instantiate(args) {
			return new this(...args);
		}

		static isSubclass(value) {
			return typeof(value) == 'function' && value.prototype instanceof this;
		}
	}

	/* DOM */

	const registry = new WeakMap();

	const dom = {
		elem: e => (e instanceof Node),

		append(node, children) {
			if (Array.isArray(children)) {
				for (const child of children)
					if (child != null)
						node.appendChild(this.elem(child) ? child : document.createTextNode(`${child}`));
			}
			else if (typeof(children) == 'function') {
				this.append(node, children(node));
			}
			else if (this.elem(children)) {
				node.appendChild(children);
			}
			else if (children != null) {
				node.innerHTML = `${children}`;
			}

			return node.lastChild;
		},

		content(node, children) {
			node.replaceChildren();

			return this.append(node, children);
		},

		attr(node, attributes) {
			for (const [ key, value ] of Object.entries(attributes)) {
				if (value == null)
					continue;

				if (typeof(value) == 'function')
					node.addEventListener(key, value);
				else
					node.setAttribute(key, typeof(value) == 'object' ? JSON.stringify(value) : value);
			}
		},

		create(name, attributes, children) {
			if (Array.isArray(attributes) || !(attributes instanceof Object)) {
				children = attributes;
				attributes = {};
			}

			let node = name;

			if (Array.isArray(name)) {
				node = document.createDocumentFragment();
				node.append(...name.map(n => this.create(n)));
			}
			else if (!this.elem(name)) {
				node = document.createElement(name);
			}

			this.attr(node, attributes);
			this.append(node, children);

			return node;
		},

		bindClassInstance(node, instance) {
			registry.set(node, instance);

			return instance;
		},

		findClassInstance(node) {
			for (; node; node = node.parentNode)
				if (registry.has(node))
					return registry.get(node);

			return null;
		}
	};

	window.E = (...args) => dom.create(...args);

	/* polling */

	const poll = {
		queue: [],
		timer: null,
		tick: 0,

		add(fn, interval) {
			this.queue.push({ fn, interval: interval ?? L.env.pollinterval ?? 5 });

			return true;
		},

		remove(fn) {
			this.queue = this.queue.filter(e => e.fn !== fn);
		},

		start() {
			if (!this.timer) {
				this.timer = window.setInterval(() => this.step(), 1000);
				this.step();
			}
		},

		stop() {
			window.clearInterval(this.timer);
			this.timer = null;
		},

		active() {
			return this.timer != null;
		},

		step() {
			for (const entry of this.queue)
				if (this.tick % entry.interval == 0 && !entry.running) {
					entry.running = true;
					Promise.resolve(entry.fn()).finally(() => {
						entry.running = false;
					});
				}

			this.tick++;
		}
	};

	/* views */

	const View = Base.extend({
		__init__() {
			const place = document.getElementById('view');

			dom.content(place, E('div', { 'class': 'spinning' }, [ _('Loading view…') ]));

			Promise.resolve(this.load()).then(loaded => this.render(loaded)).then(nodes => {
				dom.content(place, nodes);
				dom.append(place, this.addFooter());
				document.body.setAttribute('data-rendered', 'true');
				poll.start();
			}).catch(error => L.error(error));
		},

		load() {},

		render() {},

		maps() {
			return [ ...document.querySelectorAll('#maincontent .cbi-map') ].map(node => dom.findClassInstance(node));
		},

		handleSave() {
			return Promise.all(this.maps().map(map => map.save()));
		},

		handleSaveApply(ev, mode) {
			return this.handleSave(ev).then(() => modules.ui.changes.apply(mode == '0'));
		},

		handleReset() {
			return Promise.all(this.maps().map(map => map.reset()));
		},

		addFooter() {
			if (!this.handleSaveApply && !this.handleSave && !this.handleReset)
				return E([]);

			const maps = this.maps();
			const readonly = maps.length ? maps.every(map => map.readonly) : !L.hasViewPermission();

			const button = (kind, title, handler) => handler ? E('button', {
				'class': `cbi-button cbi-button-${kind}`,
				'click': modules.ui.createHandlerFn(this, handler, ...(kind == 'apply' ? [ '0' ] : [])),
				'disabled': readonly || null
			}, [ title ]) : '';

			return E('div', { 'class': 'cbi-page-actions' }, [
				button('apply important', _('Save & Apply'), this.handleSaveApply &&
					((mode, ev) => this.handleSaveApply(ev, mode))),
				' ', button('save', _('Save'), this.handleSave && 'handleSave'),
				' ', button('reset', _('Reset'), this.handleReset && 'handleReset')
			]);
		}
	});

	/* modules */

	const requirement = /^require\s+(\S+)(?:\s+as\s+(\w+))?$/;
	const modules = { baseclass: Base, dom, poll, view: View };
	const loading = {};

	// The strings at the head of a file: 'use strict' and what it requires.
	function requirementsOf(source) {
		const found = [];
		let rest = source;

		for (;;) {
			rest = rest.replace(/^(?:\s+|\/\/[^\n]*\n|\/\*[^]*?\*\/)+/, '');

			const string = /^(['"])(.*?)\1;?/.exec(rest);

			if (!string)
				return found;

			const named = requirement.exec(string[2]);

			if (named)
				found.push({ name: named[1], as: named[2] ?? named[1].replace(/\W/g, '_') });

			rest = rest.slice(string[0].length);
		}
	}

	async function loadModule(name) {
		const url = `${L.env.resource}/${name.replace(/\./g, '/')}.js`;
		const answer = await fetch(url);

		if (!answer.ok)
			throw new Error(`HTTP error ${answer.status} while loading class file "${url}"`);

		const source = await answer.text();
		const requirements = requirementsOf(source);
		const instances = await Promise.all(requirements.map(r => L.require(r.name)));
		const head = [ 'window', 'document', 'L', ...requirements.map(r => r.as) ].join(', ');
		const factory = eval(scripts.createScript(`(function(${head}) { ${source} })\n//# sourceURL=${url}\n`));
		const made = factory(window, document, L, ...instances);

		if (!Base.isSubclass(made))
			throw new TypeError(`"${name}" factory yields invalid constructor`);

		return (modules[name] = new made());
	}

	window.L = {
		env: {},
		dom,
		Class: Base,
		Poll: poll,

		// Whatever a module needs first is loaded once, side by side.
		require: name => modules[name] ? Promise.resolve(modules[name]) : (loading[name] ??= loadModule(name)),

		hasViewPermission: () => !L.env.readonly,
		url: (...parts) => [ L.env.scriptname, ...parts ].join('/'),
		resource: (...parts) => [ L.env.resource, ...parts ].join('/'),

		toArray(value) {
			if (value == null)
				return [];

			return Array.isArray(value) ? value : String(value).trim().split(/\s+/).filter(s => s);
		},

		raise(type, text, ...args) {
			throw Object.assign(new Error(text.format(...args)), { name: type });
		},

		error(error) {
			modules.ui?.addNotification(error.name, E('pre', {}, [ error.message ]), 'danger');

			throw error;
		},

		start(env) {
			Object.assign(L.env, env);
			L.require('ui').then(() => L.require(`view.${env.view.replace(/\//g, '.')}`)).catch(error => L.error(error));
		}
	};
})();
