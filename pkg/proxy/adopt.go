package proxy

import (
	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/route"
)

// A target is a backend of the plan, or one that was and still has connections, with the loop's counters of it.
type target struct {
	pool               *backend.Pool
	current            bool // in the table
	active             int
	toServer, toClient uint64            // bytes
	results            [][results]uint64 // by index of the loop's listeners
	connect            histogram
	unanswered         int // connects with clients' addresses that failed since the last one that did not
}

func (t *target) count(listener uint16, how result) { t.counters(listener)[how]++ }

func (t *target) counters(listener uint16) *[results]uint64 {
	for len(t.results) <= int(listener) {
		t.results = append(t.results, [results]uint64{})
	}
	return &t.results[listener]
}

// absorb adds the counters of a target of the same name that is gone.
func (t *target) absorb(old *target) {
	t.toServer += old.toServer
	t.toClient += old.toClient
	t.connect.add(&old.connect)
	for listener := range old.results {
		counters := t.counters(uint16(listener))
		for how, n := range old.results[listener] {
			counters[how] += n
		}
	}
}

// adopt makes the plan the one that connections are routed by; pools are those of its backends. Connections of hosts that
// lost their exposure are given the drain timeout.
func (l *loop) adopt(p *plan, pools []*backend.Pool) {
	l.plan = p
	l.adoptPools(pools)
	l.conns.each(func(c *conn) {
		r := l.routes[c.index]
		if r == nil {
			return
		}
		if r = l.reroute(c, r); r == nil {
			l.route(c, nil)
			l.drain(c)
			return
		}
		l.routes[c.index] = r
	})
}

// adoptPools gives every pool a target. A target lives on where its servers do; one whose servers are others now keeps
// its connections, and hands its counters on when the last one is gone.
func (l *loop) adoptPools(pools []*backend.Pool) {
	byName := make(map[string]int32, len(l.targets))
	for i, t := range l.targets {
		if t != nil && t.current {
			t.current = false
			byName[t.pool.Backend.Name] = int32(i)
		}
	}
	l.targetOf = make([]int32, len(pools))
	for i, pool := range pools {
		at, ok := byName[pool.Backend.Name]
		if !ok || !pool.Continues(l.targets[at].pool) {
			at = l.vacantTarget()
			l.targets[at] = &target{}
		}
		l.targets[at].pool, l.targets[at].current = pool, true
		l.targetOf[i] = at
		byName[pool.Backend.Name] = at
	}
	for i, t := range l.targets {
		if t == nil || t.current || t.active > 0 {
			continue
		}
		if at, ok := byName[t.pool.Backend.Name]; ok && l.targets[at] != nil && l.targets[at].current {
			l.targets[at].absorb(t)
		}
		l.targets[i] = nil
	}
}

func (l *loop) vacantTarget() int32 {
	for i, t := range l.targets {
		if t == nil {
			return int32(i)
		}
	}
	l.targets = append(l.targets, nil)
	return int32(len(l.targets) - 1)
}

// reroute returns the route of the present table that exposes what the connection asked for; nil if none does.
func (l *loop) reroute(c *conn, old *route.Route) *route.Route {
	name, ok := l.names[c.index]
	if !ok {
		name = old.Host
	}
	var alpn []byte
	if old.ALPN != "" {
		alpn = []byte(old.ALPN)
	}
	r := l.plan.table.Lookup(l.listeners[c.listener].Name, []byte(name), alpn)
	if r == nil || !r.Exposed || !admits(r.Allow, r.Deny, c.clientAddress()) {
		return nil
	}
	return r
}

// route remembers what the connection was routed by; nil forgets it. What a wildcard took is kept by name, to find out
// later whether it still does.
func (l *loop) route(c *conn, r *route.Route) {
	if old := l.routes[c.index]; old != nil && old.Host[0] == '*' {
		delete(l.names, c.index)
	}
	l.routes[c.index] = r
	if r != nil && r.Host[0] == '*' {
		l.names[c.index] = string(l.hello.Name)
	}
}

// drain gives the connection the drain timeout from now.
func (l *loop) drain(c *conn) {
	if !c.draining && c.state != stateLingering {
		c.draining = true
		l.timers.SetTimer(c.index, l.limits.DrainTimeout)
	}
}
