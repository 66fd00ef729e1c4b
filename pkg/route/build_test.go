package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// home is a policy that resembles a real one: one cluster with an exposed class, and a nas as the default.
func home() *Policy {
	return &Policy{
		Sources: []Source{{
			Name:    "home",
			Domains: []Domain{{Name: "k8s.example.com"}},
			Targets: []netip.Prefix{netip.MustParsePrefix("192.168.0.0/24"), netip.MustParsePrefix("fd00::/64")},
		}},
		Classes: []Class{
			{Name: "external", Source: "home", Class: "ext", Expose: true, Options: BackendOptions{Check: CheckTCP}},
			{Name: "internal", Source: "home", Class: "int"},
		},
		Backends: []Backend{
			{Name: "nas", Servers: servers("192.168.0.2:443"), HTTPPort: 80},
			{Name: "old", Servers: servers("192.168.0.9:443"), HTTPPort: 80},
		},
		Listeners: []Listener{{Name: "https", Default: "nas"}, {Name: "other"}},
		Router: Router{
			Addresses:  addresses("192.168.0.1", "203.0.113.7", "fd00::1"),
			Domain:     "lan",
			Names:      []string{"OpenWrt.lan", "Router.example.com", "router.k8s.example.com"},
			APIServers: []netip.AddrPort{netip.MustParseAddrPort("192.168.0.10:6443")},
			APINames:   []string{"api.k8s.example.com"},
		},
	}
}

// claim makes a claim of source home from "KIND NS/NAME" for a host at an address, as old as its place in a test says.
func claim(object, host string, at ...string) Claim {
	kind, rest, _ := strings.Cut(object, " ")
	namespace, name, _ := strings.Cut(rest, "/")
	return Claim{
		Source:    "home",
		Object:    Object{kind, namespace, name},
		Host:      host,
		Class:     "ext",
		Addresses: addresses(at...),
	}
}

// aged gives claims their ages: the first is the oldest.
func aged(claims ...Claim) []Claim {
	for i := range claims {
		claims[i].Created = time.Unix(1_700_000_000+int64(i), 0)
	}
	return claims
}

func (c Claim) class(class string) Claim { c.Class = class; return c }
func (c Claim) source(name string) Claim { c.Source = name; return c }
func (c Claim) with(change func(*Claim)) Claim {
	change(&c)
	return c
}

func addresses(list ...string) []netip.Addr {
	var parsed []netip.Addr
	for _, s := range list {
		parsed = append(parsed, netip.MustParseAddr(s))
	}
	return parsed
}

func servers(list ...string) []Server {
	var parsed []Server
	for _, s := range list {
		parsed = append(parsed, Server{Address: netip.MustParseAddrPort(s), Weight: 1})
	}
	return parsed
}

// show prints a table as the lines that tests compare: one a route, then one a refusal.
func show(t *Table) []string {
	var lines []string
	for i := range t.Routes {
		r := &t.Routes[i]
		line := r.Host
		if r.ALPN != "" {
			line += " alpn=" + r.ALPN
		}
		if r.Exposed {
			line += " -> " + t.Backends[r.Backend].Name
		} else {
			line += " internal"
		}
		line += fmt.Sprintf(" dns=%v by %s", r.DNS, r.Object)
		if len(r.Merged) > 0 {
			line += " with " + strings.Join(r.Merged, ", ")
		}
		if len(r.Warnings) > 0 {
			line += " " + strings.Join(r.Warnings, ", ")
		}
		lines = append(lines, line)
	}
	for _, r := range t.Refused {
		lines = append(lines, fmt.Sprintf("%s of %s: %s", r.Host, r.Object, r.Reason))
	}
	for _, r := range t.Ignored {
		lines = append(lines, fmt.Sprintf("%s of %s: ignored", r.Host, r.Object))
	}
	return lines
}

// A policyTest is a whole table.
type policyTest struct {
	name   string
	policy func(*Policy) // what differs from home
	claims []Claim
	want   []string
}

func expect(t *testing.T, table *Table, want ...string) {
	t.Helper()
	if got := show(table); !slices.Equal(got, want) {
		t.Errorf("the table is\n\t%s\nand should be\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestPolicy(t *testing.T) {
	for _, test := range slices.Concat(claimTests, ownershipTests) {
		t.Run(test.name, func(t *testing.T) {
			p := home()
			if test.policy != nil {
				test.policy(p)
			}
			expect(t, Build(p, test.claims), test.want...)
			slices.Reverse(test.claims)
			expect(t, Build(p, test.claims), test.want...)
		})
	}
}
