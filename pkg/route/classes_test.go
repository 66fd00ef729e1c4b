package route

import (
	"net/netip"
	"testing"
)

func TestClassSelects(t *testing.T) {
	c := claim("HTTPRoute infra/app", "a.pub.example.com", "192.168.0.3", "fd00::3")
	c.Class, c.Gateway = "ext", "infra/external"
	prefix := netip.MustParsePrefix
	for _, test := range []struct {
		name    string
		class   Class
		selects bool
	}{
		{"nothing given", Class{}, false},
		{"class", Class{Class: "ext"}, true},
		{"other class", Class{Class: "Ext"}, false},
		{"gateway", Class{Gateway: "infra/external"}, true},
		{"other gateway", Class{Gateway: "infra/internal"}, false},
		{"namespace", Class{Namespaces: []string{"x", "infra"}}, true},
		{"other namespace", Class{Namespaces: []string{"x"}}, false},
		{"every address", Class{MatchAddress: []netip.Prefix{prefix("192.168.0.3/32"), prefix("fd00::/64")}}, true},
		{"some addresses", Class{MatchAddress: []netip.Prefix{prefix("192.168.0.3/32")}}, false},
		{"host", Class{MatchHost: []string{"A.pub.example.com."}}, true},
		{"wildcard host", Class{MatchHost: []string{"*.example.com"}}, true},
		{"other host", Class{MatchHost: []string{"*.a.pub.example.com", "pub.example.com", "od d"}}, false},
		{"all", Class{Class: "ext", Gateway: "infra/external", Namespaces: []string{"infra"},
			MatchHost: []string{"*.pub.example.com"}}, true},
		{"all but one", Class{Class: "ext", Gateway: "infra/external", Namespaces: []string{"other"},
			MatchHost: []string{"*.pub.example.com"}}, false},
	} {
		if got := test.class.selects(&c, c.Host); got != test.selects {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	bare := claim("Ingress a/app", "a.example.com")
	if (&Class{MatchAddress: []netip.Prefix{prefix("0.0.0.0/0")}}).selects(&bare, bare.Host) {
		t.Error("a claim without addresses matches match_address")
	}
	mapped := claim("Ingress a/app", "a.example.com", "::ffff:192.168.0.3")
	if (&Class{MatchAddress: []netip.Prefix{prefix("192.168.0.0/24")}}).selects(&mapped, mapped.Host) {
		t.Error("an IPv4-mapped address matches an IPv4 prefix")
	}
}

func TestMatchHost(t *testing.T) {
	for _, test := range []struct {
		pattern, host string
		match         bool
	}{
		{"a.example.com", "a.example.com", true},
		{"a.example.com", "*.example.com", false},
		{"*.example.com", "*.example.com", true},
		{"*.example.com", "*.a.example.com", true},
		{"*.a.example.com", "*.example.com", false}, // it would match a part of the wildcard alone
		{"*.example.com", "example.com", false},
		{"*.example.com", "b.a.example.com", true},
		{"*.example.com", "aexample.com", false},
		{"", "", false},
		{"*", "a", false},
	} {
		if got := matchHost(test.pattern, test.host); got != test.match {
			t.Errorf("matchHost(%q, %q) = %v", test.pattern, test.host, got)
		}
	}
}

// A strange address beside the right one must not be dropped before the class looks: it would be a way in.
func TestMatchAddressSeesAllAddresses(t *testing.T) {
	p := home()
	p.Classes = []Class{{
		Name: "external", Source: "home", Expose: true,
		MatchAddress: []netip.Prefix{netip.MustParsePrefix("192.168.0.3/32")},
	}}
	expect(t, Build(p, aged(
		claim("Ingress a/1", "x.k8s.example.com", "192.168.0.3"),
		claim("Ingress a/2", "y.k8s.example.com", "192.168.0.3", "8.8.8.8"),
	)),
		"x.k8s.example.com -> home/external/192.168.0.3 dns=[192.168.0.3] by Ingress a/1 shared",
		"y.k8s.example.com internal dns=[192.168.0.3] by Ingress a/2 shared",
	)
}
