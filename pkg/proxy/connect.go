package proxy

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
)

// forward goes where the decision says; received is what the client sent so far, which a server gets first.
func (c *conn) forward(l *loop, d decision, received []byte) (done bool) {
	if d.backend == route.NoBackend {
		return c.refuse(l, d)
	}
	if own := l.madeBy(c, d.name); own != nil {
		own.end(l, resultReset, byRouter)
		l.release(own)
		return c.reject(l, rejectLoop)
	}
	l.peekEnded(c)
	c.helloTook = l.timers.Now() - c.began
	l.peek.observe(c.helloTook)
	l.remember(c, d.route, d.name) // first: the name stands in what was received, whose buffer may be lent again
	if d.request != nil {
		c.single = true
		c.dropBuffer(l, &c.up)
		c.header, received = 0, d.request
	}
	c.target = l.targetOf[d.backend]
	t := l.targets[c.target]
	t.active++
	c.prepare(l, t.pool.Backend.Options.SendProxy, received)
	c.identify(l, t.pool)
	return c.connect(l, nil)
}

// prepare puts what a server gets first into a buffer: a PROXY protocol header of ours, if it wants one, and what the
// client sent, without one of the client's.
func (c *conn) prepare(l *loop, version route.ProxyProtocol, received []byte) {
	if version == route.ProxyNone && c.up.buffer != noBuffer {
		b := l.buffers.at(c.up.buffer)
		if b.start = int(c.header); b.start == b.end { // a client that is silent behind it
			c.dropBuffer(l, &c.up)
		}
		return
	}
	var header [maxOwnHeader]byte
	first := header[:0]
	if version != route.ProxyNone {
		var hello *sni.ClientHello
		if c.isTLS {
			hello = &l.hello
		}
		client := netip.AddrPortFrom(c.clientAddress(), c.port)
		first = appendHeader(first, version, client, l.sockets.local(c.client), hello)
	}
	sent := received[min(int(c.header), len(received)):]
	if len(first)+len(sent) == 0 {
		return
	}
	handle := l.buffers.keep(first, sent)
	c.dropBuffer(l, &c.up)
	c.up.buffer = handle
}

// identify notes what the pool remembers the client by.
func (c *conn) identify(l *loop, pool *backend.Pool) {
	var session []byte
	if c.isTLS {
		session = l.hello.SessionID
	}
	c.key = pool.Key(c.clientAddress(), session)
	c.awaited = c.isTLS && pool.Backend.Options.Stick == route.StickSessionID
}

// connect begins a connection to the server whose turn it is; the next one if that fails at once. failure is why the one
// before was given up.
func (c *conn) connect(l *loop, failure error) (done bool) {
	c.state = stateConnecting
	t := l.targets[c.target]
	for {
		chosen, ok := t.pool.Pick(c.clientAddress(), c.key, c.tried)
		if !ok {
			return c.refuse(l, decision{refused: rejectUnavailable, alert: sni.InternalError, answer: badGateway,
				failure: failure})
		}
		c.tried, c.chosen = c.tried.With(chosen), uint8(chosen)
		to := t.pool.Backend.Servers[chosen].Address
		if l.ours(to) {
			failure = errOurs
			t.pool.Failed(chosen, failure)
			continue
		}
		fd, errno := c.dial(l, to, &t.pool.Backend.Options)
		if exhausted(errno) {
			l.pause()
			return c.refuse(l, refuse(rejectFault, sni.InternalError))
		}
		if errno != 0 {
			failure = errno
			c.dialFailed(l, chosen, errno)
			continue
		}
		c.server = fd
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

// connected learns how the attempt went, by writing what the client sent: that fails as the connect did. A server that
// took some of it and broke off was connected, and no other one gets the rest.
func (c *conn) connected(l *loop) (done bool) {
	if !c.up.writable {
		return false
	}
	if c.up.buffer == noBuffer {
		if errno := l.sockets.failure(c.server); errno != 0 {
			return c.connectFailed(l, errno)
		}
	} else {
		before := l.buffers.at(c.up.buffer).start
		errno := c.flush(l, &c.up, c.server)
		if c.up.buffer != noBuffer && l.buffers.at(c.up.buffer).start == before {
			if errno == 0 {
				return false // not yet
			}
			return c.connectFailed(l, errno)
		}
		l.sockets.acknowledge(c.server)
	}
	t := l.targets[c.target]
	t.pool.Connected(int(c.chosen), c.key)
	if c.borrowed {
		t.unanswered = 0
	}
	now := l.timers.Now()
	t.connect.observe(now - c.began)
	c.state, c.began, c.touched = stateRelaying, now, now
	if c.single {
		c.up.ended, c.up.finished = true, true
	}
	if !c.draining {
		l.timers.SetTimer(c.index, l.idleCheck(t.pool.Backend.Options.IdleTimeout))
	}
	return c.relay(l)
}

// greeted has the client return to the server by the session id that the server's hello gives it, if it does so in the
// first bytes that are read.
func (c *conn) greeted(l *loop, received []byte) {
	c.awaited = false
	pool := l.targets[c.target].pool
	pool.Remember(pool.Key(c.clientAddress(), sni.ServerSessionID(received)), int(c.chosen))
}

// Why a connect failed that the kernel has no word for.
var (
	errOurs    = errors.New("sniroute itself listens there")
	errTimeout = errors.New("no answer in time")
)

// connectFailed goes on to the next server.
func (c *conn) connectFailed(l *loop, why error) (done bool) {
	c.dialFailed(l, int(c.chosen), why)
	c.closeServer(l)
	c.up.writable = false
	c.down.readable, c.down.closing = false, false
	return c.connect(l, why)
}

// exhausted says whether the kernel is short of something that will be there again.
func exhausted(errno unix.Errno) bool {
	switch errno {
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS:
		return true
	}
	return false
}
