package backend

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
)

func TestLeastConnections(t *testing.T) {
	list := servers(1, 1, 2, 1)
	list[3].Backup = true
	pool := New(route.Backend{Servers: list, Options: route.BackendOptions{Balance: route.LeastConn}})
	pick := func(tried Tried) int {
		t.Helper()
		server, ok := pool.Pick(netip.Addr{}, 0, tried)
		if !ok {
			t.Fatal("nobody picked")
		}
		return server
	}
	for range 400 {
		pool.Opened(pick(0))
	}
	for server, want := range []int{100, 100, 200, 0} {
		if got := pool.Active(server); got != want {
			t.Errorf("server %d has %d of 400 connections, want %d", server, got, want)
		}
	}
	for range 10 {
		pool.Closed(1)
	}
	for range 10 {
		if got := pick(0); got != 1 {
			t.Fatalf("picked %d, want 1, which has fewer than its share", got)
		}
		pool.Opened(1)
	}
	if got := pick(Tried(0).With(0).With(1).With(2)); got != 3 {
		t.Errorf("picked %d, want the backup server", got)
	}
}

// Connections that end at once are spread by weight too.
func TestLeastConnectionsTakesTurns(t *testing.T) {
	pool := New(route.Backend{Servers: servers(1, 3), Options: route.BackendOptions{Balance: route.LeastConn}})
	var picked [2]int
	for range 400 {
		server, _ := pool.Pick(netip.Addr{}, 0, 0)
		picked[server]++
	}
	if picked != [2]int{100, 300} {
		t.Errorf("picked %v times, want 100 and 300", picked)
	}
}

// Whatever the balance: a server is picked that is up and was not tried, a backup server only where no other is, and
// nobody only where there is none.
func TestPickProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		list := servers(make([]uint16, random.IntN(6))...)
		for i := range list {
			list[i].Weight, list[i].Backup = uint16(random.IntN(4)), random.IntN(3) == 0
		}
		pool := New(route.Backend{Servers: list, Options: route.BackendOptions{Balance: route.Balance(random.IntN(3))}})
		var tried Tried
		usable, primary := 0, 0
		for i := range list {
			down := random.IntN(3) == 0
			if down {
				takeDown(pool, i)
			}
			if random.IntN(3) == 0 {
				tried = tried.With(i)
			} else if !down {
				usable++
				if !list[i].Backup {
					primary++
				}
			}
		}
		server, ok := pool.Pick(randomClient(random), 0, tried)
		if ok != (usable > 0) {
			t.Fatalf("%+v: picked one is %v of %d", list, ok, usable)
		}
		if ok && (tried.Has(server) || !pool.Up(server) || list[server].Backup && primary > 0) {
			t.Fatalf("%+v, tried %b: picked %d", list, tried, server)
		}
	}
}

func randomClient(random *rand.Rand) netip.Addr {
	if random.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{byte(random.Uint32()), byte(random.Uint32()), 2, byte(random.Uint32())})
	}
	var b [16]byte
	copy(b[:], "\x20\x01\x0d\xb8")
	for i := 4; i < 16; i++ {
		b[i] = byte(random.Uint32())
	}
	return netip.AddrFrom16(b)
}

func BenchmarkPick(b *testing.B) {
	for _, balance := range []struct {
		name string
		of   route.Balance
	}{{"roundrobin", route.RoundRobin}, {"leastconn", route.LeastConn}, {"source", route.SourceHash}} {
		for _, weights := range [][]uint16{{1, 1, 1}, {1, 2, 3}} {
			name := balance.name + "/equal"
			if weights[1] > 1 {
				name = balance.name + "/weighted"
			}
			b.Run(name, func(b *testing.B) {
				pool := New(route.Backend{Servers: servers(weights...), Options: route.BackendOptions{Balance: balance.of}})
				client := netip.MustParseAddr("203.0.113.7")
				b.ReportAllocs()
				for b.Loop() {
					pool.Pick(client, 0, 0)
				}
			})
		}
	}
}
