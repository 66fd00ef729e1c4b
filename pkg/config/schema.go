package config

import (
	"slices"
	"time"
)

const (
	day     = 24 * time.Hour
	million = 1000 * 1000
)

// Schema returns the table of all sections and options, in the order in which a file is best written.
func Schema() []Section {
	return []Section{
		{Type: "sniroute", Only: "main", Help: "The daemon as a whole", Options: mainOptions()},
		{Type: "listener", Help: "Addresses that take connections", Options: listenerOptions()},
		{Type: "backend", Named: true, Help: "A pool of servers", Options: backendOptions()},
		{Type: "route", Help: "Hosts that are routed by hand; they stand above what a cluster says", Options: routeOptions()},
		{Type: "cluster", Named: true,
			Help: "A Kubernetes cluster whose objects become routes and DNS records", Options: clusterOptions()},
		{Type: "class", Help: "Selects claims, host by host: all that is given must match, the first section wins",
			Options: classOptions()},
		{Type: "manifests", Named: true, Help: "A folder of YAML files with the same objects, without a cluster",
			Options: manifestsOptions()},
		{Type: "dns", Only: "dns", Help: "How the LAN's DNS server learns the names", Options: dnsOptions()},
	}
}

func enabled() Option {
	return Option{Name: "enabled", Type: boolean(), Default: "1", Help: "0: the section is checked and then left out"}
}

func mainOptions() []Option {
	return []Option{
		{Name: "enabled", Type: boolean(), Default: "1", Help: "Whether the init script starts the daemon"},
		{Name: "log_level", Type: choice("debug", "info", "warn", "error"), Default: "info",
			Help: "What is logged: this and what is graver"},
		{Name: "access_log", Type: boolean(), Default: "0",
			Help: "1: a line of level info for each connection that ended; more than 30 a second are summed up"},
		{Name: "status_listen", Type: listen(), List: true, Default: "127.0.0.1:1936",
			Help: "Where the status page, the API and the metrics are served"},
		{Name: "status_allow", Type: network(), List: true, Help: "Who may ask for them beyond the router itself"},
		{Name: "control", Type: socket(), Default: "/var/run/sniroute/control.sock",
			Help: "The socket over which the commands reach the daemon. Read at the start only"},
		{Name: "state_file", Type: file(), Default: "/etc/sniroute/state.json",
			Help: "The last known claims, for a start without the cluster. Read at the start only"},
		{Name: "max_connections", Type: auto(number(16, million)), Default: "auto",
			Help: "Connections at once; auto: from memory, descriptors and conntrack"},
		{Name: "max_connections_per_source", Type: number(0, million), Default: "256",
			Help: "Of one IPv4 address or IPv6 /64, four times that for a /48; 0: no limit"},
		{Name: "connection_rate_per_source", Type: number(0, million), Default: "20",
			Help: "New connections a second of one source, ten times that in a burst; 0: no limit"},
		{Name: "peek_memory", Type: size(64<<10, 1<<30), Default: "4M", Help: "All unfinished hellos together"},
		{Name: "drain_timeout", Type: duration(0, time.Hour), Default: "30s",
			Help: "What a connection is left whose listener or exposure went away"},
		{Name: "loops", Type: auto(number(1, 64)), Default: "auto",
			Help: "Event loops; auto: one, or two from four cores on. Read at the start only"},
	}
}

func listenerOptions() []Option {
	return []Option{
		enabled(),
		{Name: "proto", Type: choice("tls", "http"), Default: "tls", Help: "What is spoken on it"},
		{Name: "listen", Type: listen(), List: true, Default: ":8443",
			Help: "Address, even one yet to come, and port; ':PORT' is every address. For http the default is ':8080'"},
		{Name: "wan_port", Type: number(0, 65535), Default: "443",
			Help: "The init script redirects this port of the WAN here; 0: none. For http the default is 80"},
		{Name: "wan_zone", Type: word(), List: true, Default: "wan", Help: "The firewall's zones for that"},
		{Name: "wan_ipv6", Type: boolean(), Default: "0", Help: "1: for IPv6 too"},
		{Name: "hairpin", Type: word(), List: true,
			Help: "Networks whose addresses lead here from inside too; needed without split DNS: wan"},
		{Name: "hairpin_zone", Type: word(), List: true, Default: "lan", Help: "The firewall's zones for that"},
		{Name: "default_backend", Type: reference("backend"),
			Help: "Takes connections without a name, or whose name nothing claims; empty: they are refused"},
		{Name: "inspect_delay", Type: duration(10*time.Millisecond, time.Minute), Default: "5s",
			Help: "How long a client may take to say hello"},
		{Name: "non_tls", Type: wordOrReference([]string{"reject", "default"}, "backend"), Default: "reject",
			Help: "What is not TLS, or silent for inspect_delay: refuse it, or its backend"},
		{Name: "accept_proxy", Type: network(), List: true,
			Help: "Peers that must, and alone may, send a PROXY protocol header"},
		{Name: "allow", Type: network(), List: true, Help: "The only client networks that may connect"},
		{Name: "deny", Type: network(), List: true, Help: "Client networks that may not"},
		{Name: "http_mode", Type: choice("acme", "route"), Default: "acme",
			Help: "acme: ACME challenges pass, the rest is redirected to https; route: by Host, as for tls"},
		{Name: "acme_internal", Type: boolean(), Default: "0",
			Help: "1: challenges for hosts that are not exposed pass too"},
	}
}

func backendOptions() []Option {
	return slices.Concat([]Option{
		enabled(),
		{Name: "server", Type: server(), List: true, Required: true,
			Help: "ADDRESS:PORT, and 'weight=N' (1 to 256) and 'backup' behind it if need be"},
		{Name: "http_port", Type: number(1, 65535), Default: "80",
			Help: "Where ACME challenges go, at the servers' addresses"},
	}, poolOptions())
}

// poolOptions are those that backends and classes share.
func poolOptions() []Option {
	return []Option{
		{Name: "balance", Type: choice("roundrobin", "leastconn", "source"), Default: "roundrobin",
			Help: "How the next server is chosen: in turn, by fewest connections, or by the client's address"},
		{Name: "stick", Type: choice("none", "source", "session_id"), Default: "none",
			Help: "What makes a client return to the same server: its address, or its TLS session (up to TLS 1.2)"},
		{Name: "stick_size", Type: number(1, million), Default: "30720",
			Help: "Clients remembered; a new one takes the place of the one that was away for longest"},
		{Name: "stick_expire", Type: duration(time.Second, 30*day), Default: "30m",
			Help: "How long they are remembered"},
		{Name: "check", Type: choice("none", "tcp", "tls"), Default: "tcp",
			Help: "How a server's health is found out: not at all, by connecting, or by a TLS handshake"},
		{Name: "check_interval", Type: duration(100*time.Millisecond, time.Hour), Default: "2s",
			Help: "Time between two checks"},
		{Name: "check_rise", Type: number(1, 100), Default: "2", Help: "Good checks until a server is up"},
		{Name: "check_fall", Type: number(1, 100), Default: "3", Help: "Bad checks, or connects that fail, until it is down"},
		{Name: "connect_timeout", Type: duration(10*time.Millisecond, 5*time.Minute), Default: "5s",
			Help: "How long a server may take to accept"},
		{Name: "idle_timeout", Type: duration(time.Second, 30*day), Default: "1h",
			Help: "No bytes either way for so long ends a connection"},
		{Name: "send_proxy", Type: choice("none", "v1", "v2"), Default: "none",
			Help: "The PROXY protocol header that servers get"},
		{Name: "source", Type: choice("router", "client"), Default: "router",
			Help: "Whose address servers see; with the client's own, their answers must come back through this router"},
	}
}

func routeOptions() []Option {
	return []Option{
		enabled(),
		{Name: "host", Type: hostPattern(), List: true, Required: true,
			Help: "A host name, or '*.NAME' for one or more labels before NAME"},
		{Name: "alpn", Type: alpn(), Help: "Only hellos that offer exactly this protocol, such as acme-tls/1"},
		{Name: "backend", Type: reference("backend"), Help: "Where they go; needed if expose is 1"},
		{Name: "dns", Type: address(), List: true, Help: "What the LAN's DNS answers for these hosts"},
		{Name: "expose", Type: boolean(), Default: "1", Help: "0: DNS only, connections are refused"},
		{Name: "listener", Type: reference("listener"), List: true, Help: "The listeners that it serves; default: all"},
		{Name: "allow", Type: network(), List: true, Help: "The only client networks that may connect"},
		{Name: "deny", Type: network(), List: true, Help: "Client networks that may not"},
	}
}

// claimOptions are those that clusters and manifests share.
func claimOptions(kinds string) []Option {
	return []Option{
		{Name: "source", Type: choice("ingress", "gateway", "service"), List: true, Default: kinds,
			PendingValues: []string{"gateway"}, Help: "The kinds of objects that are read"},
		{Name: "domain", Type: domain(), List: true,
			Help: "The only names that may be claimed, these and those below; 'NAME ns=NAMESPACE' binds one"},
		{Name: "target", Type: network(), List: true,
			Help: "The only addresses that names may point to; default: private ones"},
		{Name: "wildcards", Type: boolean(), Default: "0", Help: "1: wildcard hosts may be claimed"},
		{Name: "max_hosts", Type: number(1, 100000), Default: "4096", Help: "Hosts of the whole source"},
		{Name: "max_hosts_per_namespace", Type: number(1, 100000), Default: "256", Help: "Hosts of one namespace"},
		{Name: "other_classes", Type: choice("internal", "ignore"), Default: "internal",
			Help: "Objects that no class section selects: internal (DNS only) or ignored"},
		{Name: "shared_address", Type: choice("warn", "refuse"), Default: "warn",
			Help: "An address and port with exposed and internal hosts: warn, or expose none of them"},
		{Name: "lan_prefer", Type: choice("internal", "exposed"), Default: "internal",
			Help: "What the LAN's DNS answers for a host that has both"},
	}
}

func clusterOptions() []Option {
	return slices.Concat([]Option{
		enabled(),
		{Name: "kubeconfig", Type: file(), Secret: true, Help: "Address and credentials in one file; or, and never both:"},
		{Name: "server", Type: url(), List: true, Secret: true, Help: "The API servers' URLs, tried in order"},
		{Name: "ca_file", Type: file(), Secret: true, Help: "Who signed their certificates"},
		{Name: "token_file", Type: file(), Secret: true, Help: "The ServiceAccount's token"},
	}, claimOptions("ingress"), []Option{
		{Name: "hold", Type: duration(0, 7*day), Default: "10m",
			Help: "An object that lost its addresses keeps the last ones so long"},
		{Name: "max_stale", Type: duration(0, 365*day), Default: "0",
			Help: "With no contact for so long, the cluster's routes go; 0: never"},
	})
}

func manifestsOptions() []Option {
	return slices.Concat([]Option{
		enabled(),
		{Name: "path", Type: file(), Default: "/etc/sniroute/manifests", Help: "The folder"},
	}, claimOptions("ingress gateway service"))
}

func classOptions() []Option {
	return slices.Concat([]Option{
		{Name: "cluster", Type: reference("cluster", "manifests"), Required: true,
			Help: "The cluster or manifests section whose claims it selects"},
		{Name: "class", Type: word(), Help: "An IngressClass or GatewayClass"},
		{Name: "gateway", Type: gateway(), Help: "One Gateway, as NAMESPACE/NAME"},
		{Name: "namespace", Type: word(), List: true, Help: "Namespaces; needed for a Service to be exposed"},
		{Name: "match_address", Type: network(), List: true, Help: "Every address of the claim lies in these"},
		{Name: "match_host", Type: hostPattern(), List: true, Help: "Host names, or '*.NAME'"},
		{Name: "expose", Type: boolean(), Default: "0", Help: "1: reachable from the WAN; 0: LAN DNS only"},
		{Name: "address", Type: address(), List: true, Help: "Instead of what the objects' status says"},
		{Name: "https_port", Type: number(1, 65535), Default: "443", Help: "Where TLS connections go"},
		{Name: "http_port", Type: number(1, 65535), Default: "80", Help: "Where ACME challenges go"},
		{Name: "listener", Type: reference("listener"), List: true, Help: "The listeners that it serves; default: all"},
		{Name: "allow", Type: network(), List: true, Help: "The only client networks that may connect"},
		{Name: "deny", Type: network(), List: true, Help: "Client networks that may not"},
	}, poolOptions())
}

func dnsOptions() []Option {
	return []Option{
		{Name: "enabled", Type: boolean(), Default: "1", Help: "0: the LAN's DNS is left alone"},
		{Name: "mode", Type: choice("hosts", "uci"), Default: "hosts",
			Help: "hosts: a file in RAM; uci: dhcp domain sections, which LuCI shows and which are kept in flash"},
		{Name: "hosts_file", Type: file(), Default: "/tmp/hosts/sniroute", Help: "The hosts file that is written"},
		{Name: "servers_file", Type: file(), Default: "/tmp/hosts/.sniroute.servers",
			Help: "The servers file that is written, so that questions for these names stay in the LAN"},
		{Name: "wildcards_file", Type: file(),
			Help: "Without ubus: the file for wildcards, which dnsmasq is to read as configuration (conf-file)"},
		{Name: "notify", Type: choice("auto", "ubus", "dbus", "signal", "none"), Default: "auto",
			Help: "How dnsmasq is told; auto: ubus, then signal"},
		{Name: "instance", Type: word(), List: true, Help: "Which dnsmasq instances; default: all"},
		{Name: "hook", Type: file(), Secret: true,
			Help: "A program that is told the hosts file after each change"},
	}
}
