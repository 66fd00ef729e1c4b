package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// scan is Lookup as one would say it: of all routes that take the name, the one that stands first in the order of the
// rules. It shares no code with Lookup.
func scan(t *Table, listener, name, alpn string) *Route {
	if strings.ContainsFunc(name, func(r rune) bool { return r >= 128 }) {
		return nil // before ToLower, which makes an ASCII k of the Kelvin sign
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	labels := strings.Split(name, ".")
	const spelling = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	if len(name) > 253 || slices.Contains(labels, "") || strings.Trim(name, spelling) != "" {
		return nil
	}
	var best *Route
	rank := func(r *Route) (n int) {
		if strings.HasPrefix(r.Host, "*.") {
			n = len(r.Host) // longer before shorter
		} else {
			n = 1000
		}
		if r.ALPN != "" {
			return 2*n + 1
		}
		return 2 * n
	}
	for i := range t.Routes {
		r := &t.Routes[i]
		host := strings.Split(r.Host, ".")
		if host[0] != "*" {
			if r.Host != name {
				continue
			}
		} else {
			base, taken := host[1:], len(labels)-len(host)+1
			if taken < 1 || !slices.Equal(labels[taken:], base) || r.OneLabel && taken != 1 {
				continue
			}
			if !r.static && reservedInTest(t, r, name, labels) {
				continue
			}
		}
		if r.ALPN != "" && r.ALPN != alpn {
			continue
		}
		if r.Exposed && r.Listeners != nil && !slices.Contains(r.Listeners, listener) {
			continue
		}
		if best == nil || rank(r) > rank(best) {
			best = r
		}
	}
	return best
}

func reservedInTest(t *Table, r *Route, name string, labels []string) bool {
	if labels[0] == "wpad" || labels[0] == "localhost" || t.names.own[name] || t.names.api[name] {
		return true
	}
	for _, d := range r.except {
		if strings.HasSuffix("."+name, "."+d) {
			return true
		}
	}
	return false
}

func TestLookupAgainstScan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	spell := func() string {
		name := names[random.IntN(len(names))]
		switch random.IntN(4) {
		case 0:
			name = strings.ToUpper(name)
		case 1:
			name += "."
		}
		return name
	}
	for range 3_000 {
		p, claims := generate(randomChoices{random})
		table := Build(p, claims)
		for range 40 {
			name := spell()
			listener := []string{"l1", "l2", "none"}[random.IntN(3)]
			alpn := []string{"", "h2", "acme-tls/1"}[random.IntN(3)]
			got, want := table.Lookup(listener, []byte(name), []byte(alpn)), scan(table, listener, name, alpn)
			if got != want {
				t.Fatalf("Lookup(%q, %q, %q) = %+v\nwant %+v\nin %s", listener, name, alpn, got, want,
					strings.Join(show(table), "\n"))
			}
		}
	}
}

func TestLookup(t *testing.T) {
	p := home()
	p.Sources[0].Wildcards = true
	p.Sources[0].Domains = append(p.Sources[0].Domains,
		Domain{Name: "example.com"}, Domain{"team.k8s.example.com", "team"})
	p.Classes[0].Listeners = []string{"https"}
	p.Router.Domain = "lan.k8s.example.com"
	p.Static = []Static{
		{Name: "acme", Hosts: []string{"x.shop.example.org", "*.shop.example.org"}, ALPN: "acme-tls/1", Backend: "old",
			Expose: true},
		{Name: "other", Hosts: []string{"x.shop.example.org"}, Backend: "nas", Expose: true, Listeners: []string{"other"}},
		{Name: "dark", Hosts: []string{"dark.example.org"}, Listeners: []string{"other"}},
		{Name: "org", Hosts: []string{"*.example.org"}, Backend: "nas", Expose: true},
	}
	claims := aged(
		claim("Ingress a/wide", "*.k8s.example.com", "192.168.0.3"),
		claim("Ingress a/one", "*.app.k8s.example.com", "192.168.0.4").with(func(c *Claim) { c.OneLabel = true }),
		claim("Ingress a/int", "int.k8s.example.com", "192.168.0.5").class("int"),
		claim("Ingress a/exact", "x.app.k8s.example.com", "192.168.0.3"),
	)
	table := Build(p, claims)
	for _, test := range []struct{ listener, name, alpn, want string }{
		{"https", "x.app.k8s.example.com", "", "Ingress a/exact"},
		{"https", "X.App.K8S.example.COM.", "", "Ingress a/exact"},
		{"https", "y.app.k8s.example.com", "h2", "Ingress a/one"},
		{"https", "z.y.app.k8s.example.com", "", "Ingress a/wide"}, // one label only: on to the shorter wildcard
		{"https", "app.k8s.example.com", "", "Ingress a/wide"},
		{"https", "int.k8s.example.com", "", "Ingress a/int"},
		{"other", "int.k8s.example.com", "", "Ingress a/int"}, // what is not exposed refuses on all listeners
		{"other", "x.app.k8s.example.com", "", ""},            // what is exposed on another is not there
		{"https", "k8s.example.com", "", ""},                  // a wildcard does not take its base
		{"https", "xk8s.example.com", "", ""},
		{"https", "router.k8s.example.com", "", ""}, // reserved names
		{"https", "api.k8s.example.com", "", ""},
		{"https", "x.api.k8s.example.com", "", "Ingress a/wide"},
		{"https", "wpad.k8s.example.com", "", ""},
		{"https", "localhost.k8s.example.com", "", ""},
		{"https", "lan.k8s.example.com", "", ""},
		{"https", "nas.lan.k8s.example.com", "", ""},
		{"https", "team.k8s.example.com", "", ""}, // in another namespace's domain
		{"https", "x.y.team.k8s.example.com", "", ""},
		{"https", "xteam.k8s.example.com", "", "Ingress a/wide"},
		{"https", "x.shop.example.org", "acme-tls/1", "acme"},
		{"https", "x.shop.example.org", "h2", "org"}, // the plain entry serves the other listener only
		{"other", "x.shop.example.org", "h2", "other"},
		{"other", "x.shop.example.org", "", "other"},
		{"other", "x.shop.example.org", "acme-tls/1", "acme"},
		{"https", "y.shop.example.org", "acme-tls/1", "acme"},
		{"https", "y.shop.example.org", "acme-tls/1x", "org"},
		{"https", "dark.example.org", "", "dark"},
		{"none", "dark.example.org", "", "dark"},
		{"https", "1.2.3.4", "", ""},
		{"https", "", "", ""},
		{"https", ".", "", ""},
		{"https", ".k8s.example.com", "", ""},
		{"https", "a..k8s.example.com", "", ""},
		{"https", "*.k8s.example.com", "", ""},
		{"https", "a\x00.k8s.example.com", "", ""},
		{"https", "x.app.k8s.example.com..", "", ""},
		{"https", strings.Repeat("a.", 200) + "k8s.example.com", "", ""},
	} {
		r := table.Lookup(test.listener, []byte(test.name), []byte(test.alpn))
		got := ""
		if r != nil {
			got = r.Object
		}
		if got != test.want {
			t.Errorf("Lookup(%q, %q, %q) = %q, want %q", test.listener, test.name, test.alpn, got, test.want)
		}
	}
}

func TestZeroTable(t *testing.T) {
	var table Table
	if table.Lookup("https", []byte("a.example.com"), nil) != nil || table.Challenge([]byte("a.example.com")) != nil {
		t.Error("an empty table has a route")
	}
	if table.Default("https") != NoBackend || table.Named("nas") != NoBackend || table.Records() != nil {
		t.Error("an empty table has backends or records")
	}
	if wan, dns := table.Explain("https", "a.example.com"); len(wan) == 0 || len(dns) == 0 {
		t.Error("an empty table explains nothing")
	}
}

func TestDefaultAndNamed(t *testing.T) {
	p := home()
	p.Listeners = append(p.Listeners, Listener{Name: "odd", Default: "nowhere"})
	table := Build(p, aged(claim("Ingress a/1", "x.k8s.example.com", "192.168.0.3")))
	for i := range table.Backends {
		if got := table.Named(table.Backends[i].Name); got != i {
			t.Errorf("Named(%q) = %d, want %d", table.Backends[i].Name, got, i)
		}
	}
	if i := table.Default("https"); i == NoBackend || table.Backends[i].Name != "nas" {
		t.Errorf("the default backend of https is %d", i)
	}
	for _, listener := range []string{"other", "odd", "unknown", ""} {
		if i := table.Default(listener); i != NoBackend {
			t.Errorf("the default backend of %q is %d", listener, i)
		}
	}
	if i := table.Named("no"); i != NoBackend {
		t.Errorf("Named(no) = %d", i)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	table := manyNames(1_000)
	alpn := []byte("h2")
	for _, name := range [][]byte{
		[]byte("App7.k8s.example.com"), []byte("x.y.wild5.k8s.example.com."), []byte("unknown.example.org"),
		[]byte("wpad.wild5.k8s.example.com"), []byte(strings.Repeat("a.", 120) + "wild5.k8s.example.com"),
	} {
		if n := testing.AllocsPerRun(100, func() { table.Lookup("https", name, alpn) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// manyNames makes a table of n exact names and n/10 wildcards, of the cluster's.
func manyNames(n int) *Table {
	p := home()
	p.Sources[0].Wildcards = true
	p.Sources[0].MaxHosts = 2 * n
	p.Sources[0].MaxHostsPerNamespace = 2 * n
	var claims []Claim
	for i := range n {
		claims = append(claims, claim("Ingress a/x", fmt.Sprintf("app%d.k8s.example.com", i), "192.168.0.3"))
		if i%10 == 5 {
			claims = append(claims, claim("Ingress a/x", fmt.Sprintf("*.wild%d.k8s.example.com", i), "192.168.0.3"))
		}
	}
	return Build(p, aged(claims...))
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		table := manyNames(n)
		for kind, name := range map[string]string{
			"exact": "app7.k8s.example.com", "wildcard": "x.wild5.k8s.example.com", "unknown": "www.example.org",
			"deep": strings.Repeat("a.", 110) + "k8s.example.com",
		} {
			b.Run(fmt.Sprintf("%d/%s", n, kind), func(b *testing.B) {
				host := []byte(name)
				b.ReportAllocs()
				for b.Loop() {
					table.Lookup("https", host, nil)
				}
			})
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{100, 4_096} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := home()
			p.Sources[0].MaxHostsPerNamespace = n
			var claims []Claim
			for i := range n {
				c := claim(fmt.Sprintf("Ingress ns%d/app%d", i%50, i), fmt.Sprintf("app%d.k8s.example.com", i), "192.168.0.3")
				claims = append(claims, c)
			}
			claims = aged(claims...)
			b.ReportAllocs()
			for b.Loop() {
				Build(p, claims)
			}
		})
	}
}

// A hostile cluster's claims must not take more than about n log n: 100,000 of every kind are judged at once. The test
// bounds no time; it fails by the test binary's own limit if a rule is quadratic.
func TestBuildManyClaims(t *testing.T) {
	p := home()
	p.Sources[0].Wildcards = true
	p.Sources[0].MaxHosts = 1 << 20
	p.Sources[0].MaxHostsPerNamespace = 1 << 20
	p.Sources[0].Domains = append(p.Sources[0].Domains, Domain{"bound.k8s.example.com", "b"})
	p.Sources[0].RefuseShared = true
	var claims []Claim
	many := 100_000
	if testing.Short() {
		many = 10_000
	}
	for i := range many {
		host := fmt.Sprintf("h%d.x%d.k8s.example.com", i, i%1000)
		switch i % 8 {
		case 0:
			host = "*." + host
		case 1:
			host = "*.k8s.example.com" // all for one host
		case 2:
			host = fmt.Sprintf("*.x%d.k8s.example.com", i%1000)
		case 3:
			host = strings.Repeat("a.", 100) + host
		}
		c := claim(fmt.Sprintf("Ingress ns%d/i%d", i%7, i), host)
		c.Addresses = []netip.Addr{
			netip.AddrFrom4([4]byte{192, 168, 0, byte(i)}),
			netip.AddrFrom4([4]byte{192, 168, 0, byte(i / 256)}),
		}
		if i%5 == 0 {
			c.Class = "int"
		}
		claims = append(claims, c)
	}
	table := Build(p, aged(claims...))
	if len(table.Routes) == 0 || len(table.Refused) == 0 {
		t.Errorf("%d routes, %d refused", len(table.Routes), len(table.Refused))
	}
}

func FuzzLookup(f *testing.F) {
	f.Add([]byte("seed"), "a.k.ex.com", "h2")
	f.Add([]byte{9, 200, 3, 77, 1, 5, 42, 0, 8, 250, 17, 33, 90, 2, 4, 6, 61}, "WPAD.K.ex.com.", "acme-tls/1")
	f.Add([]byte{}, "..", "")
	f.Fuzz(func(t *testing.T, world []byte, name, alpn string) {
		table := Build(generate(&byteChoices{world}))
		got, want := table.Lookup("l1", []byte(name), []byte(alpn)), scan(table, "l1", name, alpn)
		if got != want {
			t.Errorf("Lookup(%q, %q) = %+v, want %+v", name, alpn, got, want)
		}
	})
}
