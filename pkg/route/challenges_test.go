package route

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func solver(object, host string, at ...string) Claim {
	return claim(object, host, at...).with(func(c *Claim) { c.Solver = true })
}

func TestChallenges(t *testing.T) {
	p := home()
	p.Sources[0].Wildcards = true
	p.Sources[0].MaxHostsPerNamespace = 5
	p.Static = []Static{{Name: "app", Hosts: []string{"app.k8s.example.com"}, Backend: "nas", Expose: true}}
	table := Build(p, aged(
		claim("Ingress a/web", "x.k8s.example.com", "192.168.0.3"),
		solver("Ingress a/cm-1", "x.k8s.example.com", "192.168.0.7"),
		solver("Ingress a/cm-2", "X.k8s.example.com.", "192.168.0.7"), // a second certificate for the host
		solver("Ingress a/cm-3", "x.k8s.example.com", "192.168.0.8"),
		solver("Ingress thief/cm", "x.k8s.example.com", "192.168.0.8"),
		solver("Ingress new/cm-1", "new.k8s.example.com", "192.168.0.5").class("int"), // before its app is there
		solver("Ingress new/cm-2", "new.k8s.example.com", "192.168.0.5"),              // would expose it
		claim("Ingress infra/int", "y.k8s.example.com", "192.168.0.5").class("int"),
		solver("Ingress b/cm", "y.k8s.example.com", "192.168.0.5"), // where the owner's challenges go anyway
		claim("Ingress infra/wild", "*.w.k8s.example.com", "192.168.0.3"),
		solver("Ingress thief/w", "z.w.k8s.example.com", "192.168.0.8"),
		solver("Ingress a/out", "google.com", "192.168.0.3"),
		solver("Ingress a/wild", "*.k8s.example.com", "192.168.0.3"),
		solver("Ingress a/self", "s.k8s.example.com", "127.0.0.1"),
		solver("Ingress a/static", "app.k8s.example.com", "192.168.0.3"),
		solver("Service a/noport", "p.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.Ports = []uint16{443} }),
		solver("Ingress a/later", "later.k8s.example.com"),
		solver("Ingress full/1", "f1.k8s.example.com", "192.168.0.3"),
		solver("Ingress full/2", "f2.k8s.example.com", "192.168.0.3"),
		solver("Ingress full/3", "f3.k8s.example.com", "192.168.0.3"),
		solver("Ingress full/4", "f4.k8s.example.com", "192.168.0.3"),
		solver("Ingress full/5", "f5.k8s.example.com", "192.168.0.3"),
		solver("Ingress full/6", "f6.k8s.example.com", "192.168.0.3"),
	))
	var got []string
	for _, c := range table.Challenges {
		if strings.HasPrefix(c.Object, "Ingress full") {
			continue
		}
		got = append(got, fmt.Sprintf("%s %v exposed=%v by %s of %s with %v",
			c.Host, c.Servers, c.Exposed, c.Object, c.Source, c.Merged))
	}
	want := []string{
		"new.k8s.example.com [192.168.0.5:80] exposed=false by Ingress new/cm-1 of home with []",
		"x.k8s.example.com [192.168.0.7:80] exposed=true by Ingress a/cm-1 of home with [Ingress a/cm-2]",
		"y.k8s.example.com [192.168.0.5:80] exposed=true by Ingress b/cm of home with []",
	}
	if !slices.Equal(got, want) {
		t.Errorf("challenges are\n\t%s\nand should be\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	expect(t, table,
		"*.w.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress infra/wild",
		"app.k8s.example.com -> nas dns=[] by app",
		"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/web",
		"y.k8s.example.com internal dns=[192.168.0.5] by Ingress infra/int",
		"*.k8s.example.com of Ingress a/wild: wildcard",
		"app.k8s.example.com of Ingress a/static: static",
		"f6.k8s.example.com of Ingress full/6: limit",
		"google.com of Ingress a/out: domain",
		"new.k8s.example.com of Ingress new/cm-2: owned",
		"p.k8s.example.com of Service a/noport: port",
		"s.k8s.example.com of Ingress a/self: target",
		"x.k8s.example.com of Ingress a/cm-3: owned",
		"x.k8s.example.com of Ingress thief/cm: owned",
		"z.w.k8s.example.com of Ingress thief/w: owned",
		"later.k8s.example.com of Ingress a/later: ignored",
	)
	if c := table.Challenge([]byte("X.k8s.example.com.")); c == nil || c.Object != "Ingress a/cm-1" {
		t.Errorf("Challenge finds %+v", c)
	}
	if c := table.Challenge([]byte("unknown.k8s.example.com")); c != nil {
		t.Errorf("Challenge finds %+v", c)
	}
	name := []byte("x.k8s.example.com")
	if n := testing.AllocsPerRun(100, func() { table.Challenge(name) }); n != 0 {
		t.Errorf("Challenge: %v allocations", n)
	}
}

// A host that is not exposed proves itself at its own address, where a listener lets it.
func TestChallengesOfInternalHosts(t *testing.T) {
	p := home()
	p.Sources[0].RefuseShared, p.Sources[0].Wildcards = true, true
	p.Backends = append(p.Backends, Backend{Name: "old", HTTPPort: 8080, Servers: []Server{
		{Address: netip.MustParseAddrPort("192.168.0.8:443"), Weight: 1},
	}})
	p.Static = []Static{
		{Name: "lan", Hosts: []string{"lan.example.com"}, DNS: []netip.Addr{netip.MustParseAddr("192.168.0.9")}},
		{Name: "back", Hosts: []string{"back.example.com"}, Backend: "old"},
		{Name: "nowhere", Hosts: []string{"nowhere.example.com"}},
		{Name: "acme", Hosts: []string{"lan.example.com"}, ALPN: "acme-tls/1",
			DNS: []netip.Addr{netip.MustParseAddr("192.168.0.6")}},
	}
	claims := aged(
		claim("Ingress a/web", "web.k8s.example.com", "192.168.0.3"),
		claim("Ingress a/wiki", "wiki.k8s.example.com", "192.168.0.5", "fd00::5").class("int"),
		claim("Ingress a/wild", "*.w.k8s.example.com", "192.168.0.5").class("int"),
		claim("Service a/tls", "tls.k8s.example.com", "192.168.0.6").class("int").
			with(func(c *Claim) { c.Ports = []uint16{443} }),
		claim("Ingress a/meets", "meets.k8s.example.com", "192.168.0.4"),
		claim("Ingress a/inside", "inside.k8s.example.com", "192.168.0.4").class("int"),
	)
	for _, proves := range []bool{false, true} {
		p.Listeners[0].ProvesInternal = proves
		got := map[string]string{}
		for _, r := range Build(p, claims).Routes {
			if len(r.Challenge) > 0 {
				got[r.Host] = fmt.Sprint(r.Challenge)
			}
		}
		want := map[string]string{}
		if proves {
			want = map[string]string{
				"lan.example.com":        "[192.168.0.9:80]",
				"back.example.com":       "[192.168.0.8:8080]",
				"wiki.k8s.example.com":   "[192.168.0.5:80 [fd00::5]:80]",
				"*.w.k8s.example.com":    "[192.168.0.5:80]",
				"meets.k8s.example.com":  "[192.168.0.4:80]", // internal, since it shares an address with one that is
				"inside.k8s.example.com": "[192.168.0.4:80]",
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("with %v, challenges go to %v, want %v", proves, got, want)
		}
	}
}
