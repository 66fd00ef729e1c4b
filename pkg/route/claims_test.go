package route

// claimTests are about rules that concern one claim alone, limits and static routes.
var claimTests = []policyTest{
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
}
