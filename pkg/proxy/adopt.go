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
// lost their exposure, and those that came to a default backend where there is none any more, are given the drain
// timeout.
func (l *loop) adopt(p *plan, pools []*backend.Pool) {
	l.plan = p
	l.adoptPools(pools)
	l.conns.each(func(c *conn) {
		old := *l.route(c)
		if old == nil {
			if c.target >= 0 && !c.single && !l.answersOthers(c) {
				l.drain(c)
			}
			return
		}
		name := []byte(l.asked(c))
		r := l.reroute(c, old, name)
		l.remember(c, r, name)
		if r == nil {
			l.drain(c)
		}
	})
}

// adoptPools gives every pool a target. A target lives on where its servers do; one whose servers are others now keeps
// its connections, and hands its counters on when the last one is gone, as does one whose backend is gone.
func (l *loop) adoptPools(pools []*backend.Pool) {
	byName := make(map[string]int32, len(l.targets))
	for i, t := range l.targets {
		if t != nil && t.current {
			t.current = false
			byName[t.pool.Backend.Name] = int32(i)
		}
	}
	l.targetOf = make([]int32, len(pools))
	vacant := int32(0) // no place before it is
	for i, pool := range pools {
		at, ok := byName[pool.Backend.Name]
		if !ok || !pool.Continues(l.targets[at].pool) {
			for vacant < int32(len(l.targets)) && l.targets[vacant] != nil {
				vacant++
			}
			if at = vacant; at == int32(len(l.targets)) {
				l.targets = append(l.targets, nil)
			}
			l.targets[at] = &target{}
		}
		l.targets[at].pool, l.targets[at].current = pool, true
		l.revive(l.targets[at])
		l.targetOf[i] = at
		byName[pool.Backend.Name] = at
	}
	for i, t := range l.targets {
		if t == nil || t.current || t.active > 0 {
			continue
		}
		if at, ok := byName[t.pool.Backend.Name]; ok && l.targets[at] != nil && l.targets[at].current {
			l.targets[at].absorb(t)
		} else {
			l.bury(t)
		}
		l.targets[i] = nil
	}
	l.forgetPast()
}

// answersOthers says whether the listener still has a backend for what no route takes, of the connection's kind.
func (l *loop) answersOthers(c *conn) bool {
	ls := &l.listeners[c.listener]
	if !ls.HTTP && !c.isTLS {
		return decideOther(l.plan.table, &ls.Listener).backend != route.NoBackend
	}
	return l.plan.table.Default(ls.Name) != route.NoBackend
}

// reroute returns the route of the present table that exposes what the connection asked for; nil if none does.
func (l *loop) reroute(c *conn, old *route.Route, name []byte) *route.Route {
	var alpn []byte
	if old.ALPN != "" {
		alpn = []byte(old.ALPN)
	}
	r := l.plan.table.Lookup(l.listeners[c.listener].Name, name, alpn)
	if r == nil || !r.Exposed || !admits(r.Allow, r.Deny, c.clientAddress()) {
		return nil
	}
	return r
}

// remember notes what the connection is routed by, if by anything, and the name that it asked for.
func (l *loop) remember(c *conn, r *route.Route, name []byte) {
	*l.route(c) = r
	if len(name) > 0 && (r == nil || r.Host != string(name)) && l.names[c.index] != string(name) {
		l.names[c.index] = string(name)
	}
}

// route returns where it stands what the connection is routed by; nil there: by nothing.
func (l *loop) route(c *conn) **route.Route { return &l.routes[c.index/chunk][c.index%chunk] }

func (l *loop) forget(c *conn) {
	*l.route(c) = nil
	delete(l.names, c.index)
}

// asked returns the name that the connection asked for, if it is routed by one; "" where it asked for none.
func (l *loop) asked(c *conn) string {
	if name, ok := l.names[c.index]; ok {
		return name
	}
	if r := *l.route(c); r != nil {
		return r.Host
	}
	return ""
}

// drain gives the connection the drain timeout from now.
func (l *loop) drain(c *conn) {
	if !c.draining && c.state != stateLingering {
		c.draining = true
		l.timers.SetTimer(c.index, l.limits.DrainTimeout)
	}
}
