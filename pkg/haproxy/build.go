package haproxy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sniroute/sniroute/pkg/uci"
)

// A builtKey tells apart what becomes a backend section of its own: a target, with what it takes from the frontend.
type builtKey struct {
	target
	port uint16        // of clients, where a server has none of its own
	idle time.Duration // idle_timeout
	http bool          // for plain HTTP
}

// A built is a backend that has become a section, or could not.
type built struct {
	section *uci.Section // nil: it has no server to connect to
	servers []netip.AddrPort
	listed  bool // in the configuration
}

// usable reports whether a target can become a backend section.
func (im *importer) usable(front *proxy, t target) bool { return im.build(front, t).section != nil }

// backend returns the name of a target's backend section, which is put into the configuration.
func (im *importer) backend(front *proxy, t target) string {
	b := im.build(front, t)
	if !b.listed {
		b.listed = true
		like := t.backend.name
		if t.server != "" {
			like += "_" + t.server
		}
		kind := "backend"
		if front.http {
			kind = "http"
		}
		b.section.Name = im.names.name(like, kind)
		im.pools = append(im.pools, b.section)
	}
	return b.section.Name
}

// build makes a backend section of a target, once.
func (im *importer) build(front *proxy, t target) *built {
	key := builtKey{target: t, idle: idleTimeout(front, t.backend), http: front.http}
	if t.backend.portless {
		key.port = front.port
	}
	if b := im.built[key]; b != nil {
		return b
	}
	im.workAll(1+len(t.backend.servers), 1+len(im.taken))
	b := &built{}
	im.built[key] = b
	im.used[t.backend] = true
	p := t.backend
	s := &uci.Section{Type: "backend"}
	servers := im.chooseServers(p, t.server, key)
	if len(servers) == 0 {
		if len(p.servers) == 0 && !p.pool.templates {
			return b // HAProxy refuses what goes there, too
		}
		p.remark(p.line, "%s: left out: it has no server that can be connected to; what goes there is refused", shown(p.name))
		return b
	}
	var ports []uint16
	for _, c := range servers {
		text := c.at.String()
		if c.weight > 1 {
			text += " weight=" + strconv.Itoa(c.weight)
		}
		if c.backup {
			text += " backup"
		}
		s.Add("server", text)
		b.servers = append(b.servers, c.at)
		ports = append(ports, c.at.Port())
	}
	if key.http {
		s.Set("http_port", strconv.Itoa(int(ports[0])))
	}
	p.buildOptions(s, servers, key)
	b.section = s
	return b
}

// A chosenServer is one that is connected to.
type chosenServer struct {
	*server
	at     netip.AddrPort
	weight int
	backup bool
}

// chooseServers returns the servers of a backend that can be connected to: first the one that a use-server rule names,
// whose place the others take while it is down.
func (im *importer) chooseServers(p *proxy, first string, key builtKey) []chosenServer {
	var list []chosenServer
	for _, s := range p.servers {
		named := s.name == first && first != ""
		problem := s.problem
		at, ok := s.at(key.port)
		switch {
		case problem != "":
		case !ok:
			problem = "it has no port of its own, and connections to it come to several"
		case im.ours(at):
			problem = at.String() + " is an address that sniroute itself listens on: connections would go round in circles"
		case s.disabled:
			problem = "it is disabled"
		case len(list) > 0 && s.proxy != list[0].proxy:
			problem = "all servers of a backend get a PROXY header, of one version, or none does"
		case len(list) > 0 && key.http && at.Port() != list[0].at.Port():
			problem = "on plain HTTP, all servers of a backend have one port"
		}
		if problem != "" {
			p.remark(s.line, "server %s: left out: %s", shown(s.name), problem)
			continue
		}
		c := chosenServer{server: s, at: at, weight: s.weight, backup: s.backup}
		switch {
		case named:
			c.weight, c.backup = 1, false
			list = append([]chosenServer{c}, list...)
		case s.weight == 0: // it gets connections through use-server alone
		default:
			c.backup = c.backup || first != ""
			list = append(list, c)
		}
	}
	if slices.ContainsFunc(list, func(c chosenServer) bool { return !c.backup }) {
		return list
	}
	for i := range list { // where there are only backup servers, they are the servers
		list[i].backup = false
	}
	return list
}

// ours reports whether an address is one that is listened on. Loopback addresses are the router's own; others may be.
func (im *importer) ours(at netip.AddrPort) bool {
	for _, a := range im.taken {
		if a.at == at || at.Addr().IsLoopback() && a.covers(address{at: at}) {
			return true
		}
	}
	return false
}

// The bounds of sniroute's options.
const (
	leastIdle, mostIdle         = time.Second, 30 * 24 * time.Hour
	leastConnect, mostConnect   = 10 * time.Millisecond, 5 * time.Minute
	leastInterval, mostInterval = 100 * time.Millisecond, time.Hour
	leastInspect, mostInspect   = 10 * time.Millisecond, time.Minute
	mostStick                   = 1000 * 1000
)

// clamp writes a time as an option takes it, which has bounds.
func clamp(d, least, most time.Duration) string { return timeText(min(max(d, least), most)) }

// idleTimeout returns how long a connection may be quiet, 0 if nothing is said: timeout tunnel where there is one, else
// the shorter of both sides'.
func idleTimeout(front, back *proxy) time.Duration {
	unlimited := func(d time.Duration) time.Duration {
		if d == 0 {
			return mostIdle
		}
		return d
	}
	if d, ok := back.timeouts["tunnel"]; ok {
		return unlimited(d)
	}
	client, ok1 := front.timeouts["client"]
	server, ok2 := back.timeouts["server"]
	switch {
	case ok1 && ok2:
		return min(unlimited(client), unlimited(server))
	case ok1:
		return unlimited(client)
	case ok2:
		return unlimited(server)
	}
	return 0
}

// buildOptions writes down how the servers are chosen, checked and spoken to.
func (p *proxy) buildOptions(s *uci.Section, servers []chosenServer, key builtKey) {
	o := &p.pool
	if o.balance != "roundrobin" {
		s.Set("balance", o.balance)
	}
	if o.stick != "" {
		s.Set("stick", o.stick)
		if o.stickSize > 0 {
			s.Set("stick_size", strconv.Itoa(min(o.stickSize, mostStick)))
		}
		if o.expire == 0 {
			o.expire = mostIdle // until the table is full
		}
		s.Set("stick_expire", clamp(o.expire, time.Second, mostIdle))
	}
	p.buildChecks(s, servers)
	if d, ok := p.timeouts["connect"]; ok {
		s.Set("connect_timeout", clamp(d, leastConnect, mostConnect))
	}
	if key.idle != 0 {
		s.Set("idle_timeout", clamp(key.idle, leastIdle, mostIdle))
	}
	if v := servers[0].proxy; v != "" {
		s.Set("send_proxy", v)
	}
	client := o.client
	for _, c := range servers {
		if c.client && !client {
			client = true
			if len(servers) > 1 {
				p.remark(c.line, "server %s: the other servers see the client's address too", shown(c.name))
			}
		}
	}
	if client {
		s.Set("source", "client")
	}
}

// buildChecks writes down how servers are checked, which is the same for all of a backend.
func (p *proxy) buildChecks(s *uci.Section, servers []chosenServer) {
	var checked *server
	for _, c := range servers {
		if c.check && checked == nil {
			checked = c.server
		}
	}
	if checked == nil {
		s.Set("check", "none")
		return
	}
	for _, c := range servers {
		if c.check && c.checkPort != 0 && c.checkPort != int(c.at.Port()) {
			p.remark(c.line, "server %s: left out: port %d: checks go where connections go", shown(c.name), c.checkPort)
		}
		if !c.check {
			p.remark(c.line, "server %s: it is checked too, as the other servers are", shown(c.name))
		} else if c.inter != checked.inter || c.rise != checked.rise || c.fall != checked.fall {
			p.remark(c.line, "server %s: it is checked as server %s is", shown(c.name), shown(checked.name))
		}
	}
	kind := "tcp"
	if p.pool.check == "ssl-hello-chk" || checked.checkTLS {
		kind = "tls"
	}
	s.Set("check", kind)
	switch name := p.pool.check; {
	case name == "" || name == "ssl-hello-chk" || name == "tcp-check":
	default:
		what := "a connection"
		if kind == "tls" {
			what = "a TLS handshake"
		}
		p.remark(p.pool.checkAt.line, "%s: the check is %s, and nothing behind it", p.pool.checkAt, what)
	}
	if checked.inter != 0 {
		s.Set("check_interval", clamp(checked.inter, leastInterval, mostInterval))
	}
	if checked.rise != 0 {
		s.Set("check_rise", strconv.Itoa(min(checked.rise, 100)))
	}
	if checked.fall != 0 {
		s.Set("check_fall", strconv.Itoa(min(checked.fall, 100)))
	}
}

// machines returns the servers' addresses, without ports, in order.
func (b *built) machines() string {
	var list []string
	for _, s := range b.servers {
		list = append(list, s.Addr().String())
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}
