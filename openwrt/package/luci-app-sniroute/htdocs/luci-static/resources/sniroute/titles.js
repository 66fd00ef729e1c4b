'use strict';
'require baseclass';

// What sections and options are called, and how a dialog groups them. What is in no group stands in a last one, so that
// an option cannot be forgotten here.

const options = {
	accept_proxy: _('PROXY header from'),
	access_log: _('Log connections'),
	acme_internal: _('Challenges for internal hosts'),
	address: _('Addresses instead'),
	allow: _('Allowed networks'),
	alpn: _('ALPN'),
	backend: _('Backend'),
	balance: _('Balancing'),
	ca_file: _('CA certificate'),
	check: _('Health check'),
	check_fall: _('Checks until down'),
	check_interval: _('Check interval'),
	check_rise: _('Checks until up'),
	class: _('Class'),
	cluster: _('Source'),
	connect_timeout: _('Connect timeout'),
	connection_rate_per_source: _('New connections of a source'),
	control: _('Control socket'),
	default_backend: _('Default backend'),
	deny: _('Denied networks'),
	dns: _('LAN DNS answers'),
	domain: _('Domains'),
	drain_timeout: _('Drain timeout'),
	enabled: _('Enabled'),
	expose: _('Expose to the WAN'),
	gateway: _('Gateway'),
	hairpin: _('Hairpin networks'),
	hairpin_zone: _('Hairpin zones'),
	hold: _('Keep lost addresses'),
	hook: _('Hook'),
	host: _('Hosts'),
	hosts_file: _('Hosts file'),
	http_mode: _('Plain HTTP'),
	http_port: _('HTTP port'),
	https_port: _('HTTPS port'),
	idle_timeout: _('Idle timeout'),
	inspect_delay: _('Time for the hello'),
	instance: _('dnsmasq instances'),
	kubeconfig: _('Kubeconfig'),
	lan_prefer: _('LAN DNS prefers'),
	listen: _('Listen on'),
	listener: _('Listeners'),
	log_level: _('Log level'),
	loops: _('Event loops'),
	match_address: _('Addresses'),
	match_host: _('Hosts'),
	max_connections: _('Connections at once'),
	max_connections_per_source: _('Connections of a source'),
	max_hosts: _('Hosts at most'),
	max_hosts_per_namespace: _('Hosts of a namespace'),
	max_stale: _('Drop when stale'),
	mode: _('Mode'),
	namespace: _('Namespaces'),
	non_tls: _('What is not TLS'),
	notify: _('Telling dnsmasq'),
	other_classes: _('Other classes'),
	path: _('Folder'),
	peek_memory: _('Memory for hellos'),
	proto: _('Protocol'),
	send_proxy: _('Send PROXY header'),
	server: _('Servers'),
	servers_file: _('Servers file'),
	shared_address: _('Shared addresses'),
	source: _('Source'),
	state_file: _('State file'),
	status_allow: _('Status for'),
	status_listen: _('Status page on'),
	stick: _('Stick to a server by'),
	stick_expire: _('Remember clients for'),
	stick_size: _('Clients remembered'),
	target: _('Allowed targets'),
	token_file: _('Token'),
	wan_ipv6: _('WAN IPv6'),
	wan_port: _('WAN port'),
	wan_zone: _('WAN zones'),
	wildcards: _('Wildcards'),
	wildcards_file: _('Wildcards file')
};

// Where a name means something else in one type of section.
const elsewhere = {
	'backend.source': _('Clients\' addresses'),
	'class.source': _('Clients\' addresses'),
	'cluster.server': _('API servers'),
	'cluster.source': _('Kinds of objects'),
	'manifests.source': _('Kinds of objects')
};

const sections = {
	sniroute: [ _('General'), '' ],
	listener: [ _('Listeners'), _('Listener') ],
	backend: [ _('Backends'), _('Backend') ],
	route: [ _('Routes'), _('Route') ],
	cluster: [ _('Clusters'), _('Cluster') ],
	class: [ _('Classes'), _('Class') ],
	manifests: [ _('Manifests'), _('Manifests') ],
	dns: [ _('LAN DNS'), '' ]
};

const health = [ 'check', 'check_interval', 'check_rise', 'check_fall', 'connect_timeout', 'idle_timeout' ];
const stick = [ 'stick', 'stick_size', 'stick_expire' ];
const access = [ 'listener', 'accept_proxy', 'allow', 'deny' ];
const claims = [ 'source', 'domain', 'target', 'wildcards', 'max_hosts', 'max_hosts_per_namespace' ];
const policy = [ 'other_classes', 'shared_address', 'lan_prefer', 'hold', 'max_stale' ];

const groups = {
	sniroute: [
		[ 'general', _('General'), [ 'enabled', 'log_level', 'access_log', 'status_listen', 'status_allow' ] ],
		[ 'limits', _('Limits'), [ 'max_connections', 'max_connections_per_source', 'connection_rate_per_source',
			'peek_memory', 'drain_timeout' ] ]
	],
	listener: [
		[ 'general', _('General'), [ 'enabled', 'proto', 'listen', 'default_backend', 'non_tls', 'inspect_delay', 'http_mode',
			'acme_internal' ] ],
		[ 'firewall', _('Firewall'), [ 'wan_port', 'wan_zone', 'wan_ipv6', 'hairpin', 'hairpin_zone' ] ],
		[ 'access', _('Access'), access ]
	],
	backend: [
		[ 'general', _('General'), [ 'enabled', 'server', 'balance', 'send_proxy', 'source', 'http_port' ] ],
		[ 'health', _('Health and timeouts'), health ],
		[ 'stick', _('Stickiness'), stick ]
	],
	route: [
		[ 'general', _('General'), [ 'enabled', 'host', 'backend', 'expose', 'dns' ] ],
		[ 'access', _('Access'), [ 'alpn', ...access ] ]
	],
	cluster: [
		[ 'general', _('Connection'), [ 'enabled', 'kubeconfig', 'server', 'ca_file', 'token_file' ] ],
		[ 'claims', _('Claims'), claims ],
		[ 'policy', _('Policy'), policy ]
	],
	class: [
		[ 'general', _('Selects'), [ 'cluster', 'class', 'gateway', 'namespace', 'match_address', 'match_host' ] ],
		[ 'effect', _('Effect'), [ 'expose', 'address', 'https_port', 'http_port' ] ],
		[ 'access', _('Access'), access ],
		[ 'servers', _('Servers'), [ 'balance', 'send_proxy', 'source', ...stick ] ],
		[ 'health', _('Health and timeouts'), health ]
	],
	manifests: [
		[ 'general', _('General'), [ 'enabled', 'path' ] ],
		[ 'claims', _('Claims'), claims ],
		[ 'policy', _('Policy'), policy ]
	],
	dns: [
		[ 'general', _('General'), [ 'enabled', 'mode', 'notify', 'instance' ] ]
	]
};

return baseclass.extend({
	// The title of an option in a type of section.
	option(type, name) {
		return elsewhere['%s.%s'.format(type, name)] ?? options[name] ?? name;
	},

	// The title of the sections of a type, and of one of them.
	sections(type) {
		return sections[type]?.[0] ?? type;
	},

	section(type) {
		return sections[type]?.[1] || this.sections(type);
	},

	// The groups of a section's options: name, title, options.
	groups(section) {
		const list = (groups[section.type] ?? []).map(([ name, title, names ]) =>
			[ name, title, names.map(n => section.options.find(o => o.name == n)).filter(o => o) ]);

		const rest = section.options.filter(o => !list.some(g => g[2].includes(o)));

		return rest.length ? [ ...list, [ 'other', _('Other'), rest ] ] : list;
	}
});
