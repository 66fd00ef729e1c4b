package backend

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/sniroute/sniroute/pkg/route"
)

// A Set holds the pools of the current backends by name, and keeps the state of what did not change: counters where a
// backend's servers are the same, remembered clients where its stick is, and checks as long as anybody wants them. The
// zero value is ready to use.
type Set struct {
	pools  map[string]*Pool
	sticks map[string]*stickTable

	made sync.Once
	seed maphash.Seed
	wake chan struct{} // there may be other checks, or a check's state has changed

	mu        sync.Mutex // guards what follows
	checks    map[question]*check
	durations Durations

	ask func(ctx context.Context, q question, name string) error // how to find out whether a server is up
}

func (s *Set) init() {
	s.made.Do(func() {
		s.seed = maphash.MakeSeed()
		s.wake = make(chan struct{}, 1)
		s.durations = newDurations()
		if s.ask == nil {
			s.ask = askServer
		}
	})
}

// Update returns the pools of these backends, in their order; names are the hosts that TLS checks of their servers ask
// for, see NamesOf. Pools of before remain valid, and share what they have in common with those of now. Not for
// concurrent use.
func (s *Set) Update(backends []route.Backend, names []string) []*Pool {
	s.init()
	checks := s.updateChecks(backends, names)
	pools := make([]*Pool, len(backends))
	byName := make(map[string]*Pool, len(backends))
	sticks := make(map[string]*stickTable)
	for i, b := range backends {
		if b.Options.Stick != route.StickNone {
			sticks[b.Name] = s.stickTable(b)
		}
		pool := s.pools[b.Name]
		if pool == nil || !same(pool.Backend, b) {
			pool = s.pool(b, pool, sticks[b.Name], checks)
		}
		pools[i], byName[b.Name] = pool, pool
	}
	s.pools, s.sticks = byName, sticks
	return pools
}

// pool makes the pool of a backend that was described otherwise before, or not at all: then old is nil.
func (s *Set) pool(b route.Backend, old *Pool, sticks *stickTable, checks map[question]*check) *Pool {
	pool := New(b)
	pool.seed, pool.sticks = s.seed, sticks
	for i := range pool.checks {
		if q, ok := questionTo(b, i); ok {
			pool.checks[i] = checks[q]
		}
	}
	if old != nil && slices.Equal(old.Backend.Servers, b.Servers) {
		pool.servers = old.servers
		pool.turn.Store(old.turn.Load())
	}
	return pool
}

func same(a, b route.Backend) bool {
	return slices.Equal(a.Servers, b.Servers) && a.Options == b.Options && a.HTTPPort == b.HTTPPort
}

// stickTable returns the table of a backend: the one that it had, unless it remembers clients by something else now.
func (s *Set) stickTable(b route.Backend) *stickTable {
	o := b.Options
	if table := s.sticks[b.Name]; table != nil && s.pools[b.Name].Backend.Options.Stick == o.Stick {
		table.resize(o.StickSize, o.StickExpire)
		return table
	}
	return newStickTable(o.StickSize, o.StickExpire)
}
