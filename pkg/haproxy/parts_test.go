package haproxy

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSplit holds lines against the words that HAProxy makes of them (manual, section 2.2).
func TestSplit(t *testing.T) {
	for _, c := range []struct {
		line, words, problem string
	}{
		{"", "", ""},
		{"  # comment", "", ""},
		{"\tbind :443\r\n", "bind|:443", ""},
		{"a b#c d", "a|b", ""},
		{`a\ b \#c \\d e\tf \x41\x4a`, `a b|#c|\d|e	f|AJ`, ""},
		{`'a b' "c d"'e f' "g'h" 'i"j'`, `a b|c de f|g'h|i"j`, ""},
		{`'a\b' "a\"b\$c" a\$b a\.b`, `a\b|a"b$c|a\$b|a\.b`, ""},
		{`'' a ""`, `|a|`, ""},
		{`a "b ${HOME}c" $d`, `a|b ${HOME}c|$d`, "the environment variable 'HOME' is not known here"},
		{`a 'b c`, `a|b c`, "a quote is not closed"},
		{`a \`, `a|\`, ""},
		{`a\x4`, `a\x4`, ""},
	} {
		words, problem := split(c.line)
		if got := strings.Join(words, "|"); got != c.words || problem != c.problem {
			t.Errorf("%q: got %q, %q, want %q, %q", c.line, got, problem, c.words, c.problem)
		}
	}
}

// TestExpressions: which names a regular expression amounts to.
func TestExpressions(t *testing.T) {
	for _, c := range []struct {
		text  string
		forms string // methods and texts
		whole bool
	}{
		{`^example\.com$`, "=example.com", true},
		{`^(www\.)?example\.com$`, "=example.com =www.example.com", true},
		{`^(a|b)\.example\.(com|org)$`, "=a.example.com =a.example.org =b.example.com =b.example.org", true},
		{`\.example\.com$`, "<.example.com", true},
		{`^.*\.example\.com$`, "<.example.com", true},
		{`^(.+\.)?example\.com$`, "<.example.com =example.com", true},
		{`^[^.]+\.example\.com$`, "1.example.com", true},
		{`^[a-z0-9-]+\.example\.com$`, "1.example.com", true},
		{`^[A-Za-z0-9_\-]*\.example\.com$`, "1.example.com =.example.com", true},
		{`^a\.`, ">a.", true},
		{`nas`, "~nas", true},
		{`.*`, "~", true},
		{`^node[12]$`, "=node1 =node2", true},
		{`^node[0-9]+$`, "", false},
		{`^www.example.com$`, "=www.example.com", false},
		{`^(a|b|c|d|e|f)(a|b|c|d|e|f)(a|b|c|d|e|f)$`, "", false},
		{`a$b`, "", false},
		{`^[a-c]+\.x$`, "", false},
	} {
		p, err := newExpression(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var forms []string
		for _, f := range p.forms {
			forms = append(forms, "=><~?1"[f.method:][:1]+f.text)
		}
		slices.Sort(forms)
		if got := strings.Join(forms, " "); got != c.forms || p.whole != c.whole {
			t.Errorf("%q: got %q, %v, want %q, %v", c.text, got, p.whole, c.forms, c.whole)
		}
	}
}

// TestPatternsOnNames holds what a pattern says of a population against each of its names.
func TestPatternsOnNames(t *testing.T) {
	labels := []string{"a", "b", "ab", "com", "x1"}
	all := slices.Clone(labels)
	for from := 0; len(all) < 3000; {
		next := all[from:]
		from = len(all)
		for _, n := range next {
			for _, l := range labels {
				all = append(all, l+"."+n)
			}
		}
	}
	random := rand.New(rand.NewPCG(5, 6))
	decided := 0
	for range 500 {
		var tested []pattern
		var classes []string
		for range 1 + random.IntN(3) {
			text := all[random.IntN(200)]
			m := method(random.IntN(int(matches) + 1))
			switch {
			case m == ends && random.IntN(2) == 0, m == hasOneMore:
				text = "." + text
			case m == begins && random.IntN(2) == 0:
				text += "."
			case m == matches:
				quoted := strings.ReplaceAll(text, ".", pick(random, `\.`, "."))
				text = pick(random, "^", "", `^[^.]+\.`, `^.*\.`, `^(a\.)?`) + quoted + pick(random, "$", "")
			}
			p, err := newPattern(m, text)
			if err != nil {
				t.Fatal(err)
			}
			tested = append(tested, p)
			classes = append(classes, p.classes()...)
		}
		populations := map[names][]string{}
		for _, n := range all {
			of := populationOf(n, classes)
			populations[of] = append(populations[of], n)
		}
		for of, members := range populations {
			for _, p := range tested {
				truth := p.onNames(of)
				if truth == maybe {
					continue
				}
				decided++
				for _, n := range members {
					if p.onText(n) != (truth == yes) {
						t.Fatalf("%d %q is %d of %v, but not of %s (classes %v)", p.method, p.text, truth, of, n, classes)
					}
				}
			}
		}
	}
	if decided < 1000 {
		t.Errorf("only %d were decided", decided)
	}
}

// populationOf returns the population that a name belongs to.
func populationOf(name string, classes []string) names {
	if slices.Contains(classes, name) {
		return names{oneName, name}
	}
	labels := 0
	for up := name; ; {
		_, rest, found := strings.Cut(up, ".")
		if !found {
			return names{kind: allOther}
		}
		labels++
		if slices.Contains(classes, "*."+rest) {
			if labels == 1 {
				return names{oneBelow, rest}
			}
			return names{farBelow, rest}
		}
		up = rest
	}
}

// TestClientLists holds lists of networks against the set of clients that they are for.
func TestClientLists(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	network := func() netip.Prefix {
		a := netip.AddrFrom4([4]byte{byte(random.IntN(4) * 64), byte(random.IntN(3) * 100), 0, 0})
		if random.IntN(3) == 0 {
			a = netip.AddrFrom16([16]byte{0x20, byte(random.IntN(3)), 0, byte(random.IntN(256))})
			return netip.PrefixFrom(a, random.IntN(5)*8).Masked()
		}
		return netip.PrefixFrom(a, random.IntN(20)).Masked()
	}
	for range 3000 {
		var tests []*test
		for range random.IntN(4) {
			c := &test{compare: compareAddress}
			for range 1 + random.IntN(3) {
				c.networks = append(c.networks, network())
			}
			tests = append(tests, c)
		}
		c := newClients(tests)
		set := make(groups, c.groups)
		for g := range set {
			set[g] = random.IntN(2) == 0
		}
		if set.empty() {
			continue
		}
		allow, deny := c.lists(set)
		only := c.only(set)
		for range 30 {
			a := network().Addr()
			in := func(list []netip.Prefix) bool {
				return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
			}
			want := set[groupOf(c, a)]
			if got := !in(deny) && (len(allow) == 0 || in(allow)); got != want || in(only) != want {
				t.Fatalf("%v: got %v, only %v, want %v (allow %v, deny %v, only %v)", a, got, in(only), want, allow, deny, only)
			}
			for i, x := range tests {
				if c.of[x][groupOf(c, a)] != in(x.networks) {
					t.Fatalf("%v: test %d, %v, takes its group: %v", a, i, x.networks, !in(x.networks))
				}
			}
		}
	}
}

func TestAmounts(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "1500": 1500 * time.Millisecond, "20us": 20 * time.Microsecond, "5s": 5 * time.Second, "2m": 2 * time.Minute,
		"3h": 3 * time.Hour, "24d": 24 * 24 * time.Hour, "2000000000d": longest,
	} {
		if got, err := parseTime(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "s", "-1s", "5x", "5 s", "1.5s", "99999999999"} {
		if got, err := parseTime(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		time.Second: "1s", 90 * time.Second: "90s", time.Hour: "1h", 36 * time.Hour: "36h", 48 * time.Hour: "2d",
		1500 * time.Millisecond: "1500ms",
	} {
		if got := timeText(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
	for text, want := range map[string]int{"5": 5, "30k": 30720, "1M": 1 << 20, "9g": 1<<31 - 1} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestNamer(t *testing.T) {
	n := newNamer()
	for _, c := range []struct{ like, kind, want string }{
		{"web", "backend", "web"},
		{"web", "backend", "web_backend"},
		{"web", "backend", "web_backend_2"},
		{"bk-app.1:x", "backend", "bk_app_1_x"},
		{"default", "backend", "default_backend"},
		{"\u00e9", "route", "route"},
		{"", "route", "route_route"},
		{strings.Repeat("x", 99), "route", strings.Repeat("x", 48)},
	} {
		if got := n.name(c.like, c.kind); got != c.want {
			t.Errorf("%q: got %q, want %q", c.like, got, c.want)
		}
	}
}

func BenchmarkImport(b *testing.B) {
	text, err := inTestdata("blog.cfg")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Import(text, nil); err != nil {
			b.Fatal(err)
		}
	}
}
