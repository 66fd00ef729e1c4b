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

	Ignored    []Refusal        // claims that ask for nothing now: no address yet, or an ignored class; Reason is empty
	Challenges []Challenge      // where port-80 challenges of solver objects go, sorted by host
	Shared     []netip.AddrPort // sorted; where something exposed and an internal host meet

	index    index          // what Lookup uses
	defaults map[string]int // by listener
	records  []Record
	names    nameRules // what Explain says about names
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

	// Challenge is where HTTP-01 challenges for a host that is not exposed go, where a listener lets them pass and no
	// solver stands.
	Challenge []netip.AddrPort

	static bool     // written by hand
	except []string // of a claim's wildcard: domains below it that another namespace holds, and the LAN's own
	dnsWhy string   // why DNS is empty, or answers another object's addresses
}

// A Refusal is a claim that policy did not accept, with the first rule that it failed.
type Refusal struct {
	Host   string // as claimed, at most 253 bytes; may hold any byte: escaped for display by whoever prints it
	Source string
	Object string
	Reason Reason
	Detail string // a sentence for the person who wonders why
}

// A Reason is the rule that refused a claim.
type Reason string

// The reasons, in the order in which the rules apply; not_accepted is the source's own and comes before all.
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

	// Except are names below a wildcard where, and below which, it must not answer: they are the router's own, another
	// namespace's, a static route's, or names that no claim may have.
	Except []string
}

// A Challenge says where HTTP-01 challenges (RFC 8555 8.3) for a host go while a solver object stands. It is no route:
// it neither exposes the host nor gives it a DNS record.
type Challenge struct {
	Host    string
	Servers []netip.AddrPort
	Exposed bool // the solver's class is exposed; a route for the host, where there is one, decides instead
	Source  string
	Object  string
	Merged  []string // other solver objects for the same host at the same addresses
}
