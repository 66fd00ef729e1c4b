package route

import (
	"net/netip"
	"testing"
	"time"
)

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func TestSmoke(t *testing.T) {
	p := &Policy{
		Sources:   []Source{{Name: "home", Domains: []Domain{{Name: "k8s.example.com"}}}},
		Classes:   []Class{{Name: "external", Source: "home", Class: "nginx-external", Expose: true}},
		Static:    []Static{{Name: "nas", Hosts: []string{"nas.example.com"}, Backend: "nas", Expose: true}},
		Backends:  []Backend{{Name: "nas", Servers: []Server{{Address: netip.MustParseAddrPort("192.168.0.2:443"), Weight: 1}}}},
		Listeners: []Listener{{Name: "https", Default: "nas"}},
	}
	claims := []Claim{
		{Source: "home", Object: Object{"Ingress", "a", "app"}, Created: time.Unix(1, 0), Host: "App1.k8s.example.com.", Class: "nginx-external", Addresses: addrs("192.168.0.3")},
		{Source: "home", Object: Object{"Ingress", "a", "int"}, Created: time.Unix(1, 0), Host: "int.k8s.example.com", Class: "nginx-internal", Addresses: addrs("192.168.0.5")},
		{Source: "home", Object: Object{"Ingress", "a", "evil"}, Created: time.Unix(1, 0), Host: "google.com", Class: "nginx-external", Addresses: addrs("192.168.0.3")},
	}
	tab := Build(p, claims)
	r := tab.Lookup("https", []byte("APP1.k8s.example.com."), nil)
	if r == nil || !r.Exposed || tab.Backends[r.Backend].Name != "home/external/192.168.0.3" {
		t.Errorf("app1: %+v", r)
	}
	if r := tab.Lookup("https", []byte("int.k8s.example.com"), nil); r == nil || r.Exposed {
		t.Errorf("int: %+v", r)
	}
	if r := tab.Lookup("https", []byte("google.com"), nil); r != nil || tab.Default("https") != tab.Named("nas") {
		t.Errorf("google.com: %+v", r)
	}
	if len(tab.Refused) != 1 || tab.Refused[0].Reason != ReasonDomain {
		t.Errorf("refused: %+v", tab.Refused)
	}
}
