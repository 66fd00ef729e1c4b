package backend

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
)

func servers(weights ...uint16) []route.Server {
	list := make([]route.Server, len(weights))
	for i, w := range weights {
		list[i] = route.Server{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 443), Weight: w}
	}
	return list
}

// takeDown has a server be down, as a check of it would.
func takeDown(p *Pool, server int) {
	p.checks[server] = &check{}
	p.checks[server].down.Store(true)
}

func TestPickTakesTurnsByWeight(t *testing.T) {
	for _, test := range []struct {
		weights []uint16
		want    string
	}{
		{[]uint16{1}, "aaaa"},
		{[]uint16{1, 1}, "abab"},
		{[]uint16{7, 7, 7}, "abcabc"},
		{[]uint16{5, 1, 1}, "aabacaaaabacaa"}, // nginx's own example
		{[]uint16{0, 2}, "babbab"},            // a weight of zero counts as one
	} {
		pool := New(route.Backend{Servers: servers(test.weights...)})
		got := ""
		for range test.want {
			server, ok := pool.Pick(netip.Addr{}, 0, 0)
			if !ok {
				t.Fatalf("weights %v: nobody picked", test.weights)
			}
			got += string(rune('a' + server))
		}
		if got != test.want {
			t.Errorf("weights %v: got %s, want %s", test.weights, got, test.want)
		}
	}
}

func TestPickTriesEachServerOnce(t *testing.T) {
	list := servers(1, 1, 1, 1)
	list[1].Backup = true
	pool := New(route.Backend{Servers: list})
	takeDown(pool, 2)
	for range 10 {
		var tried Tried
		var order []int
		for {
			server, ok := pool.Pick(netip.Addr{}, 0, tried)
			if !ok {
				break
			}
			if tried.Has(server) {
				t.Fatalf("server %d picked twice", server)
			}
			tried = tried.With(server)
			order = append(order, server)
		}
		if len(order) != 3 || order[2] != 1 || tried.Has(2) {
			t.Fatalf("picked %v, want 0 and 3 in either order, then the backup 1, never 2, which is down", order)
		}
	}
}

func TestPickWithoutServers(t *testing.T) {
	if _, ok := New(route.Backend{}).Pick(netip.Addr{}, 0, 0); ok {
		t.Fatal("a pool without servers picked one")
	}
	full := New(route.Backend{Servers: servers(make([]uint16, MaxServers+3)...)})
	for range 3 * MaxServers {
		if server, ok := full.Pick(netip.Addr{}, 0, 0); !ok || server >= MaxServers {
			t.Fatalf("picked %d, %v", server, ok)
		}
	}
}

var errTest = errors.New("of the test")
