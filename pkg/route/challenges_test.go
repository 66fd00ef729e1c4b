package route

import (
	"fmt"
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
