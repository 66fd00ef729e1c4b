'use strict';
'require view';
'require poll';
'require dom';
'require sniroute.bus as bus';
'require sniroute.parts as parts';
'require sniroute.words as words';

const INTERVAL = 10; // seconds
const STEP = 100; // rows that are added at a time

const BY_HAND = ':hand'; // no section can have that name
const NUMBERS = []; // no column holds any

function titles() {
	return [ _('Host'), _('From the WAN'), _('LAN DNS'), _('Claimed by'), _('Notes') ];
}

function stateOf(entry) {
	return entry.reason ? 'refused' : entry.exposed ? 'exposed' : 'internal';
}

// Where it comes from. Routes by hand have the name of their section as source.
function sourceOf(entry) {
	return (entry.source == entry.object) ? BY_HAND : entry.source;
}

// What the search looks through.
function textOf(entry) {
	return [
		entry.host, entry.object, entry.source, entry.backend, entry.detail, entry.alpn,
		...(entry.servers ?? []), ...(entry.dns ?? []), ...(entry.merged ?? [])
	].filter(s => s).join('\n').toLowerCase();
}

function claimant(entry) {
	const nodes = [ E('bdi', {}, [ words.safe(entry.object) ]) ];

	nodes.push(parts.small((sourceOf(entry) == BY_HAND) ? _('by hand') : _('of %s').format(words.safe(entry.source))));

	for (const other of entry.merged ?? [])
		nodes.push(parts.small(_('merged: %s').format(words.safe(other))));

	return nodes;
}

function renderRow(entry) {
	const host = [ E('bdi', { 'class': 'sniroute-host' }, [ words.safe(entry.host) ]) ];

	if (entry.alpn)
		host.push(parts.small(_('only %s').format(words.safe(entry.alpn))));

	if (entry.reason)
		return parts.row(titles(), NUMBERS, [
			host, parts.badge('bad', _('claim refused')), '–', claimant(entry),
			[ parts.badge('warn', words.refused(entry.reason)), E('div', {}, [ words.refusal(entry.reason) ]),
				entry.detail ? parts.small(words.clean(entry.detail)) : '' ]
		]);

	const notes = [];

	if (entry.warnings.includes('shared'))
		notes.push(parts.badge('warn', _('shared address')), E('div', {},
			[ _('An internal host is served at the same address: whoever reaches this one can ask for it.') ]));

	for (const warning of entry.warnings)
		if (warning != 'shared')
			notes.push(E('div', {}, [ words.clean(warning) ]));

	return parts.row(titles(), NUMBERS, [
		host,
		entry.exposed ? [ parts.badge('good', _('exposed')), ...parts.lines(entry.servers.map(s => parts.mono(s))),
			entry.backend ? parts.small(_('backend %s').format(words.safe(entry.backend))) : '' ]
			: parts.badge('', _('LAN only')),
		entry.dns.length ? parts.lines(entry.dns.map(a => parts.mono(a))) : E('em', {}, [ _('nothing of ours') ]),
		claimant(entry),
		notes
	]);
}

// The rules that were looked at; the last is what happens.
function renderSteps(title, steps) {
	return E('div', { 'class': 'sniroute-steps' }, [
		E('h4', {}, [ title ]),
		E('ol', {}, steps.map((step, i) => E('li', { 'class': (i == steps.length - 1) ? 'last' : '' }, [
			E('strong', {}, [ words.clean(step.rule), ': ' ]),
			E('span', {}, [ words.clean(step.detail) ])
		])))
	]);
}

function renderExplanation(explanation) {
	const same = [];

	for (const l of explanation.listeners) {
		const steps = JSON.stringify(l.steps);
		const other = same.find(s => s.steps == steps);

		if (other)
			other.names.push(words.safe(l.listener));
		else
			same.push({ steps, names: [ words.safe(l.listener) ], list: l.steps });
	}

	return E('div', {}, [
		...same.map(s => renderSteps(_('A connection to listener %s').format(s.names.join(', ')), s.list)),
		renderSteps(_('A question from the LAN'), explanation.dns)
	]);
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		return bus.routes().then(table => ({ table }), error => ({ error }));
	},

	render(loaded) {
		this.entries = [];
		this.shown = STEP;

		const node = E('div', { 'class': 'sniroute' }, [
			E('h2', {}, [ _('Routes') ]),
			this.renderExplain(),
			this.renderFilters(),
			this.failure = E('div', { 'role': 'alert' }),
			this.count = E('p', { 'role': 'status', 'class': 'sniroute-count' }),
			this.list = E('div', {}),
			this.more = E('button', {
				'class': 'btn cbi-button sniroute-more', 'type': 'button',
				'click': () => this.showMore()
			}, [ _('Show more') ])
		]);

		// Rows that come into view are added, so that thousands of hosts cost nothing until they are looked at.
		const watcher = new IntersectionObserver(seen => {
			if (!seen.some(s => s.isIntersecting))
				return;

			this.showMore();
			watcher.unobserve(this.more);
			watcher.observe(this.more); // and again, where it is still in view
		}, { rootMargin: '400px' });

		watcher.observe(this.more);

		this.take(loaded);
		poll.add(() => this.load().then(l => this.take(l)), INTERVAL);

		return node;
	},

	renderExplain() {
		const answer = E('div', { 'aria-live': 'polite' });

		const name = E('input', {
			'type': 'text', 'id': 'sniroute-name', 'class': 'cbi-input-text', 'maxlength': 253, 'autocomplete': 'off',
			'spellcheck': 'false', 'autocapitalize': 'none', 'placeholder': 'app.example.com', 'required': ''
		});

		const ask = ev => {
			ev.preventDefault();

			return bus.explain(name.value.trim()).then(
				explanation => dom.content(answer, [ renderExplanation(explanation) ]),
				error => dom.content(answer, [ E('p', {}, [ words.clean(error.message.split('\n')[0]) ]) ]));
		};

		return parts.section(_('What happens to a name?'), E('form', { 'class': 'sniroute-ask', 'submit': ask }, [
			E('label', { 'for': 'sniroute-name' }, [ _('Host name') ]),
			name,
			E('button', { 'class': 'btn cbi-button cbi-button-action', 'type': 'submit' }, [ _('Explain') ])
		]), answer);
	},

	renderFilters() {
		const changed = () => {
			this.shown = STEP;
			this.update();
		};

		this.search = E('input', {
			'type': 'search', 'id': 'sniroute-search', 'class': 'cbi-input-text', 'autocomplete': 'off',
			'spellcheck': 'false', 'placeholder': _('host, address, namespace …'), 'input': changed
		});

		this.state = E('select', { 'id': 'sniroute-state', 'class': 'cbi-input-select', 'change': changed }, [
			E('option', { 'value': '' }, [ _('all') ]),
			E('option', { 'value': 'exposed' }, [ _('exposed') ]),
			E('option', { 'value': 'internal' }, [ _('LAN only') ]),
			E('option', { 'value': 'refused' }, [ _('refused') ])
		]);

		this.source = E('select', { 'id': 'sniroute-source', 'class': 'cbi-input-select', 'change': changed }, [
			E('option', { 'value': '' }, [ _('all') ])
		]);

		return E('div', { 'class': 'sniroute-filters', 'role': 'search' }, [
			E('div', {}, [ E('label', { 'for': 'sniroute-search' }, [ _('Search') ]), this.search ]),
			E('div', {}, [ E('label', { 'for': 'sniroute-state' }, [ _('State') ]), this.state ]),
			E('div', {}, [ E('label', { 'for': 'sniroute-source' }, [ _('Source') ]), this.source ])
		]);
	},

	// Takes what was loaded, and draws only if something is different.
	take(loaded) {
		dom.content(this.failure, loaded.error ? [ E('ul', { 'class': 'sniroute-problems' }, [
			parts.problem('bad', _('sniroute does not answer: %s').format(words.clean(loaded.error.message.split('\n')[0])), '')
		]) ] : []);

		const text = JSON.stringify(loaded.table ?? null);

		if (text == this.text)
			return;

		this.text = text;
		this.entries = [ ...(loaded.table?.routes ?? []), ...(loaded.table?.refused ?? []) ]
			.map(entry => ({ entry, state: stateOf(entry), source: sourceOf(entry), text: textOf(entry) }))
			.sort((a, b) => words.compare(a.entry.host, b.entry.host));

		this.offerSources();
		this.update();
	},

	offerSources() {
		const sources = [ ...new Set(this.entries.map(e => e.source)) ].sort(words.compare);
		const chosen = this.source.value;

		dom.content(this.source, [
			E('option', { 'value': '' }, [ _('all') ]),
			...sources.map(s => E('option', { 'value': s }, [ (s == BY_HAND) ? _('by hand') : words.safe(s) ]))
		]);

		this.source.value = sources.includes(chosen) ? chosen : '';
	},

	update() {
		const search = this.search.value.trim().toLowerCase();

		this.matching = this.entries.filter(e =>
			(!this.state.value || e.state == this.state.value) &&
			(!this.source.value || e.source == this.source.value) &&
			e.text.includes(search));

		dom.content(this.list, [ parts.table(_('Routes'), titles(), [],
			this.entries.length ? _('Nothing matches.') : _('No name is routed.')) ]);

		this.body = this.list.querySelector('tbody');

		if (this.matching.length)
			dom.content(this.body, this.matching.slice(0, this.shown).map(e => renderRow(e.entry)));

		this.account();
	},

	showMore() {
		const from = this.shown;

		if (from >= this.matching.length)
			return;

		this.shown += STEP;
		dom.append(this.body, this.matching.slice(from, this.shown).map(e => renderRow(e.entry)));
		this.account();
	},

	account() {
		dom.content(this.count, [ (this.matching.length == this.entries.length)
			? _('%s entries').format(words.count(this.entries.length))
			: _('%s of %s entries').format(words.count(this.matching.length), words.count(this.entries.length)) ]);

		this.more.hidden = (this.shown >= this.matching.length);
	}
});
