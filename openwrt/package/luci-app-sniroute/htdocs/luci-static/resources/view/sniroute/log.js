'use strict';
'require view';
'require poll';
'require dom';
'require sniroute.bus as bus';
'require sniroute.parts as parts';
'require sniroute.words as words';

const INTERVAL = 3; // seconds
const SHOWN = 10; // connections, at first
const LEVELS = [ 'debug', 'info', 'warn', 'error' ];

function badge(level) {
	switch (level) {
	case 'error': return parts.badge('bad', _('error'));
	case 'warn': return parts.badge('warn', _('warning'));
	case 'info': return parts.badge('', _('info'));
	}

	return parts.badge('', _('debug'));
}

function timeText(time) {
	const then = new Date(time);

	if (isNaN(then))
		return '';

	const two = n => String(n).padStart(2, '0');

	return '%d-%s-%s %s:%s:%s'.format(then.getFullYear(), two(then.getMonth() + 1), two(then.getDate()),
		two(then.getHours()), two(then.getMinutes()), two(then.getSeconds()));
}

function renderConnections(connections) {
	const rows = connections.map(c => [
		timeText(c.ended),
		parts.mono(c.client),
		[ c.host ? E('bdi', {}, [ words.safe(c.host) ]) : E('em', {}, [ _('no name') ]),
			parts.small(_('at listener %s').format(words.safe(c.listener))) ],
		c.backend ? [ words.safe(c.backend), c.server ? parts.small(parts.mono(c.server)) : '' ] : '–',
		c.backend ? '%s / %s'.format(words.bytes(c.to_backend), words.bytes(c.to_client)) : '',
		[ parts.badge({ ok: 'good', refused: 'warn', reset: 'warn' }[c.result] ?? '', words.outcome(c)),
			c.times > 1 ? parts.small(_('%d times in a row').format(c.times)) : '' ]
	]);

	return parts.table(_('Last connections'), [
		_('Ended'), _('Client'), _('Asked for'), _('To'), '#' + _('To server / to client'), _('Outcome')
	], rows, _('None yet.'));
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		return Promise.all([ bus.log(), bus.recent() ]).then(([ log, recent ]) =>
			({ lines: log.lines ?? [], connections: recent.recent ?? [] }), error => ({ error }));
	},

	render(loaded) {
		this.level = E('select', { 'id': 'sniroute-level', 'class': 'cbi-input-select', 'change': () => this.update() }, [
			E('option', { 'value': 'debug' }, [ _('everything') ]),
			E('option', { 'value': 'info' }, [ _('info and graver') ]),
			E('option', { 'value': 'warn' }, [ _('warnings and errors') ]),
			E('option', { 'value': 'error' }, [ _('errors only') ])
		]);

		this.follow = E('input', {
			'type': 'checkbox', 'id': 'sniroute-follow', 'checked': '', 'change': () => this.update()
		});
		this.failure = E('div', { 'role': 'alert' });
		this.count = E('p', { 'role': 'status', 'class': 'sniroute-count' });
		this.connections = E('div');
		this.shown = SHOWN;
		this.more = E('button', {
			'class': 'btn cbi-button sniroute-more', 'type': 'button',
			'click': () => {
				this.shown = Infinity;
				this.showConnections();
			}
		}, [ _('Show more') ]);
		this.list = E('div', {
			'class': 'sniroute-log', 'tabindex': 0, 'role': 'region', 'aria-label': _('Log lines')
		});

		const node = E('div', { 'class': 'sniroute' }, [
			E('h2', {}, [ _('Log') ]),
			E('div', { 'class': 'sniroute-filters' }, [
				E('div', {}, [ E('label', { 'for': 'sniroute-level' }, [ _('Level') ]), this.level ]),
				E('div', { 'class': 'check' }, [ this.follow, E('label', { 'for': 'sniroute-follow' }, [ _('Follow') ]) ])
			]),
			this.failure,
			this.count,
			this.list,
			parts.section(_('Last connections'), this.connections, this.more)
		]);

		this.take(loaded);
		poll.add(() => this.load().then(l => this.take(l)), INTERVAL);
		window.requestAnimationFrame(() => this.scroll());

		return node;
	},

	take(loaded) {
		dom.content(this.failure, loaded.error ? [ E('ul', { 'class': 'sniroute-problems' }, [
			parts.problem('bad', _('sniroute does not answer: %s').format(words.clean(loaded.error.message.split('\n')[0])),
				_('Status, System Log has what it said before it ended.'))
		]) ] : []);

		if (loaded.connections) {
			this.recent = loaded.connections;
			this.showConnections();
		}

		if (!loaded.lines || JSON.stringify(loaded.lines) == this.text)
			return;

		this.text = JSON.stringify(loaded.lines);
		this.lines = loaded.lines;
		this.update();
	},

	showConnections() {
		parts.replace(this.connections, renderConnections(this.recent.slice(0, this.shown)));
		this.more.hidden = (this.recent.length <= this.shown);
	},

	update() {
		const least = LEVELS.indexOf(this.level.value);
		const lines = (this.lines ?? []).filter(l => LEVELS.indexOf(l.level) >= least);

		dom.content(this.list, [ lines.length ? E('ol', {}, lines.map(l => E('li', { 'class': words.safe(l.level) }, [
			E('time', { 'datetime': words.safe(l.time) }, [ timeText(l.time) ]),
			badge(l.level),
			E('bdi', {}, [ words.clean(l.text) ])
		]))) : E('p', {}, [ E('em', {}, [ _('No lines.') ]) ]) ]);

		dom.content(this.count, [ _('%s lines').format(words.count(lines.length)) ]);
		this.scroll();
	},

	scroll() {
		if (this.follow.checked)
			this.list.scrollTop = this.list.scrollHeight;
	}
});
