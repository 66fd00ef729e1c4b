package proxy

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/epoll"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
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

// lingerBytes and lingerTime bound how long a refused client may go on sending.
const (
	lingerBytes = 64 << 10
	lingerTime  = time.Second
)

// A half is one direction of a connection: from a source to a destination.
type half struct {
	bytes      uint64 // passed on
	start, end uint32 // what waits in the buffer
	buffer     int32  // a handle of the loop's buffers, or noBuffer
	piped      uint32 // what waits in the pipe
	pipe       int32  // a handle of the loop's pipes, or noPipe
	readable   bool   // the source may have bytes; cleared when it had none
	writable   bool   // the destination may take bytes; cleared when it took none
	closing    bool   // the source announced its end or a failure: read on until that shows, RDHUP is no EOF
	ended      bool   // the source was read to its end
	finished   bool   // and the destination was told
	bulk       uint8  // full reads in a row
}

// A conn is one client connection and, once it is routed, the connection to a server. It lives in a slab and has no
// pointers; what it needs beyond is handed to its methods as the loop, which owns it.
type conn struct {
	index, generation uint32
	client, server    int32 // descriptors; -1: none
	up, down          half  // from the client, to the client

	parser       sni.Parser
	tried        backend.Tried
	began        uint32 // when the current state began, in milliseconds on the loop's clock
	touched      uint32 // when bytes last moved
	older, newer uint32 // neighbours in the list of unfinished hellos; 0: none
	target       int32  // index of the loop's targets; -1: not routed yet
	source       sourceRef
	address      [16]byte
	port         uint16
	listener     uint16 // index of the loop's listeners
	chosen       uint8  // index of the pool's server

	state     state
	isTLS     bool
	is4       bool
	watched   watching // of the client's descriptor; the server's is always watched for both
	queued    bool     // in the loop's list of connections to go on with
	draining  bool     // the timer ends the connection, however busy
	severed   bool     // the server takes no more bytes, and what it had sent is being passed on
	noDelay   bool     // set on the server's descriptor
	keepAlive bool     // set on the server's descriptor
	listed    bool     // in the list of unfinished hellos
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
	if events&(epoll.Writable|epoll.HungUp|epoll.Failed) != 0 {
		out.writable = true
	}
	if c.state == stateConnecting && from == clientSide {
		if events&(epoll.HungUp|epoll.Failed) != 0 { // nobody is left to connect for
			return c.end(l, resultReset)
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

// peek reads on until the hello is complete.
func (c *conn) peek(l *loop) (done bool) {
	for c.up.readable {
		space := c.space(l)
		n, errno := l.sockets.read(c.client, space)
		switch {
		case errno == unix.EAGAIN:
			c.up.readable = false
			return false
		case errno != 0 || n == 0:
			return c.reject(l, rejectClosed)
		case n < len(space) && !c.up.closing:
			c.up.readable = false // a short read has emptied the socket (epoll(7))
		}
		received := space[:n]
		if c.up.buffer != noBuffer {
			received = c.extend(l, received)
		}
		verdict := c.parser.Parse(received, &l.hello)
		switch verdict {
		case sni.Malformed:
			return c.refuse(l, refuse(rejectMalformed, c.parser.Alert()))
		case sni.Hello:
			c.isTLS = true
			return c.forward(l, decide(l.table, &l.listeners[c.listener].Listener, &l.hello, c.clientAddress()), received)
		case sni.NotTLS:
			is, may := proxyHeader(received)
			if is {
				return c.refuse(l, refuse(rejectProxyHeader, 0))
			}
			if !may {
				return c.forward(l, decideOther(l.table, &l.listeners[c.listener].Listener), received)
			}
		}
		if c.up.buffer == noBuffer && !c.keep(l, received) {
			return true
		}
	}
	return false
}

// keep copies what was received out of the scratch buffer, since more must arrive first. It reports false where that
// made the connection itself the one to go.
func (c *conn) keep(l *loop, received []byte) bool {
	c.up.buffer = l.buffers.take(len(received))
	c.up.start, c.up.end = 0, uint32(copy(l.buffers.bytes(c.up.buffer), received))
	return l.peekGrew(c, len(l.buffers.bytes(c.up.buffer)))
}

// space is where to read to next: behind what was received, or into the scratch buffer where nothing was, or no room is
// left.
func (c *conn) space(l *loop) []byte {
	if c.up.buffer != noBuffer {
		if room := l.buffers.bytes(c.up.buffer)[c.up.end:]; len(room) > 0 {
			return room
		}
	}
	return l.scratch[:mediumBuffer]
}

// extend adds what was read into space to what was received before, and returns all of it. A full buffer is exchanged
// for a larger one; the largest is larger than any hello, so the parser has refused what would overflow it.
func (c *conn) extend(l *loop, read []byte) []byte {
	old := l.buffers.bytes(c.up.buffer)
	if len(old) == int(c.up.end) {
		handle := l.buffers.take(min(len(old)+len(read), largeBuffer))
		larger := l.buffers.bytes(handle)
		copy(larger, old)
		copy(larger[c.up.end:], read)
		l.buffers.give(c.up.buffer)
		c.up.buffer = handle
		l.shared.peekBytes.Add(int32(len(larger) - len(old)))
	}
	c.up.end += uint32(len(read))
	return l.buffers.bytes(c.up.buffer)[:c.up.end]
}

// forward goes where the decision says; received is what the client sent so far, which a server gets first.
func (c *conn) forward(l *loop, d decision, received []byte) (done bool) {
	if d.backend == route.NoBackend {
		return c.refuse(l, d)
	}
	l.peekEnded(c)
	l.peek.observe(l.timers.Now() - c.began)
	if c.up.buffer == noBuffer && len(received) > 0 {
		c.up.buffer = l.buffers.take(len(received))
		c.up.start, c.up.end = 0, uint32(copy(l.buffers.bytes(c.up.buffer), received))
	}
	c.target = l.targetOf[d.backend]
	l.targets[c.target].active++
	l.route(c, d.route)
	return c.connect(l)
}

// connect begins a connection to the server whose turn it is; the next one if that fails at once.
func (c *conn) connect(l *loop) (done bool) {
	c.state = stateConnecting
	t := l.targets[c.target]
	for {
		chosen, ok := t.pool.Pick(c.tried)
		if !ok {
			return c.refuse(l, refuse(rejectUnavailable, sni.InternalError))
		}
		c.tried = c.tried.With(chosen)
		to := t.pool.Backend.Servers[chosen].Address
		if l.ours(to) {
			t.pool.Failed(chosen)
			continue
		}
		fd, errno := l.sockets.connect(to)
		if exhausted(errno) {
			l.pause()
			return c.refuse(l, refuse(rejectFault, sni.InternalError))
		}
		if errno != 0 {
			t.pool.Failed(chosen)
			continue
		}
		c.server, c.chosen = fd, uint8(chosen)
		t.pool.Opened(chosen)
		if errno := l.sockets.watch(fd, c.index<<1|uint32(serverSide), c.generation, true); errno != 0 {
			return c.refuse(l, refuse(rejectFault, sni.InternalError))
		}
		c.began = l.timers.Now()
		if !c.draining {
			l.timers.SetTimer(c.index, t.pool.Backend.Options.ConnectTimeout)
		}
		return false
	}
}

// connected learns how the attempt went, by writing what the client sent: that fails as the connect did.
func (c *conn) connected(l *loop) (done bool) {
	if !c.up.writable {
		return false
	}
	var errno unix.Errno
	if c.up.buffer == noBuffer {
		errno = l.sockets.failure(c.server)
	} else {
		errno = c.flush(l, &c.up, c.server)
		if errno == 0 && c.up.bytes == 0 {
			return false // not yet
		}
	}
	if errno != 0 {
		return c.connectFailed(l)
	}
	t := l.targets[c.target]
	now := l.timers.Now()
	t.connect.observe(now - c.began)
	c.state, c.began, c.touched = stateRelaying, now, now
	if !c.draining {
		l.timers.SetTimer(c.index, l.idleCheck(t.pool.Backend.Options.IdleTimeout))
	}
	return c.relay(l)
}

// connectFailed goes on to the next server.
func (c *conn) connectFailed(l *loop) (done bool) {
	l.targets[c.target].pool.Failed(int(c.chosen))
	c.closeServer(l)
	c.up.writable = false
	c.down.readable, c.down.closing = false, false
	return c.connect(l)
}

// refuse tells the client that there is nothing for it here: an alert where it speaks TLS, then the end of what we
// send. What it still sends is discarded for a while: closing with unread bytes would reset the alert away.
func (c *conn) refuse(l *loop, d decision) (done bool) {
	l.peekEnded(c)
	c.unroute(l)
	l.listeners[c.listener].rejected[d.refused]++
	if d.alert != 0 && (c.isTLS || d.refused == rejectMalformed) {
		record := d.alert.Record()
		l.sockets.write(c.client, record[:])
	}
	l.sockets.finish(c.client)
	c.drop(l, &c.up)
	c.state = stateLingering
	c.up.bytes = 0
	l.timers.SetTimer(c.index, lingerTime)
	return c.linger(l)
}

func (c *conn) linger(l *loop) (done bool) {
	for c.up.readable {
		n, errno := l.sockets.read(c.client, l.scratch[:mediumBuffer])
		if errno == unix.EAGAIN {
			c.up.readable = false
			return false
		}
		c.up.bytes += uint64(n)
		if errno != 0 || n == 0 || c.up.bytes > lingerBytes {
			c.close(l)
			return true
		}
	}
	return false
}

// reject closes without a word.
func (c *conn) reject(l *loop, why reason) (done bool) {
	l.listeners[c.listener].rejected[why]++
	c.close(l)
	return true
}

// expired is the end of the time that the present state may take.
func (c *conn) expired(l *loop) (done bool) {
	switch c.state {
	case statePeeking:
		if c.up.end == 0 && !c.draining { // a client that waits for the server to speak first
			return c.forward(l, decideOther(l.table, &l.listeners[c.listener].Listener), nil)
		}
		return c.reject(l, rejectTimeout)
	case stateConnecting:
		if c.draining {
			return c.end(l, resultDrained)
		}
		return c.connectFailed(l)
	case stateRelaying:
		if c.draining {
			return c.end(l, resultDrained)
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
		return c.end(l, resultTimeout)
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
func (c *conn) end(l *loop, how result) (done bool) {
	l.targets[c.target].count(c.listener, how)
	if how == resultReset || how == resultDrained {
		l.sockets.reset(c.client)
		if c.server >= 0 {
			l.sockets.reset(c.server)
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
		l.targets[c.target].pool.Closed(int(c.chosen))
		c.server = -1
	}
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
	l.route(c, nil)
	c.target = -1
}

func (c *conn) dropBuffer(l *loop, h *half) {
	if h.buffer != noBuffer {
		l.buffers.give(h.buffer)
		h.buffer, h.start, h.end = noBuffer, 0, 0
	}
}

// drop discards what waits in one direction.
func (c *conn) drop(l *loop, h *half) {
	c.dropBuffer(l, h)
	if h.pipe != noPipe {
		l.givePipe(h.pipe, h.piped == 0)
		h.pipe, h.piped = noPipe, 0
	}
}

// exhausted says whether the kernel is short of something that will be there again.
func exhausted(errno unix.Errno) bool {
	switch errno {
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS:
		return true
	}
	return false
}
