'use strict';
'require baseclass';

// What the daemon's codes, times and numbers are in plain words.

const escapes = { '\t': '\\t', '\n': '\\n', '\r': '\\r', '\\': '\\\\' };

function spelled(c) {
	const code = c.codePointAt(0).toString(16);

	return escapes[c] ?? (code.length > 4 ? '\\U%s'.format(code.padStart(8, '0')) : '\\u%s'.format(code.padStart(4, '0')));
}

const units = [ [ 86400, 'd' ], [ 3600, 'h' ], [ 60, 'min' ], [ 1, 's' ] ];

function span(seconds) {
	const i = units.findIndex(u => seconds >= u[0]);

	if (i < 0)
		return '0 s';

	const whole = Math.floor(seconds / units[i][0]);
	const rest = (i < 2) ? Math.floor((seconds - whole * units[i][0]) / units[i + 1][0]) : 0;

	return rest ? '%d %s %d %s'.format(whole, units[i][1], rest, units[i + 1][1]) : '%d %s'.format(whole, units[i][1]);
}

function scaled(n, base, names) {
	let i = 0;

	while (n >= base && i < names.length - 1) {
		n /= base;
		i++;
	}

	return '%s %s'.format((i == 0 || n >= 100) ? Math.round(n) : n.toFixed(1), names[i]);
}

return baseclass.extend({
	// Sorts names, with the numbers in them by value.
	compare: new Intl.Collator(undefined, { numeric: true }).compare,

	// What a cluster says, with all but printable ASCII spelled out, so that it looks like what it is.
	safe(text) {
		return String(text ?? '').replace(/[^\x20-\x7e]/gu, spelled);
	},

	// A sentence, with the characters spelled out that are invisible or turn the direction of the text.
	clean(text) {
		return String(text ?? '').replace(/[\p{C}\u2028\u2029]/gu, c => (c == '\n') ? c : spelled(c));
	},

	// How long ago a time is.
	ago(time) {
		const then = Date.parse(time);

		return isNaN(then) ? _('never') : _('%s ago').format(span(Math.max(0, (Date.now() - then) / 1000)));
	},

	since(time) {
		const then = Date.parse(time);

		return isNaN(then) ? '' : span(Math.max(0, (Date.now() - then) / 1000));
	},

	date(time) {
		const then = new Date(time);

		return isNaN(then) ? '' : then.toLocaleString(document.documentElement.lang || undefined,
			{ dateStyle: 'medium', timeStyle: 'short' });
	},

	bytes(n) {
		return scaled(n, 1000, [ 'B', 'kB', 'MB', 'GB', 'TB', 'PB' ]);
	},

	rate(n) {
		return '%s/s'.format(this.bytes(n));
	},

	count(n) {
		return Number(n ?? 0).toLocaleString(document.documentElement.lang || undefined);
	},

	// Why a claim is refused, for a person who has not read the manual.
	refusal(reason) {
		switch (reason) {
		case 'name': return _('It is no name that may be routed: not a whole host name, or one that is the LAN\'s own.');
		case 'domain': return _('The name lies outside the domains that this source may claim.');
		case 'wildcard': return _('Wildcards are not allowed here.');
		case 'limit': return _('The source, or the namespace, has as many hosts as it may have.');
		case 'target': return _('It points to an address that claims may not point to.');
		case 'port': return _('It has no TCP port that connections could go to.');
		case 'static': return _('A route in the configuration has this name already.');
		case 'owned': return _('An older object of another namespace has this name, and this one would change where it goes.');
		case 'shared': return _('Its address also serves hosts that are not to be reached from the WAN.');
		case 'not_accepted': return _('The Gateway or controller has not accepted it.');
		}

		return _('It is refused: %s.').format(reason);
	},

	// A refusal in a word or two.
	refused(reason) {
		switch (reason) {
		case 'name': return _('not a name');
		case 'domain': return _('foreign domain');
		case 'wildcard': return _('wildcard');
		case 'limit': return _('too many');
		case 'target': return _('bad target');
		case 'port': return _('no port');
		case 'static': return _('routed by hand');
		case 'owned': return _('owned by another');
		case 'shared': return _('shared address');
		case 'not_accepted': return _('not accepted');
		}

		return reason;
	},

	// How a connection ended.
	outcome(connection) {
		switch ('%s by %s'.format(connection.result, connection.by)) {
		case 'ok by client': return _('ended by the client');
		case 'ok by server': return _('ended by the server');
		case 'reset by client': return _('broken off by the client');
		case 'reset by server': return _('broken off by the server');
		}

		switch (connection.result) {
		case 'ok': return _('ended');
		case 'reset': return _('broken off');
		case 'timeout': return _('idle for too long');
		case 'drained': return _('ended, since its listener or exposure went away');
		case 'redirected': return _('redirected to https');
		case 'refused': return [ this.rejection(connection.reason), this.clean(connection.error) ].filter(s => s).join(': ');
		}

		return connection.result;
	},

	// Why connections were refused.
	rejection(reason) {
		switch (reason) {
		case 'limit': return _('too many connections');
		case 'source_limit': return _('too many of one source');
		case 'source_rate': return _('too fast from one source');
		case 'denied': return _('network not allowed');
		case 'loop': return _('came back from here');
		case 'peek_memory': return _('hello made room');
		case 'timeout': return _('no hello in time');
		case 'closed': return _('left before its hello');
		case 'malformed': return _('malformed hello');
		case 'not_tls': return _('not TLS');
		case 'proxy_header': return _('PROXY header not allowed');
		case 'no_route': return _('name unknown');
		case 'not_exposed': return _('host not exposed');
		case 'no_server': return _('no server up');
		case 'shutdown': return _('shutting down');
		case 'fault': return _('internal fault');
		case 'redirected': return _('redirected to https');
		}

		return reason;
	}
});
