package route

import (
	"net/netip"
	"slices"
)

// staticHosts are the hosts that static routes hold against all claims: theirs, and all below their wildcards. A route
// for one ALPN protocol holds nothing: other hellos for its host go on.
type staticHosts struct {
	exact, wild map[string]string // host, or base of a wildcard, to the section's name
}

// holder returns the section that holds host against claims, or "".
func (h staticHosts) holder(host string) string {
	base, wildcard := cutWildcard(host)
	if wildcard {
		if name := h.wild[base]; name != "" {
			return name
		}
	} else if name := h.exact[base]; name != "" {
		return name
	}
	if len(h.wild) == 0 {
		return ""
	}
	for up, ok := parent(base); ok; up, ok = parent(up) {
		if name := h.wild[up]; name != "" {
			return name
		}
	}
	return ""
}

func (h staticHosts) hold(host, name string) {
	hosts := h.exact
	base, wildcard := cutWildcard(host)
	if wildcard {
		hosts = h.wild
	}
	if hosts[base] == "" {
		hosts[base] = name
	}
}

// makeStatic turns the static routes into drafts. Where two sections have the same host and protocol on one listener,
// the first counts and the second is refused. A route whose backend is not there forwards nothing: it refuses.
func makeStatic(p *Policy) (drafts []*draft, hosts staticHosts, refused []Refusal) {
	backends := make(map[string]*Backend, len(p.Backends))
	for i := range p.Backends {
		backends[p.Backends[i].Name] = &p.Backends[i]
	}
	hosts = staticHosts{exact: make(map[string]string), wild: make(map[string]string)}
	http := p.routesHTTP()
	type key struct{ host, alpn string }
	taken := make(map[key][]*draft)
	for i := range p.Static {
		s := &p.Static[i]
		for _, spelled := range s.Hosts {
			refuse := func(reason Reason, detail string) {
				refused = append(refused, Refusal{clip(spelled, maxName), s.Name, s.Name, reason, detail})
			}
			host, problem := normalize(spelled)
			if problem == "" && numericTop(stripWildcard(host)) {
				problem = "it reads as an IP address, which is no server name (RFC 6066 3)"
			}
			if problem != "" {
				refuse(ReasonName, problem)
				continue
			}
			d := s.draft(host, backends[s.Backend], http)
			k := key{host, s.ALPN}
			if first := overlapping(taken[k], d); first != nil {
				refuse(ReasonStatic, "route "+first.Source+" has it on the same listener")
				continue
			}
			taken[k] = append(taken[k], d)
			drafts = append(drafts, d)
			if s.ALPN == "" {
				hosts.hold(host, s.Name)
			}
		}
	}
	return drafts, hosts, refused
}

// draft makes the static route for one of its hosts. b is nil where there is no such backend.
func (s *Static) draft(host string, b *Backend, http bool) *draft {
	d := &draft{Route: Route{
		Host:   host,
		ALPN:   s.ALPN,
		DNS:    distinct(s.DNS),
		Source: s.Name,
		Object: s.Name,
		static: true,
	}}
	if s.Expose && b != nil {
		d.Exposed = true
		d.Listeners = slices.Clone(s.Listeners)
		d.Allow = slices.Clone(s.Allow)
		d.Deny = slices.Clone(s.Deny)
		d.backend = b.Name
		d.outside = b.served(http)
	} else {
		d.inside, d.plain = endpoints(d.DNS, 443), endpoints(d.DNS, 80)
		if http {
			d.inside = append(d.inside, d.plain...)
		}
		if b != nil && b.HTTPPort != 0 {
			d.plain = b.plain()
		}
	}
	return d
}

// served returns where connections that go to the backend arrive.
func (b *Backend) served(http bool) []netip.AddrPort {
	var list []netip.AddrPort
	for _, s := range b.Servers {
		list = append(list, s.Address)
	}
	if http && b.HTTPPort != 0 {
		list = append(list, b.plain()...)
	}
	return list
}

// plain returns where plain HTTP goes.
func (b *Backend) plain() []netip.AddrPort {
	list := make([]netip.AddrPort, len(b.Servers))
	for i, s := range b.Servers {
		list[i] = netip.AddrPortFrom(s.Address.Addr(), b.HTTPPort)
	}
	return list
}

// overlapping returns the draft that serves a listener that d serves too. What is not exposed names no listeners: it
// refuses on all.
func overlapping(drafts []*draft, d *draft) *draft {
	for _, other := range drafts {
		if d.Listeners == nil || other.Listeners == nil {
			return other
		}
		for _, l := range d.Listeners {
			if slices.Contains(other.Listeners, l) {
				return other
			}
		}
	}
	return nil
}
