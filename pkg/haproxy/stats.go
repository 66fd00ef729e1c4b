package haproxy

import (
	"net/netip"
	"slices"
)

// stats is what a section says about HAProxy's own pages, and what else it does to requests.
type stats struct {
	on           bool
	metricsAt    bool // prometheus-exporter
	asksPassword bool
	edits        []Remark // of requests, for when they are passed on
}

// read takes in a stats statement.
func (s *stats) read(p *proxy, st *statement) {
	switch st.word(1) {
	case "enable":
		s.on = true
	case "uri":
		s.on = true
		if uri := st.word(2); uri != "/" {
			p.remark(st.line, "%s: the page is at /, its API at /api, metrics at /metrics", st)
		}
	case "auth":
		s.on, s.asksPassword = true, true
		p.remark(st.line, "stats auth: left out: no password is asked for, so that status_allow lets nobody ask but the "+
			"router itself")
	case "admin":
		p.remark(st.line, "%s: nothing can be changed on the status page", st)
	case "http-request":
		s.on, s.asksPassword = true, true
		p.remark(st.line, "%s: left out, so that status_allow lets nobody ask but the router itself", st)
	case "refresh", "realm", "scope", "show-desc", "show-legends", "show-node", "show-modules", "hide-version":
		s.on = true
	default:
		p.remark(st.line, "%s: this is not known here", st)
	}
}

// metrics takes in where metrics are served.
func (s *stats) metrics(p *proxy, r *rule) {
	s.metricsAt = true
	for _, t := range r.condition.tests() {
		if t.what.name == "path" && !t.text.equal["/metrics"] {
			p.remark(r.line, "%s: metrics are at /metrics", r.text)
		}
	}
}

// importStats has sniroute's page and metrics served where HAProxy's were, to those who might ask there: private
// networks, where HAProxy asks nobody who they are.
func (im *importer) importStats(p *proxy, outcomes [][]outcome) {
	im.used[p] = true
	list := im.listening[p]
	if len(list) == 0 {
		p.remark(p.line, "%s: left out: it has no address", shown(p.name))
		return
	}
	im.statusListen = append(im.statusListen, list...)
	if p.stats.asksPassword {
		return
	}
	allowed := make(groups, im.clients.groups)
	for g, list := range outcomes {
		allowed[g] = !slices.ContainsFunc(list, func(o outcome) bool { return o.verdict != isServed })
	}
	if im.statusClients != nil && !slices.Equal(im.statusClients, allowed) {
		p.remark(p.line, "%s: there is one list of who may ask (status_allow): it is for the first section of this kind",
			shown(p.name))
		return
	}
	im.statusClients = allowed
}

// finishMain writes down what concerns the daemon as a whole.
func (im *importer) finishMain() {
	s := im.main
	for _, a := range im.statusListen {
		s.Add("status_listen", a.String())
	}
	if len(im.statusListen) == 0 {
		im.defaultStatus()
	}
	for _, n := range im.statusAllow() {
		s.Add("status_allow", n.String())
	}
	if im.perSource != 0 {
		s.Set("max_connections_per_source", itoa(im.perSource))
	}
	if im.ratePerSource != 0 {
		s.Set("connection_rate_per_source", itoa(im.ratePerSource))
	}
}

// defaultStatus keeps the default address of the status page off a listener's.
func (im *importer) defaultStatus() {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1936)
	if !im.ours(at) {
		return
	}
	for im.ours(at) {
		at = netip.AddrPortFrom(at.Addr(), at.Port()+1)
	}
	im.main.Add("status_listen", at.String())
}

// statusAllow returns the networks from which the page may be asked for.
func (im *importer) statusAllow() []netip.Prefix {
	switch {
	case im.statusClients == nil || im.statusClients.empty():
		return nil
	case im.statusClients.full():
		return []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
			netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7"),
		}
	}
	list := im.clients.only(im.statusClients)
	return slices.DeleteFunc(list, func(n netip.Prefix) bool { return n.Addr().IsLoopback() })
}
