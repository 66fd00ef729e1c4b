package dnsmasq

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sniroute/sniroute/pkg/route"
)

func TestRunFollowsTheHolder(t *testing.T) {
	s := newServer(t)
	makeFiles(t, s)
	s.start(t)
	p := newPublisher(t, s.options())
	ctx, cancel := context.WithCancel(t.Context())
	var tables route.Holder
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Run(ctx, &tables); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the first table is published", func() bool { return !p.State().Published.IsZero() })
	tables.Store(route.Build(staticRoute("nas.example.com", "192.168.0.2"), nil))
	eventually(t, "the next table is published", func() bool { return p.State().Records == 1 })
	eventually(t, "the name is known", func() bool {
		return slices.Equal(s.ask(t, "nas.example.com", dnsmessage.TypeA), []string{"192.168.0.2"})
	})
	cancel()
	running.Wait()
	expectFile(t, s.hosts, header+"192.168.0.2 nas.example.com\n")
}

// staticRoute is the policy of a configuration with a route that LAN DNS alone has.
func staticRoute(host, address string) *route.Policy {
	dns := []netip.Addr{netip.MustParseAddr(address)}
	return &route.Policy{Static: []route.Static{{Name: "nas", Hosts: []string{host}, DNS: dns}}}
}
