package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
)

func prefixes(list ...string) (networks []netip.Prefix) {
	for _, p := range list {
		networks = append(networks, netip.MustParsePrefix(p))
	}
	return networks
}

// introductions are all the headers by which a peer may name a client: an IPv4 one as such and mapped into IPv6.
func introductions(client netip.Addr) map[string][]byte {
	v2 := func(family byte, a netip.Addr) []byte {
		addresses := slices.Concat(a.AsSlice(), make([]byte, len(a.AsSlice())), []byte{1, 2, 3, 4})
		header := append(bytes.Clone(proxyV2), 0x21, family)
		return append(binary.BigEndian.AppendUint16(header, uint16(len(addresses))), addresses...)
	}
	mapped := netip.AddrFrom16(client.As16())
	list := map[string][]byte{
		"v1 TCP6": fmt.Appendf(nil, "PROXY TCP6 %s ::1 258 772\r\n", mapped),
		"v2 TCP6": v2(0x21, mapped),
	}
	if client.Is4() {
		list["v1 TCP4"] = fmt.Appendf(nil, "PROXY TCP4 %s 127.0.0.1 258 772\r\n", client)
		list["v2 TCP4"] = v2(0x11, client)
	}
	return list
}

// Networks of listeners and of routes are asked about the client that the header names, whatever it speaks, and never
// about the peer that sends the header.
func TestNetworksJudgeTheTrueClient(t *testing.T) {
	w := newWorld(t, 1, nil)
	for _, name := range []string{"app", "inner"} {
		w.server(name, echo)
		w.expose(name+".example.com", name)
	}
	for i := range w.policy.Backends {
		w.policy.Backends[i].HTTPPort = w.policy.Backends[i].Servers[0].Address.Port()
	}
	w.policy.Static[0].Deny = prefixes("203.0.113.0/25", "2001:db8:bad::/48")
	w.policy.Static[1].Allow = prefixes("198.51.100.0/24", "2001:db8:1::/48")
	w.policy.Static[1].Deny = prefixes("198.51.100.128/25")
	w.policy.Listeners = append(w.policy.Listeners, route.Listener{Name: "http", Default: "nas", RoutesHTTP: true})
	tls := &w.setup.Listeners[0]
	tls.NonTLS = "inner"
	tls.AcceptProxy = prefixes("127.0.0.1/32")
	tls.Deny = prefixes("192.0.2.64/28", "2001:db8:dead::/48")
	http := *tls
	http.Name, http.HTTP, http.HTTPRoute, http.NonTLS = "http", true, true, ""
	http.Addresses = []netip.AddrPort{freeAddress(t)}
	w.setup.Listeners = append(w.setup.Listeners, http)
	w.apply()

	clients := map[string]struct{ listener, app, inner bool }{ // who lets them in
		"192.0.2.1":         {true, true, false},
		"192.0.2.70":        {false, true, false},
		"203.0.113.5":       {true, false, false},
		"203.0.113.200":     {true, true, false},
		"198.51.100.9":      {true, true, true},
		"198.51.100.200":    {true, true, false},
		"2001:db8:1::7":     {true, true, true},
		"2001:db8:bad::1":   {true, false, false},
		"2001:db8:dead::1":  {false, true, false},
		"2001:db8:ffff::99": {true, true, false},
	}
	for client, in := range clients {
		for kind, header := range introductions(netip.MustParseAddr(client)) {
			for _, test := range []struct {
				what   string
				at     int
				sent   []byte
				server string // empty: nobody is to answer
			}{
				{"TLS for app", 0, helloFor("app.example.com"), served("app", in.listener && in.app)},
				{"TLS for inner", 0, helloFor("inner.example.com"), served("inner", in.listener && in.inner)},
				{"TLS for another", 0, helloFor("other.example.com"), served("nas", in.listener)},
				{"not TLS", 0, []byte("SSH-2.0-x\r\n"), served("inner", in.listener)}, // routes have no say in it
				{"HTTP for app", 1, []byte("GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n"), served("app", in.listener && in.app)},
				{"HTTP for inner", 1, []byte("GET / HTTP/1.1\r\nHost: inner.example.com\r\n\r\n"),
					served("inner", in.listener && in.inner)},
			} {
				c, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(w.setup.Listeners[test.at].Addresses[0]))
				if err != nil {
					t.Fatal(err)
				}
				got, _ := ask(c, nil, append(bytes.Clone(header), test.sent...))
				name, rest, _ := bytes.Cut(got, []byte(":"))
				switch {
				case test.server != "" && (string(name) != test.server || !bytes.Equal(rest, test.sent)):
					t.Errorf("%s, %s by %s: %q answered, want %s", test.what, client, kind, got, test.server)
				case test.server == "" && bytes.Contains(got, test.sent):
					t.Errorf("%s, %s by %s: %q answered", test.what, client, kind, name)
				}
			}
		}
	}
}

func served(by string, yes bool) string {
	if yes {
		return by
	}
	return ""
}

// A peer that speaks for itself, or relays a client that it cannot name, is judged by its own address.
func TestNetworksJudgeUnnamedClients(t *testing.T) {
	local := append(bytes.Clone(proxyV2), 0x20, 0, 0, 0)
	for _, header := range [][]byte{local, []byte("PROXY UNKNOWN\r\n")} {
		w := newWorld(t, 1, map[string]string{"app.example.com": "app"})
		w.setup.Listeners[0].AcceptProxy = prefixes("127.0.0.1/32")
		for _, in := range []bool{true, false} {
			if !in {
				w.setup.Listeners[0].Allow = prefixes("198.51.100.0/24")
			}
			w.apply()
			got, err := ask(w.dial(), nil, append(bytes.Clone(header), appHello...))
			if in {
				wantEcho(t, got, err, "app", appHello)
			} else if len(got) > 0 {
				t.Errorf("%q: got %d bytes past the listener's networks", header, len(got))
			}
		}
	}
}

// A client that reaches a socket for both families is judged by its IPv4 address.
func TestNetworksOfMappedClients(t *testing.T) {
	w := newWorld(t, 1, map[string]string{"app.example.com": "app"})
	at := w.setup.Listeners[0].Addresses[0]
	w.setup.Listeners[0].Addresses = []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, at.Port())}
	w.setup.Listeners[0].Allow = prefixes("127.0.0.0/24")
	w.policy.Static[0].Deny = prefixes("127.0.0.77/32")
	w.apply()
	for ip, in := range map[string]bool{"127.0.0.1": true, "127.0.0.77": false, "127.0.1.1": false} {
		from := &net.TCPAddr{IP: net.ParseIP(ip)}
		c, err := net.DialTCP("tcp4", from, net.TCPAddrFromAddrPort(at))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ask(c, nil, appHello)
		if in {
			wantEcho(t, got, err, "app", appHello)
		} else if bytes.Contains(got, appHello) {
			t.Errorf("%s got in", ip)
		}
	}
}

// Networks of a class hold for each host that it selects, for TLS and for HTTP.
func TestNetworksOfClasses(t *testing.T) {
	policy := &route.Policy{
		Sources: []route.Source{{
			Name: "home", Domains: []route.Domain{{Name: "k8s.example.com"}}, Targets: prefixes("192.168.0.0/24"),
			Wildcards: true, MaxHosts: 10, MaxHostsPerNamespace: 10,
		}},
		Classes: []route.Class{
			{Name: "friends", Source: "home", Class: "friends", Expose: true, HTTPSPort: 443, HTTPPort: 80,
				Allow: prefixes("198.51.100.0/24", "2001:db8:1::/48"), Deny: prefixes("198.51.100.66/32")},
			{Name: "all", Source: "home", Class: "all", Expose: true, HTTPSPort: 443, HTTPPort: 80},
		},
		Listeners: []route.Listener{{Name: "https"}, {Name: "http", RoutesHTTP: true}},
	}
	var claims []route.Claim
	for i, host := range []string{"a.k8s.example.com", "*.wild.k8s.example.com", "open.k8s.example.com"} {
		class := "friends"
		if host == "open.k8s.example.com" {
			class = "all"
		}
		claims = append(claims, route.Claim{
			Source: "home", Object: route.Object{Kind: "Ingress", Namespace: "apps", Name: fmt.Sprint(i)}, Host: host, Class: class,
			Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("192.168.0.%d", 3+i))},
		})
	}
	table := route.Build(policy, claims)
	if len(table.Routes) != 3 || len(table.Refused) > 0 {
		t.Fatalf("the table is %+v", table)
	}
	plan := planOf(table, true)
	for client, friend := range map[string]bool{
		"198.51.100.1": true, "198.51.100.66": false, "203.0.113.1": false, "2001:db8:1::1": true, "2001:db8:2::1": false,
	} {
		for _, host := range []string{"a.k8s.example.com", "x.wild.k8s.example.com", "open.k8s.example.com"} {
			in := friend || host == "open.k8s.example.com"
			address := netip.MustParseAddr(client)
			for what, d := range map[string]decision{
				"TLS": decide(table, &Listener{Name: "https"}, &sni.ClientHello{Name: []byte(host)}, address),
				"HTTP": decideRequest(plan, &Listener{Name: "http", HTTP: true, HTTPRoute: true},
					&requestHead{host: []byte(host), target: []byte("/")}, address),
			} {
				if got := d.backend != route.NoBackend; got != in || !in && d.refused != rejectDenied {
					t.Errorf("%s for %s from %s: in is %v (%s)", what, host, client, got, reasonNames[d.refused])
				}
			}
		}
	}
}
