package proxy

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sniroute/sniroute/pkg/epoll"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
)

const (
	// crowdedIdle is how long a connection may rest when most places are taken.
	crowdedIdle = 5 * time.Minute
	// acceptPause is how long nobody is accepted after the kernel ran short of descriptors or memory.
	acceptPause = 100 * time.Millisecond
	// maxAccepts is how many connections are accepted before those that are there have their turn. More would be under
	// way at once, and what the kernel knows of them would no longer fit into the processor's caches: with 64 for 512
	// clients a connection costs a tenth more.
	maxAccepts = 4

	// acceptorIndex marks the indexes in epoll that are listening sockets; the rest is two for each connection.
	acceptorIndex = 1 << 31
	// loopTimer is the timer of the loop itself: place 0 of the slab is never given out.
	loopTimer = 0
)

// timers is what a loop asks of its clock; *epoll.Loop provides it, tests let time pass by hand.
type timers interface {
	Now() uint32
	Elapsed() time.Duration
	SetTimer(id uint32, delay time.Duration)
	ClearTimer(id uint32)
}

// shared is what all loops of a Proxy share. Each number is touched once or twice a connection.
type shared struct {
	connections atomic.Int32 // client connections, whatever their state
	peekBytes   atomic.Int32 // in the buffers of unfinished hellos
	sources     *sources
	local       func(netip.Addr) bool
	linked      func(a, b netip.Addr) bool
	logger      *slog.Logger
	ended       chan struct{} // a connection has ended that the access log wants; room for one
}

// A loop is one event loop with all its connections. Everything in it belongs to the loop's goroutine.
type loop struct {
	poll    *epoll.Loop
	timers  timers
	sockets sockets
	shared  *shared

	limits    Limits
	listeners []listener
	acceptors []acceptor
	paused    bool
	pauses    uint64
	stopping  bool // accepts no more

	plan     *plan
	targets  []*target // nil: vacant
	targetOf []int32   // by index of the plan's backends
	past     map[string]*pastTarget

	conns          slab
	routes         []*[chunk]*route.Route // by the connection's index: what it was routed by
	names          map[uint32]string      // by the connection's index: what it asked for, where that is not its route's host
	oldest, newest uint32                 // the list of unfinished hellos
	peeking        int
	again          []reference // connections to go on with
	turn           uint32

	scratch []byte
	buffers buffers
	pipes   pipes
	hello   sni.ClientHello
	peek    histogram
	recent  recent
}

// A reference finds a connection, unless it is gone.
type reference struct{ index, generation uint32 }

// A listener is a section of the configuration and its counters.
type listener struct {
	Listener
	gone     bool // no longer configured
	accepted uint64
	rejected [reasons]uint64
}

// An acceptor is a listening socket.
type acceptor struct {
	fd       int32 // -1: closed
	address  netip.AddrPort
	listener uint16
	batch    int
	turn     uint32 // of the loop, when it last had a connection
}

func newLoop(s *shared) (*loop, error) {
	poll, err := epoll.New()
	if err != nil {
		return nil, err
	}
	return &loop{
		poll:    poll,
		timers:  poll,
		sockets: &kernel{poll: poll, renewed: -1},
		shared:  s,
		plan:    planOf(&route.Table{}, false),
		names:   make(map[uint32]string),
		past:    make(map[string]*pastTarget),
		scratch: make([]byte, largeBuffer),
	}, nil
}

// Ready implements epoll.Handler.
func (l *loop) Ready(index, generation uint32, events epoll.Events) {
	if index >= acceptorIndex {
		l.accept(int(index - acceptorIndex))
		return
	}
	c := l.conns.place(index >> 1)
	if c == nil || c.generation != generation || c.state == stateFree {
		return
	}
	defer l.contain(c)
	if c.step(l, side(index&1), events) {
		l.release(c)
	}
}

// Expired implements epoll.Handler.
func (l *loop) Expired(id uint32) {
	if id == loopTimer {
		l.resume()
		return
	}
	c := l.conns.place(id)
	defer l.contain(c)
	if c.expired(l) {
		l.release(c)
	}
}

// Turn implements epoll.Handler: it goes on with the connections that had used up their share.
func (l *loop) Turn() (more bool) {
	l.turn++
	now := l.again
	l.again = l.again[len(l.again):]
	for _, r := range now {
		c := l.conns.place(r.index)
		if c.generation != r.generation {
			continue
		}
		c.queued = false
		l.resumeConn(c)
	}
	if len(l.again) == 0 {
		l.again = now[:0]
	}
	return len(l.again) > 0
}

func (l *loop) resumeConn(c *conn) {
	defer l.contain(c)
	if c.proceed(l) {
		l.release(c)
	}
}

// goOn has the connection proceed after the others had their turn.
func (l *loop) goOn(c *conn) {
	if !c.queued {
		c.queued = true
		l.again = append(l.again, reference{c.index, c.generation})
	}
}

// contain keeps a panic on one connection from taking the others down: the connection is closed, the fault is logged.
func (l *loop) contain(c *conn) {
	fault := recover()
	if fault == nil {
		return
	}
	l.shared.logger.Error("a connection was closed because of a bug in sniroute: please report it",
		"fault", fmt.Sprint(fault), "stack", string(debug.Stack()))
	if c.state == stateFree {
		return
	}
	l.listeners[c.listener].rejected[rejectFault]++
	defer func() {
		if recover() != nil { // its books are not in order: at least its descriptors and its timer go
			l.timers.ClearTimer(c.index)
			l.sockets.close(c.client)
			l.sockets.close(c.server)
		}
		l.release(c)
	}()
	c.note(l, ending{why: rejectFault})
	c.close(l)
}

// ours says whether an address is one that we listen on: dialling it would loop.
func (l *loop) ours(to netip.AddrPort) bool {
	for i := range l.acceptors {
		a := &l.acceptors[i]
		if a.fd >= 0 && a.address.Port() == to.Port() && (a.address.Addr() == to.Addr() ||
			wildcard(a.address.Addr()) && l.shared.local(to.Addr())) {
			return true
		}
	}
	return false
}

// soon is how long after a dial what it made can still come back as a new client, in milliseconds.
const soon = 2000

// madeBy returns the connection whose side to the server came back to us as this new client, led by a rule of the
// firewall or of a router further on; nil if there is none on this loop. Only clients at addresses of the router itself
// are looked at, which are few. A port alone proves nothing, since the kernel gives one to connections to several
// places: it must be a connection that was just made, for the same name. On loopback, where no rule leads elsewhere, the
// check at dial has found all loops.
func (l *loop) madeBy(client *conn, name []byte) (found *conn) {
	from := netip.AddrPortFrom(client.clientAddress(), client.port)
	if from.Addr().IsLoopback() || !l.shared.local(from.Addr()) {
		return nil
	}
	l.conns.each(func(c *conn) {
		if c.server >= 0 && l.timers.Now()-c.began < soon && l.asked(c) == string(name) && l.sockets.local(c.server) == from {
			found = c
		}
	})
	return found
}
