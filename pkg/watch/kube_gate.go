package watch

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A pace says how long to wait after a request that failed: doubled each time, and of each a random half to whole is
// waited, so that routers and kinds do not ask in step.
type pace struct {
	first, last time.Duration
	refused     time.Duration // the most after a refusal, which a person has to mend and then looks at the clock
}

func usualPace() pace {
	return pace{first: 500 * time.Millisecond, last: 20 * time.Second, refused: 15 * time.Second}
}

// shortWatch: a watch that ended sooner counts as failed, or a server that drops each at once would be hammered.
const shortWatch = 5 * time.Second

// A gate spaces the requests of one kind. All times are monotonic.
type gate struct {
	pace pace

	mu     sync.Mutex
	delay  time.Duration // of the last failure; 0: the last request went well
	next   time.Time
	kicked chan struct{} // closed by kick
}

// wait returns when the next request may be made, or with ctx's error.
func (g *gate) wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		if g.kicked == nil {
			g.kicked = make(chan struct{})
		}
		wait, kicked := time.Until(g.next), g.kicked
		g.mu.Unlock()
		if wait <= 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-kicked:
		}
		timer.Stop()
	}
}

// failed makes the next request wait, longer each time.
func (g *gate) failed(refused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay = min(max(2*g.delay, g.pace.first), g.pace.last)
	wait := g.delay
	if refused {
		wait = min(wait, g.pace.refused)
	}
	g.next = time.Now().Add(wait/2 + rand.N(wait/2+1))
}

// went notes that a request went well.
func (g *gate) went() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay, g.next = 0, time.Time{}
}

// kick lets the next request pass at once: something changed that may mend what failed.
func (g *gate) kick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay, g.next = 0, time.Time{}
	if g.kicked != nil {
		close(g.kicked)
		g.kicked = nil
	}
}
