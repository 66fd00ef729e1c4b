package route

import (
	"net/netip"
	"slices"
)

// A draft is a Route in the making.
type draft struct {
	Route
	backend string // its name, where the route is exposed

	plain []netip.AddrPort // where a static route that is not exposed has plain HTTP

	// Where connections from the WAN would go, and where what only the LAN may have is served.
	outside, inside []netip.AddrPort

	lead         *candidate // the claim that decides; nil for a static route
	refuseShared bool       // sharing an address makes it internal, instead of a warning
}

// draft makes the route of a complete entry. http says whether plain HTTP is forwarded by Host anywhere.
func (e *entry) draft(s *source, http bool) *draft {
	lead := e.exposed
	if lead == nil {
		lead = e.internal
	}
	d := &draft{
		Route: Route{
			Host:     e.host,
			OneLabel: e.oneLabel,
			Source:   e.owner.source,
			Object:   clip(lead.Object.String(), maxObject),
			except:   e.except,
		},
		lead:         lead,
		refuseShared: s.RefuseShared,
	}
	if lead.class != nil {
		d.Class = lead.class.Name
	}
	if e.exposed != nil {
		class := e.exposed.class
		d.Exposed = true
		d.Listeners = slices.Clone(class.Listeners)
		d.Allow = slices.Clone(class.Allow)
		d.Deny = slices.Clone(class.Deny)
		d.outside = e.exposed.served(http)
	}
	if e.internal != nil {
		d.inside = e.internal.served(http)
	}
	e.answer(d, s.PreferExposed)
	d.Merged = e.objects(d.Object)
	return d
}

// prove sets where challenges for a host that is not exposed go: to its own servers.
func (d *draft) prove() {
	switch {
	case d.Exposed || d.ALPN != "":
	case d.lead == nil:
		d.Challenge = d.plain
	case d.lead.http != 0:
		d.Challenge = endpoints(d.lead.addresses, d.lead.http)
	}
}

// answer sets what the LAN's DNS answers.
func (e *entry) answer(d *draft, preferExposed bool) {
	from := e.internal
	switch {
	case e.internal == nil:
		from = e.exposed
	case e.exposed != nil && preferExposed:
		from = e.exposed
		d.dnsWhy = "lan_prefer is exposed"
	case e.exposed != nil:
		d.dnsWhy = "the addresses of " + clip(e.internal.Object.String(), maxObject) + ": lan_prefer is internal"
	}
	if from.noDNS {
		d.dnsWhy = "the domain '*' routes, but publishes no DNS"
		return
	}
	d.DNS = slices.Clone(from.addresses)
}

// objects names what the route stands for besides the object that decides, sorted.
func (e *entry) objects(object string) []string {
	var names []string
	if e.exposed != nil && e.internal != nil {
		names = append(names, clip(e.internal.Object.String(), maxObject))
	}
	for _, c := range e.merged {
		names = append(names, clip(c.Object.String(), maxObject))
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == object })
}

// served returns where the claim's hosts are served.
func (c *candidate) served(http bool) []netip.AddrPort {
	list := endpoints(c.addresses, c.https)
	if http && c.http != 0 {
		list = append(list, endpoints(c.addresses, c.http)...)
	}
	return list
}

func endpoints(addresses []netip.Addr, port uint16) []netip.AddrPort {
	list := make([]netip.AddrPort, len(addresses))
	for i, a := range addresses {
		list[i] = netip.AddrPortFrom(a, port)
	}
	return list
}
