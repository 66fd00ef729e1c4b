package config

import (
	"fmt"
	"net/netip"
)

// checkLoops: no static backend leads back to ourselves, as far as the file alone can tell.
func (r *reader) checkLoops(c *Config) {
	for _, f := range r.found {
		if f.section.Type == "backend" && f.option.Name == "server" {
			c.servers = append(c.servers, f)
		}
	}
	r.problems = append(r.problems, c.loops(netip.Addr.IsLoopback)...)
}

// Loops checks the static backends again with what only the running system knows: which addresses are the router's own.
// It returns an *Error with one Problem for each server that leads back to a listener, its WAN port or the status page.
func (c *Config) Loops(own func(netip.Addr) bool) error {
	if problems := c.loops(own); len(problems) > 0 {
		return &Error{Problems: problems}
	}
	return nil
}

func (c *Config) loops(own func(netip.Addr) bool) []Problem {
	var problems []Problem
	for _, f := range c.servers {
		if text := c.loop(f.value.(Server).Address, own); text != "" {
			p := problemOf(c.File, f.section, f.option.Name, f.line, quoted(f.text)+" "+text)
			p.Value = f.shown()
			problems = append(problems, p)
		}
	}
	return problems
}

func (c *Config) loop(server netip.AddrPort, own func(netip.Addr) bool) string {
	at := func(listen netip.AddrPort) bool {
		return listen.Port() == server.Port() &&
			(listen.Addr() == server.Addr() || own(server.Addr()) && covers(listen.Addr(), server.Addr()))
	}
	for _, l := range c.Listeners {
		for _, listen := range l.Listen {
			if at(listen) {
				return fmt.Sprintf("is listener '%s' itself: connections would go round in circles; name another machine", l.Name)
			}
		}
		if l.WANPort != 0 && l.WANPort == server.Port() && own(server.Addr()) {
			return fmt.Sprintf("is the router's own port %d, which is redirected to listener '%s': name another machine or port",
				l.WANPort, l.Name)
		}
	}
	for _, listen := range c.Main.StatusListen {
		if at(listen) {
			return "is the status page of sniroute, which is not for everybody: name another machine or port"
		}
	}
	return ""
}
