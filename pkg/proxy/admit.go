package proxy

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/epoll"
	"github.com/sniroute/sniroute/pkg/route"
)

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
	var source sourceRef
	expects := contains(ls.AcceptProxy, from.Addr()) // the client is judged when the header names it
	if !expects {
		var refused reason
		if source, refused = l.judge(ls, from.Addr()); refused != accepted {
			ls.rejected[refused]++
			l.turnedAway(refused, section, from)
			l.sockets.close(fd)
			return
		}
	}
	if int(l.shared.connections.Add(1)) > l.limits.MaxConnections && !l.evict(rejectLimit) {
		l.shared.connections.Add(-1)
		l.shared.sources.leave(source)
		ls.rejected[rejectLimit]++
		l.turnedAway(rejectLimit, section, from)
		l.sockets.close(fd)
		return
	}

	c := l.conns.take()
	for len(l.routes) < len(l.conns.chunks) {
		l.routes = append(l.routes, new([chunk]*route.Route))
	}
	c.client, c.source, c.listener, c.expects = fd, source, section, expects
	c.setClient(from)
	c.state, c.began = statePeeking, l.timers.Now()
	c.accepted = c.began
	c.up.readable, c.down.writable = true, true
	l.peekBegan(c)
	l.timers.SetTimer(c.index, ls.InspectDelay)
	l.begin(c)
}

// judge asks the listener's networks and the limits of sources about a client.
func (l *loop) judge(ls *listener, client netip.Addr) (sourceRef, reason) {
	if !admits(ls.Allow, ls.Deny, client) {
		return sourceRef{}, rejectDenied
	}
	return l.shared.sources.enter(client, l.timers.Now(), l.sourceLimits())
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
		l.shared.peekBytes.Add(-int32(len(l.buffers.at(c.up.buffer).space)))
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
