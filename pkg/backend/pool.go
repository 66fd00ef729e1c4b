// Package backend holds what changes about a pool of servers while the daemon runs: whose turn it is, who is up, how many
// connections each one carries. The pool's description is a route.Backend and never changes.
package backend

import (
	"slices"
	"sync/atomic"

	"github.com/sniroute/sniroute/pkg/route"
)

// MaxServers bounds the servers of a pool, so that the ones already tried fit into a Tried.
const MaxServers = 64

// Tried is the set of servers, by index, that were tried for one connection.
type Tried uint64

// Has reports whether the server was tried.
func (t Tried) Has(server int) bool { return t&(1<<server) != 0 }

// With returns t and the server.
func (t Tried) With(server int) Tried { return t | 1<<server }

// A Pool is the state of one backend. All methods may be called from any goroutine; none blocks.
type Pool struct {
	Backend route.Backend // not to be changed

	order   []uint8 // the servers' indexes, each as often as its weight, spread evenly; backup servers are not in it
	turn    atomic.Uint32
	servers []server
}

type server struct {
	active atomic.Int32
	failed atomic.Uint32
	down   atomic.Bool
}

// New returns a Pool whose servers are all up. Servers past MaxServers are never picked.
func New(b route.Backend) *Pool {
	servers := min(len(b.Servers), MaxServers)
	return &Pool{Backend: b, order: spread(b.Servers[:servers]), servers: make([]server, servers)}
}

// spread returns the order in which servers take turns, by the smooth weighted round robin that nginx uses: at each turn
// everyone gains its weight, and who has the most is chosen and pays the total. Equal weights collapse to one turn each.
func spread(servers []route.Server) []uint8 {
	divisor, total := 0, 0
	for _, s := range servers {
		if !s.Backup {
			divisor = gcd(max(int(s.Weight), 1), divisor)
			total += max(int(s.Weight), 1)
		}
	}
	if total == 0 {
		return nil
	}
	credit := make([]int, len(servers))
	order := make([]uint8, total/divisor)
	for i := range order {
		best := -1
		for j, s := range servers {
			if s.Backup {
				continue
			}
			credit[j] += max(int(s.Weight), 1) / divisor
			if best < 0 || credit[j] > credit[best] {
				best = j
			}
		}
		credit[best] -= len(order)
		order[i] = uint8(best)
	}
	return order
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Pick returns the index of the server whose turn it is, among those that are up and not yet tried; backup servers only
// where no other is left. It reports false where none is left.
func (p *Pool) Pick(tried Tried) (server int, ok bool) {
	if len(p.order) > 0 {
		turn := int(p.order[(p.turn.Add(1)-1)%uint32(len(p.order))])
		if p.usable(turn, tried, false) {
			return turn, true
		}
		for i := range p.servers {
			if next := (turn + i) % len(p.servers); p.usable(next, tried, false) {
				return next, true
			}
		}
	}
	for i := range p.servers {
		if p.usable(i, tried, true) {
			return i, true
		}
	}
	return 0, false
}

func (p *Pool) usable(server int, tried Tried, backup bool) bool {
	return p.Backend.Servers[server].Backup == backup && !tried.Has(server) && !p.servers[server].down.Load()
}

// Opened counts a connection to the server; Closed ends it.
func (p *Pool) Opened(server int) { p.servers[server].active.Add(1) }

// Closed ends what Opened counted.
func (p *Pool) Closed(server int) { p.servers[server].active.Add(-1) }

// Failed counts a connect to the server that failed.
func (p *Pool) Failed(server int) { p.servers[server].failed.Add(1) }

// Len returns the number of servers, at most MaxServers.
func (p *Pool) Len() int { return len(p.servers) }

// Active returns the connections of the server, Failures the connects that failed, Up whether it may be picked.
func (p *Pool) Active(server int) int      { return int(p.servers[server].active.Load()) }
func (p *Pool) Failures(server int) uint32 { return p.servers[server].failed.Load() }
func (p *Pool) Up(server int) bool         { return !p.servers[server].down.Load() }

// Continues reports whether p is the same servers as old with the same state, under changed options perhaps.
func (p *Pool) Continues(old *Pool) bool {
	return len(p.servers) == len(old.servers) && (len(p.servers) == 0 || &p.servers[0] == &old.servers[0])
}

// A Set holds the pools of the current table by name, and keeps the state of those that did not change.
type Set struct {
	pools map[string]*Pool
}

// Update returns the pools of these backends, in their order: the pool as it was where the servers are the same, a new
// one otherwise. Not for concurrent use.
func (s *Set) Update(backends []route.Backend) []*Pool {
	pools := make([]*Pool, len(backends))
	byName := make(map[string]*Pool, len(backends))
	for i, b := range backends {
		pool := s.pools[b.Name]
		switch {
		case pool == nil || !slices.Equal(pool.Backend.Servers, b.Servers):
			pool = New(b)
		case pool.Backend.Options != b.Options || pool.Backend.HTTPPort != b.HTTPPort:
			changed := &Pool{Backend: b, order: pool.order, servers: pool.servers}
			changed.turn.Store(pool.turn.Load())
			pool = changed
		}
		pools[i], byName[b.Name] = pool, pool
	}
	s.pools = byName
	return pools
}
