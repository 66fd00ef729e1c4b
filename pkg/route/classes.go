package route

import (
	"net/netip"
	"slices"
)

// class returns the first class section that selects the claim, nil if none does. host is the claim's, normalised, or
// empty if it is not spelled like a name.
func (s *source) class(c *Claim, host string) *Class {
	for _, class := range s.classes {
		if class.selects(c, host) {
			return class
		}
	}
	return nil
}

// selects reports whether every selector that is given matches.
func (c *Class) selects(claim *Claim, host string) bool {
	given := false
	if c.Class != "" {
		given = true
		if c.Class != claim.Class {
			return false
		}
	}
	if c.Gateway != "" {
		given = true
		if c.Gateway != claim.Gateway {
			return false
		}
	}
	if len(c.Namespaces) > 0 {
		given = true
		if !slices.Contains(c.Namespaces, claim.Object.Namespace) {
			return false
		}
	}
	if len(c.MatchAddress) > 0 {
		given = true
		if !allInside(claim.Addresses, c.MatchAddress) {
			return false
		}
	}
	if len(c.MatchHost) > 0 {
		given = true
		if !slices.ContainsFunc(c.MatchHost, func(pattern string) bool { return matchHost(pattern, host) }) {
			return false
		}
	}
	return given
}

// allInside reports whether there are addresses and every one lies in one of the prefixes. It looks at what the object
// says, before addresses outside the targets are dropped: one strange address must not be a way into an exposed class.
func allInside(addresses []netip.Addr, prefixes []netip.Prefix) bool {
	for _, a := range addresses {
		if !slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return false
		}
	}
	return len(addresses) > 0
}

// matchHost reports whether host, itself perhaps a wildcard, lies wholly within the pattern.
func matchHost(pattern, host string) bool {
	pattern, problem := normalize(pattern)
	if problem != "" || host == "" {
		return false
	}
	base, wildcard := cutWildcard(pattern)
	if !wildcard || pattern == host {
		return pattern == host
	}
	return below(stripWildcard(host), base)
}

// exposes reports whether the class makes an object of that kind reachable from the WAN. Any namespace may annotate a
// Service, and no controller has admitted its host as one does an Ingress's: the class must name who may.
func (c *Class) exposes(kind string) bool {
	return c != nil && c.Expose && (kind != "Service" || len(c.Namespaces) > 0)
}
