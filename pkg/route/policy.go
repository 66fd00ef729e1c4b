package route

import (
	"net/netip"
	"time"
)

// A Policy is all that Build knows besides claims: what the configuration says and what the router is.
type Policy struct {
	Sources   []Source
	Classes   []Class // in the order of the configuration: the first that matches a claim takes it
	Static    []Static
	Backends  []Backend // the static ones
	Listeners []Listener
	Router    Router
}

// A Source bounds what the claims of one cluster or manifests section may do.
type Source struct {
	Name                 string
	Domains              []Domain
	Targets              []netip.Prefix // the only addresses its names may point to; nil: private ones (RFC 1918, RFC 4193)
	Wildcards            bool           // wildcard hosts are admitted
	MaxHosts             int            // that routes exist for; 0 or less: DefaultMaxHosts
	MaxHostsPerNamespace int            // 0 or less: DefaultMaxHostsPerNamespace
	IgnoreOtherClasses   bool           // objects that no class selects: claim nothing, rather than LAN DNS only
	RefuseShared         bool           // what is exposed at an address and port of an internal host becomes internal
	PreferExposed        bool           // LAN DNS answers the exposed address for a host that has both
}

// A Domain is a name that a source may claim hosts at or below. Where several fit, the most specific decides.
type Domain struct {
	Name      string // lower case, no trailing dot; "*" admits every name but publishes no DNS
	Namespace string // the only namespace that may claim in it; empty: all
}

// The bounds of what one source and one namespace may hold, and one host.
const (
	DefaultMaxHosts             = 4096
	DefaultMaxHostsPerNamespace = 256
	MaxAddresses                = 64
)

// A Class selects claims, host by host. All selectors that are given must match; the first Class that matches wins. A
// Class without any selector matches nothing. An object of kind Service is exposed only by a Class with Namespaces.
type Class struct {
	Name         string
	Source       string // the cluster or manifests section whose claims it selects
	Class        string
	Gateway      string // "NS/NAME"
	Namespaces   []string
	MatchAddress []netip.Prefix // every address of the claim lies in these
	MatchHost    []string       // exact or "*.NAME" (one or more labels)

	Expose    bool         // reachable from the WAN; otherwise LAN DNS only
	Addresses []netip.Addr // instead of the object's
	HTTPSPort uint16       // 0: 443
	HTTPPort  uint16       // 0: 80
	Listeners []string     // the listeners that it serves; nil: all
	Allow     []netip.Prefix
	Deny      []netip.Prefix
	Options   BackendOptions
}

// A Static route is written by hand in the configuration and beats all claims.
type Static struct {
	Name      string // of the section
	Hosts     []string
	ALPN      string // only hellos that offer exactly this protocol and no other (RFC 8737); empty: any
	Backend   string // empty where Expose is false
	DNS       []netip.Addr
	Expose    bool
	Listeners []string // nil: all
	Allow     []netip.Prefix
	Deny      []netip.Prefix
}

// A Listener is what Build needs to know of one.
type Listener struct {
	Name    string
	Default string // backend of connections that nothing claims; empty: they are refused

	// RoutesHTTP says that it forwards plain HTTP by Host to the HTTP ports of exposed hosts. Addresses are then shared
	// where HTTP ports meet too. (Challenges alone reach nothing that a host could want to hide.)
	RoutesHTTP bool

	// ProvesInternal says that HTTP-01 challenges for hosts that are not exposed pass it.
	ProvesInternal bool
}

// A Router is what must never be claimed or dialled because it is the router's own.
type Router struct {
	Addresses  []netip.Addr     // of all its interfaces
	Domain     string           // the LAN's domain ("lan")
	Names      []string         // its own names
	APIServers []netip.AddrPort // where the API servers answer: refused as targets by address and port
	APINames   []string         // host names of API servers
	LocalNames []string         // names that its own DNS records hold: they beat claims in DNS
}

// A Backend is a pool of servers, as configured or made from claims that share addresses. It is immutable; what changes
// at run time (health, stickiness, counters) belongs to the packages that dial.
type Backend struct {
	Name     string // the section's, or SOURCE/CLASS/ADDRESS[,ADDRESS...]
	Servers  []Server
	HTTPPort uint16 // where plain HTTP goes, at the servers' addresses; 0: nowhere, the claim has no such port
	Options  BackendOptions
}

// A Server is one address of a Backend.
type Server struct {
	Address netip.AddrPort
	Weight  uint16 // 1 to 256
	Backup  bool   // used only when no other server is up
}

// How a Backend chooses, checks and is spoken to; the options of a backend section. The zero value is no default:
// the configuration fills in every field.
type BackendOptions struct {
	Balance        Balance
	Stick          Stick
	StickSize      int
	StickExpire    time.Duration
	Check          Check
	CheckInterval  time.Duration
	CheckRise      int
	CheckFall      int
	ConnectTimeout time.Duration
	IdleTimeout    time.Duration // no bytes either way for so long ends the connection
	SendProxy      ProxyProtocol
	ClientSource   bool // the backend sees the client's address (IP_TRANSPARENT)
}

// How the next server is chosen.
type Balance uint8

const (
	RoundRobin Balance = iota
	LeastConn
	SourceHash // rendezvous hashing of the client's address
)

// What makes a client return to the same server.
type Stick uint8

const (
	StickNone Stick = iota
	StickSource
	StickSessionID
)

// How a server's health is found out.
type Check uint8

const (
	CheckNone Check = iota
	CheckTCP
	CheckTLS
)

// The PROXY protocol header sent to a backend.
type ProxyProtocol uint8

const (
	ProxyNone ProxyProtocol = iota
	ProxyV1
	ProxyV2
)
