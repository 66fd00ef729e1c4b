package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
)

func claimOf(host string) route.Claim {
	return route.Claim{
		Source: "m", Object: route.Object{Kind: "Ingress", Namespace: "default", Name: host}, Host: host,
		Addresses: []netip.Addr{netip.MustParseAddr("192.168.77.3")},
	}
}

func sourcePolicy(names ...string) route.Policy {
	var p route.Policy
	for _, name := range names {
		p.Sources = append(p.Sources, route.Source{Name: name, Domains: []route.Domain{{Name: "example.com"}}})
	}
	return p
}

func hostsOf(t *route.Table) string {
	var hosts []string
	for _, r := range t.Routes {
		hosts = append(hosts, r.Host)
	}
	return strings.Join(hosts, " ")
}

// TestKeeper: a burst of changes ends with the newest in the table, and each table is adopted before it is stored.
func TestKeeper(t *testing.T) {
	tables := new(route.Holder)
	var adopted []*route.Table
	k := newKeeper(tables, func(table *route.Table) { adopted = append(adopted, table) }, slog.New(slog.DiscardHandler))
	changed, cancel := tables.Subscribe()
	defer cancel()
	<-changed
	k.setPolicy(sourcePolicy("m"))
	ending := start(context.Background(), k.run)
	const burst = 500
	for i := range burst {
		k.setClaims("m", []route.Claim{claimOf(fmt.Sprintf("a%d.example.com", i))})
	}
	want := fmt.Sprintf("a%d.example.com", burst-1)
	for hostsOf(tables.Load()) != want {
		<-changed
	}
	ending.stop()
	if len(adopted) == 0 || adopted[len(adopted)-1] != tables.Load() {
		t.Error("the newest table was not adopted")
	}
	if len(adopted) > burst/2 {
		t.Errorf("%d tables were made of %d changes in a burst", len(adopted), burst)
	}
}

// TestKeeperSources: claims of a source that left the configuration are gone, and do not come back with its name.
func TestKeeperSources(t *testing.T) {
	tables := new(route.Holder)
	k := newKeeper(tables, func(*route.Table) {}, slog.New(slog.DiscardHandler))
	step := func(want string) {
		t.Helper()
		k.build()
		if got := hostsOf(tables.Load()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	k.setClaims("m", []route.Claim{claimOf("a.example.com")})
	step("")
	k.setPolicy(sourcePolicy("m"))
	k.setClaims("m", []route.Claim{claimOf("a.example.com")})
	step("a.example.com")
	k.setRouter(route.Router{Addresses: []netip.Addr{netip.MustParseAddr("192.168.77.3")}})
	step("") // the address is the router's own now
	k.setRouter(route.Router{})
	step("a.example.com")
	k.setPolicy(sourcePolicy("n"))
	step("")
	k.setPolicy(sourcePolicy("m", "n"))
	step("")
}

// TestKeeperAPIServers: no name leads to an API server, wherever that became known.
func TestKeeperAPIServers(t *testing.T) {
	tables := new(route.Holder)
	k := newKeeper(tables, func(*route.Table) {}, slog.New(slog.DiscardHandler))
	policy := sourcePolicy("m", "n")
	policy.Router.APINames = []string{"configured.example.com"}
	k.setPolicy(policy)
	k.setClaims("m", []route.Claim{
		claimOf("a.example.com"), claimOf("configured.example.com"), claimOf("api.example.com"),
	})
	step := func(want string) {
		t.Helper()
		k.build()
		if got := hostsOf(tables.Load()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	step("a.example.com api.example.com")
	k.setAPIServers("n", apiServers{names: []string{"api.example.com"}})
	step("a.example.com")
	at := netip.MustParseAddrPort("192.168.77.3:443")
	k.setAPIServers("n", apiServers{addresses: []netip.AddrPort{at}, names: []string{"api.example.com"}})
	step("")
	k.setPolicy(sourcePolicy("m"))
	step("a.example.com api.example.com configured.example.com")
	k.setPolicy(sourcePolicy("m", "n"))
	step("a.example.com api.example.com configured.example.com")
}

// TestKeeperPanic: a mistake in the program costs one table, not the daemon.
func TestKeeperPanic(t *testing.T) {
	tables := new(route.Holder)
	broken := true
	var log strings.Builder
	k := newKeeper(tables, func(*route.Table) {
		if broken {
			panic("out of order")
		}
	}, slog.New(slog.NewTextHandler(&log, nil)))
	k.setPolicy(sourcePolicy("m"))
	k.setClaims("m", []route.Claim{claimOf("a.example.com")})
	before := tables.Load()
	k.build()
	if hostsOf(tables.Load()) != hostsOf(before) || !strings.Contains(log.String(), "out of order") {
		t.Errorf("got %q; log: %s", hostsOf(tables.Load()), &log)
	}
	broken = false
	k.build()
	if got := hostsOf(tables.Load()); got != "a.example.com" {
		t.Errorf("afterwards: got %q", got)
	}
}
