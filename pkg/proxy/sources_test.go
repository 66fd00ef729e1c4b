package proxy

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
)

func TestSourcesCountByPrefix(t *testing.T) {
	s := newSources()
	limits := sourceLimits{connections: 2}
	enter := func(addr string) (sourceRef, reason) { return s.enter(netip.MustParseAddr(addr), 0, limits) }
	for _, test := range []struct {
		addr string
		want reason
	}{
		{"192.0.2.1", accepted}, {"192.0.2.1", accepted}, {"192.0.2.1", rejectSource}, {"192.0.2.2", accepted},
		{"2001:db8:1:1::1", accepted}, {"2001:db8:1:1::2", accepted}, {"2001:db8:1:1::3", rejectSource}, // one /64
		{"2001:db8:1:2::1", accepted}, {"2001:db8:1:2::2", accepted},
		{"2001:db8:1:3::1", accepted}, {"2001:db8:1:3::1", accepted},
		{"2001:db8:1:4::1", accepted}, {"2001:db8:1:4::1", accepted},
		{"2001:db8:1:5::1", rejectSource}, // four times as many for the /48
		{"2001:db8:2:5::1", accepted},
	} {
		if _, got := enter(test.addr); got != test.want {
			t.Errorf("%s: got %q, want %q", test.addr, reasonNames[got], reasonNames[test.want])
		}
	}
}

func TestSourcesRate(t *testing.T) {
	s := newSources()
	addr := netip.MustParseAddr("192.0.2.1")
	now := uint32(1<<32 - 5000) // the clock wraps within the test
	enter := func() bool {
		ref, refused := s.enter(addr, now, sourceLimits{rate: 20})
		s.leave(ref)
		return refused == accepted
	}
	for i := range 200 {
		if !enter() {
			t.Fatalf("connection %d of a burst of 200 was refused", i)
		}
	}
	if enter() {
		t.Fatal("more than the burst got in")
	}
	for range 300 { // 15 seconds at 20 a second
		now += 50
		if !enter() {
			t.Fatal("a connection at the rate was refused")
		}
		if enter() {
			t.Fatal("more than the rate got in")
		}
	}
}

// Whatever comes, counts return to zero, and the table holds its bounds.
func TestSourcesBalance(t *testing.T) {
	s := newSources()
	var loops sync.WaitGroup
	for loop := range uint64(4) {
		loops.Go(func() {
			random := rand.New(rand.NewPCG(loop, 7))
			var held []sourceRef
			for now := range uint32(50_000) {
				addr := netip.AddrFrom4([4]byte{10, byte(random.IntN(4)), byte(random.IntN(256)), byte(random.IntN(256))})
				if random.IntN(3) == 0 {
					addr = netip.AddrFrom16([16]byte{0x20, 1, 5: byte(random.IntN(4)), 6: byte(random.IntN(256)), 7: byte(random.IntN(256))})
				}
				ref, refused := s.enter(addr, now, sourceLimits{connections: 100, rate: 1000})
				if refused == accepted {
					held = append(held, ref)
				}
				for len(held) > 10_000 || len(held) > 0 && random.IntN(3) == 0 {
					i := random.IntN(len(held))
					s.leave(held[i])
					held[i] = held[len(held)-1]
					held = held[:len(held)-1]
				}
			}
			for _, ref := range held {
				s.leave(ref)
			}
		})
	}
	loops.Wait()
	for set := range s.slots {
		for way := range s.slots[set] {
			if n := s.slots[set][way].active.Load(); n != 0 {
				t.Fatalf("slot %d/%d still counts %d connections", set, way, n)
			}
		}
	}
}

func BenchmarkSources(b *testing.B) {
	s := newSources()
	addr := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for i := range uint32(b.N) {
		ref, _ := s.enter(addr, i, sourceLimits{connections: 256, rate: 1 << 14})
		s.leave(ref)
	}
}
