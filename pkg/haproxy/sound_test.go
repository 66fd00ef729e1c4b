package haproxy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/uci"
)

// TestNeverWidens makes random rules, and sends many connections, one by one, through the rules and through what was
// made of them. What HAProxy refuses must be refused; and where there is no remark, both must go to the same backend.
func TestNeverWidens(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	silent, admitted := 0, 0
	for range 2000 {
		s, a := neverWidens(t, random)
		silent += s
		admitted += a
		if t.Failed() {
			return
		}
	}
	if silent < 100 || admitted < 10000 {
		t.Errorf("only %d configurations had no remark, and %d connections were admitted: too little was tested",
			silent, admitted)
	}
}

func FuzzNeverWidens(f *testing.F) {
	f.Add(uint64(1), uint64(1))
	f.Add(uint64(77), uint64(3))
	f.Fuzz(func(t *testing.T, a, b uint64) { neverWidens(t, rand.New(rand.NewPCG(a, b))) })
}

// neverWidens tests one random configuration, and returns 1 if it was imported without a remark, and how many
// connections it admits.
func neverWidens(t *testing.T, random *rand.Rand) (silent, admitted int) {
	t.Helper()
	text := randomRules(random)
	im := newImporter(nil)
	if err := im.run(text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	out, err := uci.Format(im.file())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	file, err := uci.Parse("sniroute", out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made := make(map[string]string) // names of HAProxy's backends, by those of ours
	for key, b := range im.built {
		if b.listed {
			made[b.section.Name] = key.backend.name
		}
	}
	front := im.fronts[0]
	silently := len(sorted(im.remarks)) == 0
	for _, c := range connections(random) {
		s := im.subject(front, c.names())
		s.opening = c.opening
		s.clients = groupOf(im.clients, c.client)
		if slices.Contains(im.alpns, c.alpn) {
			s.alpn = c.alpn
		}
		theirs := refusedText
		if o := im.decide(&s); o.verdict == isSent {
			theirs = o.target.backend.name
		}
		if s.vague {
			s.hopeful = true
			theirs = refusedText
			if o := im.decide(&s); o.verdict == isSent {
				theirs = "perhaps " + o.target.backend.name
			}
		}
		ours := model{file}.decide(c)
		if ours != refusedText {
			ours = made[ours]
			admitted++
		}
		if theirs == refusedText && ours != refusedText || silently && ours != theirs {
			t.Errorf("%v: HAProxy: %s, sniroute: %s, remarks %v\n%s\n%s", c, theirs, ours, sorted(im.remarks), text, out)
			return 0, 0
		}
	}
	if silently {
		silent = 1
	}
	return silent, admitted
}

const refusedText = "refused"

// groupOf returns the group of an address: that of the smallest network that it is in.
func groupOf(c *clients, a netip.Addr) int {
	group := -1
	for _, cell := range c.cells {
		if cell.network.Contains(a) {
			group = cell.group
		}
	}
	return group
}

// A connection is a single one.
type connection struct {
	opening opening
	name    string // empty: none
	alpn    string // the only protocol offered; empty: several
	client  netip.Addr
}

func (c connection) names() names {
	if c.name == "" {
		return names{}
	}
	return names{oneName, c.name}
}

// connections returns some, from several clients.
func connections(random *rand.Rand) []connection {
	list := []connection{{opening: opensSSH}, {opening: opensHTTP}, {opening: opensOther}, {opening: opensNothing}, {}}
	labels := []string{"a", "b", "ab", "ba", "x", "git"}
	for range 25 {
		name := pick(random, "ex.com", "ex.com", "a.ex.com", "ex.org", "com", "bex.com")
		for range random.IntN(3) {
			name = pick(random, labels...) + "." + name
		}
		list = append(list, connection{name: name, alpn: pick(random, "", "", "acme-tls/1")})
	}
	clients := []string{"10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::1", "2001:db9::1"}
	var all []connection
	for _, c := range list {
		for _, client := range clients {
			c.client = netip.MustParseAddr(client)
			all = append(all, c)
		}
	}
	return all
}

func pick(random *rand.Rand, from ...string) string { return from[random.IntN(len(from))] }

// randomRules returns a frontend with random rules, and backends.
func randomRules(random *rand.Rand) string {
	var b strings.Builder
	b.WriteString("defaults\n mode tcp\nfrontend f\n bind :443\n tcp-request inspect-delay 5s\n")
	for i := range random.IntN(3) {
		fmt.Fprintf(&b, " acl acl%d %s\n", i%2, randomTest(random))
	}
	condition := func() string {
		switch random.IntN(8) {
		case 0:
			return ""
		case 1:
			return " unless " + randomTerm(random, b.String())
		}
		text := " if " + randomTerm(random, b.String())
		for range random.IntN(3) {
			text += pick(random, " ", " || ", " or ") + randomTerm(random, b.String())
		}
		return text
	}
	for range random.IntN(4) {
		switch random.IntN(4) {
		case 0:
			fmt.Fprintf(&b, " tcp-request connection %s%s\n", pick(random, "accept", "reject"),
				pick(random, " if { src 10.0.0.0/8 }", " if !{ src 10.1.0.0/16 2001:db8::/32 }", " unless { src 10.0.0.0/8 ::/0 }"))
		default:
			fmt.Fprintf(&b, " tcp-request content %s%s\n", pick(random, "accept", "reject", "reject"), condition())
		}
	}
	for range random.IntN(5) {
		fmt.Fprintf(&b, " use_backend b%d%s\n", random.IntN(3), condition())
	}
	if random.IntN(3) > 0 {
		b.WriteString(" default_backend b3\n")
	}
	for i := range 4 {
		fmt.Fprintf(&b, "backend b%d\n", i)
		if random.IntN(8) == 0 {
			fmt.Fprintf(&b, " tcp-request content reject if { %s }\n", randomTest(random))
		}
		fmt.Fprintf(&b, " server s 10.2.0.%d:443\n", i+1)
	}
	return b.String()
}

func randomTerm(random *rand.Rand, before string) string {
	not := pick(random, "", "", "!")
	if acl := pick(random, "acl0", "acl1"); random.IntN(3) == 0 && strings.Contains(before, " "+acl+" ") {
		return not + acl
	}
	return not + "{ " + randomTest(random) + " }"
}

func randomTest(random *rand.Rand) string {
	name := func() string {
		return pick(random, "ex.com", "a.ex.com", "b.ex.com", "a.b.ex.com", "ex.org", "git.ex.com")
	}
	switch random.IntN(14) {
	case 0, 1, 2:
		return "req.ssl_sni -i " + name() + " " + name()
	case 3, 4:
		return "req.ssl_sni -i -m end ." + name()
	case 5:
		return "req.ssl_sni -m end " + name()
	case 6:
		return "req.ssl_sni -m beg " + pick(random, "a", "a.", "git.", "a.ex")
	case 7:
		return "req.ssl_sni -m sub " + pick(random, "a", "ex.com", "git")
	case 8:
		return "req.ssl_sni -m reg " + pick(random, `^[^.]+\.ex\.com$`, `\.ex\.com$`, `^(a|b)\.ex\.com$`,
			`^a.ex.com$`, `^a`, `ex`, `^(.+\.)?ex\.com$`, `^a[0-9]*\.`)
	case 9:
		if random.IntN(3) == 0 {
			return "req.ssl_alpn acme-tls/1"
		}
		return "req.ssl_sni -m dom " + pick(random, "ex", "a", "ex.com")
	case 10:
		return "req.ssl_hello_type 1"
	case 11:
		return pick(random, "req.ssl_sni -m found", "always_true", "hour 3", "req.proto_http", "payload(0,4) -m bin 5353482d")
	default:
		return "src " + pick(random, "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "10.0.0.0/8 2001:db8::1",
			"0.0.0.0/0")
	}
}

// A model is what DESIGN and the manual of the options say of a configuration, done slowly.
type model struct{ *uci.File }

func (m model) values(s *uci.Section, option string) (list []string) {
	if o := s.Option(option); o != nil {
		for _, v := range o.Values {
			list = append(list, v.Text)
		}
	}
	return list
}

func (m model) value(s *uci.Section, option string) string {
	if list := m.values(s, option); len(list) > 0 {
		return list[0]
	}
	return ""
}

func (m model) admits(s *uci.Section, client netip.Addr) bool {
	in := func(list []string) bool {
		return slices.ContainsFunc(list, func(n string) bool { return netip.MustParsePrefix(n).Contains(client) })
	}
	allow := m.values(s, "allow")
	return !in(m.values(s, "deny")) && (len(allow) == 0 || in(allow))
}

// decide returns the backend that takes a connection, or refusedText.
func (m model) decide(c connection) string {
	var listener *uci.Section
	for _, s := range m.Sections {
		if s.Type == "listener" {
			listener = s
		}
	}
	if listener == nil || !m.admits(listener, c.client) {
		return refusedText
	}
	standard := m.value(listener, "default_backend")
	if c.opening != opensTLS {
		switch other := m.value(listener, "non_tls"); other {
		case "default":
			return standard
		case "reject":
			return refusedText
		default:
			return other
		}
	}
	var best *uci.Section
	length := -1
	for _, s := range m.Sections {
		if s.Type != "route" {
			continue
		}
		for _, h := range m.values(s, "host") {
			base, wildcard := strings.CutPrefix(h, "*.")
			if fits := c.name == h || wildcard && strings.HasSuffix(c.name, "."+base); !fits {
				continue
			}
			n := 2 * len(base)
			if !wildcard {
				n = 1000
			}
			switch alpn := m.value(s, "alpn"); alpn {
			case "":
			case c.alpn:
				n++
			default:
				continue
			}
			if n > length {
				best, length = s, n
			}
		}
	}
	switch {
	case best == nil && standard == "":
		return refusedText
	case best == nil:
		return standard
	case m.value(best, "expose") == "0" || !m.admits(best, c.client):
		return refusedText
	}
	return m.value(best, "backend")
}
