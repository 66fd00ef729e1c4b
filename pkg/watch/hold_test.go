package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// A scene is a source's objects at one moment, one a word: KIND:NAMESPACE/NAME=CLASS@ADDRESS,... Class and addresses
// may be empty; the address "name" is a host name in the status.
func scene(t *testing.T, words string) []route.Claim {
	t.Helper()
	var claims []route.Claim
	for word := range strings.FieldsSeq(words) {
		head, rest, ok := strings.Cut(word, "=")
		kind, name, ok2 := strings.Cut(head, ":")
		namespace, name, ok3 := strings.Cut(name, "/")
		class, addresses, ok4 := strings.Cut(rest, "@")
		if !ok || !ok2 || !ok3 || !ok4 {
			t.Fatalf("bad scene %q", word)
		}
		claim := route.Claim{Source: "s", Class: class, Host: name + ".example.com",
			Object: route.Object{Kind: map[string]string{"i": "Ingress", "s": "Service"}[kind], Namespace: namespace, Name: name}}
		for a := range strings.SplitSeq(addresses, ",") {
			if a == "name" {
				claim.StatusHostname = "lb.example.com"
			} else if a != "" {
				claim.Addresses = append(claim.Addresses, addrs(a)...)
			}
		}
		claims = append(claims, claim)
	}
	return claims
}

// shown writes claims as a scene has them.
func shown(claims []route.Claim) string {
	var words []string
	for _, c := range claims {
		var addresses []string
		for _, a := range c.Addresses {
			addresses = append(addresses, a.String())
		}
		if c.StatusHostname != "" {
			addresses = append(addresses, "name")
		}
		words = append(words, fmt.Sprintf("%s:%s/%s=%s@%s", strings.ToLower(c.Object.Kind[:1]), c.Object.Namespace,
			c.Object.Name, c.Class, strings.Join(addresses, ",")))
	}
	return strings.Join(words, " ")
}

func TestMemory(t *testing.T) {
	type step struct {
		at         time.Duration
		see, claim string
	}
	const ext3, int5 = "i:a/x=ext@10.0.0.3", "i:a/y=int@10.0.0.5"
	tests := []struct {
		name  string
		steps []step
	}{
		{"what has addresses is left alone", []step{
			{0, ext3 + " " + int5, ext3 + " " + int5},
			{time.Second, "i:a/x=ext@10.0.0.4 i:a/z=int@", "i:a/x=ext@10.0.0.4 i:a/z=int@"},
		}},
		{"held, then over", []step{
			{0, ext3, ext3},
			{time.Minute, "i:a/x=ext@", ext3},
			{10*time.Minute + 59*time.Second, "i:a/x=ext@", ext3},
			{11 * time.Minute, "i:a/x=ext@", "i:a/x=ext@"},
			{12 * time.Minute, "i:a/x=ext@", "i:a/x=ext@"},
			{13 * time.Minute, ext3, ext3},
			{14 * time.Minute, "i:a/x=ext@", ext3},
		}},
		{"refilled with another address", []step{
			{0, ext3, ext3}, {1, "i:a/x=ext@", ext3}, {2, "i:a/x=ext@10.0.0.4", "i:a/x=ext@10.0.0.4"},
			{3, "i:a/x=ext@", "i:a/x=ext@10.0.0.4"},
		}},
		{"deleted while held", []step{
			{0, ext3, ext3}, {1, "i:a/x=ext@", ext3}, {2, "", ""}, {3, "i:a/x=ext@", "i:a/x=ext@"},
		}},
		{"a host name in the status is not nothing", []step{
			{0, ext3, ext3}, {1, "i:a/x=ext@name", "i:a/x=ext@name"}, {2, "i:a/x=ext@", "i:a/x=ext@"},
		}},
		{"emptied one after the other, refilled one after the other", []step{
			{0, "i:a/x=ext@10.0.0.3 i:b/z=ext@10.0.0.3", "i:a/x=ext@10.0.0.3 i:b/z=ext@10.0.0.3"},
			{1, "i:a/x=ext@ i:b/z=ext@10.0.0.3", "i:a/x=ext@10.0.0.3 i:b/z=ext@10.0.0.3"},
			{2, "i:a/x=ext@ i:b/z=ext@", "i:a/x=ext@10.0.0.3 i:b/z=ext@10.0.0.3"},
			{3, "i:a/x=ext@ i:b/z=ext@10.0.0.3", "i:a/x=ext@10.0.0.3 i:b/z=ext@10.0.0.3"},
		}},
		{"the address goes to another class", []step{
			{0, ext3, ext3}, {1, "i:a/x=ext@", ext3},
			{2, "i:a/x=ext@ i:b/z=int@10.0.0.3", "i:a/x=ext@ i:b/z=int@10.0.0.3"},
			{3, "i:a/x=ext@", "i:a/x=ext@"},
		}},
		{"the address goes to a Service in the same moment", []step{
			{0, ext3, ext3}, {1, "i:a/x=ext@ s:b/z=@10.0.0.3", "i:a/x=ext@ s:b/z=@10.0.0.3"},
		}},
		{"the address goes to another Service", []step{
			{0, "s:a/x=@10.0.0.7", "s:a/x=@10.0.0.7"},
			{1, "s:a/x=@ s:b/z=@10.0.0.7", "s:a/x=@ s:b/z=@10.0.0.7"},
		}},
		{"another class had the address all along", []step{
			{0, "i:a/x=ext@10.0.0.3 i:b/z=int@10.0.0.3", "i:a/x=ext@10.0.0.3 i:b/z=int@10.0.0.3"},
			{1, "i:a/x=ext@ i:b/z=int@10.0.0.3", "i:a/x=ext@10.0.0.3 i:b/z=int@10.0.0.3"},
			{2, "i:a/x=ext@ i:b/z=int@10.0.0.3", "i:a/x=ext@10.0.0.3 i:b/z=int@10.0.0.3"},
			{3, "i:a/x=ext@ i:b/z=int@10.0.0.3 s:a/z=@10.0.0.3", "i:a/x=ext@ i:b/z=int@10.0.0.3 s:a/z=@10.0.0.3"},
		}},
		{"the class changes under a stale status", []step{
			{0, int5, int5}, {1, "i:a/y=ext@10.0.0.5", "i:a/y=ext@"}, {time.Hour, "i:a/y=ext@10.0.0.5", "i:a/y=ext@"},
			{2 * time.Hour, "i:a/y=ext@10.0.0.3", "i:a/y=ext@10.0.0.3"},
		}},
		{"the class changes and changes back", []step{
			{0, int5, int5}, {1, "i:a/y=ext@10.0.0.5", "i:a/y=ext@"}, {2, "i:a/y=int@10.0.0.5", "i:a/y=int@"},
			{3, "i:a/y=int@", "i:a/y=int@"}, {4, "i:a/y=int@10.0.0.5", "i:a/y=int@10.0.0.5"},
		}},
		{"the class changes, the status is emptied and filled", []step{
			{0, int5, int5}, {1, "i:a/y=ext@10.0.0.5", "i:a/y=ext@"}, {2, "i:a/y=ext@", "i:a/y=ext@"},
			{3, "i:a/y=ext@10.0.0.5", "i:a/y=ext@10.0.0.5"},
		}},
		{"the class changes while held", []step{
			{0, int5, int5}, {1, "i:a/y=int@", int5}, {2, "i:a/y=ext@", "i:a/y=ext@"}, {3, "i:a/y=ext@10.0.0.3", "i:a/y=ext@10.0.0.3"},
		}},
		{"class and addresses change at once", []step{
			{0, int5, int5}, {1, "i:a/y=ext@10.0.0.3", "i:a/y=ext@10.0.0.3"},
		}},
		{"the order of addresses means nothing", []step{
			{0, "i:a/y=int@10.0.0.5,10.0.0.6", "i:a/y=int@10.0.0.5,10.0.0.6"},
			{1, "i:a/y=ext@10.0.0.6,10.0.0.5", "i:a/y=ext@"},
		}},
	}
	for _, test := range tests {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarts %v", test.name, restart), func(t *testing.T) {
				m := new(memory)
				start := time.Now()
				for i, step := range test.steps {
					claims := scene(t, step.see)
					now := start.Add(step.at)
					m.apply(claims, ask{now: now, hold: 10 * time.Minute,
						class: classIn(claims), live: func(string) bool { return true }})
					if got := shown(claims); got != step.claim {
						t.Fatalf("step %d: claims %q, want %q", i, got, step.claim)
					}
					if restart {
						m = restoreMemory(claims, m.save(claims, now), now)
					}
				}
			})
		}
	}
}

func classIn(claims []route.Claim) func(route.Object) string {
	classes := make(map[route.Object]string)
	for _, c := range claims {
		classes[c.Object] = c.Class
	}
	return func(o route.Object) string { return classes[o] }
}

func TestMemoryOfAnotherObjectOfTheName(t *testing.T) {
	m := new(memory)
	q := ask{now: time.Now(), hold: time.Hour, class: func(route.Object) string { return "" }, live: func(string) bool { return true }}
	claims := scene(t, "i:a/x=@10.0.0.3")
	m.apply(claims, q)
	claims = scene(t, "i:a/x=@")
	claims[0].Created = time.Unix(5, 0) // deleted and made anew between two looks
	m.apply(claims, q)
	if got := shown(claims); got != "i:a/x=@" {
		t.Errorf("another object got the addresses: %s", got)
	}
}

func TestMemoryOutOfContact(t *testing.T) {
	start := time.Now()
	q := ask{now: start, hold: time.Minute, class: func(route.Object) string { return "" }, live: func(string) bool { return true }}
	m := new(memory)
	m.apply(scene(t, "i:a/x=@10.0.0.3"), q)
	if next := m.apply(scene(t, "i:a/x=@"), q); !next.Equal(start.Add(time.Minute)) {
		t.Errorf("held until %v, want a minute", next)
	}
	q.now, q.frozen = start.Add(time.Hour), true
	claims := scene(t, "i:a/x=@")
	if next := m.apply(claims, q); shown(claims) != "i:a/x=@10.0.0.3" || !next.IsZero() {
		t.Errorf("without contact nothing that is held ends: %s until %v", shown(claims), next)
	}
	q.live = func(kind string) bool { return kind != "Ingress" } // its kind cannot be read
	m.apply(nil, q)
	q.frozen = false
	claims = scene(t, "i:a/x=@")
	if m.apply(claims, q); shown(claims) != "i:a/x=@" {
		t.Errorf("over an hour later it is held still: %s", shown(claims))
	}
}
