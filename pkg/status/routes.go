package status

import (
	"net/netip"

	"github.com/sniroute/sniroute/pkg/route"
)

// Routes is what `sniroute routes -json` prints: every host, where it goes and why, and what was refused. Lists are
// never null.
type Routes struct {
	Routes  []Route   `json:"routes"`
	Refused []Refusal `json:"refused"`
}

// A Route is one entry for a (host, ALPN).
type Route struct {
	Host     string       `json:"host"`
	ALPN     string       `json:"alpn"`
	Exposed  bool         `json:"exposed"`
	Backend  string       `json:"backend"`
	Servers  []string     `json:"servers"` // ADDR:PORT; none where the host is not exposed
	DNS      []netip.Addr `json:"dns"`
	Source   string       `json:"source"`
	Object   string       `json:"object"` // KIND NS/NAME, or the section of a static route
	Merged   []string     `json:"merged"` // other objects that claim the same
	Warnings []string     `json:"warnings"`
}

// A Refusal is a claim that policy did not accept.
type Refusal struct {
	Host   string `json:"host"` // as the cluster spells it: escape it before a person sees it
	Source string `json:"source"`
	Object string `json:"object"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// RoutesOf returns the routes and refusals of a table, in its order.
func RoutesOf(t *route.Table) Routes {
	list := Routes{Routes: make([]Route, len(t.Routes)), Refused: make([]Refusal, len(t.Refused))}
	for i := range t.Routes {
		r := &t.Routes[i]
		list.Routes[i] = Route{
			Host: r.Host, ALPN: r.ALPN, Exposed: r.Exposed, Servers: []string{}, DNS: orEmpty(r.DNS),
			Source: r.Source, Object: r.Object, Merged: orEmpty(r.Merged), Warnings: orEmpty(r.Warnings),
		}
		if !r.Exposed || r.Backend == route.NoBackend {
			continue
		}
		backend := &t.Backends[r.Backend]
		list.Routes[i].Backend = backend.Name
		for _, server := range backend.Servers {
			list.Routes[i].Servers = append(list.Routes[i].Servers, server.Address.String())
		}
	}
	for i, r := range t.Refused {
		list.Refused[i] = Refusal{r.Host, r.Source, r.Object, string(r.Reason), r.Detail}
	}
	return list
}
