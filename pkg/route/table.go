package route

import (
	"net/netip"
)

// NoBackend is the backend index of a route that is not exposed.
const NoBackend = -1

// A Table is an immutable snapshot of every route, made by Build. All methods may be called from any goroutine.
type Table struct {
	Routes   []Route   // sorted by host, then ALPN
	Refused  []Refusal // sorted by host, source, object
	Backends []Backend // static ones and those of exposed claims, sorted by name; Route.Backend is an index into it

	// The rest is the index that Lookup uses.
}

// A Route says what happens to one host.
type Route struct {
	Host      string // lower case, no trailing dot; "*.NAME" for a wildcard
	OneLabel  bool   // of a wildcard: takes exactly one label
	ALPN      string // only hellos that offer exactly this protocol; empty: any
	Exposed   bool   // connections from listeners are forwarded; otherwise refused
	Backend   int    // index into Table.Backends, NoBackend if not exposed
	DNS       []netip.Addr
	Source    string   // the section: a cluster, a manifests section, or a route
	Object    string   // "KIND NS/NAME", or the section's name for a static route
	Class     string   // the class section that selected it; empty: none, or a static route
	Merged    []string // other objects that claim the same and change nothing
	Warnings  []string // "shared"
	Listeners []string // the listeners that it serves; nil: all. A route that is not exposed refuses on all.
	Allow     []netip.Prefix
	Deny      []netip.Prefix
}

// A Refusal is a claim that policy did not accept, with the first rule that it failed.
type Refusal struct {
	Host   string // as claimed, at most 253 bytes, escaped for display by whoever prints it
	Source string
	Object string
	Reason Reason
	Detail string // a sentence for the person who wonders why
}

// A Reason is the rule that refused a claim.
type Reason string

// The reasons, in the order in which the rules apply.
const (
	ReasonName        Reason = "name"
	ReasonDomain      Reason = "domain"
	ReasonWildcard    Reason = "wildcard"
	ReasonLimit       Reason = "limit"
	ReasonTarget      Reason = "target"
	ReasonPort        Reason = "port"
	ReasonStatic      Reason = "static"
	ReasonOwned       Reason = "owned"
	ReasonShared      Reason = "shared"
	ReasonNotAccepted Reason = "not_accepted"
)

// A Record is what the LAN's DNS answers for one name.
type Record struct {
	Name      string // lower case; "*.NAME" for a wildcard
	Addresses []netip.Addr
	OneLabel  bool // of a wildcard
}
