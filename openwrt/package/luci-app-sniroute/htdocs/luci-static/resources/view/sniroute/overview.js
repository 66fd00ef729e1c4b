'use strict';
'require view';
'require poll';
'require sniroute.bus as bus';
'require sniroute.parts as parts';
'require sniroute.plot as plot';
'require sniroute.words as words';

const INTERVAL = 3; // seconds
const ROUTES_AGE = 30000; // ms; thousands of routes are not asked for again and again
const MANY = 40; // exposed hosts that are listed here

function sum(list, number) {
	return list.reduce((n, item) => n + number(item), 0);
}

function isDown(backend) {
	return backend.servers.length > 0 && !backend.servers.some(s => s.up);
}

function listText(items, join) {
	return (items.length > 3) ? _('%s and %d more').format(items.slice(0, 3).join(join), items.length - 3)
		: items.join(join);
}

// Everything that a person should look at: [kind, what, remedy], the worst first.
function problems(status, table) {
	const bad = [], warn = [];

	// A warning with its remedy apart, which the list of all problems has.
	const split = warning => {
		const whole = p => p.remedy ? '%s: %s'.format(p.text, p.remedy) : p.text;
		const same = (status.problems ?? []).find(p => whole(p).endsWith(warning) && warning.endsWith(': ' + p.remedy));
		const remedy = same?.remedy;
		const text = remedy ? warning.slice(0, -remedy.length - 2) : warning;

		return [ words.clean(text), words.clean(remedy) ];
	};

	if (status.config.error)
		bad.push([ _('The newest configuration is not in force, the last good one is: %s')
			.format(words.clean(status.config.error)),
			_('Mend it under Configuration, then Save & Apply.') ]);

	for (const l of status.listeners)
		if (!l.open)
			bad.push([ _('Listener %s is not open: %s').format(words.safe(l.name), words.clean(l.error)),
				_('Free the port or give another one under Configuration, Listeners.') ]);

	for (const s of status.sources) {
		for (const error of s.errors)
			bad.push([ '%s: %s'.format(words.safe(s.name), words.clean(error)),
				s.from_state ? _('Its last known hosts are served meanwhile.')
					: _('Its hosts are missing until it can be read.') ]);

		if (!s.synced && !s.from_state && !s.errors.length)
			bad.push([ _('%s has not been read yet.').format(words.safe(s.name)), '' ]);

		for (const warning of s.warnings)
			warn.push([ '%s: %s'.format(words.safe(s.name), split(warning)[0]), split(warning)[1] ]);
	}

	for (const b of status.traffic.backends)
		if (isDown(b))
			bad.push([ _('All servers of %s are down: %s').format(words.safe(b.name), words.clean(b.servers[0].error)),
				_('See that they answer, or change their addresses under Configuration, Backends.') ]);

	if (status.dns.enabled && status.dns.error)
		bad.push([ _('The LAN\'s DNS is not up to date: %s').format(words.clean(status.dns.error)),
			_('See that dnsmasq runs: System, Startup.') ]);

	const shared = table.routes.filter(r => r.warnings.includes('shared'));

	if (shared.length)
		warn.push([ _('Exposed and internal hosts share an address: whoever reaches %s can ask for the internal ones there.')
			.format(listText(shared.map(r => words.safe(r.host)), ', ')),
			_('Serve internal hosts by an ingress controller with an address of its own, or set shared_address to refuse.') ]);

	if (table.refused.length)
		warn.push([ _('Refused claims: %d.').format(table.refused.length), _('Routes says which, and why.') ]);

	for (const warning of [ ...status.warnings, ...status.config.warnings, ...status.dns.warnings ])
		warn.push(split(warning));

	return [ ...bad.map(p => [ 'bad', ...p ]), ...warn.map(p => [ 'warn', ...p ]) ];
}

function renderProblems(status, table) {
	const list = problems(status, table);

	if (!list.length)
		return E('p', { 'class': 'sniroute-fine' }, [
			parts.badge('good', _('ready')), ' ', _('Nothing needs your attention.')
		]);

	return E('ul', { 'class': 'sniroute-problems', 'aria-label': _('Problems and warnings') },
		list.map(p => parts.problem(...p)));
}

function renderTiles(status, table) {
	const exposed = table.routes.filter(r => r.exposed).length;

	const tile = (number, text) => E('li', {}, [ E('b', {}, [ number ]), E('span', {}, [ text ]) ]);

	return E('ul', { 'class': 'sniroute-tiles', 'aria-label': _('At a glance') }, [
		tile(words.count(status.traffic.active),
			_('connections of %s').format(words.count(status.traffic.connections_limit))),
		tile(words.count(exposed), _('hosts exposed')),
		tile(words.count(table.routes.length - exposed), _('hosts in the LAN only')),
		tile(words.count(status.dns.records), _('names in LAN DNS')),
		tile(words.count(table.refused.length), _('claims refused')),
		tile(words.since(status.started), _('up, version %s').format(status.version))
	]);
}

function renderPlots(history) {
	return E('div', { 'class': 'sniroute-plots' }, [
		plot.draw(history, [ 0 ], _('Connections'), n => words.count(Math.round(n))),
		plot.draw(history, [ 1 ], _('New connections a second'), n => n.toFixed(n < 10 ? 1 : 0)),
		plot.draw(history, [ 2, 3 ], _('To servers, to clients'), n => words.rate(n))
	]);
}

function renderListeners(status) {
	const rows = status.listeners.map(l => {
		const traffic = status.traffic.listeners.find(t => t.name == l.name) ?? { accepted: 0, rejected: {} };
		const refused = Object.entries(traffic.rejected).filter(r => r[1] > 0).sort((a, b) => b[1] - a[1]);

		let without = l.default_backend ? _('to %s').format(words.safe(l.default_backend)) : _('refused');

		if (l.protocol == 'http' && l.http_mode == 'acme')
			without = _('redirected to https');

		return [
			[ words.safe(l.name), parts.small(l.protocol == 'http' ? _('plain HTTP') : 'TLS') ],
			l.open ? parts.badge('good', _('open')) : parts.badge('bad', _('closed')),
			parts.lines(l.addresses.map(a => parts.mono(a))),
			without,
			words.count(traffic.accepted),
			refused.length ? parts.lines(refused.map(r => '%s: %s'.format(words.rejection(r[0]), words.count(r[1])))) : _('none')
		];
	});

	return parts.section(_('Listeners'), parts.table(_('Listeners'),
		[ _('Listener'), _('State'), _('Addresses'), _('Without a route'), '#' + _('Accepted'), _('Refused') ],
		rows, _('No listener is configured: add one under Configuration, Listeners.')));
}

function renderRedirects(redirects) {
	const rows = redirects.map(r => [
		[ words.safe(r.src), r.src_dip ? parts.small(_('for %s').format(words.safe(r.src_dip))) : '' ],
		words.safe(r.src_dport ?? r.dest_port),
		parts.mono('%s:%s'.format(words.safe(r.dest_ip ?? _('this router')), words.safe(r.dest_port))),
		(r.family == 'ipv6') ? 'IPv6' : (r.family == 'ipv4') ? 'IPv4' : _('IPv4 and IPv6')
	]);

	return parts.section(_('Redirects'),
		E('p', {}, [ _('Made by the service for as long as it runs. The firewall page does not show them.') ]),
		parts.table(_('Redirects'), [ _('From zone'), _('Port'), _('To'), _('Family') ], rows,
			_('None: no listener has a WAN port, or the service does not run.')));
}

function renderSources(status) {
	const rows = status.sources.map(s => {
		const state = s.synced ? parts.badge('good', _('in step'))
			: s.from_state ? parts.badge('warn', _('last known')) : parts.badge('bad', _('not read yet'));

		const until = (s.kind != 'cluster') ? '–'
			: s.credential_expiry ? words.date(s.credential_expiry) : _('no end known');

		return [
			[ words.safe(s.name), parts.small(s.kind == 'cluster' ? _('cluster') : _('manifests')) ],
			state,
			parts.mono(words.clean(s.where)),
			words.count(s.claims),
			s.synced ? _('now') : words.ago(s.last_sync),
			until
		];
	});

	return parts.section(_('Clusters and manifests'), parts.table(_('Clusters and manifests'),
		[ _('Source'), _('State'), _('Read from'), '#' + _('Claims'), _('Current'), _('Credentials until') ],
		rows, _('None is configured: all routes are made by hand.')));
}

// Pools for ACME challenges that have nothing to do and nothing wrong.
function isIdle(backend) {
	return backend.name.endsWith('/http') && backend.connections.length == 0 &&
		backend.servers.every(s => s.up && !s.active);
}

function renderServers(status) {
	const backends = status.traffic.backends.filter(b => !isIdle(b)).sort((a, b) => words.compare(a.name, b.name));
	const idle = status.traffic.backends.length - backends.length;

	const rows = backends.flatMap(b => b.servers.map((server, i) => [
		(i == 0) ? words.safe(b.name) : E('span', { 'class': 'sniroute-same' }, [ words.safe(b.name) ]),
		parts.mono(server.address),
		server.up ? parts.badge('good', _('up'))
			: [ parts.badge('bad', _('down')), server.error ? parts.small(words.clean(server.error)) : '' ],
		words.count(server.active),
		words.count(server.failed),
		(i == 0) ? words.count(sum(b.connections, c => c.count)) : '',
		(i == 0) ? words.bytes(b.to_backend) : '',
		(i == 0) ? words.bytes(b.to_client) : ''
	]));

	return parts.section(_('Servers'), parts.table(_('Servers'), [
		_('Backend'), _('Server'), _('State'), '#' + _('Open'), '#' + _('Connects failed'), '#' + _('Connections'),
		'#' + _('To server'), '#' + _('To clients')
	], rows, _('No backend is in use.')),
	idle ? E('p', { 'class': 'sniroute-small' }, [
		_('Pools at HTTP ports, for ACME challenges, that are up and idle: %d').format(idle)
	]) : '');
}

function renderExposed(table) {
	const exposed = table.routes.filter(r => r.exposed);
	const shown = exposed.slice(0, MANY);

	return parts.section(_('Reachable from the WAN'),
		exposed.length ? E('ul', { 'class': 'sniroute-hosts' }, shown.map(r => E('li', {}, [ words.safe(r.host) ])))
			: E('p', {}, [ _('No host is exposed.') ]),
		E('p', {}, [
			exposed.length > shown.length ? _('and %d more:').format(exposed.length - shown.length) + ' ' : '',
			E('a', { 'href': L.url('admin/services/sniroute/routes'), 'id': 'sniroute-all' }, [ _('All routes') ])
		]));
}

function renderParts(status) {
	const config = status.config.last_reload_ok ? parts.badge('good', _('in force'))
		: status.config.loaded ? parts.badge('bad', _('an older one is in force')) : parts.badge('bad', _('none'));

	let dns = parts.badge('good', _('up to date')), details = _('The LAN is told nothing.');

	if (!status.dns.enabled)
		dns = parts.badge('', _('off'));
	else if (status.dns.error)
		dns = parts.badge('bad', _('not up to date'));
	else if (!status.dns.published)
		dns = parts.badge('warn', _('nothing published yet'));

	if (status.dns.enabled)
		details = _('%s names, mode %s, published %s').format(words.count(status.dns.records), status.dns.mode,
			words.ago(status.dns.published));

	return parts.section(_('Configuration and LAN DNS'), parts.table(_('Configuration and LAN DNS'),
		[ _('Part'), _('State'), _('Details') ], [
			[ _('Configuration'), config, _('loaded %s').format(words.ago(status.config.changed)) ],
			[ _('LAN DNS'), dns, details ]
		], ''));
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	render() {
		this.history = plot.history();
		this.places = {};

		const place = name => (this.places[name] = E('div', {}));

		const node = E('div', { 'class': 'sniroute' }, [
			E('h2', {}, [ _('sniroute') ]),
			E('div', { 'role': 'status', 'aria-label': _('State') }, [ place('problems') ]),
			...[ 'tiles', 'plots', 'listeners', 'servers', 'sources', 'exposed', 'redirects', 'parts', 'left' ].map(place)
		]);

		poll.add(() => this.refresh(), INTERVAL);

		return this.refresh().then(() => node);
	},

	refresh() {
		return Promise.all([ bus.status(), bus.redirects().catch(() => null) ])
			.then(([ status, redirects ]) => this.routesOf(status).then(table => this.show(status, table, redirects)))
			.catch(error => this.showError(error));
	},

	// The routes: those of before, if they are not old and nothing says that there are others.
	routesOf(status) {
		const sign = JSON.stringify([
			status.started, status.config.changed, status.dns, status.sources.map(s => [ s.name, s.claims ])
		]);

		if (this.table && sign == this.sign && Date.now() - this.asked < ROUTES_AGE)
			return Promise.resolve(this.table);

		return bus.routes().then(table => {
			Object.assign(this, { table, sign, asked: Date.now() });

			return table;
		});
	},

	show(status, table, redirects) {
		const backends = status.traffic.backends;

		plot.add(this.history, Date.now(), status.traffic.active, [
			sum(status.traffic.listeners, l => l.accepted),
			sum(backends, b => b.to_backend),
			sum(backends, b => b.to_client)
		]);

		const nodes = {
			problems: renderProblems(status, table),
			tiles: renderTiles(status, table),
			plots: renderPlots(this.history),
			listeners: renderListeners(status),
			servers: renderServers(status),
			sources: renderSources(status),
			exposed: renderExposed(table),
			redirects: redirects ? renderRedirects(redirects) : null,
			parts: renderParts(status),
			left: status.left_out ? E('p', {}, [ _('Not shown here, since there are so many: %d. sniroute status has all.')
				.format(status.left_out) ]) : null
		};

		for (const name in nodes)
			parts.replace(this.places[name], nodes[name]);
	},

	showError(error) {
		for (const name in this.places)
			parts.replace(this.places[name], null);

		parts.replace(this.places.problems, E('ul', { 'class': 'sniroute-problems' }, [
			parts.problem('bad', _('sniroute does not answer: %s').format(words.clean(error.message.split('\n')[0])),
				_('Set Enabled under Configuration, Save & Apply; if it is set, the log says why it does not run.'))
		]));
	}
});
