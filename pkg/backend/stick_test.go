package backend

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

func stickOptions(stick route.Stick, size int, expire time.Duration) route.BackendOptions {
	return route.BackendOptions{Stick: stick, StickSize: size, StickExpire: expire}
}

// A stickModel is a stickTable in the plainest way: a list, the newest last.
type stickModel struct {
	size    int
	expire  time.Duration
	entries []modelEntry
}

type modelEntry struct {
	key    Key
	server uint32
	seen   time.Time
}

func (m *stickModel) find(key Key) (uint32, bool) {
	for _, e := range m.entries {
		if e.key == key && time.Since(e.seen) < m.expire {
			return e.server, true
		}
	}
	return 0, false
}

func (m *stickModel) remember(key Key, server uint32) {
	for i, e := range m.entries {
		if e.key == key {
			m.entries = append(m.entries[:i], m.entries[i+1:]...)
			break
		}
	}
	m.entries = append(m.entries, modelEntry{key, server, time.Now()})
	m.trim()
}

func (m *stickModel) trim() { m.entries = m.entries[max(len(m.entries)-m.size, 0):] }

func TestStickTableAgainstModel(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			most := []int{8, 3 * stickChunk}[seed%2]
			collide := 8 * random.IntN(2) // keys that differ in higher bits alone share a chain
			model := stickModel{size: 1 + random.IntN(most), expire: time.Duration(1+random.IntN(60)) * time.Second}
			table := newStickTable(model.size, model.expire)
			for range 2000 {
				key := Key(1+random.IntN(most+most/2)) << collide
				switch random.IntN(40 * most / 8) {
				case 0:
					model.size = 1 + random.IntN(most)
					table.resize(model.size, model.expire)
					model.trim()
				case 1, 2, 3:
					time.Sleep(time.Duration(random.IntN(20)) * time.Second)
				}
				if random.IntN(2) == 0 {
					server := random.Uint32N(3)
					table.remember(key, server)
					model.remember(key, server)
				}
				got, ok := table.find(key)
				want, wantOK := model.find(key)
				if ok != wantOK || got != want {
					t.Fatalf("seed %d, key %d: got %d %v, want %d %v", seed, key, got, ok, want, wantOK)
				}
				if n, _ := table.len(); n > model.size || len(table.entries) > most/stickChunk+1 {
					t.Fatalf("seed %d: %d entries in %d chunks for %d", seed, n, len(table.entries), model.size)
				}
			}
		})
	}
}

// Clients that return come to the server that they had, whatever the balance says, until they were away for too long.
func TestStickBySource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set Set
		b := route.Backend{Name: "a", Servers: servers(1, 1, 1), Options: stickOptions(route.StickSource, 100, time.Minute)}
		pool := set.Update([]route.Backend{b}, nil)[0]
		clients := map[netip.Addr]int{}
		visit := func(client netip.Addr) int {
			key := pool.Key(client, []byte("any session"))
			server, ok := pool.Pick(client, key, 0)
			if !ok {
				t.Fatal("nobody picked")
			}
			pool.Connected(server, key)
			return server
		}
		next := netip.MustParseAddr("192.0.2.1")
		for range 10 {
			clients[next] = visit(next)
			next = next.Next()
		}
		for range 3 {
			time.Sleep(40 * time.Second)
			for client, want := range clients {
				if got := visit(client); got != want {
					t.Fatalf("%s came to %d, was at %d", client, got, want)
				}
			}
		}
		time.Sleep(time.Minute)
		for client := range clients {
			if _, ok := pool.remembered(pool.Key(client, nil)); ok {
				t.Errorf("%s is remembered after a minute", client)
			}
		}
	})
}

func TestStickBySession(t *testing.T) {
	var set Set
	b := route.Backend{Name: "a", Servers: servers(1, 1), Options: stickOptions(route.StickSessionID, 100, time.Minute)}
	pool := set.Update([]route.Backend{b}, nil)[0]
	client := netip.MustParseAddr("192.0.2.1")
	if pool.Key(client, nil) != 0 {
		t.Error("a client without a session has a key")
	}
	pool.Remember(0, 1)
	pool.Remember(pool.Key(client, []byte("of the server's hello")), 1)
	for range 3 {
		if server, _ := pool.Pick(client, pool.Key(client, []byte("of the server's hello")), 0); server != 1 {
			t.Errorf("the session is not remembered: came to %d", server)
		}
	}
	picked := map[int]bool{}
	for range 2 {
		server, _ := pool.Pick(client, pool.Key(client, []byte("unknown")), 0)
		picked[server] = true
	}
	if len(picked) != 2 {
		t.Error("an unknown session does not take turns")
	}
}

// A client whose server is down, or just refused it, goes elsewhere and returns there from then on.
func TestStickMoves(t *testing.T) {
	var set Set
	list := servers(1, 1, 1)
	list[2].Backup = true
	b := route.Backend{Name: "a", Servers: list, Options: stickOptions(route.StickSource, 100, time.Minute)}
	pool := set.Update([]route.Backend{b}, nil)[0]
	client := netip.MustParseAddr("192.0.2.1")
	key := pool.Key(client, nil)
	pool.Connected(0, key)
	if server, _ := pool.Pick(client, key, Tried(0).With(0)); server != 1 {
		t.Fatalf("after a refusal: came to %d, want 1", server)
	}
	takeDown(pool, 0)
	takeDown(pool, 1)
	server, ok := pool.Pick(client, key, 0)
	if !ok || server != 2 {
		t.Fatalf("came to %d, %v, want the backup server", server, ok)
	}
	pool.Connected(server, key)
	pool.checks[0], pool.checks[1] = nil, nil
	if server, _ := pool.Pick(client, key, 0); server != 2 {
		t.Errorf("came to %d, want to return to the backup server", server)
	}
}

// What is remembered outlives every change but that of what clients are remembered by.
func TestStickSurvivesReload(t *testing.T) {
	var set Set
	b := route.Backend{Name: "a", Servers: servers(1, 1, 1), Options: stickOptions(route.StickSource, 100, time.Minute)}
	client := netip.MustParseAddr("192.0.2.1")
	update := func() (server int, ok bool) {
		pool := set.Update([]route.Backend{b}, nil)[0]
		return pool.remembered(pool.Key(client, nil))
	}
	update()
	pool := set.pools["a"]
	pool.Connected(2, pool.Key(client, nil))
	b.Options.IdleTimeout = time.Hour
	b.Options.StickSize = 1
	if server, ok := update(); !ok || server != 2 {
		t.Errorf("after other options: %d, %v", server, ok)
	}
	b.Servers = b.Servers[1:]
	if server, ok := update(); !ok || server != 1 {
		t.Errorf("after a server went that was not the client's: %d, %v", server, ok)
	}
	b.Servers = b.Servers[:1]
	if server, ok := update(); ok {
		t.Errorf("the client's server is gone, but it goes to %d", server)
	}
	b.Options.Stick = route.StickSessionID
	b.Servers = servers(1, 1, 1)
	if _, ok := update(); ok {
		t.Error("clients are remembered by something else now, but still known")
	}
	if pool.Remember(pool.Key(client, nil), 0); pool.sticks == set.sticks["a"] {
		t.Error("a pool of before writes into the new table")
	}
}

// Two loops share one table.
func TestStickShared(t *testing.T) {
	var set Set
	b := route.Backend{Name: "a", Servers: servers(1, 1), Options: stickOptions(route.StickSessionID, 50, time.Minute)}
	pool := set.Update([]route.Backend{b}, nil)[0]
	var loops sync.WaitGroup
	for loop := range 4 {
		loops.Go(func() {
			for i := range 5000 {
				key := pool.Key(netip.Addr{}, fmt.Append(nil, (i+loop*17)%100))
				server, _ := pool.Pick(netip.Addr{}, key, 0)
				pool.Connected(server, key)
			}
		})
	}
	for i := range 100 {
		b.Options.StickSize = 10 + i
		set.Update([]route.Backend{b}, nil)
	}
	loops.Wait()
	if n, limit := set.pools["a"].Remembered(); n == 0 || n > limit || limit != 109 {
		t.Errorf("%d clients of %d are remembered", n, limit)
	}
}

func TestKeyOf(t *testing.T) {
	one, other := maphash.MakeSeed(), maphash.MakeSeed()
	if keyOf(one, []byte("session")) == keyOf(other, []byte("session")) {
		t.Error("the key can be foretold")
	}
	if first, again := keyOf(one, []byte("session")), keyOf(one, []byte("session")); first != again || first == 0 {
		t.Errorf("one session has the keys %d and %d", first, again)
	}
	if keyOf(one, nil) != 0 {
		t.Error("nothing has a key")
	}
}

func BenchmarkStick(b *testing.B) {
	table := newStickTable(30720, 30*time.Minute)
	key := Key(0)
	b.ReportAllocs()
	for b.Loop() {
		key++
		table.find(key)
		table.remember(key, 1)
	}
}
