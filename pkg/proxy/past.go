package proxy

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/route"
)

// What a backend counted goes on when it comes back after the table was without it. Its counters are shown until it had
// no connections for shownPast, so that whoever collects them sees the last ones too.
const (
	shownPast = 10 * time.Minute
	mostPast  = 1024 // backends: what a cluster has had over time has no bound
)

// A pastTarget holds the counters of a backend that the table does not have and that has no connections.
type pastTarget struct {
	target
	left time.Duration // when it was found to be so, on the loop's clock
}

// bury keeps the counters of a target that is given up.
func (l *loop) bury(t *target) {
	name := t.pool.Backend.Name
	past := l.past[name]
	if past == nil {
		// Not the pool itself, which would keep all the clients that it remembers.
		past = &pastTarget{target: target{pool: backend.New(route.Backend{Name: name})}}
		l.past[name] = past
	}
	past.absorb(t)
	past.left = l.timers.Elapsed()
}

// forgetPast gives up the counters of the backends that have been gone for longest, where there are too many.
func (l *loop) forgetPast() {
	if len(l.past) <= mostPast {
		return
	}
	names := slices.SortedFunc(maps.Keys(l.past), func(a, b string) int {
		return cmp.Compare(l.past[a].left, l.past[b].left)
	})
	for _, name := range names[:len(names)-mostPast] {
		delete(l.past, name)
	}
}

// revive hands a target what a backend of its name counted before.
func (l *loop) revive(t *target) {
	name := t.pool.Backend.Name
	if past := l.past[name]; past != nil {
		t.absorb(&past.target)
		delete(l.past, name)
	}
}
