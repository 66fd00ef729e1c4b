package route

import (
	"net/netip"
	"slices"
)

// rules is a Policy made ready for judging claims.
type rules struct {
	names   nameRules
	targets targets
	sources map[string]*source
	static  staticHosts
}

// provesInternal reports whether challenges for hosts that are not exposed pass anywhere.
func (p *Policy) provesInternal() bool {
	return slices.ContainsFunc(p.Listeners, func(l Listener) bool { return l.ProvesInternal })
}

// routesHTTP reports whether plain HTTP is forwarded by Host anywhere.
func (p *Policy) routesHTTP() bool {
	return slices.ContainsFunc(p.Listeners, func(l Listener) bool { return l.RoutesHTTP })
}

// A source is a Source with its classes, and limits and targets filled in.
type source struct {
	*Source
	domains domains
	targets []netip.Prefix
	classes []*Class
}

func makeRules(p *Policy, static staticHosts) *rules {
	r := &rules{
		names:   makeNameRules(p),
		targets: makeTargets(&p.Router),
		sources: make(map[string]*source, len(p.Sources)),
		static:  static,
	}
	for i := range p.Sources {
		s := &source{Source: &p.Sources[i], domains: r.names.domains[i].domains, targets: p.Sources[i].Targets}
		if len(s.targets) == 0 {
			s.targets = privateTargets()
		}
		if r.sources[s.Name] == nil { // a name is used once; were it used twice, the first would count
			r.sources[s.Name] = s
		}
	}
	for i := range p.Classes {
		if s := r.sources[p.Classes[i].Source]; s != nil {
			s.classes = append(s.classes, &p.Classes[i])
		}
	}
	return r
}

func (s *source) maxHosts() int { return atLeastOne(s.MaxHosts, DefaultMaxHosts) }

func (s *source) maxHostsPerNamespace() int {
	return atLeastOne(s.MaxHostsPerNamespace, DefaultMaxHostsPerNamespace)
}

func atLeastOne(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}
