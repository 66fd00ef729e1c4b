package proxy

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/epoll"
)

// backlog is how many connections may wait to be accepted; the kernel cuts it to net.core.somaxconn.
const backlog = 4096

// wildcard says whether an address stands for all of the machine's: unset or ::, which take IPv4 and IPv6, or 0.0.0.0.
func wildcard(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }

// listen opens a listening socket, non-blocking, with the options that accepted connections are to inherit. shared says
// that another loop listens at the same address (SO_REUSEPORT).
func listen(at netip.AddrPort, shared bool) (int, error) {
	fd, err := listenOn(at, shared)
	if err != nil && wildcard(at.Addr()) && !at.Addr().Is4() {
		if fd4, err4 := listenOn(netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port()), shared); err4 == nil {
			return fd4, nil // a kernel without IPv6
		}
	}
	if err != nil {
		return -1, fmt.Errorf("listening on %s: %w", printable(at), err)
	}
	return fd, nil
}

// printable writes an address as the configuration does.
func printable(at netip.AddrPort) string {
	if !at.Addr().IsValid() {
		return fmt.Sprintf(":%d", at.Port())
	}
	return at.String()
}

func listenOn(at netip.AddrPort, shared bool) (int, error) {
	ip := at.Addr()
	if !ip.IsValid() {
		ip = netip.IPv6Unspecified()
	}
	family := unix.AF_INET6
	var sockaddr unix.Sockaddr = &unix.SockaddrInet6{Port: int(at.Port()), Addr: ip.As16()}
	if ip.Is4() {
		family, sockaddr = unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: ip.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	options := []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	}
	if shared {
		options = append(options, struct{ level, name, value int }{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
	}
	if !wildcard(ip) { // an address that the router gets later, when its network is up
		options = append(options, struct{ level, name, value int }{unix.IPPROTO_IP, unix.IP_FREEBIND, 1})
	}
	if family == unix.AF_INET6 {
		both := 1
		if wildcard(ip) {
			both = 0
		}
		options = append(options, struct{ level, name, value int }{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, both})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	setKeepAlive(fd)
	if err := unix.Bind(fd, sockaddr); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := unix.Listen(fd, backlog); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// An opening is one listening socket that a loop takes over.
type opening struct {
	fd       int
	address  netip.AddrPort
	listener uint16
}

// configure makes the loop serve these listeners, in the order of their slots, with the setup's limits; opened sockets
// are new, those at closed addresses are no longer wanted, kept ones may belong to another listener than before.
// Connections whose listener is gone, or does not let their clients in any more, are given the drain timeout.
func (l *loop) configure(listeners []Listener, s Setup, opened []opening, kept map[netip.AddrPort]uint16) {
	l.takeLast(kept)
	l.limits = s.Limits
	l.follow(s.AccessLog)
	for i, configured := range listeners {
		if i == len(l.listeners) {
			l.listeners = append(l.listeners, listener{})
		}
		l.listeners[i].Listener = configured
		l.listeners[i].gone = len(configured.Addresses) == 0
	}
	for i := range l.acceptors {
		a := &l.acceptors[i]
		if a.fd < 0 {
			continue
		}
		if section, ok := kept[a.address]; ok {
			a.listener = section
			continue
		}
		unix.Close(int(a.fd))
		a.fd = -1
	}
	for _, o := range opened {
		l.open(o)
	}
	l.conns.each(func(c *conn) {
		if ls := &l.listeners[c.listener]; ls.gone || !c.expects && !admits(ls.Allow, ls.Deny, c.clientAddress()) {
			l.drain(c)
		}
	})
}

// takeLast accepts what waits at sockets that are about to be closed, which would reset it.
func (l *loop) takeLast(kept map[netip.AddrPort]uint16) {
	for i := range l.acceptors {
		a := &l.acceptors[i]
		if _, stays := kept[a.address]; stays || a.fd < 0 {
			continue
		}
		for range backlog {
			fd, from, errno := accept(a.fd)
			if errno != 0 {
				break
			}
			l.admit(a.listener, fd, from)
		}
	}
}

func (l *loop) open(o opening) {
	at := len(l.acceptors)
	for i := range l.acceptors {
		if l.acceptors[i].fd < 0 {
			at = i
			break
		}
	}
	if at == len(l.acceptors) {
		l.acceptors = append(l.acceptors, acceptor{})
	}
	l.acceptors[at] = acceptor{fd: int32(o.fd), address: o.address, listener: o.listener, batch: 1}
	if l.paused {
		return // resume adds it
	}
	if err := l.poll.Add(o.fd, acceptorIndex|uint32(at), 0, epoll.Readable); err != nil {
		l.shared.logger.Error("cannot watch a listening socket", "address", printable(o.address), "error", err)
	}
}

// stop closes the listening sockets and gives up on connections whose hello is not complete.
func (l *loop) stop() {
	l.stopping = true
	for i := range l.acceptors {
		if l.acceptors[i].fd >= 0 {
			unix.Close(int(l.acceptors[i].fd))
			l.acceptors[i].fd = -1
		}
	}
	for l.evict(rejectShutdown) {
	}
}

// abandon closes every connection.
func (l *loop) abandon() {
	l.conns.each(func(c *conn) {
		if c.target >= 0 {
			c.end(l, resultDrained, byRouter)
		} else {
			c.close(l)
		}
		l.release(c)
	})
	l.closePipes()
	l.sockets.closeRetired()
}
