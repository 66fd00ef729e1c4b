package proxy

import (
	"cmp"
	"net/netip"
	"slices"
)

// Stats are counters since start, added up over all loops.
type Stats struct {
	Listeners []ListenerStats
	Backends  []BackendStats // those of the table, and those that were removed a while ago or still have connections
	Peek      Histogram      // from accept to the end of the hello
	Check     Histogram      // of health checks
	Active    int            // client connections now
	Peeking   int            // those of them whose hello is unfinished
	PeekBytes int            // bytes that unfinished hellos hold
	Limit     int            // connections that are admitted at once
	Pauses    uint64         // times that accepting paused because descriptors or memory were short
}

// ListenerStats are the counters of one listener.
type ListenerStats struct {
	Name     string
	Accepted uint64
	Rejected map[string]uint64 // by reason, all reasons that occurred
}

// BackendStats are the counters of one backend.
type BackendStats struct {
	Name        string
	Removed     bool // the table does not have it; then it has no Servers
	Active      int
	Connections map[ConnectionResult]uint64
	ToBackend   uint64 // bytes of connections that ended
	ToClient    uint64 // bytes of connections that ended
	Connect     Histogram
	Servers     []ServerStats

	Remembered, RememberedLimit int // clients that return to their server; 0, 0: they do not
}

// A ConnectionResult says on which listener connections came in and how they ended: "ok", "timeout" (idle), "reset" (one
// side broke it off) or "drained" (its listener or exposure went away).
type ConnectionResult struct {
	Listener string
	Result   string
}

// ServerStats are the counters of one server.
type ServerStats struct {
	Address netip.AddrPort
	Active  int
	Up      bool
	Failed  uint64 // connects that failed
	Error   string // what took it down; empty while it is up
}

// A Histogram counts durations in buckets.
type Histogram struct {
	Bounds []float64 // upper bounds in seconds
	Counts []uint64  // not cumulative; one longer than Bounds
	Sum    float64   // seconds
}

// bounds are the upper bounds of the histograms' buckets in milliseconds, the resolution of the loop's clock.
var bounds = [...]uint32{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}

type histogram struct {
	counts [len(bounds) + 1]uint64
	sum    uint64 // milliseconds
}

func (h *histogram) observe(milliseconds uint32) {
	i := 0
	for i < len(bounds) && milliseconds > bounds[i] {
		i++
	}
	h.counts[i]++
	h.sum += uint64(milliseconds)
}

func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.sum += other.sum
}

func (h *histogram) export() Histogram {
	e := Histogram{Counts: slices.Clone(h.counts[:]), Sum: float64(h.sum) / 1000}
	for _, b := range bounds {
		e.Bounds = append(e.Bounds, float64(b)/1000)
	}
	return e
}

// A tally adds up the counters of the loops.
type tally struct {
	listeners []listener
	targets   map[string]*target
	peek      histogram
	peeking   int
	pauses    uint64
}

// collect adds the loop's counters to the tally. It runs on the loop.
func (l *loop) collect(sum *tally) {
	for i := range l.listeners {
		if i == len(sum.listeners) {
			sum.listeners = append(sum.listeners, listener{Listener: l.listeners[i].Listener})
		}
		sum.listeners[i].accepted += l.listeners[i].accepted
		for why, n := range l.listeners[i].rejected {
			sum.listeners[i].rejected[why] += n
		}
	}
	for _, t := range l.targets {
		if t != nil {
			sum.target(t)
		}
	}
	for _, past := range l.past {
		if l.timers.Elapsed()-past.left < shownPast {
			sum.target(&past.target)
		}
	}
	sum.peek.add(&l.peek)
	sum.peeking += l.peeking
	sum.pauses += l.pauses
}

func (sum *tally) target(t *target) {
	name := t.pool.Backend.Name
	all := sum.targets[name]
	if all == nil {
		all = &target{pool: t.pool}
		sum.targets[name] = all
	}
	if t.current {
		all.pool, all.current = t.pool, true
	}
	all.active += t.active
	all.absorb(t)
}

func (sum *tally) stats() Stats {
	s := Stats{Peek: sum.peek.export(), Peeking: sum.peeking, Pauses: sum.pauses}
	for _, l := range sum.listeners {
		rejected := make(map[string]uint64)
		for why, n := range l.rejected {
			if n > 0 {
				rejected[reasonNames[why]] = n
			}
		}
		s.Listeners = append(s.Listeners, ListenerStats{Name: l.Name, Accepted: l.accepted, Rejected: rejected})
	}
	for name, t := range sum.targets {
		b := BackendStats{
			Name:        name,
			Removed:     !t.current,
			Active:      t.active,
			ToBackend:   t.toServer,
			ToClient:    t.toClient,
			Connect:     t.connect.export(),
			Connections: make(map[ConnectionResult]uint64),
		}
		for listener, counters := range t.results {
			for how, n := range counters {
				if n > 0 {
					b.Connections[ConnectionResult{sum.listeners[listener].Name, resultNames[how]}] = n
				}
			}
		}
		for i := range t.pool.Len() {
			if b.Removed {
				break // nothing is asked about them any more
			}
			b.Servers = append(b.Servers, ServerStats{
				Address: t.pool.Backend.Servers[i].Address,
				Active:  t.pool.Active(i),
				Up:      t.pool.Up(i),
				Failed:  uint64(t.pool.Failures(i)),
				Error:   t.pool.Problem(i),
			})
		}
		b.Remembered, b.RememberedLimit = t.pool.Remembered()
		s.Backends = append(s.Backends, b)
	}
	slices.SortFunc(s.Backends, func(a, b BackendStats) int { return cmp.Compare(a.Name, b.Name) })
	return s
}
