package route

import (
	"fmt"
	"slices"
)

// served returns where a claim's host is served.
func (m *modelClaim) served(p *Policy) []string {
	var list []string
	for _, a := range m.addresses {
		list = append(list, fmt.Sprint(a, " ", m.https))
		if modelRoutesHTTP(p) && m.http != 0 {
			list = append(list, fmt.Sprint(a, " ", m.http))
		}
	}
	return list
}

// modelSharing conceals until nothing changes.
func modelSharing(p *Policy, routes map[string]*modelRoute) {
	for again := true; again; {
		again = false
		inside := modelInside(p, routes)
		for _, r := range routes {
			if r.exposed == nil || r.concealed || !modelSource(p, r.exposed.claim.Source).RefuseShared {
				continue
			}
			for _, a := range r.exposed.served(p) {
				if inside[a] {
					r.concealed, again = true, true
				}
			}
		}
	}
}

// modelInside returns where something internal is served.
func modelInside(p *Policy, routes map[string]*modelRoute) map[string]bool {
	set := make(map[string]bool)
	for _, r := range routes {
		if r.internal != nil {
			for _, a := range r.internal.served(p) {
				set[a] = true
			}
		}
		if r.concealed {
			for _, a := range r.exposed.served(p) {
				set[a] = true
			}
		}
	}
	for i, s := range p.Static {
		if !modelStaticStands(p, i) || s.Expose && s.Backend != "gone" {
			continue
		}
		for _, a := range s.DNS {
			set[fmt.Sprint(a, " ", 443)] = true
			if modelRoutesHTTP(p) {
				set[fmt.Sprint(a, " ", 80)] = true
			}
		}
	}
	return set
}

// modelOutside returns where the table sends connections from the WAN.
func modelOutside(p *Policy, table *Table) map[string]bool {
	set := make(map[string]bool)
	add := func(b *Backend) {
		for _, s := range b.Servers {
			set[fmt.Sprint(s.Address.Addr(), " ", s.Address.Port())] = true
			if modelRoutesHTTP(p) && b.HTTPPort != 0 {
				set[fmt.Sprint(s.Address.Addr(), " ", b.HTTPPort)] = true
			}
		}
	}
	for i := range table.Routes {
		if r := &table.Routes[i]; r.Exposed {
			add(&table.Backends[r.Backend])
		}
	}
	for _, l := range p.Listeners {
		if i := table.Default(l.Name); i != NoBackend {
			add(&table.Backends[i])
		}
	}
	return set
}

func modelRoutesHTTP(p *Policy) bool {
	return slices.ContainsFunc(p.Listeners, func(l Listener) bool { return l.RoutesHTTP })
}

// modelStaticStands says whether a static section has a host of its own, or has lost all to earlier sections. It asks
// the table's own code, for static routes are not what the model is about.
func modelStaticStands(p *Policy, i int) bool {
	drafts, _, _ := makeStatic(p)
	return slices.ContainsFunc(drafts, func(d *draft) bool { return d.Source == p.Static[i].Name })
}
