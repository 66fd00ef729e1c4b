package status

import (
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A boundedListener hands out at most cap(slots) connections at a time. One more waits, unread, for a slot, which a
// listener that nobody calls takes from no other; further ones wait in the kernel's queue. Those that admits turns away
// are closed before a byte of theirs is read.
type boundedListener struct {
	net.Listener
	slots  chan struct{}       // one element a connection; may be shared among listeners
	admits func(net.Conn) bool // nil: all

	closed    chan struct{}
	closeOnce sync.Once
}

func newBoundedListener(l net.Listener, slots chan struct{}, admits func(net.Conn) bool) *boundedListener {
	return &boundedListener{Listener: l, slots: slots, admits: admits, closed: make(chan struct{})}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.admits != nil && !l.admits(conn) {
			conn.Close()
			continue
		}
		select {
		case l.slots <- struct{}{}:
			return &boundedConn{Conn: conn, slots: l.slots}, nil
		case <-l.closed:
			conn.Close()
			return nil, net.ErrClosed
		}
	}
}

func (l *boundedListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// A boundedConn gives its slot back when it is closed.
type boundedConn struct {
	net.Conn
	slots chan struct{}
	once  sync.Once
}

func (c *boundedConn) Close() error {
	c.once.Do(func() { <-c.slots })
	return c.Conn.Close()
}

// freeBind lets a socket be bound to an address that no interface has yet (ip(7), IP_FREEBIND).
func freeBind(_, _ string, raw syscall.RawConn) error {
	var err error
	if controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)
	}); controlErr != nil {
		return controlErr
	}
	return err
}

// peer returns the address of the other end, in its IPv4 form where it has one.
func peer(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
