package epoll

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The wheel against the obvious: a map of deadlines. Nothing fires early, everything fires within a tick, once, and what
// was cleared or set again does not fire for its old deadline.
func TestWheelAgainstMap(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var w wheel
		w.init()
		now := uint32(0)
		if seed%2 == 1 { // around the wrap of the clock
			now = -uint32(random.IntN(300_000))
			w.tick = now >> tickShift
		}
		want := make(map[uint32]uint32)
		set := func(id, deadline uint32) {
			w.set(id, deadline, now)
			want[id] = deadline
		}
		for range 2000 {
			for range random.IntN(4) {
				id := random.Uint32N(50)
				switch random.IntN(5) {
				case 0:
					w.clear(id)
					delete(want, id)
				case 1:
					set(id, now+random.Uint32N(2_000_000))
				default:
					set(id, now+random.Uint32N(5_000))
				}
			}
			if wait := w.timeout(now); wait >= 0 && random.IntN(2) == 0 {
				now += uint32(wait)
			} else {
				now += random.Uint32N(700)
			}
			w.advance(now, func(id uint32) {
				deadline, ok := want[id]
				if !ok {
					t.Fatalf("seed %d: timer %d fired, which is not set", seed, id)
				}
				if int32(now-deadline) < 0 {
					t.Fatalf("seed %d: timer %d fired %d ms early", seed, id, int32(deadline-now))
				}
				delete(want, id)
				if random.IntN(4) == 0 { // a callback sets and clears timers
					set(random.Uint32N(50), now+random.Uint32N(200))
					other := random.Uint32N(50)
					w.clear(other)
					delete(want, other)
				}
			})
			for id, deadline := range want {
				if int32(now-deadline) >= 1<<tickShift {
					t.Fatalf("seed %d: timer %d is %d ms late", seed, id, int32(now-deadline))
				}
			}
			if w.armed != len(want) {
				t.Fatalf("seed %d: %d timers armed, want %d", seed, w.armed, len(want))
			}
			if wait := w.timeout(now); len(want) == 0 != (wait < 0) {
				t.Fatalf("seed %d: timeout %d with %d timers", seed, wait, len(want))
			} else if len(want) > 0 {
				first := slices.MinFunc(values(want), func(a, b uint32) int { return int(int32(a - b)) })
				if int32(now+uint32(wait)-first) >= 2<<tickShift {
					t.Fatalf("seed %d: would sleep %d ms, %d ms past a deadline", seed, wait, int32(now+uint32(wait)-first))
				}
			}
		}
	}
}

// A loop without timers to which nothing happens does not turn its wheel, for weeks perhaps.
func TestWheelAfterRest(t *testing.T) {
	const day = 24 * 60 * 60 * 1000
	for rested := uint32(day); rested < 49*day; rested += day {
		var w wheel
		w.init()
		now, fired := rested, false
		deadline := now + 5000
		w.set(1, deadline, now)
		for !fired {
			w.advance(now, func(uint32) { fired = true })
			if !fired {
				now += uint32(w.timeout(now))
			}
		}
		if late := int32(now - deadline); late < 0 || late > 1<<tickShift {
			t.Errorf("after %d days a timer is %d ms late", rested/day, late)
		}
	}
}

func values(m map[uint32]uint32) []uint32 {
	var all []uint32
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func BenchmarkWheel(b *testing.B) {
	var w wheel
	w.init()
	b.ReportAllocs()
	for i := range uint32(b.N) {
		w.set(i%1000, i/16+5000, i/16)
		w.advance(i/16, func(uint32) {})
	}
}
