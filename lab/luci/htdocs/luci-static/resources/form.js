'use strict';
'require baseclass';
'require dom';
'require rpc';
'require uci';
'require ui';

// Forms over a configuration: maps, sections, options. The life of a map is LuCI's: load, render, and on save parse
// (which validates and writes into uci), the caller's function, uci's save, load and render again.

const mayWrite = rpc.declare({
	object: 'session', method: 'access', params: [ 'scope', 'object', 'function' ], expect: { access: false }
});

const same = (a, b) => JSON.stringify(a ?? null) == JSON.stringify(b ?? null);

const Abstract = baseclass.extend({
	__init__(title, description) {
		this.title = title ?? '';
		this.description = description ?? '';
		this.children = [];
	},

	append(child) {
		this.children.push(child);

		return child;
	},

	titleFn(attr, ...args) {
		return (typeof(this[attr]) == 'function') ? this[attr](...args) : this[attr] ?? null;
	}
});

const Map = Abstract.extend({
	__init__(config, ...args) {
		this.super('__init__', args);
		this.config = config;
		this.data = uci;
	},

	section(type, ...args) {
		return this.append(type.instantiate([ this, ...args ]));
	},

	findElements(...args) {
		return this.root.querySelectorAll(args.length == 2 ? `[${args[0]}="${args[1]}"]` : args[0]);
	},

	findElement(...args) {
		return this.findElements(...args)[0] ?? null;
	},

	async load() {
		const [ writable ] = await Promise.all([
			this.readonly == null ? mayWrite('uci', this.config, 'write') : true, uci.load(this.config)
		]);

		if (writable === false)
			this.readonly = true;

		await Promise.all(this.children.map(s => s.load()));
	},

	parse() {
		return Promise.all(this.children.map(s => s.parse()));
	},

	save(cb, silent) {
		this.checkDepends();

		return this.parse().then(cb).then(() => uci.save()).then(() => this.load()).catch(error => {
			if (!silent)
				ui.showModal(_('Save error'), [
					E('p', {}, [ error.message ]),
					E('div', { 'class': 'right' }, [ E('button', { 'click': ui.hideModal }, [ _('Dismiss') ]) ])
				]);

			return Promise.reject(error);
		}).then(() => this.renderContents());
	},

	reset() {
		return this.renderContents();
	},

	render() {
		return this.load().then(() => this.renderContents());
	},

	async renderContents() {
		this.root ??= E('div', { 'id': `cbi-${this.config}`, 'class': 'cbi-map' });
		dom.bindClassInstance(this.root, this);

		const nodes = await Promise.all(this.children.map(s => s.render()));

		dom.content(this.root, [
			this.title ? E('h2', { 'name': 'content' }, [ this.title ]) : null,
			this.description ? E('div', { 'class': 'cbi-map-descr' }, [ this.description ]) : null,
			...(this.tabbed ? [ E('div', { 'class': 'cbi-map-tabbed' }, nodes) ] : nodes)
		]);

		this.checkDepends();

		for (const group of this.root.querySelectorAll('.cbi-map-tabbed, .cbi-section-node-tabbed'))
			ui.tabs.initTabGroup(group.children);

		ui.tabs.updateTabs(this.root);

		return this.root;
	},

	lookupOption(name, section_id) {
		const field = this.findElement('data-field', `cbid.${this.config}.${section_id}.${name}`);

		return field ? [ dom.findClassInstance(field), section_id ] : null;
	},

	isDependencySatisfied(depends, section_id) {
		return !depends.length || depends.some(all => Object.entries(all).every(([ name, value ]) => {
			const found = this.lookupOption(name, section_id);
			const is = (found && found[0].isActive(section_id)) ? found[0].formvalue(section_id) : null;

			return (value instanceof RegExp) ? is != null && value.test(is) : same(is, value);
		}));
	},

	checkDepends() {
		if (!this.root)
			return;

		for (let turn = 0; turn < 10 && this.children.filter(s => s.checkDepends()).length; turn++)
			continue;

		ui.tabs.updateTabs(this.root);
	}
});

const Section = Abstract.extend({
	__init__(map, type, ...args) {
		this.super('__init__', args);
		this.map = map;
		this.config = map.config;
		this.sectiontype = type;
	},

	filter() {
		return true;
	},

	tab(name, title, description) {
		(this.tabs ??= []).push({ name, title, description });
	},

	option(type, ...args) {
		return this.append(type.instantiate([ this.map, this, ...args ]));
	},

	taboption(tab, ...args) {
		return Object.assign(this.option(...args), { tab });
	},

	load() {
		return Promise.all(this.cfgsections().flatMap(sid => this.children.map(async o => {
			o.cfgvalue(sid, await o.load(sid));
		})));
	},

	parse() {
		return Promise.all(this.cfgsections().flatMap(sid => this.children.map(o => o.parse(sid))));
	},

	async renderUCISection(sid) {
		if (!this.tabs)
			return Promise.all(this.children.map(o => o.render(sid)));

		return Promise.all(this.tabs.map(async tab => E('div', {
			'id': `container.${this.config}.${sid}.${tab.name}`, 'data-tab': tab.name, 'data-tab-title': tab.title
		}, [
			tab.description ? E('div', { 'class': 'cbi-tab-descr' }, [ tab.description ]) : null,
			...await Promise.all(this.children.filter(o => o.tab == tab.name).map(o => o.render(sid)))
		])));
	},

	checkDepends() {
		let changed = false;

		for (const sid of this.cfgsections()) {
			if (!this.map.findElement('data-section-id', sid))
				continue;

			for (const o of this.children) {
				const active = this.map.isDependencySatisfied(o.deps, sid);

				if (o.isActive(sid) != active)
					changed = o.setActive(sid, active) || changed;
				else if (active)
					o.triggerValidation(sid);
			}
		}

		return changed;
	},

	frame() {
		return E('div', {
			'class': 'cbi-section', 'id': `cbi-${this.config}-${this.sectiontype}`,
			'data-tab': this.map.tabbed ? this.sectiontype : null,
			'data-tab-title': this.map.tabbed ? this.title || this.sectiontype : null
		}, [
			this.title && !this.hidetitle ? E('h3', {}, [ this.title ]) : null,
			this.description ? E('div', { 'class': 'cbi-section-descr' }, [ this.description ]) : null
		]);
	}
});

const NamedSection = Section.extend({
	__init__(map, section_id, ...args) {
		this.super('__init__', [ map, ...args ]);
		this.section = section_id;
	},

	cfgsections() {
		return [ this.section ];
	},

	async render() {
		const frame = this.frame();

		frame.removeAttribute('id');

		if (uci.get(this.config, this.section))
			frame.append(E('div', {
				'id': `cbi-${this.config}-${this.section}`, 'data-section-id': this.section,
				'class': this.tabs ? 'cbi-section-node cbi-section-node-tabbed' : 'cbi-section-node'
			}, await this.renderUCISection(this.section)));

		dom.bindClassInstance(frame, this);

		return frame;
	}
});

// A table of sections, each of which is edited in a dialog.
const GridSection = Section.extend({
	cfgsections() {
		return uci.sections(this.config, this.sectiontype).map(s => s['.name']).filter(sid => this.filter(sid));
	},

	parse() {
		return Promise.resolve();
	},

	checkDepends() {
		return false;
	},

	async render() {
		const columns = this.children.filter(o => !o.modalonly);
		const named = !this.anonymous || this.sectiontitle;
		const frame = this.frame();
		const sids = this.cfgsections();

		const rows = sids.map(sid => E('tr', {
			'id': `cbi-${this.config}-${sid}`, 'class': 'tr cbi-section-table-row', 'data-sid': sid, 'data-section-id': sid,
			'data-title': this.titleFn('sectiontitle', sid) ?? sid
		}, [
			named ? E('td', { 'class': 'td cbi-value-field cbi-section-table-titles' },
				[ this.titleFn('sectiontitle', sid) ?? sid ]) : null,
			...columns.map(o => E('td', {
				'class': 'td cbi-value-field', 'data-title': o.title, 'data-name': o.option, 'data-widget': 'CBI.DummyValue'
			}, o.textvalue(sid) ?? [ E('em', {}, [ _('none') ]) ])),
			this.renderRowActions(sid)
		]));

		frame.append(E('table', { 'class': 'table cbi-section-table' }, [
			E('thead', { 'class': 'thead cbi-section-thead' }, [
				E('tr', { 'class': 'tr cbi-section-table-titles' }, [
					named ? E('th', { 'class': 'th cbi-section-table-cell' }, [ _('Name') ]) : null,
					...columns.map(o => E('th', { 'class': 'th cbi-section-table-cell' }, [ o.title ])),
					E('th', { 'class': 'th cbi-section-table-cell cbi-section-actions' }, [ this.actionstitle ?? '' ])
				])
			]),
			E('tbody', { 'class': 'tbody cbi-section-tbody' }, rows.length ? rows : [
				E('tr', { 'class': 'tr cbi-section-table-row placeholder' }, [
					E('td', { 'class': 'td' }, [ this.renderSectionPlaceholder() ])
				])
			])
		]), this.renderSectionAdd('cbi-tblsection-create'));

		dom.bindClassInstance(frame, this);

		return frame;
	},

	renderSectionPlaceholder() {
		return E('em', {}, [ _('This section contains no values yet') ]);
	},

	renderRowActions(sid) {
		const button = (kind, title, handler) => E('button', {
			'title': title, 'class': `btn cbi-button cbi-button-${kind}`,
			'click': ui.createHandlerFn(this, handler, sid),
			'disabled': (kind == 'remove' && this.map.readonly) || null
		}, [ title ]);

		return E('td', { 'class': 'td cbi-section-table-cell nowrap cbi-section-actions' }, [
			E('div', {}, [
				button('edit', _('Edit'), 'renderMoreOptionsModal'),
				this.addremove ? button('remove', _('Delete'), 'handleRemove') : null
			])
		]);
	},

	renderSectionAdd(extra) {
		const name = this.anonymous ? null : E('input', {
			'type': 'text', 'class': 'cbi-section-create-name', 'disabled': this.map.readonly || null
		});

		const add = E('button', {
			'class': 'cbi-button cbi-button-add', 'title': _('Add'), 'disabled': this.map.readonly || (name ? '' : null),
			'click': ui.createHandlerFn(this, ev => {
				if (!name?.classList.contains('cbi-input-invalid'))
					return this.handleAdd(ev, name?.value);
			})
		}, [ _('Add') ]);

		if (name && !this.map.readonly)
			addName(name, add);

		return E('div', { 'class': `cbi-section-create ${extra}` }, [ name ? E('div', {}, [ name ]) : null, add ]);
	},

	handleAdd(ev, name) {
		this.map.addedSection = uci.add(this.config, this.sectiontype, name);

		return this.renderMoreOptionsModal(this.map.addedSection);
	},

	handleRemove(sid) {
		uci.remove(this.config, sid);

		return this.map.save(null, true);
	},

	addModalOptions() {},

	async renderMoreOptionsModal(sid) {
		const map = new Map(this.config);
		const section = map.section(NamedSection, sid, this.sectiontype);

		Object.assign(map, { parent: this.map, section: sid, readonly: this.map.readonly });
		section.tabs = this.tabs;

		for (const o of this.children.filter(c => c.modalonly !== false)) { // false: in the table only
			const copy = section.option(o.constructor, o.option, o.title, o.description);

			for (const key of Object.keys(o))
				if (![ 'map', 'section', 'option', 'title', 'description' ].includes(key))
					copy[key] = o[key];
		}

		await this.addModalOptions(section, sid);

		const node = await map.render();
		const title = this.titleFn('modaltitle', sid) ?? `${this.map.title} - ${sid}`;

		ui.showModal(title, [
			node,
			E('div', { 'class': 'button-row' }, [
				E('button', {
					'class': 'btn cbi-button', 'click': ui.createHandlerFn(this, 'handleModalCancel', map)
				}, [ _('Dismiss') ]),
				' ',
				E('button', {
					'class': 'btn cbi-button cbi-button-positive important', 'disabled': map.readonly || null,
					'click': ui.createHandlerFn(this, 'handleModalSave', map)
				}, [ _('Save') ])
			])
		], 'cbi-modal');
	},

	handleModalSave(map, ev) {
		return map.save(null, true).then(() => this.map.load()).then(() => this.map.reset())
			.then(() => this.handleModalCancel(map, ev, true)).catch(() => {});
	},

	handleModalCancel(map, ev, saving) {
		if (this.map.addedSection != null && !saving)
			uci.remove(this.config, this.map.addedSection);

		delete this.map.addedSection;
		ui.hideModal();
	}
});

// A section is added when its name is one.
function addName(name, add) {
	ui.addValidator(name, 'uciname', true, value => {
		add.disabled = (value === '');

		return value === '' ? _('Expecting: %s').format(_('non-empty value')) : true;
	}, 'blur', 'keyup');
}

const Value = Abstract.extend({
	__init__(map, section, option, ...args) {
		this.super('__init__', args);
		Object.assign(this, {
			map, section, option, config: map.config, deps: [], rmempty: true, optional: false, default: null
		});
	},

	depends(field, value) {
		this.deps.push(typeof(field) == 'string' ? { [field]: value } : field);
	},

	value(key, text) {
		(this.keylist ??= []).push(String(key));
		(this.vallist ??= []).push(text ?? key);
	},

	transformChoices() {
		return this.keylist ? Object.fromEntries(this.keylist.map((key, i) => [ key, this.vallist[i] ])) : null;
	},

	cbid(sid) {
		return `cbid.${this.config}.${sid}.${this.option}`;
	},

	load(sid) {
		return uci.get(this.config, sid, this.option);
	},

	cfgvalue(sid, value) {
		this.data ??= {};

		if (arguments.length == 2)
			this.data[sid] = value;

		return this.data[sid];
	},

	formvalue(sid) {
		return this.getUIElement(sid)?.getValue() ?? null;
	},

	// Markup, as in LuCI: the value escaped.
	textvalue(sid) {
		const value = this.cfgvalue(sid) ?? this.default;

		return (value != null) ? '%h'.format(Array.isArray(value) ? value.join(' ') : value) : null;
	},

	validate() {
		return true;
	},

	getValidator(sid) {
		return value => this.validate(sid, value);
	},

	getUIElement(sid) {
		const node = this.map.findElement('id', this.cbid(sid));

		return node ? dom.findClassInstance(node) : null;
	},

	isValid(sid) {
		return this.getUIElement(sid)?.isValid() ?? true;
	},

	triggerValidation(sid) {
		return this.getUIElement(sid)?.triggerValidation() ?? true;
	},

	isActive(sid) {
		const field = this.map.findElement('data-field', this.cbid(sid));

		return field != null && !field.classList.contains('hidden');
	},

	setActive(sid, active) {
		const field = this.map.findElement('data-field', this.cbid(sid));

		field?.classList.toggle('hidden', !active);

		return field != null;
	},

	async parse(sid) {
		if (!this.isActive(sid))
			return this.remove(sid);

		if (!this.isValid(sid))
			throw new TypeError(_('Option "%s" contains an invalid input value.').format(this.title || this.option) +
				` ${this.getUIElement(sid).getValidationError()}`);

		const value = this.formvalue(sid);

		if (value == null || value == '' || (value == this.default && (this.optional || this.rmempty))) {
			if (!this.rmempty && !this.optional)
				throw new TypeError(_('Option "%s" must not be empty.').format(this.title || this.option));

			this.remove(sid);
		}
		else if (!same(value, this.cfgvalue(sid))) {
			this.write(sid, value);
		}
	},

	write(sid, value) {
		uci.set(this.config, sid, this.option, value);
	},

	remove(sid) {
		uci.unset(this.config, sid, this.option);
	},

	// The options that all widgets have.
	widgetOptions(sid) {
		return {
			id: this.cbid(sid), sort: this.keylist, optional: this.optional || this.rmempty, datatype: this.datatype,
			placeholder: this.placeholder, password: this.password, validate: this.getValidator(sid), rows: this.rows,
			disabled: this.readonly ?? this.map.readonly
		};
	},

	renderWidget(sid, index, value) {
		return new ui.Textfield(value ?? this.default, this.widgetOptions(sid)).render();
	},

	render(sid) {
		const id = `cbi-${this.config}-${sid}-${this.option}`;
		const node = E('div', {
			'class': 'cbi-value', 'id': id, 'data-field': this.cbid(sid), 'data-name': this.option
		}, [
			E('label', { 'class': 'cbi-value-title', 'for': `widget.${this.cbid(sid)}` }, [ this.title ]),
			E('div', { 'class': 'cbi-value-field' }, [
				this.renderWidget(sid, 0, this.cfgvalue(sid)),
				this.description ? E('div', { 'class': 'cbi-value-description' }, [ this.description ]) : null
			])
		]);

		node.classList.toggle('hidden', this.deps.length > 0);
		node.addEventListener('widget-change', () => this.map.checkDepends());
		dom.bindClassInstance(node, this);

		return node;
	}
});

const ListValue = Value.extend({
	renderWidget(sid, index, value) {
		return new ui.Select(value ?? this.default, this.transformChoices(),
			{ ...this.widgetOptions(sid), optional: this.optional }).render();
	}
});

const DynamicList = Value.extend({
	renderWidget(sid, index, value) {
		return new ui.DynamicList(value ?? this.default, this.transformChoices(), this.widgetOptions(sid)).render();
	}
});

const Flag = Value.extend({
	__init__(...args) {
		this.super('__init__', args);
		Object.assign(this, { enabled: '1', disabled: '0', default: '0' });
	},

	renderWidget(sid, index, value) {
		return new ui.Checkbox(value ?? this.default, {
			...this.widgetOptions(sid), value_enabled: this.enabled, value_disabled: this.disabled
		}).render();
	},

	textvalue(sid) {
		return (this.cfgvalue(sid) ?? this.default) == this.enabled ? _('Yes') : _('No');
	}
});

const TextValue = Value.extend({
	renderWidget(sid, index, value) {
		return new ui.Textarea(value ?? this.default, this.widgetOptions(sid)).render();
	}
});

return baseclass.extend({
	Map, AbstractSection: Section, NamedSection, GridSection,
	AbstractValue: Value, Value, ListValue, DynamicList, Flag, TextValue
});
