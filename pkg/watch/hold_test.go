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
			{0, int5, int5}, {1, "i:a/y=ext@10.0.0.5", "i:a/y=ext@"}, {2, "i:a/y=other@10.0.0.5", "i:a/y=other@"},
			{3, int5, int5}, {4, "i:a/y=int@", int5},
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
						naming: namingIn(claims), live: func(string) bool { return true }})
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

func namingIn(claims []route.Claim) func(route.Object) naming {
	namings := make(map[route.Object]naming)
	for _, c := range claims {
		namings[c.Object] = naming{own: c.Class}
	}
	return func(o route.Object) naming { return namings[o] }
}

func namesNothing(route.Object) naming { return naming{} }

// One Ingress whose class the default IngressClass decides, or that names one itself.
func TestMemoryOfTheDefaultClass(t *testing.T) {
	type step struct {
		own       string // empty: it names none
		byDefault string // the default class; "?": not known
		address   string
		want      string
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"another class becomes the default one", []step{
			{"", "int", "10.0.0.3", "int@10.0.0.3"}, {"", "ext", "10.0.0.3", "ext@"}, {"", "ext", "10.0.0.3", "ext@"},
			{"", "ext", "10.0.0.4", "ext@10.0.0.4"},
		}},
		{"the first default class", []step{
			{"", "", "10.0.0.3", "@10.0.0.3"}, {"", "ext", "10.0.0.3", "ext@"}, {"", "ext", "", "ext@"},
			{"", "ext", "10.0.0.3", "ext@10.0.0.3"},
		}},
		{"the default class is made anew", []step{
			{"", "ext", "10.0.0.3", "ext@10.0.0.3"}, {"", "", "10.0.0.3", "@"}, {"", "ext", "10.0.0.3", "ext@10.0.0.3"},
		}},
		{"the default class while held", []step{
			{"", "int", "10.0.0.3", "int@10.0.0.3"}, {"", "int", "", "int@10.0.0.3"}, {"", "ext", "", "ext@"},
		}},
		{"it comes to name the class that it has", []step{
			{"", "ext", "10.0.0.3", "ext@10.0.0.3"}, {"ext", "ext", "10.0.0.3", "ext@10.0.0.3"},
			{"ext", "int", "10.0.0.3", "ext@10.0.0.3"}, {"", "int", "10.0.0.3", "int@"},
		}},
		{"not known at first", []step{
			{"", "?", "10.0.0.3", "@10.0.0.3"}, {"", "?", "10.0.0.3", "@10.0.0.3"}, {"", "ext", "10.0.0.3", "ext@10.0.0.3"},
			{"", "int", "10.0.0.3", "int@"},
		}},
		{"not known for a while", []step{
			{"", "", "10.0.0.3", "@10.0.0.3"}, {"", "?", "10.0.0.3", "@10.0.0.3"}, {"", "", "10.0.0.3", "@10.0.0.3"},
			{"", "?", "10.0.0.3", "@10.0.0.3"}, {"", "ext", "10.0.0.3", "ext@"}, {"", "?", "10.0.0.3", "@"},
		}},
		{"it names a class no more while the default one is not known", []step{
			{"int", "?", "10.0.0.3", "int@10.0.0.3"}, {"", "?", "10.0.0.3", "@"}, {"", "ext", "10.0.0.3", "ext@"},
		}},
		{"it comes to name a class while the default one is not known", []step{
			{"", "?", "10.0.0.3", "@10.0.0.3"}, {"ext", "?", "10.0.0.3", "ext@"}, {"", "?", "10.0.0.3", "@"},
		}},
	}
	for _, test := range tests {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarts %v", test.name, restart), func(t *testing.T) {
				m := new(memory)
				now := time.Now()
				for i, step := range test.steps {
					class := step.own
					if class == "" && step.byDefault != "?" {
						class = step.byDefault
					}
					claims := scene(t, "i:a/x="+class+"@"+step.address)
					says := naming{own: step.own, takesDefault: step.own == ""}
					m.apply(claims, ask{now: now, hold: time.Hour, naming: func(route.Object) naming { return says },
						defaultUnknown: step.byDefault == "?", live: func(string) bool { return true }})
					if got := strings.TrimPrefix(shown(claims), "i:a/x="); got != step.want {
						t.Fatalf("step %d: claims %q, want %q", i, got, step.want)
					}
					if restart {
						state, err := encodeState(1, now, map[string]*savedSource{"s": {claims, m.save(claims, now)}})
						must(t, err)
						_, sources, err := decodeState(state)
						must(t, err)
						m = restoreMemory(sources["s"].claims, sources["s"].objects, now)
					}
				}
			})
		}
	}
}

func TestMemoryOfAnotherObjectOfTheName(t *testing.T) {
	m := new(memory)
	q := ask{now: time.Now(), hold: time.Hour, naming: namesNothing, live: func(string) bool { return true }}
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
	q := ask{now: start, hold: time.Minute, naming: namesNothing, live: func(string) bool { return true }}
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
