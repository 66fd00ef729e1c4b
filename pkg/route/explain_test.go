package route

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestExplain prints the explanations of one table with a bit of everything, and compares them with a golden file.
func TestExplain(t *testing.T) {
	p := home()
	p.Sources[0].Wildcards = true
	p.Sources[0].Domains = append(p.Sources[0].Domains, Domain{"team.k8s.example.com", "team"})
	p.Sources = append(p.Sources, Source{Name: "demo", Domains: []Domain{{Name: "*"}}, IgnoreOtherClasses: true,
		Targets: p.Sources[0].Targets, RefuseShared: true})
	p.Classes[0].Listeners = []string{"https"}
	p.Classes = append(p.Classes, Class{Name: "pub", Source: "demo", Class: "ext", Expose: true})
	p.Router.LocalNames = []string{"printer.k8s.example.com"}
	p.Static = []Static{
		{Name: "acme", Hosts: []string{"app.k8s.example.com"}, ALPN: "acme-tls/1", Backend: "old", Expose: true},
		{Name: "office", Hosts: []string{"office.example.com"}, Backend: "nas", DNS: addresses("192.168.0.2"), Expose: true,
			Allow: p.Sources[0].Targets},
		{Name: "dark", Hosts: []string{"*.dark.example.com"}},
	}
	table := Build(p, aged(
		claim("Ingress web/app", "App.k8s.example.com", "192.168.0.3"),
		claim("Ingress auth/proxy", "app.k8s.example.com", "192.168.0.3"),
		claim("Ingress thief/app", "app.k8s.example.com", "192.168.0.66"),
		claim("Ingress web/int", "int.k8s.example.com", "192.168.0.5").class("int"),
		claim("Ingress web/both-int", "both.k8s.example.com", "192.168.0.5").class("int"),
		claim("Ingress web/both-ext", "both.k8s.example.com", "192.168.0.3"),
		claim("Ingress web/wild", "*.pages.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.OneLabel = true }),
		claim("HTTPRoute web/all", "*.k8s.example.com", "192.168.0.4"),
		claim("Ingress web/printer", "printer.k8s.example.com", "192.168.0.4"),
		claim("Ingress web/slow", "slow.pages.k8s.example.com"),
		claim("Ingress web/google", "google.com", "192.168.0.3"),
		claim("Ingress web/shop", "shop.example.org", "192.168.0.5").source("demo"),
		claim("Ingress web/blog", "blog.example.org", "192.168.0.8").source("demo"),
	))
	var b strings.Builder
	for _, name := range []string{
		"app.k8s.example.com", "INT.k8s.example.com.", "both.k8s.example.com", "a.pages.k8s.example.com",
		"b.a.pages.k8s.example.com", "slow.pages.k8s.example.com", "printer.k8s.example.com", "router.k8s.example.com",
		"x.team.k8s.example.com", "google.com", "shop.example.org", "blog.example.org", "office.example.com",
		"x.dark.example.com", "nas.lan", "192.168.0.2", "od d", "*.k8s.example.com",
	} {
		for _, listener := range []string{"https", "other", "none"} {
			if listener != "https" && name != "app.k8s.example.com" {
				continue
			}
			wan, dns := table.Explain(listener, name)
			fmt.Fprintf(&b, "%s on %s\n", name, listener)
			for _, step := range wan {
				fmt.Fprintf(&b, "    wan %s\n", line(step))
			}
			for _, step := range dns {
				fmt.Fprintf(&b, "    dns %s\n", line(step))
			}
		}
	}
	golden := filepath.Join("testdata", "explain.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the explanations differ from %s (go test -update writes it anew):\n%s", golden, &b)
	}
}

func line(s Step) string {
	mark := "-"
	if s.Matched {
		mark = "+"
	}
	return mark + " " + s.Rule + " | " + s.Detail
}

// TestExplainAgreesWithLookup: what the last step says is what Lookup and Default do, and what DNS is told.
func TestExplainAgreesWithLookup(t *testing.T) {
	for seed := range 1_500 {
		random := newRandom(seed)
		p, claims := generate(random)
		table := Build(p, claims)
		for range 20 {
			name := pick(random, names)
			listener := pick(random, []string{"l1", "l2"})
			wan, dns := table.Explain(listener, name)
			last := wan[len(wan)-1]
			want := Step{"default backend", true, ""}
			if r := table.Lookup(listener, []byte(name), nil); r != nil {
				want.Rule = ruleOf(r.Source, r.Object, r.Host)
			}
			if last.Rule != want.Rule || !last.Matched {
				t.Fatalf("%s on %s: Lookup says %q, Explain\n%s", name, listener, want.Rule, line(last))
			}
			if !dns[len(dns)-1].Matched {
				t.Fatalf("%s: nothing answers in DNS: %v", name, dns)
			}
		}
	}
}
