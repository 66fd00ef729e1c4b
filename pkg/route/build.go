// Package route decides where a name goes. Sources hand in claims, the configuration hands in a Policy, and Build merges
// both into an immutable Table: a pure function whose result does not depend on the order of the claims. All policy of
// sniroute lives here, and nothing here does I/O.
package route

// Build merges claims and static routes under the policy into a new Table. What it refuses is kept with its reason.
// Neither argument is changed or kept.
func Build(p *Policy, claims []Claim) *Table {
	return &Table{}
}

// Lookup returns the route that takes name on the listener, or nil where nothing claims it. name is a host name in any
// case, without a trailing dot; alpn is the protocol that the hello offers if it offers exactly one, nil otherwise.
// The most specific route wins, exposed or not: the caller must look at Exposed. It does not allocate.
func (t *Table) Lookup(listener string, name, alpn []byte) *Route { return nil }

// Default returns the index of the listener's default backend, or NoBackend.
func (t *Table) Default(listener string) int { return NoBackend }

// Named returns the index of the backend with that name, or NoBackend.
func (t *Table) Named(backend string) int { return NoBackend }

// Records returns what the LAN's DNS is told, sorted by name.
func (t *Table) Records() []Record { return nil }

// A Step is one rule that was looked at for a name.
type Step struct {
	Rule    string // the route, default backend or policy that was looked at
	Matched bool
	Detail  string
}

// Explain says, rule by rule, what happens to name on the listener and in LAN DNS.
func (t *Table) Explain(listener, name string) (wan, dns []Step) { return nil, nil }
