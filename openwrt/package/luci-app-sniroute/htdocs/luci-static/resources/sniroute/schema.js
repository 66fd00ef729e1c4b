// Made of pkg/config/schema.go by: go test ./pkg/config -update
'use strict';
'require baseclass';

// Every section and option of /etc/config/sniroute, in the order in which a file is best written.
//
// An option's kind is boolean, choice (of values), number (from min to max), size (of min to max bytes), duration (of
// min to max milliseconds), reference (the name of a section of one of types, or one of values), address, network,
// listen, server, url, host, domain, gateway, protocol, file or word. With auto, the word auto is a value too. bounds is
// min to max as a person writes them. The default of a list is a list. secret: the value may be or hold a credential.
// pending: it has no effect yet; pending_values: these have none.
return baseclass.extend({
	sections: [
		{
			type: 'sniroute', only: 'main', named: false, pending: false,
			help: _('The daemon as a whole'),
			options: [
				{
					name: 'enabled', kind: 'boolean',
					list: false, required: false, default: '1', secret: false,
					help: _('Whether the init script starts the daemon')
				},
				{
					name: 'log_level', kind: 'choice', values: ['debug', 'info', 'warn', 'error'],
					list: false, required: false, default: 'info', secret: false,
					help: _('What is logged: this and what is graver')
				},
				{
					name: 'access_log', kind: 'boolean',
					list: false, required: false, default: '0', secret: false,
					help: _('1: a line of level info for each connection that ended; more than 30 a second are summed up')
				},
				{
					name: 'status_listen', kind: 'listen',
					list: true, required: false, default: ['127.0.0.1:1936'], secret: false,
					help: _('Where the status page, the API and the metrics are served')
				},
				{
					name: 'status_allow', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('Who may ask for them beyond the router itself')
				},
				{
					name: 'control', kind: 'file',
					list: false, required: false, default: '/var/run/sniroute/control.sock', secret: false,
					help: _('The socket over which the commands reach the daemon. Read at the start only')
				},
				{
					name: 'state_file', kind: 'file',
					list: false, required: false, default: '/etc/sniroute/state.json', secret: false,
					help: _('The last known claims, for a start without the cluster. Read at the start only')
				},
				{
					name: 'max_connections', kind: 'number', min: 16, max: 1000000, bounds: '16 to 1000000', auto: true,
					list: false, required: false, default: 'auto', secret: false,
					help: _('Connections at once; auto: from memory, descriptors and conntrack')
				},
				{
					name: 'max_connections_per_source', kind: 'number', min: 0, max: 1000000, bounds: '0 to 1000000',
					list: false, required: false, default: '256', secret: false,
					help: _('Of one IPv4 address or IPv6 /64, four times that for a /48; 0: no limit')
				},
				{
					name: 'connection_rate_per_source', kind: 'number', min: 0, max: 1000000, bounds: '0 to 1000000',
					list: false, required: false, default: '20', secret: false,
					help: _('New connections a second of one source, ten times that in a burst; 0: no limit')
				},
				{
					name: 'peek_memory', kind: 'size', min: 65536, max: 1073741824, bounds: '64K to 1G',
					list: false, required: false, default: '4M', secret: false,
					help: _('All unfinished hellos together')
				},
				{
					name: 'drain_timeout', kind: 'duration', min: 0, max: 3600000, bounds: '0 to 1h',
					list: false, required: false, default: '30s', secret: false,
					help: _('What a connection is left whose listener or exposure went away')
				},
				{
					name: 'loops', kind: 'number', min: 1, max: 64, bounds: '1 to 64', auto: true,
					list: false, required: false, default: 'auto', secret: false,
					help: _('Event loops; auto: one, or two from four cores on. Read at the start only')
				},
			]
		},
		{
			type: 'listener', only: '', named: false, pending: false,
			help: _('Addresses that take connections'),
			options: [
				{
					name: 'enabled', kind: 'boolean',
					list: false, required: false, default: '1', secret: false,
					help: _('0: the section is checked and then left out')
				},
				{
					name: 'proto', kind: 'choice', values: ['tls', 'http'],
					list: false, required: false, default: 'tls', secret: false,
					help: _('What is spoken on it')
				},
				{
					name: 'listen', kind: 'listen',
					list: true, required: false, default: [':8443'], secret: false,
					help: _('Address, even one yet to come, and port; \':PORT\' is every address. For http the default is \':8080\'')
				},
				{
					name: 'wan_port', kind: 'number', min: 0, max: 65535, bounds: '0 to 65535',
					list: false, required: false, default: '443', secret: false,
					help: _('The init script redirects this port of the WAN here; 0: none. For http the default is 80')
				},
				{
					name: 'wan_zone', kind: 'word',
					list: true, required: false, default: ['wan'], secret: false,
					help: _('The firewall\'s zones for that')
				},
				{
					name: 'wan_ipv6', kind: 'boolean',
					list: false, required: false, default: '0', secret: false,
					help: _('1: for IPv6 too')
				},
				{
					name: 'hairpin', kind: 'word',
					list: true, required: false, default: [], secret: false,
					help: _('Networks whose addresses lead here from inside too; needed without split DNS: wan')
				},
				{
					name: 'hairpin_zone', kind: 'word',
					list: true, required: false, default: ['lan'], secret: false,
					help: _('The firewall\'s zones for that')
				},
				{
					name: 'default_backend', kind: 'reference', types: ['backend'], values: [],
					list: false, required: false, default: '', secret: false,
					help: _('Takes connections without a name, or whose name nothing claims; empty: they are refused')
				},
				{
					name: 'inspect_delay', kind: 'duration', min: 10, max: 60000, bounds: '10ms to 1m',
					list: false, required: false, default: '5s', secret: false,
					help: _('How long a client may take to say hello')
				},
				{
					name: 'non_tls', kind: 'reference', types: ['backend'], values: ['reject', 'default'],
					list: false, required: false, default: 'reject', secret: false,
					help: _('What is not TLS, or silent for inspect_delay: refuse it, or its backend')
				},
				{
					name: 'accept_proxy', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('Peers that must, and alone may, send a PROXY protocol header')
				},
				{
					name: 'allow', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('The only client networks that may connect')
				},
				{
					name: 'deny', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('Client networks that may not')
				},
				{
					name: 'http_mode', kind: 'choice', values: ['acme', 'route'],
					list: false, required: false, default: 'acme', secret: false,
					help: _('acme: ACME challenges pass, the rest is redirected to https; route: by Host, as for tls')
				},
				{
					name: 'acme_internal', kind: 'boolean',
					list: false, required: false, default: '0', secret: false,
					help: _('1: challenges for hosts that are not exposed pass too')
				},
			]
		},
		{
			type: 'backend', only: '', named: true, pending: false,
			help: _('A pool of servers'),
			options: [
				{
					name: 'enabled', kind: 'boolean',
					list: false, required: false, default: '1', secret: false,
					help: _('0: the section is checked and then left out')
				},
				{
					name: 'server', kind: 'server',
					list: true, required: true, default: [], secret: false,
					help: _('ADDRESS:PORT, and \'weight=N\' (1 to 256) and \'backup\' behind it if need be')
				},
				{
					name: 'http_port', kind: 'number', min: 1, max: 65535, bounds: '1 to 65535',
					list: false, required: false, default: '80', secret: false,
					help: _('Where ACME challenges go, at the servers\' addresses')
				},
				{
					name: 'balance', kind: 'choice', values: ['roundrobin', 'leastconn', 'source'],
					list: false, required: false, default: 'roundrobin', secret: false,
					help: _('How the next server is chosen: in turn, by fewest connections, or by the client\'s address')
				},
				{
					name: 'stick', kind: 'choice', values: ['none', 'source', 'session_id'],
					list: false, required: false, default: 'none', secret: false,
					help: _('What makes a client return to the same server: its address, or its TLS session (up to TLS 1.2)')
				},
				{
					name: 'stick_size', kind: 'number', min: 1, max: 1000000, bounds: '1 to 1000000',
					list: false, required: false, default: '30720', secret: false,
					help: _('Clients remembered; a new one takes the place of the one that was away for longest')
				},
				{
					name: 'stick_expire', kind: 'duration', min: 1000, max: 2592000000, bounds: '1s to 30d',
					list: false, required: false, default: '30m', secret: false,
					help: _('How long they are remembered')
				},
				{
					name: 'check', kind: 'choice', values: ['none', 'tcp', 'tls'],
					list: false, required: false, default: 'tcp', secret: false,
					help: _('How a server\'s health is found out: not at all, by connecting, or by a TLS handshake')
				},
				{
					name: 'check_interval', kind: 'duration', min: 100, max: 3600000, bounds: '100ms to 1h',
					list: false, required: false, default: '2s', secret: false,
					help: _('Time between two checks')
				},
				{
					name: 'check_rise', kind: 'number', min: 1, max: 100, bounds: '1 to 100',
					list: false, required: false, default: '2', secret: false,
					help: _('Good checks until a server is up')
				},
				{
					name: 'check_fall', kind: 'number', min: 1, max: 100, bounds: '1 to 100',
					list: false, required: false, default: '3', secret: false,
					help: _('Bad checks, or connects that fail, until it is down')
				},
				{
					name: 'connect_timeout', kind: 'duration', min: 10, max: 300000, bounds: '10ms to 5m',
					list: false, required: false, default: '5s', secret: false,
					help: _('How long a server may take to accept')
				},
				{
					name: 'idle_timeout', kind: 'duration', min: 1000, max: 2592000000, bounds: '1s to 30d',
					list: false, required: false, default: '1h', secret: false,
					help: _('No bytes either way for so long ends a connection')
				},
				{
					name: 'send_proxy', kind: 'choice', values: ['none', 'v1', 'v2'],
					list: false, required: false, default: 'none', secret: false,
					help: _('The PROXY protocol header that servers get')
				},
				{
					name: 'source', kind: 'choice', values: ['router', 'client'],
					list: false, required: false, default: 'router', secret: false,
					help: _('Whose address servers see; with the client\'s own, their answers must come back through this router')
				},
			]
		},
		{
			type: 'route', only: '', named: false, pending: false,
			help: _('Hosts that are routed by hand; they stand above what a cluster says'),
			options: [
				{
					name: 'enabled', kind: 'boolean',
					list: false, required: false, default: '1', secret: false,
					help: _('0: the section is checked and then left out')
				},
				{
					name: 'host', kind: 'host',
					list: true, required: true, default: [], secret: false,
					help: _('A host name, or \'*.NAME\' for one or more labels before NAME')
				},
				{
					name: 'alpn', kind: 'protocol',
					list: false, required: false, default: '', secret: false,
					help: _('Only hellos that offer exactly this protocol, such as acme-tls/1')
				},
				{
					name: 'backend', kind: 'reference', types: ['backend'], values: [],
					list: false, required: false, default: '', secret: false,
					help: _('Where they go; needed if expose is 1')
				},
				{
					name: 'dns', kind: 'address',
					list: true, required: false, default: [], secret: false,
					help: _('What the LAN\'s DNS answers for these hosts')
				},
				{
					name: 'expose', kind: 'boolean',
					list: false, required: false, default: '1', secret: false,
					help: _('0: DNS only, connections are refused')
				},
				{
					name: 'listener', kind: 'reference', types: ['listener'], values: [],
					list: true, required: false, default: [], secret: false,
					help: _('The listeners that it serves; default: all')
				},
				{
					name: 'allow', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('The only client networks that may connect')
				},
				{
					name: 'deny', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('Client networks that may not')
				},
			]
		},
		{
			type: 'cluster', only: '', named: true, pending: false,
			help: _('A Kubernetes cluster whose objects become routes and DNS records'),
			options: [
				{
					name: 'enabled', kind: 'boolean',
					list: false, required: false, default: '1', secret: false,
					help: _('0: the section is checked and then left out')
				},
				{
					name: 'kubeconfig', kind: 'file',
					list: false, required: false, default: '', secret: true,
					help: _('Address and credentials in one file; or, and never both:')
				},
				{
					name: 'server', kind: 'url',
					list: true, required: false, default: [], secret: true,
					help: _('The API servers\' URLs, tried in order')
				},
				{
					name: 'ca_file', kind: 'file',
					list: false, required: false, default: '', secret: true,
					help: _('Who signed their certificates')
				},
				{
					name: 'token_file', kind: 'file',
					list: false, required: false, default: '', secret: true,
					help: _('The ServiceAccount\'s token')
				},
				{
					name: 'source', kind: 'choice', values: ['ingress', 'gateway', 'service'], pending_values: ['gateway'],
					list: true, required: false, default: ['ingress'], secret: false,
					help: _('The kinds of objects that are read')
				},
				{
					name: 'domain', kind: 'domain',
					list: true, required: false, default: [], secret: false,
					help: _('The only names that may be claimed, these and those below; \'NAME ns=NAMESPACE\' binds one')
				},
				{
					name: 'target', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('The only addresses that names may point to; default: private ones')
				},
				{
					name: 'wildcards', kind: 'boolean',
					list: false, required: false, default: '0', secret: false,
					help: _('1: wildcard hosts may be claimed')
				},
				{
					name: 'max_hosts', kind: 'number', min: 1, max: 100000, bounds: '1 to 100000',
					list: false, required: false, default: '4096', secret: false,
					help: _('Hosts of the whole source')
				},
				{
					name: 'max_hosts_per_namespace', kind: 'number', min: 1, max: 100000, bounds: '1 to 100000',
					list: false, required: false, default: '256', secret: false,
					help: _('Hosts of one namespace')
				},
				{
					name: 'other_classes', kind: 'choice', values: ['internal', 'ignore'],
					list: false, required: false, default: 'internal', secret: false,
					help: _('Objects that no class section selects: internal (DNS only) or ignored')
				},
				{
					name: 'shared_address', kind: 'choice', values: ['warn', 'refuse'],
					list: false, required: false, default: 'warn', secret: false,
					help: _('An address and port with exposed and internal hosts: warn, or expose none of them')
				},
				{
					name: 'lan_prefer', kind: 'choice', values: ['internal', 'exposed'],
					list: false, required: false, default: 'internal', secret: false,
					help: _('What the LAN\'s DNS answers for a host that has both')
				},
				{
					name: 'hold', kind: 'duration', min: 0, max: 604800000, bounds: '0 to 7d',
					list: false, required: false, default: '10m', secret: false,
					help: _('An object that lost its addresses keeps the last ones so long')
				},
				{
					name: 'max_stale', kind: 'duration', min: 0, max: 31536000000, bounds: '0 to 365d',
					list: false, required: false, default: '0', secret: false,
					help: _('With no contact for so long, the cluster\'s routes go; 0: never')
				},
			]
		},
		{
			type: 'class', only: '', named: false, pending: false,
			help: _('Selects claims, host by host: all that is given must match, the first section wins'),
			options: [
				{
					name: 'cluster', kind: 'reference', types: ['cluster', 'manifests'], values: [],
					list: false, required: true, default: '', secret: false,
					help: _('The cluster or manifests section whose claims it selects')
				},
				{
					name: 'class', kind: 'word',
					list: false, required: false, default: '', secret: false,
					help: _('An IngressClass or GatewayClass')
				},
				{
					name: 'gateway', kind: 'gateway',
					list: false, required: false, default: '', secret: false,
					help: _('One Gateway, as NAMESPACE/NAME')
				},
				{
					name: 'namespace', kind: 'word',
					list: true, required: false, default: [], secret: false,
					help: _('Namespaces; needed for a Service to be exposed')
				},
				{
					name: 'match_address', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('Every address of the claim lies in these')
				},
				{
					name: 'match_host', kind: 'host',
					list: true, required: false, default: [], secret: false,
					help: _('Host names, or \'*.NAME\'')
				},
				{
					name: 'expose', kind: 'boolean',
					list: false, required: false, default: '0', secret: false,
					help: _('1: reachable from the WAN; 0: LAN DNS only')
				},
				{
					name: 'address', kind: 'address',
					list: true, required: false, default: [], secret: false,
					help: _('Instead of what the objects\' status says')
				},
				{
					name: 'https_port', kind: 'number', min: 1, max: 65535, bounds: '1 to 65535',
					list: false, required: false, default: '443', secret: false,
					help: _('Where TLS connections go')
				},
				{
					name: 'http_port', kind: 'number', min: 1, max: 65535, bounds: '1 to 65535',
					list: false, required: false, default: '80', secret: false,
					help: _('Where ACME challenges go')
				},
				{
					name: 'listener', kind: 'reference', types: ['listener'], values: [],
					list: true, required: false, default: [], secret: false,
					help: _('The listeners that it serves; default: all')
				},
				{
					name: 'allow', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('The only client networks that may connect')
				},
				{
					name: 'deny', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('Client networks that may not')
				},
				{
					name: 'balance', kind: 'choice', values: ['roundrobin', 'leastconn', 'source'],
					list: false, required: false, default: 'roundrobin', secret: false,
					help: _('How the next server is chosen: in turn, by fewest connections, or by the client\'s address')
				},
				{
					name: 'stick', kind: 'choice', values: ['none', 'source', 'session_id'],
					list: false, required: false, default: 'none', secret: false,
					help: _('What makes a client return to the same server: its address, or its TLS session (up to TLS 1.2)')
				},
				{
					name: 'stick_size', kind: 'number', min: 1, max: 1000000, bounds: '1 to 1000000',
					list: false, required: false, default: '30720', secret: false,
					help: _('Clients remembered; a new one takes the place of the one that was away for longest')
				},
				{
					name: 'stick_expire', kind: 'duration', min: 1000, max: 2592000000, bounds: '1s to 30d',
					list: false, required: false, default: '30m', secret: false,
					help: _('How long they are remembered')
				},
				{
					name: 'check', kind: 'choice', values: ['none', 'tcp', 'tls'],
					list: false, required: false, default: 'tcp', secret: false,
					help: _('How a server\'s health is found out: not at all, by connecting, or by a TLS handshake')
				},
				{
					name: 'check_interval', kind: 'duration', min: 100, max: 3600000, bounds: '100ms to 1h',
					list: false, required: false, default: '2s', secret: false,
					help: _('Time between two checks')
				},
				{
					name: 'check_rise', kind: 'number', min: 1, max: 100, bounds: '1 to 100',
					list: false, required: false, default: '2', secret: false,
					help: _('Good checks until a server is up')
				},
				{
					name: 'check_fall', kind: 'number', min: 1, max: 100, bounds: '1 to 100',
					list: false, required: false, default: '3', secret: false,
					help: _('Bad checks, or connects that fail, until it is down')
				},
				{
					name: 'connect_timeout', kind: 'duration', min: 10, max: 300000, bounds: '10ms to 5m',
					list: false, required: false, default: '5s', secret: false,
					help: _('How long a server may take to accept')
				},
				{
					name: 'idle_timeout', kind: 'duration', min: 1000, max: 2592000000, bounds: '1s to 30d',
					list: false, required: false, default: '1h', secret: false,
					help: _('No bytes either way for so long ends a connection')
				},
				{
					name: 'send_proxy', kind: 'choice', values: ['none', 'v1', 'v2'],
					list: false, required: false, default: 'none', secret: false,
					help: _('The PROXY protocol header that servers get')
				},
				{
					name: 'source', kind: 'choice', values: ['router', 'client'],
					list: false, required: false, default: 'router', secret: false,
					help: _('Whose address servers see; with the client\'s own, their answers must come back through this router')
				},
			]
		},
		{
			type: 'manifests', only: '', named: true, pending: false,
			help: _('A folder of YAML files with the same objects, without a cluster'),
			options: [
				{
					name: 'enabled', kind: 'boolean',
					list: false, required: false, default: '1', secret: false,
					help: _('0: the section is checked and then left out')
				},
				{
					name: 'path', kind: 'file',
					list: false, required: false, default: '/etc/sniroute/manifests', secret: false,
					help: _('The folder')
				},
				{
					name: 'source', kind: 'choice', values: ['ingress', 'gateway', 'service'], pending_values: ['gateway'],
					list: true, required: false, default: ['ingress', 'gateway', 'service'], secret: false,
					help: _('The kinds of objects that are read')
				},
				{
					name: 'domain', kind: 'domain',
					list: true, required: false, default: [], secret: false,
					help: _('The only names that may be claimed, these and those below; \'NAME ns=NAMESPACE\' binds one')
				},
				{
					name: 'target', kind: 'network',
					list: true, required: false, default: [], secret: false,
					help: _('The only addresses that names may point to; default: private ones')
				},
				{
					name: 'wildcards', kind: 'boolean',
					list: false, required: false, default: '0', secret: false,
					help: _('1: wildcard hosts may be claimed')
				},
				{
					name: 'max_hosts', kind: 'number', min: 1, max: 100000, bounds: '1 to 100000',
					list: false, required: false, default: '4096', secret: false,
					help: _('Hosts of the whole source')
				},
				{
					name: 'max_hosts_per_namespace', kind: 'number', min: 1, max: 100000, bounds: '1 to 100000',
					list: false, required: false, default: '256', secret: false,
					help: _('Hosts of one namespace')
				},
				{
					name: 'other_classes', kind: 'choice', values: ['internal', 'ignore'],
					list: false, required: false, default: 'internal', secret: false,
					help: _('Objects that no class section selects: internal (DNS only) or ignored')
				},
				{
					name: 'shared_address', kind: 'choice', values: ['warn', 'refuse'],
					list: false, required: false, default: 'warn', secret: false,
					help: _('An address and port with exposed and internal hosts: warn, or expose none of them')
				},
				{
					name: 'lan_prefer', kind: 'choice', values: ['internal', 'exposed'],
					list: false, required: false, default: 'internal', secret: false,
					help: _('What the LAN\'s DNS answers for a host that has both')
				},
			]
		},
		{
			type: 'dns', only: 'dns', named: false, pending: false,
			help: _('How the LAN\'s DNS server learns the names'),
			options: [
				{
					name: 'enabled', kind: 'boolean',
					list: false, required: false, default: '1', secret: false,
					help: _('0: the LAN\'s DNS is left alone')
				},
				{
					name: 'mode', kind: 'choice', values: ['hosts', 'uci'],
					list: false, required: false, default: 'hosts', secret: false,
					help: _('hosts: a file in RAM; uci: dhcp domain sections, which LuCI shows and which are kept in flash')
				},
				{
					name: 'hosts_file', kind: 'file',
					list: false, required: false, default: '/tmp/hosts/sniroute', secret: false,
					help: _('The hosts file that is written')
				},
				{
					name: 'servers_file', kind: 'file',
					list: false, required: false, default: '/tmp/hosts/.sniroute.servers', secret: false,
					help: _('The servers file that is written, so that questions for these names stay in the LAN')
				},
				{
					name: 'wildcards_file', kind: 'file',
					list: false, required: false, default: '', secret: false,
					help: _('Without ubus: the file for wildcards, which dnsmasq is to read as configuration (conf-file)')
				},
				{
					name: 'notify', kind: 'choice', values: ['auto', 'ubus', 'dbus', 'signal', 'none'],
					list: false, required: false, default: 'auto', secret: false,
					help: _('How dnsmasq is told; auto: ubus, then signal')
				},
				{
					name: 'instance', kind: 'word',
					list: true, required: false, default: [], secret: false,
					help: _('Which dnsmasq instances; default: all')
				},
				{
					name: 'hook', kind: 'file',
					list: false, required: false, default: '', secret: true,
					help: _('A program that is told the hosts file after each change')
				},
			]
		},
	]
});
