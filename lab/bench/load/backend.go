package load

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

func (l *Load) listen(at netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	l.take(fd, listener, unix.EPOLLIN)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil { // inherited
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		return err
	}
	return unix.Listen(fd, 4096)
}

const backendEvents = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET

func (l *Load) accept(at int) {
	for range 16 {
		fd, err := rawAccept(at)
		if err != nil {
			return
		}
		l.take(fd, backend, backendEvents)
	}
}

// serve answers what has come for a backend.
func (l *Load) serve(fd int, events uint32) {
	e := &l.ends[fd]
	if events&unix.EPOLLOUT != 0 && e.state == pushing && e.got == 0 {
		e.got = 1 // in the list of those with more to send
		l.pushing = append(l.pushing, fd)
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		return
	}
	for {
		n, err := rawReceive(fd, l.scratch, 0)
		if err == unix.EAGAIN {
			return
		}
		if err != nil || n == 0 {
			l.close(fd)
			return
		}
		l.hear(fd, e, l.scratch[:n])
		if n < len(l.scratch) && events&(unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
			return // read to the end; what comes later makes an event of its own
		}
	}
}

func (l *Load) hear(fd int, e *end, b []byte) {
	switch e.state {
	case greeting:
		// The first record's length is in the first bytes; the health checks of proxies send whole ones.
		if e.got == 0 {
			if len(b) < 5 {
				l.close(fd)
				return
			}
			e.got = -(5 + int(binary.BigEndian.Uint16(b[3:])))
			if len(b) >= 76 {
				copy(l.answer[44:76], b[44:76])
			}
		}
		if e.got += len(b); e.got < 0 {
			return
		}
		e.state, e.got = talking, 0
		_, _ = rawSend(fd, l.answer) // a peer that is gone shows when it is read
	case talking:
		if e.got == 0 && b[0] == 'b' {
			e.state, e.got = pushing, 1
			l.pushing = append(l.pushing, fd)
			l.watch(unix.EPOLL_CTL_MOD, fd, backendEvents|unix.EPOLLOUT)
			return
		}
		if e.got += len(b); e.got >= Message {
			e.got = 0
			_, _ = rawSend(fd, l.block[:Message])
		}
	}
}

// push sends one block on every connection that takes it.
func (l *Load) push() {
	kept := l.pushing[:0]
	for _, fd := range l.pushing {
		e := &l.ends[fd]
		if e.role != backend || e.state != pushing {
			continue
		}
		if n, err := rawSend(fd, l.block); err != nil || n < len(l.block) {
			e.got = 0
			continue // until it is writable again
		}
		kept = append(kept, fd)
	}
	l.pushing = kept
}
