package route_test

import (
	"fmt"
	"net/netip"

	"github.com/sniroute/sniroute/pkg/route"
)

// One cluster with an exposed class, a nas for all other names, and what three Ingresses ask for.
func Example() {
	policy := &route.Policy{
		Sources: []route.Source{{Name: "home", Domains: []route.Domain{{Name: "k8s.example.com"}}}},
		Classes: []route.Class{{Name: "external", Source: "home", Class: "nginx-external", Expose: true}},
		Backends: []route.Backend{{Name: "nas", Servers: []route.Server{
			{Address: netip.MustParseAddrPort("192.168.0.2:443"), Weight: 1},
		}}},
		Listeners: []route.Listener{{Name: "https", Default: "nas"}},
	}
	ingress := func(name, class, host, address string) route.Claim {
		return route.Claim{
			Source:    "home",
			Object:    route.Object{Kind: "Ingress", Namespace: "apps", Name: name},
			Host:      host,
			Class:     class,
			Addresses: []netip.Addr{netip.MustParseAddr(address)},
			OneLabel:  true,
		}
	}
	table := route.Build(policy, []route.Claim{
		ingress("shop", "nginx-external", "shop.k8s.example.com", "192.168.0.3"),
		ingress("wiki", "nginx-internal", "wiki.k8s.example.com", "192.168.0.5"),
		ingress("odd", "nginx-external", "www.google.com", "192.168.0.3"),
	})

	for _, name := range []string{"Shop.k8s.example.com", "wiki.k8s.example.com", "www.google.com"} {
		switch r := table.Lookup("https", []byte(name), nil); {
		case r == nil:
			fmt.Println(name, "->", table.Backends[table.Default("https")].Name)
		case !r.Exposed:
			fmt.Println(name, "is refused")
		default:
			fmt.Println(name, "->", table.Backends[r.Backend].Name)
		}
	}
	for _, r := range table.Records() {
		fmt.Println("DNS:", r.Name, r.Addresses)
	}
	for _, r := range table.Refused {
		fmt.Println("refused:", r.Host, "of", r.Object, "for its", r.Reason)
	}
	// Output:
	// Shop.k8s.example.com -> home/external/192.168.0.3
	// wiki.k8s.example.com is refused
	// www.google.com -> nas
	// DNS: shop.k8s.example.com [192.168.0.3]
	// DNS: wiki.k8s.example.com [192.168.0.5]
	// refused: www.google.com of Ingress apps/odd for its domain
}
