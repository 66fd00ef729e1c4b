package proxy

import (
	"time"

	"golang.org/x/sys/unix"
)

// lingerBytes and lingerTime bound how long a refused client may go on sending.
const (
	lingerBytes = 64 << 10
	lingerTime  = time.Second
)

// refuse tells the client that there is nothing for it here: by an alert where it speaks TLS, by an answer where it
// speaks HTTP.
func (c *conn) refuse(l *loop, d decision) (done bool) {
	l.peekEnded(c)
	l.listeners[c.listener].rejected[d.refused]++
	c.note(l, ending{why: d.refused, failure: d.failure, name: d.name})
	switch {
	case l.listeners[c.listener].HTTP:
		if d.answer != "" {
			l.sockets.write(c.client, []byte(d.answer))
		}
	case d.alert != 0 && (c.isTLS || d.refused == rejectMalformed):
		record := d.alert.Record()
		l.sockets.write(c.client, record[:])
	}
	return c.part(l)
}

// part ends what we send to the client. What it still sends is discarded for a while: closing with unread bytes would
// reset away what it has not read yet.
func (c *conn) part(l *loop) (done bool) {
	c.unroute(l)
	l.sockets.finish(c.client)
	c.drop(l, &c.up)
	c.drop(l, &c.down)
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
	by := byRouter
	if why == rejectClosed {
		by = byClient
	}
	c.note(l, ending{why: why, by: by})
	c.close(l)
	return true
}
