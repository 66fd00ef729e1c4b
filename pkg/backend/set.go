package backend

import (
	"context"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"

	"github.com/sniroute/sniroute/pkg/route"
)

// A Set holds the pools of the current backends by name, and keeps the state of what did not change: a server's counters
// while its backend has one of that address, and for when it has again; remembered clients where a backend's stick is
// the same; checks as long as anybody wants them. The zero value is ready to use.
type Set struct {
	pools   map[string]*Pool
	sticks  map[string]*stickTable
	servers map[serverOf]*server

	made sync.Once
	seed maphash.Seed
	wake chan struct{} // there may be other checks, or a check's state has changed

	mu        sync.Mutex // guards what follows
	checks    map[question]*check
	durations Durations

	ask func(ctx context.Context, q question, name string) error // how to find out whether a server is up
}

type serverOf struct {
	backend string
	address netip.AddrPort
}

// mostServers bounds the servers whose counters are kept for when they come back: what a cluster has had over time has
// no bound.
const mostServers = 4096

func (s *Set) init() {
	s.made.Do(func() {
		s.seed = maphash.MakeSeed()
		s.wake = make(chan struct{}, 1)
		s.durations = newDurations()
		s.servers = make(map[serverOf]*server)
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
	if len(s.servers) > mostServers {
		s.forgetServers(pools)
	}
	return pools
}

// forgetServers gives up the counters of all servers but those of the pools.
func (s *Set) forgetServers(pools []*Pool) {
	s.servers = make(map[serverOf]*server)
	for _, p := range pools {
		for i, server := range p.servers {
			s.servers[serverOf{p.Backend.Name, p.Backend.Servers[i].Address}] = server
		}
	}
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
	for i := range pool.servers {
		of := serverOf{b.Name, b.Servers[i].Address}
		if known := s.servers[of]; known == nil {
			s.servers[of] = pool.servers[i]
		} else if !slices.Contains(pool.servers[:i], known) { // otherwise the backend has it twice
			pool.servers[i] = known
		}
	}
	if old != nil && slices.Equal(old.Backend.Servers, b.Servers) {
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
