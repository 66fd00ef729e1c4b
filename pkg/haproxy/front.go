package haproxy

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sniroute/sniroute/pkg/uci"
)

// importFront makes of a frontend what it is here: a listener with its routes, a listener that redirects, the address
// of the status page, or nothing where it terminates TLS.
func (im *importer) importFront(p *proxy) {
	if len(p.binds) == 0 { // a listen section may be a backend alone
		im.used[p] = true
		return
	}
	terminates := slices.ContainsFunc(p.binds, func(b *bind) bool { return b.tls })
	if terminates {
		im.remark(p.line, "%s %s: left out: it terminates TLS, which sniroute never does: leave that to the servers, or "+
			"keep HAProxy for it behind sniroute", p.kind, shown(p.name))
		if !slices.ContainsFunc(p.binds, func(b *bind) bool { return !b.tls }) {
			return
		}
	}
	if !p.http {
		im.importTLS(p)
		return
	}
	rest := im.outcomes(im.restClass(p, ""))
	served := false
	for _, list := range rest {
		served = served || slices.ContainsFunc(list, func(o outcome) bool { return o.verdict == isServed })
	}
	if served && len(p.rules[atUse]) == 0 && p.fallback.backend == "" {
		im.importStats(p, rest)
		return
	}
	im.importHTTP(p)
}

// A plan is what a frontend becomes.
type plan struct {
	front  *proxy
	routes []plannedRoute
	rest   result // of names without a route
	others result // of what is not TLS
}

// same reports whether two results are the same for clients.
func (r result) same(o result) bool {
	return r.target == o.target && slices.Equal(r.clients, o.clients)
}

// A plannedRoute is a host's.
type plannedRoute struct {
	host, alpn string
	result
}

// plan sends every class through the frontend's rules.
func (im *importer) plan(p *proxy) *plan {
	pl := &plan{front: p}
	rest := im.restClass(p, "")
	base := im.one(rest, im.outcomes(rest))
	pl.rest = im.choose(rest, base, nil)
	reduced := map[string][]outcome{"": base} // of wildcards
	results := map[string]result{"": pl.rest}
	for _, alpn := range im.alpns {
		c := im.restClass(p, alpn)
		if !slices.EqualFunc(im.one(c, im.outcomes(c)), base, outcome.same) {
			p.remark(p.line, "%s: %s: left out for names without a route: a protocol is looked at for hosts that have one",
				shown(p.name), shown(alpn))
		}
	}
	for _, host := range im.hosts {
		parent := above(host, reduced)
		c := im.hostClass(p, host, "")
		outcomes := im.one(c, im.outcomes(c))
		if strings.HasPrefix(host, "*.") {
			reduced[host], results[host] = outcomes, results[parent]
		}
		own := results[parent]
		if !slices.Equal(outcomes, reduced[parent]) {
			own = im.choose(c, outcomes, reduced[parent])
			if !own.clients.empty() || !results[parent].clients.empty() {
				// What a rule makes of a name as of all others needs no route.
				if own.rule == nil || len(own.rule.dynamic) == 0 || !own.same(results[parent]) {
					pl.routes = append(pl.routes, plannedRoute{host, "", own})
				}
			}
			if strings.HasPrefix(host, "*.") {
				results[host] = own
			}
		}
		for _, alpn := range im.alpns {
			c := im.hostClass(p, host, alpn)
			with := im.one(c, im.outcomes(c))
			if slices.Equal(with, outcomes) {
				continue
			}
			if r := im.choose(c, with, outcomes); !r.clients.empty() || !own.clients.empty() {
				pl.routes = append(pl.routes, plannedRoute{host, alpn, r})
			}
		}
	}
	return pl
}

// above returns the wildcard that takes a host where it has no route of its own, or nothing.
func above(host string, wildcards map[string][]outcome) string {
	base := strings.TrimPrefix(host, "*.")
	for {
		_, up, found := strings.Cut(base, ".")
		if !found {
			return ""
		}
		if _, ok := wildcards["*."+up]; ok {
			return "*." + up
		}
		base = up
	}
}

// importTLS makes a listener of a frontend in TCP mode.
func (im *importer) importTLS(p *proxy) {
	im.used[p] = true
	pl := im.plan(p)
	others := im.otherClass(p)
	pl.others = im.chooseOther(others, im.outcomes(others), pl.rest)
	admitted := pl.admit()
	s := im.listener(p, "listener", admitted)
	if s == nil {
		return
	}
	if !pl.rest.clients.empty() {
		s.Set("default_backend", im.backend(p, pl.rest.target))
	}
	inspects, looks, waits := pl.inspection()
	switch {
	case inspects != 0:
		s.Set("inspect_delay", clamp(inspects, leastInspect, mostInspect))
	case !looks && !pl.others.clients.empty():
		s.Set("inspect_delay", "1s")
		p.remark(p.line, "%s: a client that waits for the server to speak (mail, databases) waits for inspect_delay, 1s",
			shown(p.name))
	}
	if looks && !(waits && inspects != 0) {
		p.remark(p.line, "%s: HAProxy may decide before the hello is there, since no tcp-request inspect-delay and content rule "+
			"have it wait; sniroute waits", shown(p.name))
	}
	switch {
	case pl.others.clients.empty():
		s.Set("non_tls", "reject")
	case !pl.rest.clients.empty() && pl.others.target == pl.rest.target:
		s.Set("non_tls", "default")
	default:
		s.Set("non_tls", im.backend(p, pl.others.target))
	}
	im.addRoutes(pl, s, admitted)
}

// inspection returns how long the frontend and its backends wait for what a client sends (0: not said), whether one of
// them looks at it, and whether a content rule has HAProxy wait (without one, inspect-delay has no effect).
func (pl *plan) inspection() (d time.Duration, looks, waits bool) {
	proxies := []*proxy{pl.front, pl.rest.target.backend, pl.others.target.backend}
	for _, r := range pl.routes {
		proxies = append(proxies, r.target.backend)
	}
	for _, p := range proxies {
		if p == nil {
			continue
		}
		if d == 0 {
			d = p.inspects
		}
		looks = looks || p.looksAtHello(atContent, atUse, atServer)
		waits = waits || p.looksAtHello(atContent)
	}
	return d, looks, waits
}

// chooseOther reduces what becomes of other protocols to one backend: non_tls is one for all. Where only some of them
// have one of their own, it is that, if HAProxy rejects none.
func (im *importer) chooseOther(c class, all [][]outcome, rest result) result {
	first := all[im.clients.open()]
	main := 0
	for i, o := range first {
		if o.verdict == isSent && o.target != rest.target && first[main].target == rest.target {
			main = i
		}
	}
	c.populations[0], c.populations[main] = c.populations[main], c.populations[0]
	for g := range all {
		all[g][0], all[g][main] = all[g][main], all[g][0]
	}
	return im.choose(c, im.one(c, all), nil)
}

// admit returns the clients that the listener lets in. A default backend and non_tls have no lists of their own: where
// they are for fewer clients than a route, they are left out.
func (pl *plan) admit() groups {
	admitted := make(groups, len(pl.rest.clients))
	for _, r := range pl.routes {
		admitted = admitted.union(r.clients)
	}
	admitted = admitted.union(pl.rest.clients).union(pl.others.clients)
	p := pl.front
	for {
		before := slices.Clone(admitted)
		for _, f := range []struct {
			*result
			what string
		}{{&pl.rest, "names without a route"}, {&pl.others, "what is not TLS"}} {
			if f.clients.empty() || slices.Equal(f.clients, admitted) {
				continue
			}
			line := p.fallback.line
			if f.rule != nil {
				line = f.rule.line
			}
			if line == 0 {
				line = p.line
			}
			p.remark(line, "%s: left out for %s: they have no allow and deny lists of their own, and not all clients "+
				"that reach a route may come here", shown(f.target.backend.name), f.what)
			f.clients = make(groups, len(admitted))
		}
		admitted = make(groups, len(admitted))
		for _, r := range pl.routes {
			admitted = admitted.union(r.clients)
		}
		admitted = admitted.union(pl.rest.clients).union(pl.others.clients)
		if slices.Equal(before, admitted) {
			return admitted
		}
	}
}

// listener adds a listener section, or returns nil where there is nothing for it.
func (im *importer) listener(p *proxy, kind string, admitted groups) *uci.Section {
	if admitted.empty() {
		p.remark(p.line, "%s %s: left out: it would refuse everything", p.kind, shown(p.name))
		return nil
	}
	proxied, ok := im.proxied(p)
	if !ok {
		return nil
	}
	list := im.listening[p]
	if len(list) == 0 {
		p.remark(p.line, "%s %s: left out: it has no address to listen on", p.kind, shown(p.name))
		return nil
	}
	s := &uci.Section{Type: "listener", Name: im.names.name(p.name, kind)}
	if p.http {
		s.Set("proto", "http")
	}
	for _, a := range list {
		s.Add("listen", a.String())
	}
	s.Set("wan_port", "0")
	for _, n := range proxied {
		s.Add("accept_proxy", n.String())
	}
	allow, deny := im.clients.lists(admitted)
	addNetworks(s, allow, deny)
	if p.maxconn != nil && im.main.Option("max_connections") == nil {
		p.remark(p.maxconn.line, "%s: left out: max_connections of 'main' is for all listeners", p.maxconn)
	}
	im.listeners = append(im.listeners, s)
	return s
}

func addNetworks(s *uci.Section, allow, deny []netip.Prefix) {
	for _, n := range allow {
		s.Add("allow", n.String())
	}
	for _, n := range deny {
		s.Add("deny", n.String())
	}
}

// proxied returns the peers that send a PROXY header. It reports false where the frontend cannot be: rules about peers
// beside those that are about clients.
func (im *importer) proxied(p *proxy) (peers []netip.Prefix, ok bool) {
	all, some := true, false
	for _, b := range p.binds {
		if !b.tls {
			all, some = all && b.proxied, some || b.proxied
		}
	}
	if some && !all {
		p.remark(p.line, "%s %s: left out: accept-proxy is for all addresses of a listener, or for none",
			p.kind, shown(p.name))
		return nil, false
	}
	senders := make(groups, im.clients.groups)
	if some {
		senders = im.clients.all()
	}
	for g := range senders {
		for _, c := range p.expects {
			s := im.subject(p, names{})
			s.clients = g
			if c.on(&s) == yes {
				senders[g] = true
			}
		}
	}
	if senders.empty() {
		return nil, true
	}
	ofPeers := func(t *test) bool { return t.compare == compareAddress }
	for _, r := range p.rules[atConnection] {
		if r.verdict == isRefused && slices.ContainsFunc(r.condition.tests(), ofPeers) {
			p.remark(r.line, "%s: the section is left out: this is about who sends the PROXY header, while allow and deny are "+
				"about the clients in it", r.text)
			return nil, false
		}
	}
	return im.clients.only(senders), true
}
