package backend

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/route"
)

// A check is what is known of a server that is asked whether it is up. Pools that ask the same question share one.
type check struct {
	question question
	wake     chan<- struct{} // tells the checker that a client's connect changed the state

	down    atomic.Bool
	refused atomic.Uint32 // connects for clients that failed, since the last one that did not

	mu        sync.Mutex // guards what follows, and every change of what stands above
	terms     terms
	asked     bool // at least once
	good, bad int  // answers in a row, up to enough
	reason    string
	fellAt    time.Time

	// Of the checker's goroutine.
	due       time.Time
	running   bool
	announced bool // that it is down
}

// A question is what a check asks, and whom. Two that are equal need to be asked only once.
type question struct {
	address netip.AddrPort
	kind    route.Check
	header  route.ProxyProtocol // that a TLS server expects first
}

// terms say how often a check is done and what its answers mean.
type terms struct {
	interval   time.Duration
	limit      time.Duration // for one answer
	rise, fall int
	name       string   // to ask for; empty: none
	backends   []string // whose server it is
}

// enough answers in a row are counted: check_rise and check_fall are at most that.
const enough = 100

// answered takes the result of a check; nil is the good one.
func (c *check) answered(why error) {
	if isOurs(why) {
		return // nothing was learnt
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.asked
	c.asked = true
	if why == nil {
		c.refused.Store(0)
		c.bad = 0
		c.good = min(c.good+1, enough)
		if c.down.Load() && c.good >= c.terms.rise {
			c.down.Store(false)
		}
		return
	}
	c.good = 0
	c.bad = min(c.bad+1, enough)
	if first || c.bad+int(c.refused.Load()) >= c.terms.fall {
		c.fell(why)
	}
}

// connectFailed counts a failure that a client met.
func (c *check) connectFailed(why error) {
	if isOurs(why) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bad+int(c.refused.Add(1)) < c.terms.fall || c.down.Load() {
		return
	}
	c.fell(why)
	notify(c.wake)
}

// connected ends a row of failures that clients met. It says nothing about checks that failed, which may ask for more.
func (c *check) connected() {
	if c.refused.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused.Store(0)
}

// fell takes the server down, if it is not. The newest reason is the one to show.
func (c *check) fell(why error) {
	c.reason = why.Error()
	if !c.down.Load() {
		c.good = 0
		c.fellAt = time.Now()
		c.down.Store(true)
	}
}

func (c *check) problem() string {
	if !c.down.Load() {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// join adds what one more backend wants: the server is asked as often as the most impatient one says, and changes its
// state as soon as any of them would have it.
func (t *terms) join(b route.Backend, name string) {
	o := b.Options
	if t.interval == 0 || o.CheckInterval < t.interval {
		t.interval = o.CheckInterval
	}
	if t.rise == 0 || o.CheckRise < t.rise {
		t.rise = o.CheckRise
	}
	if t.fall == 0 || o.CheckFall < t.fall {
		t.fall = o.CheckFall
	}
	t.limit = max(t.limit, o.ConnectTimeout)
	if t.name == "" {
		t.name = name
	}
	if !slices.Contains(t.backends, b.Name) {
		t.backends = append(t.backends, b.Name)
	}
}

// leastLimit is what even an impatient check leaves a server to answer in.
const leastLimit = time.Second

// settle bounds what the backends want together.
func (t *terms) settle() {
	t.interval = max(t.interval, 100*time.Millisecond)
	t.limit = min(t.limit, max(t.interval, leastLimit))
}

// questionTo returns what is asked of a backend's server. It reports false where nothing is.
func questionTo(b route.Backend, server int) (question, bool) {
	q := question{kind: b.Options.Check, address: b.Servers[server].Address}
	if q.kind == route.CheckTLS {
		q.header = b.Options.SendProxy
	}
	return q, q.kind != route.CheckNone
}

// isOurs says whether an error is about what we lack ourselves, and nothing about the server.
func isOurs(err error) bool {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.EADDRNOTAVAIL} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// notify wakes whoever waits at the channel.
func notify(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default: // it has not yet looked at what there was before
	}
}
