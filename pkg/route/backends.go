package route

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A pool names the claims that share a backend: those of one class at the same addresses and ports.
type pool struct {
	source, class, addresses string
	https, http              uint16
}

// backends returns the static backends and those of exposed claims, sorted by name, and sets Route.Backend.
func backends(p *Policy, drafts []*draft) []Backend {
	var all []Backend
	for i := range p.Backends {
		b := p.Backends[i]
		b.Servers = slices.Clone(b.Servers)
		all = append(all, b)
	}
	pools := make(map[pool]string)
	for _, d := range drafts {
		if d.lead == nil || !d.Exposed {
			continue
		}
		c := d.lead
		key := pool{c.owner.source, c.class.Name, joinAddresses(c.addresses), c.https, c.http}
		name := pools[key]
		if name == "" {
			name = c.backendName()
			pools[key] = name
			all = append(all, c.backend(name))
		}
		d.backend = name
	}
	slices.SortFunc(all, func(a, b Backend) int { return strings.Compare(a.Name, b.Name) })
	index := make(map[string]int, len(all))
	for i := range all {
		if _, twice := index[all[i].Name]; !twice {
			index[all[i].Name] = i
		}
	}
	for _, d := range drafts {
		d.Backend = NoBackend
		if d.Exposed {
			d.Backend = index[d.backend]
		}
	}
	return all
}

// backendName returns SOURCE/CLASS/ADDRESS[,ADDRESS...]. Ports stand in it only where an object prescribes others than
// its class does, so that the hosts of one class at one address share a backend that keeps its name (and with it its
// counters and check state) when the class's port is changed.
func (c *candidate) backendName() string {
	https, http := c.class.ports()
	addresses := joinAddresses(c.addresses)
	if c.https != https {
		var list []string
		for _, a := range c.addresses {
			list = append(list, netip.AddrPortFrom(a, c.https).String())
		}
		addresses = strings.Join(list, ",")
	}
	name := c.owner.source + "/" + c.class.Name + "/" + addresses
	if c.http != http {
		name += "/http:" + strconv.Itoa(int(c.http))
	}
	return name
}

func (c *candidate) backend(name string) Backend {
	b := Backend{Name: name, HTTPPort: c.http, Options: c.class.Options}
	for _, a := range endpoints(c.addresses, c.https) {
		b.Servers = append(b.Servers, Server{Address: a, Weight: 1})
	}
	return b
}

func joinAddresses(addresses []netip.Addr) string {
	var list []string
	for _, a := range addresses {
		list = append(list, a.String())
	}
	return strings.Join(list, ",")
}
