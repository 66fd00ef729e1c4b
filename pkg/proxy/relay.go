package proxy

import (
	"golang.org/x/sys/unix"
)

const (
	// share is how many bytes one direction may move before other connections have their turn.
	share = 256 << 10
	// bulky is how many full reads in a row make a stream one to splice.
	bulky = 2
)

// An outcome says why a pump stopped.
type outcome uint8

const (
	waiting     outcome = iota // for the source, the destination, or nothing: it is finished
	unfinished                 // its share is used up
	sourceBroke                // reading failed: the source was reset
	sinkBroke                  // writing failed: the destination was reset
)

// relay moves bytes both ways until nothing more can be done now.
func (c *conn) relay(l *loop) (done bool) {
	c.touched = l.timers.Now()
	up := c.pump(l, &c.up, clientSide)
	if up == sinkBroke {
		// What the server sent before it broke off still belongs to the client; then comes the reset.
		c.severed = true
		c.up.ended, c.up.finished = true, true
		c.drop(l, &c.up)
		c.down.readable, c.down.closing = true, true
	}
	down := c.pump(l, &c.down, serverSide)
	switch {
	case up == sourceBroke || down == sinkBroke:
		return c.end(l, resultReset, byClient)
	case down == sourceBroke || c.severed && c.down.ended && !c.down.holds():
		return c.end(l, resultReset, byServer)
	case c.up.finished && c.down.finished && c.single:
		l.targets[c.target].count(c.listener, resultOK)
		c.note(l, ending{how: resultOK, by: byServer})
		return c.part(l)
	case c.up.finished && c.down.finished:
		return c.end(l, resultOK, c.first)
	case c.up.finished && c.vanished: // its stream has ended, so it is read no more, which would show it
		return c.end(l, resultReset, byClient)
	}
	if up == unfinished || down == unfinished {
		l.goOn(c)
	}
	return false
}

// holds says whether bytes wait to be taken by the destination.
func (h *half) holds() bool { return h.buffer != noBuffer || h.pipe != noPipe }

// pump moves the bytes of one direction: what waits first, then what the source has, then its end.
func (c *conn) pump(l *loop, h *half, from side) outcome {
	source, sink, other := c.client, c.server, &c.down
	if from == serverSide {
		source, sink, other = c.server, c.client, &c.up
	}
	for moved := 0; ; {
		if h.holds() {
			if !h.writable {
				return waiting
			}
			if errno := c.flush(l, h, sink); errno != 0 {
				return sinkBroke
			}
			if h.holds() {
				return c.blocked(l, from)
			}
		}
		if h.ended {
			if !h.finished {
				h.finished = true
				if !other.finished { // otherwise both ends are closed at once
					l.sockets.finish(sink)
				}
			}
			return waiting
		}
		if !h.readable {
			return waiting
		}
		if moved >= share {
			return unfinished
		}
		if h.bulk >= bulky {
			n, errno := c.fill(l, h, source)
			switch {
			case n > 0:
				moved += n
				c.hurry(l, from)
				continue
			case errno == unix.EAGAIN:
				h.readable = false
				return waiting
			case errno != 0:
				return sourceBroke
			}
		}
		space := l.scratch[:l.buffers.read(h.bulk >= bulky)] // a large stream, and no pipe for it
		n, errno := l.sockets.read(source, space)
		if errno == unix.EAGAIN {
			h.readable = false
			return waiting
		}
		if errno != 0 {
			return sourceBroke
		}
		if n == 0 {
			h.ended = true
			if !other.ended {
				c.first = byClient
				if from == serverSide {
					c.first = byServer
				}
			}
			continue
		}
		if c.awaited && from == serverSide {
			c.greeted(l, space[:n])
		}
		if n == len(space) {
			h.bulk = min(h.bulk+1, bulky)
		} else {
			h.bulk = 0
			// A short read has emptied the socket (epoll(7)), unless it ends here.
			h.readable = h.closing
		}
		moved += n
		c.hurry(l, from)
		written, errno := l.sockets.write(sink, space[:n])
		if errno != 0 && errno != unix.EAGAIN {
			return sinkBroke
		}
		h.bytes += uint64(written)
		if written < n {
			h.bulk = 0
			h.buffer = l.buffers.keep(space[written:n])
			return c.blocked(l, from)
		}
	}
}

// fill moves what the source has into a pipe, which is empty, so that EAGAIN can only mean that the source is. It
// returns 0 without an error where the bytes must be read instead: no pipe is to be had, or splice saw an end, which is
// one only if read sees it too (it reports one where bytes remain that it could not move).
func (c *conn) fill(l *loop, h *half, source int32) (int, unix.Errno) {
	handle := l.takePipe()
	if handle == noPipe {
		return 0, 0
	}
	p := &l.pipes.all[handle]
	n, errno := l.sockets.splice(source, p.write, p.size)
	if n > 0 {
		h.pipe, p.held = handle, n
		if n < mediumBuffer { // the stream has become a trickle
			h.bulk = 0
		}
		return n, 0
	}
	l.givePipe(handle)
	if errno == unix.EINVAL || errno == unix.ENOSYS {
		l.pipes.useless, errno = true, 0
	}
	if errno == 0 {
		h.bulk = 0
	}
	return 0, errno
}

// blocked waits until the destination takes bytes again. Nothing more is read meanwhile: the source is held back by its
// own full socket.
func (c *conn) blocked(l *loop, from side) outcome {
	if from == clientSide {
		c.up.writable = false
		return waiting
	}
	c.down.writable = false
	if c.watched == watchedReading {
		c.watched = watchedBoth
		if errno := l.sockets.rewatch(c.client, c.index<<1|uint32(clientSide), c.generation); errno != 0 {
			return sinkBroke
		}
	}
	return waiting
}

// flush passes on what waits in the buffer or the pipe, and gives that back when nothing is left.
func (c *conn) flush(l *loop, h *half, sink int32) unix.Errno {
	for h.buffer != noBuffer {
		b := l.buffers.at(h.buffer)
		n, errno := l.sockets.write(sink, b.waiting())
		if errno == unix.EAGAIN {
			h.writable = false
			return 0
		}
		if errno != 0 {
			return errno
		}
		h.bytes += uint64(n)
		if b.start += n; b.start == b.end {
			c.dropBuffer(l, h)
		}
	}
	for h.pipe != noPipe {
		p := &l.pipes.all[h.pipe]
		n, errno := l.sockets.splice(p.read, sink, p.held)
		if errno == unix.EAGAIN {
			h.writable = false
			return 0
		}
		if errno != 0 {
			return errno
		}
		if n == 0 {
			return unix.EIO // the pipe is not empty, so this must not be
		}
		h.bytes += uint64(n)
		if p.held -= n; p.held == 0 {
			c.drop(l, h)
		}
	}
	return 0
}

// hurry turns off Nagle's algorithm towards the server before the second write: the first is never held back, and many
// connections have no second. Sockets to clients inherit the option from the listener.
func (c *conn) hurry(l *loop, from side) {
	if from == clientSide && !c.noDelay {
		c.noDelay = true
		l.sockets.noDelay(c.server)
	}
}
