// Package proxy takes the connections that reach the router, peeks at the TLS ClientHello and hands each one on to the
// backend that the route table names. TLS is never terminated, and every byte that the client sent reaches the server
// unchanged.
//
//	p, err := proxy.New(proxy.Options{Logger: logger})
//	err = p.Change(proxy.Setup{Listeners: listeners, Limits: limits}, table) // and again at each reload
//	p.SetTable(table)                                                        // and again at each other change
//	err = p.Run(ctx)
//
// What happens to a connection:
//
//  1. It is accepted if the limits allow it, and read until its ClientHello is complete, within the listener's inspect
//     delay (peek).
//  2. The table decides by name where it goes; decide is a pure function. Refused ones get a TLS alert.
//  3. The servers of the backend are tried in turn until one accepts (connect), and gets what the client sent.
//  4. Bytes, ends of streams and resets are passed on both ways (relay) until both sides have ended.
//
// While it runs, the servers are asked whether they are up (package backend).
//
// Each event loop is one goroutine with its own listening sockets and its own connections, which live in a slab without
// pointers: no goroutine, no channel, no lock and no allocation for each connection. A backend that remembers its clients
// (stick) is the exception: the loops share its table.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/route"
)

// Options are fixed for the life of a Proxy.
type Options struct {
	Loops  int                   // event loops; 0: one, or two from four cores on
	Local  func(netip.Addr) bool // whether an address is the router's own; nil: loopback is. Called from all loops.
	Logger *slog.Logger          // nil: slog.Default()

	// Linked says whether two addresses are on one link of the router, so that they speak to each other past it. It is
	// asked where a backend has ClientSource; nil: none are. Called from all loops.
	Linked func(a, b netip.Addr) bool
}

// Limits bound what strangers can make the proxy hold.
type Limits struct {
	MaxConnections int           // client connections at once, over all loops
	PerSource      int           // connections at once of one IPv4 address or IPv6 /64; 0: no limit
	RatePerSource  int           // new connections a second of one source, burst ten times that; 0: no limit
	PeekMemory     int           // bytes of all unfinished hellos together
	DrainTimeout   time.Duration // what a connection gets whose listener or exposure went away
}

// A Listener is one section of the configuration.
type Listener struct {
	Name         string
	HTTP         bool // plain HTTP instead of TLS
	Addresses    []netip.AddrPort
	InspectDelay time.Duration
	NonTLS       string         // of TLS: "reject", "default", or the name of a backend
	HTTPRoute    bool           // of HTTP: requests are routed by Host; otherwise redirected to https, but for challenges
	HTTPSPort    uint16         // of HTTP: where they are redirected to; 0: 443
	ACMEInternal bool           // of HTTP: challenges for hosts that are not exposed pass too
	AcceptProxy  []netip.Prefix // peers that must, and alone may, send a PROXY protocol header
	Allow        []netip.Prefix
	Deny         []netip.Prefix
}

// A Setup is what a reload may change.
type Setup struct {
	Listeners []Listener
	Limits    Limits
	AccessLog bool // a line for each connection that ended, at most 31 a second; the rest is summed up by how it ended
}

// maxListeners bounds the names that listeners ever had.
const maxListeners = 1 << 15

// drainAtStop is how long connections may go on after Run was told to end: procd starts the next daemon only when this
// one is gone.
const drainAtStop = time.Second

// A Proxy owns the listening sockets and the event loops. Its methods may be called from any goroutine.
type Proxy struct {
	shared *shared
	loops  []*loop

	mu      sync.Mutex
	setup   Setup
	table   *route.Table
	slots   []string                  // names of listeners, present and past: their index is the loops'
	open    map[netip.AddrPort]uint16 // the addresses that are listened on, and their listener
	pools   backend.Set
	running bool
}

// New makes a Proxy without listeners. Run must be called to release what it holds.
func New(o Options) (*Proxy, error) {
	if o.Loops <= 0 {
		o.Loops = 1
		if runtime.NumCPU() >= 4 {
			o.Loops = 2
		}
	}
	if o.Local == nil {
		o.Local = netip.Addr.IsLoopback
	}
	if o.Linked == nil {
		o.Linked = func(_, _ netip.Addr) bool { return false }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	p := &Proxy{
		shared: &shared{
			sources: newSources(), local: o.Local, linked: o.Linked, logger: o.Logger, ended: make(chan struct{}, 1),
		},
		table: new(route.Table),
		open:  make(map[netip.AddrPort]uint16),
	}
	for range o.Loops {
		l, err := newLoop(p.shared)
		if err != nil {
			for _, l := range p.loops {
				l.poll.Close()
			}
			return nil, err
		}
		p.loops = append(p.loops, l)
	}
	return p, nil
}

// Loops returns the number of event loops.
func (p *Proxy) Loops() int { return len(p.loops) }

// Setup opens what is new, keeps what is unchanged and drains what is gone. On error nothing has changed.
func (p *Proxy) Setup(s Setup) error { return p.Change(s, nil) }

// Change is Setup and SetTable at once: no connection meets one without the other. On error nothing has changed.
func (p *Proxy) Change(s Setup, t *route.Table) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	slots := slices.Clone(p.slots)
	wanted := make(map[netip.AddrPort]uint16)
	for _, l := range s.Listeners {
		slot := slices.Index(slots, l.Name)
		if slot < 0 {
			if slot = len(slots); slot == maxListeners {
				return errors.New("too many listeners had names of their own since the start: restart sniroute")
			}
			slots = append(slots, l.Name)
		}
		for _, at := range l.Addresses {
			wanted[at] = uint16(slot)
		}
	}
	opened := make([][]opening, len(p.loops))
	for at, slot := range wanted {
		if _, ok := p.open[at]; ok {
			continue
		}
		for i := range p.loops {
			fd, err := listen(at, len(p.loops) > 1)
			if errors.Is(err, unix.EADDRINUSE) && p.yield(at, wanted) {
				fd, err = listen(at, true)
			}
			if err != nil {
				for _, o := range slices.Concat(opened...) {
					unix.Close(o.fd)
				}
				return err
			}
			opened[i] = append(opened[i], opening{fd, at, slot})
		}
	}

	p.setup, p.slots, p.open = s, slots, wanted
	listeners := make([]Listener, len(slots))
	for i, name := range slots {
		listeners[i] = Listener{Name: name} // without addresses: gone
	}
	for _, l := range s.Listeners {
		listeners[slices.Index(slots, l.Name)] = l
	}
	if t != nil {
		p.table = t
	}
	p.adopt(func(i int, l *loop) { l.configure(listeners, s, opened[i], wanted) })
	return nil
}

// yield has sockets of ours that are about to be closed share their port, so that one can be opened before: at :443 and
// at 192.0.2.1:443 only one listens otherwise. It reports whether there are any. p.mu is held.
func (p *Proxy) yield(at netip.AddrPort, wanted map[netip.AddrPort]uint16) (any bool) {
	p.onLoops(func(_ int, l *loop) {
		for _, a := range l.acceptors {
			if _, stays := wanted[a.address]; a.fd >= 0 && !stays && a.address.Port() == at.Port() {
				any = unix.SetsockoptInt(int(a.fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) == nil || any
			}
		}
	})
	return any
}

// SetTable makes t the table of all connections whose hello is completed from now on. Connections of a host that lost
// its exposure are closed after the drain timeout.
func (p *Proxy) SetTable(t *route.Table) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.table = t
	p.adopt(func(int, *loop) {})
}

// adopt hands the table to the loops, after they have done first. p.mu is held.
func (p *Proxy) adopt(first func(int, *loop)) {
	plan := planOf(p.table, slices.ContainsFunc(p.setup.Listeners, func(l Listener) bool { return l.HTTP }))
	pools := p.pools.Update(plan.backends, backend.NamesOf(p.table))
	p.onLoops(func(i int, l *loop) {
		first(i, l)
		l.adopt(plan, pools)
	})
}

// onLoops calls f for each loop, on the loop, one after the other, and waits. p.mu is held.
func (p *Proxy) onLoops(f func(i int, l *loop)) {
	for i, l := range p.loops {
		if !p.running {
			f(i, l)
			continue
		}
		done := make(chan struct{})
		if l.poll.Post(func() { defer close(done); f(i, l) }) {
			<-done
		}
	}
}

// Run serves until ctx ends, then stops accepting, lets connections end for at most one second and closes everything.
// It may be called once.
func (p *Proxy) Run(ctx context.Context) error {
	p.mu.Lock()
	p.running = true
	var loops sync.WaitGroup
	failures := make([]error, len(p.loops))
	failed := make(chan struct{}, len(p.loops))
	for i, l := range p.loops {
		loops.Go(func() {
			if failures[i] = l.poll.Run(l); failures[i] != nil {
				failed <- struct{}{}
			}
		})
	}
	p.mu.Unlock()
	checking, stopChecks := context.WithCancel(ctx)
	var checks sync.WaitGroup
	checks.Go(func() { p.pools.Check(checking, p.shared.logger) })
	logging, stopLogging := context.WithCancel(context.WithoutCancel(ctx))
	var logs sync.WaitGroup
	logs.Go(func() { p.logConnections(logging) })

	select {
	case <-ctx.Done():
	case <-failed:
	}
	stopChecks()
	p.stop()
	loops.Wait()
	checks.Wait()
	stopLogging() // last: it has lines of connections that were ended just now
	logs.Wait()
	for _, l := range p.loops {
		l.poll.Close()
	}
	return errors.Join(failures...)
}

// stop ends the loops.
func (p *Proxy) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onLoops(func(_ int, l *loop) { l.stop() })
	for end := time.Now().Add(drainAtStop); p.shared.connections.Load() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	p.onLoops(func(_ int, l *loop) { l.abandon() })
	for _, l := range p.loops {
		l.poll.Stop()
	}
	p.open = make(map[netip.AddrPort]uint16)
}

// Stats returns a snapshot of all counters. It waits for every loop.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := tally{targets: make(map[string]*target)}
	p.onLoops(func(_ int, l *loop) { l.collect(&sum) })
	s := sum.stats()
	s.Active = int(p.shared.connections.Load())
	s.PeekBytes = int(p.shared.peekBytes.Load())
	s.Limit = p.setup.Limits.MaxConnections
	s.Check = Histogram(p.pools.Durations())
	return s
}
