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
	rest := im.outcomes(im.restClass(p))
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

// A decision is what becomes of a host: for hellos that offer several protocols or none, and for those that offer one
// that rules ask for, and no other.
type decision struct {
	outcomes [][]outcome // by protocol, in the order of importer.alpns behind any, and by group of clients
	plain    result      // what the route for any protocol does
	admits   bool        // somebody gets somewhere
}

// plan sends every class through the frontend's rules. A host that differs in nothing from the wildcard that it lies
// below, or from names without a route, needs no route.
func (im *importer) plan(p *proxy) *plan {
	pl := &plan{front: p}
	c := im.restClass(p)
	rest := decision{}
	outcomes := im.one(c, im.outcomes(c))
	for range 1 + len(im.alpns) {
		rest.outcomes = append(rest.outcomes, outcomes)
	}
	pl.rest = im.choose(c, outcomes, nil)
	rest.plain, rest.admits = pl.rest, !pl.rest.clients.empty()
	decided := map[string]decision{"": rest} // wildcards
	for _, host := range im.hosts {
		parent := decided[above(host, decided)]
		d := im.decideHost(pl, host, parent)
		if strings.HasPrefix(host, "*.") {
			decided[host] = d
		}
	}
	return pl
}

// decideHost plans the routes of a host that lies below parent.
func (im *importer) decideHost(pl *plan, host string, parent decision) decision {
	d := decision{plain: parent.plain, admits: parent.admits}
	var classes []class
	for _, alpn := range append([]string{""}, im.alpns...) {
		c := im.hostClass(pl.front, host, alpn)
		classes = append(classes, c)
		d.outcomes = append(d.outcomes, im.one(c, im.outcomes(c)))
	}
	if slices.EqualFunc(d.outcomes, parent.outcomes, slices.Equal) {
		return d
	}
	d.plain = im.choose(classes[0], d.outcomes[0], parent.outcomes[0])
	d.admits = !d.plain.clients.empty()
	if d.admits || parent.admits {
		// What a rule makes of a name as of all others needs no route.
		r := d.plain.rule
		if r == nil || len(r.dynamic) == 0 || len(im.alpns) > 0 || !d.plain.same(parent.plain) {
			pl.routes = append(pl.routes, plannedRoute{host, "", d.plain})
		}
	}
	for i, c := range classes[1:] {
		with := d.outcomes[1+i]
		if slices.Equal(with, d.outcomes[0]) {
			continue
		}
		r := im.choose(c, with, d.outcomes[0])
		if admits := !r.clients.empty(); admits || d.admits || parent.admits {
			pl.routes = append(pl.routes, plannedRoute{host, c.alpn, r})
			d.admits = d.admits || admits
		}
	}
	return d
}

// above returns the wildcard that takes a host where it has no route of its own, or nothing.
func above(host string, wildcards map[string]decision) string {
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
		p.remark(p.line, "%s: HAProxy may decide before the hello is there, since no tcp-request inspect-delay and "+
			"content rule have it wait; sniroute waits", shown(p.name))
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
