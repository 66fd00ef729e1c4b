'use strict';
'require baseclass';
'require dom';
'require uci';

// Widgets, dialogs, tabs and notices.

// Validates a field on events, as LuCI's validators do: a class and a tooltip on the field, and an event for whoever
// shows the reason. An empty value is valid if it is optional, and is not looked at further.
function addValidator(field, type, optional, check, ...events) {
	const validate = () => {
		let verdict = (field.value ?? '') === '' && !optional ? _('Expecting: %s').format(_('non-empty value')) : true;

		if (verdict === true && type == 'uciname' && field.value && !/^[a-zA-Z0-9_]+$/.test(field.value))
			verdict = _('Expecting: %s').format(_('valid UCI identifier'));

		if (verdict === true && check)
			verdict = check(field.value ?? '');

		field.classList.toggle('cbi-input-invalid', verdict !== true);

		if (verdict === true)
			field.removeAttribute('data-tooltip');
		else
			field.setAttribute('data-tooltip', verdict);

		field.dispatchEvent(new CustomEvent(verdict === true ? 'validation-success' : 'validation-failure', {
			bubbles: true, detail: { message: verdict }
		}));

		return verdict === true;
	};

	for (const event of events.length ? events : [ 'blur', 'keyup' ])
		field.addEventListener(event, validate);

	validate();

	return validate;
}

const Element = baseclass.extend({
	isValid() {
		return this.validState !== false;
	},

	getValidationError() {
		return this.validationError ?? '';
	},

	triggerValidation() {
		if (!this.vfunc)
			return false;

		const was = this.isValid();

		this.vfunc();

		return was != this.isValid();
	},

	// Makes events of the field those of the widget, and has it validated.
	watch(field, updates, changes) {
		this.node.addEventListener('validation-success', () => {
			this.validState = true;
			this.validationError = '';
		});
		this.node.addEventListener('validation-failure', ev => {
			this.validState = false;
			this.validationError = ev.detail.message;
		});

		if (this.options.datatype || this.options.validate)
			this.vfunc = addValidator(field, this.options.datatype ?? 'string', this.options.optional ?? true,
				this.options.validate, ...updates);

		for (const event of changes)
			field.addEventListener(event, () => {
				this.node.setAttribute('data-changed', true);
				this.node.dispatchEvent(new CustomEvent('widget-change', { bubbles: true }));
			});

		dom.bindClassInstance(this.node, this);

		return this.node;
	}
});

const Textfield = Element.extend({
	__init__(value, options) {
		this.value = value;
		this.options = options;
	},

	render() {
		const o = this.options;

		this.input = E('input', {
			'id': `widget.${o.id}`, 'type': o.password ? 'password' : 'text',
			'class': o.password ? 'cbi-input-password' : 'cbi-input-text', 'value': this.value,
			'placeholder': o.placeholder, 'disabled': o.disabled ? '' : null
		});
		this.node = E('div', { 'id': o.id }, [ this.input ]);

		return this.watch(this.input, [ 'keyup', 'blur' ], [ 'change' ]);
	},

	getValue() {
		return this.input.value;
	},

	setValue(value) {
		this.input.value = value ?? '';
	}
});

const Textarea = Textfield.extend({
	render() {
		const o = this.options;

		this.input = E('textarea', {
			'id': `widget.${o.id}`, 'class': 'cbi-input-textarea', 'rows': o.rows, 'placeholder': o.placeholder,
			'disabled': o.disabled ? '' : null
		}, [ this.value ?? '' ]);
		this.node = E('div', { 'id': o.id }, [ this.input ]);

		return this.watch(this.input, [ 'keyup', 'blur' ], [ 'change' ]);
	}
});

const Checkbox = Textfield.extend({
	render() {
		const o = this.options, id = `cb${Math.random().toString(16).slice(2)}`;

		this.input = E('input', {
			'id': id, 'type': 'checkbox', 'value': o.value_enabled, 'data-widget-id': `widget.${o.id}`,
			'checked': (this.value == o.value_enabled) ? '' : null, 'disabled': o.disabled ? '' : null
		});
		this.node = E('div', { 'id': o.id, 'class': 'cbi-checkbox' }, [ this.input, E('label', { 'for': id }) ]);

		return this.watch(this.input, [ 'click', 'blur' ], [ 'change' ]);
	},

	isChecked() {
		return this.input.checked;
	},

	getValue() {
		return this.isChecked() ? this.options.value_enabled : this.options.value_disabled;
	},

	setValue(value) {
		this.input.checked = (value == this.options.value_enabled);
	}
});

const Select = Textfield.extend({
	__init__(value, choices, options) {
		this.value = value;
		this.choices = choices ?? {};
		this.options = options;
	},

	render() {
		const o = this.options;
		const keys = (o.sort ?? Object.keys(this.choices)).filter(key => key !== '');

		const option = (key, text) => E('option', {
			'value': key, 'selected': ((this.value ?? '') == key) ? '' : null
		}, [ text ]);

		this.input = E('select', {
			'id': `widget.${o.id}`, 'class': 'cbi-input-select', 'disabled': o.disabled ? '' : null
		}, [
			o.optional || '' in this.choices ? option('', this.choices[''] ?? o.placeholder ?? _('-- Please choose --')) : null,
			...keys.map(key => option(key, this.choices[key]))
		]);
		this.node = E('div', { 'id': o.id }, [ this.input ]);

		return this.watch(this.input, [ 'change', 'click', 'blur' ], [ 'change' ]);
	}
});

const Hiddenfield = Textfield.extend({
	render() {
		this.node = this.input = E('input', { 'id': this.options.id, 'type': 'hidden', 'value': this.value });
		dom.bindClassInstance(this.node, this);

		return this.node;
	}
});

const DynamicList = Element.extend({
	__init__(values, choices, options) {
		this.values = L.toArray(values);
		this.options = { ...options, optional: true };
	},

	render() {
		const o = this.options;

		this.input = E('input', {
			'id': `widget.${o.id}`, 'type': 'text', 'class': 'cbi-input-text', 'placeholder': o.placeholder,
			'disabled': o.disabled ? '' : null
		});
		this.adder = E('div', { 'class': 'add-item control-group' }, [
			this.input,
			E('div', { 'class': 'btn cbi-button cbi-button-add' }, [ '+' ])
		]);
		this.node = E('div', { 'id': o.id, 'class': 'cbi-dynlist', 'disabled': o.disabled ? '' : null }, [ this.adder ]);

		for (const value of this.values)
			this.addItem(value);

		this.node.addEventListener('click', ev => this.handleClick(ev));
		this.node.addEventListener('keydown', ev => this.handleKeydown(ev));

		if (o.validate)
			addValidator(this.input, 'string', true, o.validate, 'blur', 'keyup');

		return this.watch(this.node, [ 'cbi-dynlist-change' ], [ 'cbi-dynlist-change' ]);
	},

	changed() {
		this.node.dispatchEvent(new CustomEvent('cbi-dynlist-change', { bubbles: true }));
	},

	addItem(value) {
		if (this.items().some(item => item.lastElementChild.value == value))
			return;

		this.node.insertBefore(E('div', { 'class': 'item', 'tabindex': 0 }, [
			E('span', {}, [ value ]), E('input', { 'type': 'hidden', 'value': value })
		]), this.adder);
		this.changed();
	},

	removeItem(item) {
		item.remove();
		this.changed();
	},

	items() {
		return [ ...this.node.querySelectorAll('.item') ];
	},

	take() {
		if (this.input.value === '' || this.input.classList.contains('cbi-input-invalid'))
			return;

		this.addItem(this.input.value);
		this.input.value = '';
	},

	handleClick(ev) {
		const item = ev.target.closest('.item');

		if (this.options.disabled)
			return;

		if (ev.target.matches('.cbi-button-add'))
			this.take();
		else if (item && ev.clientX >=
			item.getBoundingClientRect().right - parseFloat(getComputedStyle(item, '::after').width))
			this.removeItem(item);
	},

	handleKeydown(ev) {
		const item = ev.target.closest('.item');

		if (item && (ev.key == 'Delete' || ev.key == 'Backspace')) {
			(item.nextElementSibling.matches('.item') ? item.nextElementSibling : this.input).focus();
			this.removeItem(item);
		}
		else if (ev.target == this.input && ev.key == 'Enter') {
			this.take();
			ev.preventDefault();
		}
	},

	// An item that was typed and not yet added counts.
	getValue() {
		const values = this.items().map(item => item.lastElementChild.value);
		const typed = this.input.classList.contains('cbi-input-invalid') ? '' : this.input.value;

		return (typed.trim() && !values.includes(typed)) ? [ ...values, typed ] : values;
	},

	setValue(values) {
		this.items().forEach(item => item.remove());
		L.toArray(values).forEach(value => this.addItem(value));
	}
});

/* dialogs */

const overlay = document.body.appendChild(E('div', { 'id': 'modal_overlay', 'tabindex': -1 }, [
	E('div', { 'class': 'modal', 'role': 'dialog', 'aria-modal': true })
]));

overlay.addEventListener('keydown', ev => {
	if (ev.key == 'Escape')
		overlay.querySelector('.right > button, .right > .btn, .button-row > .btn')?.click();
});

/* tabs */

const tabs = {
	// Puts a menu in front of panes that have data-tab; all but one are hidden.
	initTabGroup(nodes) {
		const panes = [ ...nodes ].filter(n => n.dataset?.tab);
		const group = panes[0]?.parentNode;

		if (!group || group.dataset.initialized)
			return;

		const page = document.body.dataset.page + (group.closest('[data-section-id]')?.dataset.sectionId ?? '');
		const kept = panes.findIndex(p => p.dataset.tab == window.sessionStorage.getItem(page));
		const selected = panes[Math.max(kept, 0)];

		const choose = pane => {
			window.sessionStorage.setItem(page, pane.dataset.tab);
			panes.forEach((p, i) => {
				p.dataset.tabActive = (p == pane);
				menu.children[i].className = (p == pane) ? 'cbi-tab' : 'cbi-tab-disabled';
			});
			pane.dispatchEvent(new CustomEvent('cbi-tab-active', { detail: { tab: pane.dataset.tab } }));
		};

		const menu = E('ul', { 'class': 'cbi-tabmenu' }, panes.map(pane => E('li', { 'data-tab': pane.dataset.tab }, [
			E('a', {
				'href': '#',
				'click': ev => {
					ev.preventDefault();
					choose(pane);
				}
			}, [ pane.dataset.tabTitle ])
		])));

		group.parentNode.insertBefore(menu, group);
		group.dataset.initialized = true;
		choose(selected);
	},

	// Hides the tabs of empty panes and counts the invalid fields of the others.
	updateTabs(root) {
		for (const pane of root.querySelectorAll('[data-tab-title]')) {
			const tab = pane.parentNode.previousElementSibling?.querySelector(`[data-tab="${pane.dataset.tab}"]`);
			const invalid = pane.querySelectorAll('.cbi-input-invalid').length;

			if (!tab)
				continue;

			tab.hidden = [ ...pane.children ].every(child => child.classList.contains('hidden'));

			if (invalid)
				tab.dataset.errors = invalid;
			else
				delete tab.dataset.errors;
		}
	}
};

return baseclass.extend({
	AbstractElement: Element,
	Textfield, Textarea, Checkbox, Select, Hiddenfield, DynamicList,
	addValidator, tabs,

	createHandlerFn(ctx, fn, ...args) {
		const handler = (typeof(fn) == 'string') ? ctx[fn] : fn;

		return function(...rest) {
			const target = rest[0].currentTarget;

			target.classList.add('spinning');
			target.disabled = true;
			target.blur();
			Promise.resolve(handler.call(ctx, ...args, ...rest)).finally(() => {
				target.classList.remove('spinning');
				target.disabled = false;
			});
		};
	},

	showModal(title, children, ...classes) {
		const dialog = overlay.firstElementChild;

		dialog.className = [ 'modal', ...classes ].join(' ');
		dom.content(dialog, [ E('h4', {}, [ title ]) ]);
		dom.append(dialog, children);
		document.body.classList.add('modal-overlay-active');
		overlay.scrollTop = 0;
		overlay.focus();

		return dialog;
	},

	hideModal() {
		document.body.classList.remove('modal-overlay-active');
		overlay.blur();
	},

	addNotification(title, children, ...classes) {
		const content = E('div');
		const message = E('div', { 'class': [ 'alert-message', ...classes ].join(' ') }, [
			content,
			E('button', { 'class': 'btn', 'click': () => message.remove() }, [ _('Dismiss') ])
		]);

		if (title != null)
			dom.append(content, [ E('h4', {}, [ title ]) ]);

		dom.append(content, children);

		const main = document.getElementById('maincontent');

		main.insertBefore(message, main.firstElementChild);

		return message;
	},

	changes: {
		init() {
			return uci.changes().then(changes => {
				const n = Object.values(changes).flat().length;
				const indicator = document.getElementById('changes');

				indicator.hidden = (n == 0);
				dom.content(indicator, [ _('Unsaved Changes: %d').format(n) ]);
			});
		},

		// Applies what is staged and loads the page again, as LuCI does.
		async apply() {
			const answer = await fetch(L.url('admin/uci/apply'), { method: 'POST' });

			if (answer.ok)
				window.location.reload();
		}
	},

	__init__() {
		document.addEventListener('uci-loaded', () => this.changes.init());
	}
});
