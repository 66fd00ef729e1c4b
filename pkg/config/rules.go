package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sniroute/sniroute/pkg/uci"
)

// rules checks what no section can know alone.
func (r *reader) rules(c *Config) {
	r.checkReferences()
	r.checkListenAddresses(c)
	r.checkWANPorts(c)
	r.checkHosts(c)
	r.checkLoops(c)
	r.checkClientSource(c)
	r.checkFiles(c)
	r.checkProxyPorts(c)
}

// checkCredentials: kubeconfig, or server and token, and never both.
func checkCredentials(s *sectionReader) {
	switch {
	case s.given("kubeconfig"):
		for _, name := range []string{"server", "ca_file", "token_file"} {
			if o := s.section.Option(name); o != nil {
				s.fail(s.section, name, o.Line(),
					"stands beside kubeconfig: give kubeconfig alone, or server, ca_file and token_file without it")
			}
		}
	case !s.given("server"):
		s.fail(s.section, "", s.section.Line,
			"it says neither where the API server is nor how to log in: give kubeconfig, or server, ca_file and token_file")
	case !s.given("token_file"):
		s.fail(s.section, "token_file", s.section.Line,
			"is missing: name the file that holds the ServiceAccount's token ('sniroute enroll' writes it)")
	}
}

// checkProto warns about what a listener of its kind does not use.
func checkProto(s *sectionReader, l *Listener) {
	proto, names := "tls", []string{"http_mode", "acme_internal"}
	if l.HTTP {
		proto, names = "http", []string{"non_tls"}
	}
	for _, name := range names {
		if s.given(name) && s.enabled {
			s.warn(s.section, name, s.section.Option(name).Line(), "has no effect with proto '"+proto+"'")
		}
	}
}

// checkSelectors: a class selects something, and an exposing one says which addresses.
func checkSelectors(s *sectionReader, c *Class) {
	names := []string{"class", "gateway", "namespace", "match_address", "match_host"}
	if !slices.ContainsFunc(names, s.given) {
		s.fail(s.section, "", s.section.Line, "it selects nothing: give at least one of "+strings.Join(names, ", "))
	}
	if c.Expose && !s.given("address") && !s.given("match_address") {
		s.warn(s.section, "expose", s.section.Option("expose").Line(),
			"exposes whatever address the objects' status says: add match_address or address, so that one can be sure which")
	}
	if c.Options.SendProxy != "none" && c.HTTPSPort == 443 {
		s.warn(s.section, "send_proxy", s.section.Option("send_proxy").Line(),
			"servers get a PROXY protocol header on port 443, where the LAN's clients, whom DNS sends to the same address,"+
				" send none: have them expect it on a port of its own, and give that as https_port")
	}
}

// checkProxyPorts warns where the LAN's clients connect, by a route's DNS, to a port that expects a PROXY header.
func (r *reader) checkProxyPorts(c *Config) {
	backends := make(map[string]*Backend, len(c.Backends))
	for i := range c.Backends {
		backends[c.Backends[i].Name] = &c.Backends[i]
	}
	for _, route := range c.Routes {
		b := backends[route.Backend]
		if b == nil || b.Options.SendProxy == "none" {
			continue
		}
		for _, f := range r.found {
			isDNS := f.section.Type == "route" && f.section.Name == route.Name && f.option.Name == "dns"
			if isDNS && b.at(f.value.(netip.Addr), 443) {
				r.warnWith(f, fmt.Sprintf("%s is a server of backend '%s', which gets a PROXY protocol"+
					" header on port 443; the LAN's clients, whom DNS sends there, send none: use a port of its own for that",
					quoted(f.text), b.Name))
			}
		}
	}
}

// at reports whether one of the servers has that address and port.
func (b *Backend) at(a netip.Addr, port uint16) bool {
	return slices.ContainsFunc(b.Servers, func(s Server) bool { return s.Address == netip.AddrPortFrom(a, port) })
}

// checkReferences: a name refers to a section that is there and enabled.
func (r *reader) checkReferences() {
	sections := make(map[string]*uci.Section, len(r.file.Sections))
	for _, s := range r.file.Sections {
		sections[s.Name] = s
	}
	for _, f := range r.found {
		if !f.option.Type.isReference(f.text) {
			continue
		}
		target := sections[f.text]
		switch {
		case target == nil || !slices.Contains(f.option.Type.refers, target.Type):
			kind := strings.Join(f.option.Type.refers, " or ")
			r.failWith(f, fmt.Sprintf("%s is no %s: %s", quoted(f.text), kind, r.remedy(f)))
		case target.Type == "backend" && !isEnabled(target):
			r.failWith(f,
				fmt.Sprintf("backend %s is not enabled (line %d): enable it or name another", quoted(f.text), target.Line))
		}
	}
}

// remedy says which names there are in place of one that is not.
func (r *reader) remedy(f found) string {
	choices := slices.Clone(f.option.Type.words)
	for _, s := range r.file.Sections {
		if slices.Contains(f.option.Type.refers, s.Type) && !s.Anonymous && isEnabled(s) {
			choices = append(choices, s.Name)
		}
	}
	if n := nearest(f.text, choices); n != "" {
		return fmt.Sprintf("did you mean '%s'?", n)
	}
	if len(choices) == 0 {
		return fmt.Sprintf("add a section \"config %s 'NAME'\" and name it here", f.option.Type.refers[0])
	}
	const most = 8
	if len(choices) > most {
		choices = append(choices[:most:most], "...")
	}
	return "there are " + strings.Join(choices, ", ")
}

// isEnabled reads a section's option again, without a word about what is wrong with it.
func isEnabled(s *uci.Section) bool {
	o := s.Option("enabled")
	if o == nil {
		return true
	}
	v, err := boolean().parse(o.Values[0].Text)
	return err != nil || v.(bool)
}

// checkListenAddresses: no two sockets at one address and port.
func (r *reader) checkListenAddresses(c *Config) {
	var sockets, taken []found
	for _, f := range r.found {
		if f.option.Name == "listen" || f.option.Name == "status_listen" {
			sockets = append(sockets, f)
		}
	}
	for _, l := range c.Listeners { // and those that listen at the default
		if s := r.file.Section(l.Name); s.Option("listen") == nil {
			at, option := l.Listen[0], section(r.table, "listener").option("listen")
			sockets = append(sockets, found{s, option, s.Line, fmt.Sprintf(":%d", at.Port()), at})
		}
	}
	slices.SortStableFunc(sockets, func(a, b found) int { return cmp.Compare(a.line, b.line) })
	for _, f := range sockets {
		for _, other := range taken {
			if overlap(f.value.(netip.AddrPort), other.value.(netip.AddrPort)) {
				r.failWith(f, fmt.Sprintf(
					"%s is taken by %s of %s (line %d): give another port or address",
					quoted(f.text), quoted(other.text), other.sectionText(), other.line))
				break
			}
		}
		taken = append(taken, f)
	}
}

// overlap says whether two listening sockets would take the same connections.
func overlap(a, b netip.AddrPort) bool {
	if a.Port() != b.Port() {
		return false
	}
	return a.Addr() == b.Addr() || covers(a.Addr(), b.Addr()) || covers(b.Addr(), a.Addr())
}

// covers says whether a socket at wide takes connections to a too: [::] is all of both families, 0.0.0.0 all of IPv4.
func covers(wide, a netip.Addr) bool {
	return wide == netip.IPv6Unspecified() || wide == netip.IPv4Unspecified() && a.Is4()
}

// checkWANPorts: no WAN port is redirected to two listeners.
func (r *reader) checkWANPorts(c *Config) {
	given := func(l *Listener) (int, *uci.Section) {
		for _, f := range r.found {
			if f.option.Name == "wan_port" && f.section.Name == l.Name {
				return f.line, f.section
			}
		}
		return 0, nil
	}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		for j := range c.Listeners[:i] {
			other := &c.Listeners[j]
			if l.WANPort == 0 || l.WANPort != other.WANPort || !intersect(l.WANZones, other.WANZones) {
				continue
			}
			line, section := given(l)
			otherLine, _ := given(other)
			switch {
			case line > 0 && otherLine > 0:
				r.fail(section, "wan_port", line, fmt.Sprintf("%d is redirected to listener '%s' already (line %d):"+
					" give another port, or 0 for none", l.WANPort, other.Name, otherLine))
			case line > 0: // what is written stands above a default
				other.WANPort = 0
			default:
				l.WANPort = 0
			}
		}
	}
}

// checkFiles: no file is written for two purposes.
func (r *reader) checkFiles(c *Config) {
	purpose := make(map[string]string)
	for _, f := range []struct{ option, path string }{
		{"control", c.Main.Control},
		{"state_file", c.Main.StateFile},
		{"hosts_file", c.DNS.HostsFile},
		{"servers_file", c.DNS.ServersFile},
		{"wildcards_file", c.DNS.WildcardsFile},
	} {
		other, taken := purpose[f.path]
		if f.path == "" || !taken {
			purpose[f.path] = f.option
			continue
		}
		for _, names := range [][2]string{{f.option, other}, {other, f.option}} { // one of them may be a default
			if i := slices.IndexFunc(r.found, func(f found) bool { return f.option.Name == names[0] }); i >= 0 {
				r.failWith(r.found[i],
					fmt.Sprintf("%s is the %s already: give another file", quoted(f.path), names[1]))
				break
			}
		}
	}
}

func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// checkHosts: no host is routed by hand to two places.
func (r *reader) checkHosts(c *Config) {
	routes := make(map[string]*Route, len(c.Routes))
	for i := range c.Routes {
		routes[c.Routes[i].Name] = &c.Routes[i]
	}
	type key struct{ host, alpn string }
	taken := make(map[key][]found)
	for _, f := range r.found {
		if f.section.Type != "route" || f.option.Name != "host" {
			continue
		}
		route := routes[f.section.Name]
		k := key{f.value.(string), route.ALPN}
		for _, other := range taken[k] {
			theirs := routes[other.section.Name]
			if route == theirs {
				break
			}
			if len(route.Listeners) == 0 || len(theirs.Listeners) == 0 || intersect(route.Listeners, theirs.Listeners) {
				r.failWith(f, fmt.Sprintf("%s is routed by %s already (line %d):"+
					" leave it in one of them", quoted(f.text), other.sectionText(), other.line))
				break
			}
		}
		taken[k] = append(taken[k], f)
	}
}
