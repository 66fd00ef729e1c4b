// Package config is sniroute's configuration: the file sniroute in /etc/config, read into typed values with every
// default filled in and every rule checked.
//
//	c, warnings, err := config.Load("/etc/config")
//
// One table, Schema, says which sections and options there are, of what type, with which default and bounds, and one
// line of help for each. Reading, messages and documentation come from it: an option that is not in the table does not
// exist. To add an option, add its line to the table, a field to its struct, and read the one into the other (load.go).
//
// A bad value, a name that refers to nothing or values that contradict each other are errors. Load returns all of them
// at once, as an *Error, and no configuration: a bad file is refused as a whole. Sections and options that are unknown,
// and those that have no effect, are warnings. Each message says file, line, section and option, what is wrong, and
// what would be right. Values that may hold a secret are never repeated in one.
//
// Sections with `option enabled '0'` are checked like all others and then left out.
package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// A Config is a whole configuration. It is not changed after Load.
type Config struct {
	File      string // where it was read from
	Main      Main
	Listeners []Listener
	Backends  []Backend
	Routes    []Route
	Clusters  []Cluster
	Classes   []Class // in the order of the file: the first that matches wins
	Manifests []Manifests
	DNS       DNS

	servers       []found // of the backends, for Loops
	clientSources []found // for ClientSource
}

// Main is the section `config sniroute 'main'`: what concerns the daemon as a whole.
type Main struct {
	Enabled                 bool // for the init script
	LogLevel                slog.Level
	AccessLog               bool
	StatusListen            []netip.AddrPort
	StatusAllow             []netip.Prefix // who may ask beyond loopback
	Control                 string         // path of the control socket
	StateFile               string
	MaxConnections          int // 0: auto
	MaxConnectionsPerSource int // 0: no limit
	ConnectionRatePerSource int // a second; 0: no limit
	PeekMemory              int // bytes
	DrainTimeout            time.Duration
	Loops                   int // 0: auto
}

// A Listener takes connections.
type Listener struct {
	Name string
	HTTP bool // plain HTTP instead of TLS

	// Listen holds at least one address. [::] stands for every address of both families (':8443'), 0.0.0.0 for every
	// IPv4 address.
	Listen []netip.AddrPort

	WANPort        uint16 // the init script redirects this WAN port here; 0: none
	WANZones       []string
	WANIPv6        bool
	Hairpin        []string // networks whose addresses are redirected from inside, too
	HairpinZones   []string
	DefaultBackend string // empty: none
	InspectDelay   time.Duration
	NonTLS         string // "reject", "default" or the name of a backend
	AcceptProxy    []netip.Prefix
	Allow, Deny    []netip.Prefix // of client addresses
	HTTPRoute      bool           // http_mode 'route'; otherwise 'acme'
	ACMEInternal   bool
}

// A Backend is a pool of servers.
type Backend struct {
	Name     string
	Servers  []Server // at least one
	HTTPPort uint16
	Options  BackendOptions
}

// A Server is one address of a Backend.
type Server struct {
	Address netip.AddrPort
	Weight  uint16 // 1 to 256
	Backup  bool
}

// BackendOptions say how a pool chooses, checks and is spoken to. A class section has them too. The words are those of
// the file.
type BackendOptions struct {
	Balance        string // roundrobin, leastconn or source
	Stick          string // none, source or session_id
	StickSize      int
	StickExpire    time.Duration
	Check          string // none, tcp or tls
	CheckInterval  time.Duration
	CheckRise      int
	CheckFall      int
	ConnectTimeout time.Duration
	IdleTimeout    time.Duration
	SendProxy      string // none, v1 or v2
	ClientSource   bool   // source 'client': the backend sees the client's address
}

// A Route is written by hand and stands above what a cluster says.
type Route struct {
	Name        string
	Hosts       []string // lower case, no trailing dot; may be "*.NAME"
	ALPN        string   // empty: any
	Backend     string   // empty where Expose is false
	DNS         []netip.Addr
	Expose      bool
	Listeners   []string // nil: all
	Allow, Deny []netip.Prefix
}

// Claims bound what one source of claims may do. Cluster and Manifests sections have them alike.
type Claims struct {
	Name                 string   // of the section
	Kinds                []string // ingress, gateway, service
	Domains              []Domain
	Targets              []netip.Prefix // nil: private addresses
	Wildcards            bool
	MaxHosts             int
	MaxHostsPerNamespace int
	IgnoreOtherClasses   bool
	RefuseShared         bool
	PreferExposed        bool
}

// A Domain is a name at or below which hosts may be claimed.
type Domain struct {
	Name      string // lower case, no trailing dot; "*": every name, but none in DNS
	Namespace string // the only one that may; empty: all
}

// A Cluster is a Kubernetes API that is watched.
type Cluster struct {
	Claims
	Kubeconfig string   // or, and never both:
	Servers    []string // URLs, tried in order
	CAFile     string   // empty: the system's authorities
	TokenFile  string
	Hold       time.Duration
	MaxStale   time.Duration // 0: never
}

// Manifests is a folder of YAML files that stands in for a cluster.
type Manifests struct {
	Claims
	Path string
}

// A Class selects claims, host by host.
type Class struct {
	Name         string
	Cluster      string // of a cluster or manifests section
	Class        string
	Gateway      string // NAMESPACE/NAME
	Namespaces   []string
	MatchAddress []netip.Prefix
	MatchHost    []string
	Expose       bool
	Addresses    []netip.Addr
	HTTPSPort    uint16
	HTTPPort     uint16
	Listeners    []string // nil: all
	Allow, Deny  []netip.Prefix
	Options      BackendOptions
}

// DNS is the section `config dns 'dns'`: how the LAN's dnsmasq learns the names.
type DNS struct {
	Enabled       bool
	UCI           bool // mode 'uci'; otherwise 'hosts'
	HostsFile     string
	ServersFile   string
	WildcardsFile string   // where there is no ubus; empty: wildcards are not published there
	Notify        string   // auto, ubus, dbus, signal or none
	Instances     []string // nil: all
	Hook          string   // path of a program; empty: none
}
