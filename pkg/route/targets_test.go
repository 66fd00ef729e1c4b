package route

import (
	"net/netip"
	"slices"
	"testing"
)

func TestTargetsNever(t *testing.T) {
	targets := makeTargets(&Router{
		Addresses: append(addresses("192.168.0.1", "::ffff:203.0.113.7", "fd00::1"), netip.MustParseAddr("fe80::1%br-lan")),
		APIServers: []netip.AddrPort{
			netip.MustParseAddrPort("192.168.0.10:6443"),
			netip.MustParseAddrPort("[::ffff:192.168.0.11]:6443"),
		},
	})
	for address, want := range map[string]string{
		"192.168.0.3":          "",
		"10.0.0.0":             "",
		"8.8.8.8":              "", // targets decide
		"2001:db8::1":          "",
		"fd00::2":              "",
		"fd00::2%eth0":         "has a zone",
		"::ffff:192.168.0.3":   "is an IPv4-mapped IPv6 address",
		"::ffff:127.0.0.1":     "is an IPv4-mapped IPv6 address",
		"127.0.0.1":            "is a loopback address",
		"127.255.255.254":      "is a loopback address",
		"::1":                  "is a loopback address",
		"0.0.0.0":              "is unspecified",
		"::":                   "is unspecified",
		"0.0.0.1":              "is in 0.0.0.0/8",
		"::192.168.0.3":        "is an IPv4-compatible IPv6 address",
		"169.254.169.254":      "is a link-local address",
		"fe80::5":              "is a link-local address",
		"224.0.0.251":          "is a multicast address",
		"239.1.2.3":            "is a multicast address",
		"ff02::fb":             "is a multicast address",
		"255.255.255.255":      "is the broadcast address",
		"192.168.0.1":          "is an address of this router",
		"203.0.113.7":          "is an address of this router",
		"fd00::1":              "is an address of this router",
		"192.168.0.10":         "is where an API server answers",
		"192.168.0.11":         "is where an API server answers",
		"fe80::1%br-lan":       "has a zone",
		"::ffff:0:192.168.0.3": "", // IPv4-translated (RFC 2765): routed as IPv6
	} {
		if got := targets.never(netip.MustParseAddr(address), 443, 6443); got != want {
			t.Errorf("%s %s; want %q", address, got, want)
		}
	}
	if got := targets.never(netip.Addr{}); got != "is no address" {
		t.Errorf("the zero address %s", got)
	}
	if got := targets.never(netip.MustParseAddr("192.168.0.10"), 443, 80); got != "" {
		t.Errorf("an API server's address on other ports %s", got)
	}
}

func TestPrivateTargets(t *testing.T) {
	p := home()
	p.Sources[0].Targets = nil
	for address, admitted := range map[string]bool{
		"10.255.255.255": true, "172.16.0.1": true, "172.32.0.1": false, "192.168.255.1": true, "192.169.0.1": false,
		"100.64.0.1": false, "198.51.100.1": false, "fd12::1": true, "fc00::1": true, "2001:db8::1": false, "fec0::1": false,
	} {
		table := Build(p, aged(claim("Ingress a/1", "x.k8s.example.com", address)))
		if (len(table.Routes) == 1) != admitted {
			t.Errorf("%s: %v", address, show(table))
		}
	}
}

func TestTooManyAddresses(t *testing.T) {
	p := home()
	var many []netip.Addr
	for i := range MaxAddresses {
		many = append(many, netip.AddrFrom4([4]byte{192, 168, 0, byte(100 + i)}))
	}
	c := claim("Ingress a/1", "x.k8s.example.com")
	c.Addresses = slices.Concat(many, many) // each counts once
	table := Build(p, []Claim{c})
	if len(table.Routes) != 1 || len(table.Backends[table.Routes[0].Backend].Servers) != MaxAddresses {
		t.Errorf("%d addresses: %v", MaxAddresses, show(table))
	}
	c.Addresses = append(many, netip.MustParseAddr("8.8.8.8")) // limits come before targets
	expect(t, Build(p, []Claim{c}), "x.k8s.example.com of Ingress a/1: limit")
}
