package proxy

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// A connection of ours comes back as one that was just made, from its own port, for the same name; all else is a client.
func TestMadeBy(t *testing.T) {
	world := &fakeWorld{} // every socket is at 192.0.2.9:443
	router := netip.MustParseAddrPort("192.0.2.9:443")
	l := &loop{
		timers: world, sockets: world,
		shared: &shared{local: func(a netip.Addr) bool { return a == router.Addr() || a.IsLoopback() }},
		routes: []*[chunk]*route.Route{new([chunk]*route.Route)},
		names:  make(map[uint32]string),
	}
	own, client := l.conns.take(), l.conns.take()
	own.server, own.state = 1, stateConnecting
	l.names[own.index] = "app.example.com"
	for _, c := range []struct {
		from   netip.AddrPort
		name   string
		passed time.Duration
		want   *conn
	}{
		{router, "app.example.com", 0, own},
		{router, "app.example.com", 3 * time.Second, nil},
		{router, "other.example.com", 0, nil},
		{netip.AddrPortFrom(router.Addr(), 444), "app.example.com", 0, nil},
		{netip.MustParseAddrPort("127.0.0.1:443"), "app.example.com", 0, nil},
		{netip.MustParseAddrPort("203.0.113.9:443"), "app.example.com", 0, nil},
	} {
		world.now = uint32(c.passed.Milliseconds())
		client.setClient(c.from)
		if got := l.madeBy(client, []byte(c.name)); got != c.want {
			t.Errorf("%s for %s after %v: found %v", c.from, c.name, c.passed, got != nil)
		}
	}
}
