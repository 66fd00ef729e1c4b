package proxy

import (
	"net/netip"
	"time"

	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/epoll"
)

// A state is how far a connection has come. It only moves forward.
type state uint8

const (
	stateFree       state = iota
	statePeeking          // the hello is not complete
	stateConnecting       // to a server, while what the client sent waits
	stateRelaying         // bytes go both ways
	stateLingering        // refused: the rest of what the client sends is discarded, so that the alert is not reset away
)

// A half is one direction of a connection: from a source to a destination.
type half struct {
	bytes    uint64 // passed on
	buffer   int32  // a handle of the loop's buffers, or noBuffer
	pipe     int32  // a handle of the loop's pipes, or noPipe
	readable bool   // the source may have bytes; cleared when it had none
	writable bool   // the destination may take bytes; cleared when it took none
	closing  bool   // the source announced its end or a failure: read on until that shows, RDHUP is no EOF
	ended    bool   // the source was read to its end
	finished bool   // and the destination was told
	bulk     uint8  // full reads in a row
}

// A conn is one client connection and, once it is routed, the connection to a server. It lives in a slab and has no
// pointers; what it needs beyond is handed to its methods as the loop, which owns it.
type conn struct {
	index, generation uint32
	client, server    int32 // descriptors; -1: none
	up, down          half  // from the client, to the client

	tried        backend.Tried
	key          backend.Key // what the pool remembers the client by
	accepted     uint32      // when it was, in milliseconds on the loop's clock
	helloTook    uint32      // milliseconds
	began        uint32      // when the current state began
	touched      uint32      // when bytes last moved
	older, newer uint32      // neighbours in the list of unfinished hellos; 0: none
	target       int32       // index of the loop's targets; -1: not routed yet
	source       sourceRef
	address      [16]byte
	port         uint16
	listener     uint16 // index of the loop's listeners
	header       uint16 // length of the PROXY protocol header that the client's bytes begin with
	chosen       uint8  // index of the pool's server
	first        party  // whose stream ended first

	state     state
	isTLS     bool
	is4       bool
	watched   watching // of the client's descriptor; the server's is always watched for both
	queued    bool     // in the loop's list of connections to go on with
	draining  bool     // the timer ends the connection, however busy
	vanished  bool     // the client broke off, or answers no more
	severed   bool     // the server takes no more bytes, and what it had sent is being passed on
	noDelay   bool     // set on the server's descriptor
	keepAlive bool     // set on the server's descriptor
	listed    bool     // in the list of unfinished hellos
	expects   bool     // a PROXY protocol header must come first
	awaited   bool     // the server's hello, which gives the client a session id
	single    bool     // one request is forwarded; what the client sends behind it is not
	borrowed  bool     // the connection to the server has the client's address
}

// What epoll tells of the client's descriptor. Writing is added only when a write did not go through: nearly every
// connection ends without, and would be woken for nothing.
type watching uint8

const (
	unwatched watching = iota
	watchedReading
	watchedBoth
)

// A side is one end of a connection; its number is the lowest bit of an index in epoll.
type side uint32

const (
	clientSide side = iota
	serverSide
)

func (c *conn) clientAddress() netip.Addr {
	addr := netip.AddrFrom16(c.address)
	if c.is4 {
		return addr.Unmap()
	}
	return addr
}

func (c *conn) setClient(client netip.AddrPort) {
	c.address, c.is4, c.port = client.Addr().As16(), client.Addr().Is4(), client.Port()
}

// step reacts to events of one side and does all that can be done without waiting. It returns true when the connection
// is over: its descriptors are closed, and its place is to be freed.
func (c *conn) step(l *loop, from side, events epoll.Events) (done bool) {
	in, out := &c.up, &c.down
	if from == serverSide {
		in, out = &c.down, &c.up
	}
	const gone = epoll.ReadClosed | epoll.HungUp | epoll.Failed
	if events&(epoll.Readable|gone) != 0 {
		in.readable = true
	}
	if events&gone != 0 {
		in.closing = true
	}
	if events&epoll.Failed != 0 && from == clientSide {
		c.vanished = true
	}
	if events&(epoll.Writable|epoll.HungUp|epoll.Failed) != 0 {
		out.writable = true
	}
	if c.state == stateConnecting && from == clientSide {
		if events&(epoll.HungUp|epoll.Failed) != 0 { // nobody is left to connect for
			return c.end(l, resultReset, byClient)
		}
		return false
	}
	return c.proceed(l)
}

// proceed does what can be done in the present state.
func (c *conn) proceed(l *loop) (done bool) {
	switch c.state {
	case statePeeking:
		return c.peek(l)
	case stateConnecting:
		return c.connected(l)
	case stateRelaying:
		return c.relay(l)
	case stateLingering:
		return c.linger(l)
	}
	return false
}

// expired is the end of the time that the present state may take.
func (c *conn) expired(l *loop) (done bool) {
	switch c.state {
	case statePeeking:
		ls := &l.listeners[c.listener]
		if !ls.HTTP && !c.expects && c.received(l) == int(c.header) && !c.draining {
			// A client that waits for the server to speak first.
			return c.forward(l, decideOther(l.plan.table, &ls.Listener), nil)
		}
		return c.reject(l, rejectTimeout)
	case stateConnecting:
		if c.draining {
			return c.end(l, resultDrained, byRouter)
		}
		return c.connectFailed(l, errTimeout)
	case stateRelaying:
		if c.draining {
			return c.end(l, resultDrained, byRouter)
		}
		return c.idle(l)
	}
	c.close(l)
	return true
}

// idle ends a connection on which nothing moved for too long.
func (c *conn) idle(l *loop) (done bool) {
	silent := time.Duration(l.timers.Now()-c.touched) * time.Millisecond
	limit := l.targets[c.target].pool.Backend.Options.IdleTimeout
	if l.crowded() {
		limit = min(limit, crowdedIdle)
	}
	if silent >= limit {
		return c.end(l, resultTimeout, byRouter)
	}
	if !c.keepAlive { // a connection that rests is worth the system calls
		c.keepAlive = true
		l.sockets.keepAlive(c.server)
	}
	l.timers.SetTimer(c.index, l.idleCheck(limit-silent))
	return false
}

// end closes a connection that was forwarded and counts how it ended. Whoever did not break it off itself sees a reset,
// unless the connection came to its natural end.
func (c *conn) end(l *loop, how result, by party) (done bool) {
	l.targets[c.target].count(c.listener, how)
	c.note(l, ending{how: how, by: by})
	switch how {
	case resultReset, resultDrained:
		l.sockets.reset(c.client)
		if c.server >= 0 {
			l.sockets.reset(c.server)
		}
	case resultOK:
		if c.first == byClient && !c.borrowed { // otherwise the server's socket still has to see our end through
			c.retireServer(l)
		}
	}
	c.close(l)
	return true
}

// close gives back everything that the connection holds.
func (c *conn) close(l *loop) {
	l.peekEnded(c)
	c.unroute(l)
	c.drop(l, &c.up)
	c.drop(l, &c.down)
	l.sockets.close(c.client)
	c.client = -1
	l.timers.ClearTimer(c.index)
}

func (c *conn) closeServer(l *loop) {
	if c.server >= 0 {
		l.sockets.close(c.server)
		c.leftServer(l)
	}
}

// retireServer is closeServer for a connection that another one may take the place of.
func (c *conn) retireServer(l *loop) {
	server, fd := &l.targets[c.target].pool.Backend.Servers[c.chosen], c.server
	c.leftServer(l) // first: what is retired must not be closed as well, whatever happens
	l.sockets.retire(fd, server.Address.Addr())
}

func (c *conn) leftServer(l *loop) {
	l.targets[c.target].pool.Closed(int(c.chosen))
	c.server = -1
}

// unroute takes the connection off its server, its route and its target.
func (c *conn) unroute(l *loop) {
	if c.target < 0 {
		return
	}
	c.closeServer(l)
	t := l.targets[c.target]
	t.active--
	t.toServer += c.up.bytes
	t.toClient += c.down.bytes
	l.forget(c)
	c.target = -1
}

func (c *conn) dropBuffer(l *loop, h *half) {
	if h.buffer != noBuffer {
		l.buffers.give(h.buffer)
		h.buffer = noBuffer
	}
}

// drop discards what waits in one direction.
func (c *conn) drop(l *loop, h *half) {
	c.dropBuffer(l, h)
	if h.pipe != noPipe {
		l.givePipe(h.pipe)
		h.pipe = noPipe
	}
}
