'use strict';
'require baseclass';
'require dom';
'require sniroute.parts as parts';
'require sniroute.titles as titles';
'require sniroute.words as words';

// What stands beside the fields of a form: labels that screen readers find, suggestions, and what is wrong.

function fieldOf(map, sid, option) {
	return map.root.querySelector('[data-field="cbid.sniroute.%s.%s"]'.format(CSS.escape(sid), CSS.escape(option)));
}

function inputsOf(field) {
	return [ ...field.querySelectorAll('input:not([type=hidden]), select, textarea') ];
}

// Says something below a field, in place of what was said before; no text says nothing.
function say(field, kind, text) {
	const id = '%s.%s'.format(field.dataset.field, kind);
	const old = document.getElementById(id);
	const inputs = inputsOf(field);

	if (old?.textContent == text)
		return;

	old?.remove();

	if (text)
		(field.querySelector('.cbi-value-field') ?? field).appendChild(E('div', {
			'id': id, 'class': 'sniroute-beside %s'.format(kind), 'role': 'alert'
		}, [ text ]));

	const notes = [ ...field.querySelectorAll('.cbi-value-description[id], .sniroute-beside[id]') ].map(n => n.id);
	const bad = field.querySelector('.sniroute-beside.typed, .sniroute-beside.judged') != null;

	for (const input of inputs) {
		input.setAttribute('aria-invalid', bad);

		if (notes.length)
			input.setAttribute('aria-describedby', notes.join(' '));
		else
			input.removeAttribute('aria-describedby');
	}
}

// What a validator has said of a field while it was rendered or typed into.
function sayTyped(target) {
	const field = target.closest('[data-field]');

	if (field)
		say(field, 'typed', field.querySelector('.cbi-input-invalid')?.getAttribute('data-tooltip') ?? '');
}

function textOf(problem) {
	return words.clean(problem.remedy ? '%s: %s'.format(problem.message, problem.remedy) : problem.message);
}

function whereOf(problem) {
	const names = [];

	if (problem.type)
		names.push('%s %s'.format(titles.section(problem.type), words.safe(problem.section)).trim());

	if (problem.option)
		names.push(titles.option(problem.type, words.safe(problem.option)));

	return names.join(', ');
}

return baseclass.extend({
	// Prepares the form after each rendering. suggestions(type, option) returns a list of values.
	prepare(map, suggestions) {
		for (const field of map.root.querySelectorAll('[data-field]')) {
			const option = dom.findClassInstance(field);
			const help = field.querySelector('.cbi-value-description');
			const list = suggestions(option.section.sectiontype, option.option);

			if (help)
				help.id = '%s.help'.format(field.dataset.field);

			for (const input of inputsOf(field)) {
				if (!field.querySelector('label[for="%s"]'.format(CSS.escape(input.id)))?.textContent)
					input.setAttribute('aria-label', option.title);

				if (help)
					input.setAttribute('aria-describedby', help.id);

				if (input.type == 'text') {
					input.setAttribute('autocapitalize', 'none');
					input.setAttribute('spellcheck', 'false');
				}

				if (input.type == 'text' && list.length) {
					const id = '%s.list'.format(field.dataset.field);

					input.setAttribute('list', id);
					field.appendChild(E('datalist', { 'id': id }, list.map(v => E('option', { 'value': v }))));
				}
			}

			sayTyped(field);
		}

		if (map.besideListens)
			return;

		map.besideListens = true;

		for (const event of [ 'validation-failure', 'validation-success' ])
			map.root.addEventListener(event, ev => sayTyped(ev.target));
	},

	// Shows problems beside the fields that they are about, and the others above the form. The first field that keeps
	// the form from being saved gets the focus.
	show(map, problems, summary) {
		const apart = [];
		let first = null;

		this.clear(map);

		for (const problem of problems) {
			const field = (problem.sid && problem.option) ? fieldOf(map, problem.sid, problem.option) : null;

			if (!field || field.classList.contains('hidden')) {
				apart.push(problem);
				continue;
			}

			say(field, problem.warning ? 'advised' : 'judged', textOf(problem));

			if (!problem.warning)
				first ??= field;
		}

		first ??= map.root.querySelector('.cbi-input-invalid')?.closest('[data-field]');

		if (summary || apart.length)
			map.root.prepend(E('div', { 'class': 'sniroute-summary', 'role': 'alert', 'tabindex': -1 }, [
				summary ? E('p', {}, [ E('strong', {}, [ summary ]) ]) : null,
				apart.length ? E('ul', { 'class': 'sniroute-problems' }, apart.map(p => parts.problem(p.warning ? 'warn' : 'bad',
					[ whereOf(p), words.clean(p.message) ].filter(s => s).join(': '), words.clean(p.remedy)))) : null
			]));

		if (summary)
			this.lead(map, first);
	},

	// Opens the tab of a field, or of what was said above the form, and puts the focus there.
	lead(map, field) {
		for (let pane = field?.closest('[data-tab]'); pane; pane = pane.parentNode.closest('[data-tab]'))
			pane.parentNode.previousElementSibling?.querySelector('[data-tab="%s"] > a'.format(CSS.escape(pane.dataset.tab)))
				?.click();

		(field ? inputsOf(field)[0] : map.root.querySelector('.sniroute-summary'))?.focus();
	},

	clear(map) {
		map.root?.querySelectorAll('.sniroute-summary').forEach(node => node.remove());
		map.root?.querySelectorAll('[data-field]').forEach(field => {
			say(field, 'judged', '');
			say(field, 'advised', '');
		});
	}
});
