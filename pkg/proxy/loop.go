package proxy

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/epoll"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
)

const (
	// crowdedIdle is how long a connection may rest when most places are taken.
	crowdedIdle = 5 * time.Minute
	// acceptPause is how long nobody is accepted after the kernel ran short of descriptors or memory.
	acceptPause = 100 * time.Millisecond
	// maxAccepts is how many connections are accepted before those that are there have their turn.
	maxAccepts = 64

	// acceptorIndex marks the indexes in epoll that are listening sockets; the rest is two for each connection.
	acceptorIndex = 1 << 31
	// loopTimer is the timer of the loop itself: place 0 of the slab is never given out.
	loopTimer = 0
)

// timers is what a loop asks of its clock; *epoll.Loop provides it, tests let time pass by hand.
type timers interface {
	Now() uint32
	SetTimer(id uint32, delay time.Duration)
	ClearTimer(id uint32)
}

// shared is what all loops of a Proxy share. Each number is touched once or twice a connection.
type shared struct {
	connections atomic.Int32 // client connections, whatever their state
	peekBytes   atomic.Int32 // in the buffers of unfinished hellos
	sources     *sources
	local       func(netip.Addr) bool
	logger      *slog.Logger
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

	table    *route.Table
	targets  []*target // nil: vacant
	targetOf []int32   // by index of the table's backends

	conns          slab
	routes         []*route.Route    // by the connection's index: what it was routed by
	names          map[uint32]string // by the connection's index: what it asked for, where a wildcard took it
	oldest, newest uint32            // the list of unfinished hellos
	peeking        int
	again          []reference // connections to go on with
	turn           uint32

	scratch []byte
	buffers buffers
	pipes   pipes
	hello   sni.ClientHello
	peek    histogram
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
		sockets: kernel{poll},
		shared:  s,
		table:   &route.Table{},
		names:   make(map[uint32]string),
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
		if recover() != nil { // its books are not in order: at least its descriptors go
			l.sockets.close(c.client)
			l.sockets.close(c.server)
		}
		l.release(c)
	}()
	c.close(l)
}

// accept takes the connections that wait at a listening socket. It takes one, and more only while they keep coming
// turn after turn: asking in vain costs a system call.
func (l *loop) accept(i int) {
	a := &l.acceptors[i]
	if a.fd < 0 || l.paused || l.stopping {
		return
	}
	if a.turn+1 == l.turn {
		a.batch = min(2*a.batch, maxAccepts)
	} else {
		a.batch = 1
	}
	a.turn = l.turn
	for range a.batch {
		fd, from, errno := accept(a.fd)
		switch {
		case errno == 0:
			l.admit(a.listener, fd, from)
		case errno == unix.EAGAIN:
			return
		case exhausted(errno):
			l.pause()
			return
		}
		if l.paused {
			return
		}
	}
}

// pause stops accepting for a moment: more connections would only fail as well.
func (l *loop) pause() {
	if l.paused || l.stopping {
		return
	}
	l.paused = true
	l.pauses++
	for i := range l.acceptors {
		if l.acceptors[i].fd >= 0 {
			l.poll.Remove(int(l.acceptors[i].fd))
		}
	}
	l.timers.SetTimer(loopTimer, acceptPause)
}

func (l *loop) resume() {
	l.paused = false
	if l.stopping {
		return
	}
	for i := range l.acceptors {
		if l.acceptors[i].fd >= 0 {
			l.poll.Add(int(l.acceptors[i].fd), acceptorIndex|uint32(i), 0, epoll.Readable)
		}
	}
}

// admit takes a new connection in, if the limits allow it, and reads at once: the hello is often there already.
func (l *loop) admit(section uint16, fd int32, from netip.AddrPort) {
	ls := &l.listeners[section]
	ls.accepted++
	if !admits(ls.Allow, ls.Deny, from.Addr()) {
		ls.rejected[rejectDenied]++
		l.sockets.close(fd)
		return
	}
	source, refused := l.shared.sources.enter(from.Addr(), l.timers.Now(), l.sourceLimits())
	if refused != accepted {
		ls.rejected[refused]++
		l.sockets.close(fd)
		return
	}
	if int(l.shared.connections.Add(1)) > l.limits.MaxConnections && !l.evict(rejectLimit) {
		l.shared.connections.Add(-1)
		l.shared.sources.leave(source)
		ls.rejected[rejectLimit]++
		l.sockets.close(fd)
		return
	}

	c := l.conns.take()
	for len(l.routes) < len(l.conns.chunks)*chunk {
		l.routes = append(l.routes, nil)
	}
	c.client, c.source, c.listener = fd, source, section
	c.address, c.is4, c.port = from.Addr().As16(), from.Addr().Is4(), from.Port()
	c.state, c.began = statePeeking, l.timers.Now()
	c.up.readable, c.down.writable = true, true
	l.peekBegan(c)
	l.timers.SetTimer(c.index, ls.InspectDelay)
	l.begin(c)
}

func (l *loop) begin(c *conn) {
	defer l.contain(c)
	done := c.peek(l)
	if !done {
		c.watched = watchedReading
		if errno := l.sockets.watch(c.client, c.index<<1|uint32(clientSide), c.generation, false); errno != 0 {
			done = c.reject(l, rejectFault)
		}
	}
	if done {
		l.release(c)
	}
}

// release frees the place of a connection that is closed.
func (l *loop) release(c *conn) {
	l.shared.sources.leave(c.source)
	l.shared.connections.Add(-1)
	l.conns.give(c)
}

// crowded says whether more than three quarters of the places are taken. Then each source may hold few connections, and
// none may rest for long.
func (l *loop) crowded() bool {
	return int(l.shared.connections.Load()) > l.limits.MaxConnections/4*3
}

func (l *loop) sourceLimits() sourceLimits {
	limits := sourceLimits{connections: l.limits.PerSource, rate: l.limits.RatePerSource}
	if l.crowded() {
		free := l.limits.MaxConnections - int(l.shared.connections.Load())
		if few := max(8, free/8); limits.connections == 0 || few < limits.connections {
			limits.connections = few
		}
	}
	return limits
}

// idleCheck is when to look next whether a connection rests, if it may for so long.
func (l *loop) idleCheck(limit time.Duration) time.Duration { return min(limit, crowdedIdle) }

// peekBegan puts the connection at the end of the list of unfinished hellos.
func (l *loop) peekBegan(c *conn) {
	c.listed = true
	c.older, c.newer = l.newest, 0
	if l.newest != 0 {
		l.conns.place(l.newest).newer = c.index
	} else {
		l.oldest = c.index
	}
	l.newest = c.index
	l.peeking++
}

// peekGrew counts the memory of an unfinished hello and makes room for it. It reports false where the connection itself
// was the oldest and had to go.
func (l *loop) peekGrew(c *conn, bytes int) bool {
	total := l.shared.peekBytes.Add(int32(bytes))
	for int(total) > l.limits.PeekMemory {
		oldest := l.conns.place(l.oldest)
		if oldest == c {
			c.reject(l, rejectPeekMemory)
			return false
		}
		l.evict(rejectPeekMemory)
		total = l.shared.peekBytes.Load()
	}
	return true
}

// peekEnded takes the connection off the list of unfinished hellos, if it is there.
func (l *loop) peekEnded(c *conn) {
	if !c.listed {
		return
	}
	c.listed = false
	if c.up.buffer != noBuffer {
		l.shared.peekBytes.Add(-int32(len(l.buffers.bytes(c.up.buffer))))
	}
	if c.older != 0 {
		l.conns.place(c.older).newer = c.newer
	} else {
		l.oldest = c.newer
	}
	if c.newer != 0 {
		l.conns.place(c.newer).older = c.older
	} else {
		l.newest = c.older
	}
	l.peeking--
}

// evict closes the connection whose hello has been unfinished for longest. It reports false where there is none.
func (l *loop) evict(why reason) bool {
	if l.oldest == 0 {
		return false
	}
	oldest := l.conns.place(l.oldest)
	oldest.reject(l, why)
	l.release(oldest)
	return true
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
