package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// choices decide what generate makes: random numbers, or the bytes of a fuzzer.
type choices interface {
	n(limit int) int // 0 to limit-1
}

type randomChoices struct{ *rand.Rand }

func (r randomChoices) n(limit int) int { return r.IntN(limit) }

func newRandom(seed int) randomChoices { return randomChoices{rand.New(rand.NewPCG(1, uint64(seed)))} }

// byteChoices spends one byte a choice; when they are spent, everything is 0.
type byteChoices struct{ rest []byte }

func (b *byteChoices) n(limit int) int {
	if len(b.rest) == 0 {
		return 0
	}
	c := b.rest[0]
	b.rest = b.rest[1:]
	return int(c) % limit
}

func pick[T any](c choices, list []T) T { return list[c.n(len(list))] }

// names are all that generated hosts could take, few enough for collisions to be the rule.
var names = func() []string {
	list := []string{
		"ex.com", "com", "evil.org", "a.evil.org", "co.uk", "a.co.uk", "nas.lan", "1.2.3.4", "github.io", "x.lan.ex.com",
	}
	for _, base := range []string{"ex.com", "k.ex.com", "a.k.ex.com", "b.k.ex.com", "c.a.k.ex.com"} {
		for _, label := range []string{"a", "b", "c", "k", "x", "lan", "router", "api", "wpad", "localhost"} {
			list = append(list, label+"."+base, "y."+label+"."+base)
		}
	}
	return list
}()

// world is names as labels.
var world = func() (list [][]string) {
	for _, name := range names {
		list = append(list, strings.Split(name, "."))
	}
	return list
}()

var (
	exactHosts = []string{
		"a.ex.com", "b.ex.com", "k.ex.com", "a.k.ex.com", "b.k.ex.com", "x.a.k.ex.com", "c.a.k.ex.com", "y.c.a.k.ex.com",
		"x.b.k.ex.com", "A.K.ex.com.", "ex.com",
	}
	wildcardHosts = []string{"*.ex.com", "*.k.ex.com", "*.a.k.ex.com", "*.b.k.ex.com", "*.c.a.k.ex.com", "*.K.ex.com"}
	badHosts      = []string{
		"wpad.k.ex.com", "router.ex.com", "api.k.ex.com", "x.lan.ex.com", "lan.ex.com", "com", "*.com", "github.io",
		"*.github.io", "localhost", "localhost.k.ex.com", "a.local", "1.2.3.4", "od d", "", "a..ex.com", "*", "*.*.ex.com",
		"evil.org", "a.evil.org", "*.evil.org", "aex.com", "a.k.ex.com\n",
	}
	goodAddresses = []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"}
	badAddresses  = []string{
		"127.0.0.1", "::ffff:10.0.0.1", "10.0.0.254", "169.254.1.1", "fe80::1", "8.8.8.8", "0.0.0.0", "224.0.0.1", "10.0.0.10",
		"::1", "::10.0.0.1", "255.255.255.255", "fe80::1%eth0",
	}
)

// generate makes a policy and claims, out of a world so small that everything collides with everything.
func generate(c choices) (*Policy, []Claim) {
	p := &Policy{
		Backends: []Backend{
			{Name: "nas", Servers: servers("10.0.0.9:443"), HTTPPort: 80},
			{Name: "old", Servers: servers(pick(c, []string{"10.0.0.1:443", "10.0.0.8:443"}))},
		},
		Listeners: []Listener{{Name: "l1", Default: pick(c, []string{"", "nas", "old"})}, {Name: "l2"}},
		Router: Router{
			Addresses:  addresses("10.0.0.254"),
			Domain:     pick(c, []string{"lan", "lan.ex.com"}),
			Names:      []string{"router.ex.com"},
			APINames:   []string{"api.k.ex.com"},
			APIServers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.10:443")},
		},
	}
	if c.n(4) == 0 {
		p.Listeners[1].RoutesHTTP, p.Listeners[1].ProvesInternal = true, true
	}
	if c.n(4) == 0 {
		p.Router.LocalNames = []string{pick(c, exactHosts)}
	}
	for i, n := 0, 1+c.n(2); i < n; i++ {
		p.Sources = append(p.Sources, generateSource(c, fmt.Sprintf("s%d", i)))
	}
	for i, n := 0, 1+c.n(4); i < n; i++ {
		p.Classes = append(p.Classes, generateClass(c, fmt.Sprintf("c%d", i)))
	}
	for i, n := 0, max(0, c.n(6)-2); i < n; i++ {
		p.Static = append(p.Static, generateStatic(c, fmt.Sprintf("r%d", i)))
	}
	claims := make([]Claim, 1+c.n(14))
	for i := range claims {
		claims[i] = generateClaim(c)
	}
	return p, claims
}

func generateSource(c choices, name string) Source {
	s := Source{
		Name:                 name,
		Targets:              []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/16")},
		Wildcards:            c.n(4) > 0,
		MaxHosts:             pick(c, []int{0, 0, 3, 6}),
		MaxHostsPerNamespace: pick(c, []int{0, 0, 2, 4}),
		IgnoreOtherClasses:   c.n(4) == 0,
		RefuseShared:         c.n(3) == 0,
		PreferExposed:        c.n(2) == 0,
	}
	if c.n(4) == 0 {
		s.Targets = nil
	}
	for i, n := 0, 1+c.n(4); i < n; i++ {
		s.Domains = append(s.Domains, Domain{
			Name:      pick(c, []string{"ex.com", "ex.com", "k.ex.com", "a.k.ex.com", "c.a.k.ex.com", "*", "K.ex.com."}),
			Namespace: pick(c, []string{"", "", "n1", "n2"}),
		})
	}
	return s
}

func generateClass(c choices, name string) Class {
	class := Class{Name: name, Source: pick(c, []string{"s0", "s0", "s1"}), Expose: c.n(3) > 0}
	if c.n(3) > 0 {
		class.Class = pick(c, []string{"ext", "int"})
	}
	if c.n(6) == 0 {
		class.Gateway = "infra/gw"
	}
	if c.n(4) == 0 {
		class.Namespaces = []string{pick(c, []string{"n1", "n2", "n3"})}
	}
	if c.n(4) == 0 {
		class.MatchAddress = []netip.Prefix{netip.MustParsePrefix(pick(c, []string{"10.0.0.0/30", "10.0.0.1/32", "::/0"}))}
	}
	if c.n(4) == 0 {
		class.MatchHost = []string{pick(c, wildcardHosts), pick(c, exactHosts)}
	}
	if c.n(6) == 0 {
		class.Addresses = addresses(pick(c, goodAddresses), pick(c, badAddresses))
	}
	if c.n(6) == 0 {
		class.HTTPSPort = 8443
	}
	if c.n(6) == 0 {
		class.Listeners = []string{pick(c, []string{"l1", "l2"})}
	}
	return class
}

func generateStatic(c choices, name string) Static {
	s := Static{Name: name, Expose: c.n(4) > 0, Backend: pick(c, []string{"nas", "old", "gone"})}
	for i, n := 0, 1+c.n(2); i < n; i++ {
		switch c.n(4) {
		case 0:
			s.Hosts = append(s.Hosts, pick(c, wildcardHosts))
		case 1:
			s.Hosts = append(s.Hosts, pick(c, badHosts))
		default:
			s.Hosts = append(s.Hosts, pick(c, exactHosts))
		}
	}
	if c.n(3) == 0 {
		s.ALPN = "acme-tls/1"
	}
	if c.n(3) == 0 {
		s.DNS = addresses(pick(c, goodAddresses))
	}
	if c.n(4) == 0 {
		s.Listeners = []string{pick(c, []string{"l1", "l2"})}
	}
	return s
}

func generateClaim(c choices) Claim {
	claim := Claim{
		Source: pick(c, []string{"s0", "s0", "s0", "s1"}),
		Object: Object{
			Kind:      pick(c, []string{"Ingress", "Ingress", "HTTPRoute", "Service"}),
			Namespace: pick(c, []string{"n1", "n2", "n3"}),
			Name:      pick(c, []string{"o1", "o2", "o3"}),
		},
		Class:    pick(c, []string{"ext", "ext", "int", "else"}),
		OneLabel: c.n(2) == 0,
	}
	if age := c.n(6); age > 0 {
		claim.Created = time.Unix(int64(age), 0)
	}
	switch c.n(8) {
	case 0:
		claim.Host = pick(c, badHosts)
	case 1, 2, 3:
		claim.Host = pick(c, wildcardHosts)
	default:
		claim.Host = pick(c, exactHosts)
	}
	for i, n := 0, pick(c, []int{1, 1, 1, 1, 2, 0}); i < n; i++ {
		if c.n(8) == 0 {
			claim.Addresses = append(claim.Addresses, netip.MustParseAddr(pick(c, badAddresses)))
		} else {
			claim.Addresses = append(claim.Addresses, netip.MustParseAddr(pick(c, goodAddresses)))
		}
	}
	switch c.n(12) {
	case 0:
		claim.Ports = pick(c, [][]uint16{{}, {443}, {80, 443}, {22}})
	case 1:
		claim.HTTPSPort = pick(c, []uint16{443, 8443})
	case 2:
		claim.HTTPPort = pick(c, []uint16{80, 8080, 443})
	case 3:
		claim.Gateway = "infra/gw"
	case 4:
		claim.Solver = true
	case 5:
		claim.NotAccepted = "refused by its Gateway"
	case 6:
		claim.StatusHostname = "lb.example.net"
	}
	return claim
}
