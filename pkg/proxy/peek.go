package proxy

import (
	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/sni"
)

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
		received, before := space[:n], c.received(l)
		parser := new(sni.Parser)
		if c.up.buffer != noBuffer {
			if received = c.extend(l, received); received == nil {
				return true
			}
			parser = &l.buffers.at(c.up.buffer).parser
		}
		if c.expects {
			if why := c.introduce(l, received); why != accepted {
				return c.reject(l, why)
			}
		}
		if l.listeners[c.listener].HTTP {
			decided, done := false, false
			if !c.expects {
				decided, done = c.peekRequest(l, received, before)
			}
			if decided {
				return done
			}
			if c.up.buffer == noBuffer && !c.keep(l, received, parser) {
				return true
			}
			continue
		}
		verdict := sni.NeedMore
		if !c.expects && len(received) > int(c.header) {
			verdict = parser.Parse(received[c.header:], &l.hello)
		}
		switch verdict {
		case sni.Malformed:
			return c.refuse(l, refuse(rejectMalformed, parser.Alert()))
		case sni.Hello:
			c.isTLS = true
			d := decide(l.plan.table, &l.listeners[c.listener].Listener, &l.hello, c.clientAddress())
			d.name = l.hello.Name
			return c.forward(l, d, received)
		case sni.NotTLS:
			is, may := proxyHeader(received[c.header:])
			if is {
				return c.refuse(l, refuse(rejectProxyHeader, 0))
			}
			if !may {
				return c.forward(l, decideOther(l.plan.table, &l.listeners[c.listener].Listener), received)
			}
		}
		if c.up.buffer == noBuffer && !c.keep(l, received, parser) {
			return true
		}
	}
	return false
}

// introduce reads the PROXY protocol header, once it is there, and judges the client that it names. Who sends it for
// itself, to check that we are alive or since it cannot name a client, is that client, without the limits of sources.
func (c *conn) introduce(l *loop, received []byte) reason {
	length, client, ok := readHeader(received)
	if !ok {
		return rejectProxyHeader
	}
	if length == 0 {
		return accepted
	}
	c.expects, c.header = false, uint16(length)
	if !client.IsValid() {
		if ls := &l.listeners[c.listener]; !admits(ls.Allow, ls.Deny, c.clientAddress()) {
			return rejectDenied
		}
		return accepted
	}
	c.setClient(client)
	var why reason
	c.source, why = l.judge(&l.listeners[c.listener], client.Addr())
	return why
}

// received returns how many bytes of an unfinished hello wait.
func (c *conn) received(l *loop) int {
	if c.up.buffer == noBuffer {
		return 0
	}
	return len(l.buffers.at(c.up.buffer).waiting())
}

// keep copies what was received out of the scratch buffer, since more must arrive first. It reports false where that
// made the connection itself the one to go.
func (c *conn) keep(l *loop, received []byte, parser *sni.Parser) bool {
	c.up.buffer = l.buffers.keep(received)
	b := l.buffers.at(c.up.buffer)
	b.parser = *parser
	return l.peekGrew(c, len(b.space))
}

// mostReceived leaves room in a buffer for the header of ours that a server may want in front.
const mostReceived = largeBuffer - maxOwnHeader

// space is where to read to next: behind what was received, or into the scratch buffer where nothing was, or no room is
// left.
func (c *conn) space(l *loop) []byte {
	if c.up.buffer != noBuffer {
		b := l.buffers.at(c.up.buffer)
		if room := b.space[b.end:min(len(b.space), mostReceived)]; len(room) > 0 {
			return room
		}
	}
	return l.scratch[:mediumBuffer]
}

// extend adds what was read into space to what was received before, and returns all of it. A full buffer becomes a
// larger one; the largest is larger than any hello, so the parser has refused what would overflow it. It returns nil
// where that made the connection itself the one to go.
func (c *conn) extend(l *loop, read []byte) []byte {
	b := l.buffers.at(c.up.buffer)
	if before := len(b.space); before > b.end { // that is where it was read to
		b.end += len(read)
	} else {
		l.buffers.enlarge(c.up.buffer, min(before+len(read), largeBuffer))
		b.add(read)
		if !l.peekGrew(c, len(b.space)-before) {
			return nil
		}
	}
	return b.waiting()
}
