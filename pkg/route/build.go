// Package route decides where a name goes. Sources hand in claims, the configuration hands in a Policy, and Build merges
// both into an immutable Table: a pure function whose result does not depend on the order of the claims. All policy of
// sniroute lives here, and nothing here does I/O.
//
// # How a claim is judged
//
// Each claim ends up in exactly one place: it decides a Route, it is merged into one, it is refused with the first rule
// that it fails, or it is ignored because it asks for nothing. The rules apply in this order:
//
//	not_accepted  the cluster itself did not accept the object for the host
//	name          it is not spelled like a host name, or is one that no claim may have
//	domain        it lies outside the source's domains, or in one that is bound to another namespace
//	wildcard      the source may not claim wildcards
//	limit         the source, the namespace or the host would have too much
//	target        none of its addresses may be pointed to
//	port          it is to be exposed on a port that it does not have
//	static        a static route has the host, or a wildcard above it
//	owned         an older claim of another namespace has it, or an older one of its own says otherwise
//	shared        it would be exposed at an address that serves internal hosts (it stays as an internal host)
//
// Whatever depends on other claims (limit, owned) is decided oldest first, so that nobody loses what they have to a
// newcomer. A claim that is refused takes no part: it owns nothing and counts against no limit.
//
// # How a name is looked up
//
// The most specific route wins, exposed or not: the exact name, then the longest wildcard. A route that is not exposed
// refuses; no wildcard and no default backend takes its name. A name that no route takes goes to the listener's default
// backend.
package route

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// maxObject bounds the name of an object, in bytes: a kind and two names of the cluster's (RFC 1123 subdomains).
const maxObject = 63 + 1 + 253 + 1 + 253

// Build merges claims and static routes under the policy into a new Table. What it refuses is kept with its reason.
// Neither argument is changed or kept. It takes any input: what a configuration would have refused admits nothing.
func Build(p *Policy, claims []Claim) *Table {
	drafts, static, refused := makeStatic(p)
	r := makeRules(p, static)

	var candidates, solvers []*candidate
	var ignored []Refusal
	for i := range claims {
		c, idle := r.judge(&claims[i])
		switch {
		case idle != "":
			ignored = append(ignored, c.refusal(&fault{detail: idle}))
		case c.Solver:
			solvers = append(solvers, c)
		default:
			candidates = append(candidates, c)
		}
	}
	slices.SortFunc(candidates, older)
	slices.SortFunc(solvers, older)

	l := newLedger(r, candidates, func(c *candidate, f *fault) { refused = append(refused, c.refusal(f)) })
	for _, c := range candidates {
		l.enter(c)
	}
	for _, e := range l.entries {
		l.settle(e)
		drafts = append(drafts, e.draft(r.sources[e.owner.source], p.routesHTTP()))
	}
	challenges := l.challenges(solvers)

	slices.SortFunc(drafts, compareDrafts)
	shared, concealed := share(drafts, defaultServers(p))
	refused = append(refused, concealed...)

	t := &Table{
		Backends:   backends(p, drafts),
		Routes:     make([]Route, len(drafts)),
		Refused:    refused,
		Ignored:    ignored,
		Challenges: challenges,
		Shared:     shared,
		defaults:   make(map[string]int, len(p.Listeners)),
		names:      r.names,
	}
	for i, d := range drafts {
		if p.provesInternal() {
			d.prove()
		}
		t.Routes[i] = d.Route
	}
	for _, l := range p.Listeners {
		t.defaults[l.Name] = t.Named(l.Default)
	}
	slices.SortFunc(t.Refused, compareRefusals)
	slices.SortFunc(t.Ignored, compareRefusals)
	t.records = makeRecords(t)
	t.index = makeIndex(t.Routes)
	return t
}

// defaultServers returns the servers of all default backends: whoever names a host that nothing claims reaches them.
func defaultServers(p *Policy) []netip.AddrPort {
	var servers []netip.AddrPort
	for i := range p.Backends {
		b := &p.Backends[i]
		if slices.ContainsFunc(p.Listeners, func(l Listener) bool { return l.Default == b.Name }) {
			servers = append(servers, b.served(p.routesHTTP())...)
		}
	}
	return servers
}

func (c *candidate) refusal(f *fault) Refusal {
	return Refusal{
		Host:   clip(c.Host, maxName),
		Source: c.Source,
		Object: clip(c.Object.String(), maxObject),
		Reason: f.reason,
		Detail: f.detail,
	}
}

func compareDrafts(a, b *draft) int {
	return cmp.Or(
		strings.Compare(a.Host, b.Host),
		strings.Compare(a.ALPN, b.ALPN),
		strings.Compare(a.Source, b.Source),
	)
}

func compareRefusals(a, b Refusal) int {
	return cmp.Or(
		strings.Compare(a.Host, b.Host),
		strings.Compare(a.Source, b.Source),
		strings.Compare(a.Object, b.Object),
		strings.Compare(string(a.Reason), string(b.Reason)),
		strings.Compare(a.Detail, b.Detail),
	)
}
