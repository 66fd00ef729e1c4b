'use strict';
'require baseclass';

// What values of each kind of option look like, for a verdict while somebody types. The daemon's `check` says the last
// word: this is not to accept what it refuses where the value alone shows it, and never to refuse what it accepts.

// An IPv4 address as 4 bytes, an IPv6 address as 16, anything else as null.
function parseIPv4(text) {
	const parts = text.split('.');

	return (parts.length == 4 && parts.every(p => /^(0|[1-9][0-9]{0,2})$/.test(p) && +p < 256)) ? parts.map(Number) : null;
}

function parseIPv6(text) {
	const tail = /^(.*:)([0-9.]*\.[0-9.]*)$/.exec(text);
	const last = tail ? parseIPv4(tail[2]) : null;

	if (tail && !last)
		return null;

	if (last)
		text = tail[1] + ((last[0] << 8) | last[1]).toString(16) + ':' + ((last[2] << 8) | last[3]).toString(16);

	const halves = text.split('::');

	if (halves.length > 2)
		return null;

	const groups = halves.map(h => h === '' ? [] : h.split(':'));
	const missing = 8 - groups.flat().length;

	if (!groups.flat().every(g => /^[0-9a-fA-F]{1,4}$/.test(g)) || (halves.length == 2 ? missing < 1 : missing != 0))
		return null;

	const all = (halves.length == 2) ? [ ...groups[0], ...Array(missing).fill('0'), ...groups[1] ] : groups[0];

	return all.flatMap(g => [ parseInt(g, 16) >> 8, parseInt(g, 16) & 255 ]);
}

function parseIP(text) {
	return text.includes(':') ? parseIPv6(text) : parseIPv4(text);
}

// ADDRESS:PORT as [address, port]; null if it is none.
function cutPort(text) {
	const m = /^(?:\[([^\]]*)\]|([^:\[\]]*)):([0-9]+)$/.exec(text);

	return (m && +m[3] > 0 && +m[3] < 65536) ? [ m[1] ?? m[2], +m[3] ] : null;
}

function isNetwork(text) {
	const [ address, length, more ] = text.split('/');
	const bytes = parseIP(address);

	if (!bytes || more != null || length != null && !/^(0|[1-9][0-9]{0,2})$/.test(length) || +length > bytes.length * 8)
		return false;

	// no bit is set behind the length
	return length == null || bytes.every((b, i) => (b & (0xff >> Math.min(8, Math.max(0, length - 8 * i)))) == 0);
}

function isName(text) {
	const name = text.replace(/\.$/, '');

	return name.length > 0 && name.length <= 253 && name.split('.').every(l => /^[A-Za-z0-9_-]{1,63}$/.test(l));
}

const milliseconds = { ns: 1e-6, us: 1e-3, 'µs': 1e-3, 'μs': 1e-3, ms: 1, s: 1000, m: 60000, h: 3600000 };

// A duration in milliseconds; NaN if it is none.
function parseDuration(text) {
	if (/^[0-9]+$/.test(text))
		return text * 1000;

	if (/^[0-9]+d$/.test(text))
		return parseInt(text) * 86400000;

	if (!/^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$/.test(text))
		return NaN;

	return [ ...text.matchAll(/([0-9.]+)([a-zµμ]+)/g) ].reduce((sum, m) => sum + m[1] * milliseconds[m[2]], 0);
}

// A size in bytes; NaN if it is none.
function parseSize(text) {
	const m = /^([0-9]+)([kmgKMG]?)$/.exec(text);

	return m ? m[1] * 1024 ** ' KMG'.indexOf(m[2].toUpperCase() || ' ') : NaN;
}

const number = text => /^[+-]?[0-9]+$/.test(text) ? +text : NaN;

function bounded(option, n, expected) {
	if (n >= option.min && n <= option.max)
		return true;

	const text = _('%s from %s to %s').format(expected, ...option.bounds.split(' to '));

	return option.auto ? _('%s, or auto').format(text) : text;
}

const printable = (text, most) => /^[!-~]+$/.test(text) && text.length <= most;

const checks = {
	choice: (o, v) => o.values.includes(v) || _('one of %s').format(o.values.join(', ')),
	number: (o, v) => bounded(o, number(v), _('a whole number')),
	size: (o, v) => bounded(o, parseSize(v), _('a size such as 4M')),
	duration: (o, v) => bounded(o, parseDuration(v), _('a duration such as 30s')),
	reference: (o, v) => /^[A-Za-z0-9_]+$/.test(v) || _('the name of a section'),
	address: (o, v) => !!parseIP(v) || _('an IP address such as 192.168.0.3; host names are not resolved'),
	network: (o, v) => isNetwork(v) || _('a network such as 192.168.0.0/24, or an address'),

	listen: (o, v) => {
		const cut = cutPort(v);

		return (cut != null && (cut[0] === '' || !!parseIP(cut[0]))) ||
			_('an address and port such as :8443 or 192.168.0.1:8443; host names are not resolved');
	},

	server: (o, v) => {
		const [ at, ...rest ] = v.trim().split(/\s+/);
		const cut = cutPort(at);

		return (cut != null && !!parseIP(cut[0]) && rest.every(r => r == 'backup' || /^weight=[0-9]+$/.test(r))) ||
			_('ADDRESS:PORT such as 192.168.0.2:443, with weight=N and backup behind it if need be; host names are not resolved');
	},

	url: (o, v) => /^https:\/\/[^\s/?#]+(\/[^\s?#]*)?$/i.test(v) || _('an address such as https://192.168.0.10:6443'),
	host: (o, v) => isName(v.replace(/^\*\./, '')) || _('a host name, or *.NAME'),

	domain: (o, v) => {
		const [ name, binding, more ] = v.trim().split(/\s+/);

		return (more == null && (binding == null || /^ns=./.test(binding)) &&
			(name == '*' || isName(name.replace(/^\*\./, '')))) || _('NAME or NAME ns=NAMESPACE');
	},

	gateway: (o, v) => /^[^/\s]+\/[^/\s]+$/.test(v) || _('NAMESPACE/NAME'),
	protocol: (o, v) => printable(v, 255) || _('a protocol such as acme-tls/1'),
	file: (o, v) => /^\/[^\x00-\x1f\x7f]*$/.test(v) || _('an absolute path'),
	word: (o, v) => printable(v, 253) || _('one word')
};

return baseclass.extend({
	// Whether a value that is not empty may stand for an option of the schema: true, or what is expected.
	check(option, value) {
		if (option.auto && value == 'auto')
			return true;

		const verdict = checks[option.kind]?.(option, value) ?? true;

		return (verdict === true) ? true : _('Expected: %s').format(verdict);
	}
});
