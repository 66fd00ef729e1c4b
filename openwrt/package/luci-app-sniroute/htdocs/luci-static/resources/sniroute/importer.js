'use strict';
'require baseclass';
'require dom';
'require ui';
'require uci';
'require sniroute.bus as bus';
'require sniroute.judge as judge';
'require sniroute.parts as parts';
'require sniroute.schema as schema';
'require sniroute.titles as titles';
'require sniroute.words as words';

// The dialog that takes an haproxy.cfg and adds sections that do the same.

const CONFIG = 'sniroute';

function isOnly(type) {
	return schema.sections.find(s => s.type == type)?.only;
}

// Names that are taken get a number; references follow.
function rename(sections) {
	const taken = new Set(uci.sections(CONFIG).map(s => s['.name']));
	const names = {};

	for (const s of sections) {
		let name = s.name;

		for (let n = 2; !isOnly(s.type) && taken.has(name); n++)
			name = '%s_%d'.format(s.name, n);

		taken.add(name);
		names['%s.%s'.format(s.type, s.name)] = name;
	}

	const renamed = (option, value) => {
		const type = (option?.types ?? []).find(t => names['%s.%s'.format(t, value)]);

		return type ? names['%s.%s'.format(type, value)] : value;
	};

	return sections.map(s => {
		const known = schema.sections.find(k => k.type == s.type)?.options ?? [];
		const options = {};

		for (const [ name, value ] of Object.entries(s.options)) {
			const option = known.find(o => o.name == name);

			options[name] = Array.isArray(value) ? value.map(v => renamed(option, v)) : renamed(option, value);
		}

		return { type: s.type, name: names['%s.%s'.format(s.type, s.name)], options };
	});
}

// Sections that there is one of keep what they say.
function add(sections) {
	for (const s of rename(sections)) {
		const exists = uci.get(CONFIG, s.name) != null;

		if (!exists)
			uci.add(CONFIG, s.type, s.name);

		for (const [ name, value ] of Object.entries(s.options))
			if (!exists || uci.get(CONFIG, s.name, name) == null)
				uci.set(CONFIG, s.name, name, value);
	}
}

function renderAnswer(answer) {
	const remarks = (answer.remarks ?? []).map(r => parts.problem('warn',
		r.line ? _('Line %d: %s').format(r.line, words.clean(r.text)) : words.clean(r.text), ''));

	const added = answer.sections.filter(s => !isOnly(s.type))
		.map(s => '%s %s'.format(titles.section(s.type), words.safe(s.name)));

	return [
		E('p', { 'role': 'status' }, [ added.length ? _('Sections to add: %s.').format(added.join(', '))
			: _('Nothing of it can be said here.') ]),
		remarks.length ? E('p', {}, [ _('What it could not take over:') ]) : '',
		remarks.length ? E('ul', { 'class': 'sniroute-problems sniroute-scroll', 'tabindex': 0, 'aria-label': _('Remarks') },
			remarks) : ''
	];
}

return baseclass.extend({
	// Opens the dialog. The sections are saved through the map.
	open(map) {
		const text = E('textarea', {
			'id': 'sniroute-haproxy', 'class': 'cbi-input-textarea', 'rows': 12, 'spellcheck': 'false', 'wrap': 'off',
			'autocomplete': 'off', 'aria-describedby': 'sniroute-haproxy-help'
		});
		const result = E('div', { 'aria-live': 'polite' });
		const adder = E('button', {
			'class': 'btn cbi-button cbi-button-positive important', 'disabled': '',
			'click': ui.createHandlerFn(this, 'save', map)
		}, [ _('Add and save') ]);

		const convert = () => {
			this.answer = null;
			adder.disabled = true;

			if (judge.tooLong(text.value)) {
				dom.content(result, [ E('p', { 'role': 'alert', 'class': 'sniroute-beside judged' }, [
					_('This is longer than the 64 KiB that the router\'s web server takes: run sniroute import-haproxy FILE on the router.')
				]) ]);
				text.focus();

				return Promise.resolve();
			}

			return bus.import(text.value).then(answer => {
				if (answer.error)
					throw new Error(answer.error);

				this.answer = answer;
				adder.disabled = (answer.sections.length == 0);
				dom.content(result, renderAnswer(answer));
			}).catch(error => dom.content(result, [ E('p', { 'role': 'alert', 'class': 'sniroute-beside judged' }, [
				words.clean(error.message.split('\n')[0])
			]) ])).then(() => (adder.disabled ? text : adder).focus());
		};

		ui.showModal(_('Import an haproxy.cfg'), [
			E('div', { 'class': 'sniroute sniroute-form' }, [
				E('label', { 'for': 'sniroute-haproxy' }, [ _('Contents of the haproxy.cfg') ]),
				text,
				E('div', { 'id': 'sniroute-haproxy-help', 'class': 'cbi-value-description' }, [
					_('It is converted on this router and not kept. What it cannot express is left out, never widened.')
				]),
				result
			]),
			E('div', { 'class': 'right button-row' }, [
				E('button', { 'class': 'btn cbi-button', 'click': ui.hideModal }, [ _('Dismiss') ]), ' ',
				E('button', { 'class': 'btn cbi-button cbi-button-action', 'click': ui.createHandlerFn(this, convert) },
					[ _('Convert') ]), ' ',
				adder
			])
		], 'cbi-modal');

		parts.nameDialog();
		text.focus();
	},

	save(map) {
		return map.saveWith(() => add(this.answer.sections)).then(ui.hideModal, ui.hideModal);
	}
});
