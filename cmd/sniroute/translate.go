package main

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/proxy"
	"github.com/sniroute/sniroute/pkg/route"
)

// policyOf is what the configuration says to route.Build. The router's own facts are filled in by the table keeper.
func policyOf(c *config.Config) route.Policy {
	var p route.Policy
	for _, s := range c.Clusters {
		p.Sources = append(p.Sources, sourceOf(s.Claims))
	}
	for _, s := range c.Manifests {
		p.Sources = append(p.Sources, sourceOf(s.Claims))
	}
	for _, s := range c.Classes {
		p.Classes = append(p.Classes, classOf(s))
	}
	for _, s := range c.Routes {
		p.Static = append(p.Static, route.Static{
			Name: s.Name, Hosts: s.Hosts, ALPN: s.ALPN, Backend: s.Backend, DNS: s.DNS, Expose: s.Expose,
			Listeners: s.Listeners, Allow: s.Allow, Deny: s.Deny,
		})
	}
	for _, s := range c.Backends {
		p.Backends = append(p.Backends, backendOf(s))
	}
	for _, s := range c.Listeners {
		p.Listeners = append(p.Listeners, route.Listener{
			Name: s.Name, Default: s.DefaultBackend, RoutesHTTP: s.HTTP && s.HTTPRoute,
			ProvesInternal: s.HTTP && s.ACMEInternal,
		})
	}
	p.Router.APIServers, p.Router.APINames = configuredAPIServers(c.Clusters)
	return p
}

func sourceOf(c config.Claims) route.Source {
	s := route.Source{
		Name: c.Name, Targets: c.Targets, Wildcards: c.Wildcards,
		MaxHosts: c.MaxHosts, MaxHostsPerNamespace: c.MaxHostsPerNamespace,
		IgnoreOtherClasses: c.IgnoreOtherClasses, RefuseShared: c.RefuseShared, PreferExposed: c.PreferExposed,
	}
	for _, d := range c.Domains {
		s.Domains = append(s.Domains, route.Domain{Name: d.Name, Namespace: d.Namespace})
	}
	return s
}

func classOf(c config.Class) route.Class {
	return route.Class{
		Name: c.Name, Source: c.Cluster, Class: c.Class, Gateway: c.Gateway, Namespaces: c.Namespaces,
		MatchAddress: c.MatchAddress, MatchHost: c.MatchHost,
		Expose: c.Expose, Addresses: c.Addresses, HTTPSPort: c.HTTPSPort, HTTPPort: c.HTTPPort,
		Listeners: c.Listeners, Allow: c.Allow, Deny: c.Deny, Options: optionsOf(c.Options),
	}
}

func backendOf(c config.Backend) route.Backend {
	b := route.Backend{Name: c.Name, HTTPPort: c.HTTPPort, Options: optionsOf(c.Options)}
	for _, s := range c.Servers {
		b.Servers = append(b.Servers, route.Server{Address: s.Address, Weight: s.Weight, Backup: s.Backup})
	}
	return b
}

// optionsOf turns the words of the configuration, which has checked them, into values.
func optionsOf(c config.BackendOptions) route.BackendOptions {
	return route.BackendOptions{
		Balance: map[string]route.Balance{
			"roundrobin": route.RoundRobin, "leastconn": route.LeastConn, "source": route.SourceHash,
		}[c.Balance],
		Stick: map[string]route.Stick{
			"none": route.StickNone, "source": route.StickSource, "session_id": route.StickSessionID,
		}[c.Stick],
		StickSize:   c.StickSize,
		StickExpire: c.StickExpire,
		Check: map[string]route.Check{
			"none": route.CheckNone, "tcp": route.CheckTCP, "tls": route.CheckTLS,
		}[c.Check],
		CheckInterval:  c.CheckInterval,
		CheckRise:      c.CheckRise,
		CheckFall:      c.CheckFall,
		ConnectTimeout: c.ConnectTimeout,
		IdleTimeout:    c.IdleTimeout,
		SendProxy: map[string]route.ProxyProtocol{
			"none": route.ProxyNone, "v1": route.ProxyV1, "v2": route.ProxyV2,
		}[c.SendProxy],
		ClientSource: c.ClientSource,
	}
}

// configuredAPIServers returns where the API servers of the clusters answer, and their host names, as far as the
// configuration itself says.
func configuredAPIServers(clusters []config.Cluster) (addresses []netip.AddrPort, names []string) {
	for _, c := range clusters {
		for _, s := range c.Servers {
			u, err := url.Parse(s)
			if err != nil {
				continue // the configuration has none such
			}
			port := u.Port()
			if port == "" {
				port = "443"
			}
			if at, err := netip.ParseAddrPort(net.JoinHostPort(u.Hostname(), port)); err == nil {
				addresses = append(addresses, at)
			} else {
				names = append(names, u.Hostname())
			}
		}
	}
	return addresses, names
}

// setupOf is what the configuration says to the proxy.
func setupOf(c *config.Config) proxy.Setup {
	s := proxy.Setup{AccessLog: c.Main.AccessLog, Limits: proxy.Limits{
		MaxConnections: mostConnections(c.Main.MaxConnections),
		PerSource:      c.Main.MaxConnectionsPerSource,
		RatePerSource:  c.Main.ConnectionRatePerSource,
		PeekMemory:     c.Main.PeekMemory,
		DrainTimeout:   c.Main.DrainTimeout,
	}}
	for _, l := range c.Listeners {
		s.Listeners = append(s.Listeners, proxy.Listener{
			Name: l.Name, HTTP: l.HTTP, Addresses: l.Listen, InspectDelay: l.InspectDelay, NonTLS: l.NonTLS,
			HTTPRoute: l.HTTPRoute, HTTPSPort: httpsPort(c.Listeners), ACMEInternal: l.ACMEInternal,
			AcceptProxy: l.AcceptProxy, Allow: l.Allow, Deny: l.Deny,
		})
	}
	return s
}

// httpsPort is where plain HTTP is redirected to: 443 if it leads to a listener, else the first port that does.
func httpsPort(listeners []config.Listener) uint16 {
	var first uint16
	for _, l := range listeners {
		switch {
		case l.HTTP:
		case l.WANPort == 443:
			return 443
		case first == 0:
			first = l.WANPort
		}
	}
	return cmp.Or(first, 443)
}
