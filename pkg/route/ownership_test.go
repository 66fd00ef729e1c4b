package route

// ownershipTests are about claims that meet: for one host, below a wildcard, at one address.
var ownershipTests = []policyTest{
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
