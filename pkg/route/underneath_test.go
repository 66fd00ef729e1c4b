package route

import (
	"fmt"
	"testing"
)

// Many claims of a wildcard above a domain that is bound to another namespace look at what that one has once, and see
// what comes later.
func TestForeignLooksOnce(t *testing.T) {
	p := home()
	p.Sources[0].Wildcards = true
	p.Sources[0].Domains = append(p.Sources[0].Domains, Domain{"team.k8s.example.com", "team"})
	var claims []Claim
	for i := range 100 {
		claims = append(claims, claim(fmt.Sprintf("Ingress team/t%d", i), fmt.Sprintf("h%d.team.k8s.example.com", i), "192.168.0.3"))
	}
	add := func(object, host string) { claims = append(claims, claim(object, host, "192.168.0.3")) }
	add("Ingress mine/name", "mine.k8s.example.com")
	add("Ingress late/name", "x.late.k8s.example.com")
	for i := range 100 {
		add(fmt.Sprintf("Ingress ns%d/one", i), "*.late.k8s.example.com") // what lies below it is no bound domain
		add(fmt.Sprintf("Ingress ns%d/wild", i), "*.k8s.example.com")
		add("Ingress mine/wild", "*.k8s.example.com")
	}
	claims = aged(claims...)
	r := makeRules(p, staticHosts{})
	var candidates []*candidate
	for i := range claims {
		c, idle := r.judge(&claims[i])
		if idle != "" || c.early != nil || c.late != nil {
			t.Fatalf("%s: %s, %v, %v", c.Object, idle, c.early, c.late)
		}
		candidates = append(candidates, c)
	}
	refused := map[string]string{}
	l := newLedger(r, candidates, func(c *candidate, f *fault) { refused[c.Object.String()] = f.detail })
	for _, c := range candidates {
		l.enter(c)
	}
	for object, why := range map[string]string{
		"Ingress ns7/wild":  "mine.k8s.example.com lies below it, which home/mine has",
		"Ingress mine/wild": "x.late.k8s.example.com lies below it, which home/late has",
		"Ingress ns7/one":   "x.late.k8s.example.com lies below it, which home/late has",
	} {
		if refused[object] != why {
			t.Errorf("%s: %q, want %q", object, refused[object], why)
		}
	}
	looks := 0
	for _, s := range l.searches {
		looks += s.seen
	}
	if looks == 0 || looks > len(l.entries) {
		t.Errorf("%d looks at %d entries", looks, len(l.entries))
	}

	// An owner that has the only name is told of another's as soon as there is one.
	mine := candidates[len(candidates)-1]
	l = newLedger(r, candidates, func(*candidate, *fault) {})
	for _, c := range candidates[:101] {
		l.enter(c)
	}
	if e := l.foreign(mine, "k8s.example.com"); e != nil {
		t.Errorf("%s lies below it", e.host)
	}
	l.enter(candidates[101])
	if e := l.foreign(mine, "k8s.example.com"); e == nil || e.owner.namespace != "late" {
		t.Errorf("got %+v, want the entry of late", e)
	}
}
