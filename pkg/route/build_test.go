package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// home is a policy that resembles a real one: one cluster with an exposed class, and a nas as the default.
func home() *Policy {
	return &Policy{
		Sources: []Source{{
			Name:    "home",
			Domains: []Domain{{Name: "k8s.example.com"}},
			Targets: []netip.Prefix{netip.MustParsePrefix("192.168.0.0/24"), netip.MustParsePrefix("fd00::/64")},
		}},
		Classes: []Class{
			{Name: "external", Source: "home", Class: "ext", Expose: true, Options: BackendOptions{Check: CheckTCP}},
			{Name: "internal", Source: "home", Class: "int"},
		},
		Backends: []Backend{
			{Name: "nas", Servers: servers("192.168.0.2:443"), HTTPPort: 80},
			{Name: "old", Servers: servers("192.168.0.9:443"), HTTPPort: 80},
		},
		Listeners: []Listener{{Name: "https", Default: "nas"}, {Name: "other"}},
		Router: Router{
			Addresses:  addresses("192.168.0.1", "203.0.113.7", "fd00::1"),
			Domain:     "lan",
			Names:      []string{"OpenWrt.lan", "Router.example.com", "router.k8s.example.com"},
			APIServers: []netip.AddrPort{netip.MustParseAddrPort("192.168.0.10:6443")},
			APINames:   []string{"api.k8s.example.com"},
		},
	}
}

// claim makes a claim of source home from "KIND NS/NAME" for a host at an address, as old as its place in a test says.
func claim(object, host string, at ...string) Claim {
	kind, rest, _ := strings.Cut(object, " ")
	namespace, name, _ := strings.Cut(rest, "/")
	return Claim{
		Source:    "home",
		Object:    Object{kind, namespace, name},
		Host:      host,
		Class:     "ext",
		Addresses: addresses(at...),
	}
}

// aged gives claims their ages: the first is the oldest.
func aged(claims ...Claim) []Claim {
	for i := range claims {
		claims[i].Created = time.Unix(1_700_000_000+int64(i), 0)
	}
	return claims
}

func (c Claim) class(class string) Claim { c.Class = class; return c }
func (c Claim) source(name string) Claim { c.Source = name; return c }
func (c Claim) with(change func(*Claim)) Claim {
	change(&c)
	return c
}

func addresses(list ...string) []netip.Addr {
	var parsed []netip.Addr
	for _, s := range list {
		parsed = append(parsed, netip.MustParseAddr(s))
	}
	return parsed
}

func servers(list ...string) []Server {
	var parsed []Server
	for _, s := range list {
		parsed = append(parsed, Server{Address: netip.MustParseAddrPort(s), Weight: 1})
	}
	return parsed
}

// show prints a table as the lines that tests compare: one a route, then one a refusal.
func show(t *Table) []string {
	var lines []string
	for i := range t.Routes {
		r := &t.Routes[i]
		line := r.Host
		if r.ALPN != "" {
			line += " alpn=" + r.ALPN
		}
		if r.Exposed {
			line += " -> " + t.Backends[r.Backend].Name
		} else {
			line += " internal"
		}
		line += fmt.Sprintf(" dns=%v by %s", r.DNS, r.Object)
		if len(r.Merged) > 0 {
			line += " with " + strings.Join(r.Merged, ", ")
		}
		if len(r.Warnings) > 0 {
			line += " " + strings.Join(r.Warnings, ", ")
		}
		lines = append(lines, line)
	}
	for _, r := range t.Refused {
		lines = append(lines, fmt.Sprintf("%s of %s: %s", r.Host, r.Object, r.Reason))
	}
	for _, r := range t.Ignored {
		lines = append(lines, fmt.Sprintf("%s of %s: ignored", r.Host, r.Object))
	}
	return lines
}

func expect(t *testing.T, table *Table, want ...string) {
	t.Helper()
	if got := show(table); !slices.Equal(got, want) {
		t.Errorf("the table is\n\t%s\nand should be\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// policyTests are whole tables, one rule each.
var policyTests = []struct {
	name   string
	policy func(*Policy)
	claims []Claim
	want   []string
}{
	{
		name: "an exposed and an internal host",
		claims: aged(
			claim("Ingress a/app", "App1.k8s.example.com.", "192.168.0.3"),
			claim("Ingress a/int", "int.k8s.example.com", "192.168.0.5").class("int"),
		),
		want: []string{
			"app1.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/app",
			"int.k8s.example.com internal dns=[192.168.0.5] by Ingress a/int",
		},
	},
	{
		name:   "an object that no class selects is internal",
		claims: aged(claim("Ingress a/app", "x.k8s.example.com", "192.168.0.3").class("else")),
		want:   []string{"x.k8s.example.com internal dns=[192.168.0.3] by Ingress a/app"},
	},
	{
		name:   "or ignored, whatever its name",
		policy: func(p *Policy) { p.Sources[0].IgnoreOtherClasses = true },
		claims: aged(
			claim("Ingress a/app", "x.k8s.example.com", "192.168.0.3").class("else"),
			claim("Ingress a/odd", "od d", "192.168.0.3").class("else"),
		),
		want: []string{
			"od d of Ingress a/odd: ignored",
			"x.k8s.example.com of Ingress a/app: ignored",
		},
	},
	{
		name:   "a source that is not configured may claim nothing",
		claims: aged(claim("Ingress a/app", "x.k8s.example.com", "192.168.0.3").source("away")),
		want:   []string{"x.k8s.example.com of Ingress a/app: domain"},
	},
	{
		name: "not accepted by the cluster",
		claims: aged(claim("HTTPRoute a/app", "x.k8s.example.com", "192.168.0.3").with(func(c *Claim) {
			c.NotAccepted = "Gateway infra/external has not accepted it"
		})),
		want: []string{"x.k8s.example.com of HTTPRoute a/app: not_accepted"},
	},
	{
		name: "without addresses a claim claims nothing, and the name comes first",
		claims: aged(
			claim("Ingress a/app", "x.k8s.example.com"),
			claim("Ingress a/odd", "google.com"),
			claim("Ingress b/app", "x.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress b/app",
			"google.com of Ingress a/odd: domain",
			"x.k8s.example.com of Ingress a/app: ignored",
		},
	},
	{
		name: "a status host name is never resolved",
		claims: aged(
			claim("Ingress a/app", "x.k8s.example.com").with(func(c *Claim) { c.StatusHostname = "lb.example.net" }),
			claim("Ingress a/two", "y.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.StatusHostname = "lb" }),
		),
		want: []string{
			"y.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/two",
			"x.k8s.example.com of Ingress a/app: target",
		},
	},
	{
		name: "addresses outside the targets are dropped, the others stay",
		claims: aged(
			claim("Ingress a/app", "x.k8s.example.com", "2001:db8::3", "192.168.0.3", "127.0.0.1", "fd00::3"),
			claim("Ingress a/out", "y.k8s.example.com", "192.168.7.3", "8.8.8.8"),
		),
		want: []string{
			"x.k8s.example.com -> home/external/192.168.0.3,fd00::3 dns=[192.168.0.3 fd00::3] by Ingress a/app",
			"y.k8s.example.com of Ingress a/out: target",
		},
	},
	{
		name:   "the class section's addresses replace the object's, under the same targets",
		policy: func(p *Policy) { p.Classes[0].Addresses = addresses("192.168.0.4", "8.8.8.8") },
		claims: aged(claim("Ingress a/app", "x.k8s.example.com")),
		want:   []string{"x.k8s.example.com -> home/external/192.168.0.4 dns=[192.168.0.4] by Ingress a/app"},
	},
	{
		name:   "or are refused if none is inside",
		policy: func(p *Policy) { p.Classes[0].Addresses = addresses("127.0.0.1") },
		claims: aged(claim("Ingress a/app", "x.k8s.example.com", "192.168.0.3")),
		want:   []string{"x.k8s.example.com of Ingress a/app: target"},
	},
	{
		name: "an API server is its address and port",
		claims: aged(
			claim("Ingress a/app", "x.k8s.example.com", "192.168.0.10"),
			claim("Gateway a/api", "y.k8s.example.com", "192.168.0.10").with(func(c *Claim) { c.HTTPSPort = 6443 }),
			claim("Gateway a/web", "z.k8s.example.com", "192.168.0.10").with(func(c *Claim) { c.HTTPPort = 6443 }),
		),
		want: []string{
			"x.k8s.example.com -> home/external/192.168.0.10 dns=[192.168.0.10] by Ingress a/app",
			"y.k8s.example.com of Gateway a/api: target",
			"z.k8s.example.com of Gateway a/web: target",
		},
	},
	{
		name: "a Service is exposed only by a class with namespaces, and only on a port that it has",
		policy: func(p *Policy) {
			p.Classes = []Class{
				{Name: "pick", Source: "home", MatchHost: []string{"a.k8s.example.com"}, Expose: true},
				{Name: "infra", Source: "home", Namespaces: []string{"infra"}, Expose: true},
			}
		},
		claims: aged(
			claim("Service infra/a", "a.k8s.example.com", "192.168.0.3"), // the first class that matches takes it
			claim("Service infra/b", "b.k8s.example.com", "192.168.0.4"),
			claim("Service infra/c", "c.k8s.example.com", "192.168.0.4").with(func(c *Claim) { c.Ports = []uint16{80, 443} }),
			claim("Service infra/d", "d.k8s.example.com", "192.168.0.4").with(func(c *Claim) { c.Ports = []uint16{22} }),
			claim("Service infra/e", "e.k8s.example.com", "192.168.0.4").with(func(c *Claim) { c.Ports = []uint16{} }),
			claim("Service team/f", "f.k8s.example.com", "192.168.0.5").with(func(c *Claim) { c.Ports = []uint16{22} }),
			claim("Service infra/g", "g.k8s.example.com", "192.168.0.4").with(func(c *Claim) { c.Ports = []uint16{443} }),
		),
		want: []string{
			"a.k8s.example.com internal dns=[192.168.0.3] by Service infra/a",
			"b.k8s.example.com -> home/infra/192.168.0.4 dns=[192.168.0.4] by Service infra/b",
			"c.k8s.example.com -> home/infra/192.168.0.4 dns=[192.168.0.4] by Service infra/c",
			"f.k8s.example.com internal dns=[192.168.0.5] by Service team/f",
			"g.k8s.example.com -> home/infra/192.168.0.4/http:0 dns=[192.168.0.4] by Service infra/g",
			"d.k8s.example.com of Service infra/d: port",
			"e.k8s.example.com of Service infra/e: port",
		},
	},
	{
		name:   "ports stand in a backend's name where an object differs from its class",
		policy: func(p *Policy) { p.Classes[0].HTTPSPort = 8443 },
		claims: aged(
			claim("Ingress a/a", "a.k8s.example.com", "192.168.0.3"),
			claim("HTTPRoute a/b", "b.k8s.example.com", "192.168.0.3", "fd00::3").with(func(c *Claim) { c.HTTPSPort = 9443 }),
			claim("HTTPRoute a/c", "c.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.HTTPPort = 8080 }),
			claim("HTTPRoute a/d", "d.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.HTTPSPort = 8443 }),
		),
		want: []string{
			"a.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/a",
			"b.k8s.example.com -> home/external/192.168.0.3:9443,[fd00::3]:9443 dns=[192.168.0.3 fd00::3] by HTTPRoute a/b",
			"c.k8s.example.com -> home/external/192.168.0.3/http:8080 dns=[192.168.0.3] by HTTPRoute a/c",
			"d.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by HTTPRoute a/d",
		},
	},
	{
		name: "the most specific domain decides, and may be bound to a namespace",
		policy: func(p *Policy) {
			p.Sources[0].Domains = []Domain{
				{Name: "K8s.example.com."},
				{Name: "a.k8s.example.com", Namespace: "team-a"},
				{Name: "a.k8s.example.com", Namespace: "team-x"},
				{Name: "open.a.k8s.example.com"},
			}
		},
		claims: aged(
			claim("Ingress b/1", "a.k8s.example.com", "192.168.0.3"),
			claim("Ingress b/2", "x.a.k8s.example.com", "192.168.0.3"),
			claim("Ingress b/3", "x.open.a.k8s.example.com", "192.168.0.3"),
			claim("Ingress b/4", "aa.k8s.example.com", "192.168.0.3"),
			claim("Ingress b/5", "xk8s.example.com", "192.168.0.3"),
			claim("Ingress team-a/6", "x.a.k8s.example.com", "192.168.0.3"),
			claim("Ingress team-x/7", "a.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"a.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress team-x/7",
			"aa.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress b/4",
			"x.a.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress team-a/6",
			"x.open.a.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress b/3",
			"a.k8s.example.com of Ingress b/1: domain",
			"x.a.k8s.example.com of Ingress b/2: domain",
			"xk8s.example.com of Ingress b/5: domain",
		},
	},
	{
		name:   "the domain '*' routes but publishes no DNS",
		policy: func(p *Policy) { p.Sources[0].Domains = append(p.Sources[0].Domains, Domain{Name: "*"}) },
		claims: aged(
			claim("Ingress a/1", "shop.example.org", "192.168.0.3"),
			claim("Ingress a/2", "x.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/3", "nas.lan", "192.168.0.3"),
		),
		want: []string{
			"shop.example.org -> home/external/192.168.0.3 dns=[] by Ingress a/1",
			"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/2",
			"nas.lan of Ingress a/3: name",
		},
	},
	{
		name:   "wildcards are off by default",
		claims: aged(claim("Ingress a/1", "*.k8s.example.com", "192.168.0.3")),
		want:   []string{"*.k8s.example.com of Ingress a/1: wildcard"},
	},
	{
		name:   "and at or below the domain",
		policy: func(p *Policy) { p.Sources[0].Wildcards = true },
		claims: aged(
			claim("Ingress a/1", "*.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/2", "*.example.com", "192.168.0.3"),
			claim("Ingress a/3", "*.com", "192.168.0.3"),
		),
		want: []string{
			"*.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/1",
			"*.com of Ingress a/3: name",
			"*.example.com of Ingress a/2: domain",
		},
	},
	{
		name:   "the oldest hosts keep their place under the limits",
		policy: func(p *Policy) { p.Sources[0].MaxHosts = 3; p.Sources[0].MaxHostsPerNamespace = 2 },
		claims: aged(
			claim("Ingress a/0", "out.example.org", "192.168.0.3"), // refused before: does not count
			claim("Ingress a/1", "1.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/2", "2.k8s.example.com", "8.8.8.8"), // refused after: does not count either
			claim("Ingress a/3", "3.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/4", "4.k8s.example.com", "192.168.0.3"), // the namespace is full
			claim("Ingress a/5", "3.k8s.example.com", "192.168.0.3"), // the same host costs nothing
			claim("Ingress b/6", "6.k8s.example.com", "192.168.0.3"),
			claim("Ingress b/7", "7.k8s.example.com", "192.168.0.3"), // the source is full
			claim("Ingress b/8", "3.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"1.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/1",
			"3.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/3 with Ingress a/5, Ingress b/8",
			"6.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress b/6",
			"2.k8s.example.com of Ingress a/2: target",
			"4.k8s.example.com of Ingress a/4: limit",
			"7.k8s.example.com of Ingress b/7: limit",
			"out.example.org of Ingress a/0: domain",
		},
	},
	{
		name: "static routes beat claims, below their wildcards too, but not for one protocol",
		policy: func(p *Policy) {
			p.Sources[0].Wildcards = true
			p.Static = []Static{
				{Name: "app", Hosts: []string{"App.k8s.example.com"}, Backend: "nas", Expose: true},
				{Name: "dark", Hosts: []string{"*.dark.k8s.example.com"}},
				{Name: "acme", Hosts: []string{"x.k8s.example.com"}, ALPN: "acme-tls/1", Backend: "old", Expose: true},
				{Name: "twice", Hosts: []string{"app.k8s.example.com."}, Backend: "old", Expose: true},
				{Name: "gone", Hosts: []string{"gone.example.com"}, Backend: "nowhere", Expose: true},
			}
		},
		claims: aged(
			claim("Ingress a/1", "app.k8s.example.com", "192.168.0.2"),
			claim("Ingress a/2", "y.z.dark.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/3", "*.dark.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/4", "*.z.dark.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/5", "dark.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/6", "x.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"*.dark.k8s.example.com internal dns=[] by dark",
			"app.k8s.example.com -> nas dns=[] by app",
			"dark.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/5",
			"gone.example.com internal dns=[] by gone",
			"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/6",
			"x.k8s.example.com alpn=acme-tls/1 -> old dns=[] by acme",
			"*.dark.k8s.example.com of Ingress a/3: static",
			"*.z.dark.k8s.example.com of Ingress a/4: static",
			"app.k8s.example.com of Ingress a/1: static",
			"app.k8s.example.com. of twice: static",
			"y.z.dark.k8s.example.com of Ingress a/2: static",
		},
	},
	{
		name: "one host on two listeners has two static routes",
		policy: func(p *Policy) {
			p.Static = []Static{
				{Name: "a", Hosts: []string{"x.example.com"}, Backend: "nas", Expose: true, Listeners: []string{"https"}},
				{Name: "b", Hosts: []string{"x.example.com"}, Backend: "old", Expose: true, Listeners: []string{"other"}},
				{Name: "c", Hosts: []string{"x.example.com", "1.2.3.4", "a b"}, Backend: "old", Expose: true},
			}
		},
		want: []string{
			"x.example.com -> nas dns=[] by a",
			"x.example.com -> old dns=[] by b",
			"1.2.3.4 of c: name",
			"a b of c: name",
			"x.example.com of c: static",
		},
	},
	{
		name: "what another namespace claims is merged where it changes nothing",
		claims: aged(
			claim("Ingress app/web", "x.k8s.example.com", "192.168.0.3", "192.168.0.4"),
			claim("Ingress oauth2/proxy", "x.k8s.example.com", "192.168.0.4", "192.168.0.3"),
			claim("Ingress part/of", "x.k8s.example.com", "192.168.0.4"),
			claim("Ingress thief/address", "x.k8s.example.com", "192.168.0.6"),
			claim("Ingress thief/more", "x.k8s.example.com", "192.168.0.3", "192.168.0.4", "192.168.0.6"),
			claim("Ingress thief/hide", "x.k8s.example.com", "192.168.0.3").class("int"),
			claim("HTTPRoute thief/port", "x.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.HTTPSPort = 8443 }),
		),
		want: []string{
			"x.k8s.example.com -> home/external/192.168.0.3,192.168.0.4 dns=[192.168.0.3 192.168.0.4] by Ingress app/web" +
				" with Ingress oauth2/proxy, Ingress part/of",
			"x.k8s.example.com of HTTPRoute thief/port: owned",
			"x.k8s.example.com of Ingress thief/address: owned",
			"x.k8s.example.com of Ingress thief/hide: owned",
			"x.k8s.example.com of Ingress thief/more: owned",
		},
	},
	{
		name: "an internal host stays internal",
		claims: aged(
			claim("Ingress app/web", "x.k8s.example.com", "192.168.0.5").class("int"),
			claim("Ingress thief/web", "x.k8s.example.com", "192.168.0.5"),
		),
		want: []string{
			"x.k8s.example.com internal dns=[192.168.0.5] by Ingress app/web",
			"x.k8s.example.com of Ingress thief/web: owned",
		},
	},
	{
		name: "a claim without a time is younger than all that have one, then namespace and name decide",
		claims: append(
			[]Claim{
				claim("Ingress a/2", "x.k8s.example.com", "192.168.0.6"),
				claim("Ingress a/1", "x.k8s.example.com", "192.168.0.7"),
				claim("Ingress b/1", "y.k8s.example.com", "192.168.0.6"),
				claim("Ingress a/3", "y.k8s.example.com", "192.168.0.7"),
			},
			aged(claim("Ingress z/z", "x.k8s.example.com", "192.168.0.3"))...,
		),
		want: []string{
			"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress z/z",
			"y.k8s.example.com -> home/external/192.168.0.7 dns=[192.168.0.7] by Ingress a/3",
			"x.k8s.example.com of Ingress a/1: owned",
			"x.k8s.example.com of Ingress a/2: owned",
			"y.k8s.example.com of Ingress b/1: owned",
		},
	},
	{
		name: "an exposed and an internal object of one owner: the WAN goes to the one, the LAN to the other",
		claims: aged(
			claim("Ingress app/int", "x.k8s.example.com", "192.168.0.5").class("int"),
			claim("Ingress app/ext", "x.k8s.example.com", "192.168.0.3"),
			claim("Ingress app/path", "x.k8s.example.com", "192.168.0.3"),
			claim("Ingress app/new", "x.k8s.example.com", "192.168.0.4"),
			claim("Ingress proxy/int", "x.k8s.example.com", "192.168.0.5").class("int"),
			claim("Ingress proxy/ext", "x.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.5] by Ingress app/ext" +
				" with Ingress app/int, Ingress app/path, Ingress proxy/ext, Ingress proxy/int",
			"x.k8s.example.com of Ingress app/new: owned",
		},
	},
	{
		name:   "or, as lan_prefer says, both to the exposed one",
		policy: func(p *Policy) { p.Sources[0].PreferExposed = true },
		claims: aged(
			claim("Ingress app/int", "x.k8s.example.com", "192.168.0.5").class("int"),
			claim("Ingress app/ext", "x.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress app/ext with Ingress app/int",
		},
	},
	{
		name:   "below another namespace's wildcard, and above another namespace's name, the older wins",
		policy: func(p *Policy) { p.Sources[0].Wildcards = true },
		claims: aged(
			claim("Ingress a/1", "a.one.k8s.example.com", "192.168.0.3"),
			claim("Ingress b/2", "*.one.k8s.example.com", "192.168.0.4"),
			claim("Ingress b/3", "*.two.k8s.example.com", "192.168.0.4"),
			claim("Ingress a/4", "a.two.k8s.example.com", "192.168.0.3"),
			claim("Ingress b/5", "b.two.k8s.example.com", "192.168.0.5"),
			claim("Ingress a/6", "two.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/7", "*.a.two.k8s.example.com", "192.168.0.3"),
			claim("Ingress c/8", "*.k8s.example.com", "192.168.0.4"),
			claim("Ingress a/9", "*.one.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"*.one.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/9",
			"*.two.k8s.example.com -> home/external/192.168.0.4 dns=[192.168.0.4] by Ingress b/3",
			"a.one.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/1",
			"b.two.k8s.example.com -> home/external/192.168.0.5 dns=[192.168.0.5] by Ingress b/5",
			"two.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/6",
			"*.a.two.k8s.example.com of Ingress a/7: owned",
			"*.k8s.example.com of Ingress c/8: owned",
			"*.one.k8s.example.com of Ingress b/2: owned",
			"a.two.k8s.example.com of Ingress a/4: owned",
		},
	},
	{
		name:   "a wildcard of one label is above the names that it takes, and no others",
		policy: func(p *Policy) { p.Sources[0].Wildcards = true },
		claims: aged(
			claim("Ingress a/1", "*.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.OneLabel = true }),
			claim("Ingress b/2", "x.k8s.example.com", "192.168.0.4"),
			claim("Ingress b/3", "x.y.k8s.example.com", "192.168.0.4"),
			claim("Ingress b/4", "*.y.k8s.example.com", "192.168.0.4").with(func(c *Claim) { c.OneLabel = true }),
			claim("HTTPRoute a/5", "*.k8s.example.com", "192.168.0.3"), // would take x.y too
			claim("HTTPRoute c/6", "*.k8s.example.com", "192.168.0.3"),
			claim("Ingress c/7", "*.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.OneLabel = true }),
		),
		want: []string{
			"*.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/1 with Ingress c/7",
			"*.y.k8s.example.com -> home/external/192.168.0.4 dns=[192.168.0.4] by Ingress b/4",
			"x.y.k8s.example.com -> home/external/192.168.0.4 dns=[192.168.0.4] by Ingress b/3",
			"*.k8s.example.com of HTTPRoute a/5: owned",
			"*.k8s.example.com of HTTPRoute c/6: owned",
			"x.k8s.example.com of Ingress b/2: owned",
		},
	},
	{
		name:   "an exposed and an internal wildcard of one owner must take equally many labels",
		policy: func(p *Policy) { p.Sources[0].Wildcards = true },
		claims: aged(
			claim("Ingress a/1", "*.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.OneLabel = true }),
			claim("HTTPRoute a/2", "*.k8s.example.com", "192.168.0.5").class("int"),
			claim("Ingress a/3", "*.k8s.example.com", "192.168.0.5").class("int").with(func(c *Claim) { c.OneLabel = true }),
			claim("HTTPRoute a/4", "*.k8s.example.com", "192.168.0.5").class("int"),
			claim("HTTPRoute a/5", "*.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"*.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.5] by Ingress a/1 with Ingress a/3",
			"*.k8s.example.com of HTTPRoute a/2: owned",
			"*.k8s.example.com of HTTPRoute a/4: owned",
			"*.k8s.example.com of HTTPRoute a/5: owned",
		},
	},
	{
		name: "a domain that is bound to a namespace is no part of another's wildcard",
		policy: func(p *Policy) {
			p.Sources[0].Wildcards = true
			p.Sources[0].Domains = append(p.Sources[0].Domains, Domain{"a.k8s.example.com", "team-a"})
		},
		claims: aged(
			claim("Ingress b/1", "*.k8s.example.com", "192.168.0.4"),
			claim("Ingress team-a/2", "x.a.k8s.example.com", "192.168.0.3"),
			claim("Ingress team-a/3", "a.k8s.example.com", "192.168.0.3"),
			claim("Ingress team-a/4", "b.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"*.k8s.example.com -> home/external/192.168.0.4 dns=[192.168.0.4] by Ingress b/1",
			"a.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress team-a/3",
			"x.a.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress team-a/2",
			"b.k8s.example.com of Ingress team-a/4: owned",
		},
	},
	{
		name: "in whatever order they came",
		policy: func(p *Policy) {
			p.Sources[0].Wildcards = true
			p.Sources[0].Domains = append(p.Sources[0].Domains, Domain{"a.k8s.example.com", "team-a"})
		},
		claims: aged(
			claim("Ingress team-a/2", "x.a.k8s.example.com", "192.168.0.3"),
			claim("Ingress b/1", "*.k8s.example.com", "192.168.0.4"),
			claim("Ingress c/3", "c.k8s.example.com", "192.168.0.3"),
		),
		want: []string{
			"*.k8s.example.com -> home/external/192.168.0.4 dns=[192.168.0.4] by Ingress b/1",
			"x.a.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress team-a/2",
			"c.k8s.example.com of Ingress c/3: owned",
		},
	},
	{
		name: "two clusters are two owners",
		policy: func(p *Policy) {
			away := p.Sources[0]
			away.Name = "away"
			p.Sources = append(p.Sources, away)
			p.Classes = append(p.Classes, Class{Name: "pub", Source: "away", Class: "ext", Expose: true})
		},
		claims: aged(
			claim("Ingress app/web", "x.k8s.example.com", "192.168.0.3").source("away"),
			claim("Ingress app/web", "x.k8s.example.com", "192.168.0.4"),
			claim("Ingress app/web", "y.k8s.example.com", "192.168.0.4"),
			claim("Ingress app/web", "y.k8s.example.com", "192.168.0.4").source("away"),
		),
		want: []string{
			"x.k8s.example.com -> away/pub/192.168.0.3 dns=[192.168.0.3] by Ingress app/web",
			"y.k8s.example.com -> home/external/192.168.0.4 dns=[192.168.0.4] by Ingress app/web",
			"x.k8s.example.com of Ingress app/web: owned",
		},
	},
	{
		name: "an address with exposed and internal hosts is warned about",
		claims: aged(
			claim("Ingress a/1", "x.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/2", "y.k8s.example.com", "192.168.0.3").class("int"),
			claim("Ingress a/3", "z.k8s.example.com", "192.168.0.5").class("int"),
			claim("HTTPRoute a/4", "p.k8s.example.com", "192.168.0.3").class("int").with(func(c *Claim) { c.HTTPSPort = 8443 }),
		),
		want: []string{
			"p.k8s.example.com internal dns=[192.168.0.3] by HTTPRoute a/4",
			"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/1 shared",
			"y.k8s.example.com internal dns=[192.168.0.3] by Ingress a/2 shared",
			"z.k8s.example.com internal dns=[192.168.0.5] by Ingress a/3",
		},
	},
	{
		name:   "their HTTP ports too, where plain HTTP is routed by Host",
		policy: func(p *Policy) { p.Listeners[1].RoutesHTTP = true },
		claims: aged(
			claim("Ingress a/1", "x.k8s.example.com", "192.168.0.3"),
			claim("HTTPRoute a/4", "p.k8s.example.com", "192.168.0.3").class("int").with(func(c *Claim) { c.HTTPSPort = 8443 }),
		),
		want: []string{
			"p.k8s.example.com internal dns=[192.168.0.3] by HTTPRoute a/4 shared",
			"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/1 shared",
		},
	},
	{
		name:   "or the exposed hosts become internal, and what shares with those",
		policy: func(p *Policy) { p.Sources[0].RefuseShared = true },
		claims: aged(
			claim("Ingress a/1", "x.k8s.example.com", "192.168.0.3", "192.168.0.4"),
			claim("Ingress a/2", "y.k8s.example.com", "192.168.0.3").class("int"),
			claim("Ingress a/3", "z.k8s.example.com", "192.168.0.4", "192.168.0.6"),
			claim("Ingress a/4", "w.k8s.example.com", "192.168.0.7"),
		),
		want: []string{
			"w.k8s.example.com -> home/external/192.168.0.7 dns=[192.168.0.7] by Ingress a/4",
			"x.k8s.example.com internal dns=[192.168.0.3 192.168.0.4] by Ingress a/1",
			"y.k8s.example.com internal dns=[192.168.0.3] by Ingress a/2",
			"z.k8s.example.com internal dns=[192.168.0.4 192.168.0.6] by Ingress a/3",
			"x.k8s.example.com of Ingress a/1: shared",
			"z.k8s.example.com of Ingress a/3: shared",
		},
	},
	{
		name: "static routes and default backends share addresses, and are only warned about",
		policy: func(p *Policy) {
			p.Sources[0].RefuseShared = true
			p.Static = []Static{
				{Name: "old", Hosts: []string{"old.example.com"}, Backend: "old", Expose: true},
				{Name: "dns", Hosts: []string{"dns.example.com"}, DNS: addresses("192.168.0.9")},
			}
		},
		claims: aged(claim("Ingress a/1", "x.k8s.example.com", "192.168.0.2").class("int")),
		want: []string{
			"dns.example.com internal dns=[192.168.0.9] by dns shared",
			"old.example.com -> old dns=[] by old shared",
			"x.k8s.example.com internal dns=[192.168.0.2] by Ingress a/1 shared",
		},
	},
	{
		name:   "one host with an exposed and an internal object at one address",
		policy: func(p *Policy) { p.Sources[0].RefuseShared = true },
		claims: aged(
			claim("Ingress a/1", "x.k8s.example.com", "192.168.0.3"),
			claim("Ingress a/2", "x.k8s.example.com", "192.168.0.3").class("int"),
		),
		want: []string{
			"x.k8s.example.com internal dns=[192.168.0.3] by Ingress a/1 with Ingress a/2",
			"x.k8s.example.com of Ingress a/1: shared",
		},
	},
	{
		name: "a solver claims no route",
		claims: aged(
			claim("Ingress app/cm-acme", "x.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.Solver = true }),
		),
	},
}

func TestPolicy(t *testing.T) {
	for _, test := range policyTests {
		t.Run(test.name, func(t *testing.T) {
			p := home()
			if test.policy != nil {
				test.policy(p)
			}
			expect(t, Build(p, test.claims), test.want...)
			slices.Reverse(test.claims)
			expect(t, Build(p, test.claims), test.want...)
		})
	}
}
