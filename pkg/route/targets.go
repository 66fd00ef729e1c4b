package route

import (
	"net/netip"
	"slices"
)

// targets knows where no claim may point.
type targets struct {
	own map[netip.Addr]bool     // the router's addresses
	api map[netip.AddrPort]bool // where API servers answer
}

func makeTargets(r *Router) targets {
	t := targets{own: make(map[netip.Addr]bool), api: make(map[netip.AddrPort]bool)}
	for _, a := range r.Addresses {
		t.own[a.WithZone("").Unmap()] = true
	}
	for _, s := range r.APIServers {
		t.api[netip.AddrPortFrom(s.Addr().WithZone("").Unmap(), s.Port())] = true
	}
	return t
}

// privateTargets are where the names of a source may point when it names no targets of its own (RFC 1918, RFC 4193).
func privateTargets() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("fc00::/7"),
	}
}

// never returns why no claim may point to the address on these ports, whatever the targets of its source are, or "".
// An API server is its address and port: on a small cluster the same machine answers for apps on another port.
func (t *targets) never(a netip.Addr, ports ...uint16) string {
	switch {
	case !a.IsValid():
		return "is no address"
	case a.Zone() != "":
		return "has a zone" // means something on one link only
	case a.Is4In6():
		return "is an IPv4-mapped IPv6 address" // a second spelling that would pass by every other rule
	case a.IsLoopback():
		return "is a loopback address"
	case a.IsUnspecified():
		return "is unspecified" // Linux connects it to itself
	case a.IsLinkLocalUnicast():
		return "is a link-local address"
	case a.IsMulticast():
		return "is a multicast address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is the broadcast address"
	case a.Is4() && a.As4()[0] == 0:
		return "is in 0.0.0.0/8" // "this network" (RFC 1122 3.2.1.3)
	case a.Is6() && isIPv4Compatible(a):
		return "is an IPv4-compatible IPv6 address" // ::a.b.c.d, as mapped ones
	case t.own[a]:
		return "is an address of this router"
	}
	for _, port := range ports {
		if t.api[netip.AddrPortFrom(a, port)] {
			return "is where an API server answers"
		}
	}
	return ""
}

// isIPv4Compatible reports whether a lies in ::/96 (RFC 4291 2.5.5.1).
func isIPv4Compatible(a netip.Addr) bool {
	b := a.As16()
	for _, octet := range b[:12] {
		if octet != 0 {
			return false
		}
	}
	return true
}

// admit returns the addresses that a claim may point to, and what is wrong with the first that it may not.
func (t *targets) admit(addresses []netip.Addr, inside []netip.Prefix, ports ...uint16) (kept []netip.Addr, why string) {
	for _, a := range addresses {
		problem := t.never(a, ports...)
		if problem == "" && !slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(a) }) {
			problem = "is outside the targets of the source"
		}
		switch {
		case problem == "":
			kept = append(kept, a)
		case why == "":
			why = a.String() + " " + problem
		}
	}
	return kept, why
}

// distinct returns the addresses sorted, each once, in a slice of its own.
func distinct(addresses []netip.Addr) []netip.Addr {
	sorted := slices.Clone(addresses)
	slices.SortFunc(sorted, netip.Addr.Compare)
	return slices.Compact(sorted)
}

// missing returns the first of the addresses that is not among set. Both are sorted.
func missing(set, addresses []netip.Addr) (a netip.Addr, found bool) {
	for _, a := range addresses {
		if _, ok := slices.BinarySearchFunc(set, a, netip.Addr.Compare); !ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}
