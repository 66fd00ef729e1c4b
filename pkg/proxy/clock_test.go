package proxy

import "time"

// A handClock stands in for the clock of a world's one loop, where a test is to act before a time is over however slow the
// machine is: it passes as the test says.
type handClock struct {
	world *world
	now   time.Duration            // of the loop's goroutine, as is due
	due   map[uint32]time.Duration // by timer
}

// handClock has time stand still from now on. It is to be called before there are connections.
func (w *world) handClock() *handClock {
	h := &handClock{world: w, due: make(map[uint32]time.Duration)}
	h.onLoop(func(l *loop) { l.timers = h })
	return h
}

func (h *handClock) onLoop(f func(l *loop)) {
	p := h.world.proxy
	if len(p.loops) != 1 {
		h.world.t.Fatalf("one clock for %d loops", len(p.loops))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onLoops(func(_ int, l *loop) { f(l) })
}

// pass lets time pass: what is due runs out, one after the other.
func (h *handClock) pass(d time.Duration) {
	h.onLoop(func(l *loop) {
		end := h.now + d
		for {
			next, at, any := uint32(0), end, false
			for id, due := range h.due {
				if due <= at {
					next, at, any = id, due, true
				}
			}
			if !any {
				break
			}
			delete(h.due, next)
			h.now = max(h.now, at)
			l.Expired(next)
		}
		h.now = end
	})
}

// Now is part of timers, as are the others.
func (h *handClock) Now() uint32 { return uint32(h.now / time.Millisecond) }

func (h *handClock) Elapsed() time.Duration { return h.now }

func (h *handClock) SetTimer(id uint32, delay time.Duration) { h.due[id] = h.now + delay }

func (h *handClock) ClearTimer(id uint32) { delete(h.due, id) }
