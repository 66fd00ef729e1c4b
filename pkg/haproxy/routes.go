package haproxy

import (
	"net/netip"
	"slices"

	"github.com/sniroute/sniroute/pkg/uci"
)

// addRoutes writes down the routes of a frontend: hosts of one acl, or without one, that go to one place for the same
// clients share a section.
func (im *importer) addRoutes(pl *plan, listener *uci.Section, admitted groups) {
	type key struct {
		name   string
		target target
		alpn   string
		list   string
	}
	sections := make(map[key]*uci.Section)
	for _, r := range pl.routes {
		refuses := r.clients.empty()
		k := key{name: r.name(), target: r.target, alpn: r.alpn}
		for _, in := range r.clients {
			if in {
				k.list += "1"
			} else {
				k.list += "0"
			}
		}
		s := sections[k]
		if s == nil {
			s = &uci.Section{Type: "route", Name: im.names.name(k.name, "route")}
			sections[k] = s
			im.routeListeners = append(im.routeListeners, routeListener{s, listener})
		}
		s.Add("host", r.host)
		if len(s.Option("host").Values) > 1 {
			continue
		}
		if r.alpn != "" {
			s.Set("alpn", r.alpn)
		}
		switch {
		case refuses:
			im.refusing[s] = true
		case slices.Equal(r.clients, admitted):
			s.Set("backend", im.backend(pl.front, r.target))
		default:
			s.Set("backend", im.backend(pl.front, r.target))
			allow, deny := im.clients.lists(r.clients)
			addNetworks(s, allow, deny)
		}
	}
}

// name calls a route like the acl that its rule asks for, or like its backend.
func (r plannedRoute) name() string {
	switch {
	case r.clients.empty():
		return "refused"
	case r.rule != nil && r.rule.condition.name() != "":
		return r.rule.condition.name()
	case r.target.server != "":
		return "to_" + r.target.backend.name + "_" + r.target.server
	}
	return "to_" + r.target.backend.name
}

// A routeListener is a route and the listener that it was made for.
type routeListener struct{ route, listener *uci.Section }

// finishRoutes has routes name their listeners where there are several, and those that refuse do so. A listener that
// only redirects and passes challenges is for the hosts of all others.
func (im *importer) finishRoutes() {
	serving := 0
	for _, l := range im.listeners {
		if !im.redirecting[l] {
			serving++
		}
	}
	answered := make(map[string]bool) // hosts whose challenges are
	var kept []*uci.Section
	for _, rl := range im.routeListeners {
		refuses := im.refusing[rl.route]
		switch {
		case refuses && serving == 1:
			rl.route.Set("expose", "0")
		case refuses && len(im.pools) == 0:
			continue // there is nothing that it could keep hosts from
		case refuses: // expose '0' would refuse on all listeners
			rl.route.Set("backend", im.pools[0].Name)
			addNetworks(rl.route, nil, []netip.Prefix{allIPv4, allIPv6})
		}
		if serving > 1 {
			im.work(len(im.listeners))
			rl.route.Add("listener", im.listenersOf(rl, answered)...)
		}
		kept = append(kept, rl.route)
	}
	im.routes = kept
}

// listenersOf returns the names of the listeners that a route serves: its own, and those for challenges, once for a
// host.
func (im *importer) listenersOf(rl routeListener, answered map[string]bool) []string {
	list := []string{rl.listener.Name}
	hosts := rl.route.Option("host").Values
	taken := slices.ContainsFunc(hosts, func(v uci.Value) bool { return answered[v.Text] })
	if taken || rl.route.Option("alpn") != nil || rl.listener.Option("proto") != nil {
		return list
	}
	for _, v := range hosts {
		answered[v.Text] = true
	}
	for _, l := range im.listeners {
		if im.redirecting[l] {
			list = append(list, l.Name)
		}
	}
	return list
}
