package route

import (
	"fmt"
	"net/netip"
	"slices"
)

// warnShared is the warning of a route whose exposure is not its own: the proxy never sees what is asked for inside TLS,
// so whoever reaches an address with one host's name may ask there for any other's.
const warnShared = "shared"

// A meeting is one address and port with all that is served there.
type meeting struct {
	outside  []*draft // exposed
	inside   []*draft // internal
	fallback bool     // connections without a route come here too
	refused  bool     // those that policy makes internal are
}

// share finds addresses where something exposed and something internal meet. Where the source says so, exposed claims
// become internal there; that may make the other addresses of their pools meet an internal host in turn, so it goes on
// until nothing changes: the result is the same in whatever order it is done. The rest is marked with a warning. Static
// routes and default backends were written by hand and are only warned about.
func share(drafts []*draft, fallback []netip.AddrPort) (shared []netip.AddrPort, refused []Refusal) {
	meetings := make(map[netip.AddrPort]*meeting)
	at := func(a netip.AddrPort) *meeting {
		m := meetings[a]
		if m == nil {
			m = &meeting{}
			meetings[a] = m
		}
		return m
	}
	for _, a := range fallback {
		at(a).fallback = true
	}
	for _, d := range drafts {
		for _, a := range d.outside {
			at(a).outside = append(at(a).outside, d)
		}
	}
	var queue []netip.AddrPort
	settle := func(d *draft, addresses []netip.AddrPort) {
		for _, a := range addresses {
			at(a).inside = append(at(a).inside, d)
			queue = append(queue, a)
		}
	}
	for _, d := range drafts {
		settle(d, d.inside)
	}
	for len(queue) > 0 {
		a := queue[0]
		queue = queue[1:]
		m := meetings[a]
		if m.refused {
			continue
		}
		m.refused = true
		for _, d := range m.outside {
			if !d.Exposed || !d.refuseShared {
				continue
			}
			refused = append(refused, d.conceal(a, m.inside[0].Host))
			settle(d, d.outside)
		}
	}
	for a, m := range meetings {
		if m.mark() {
			shared = append(shared, a)
		}
	}
	slices.SortFunc(shared, netip.AddrPort.Compare)
	return shared, refused
}

// conceal makes an exposed route internal.
func (d *draft) conceal(a netip.AddrPort, with string) Refusal {
	d.Exposed = false
	d.Listeners, d.Allow, d.Deny = nil, nil, nil
	return Refusal{
		Host:   d.Host,
		Source: d.Source,
		Object: d.Object,
		Reason: ReasonShared,
		Detail: fmt.Sprintf("it is internal now: %s serves the internal host %s too", a, with),
	}
}

// mark warns about all that meets, and reports whether anything does.
func (m *meeting) mark() bool {
	exposed := m.fallback
	for _, d := range m.outside {
		exposed = exposed || d.Exposed
	}
	if !exposed || len(m.inside) == 0 {
		return false
	}
	for _, list := range [][]*draft{m.outside, m.inside} {
		for _, d := range list {
			d.Warnings = []string{warnShared} // the only warning there is
		}
	}
	return true
}
