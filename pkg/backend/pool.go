// Package backend holds what changes about pools of servers while the daemon runs: whose turn it is, which client
// returns to which server, who is up, how many connections each one carries. A pool's description is a route.Backend
// and never changes.
//
//	var set backend.Set
//	pools := set.Update(table.Backends, backend.NamesOf(table)) // again at each new table: state is kept
//	go set.Check(ctx, logger)                                   // asks the servers whether they are up
//
// For each connection:
//
//	key := pool.Key(client, sessionID)
//	server, ok := pool.Pick(client, key, tried)   // ok is false where no server is left
//	pool.Opened(server)
//	pool.Connected(server, key)                   // or pool.Failed(server, why), and Pick again
//	pool.Closed(server)
//
// A client that is remembered returns to its server while that is up. Other choices are made among the servers that are
// up and were not tried yet, by the pool's balance; backup servers only where no other is left, the first one first.
//
// A server is up until its first check, and that alone takes it down. Then so many failures in a row as the backend's
// check_fall says take it down, and so many good checks in a row as check_rise says bring it up again. A connect for a
// client that fails counts as a failure, unless it had the client's address, which may be why; one that succeeds ends a
// row of such; a lack of our own (ports, memory) counts as neither. Servers that are not checked are always up.
package backend

import (
	"hash/maphash"
	"net/netip"
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

// A Pool is the state of one backend. All methods may be called from any goroutine; none waits for I/O.
type Pool struct {
	Backend route.Backend // not to be changed

	order   []uint8 // the servers' indexes, each as often as its weight, spread evenly; backup servers are not in it
	turn    atomic.Uint32
	hashes  []uint64    // of the servers' addresses
	servers []*server   // of one name and address, in all pools the same
	checks  []*check    // by server; nil: not checked
	sticks  *stickTable // nil: nothing is remembered
	seed    maphash.Seed
}

type server struct {
	active atomic.Int32
	failed atomic.Uint32
}

// New returns a Pool that stands alone: its servers are not checked and its clients not remembered. Servers past
// MaxServers are never picked.
func New(b route.Backend) *Pool {
	servers := b.Servers[:min(len(b.Servers), MaxServers)]
	return &Pool{
		Backend: b,
		order:   spread(servers),
		hashes:  serverHashes(servers),
		servers: newServers(len(servers)),
		checks:  make([]*check, len(servers)),
	}
}

func newServers(n int) []*server {
	list := make([]*server, n)
	for i := range list {
		list[i] = new(server)
	}
	return list
}

// Opened counts a connection to the server; Closed ends it.
func (p *Pool) Opened(server int) { p.servers[server].active.Add(1) }

// Closed ends what Opened counted.
func (p *Pool) Closed(server int) { p.servers[server].active.Add(-1) }

// Connected says that the server accepted a connection of the client with the key, which returns to it from now on.
func (p *Pool) Connected(server int, key Key) {
	if c := p.checks[server]; c != nil {
		c.connected()
	}
	p.Remember(key, server)
}

// Failed counts a connect to the server that failed, and why.
func (p *Pool) Failed(server int, why error) {
	p.servers[server].failed.Add(1)
	if c := p.checks[server]; c != nil {
		c.connectFailed(why)
	}
}

// FailedForClient counts a connect to the server that failed and may be about the one client whose address it had: the
// server stays up.
func (p *Pool) FailedForClient(server int) { p.servers[server].failed.Add(1) }

// Len returns the number of servers, at most MaxServers.
func (p *Pool) Len() int { return len(p.servers) }

// Active returns the connections of the server, Failures the connects that failed, Up whether it may be picked.
func (p *Pool) Active(server int) int      { return int(p.servers[server].active.Load()) }
func (p *Pool) Failures(server int) uint32 { return p.servers[server].failed.Load() }
func (p *Pool) Up(server int) bool         { return p.checks[server] == nil || !p.checks[server].down.Load() }

// Problem returns what took the server down; it is empty while the server is up.
func (p *Pool) Problem(server int) string {
	if p.checks[server] == nil {
		return ""
	}
	return p.checks[server].problem()
}

// Continues reports whether p is the same servers as old with the same counters, under changed options perhaps.
func (p *Pool) Continues(old *Pool) bool {
	return slices.Equal(p.servers, old.servers)
}

// Remembered returns how many clients are remembered, and how many can be; no more than none where the backend's stick
// is none.
func (p *Pool) Remembered() (clients, limit int) {
	if p.sticks == nil {
		return 0, 0
	}
	return p.sticks.len()
}

// Key returns what a client is remembered by: its address or the session id of its ClientHello, as the backend's stick
// says. The session id of a ServerHello is a key too. It is 0 where there is nothing to remember the client by.
func (p *Pool) Key(client netip.Addr, sessionID []byte) Key {
	if p.sticks == nil {
		return 0
	}
	if p.Backend.Options.Stick == route.StickSource {
		address := client.As16()
		return keyOf(p.seed, address[:])
	}
	return keyOf(p.seed, sessionID)
}

// Remember has whoever comes with the key return to the server.
func (p *Pool) Remember(key Key, server int) {
	if key != 0 && p.sticks != nil {
		p.sticks.remember(key, serverTag(p.hashes[server]))
	}
}
