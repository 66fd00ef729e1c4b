package config

import (
	"fmt"
	"net/netip"
)

// checkLoops: no static backend leads back to ourselves, as far as the file alone can tell.
func (r *reader) checkLoops(c *Config) {
	for _, f := range r.found {
		if f.section.Type != "backend" || f.option.Name != "server" {
			continue
		}
		if text := c.loop(f.value.(Server).Address, netip.Addr.IsLoopback); text != "" {
			r.fail(f.section, f.option.Name, f.line, fmt.Sprintf("%s %s", quoted(f.text), text))
		}
	}
}

// Loops checks the static backends again with what only the running system knows: which addresses are the router's own.
// It returns one error for each server that leads back to a listener, its WAN port or the status page.
func (c *Config) Loops(own func(netip.Addr) bool) []error {
	var errs []error
	for _, b := range c.Backends {
		for _, s := range b.Servers {
			if text := c.loop(s.Address, own); text != "" {
				errs = append(errs, fmt.Errorf("%s: backend '%s': option server: '%s' %s", c.File, b.Name, s.Address, text))
			}
		}
	}
	return errs
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
