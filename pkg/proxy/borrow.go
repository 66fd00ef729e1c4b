package proxy

import (
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/route"
)

// A backend with ClientSource sees its clients' own addresses without any header: the connection to the server borrows
// the client's (IP_TRANSPARENT, ip(7)) with a port of its own, as `source 0.0.0.0 usesrc clientip` does in HAProxy. The
// server answers to the client. That has to come back through this router, where a rule of the firewall finds that it
// is for such a socket, and a route leads it here instead of on to the client.
//
// Such a connection cannot come back to a listener of ours, as a connection from the router's own address could: the
// listener's answer would go to the client, which knows nothing of it and breaks it off.

// CanBorrow returns nil where the process may use addresses that are not the router's: CAP_NET_ADMIN allows it, and so
// does CAP_NET_RAW. Otherwise the error is what keeps it from that.
func CanBorrow() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1); err != nil {
		return fmt.Errorf("setting IP_TRANSPARENT: %w", err)
	}
	return nil
}

// borrows says whether a server is met with the client's address: both are of one family, the client is not on the
// server's own link, where it would get the answer past the router, and neither is the router itself.
func (s *shared) borrows(client, server netip.Addr) bool {
	return client.Is4() == server.Is4() && client.IsGlobalUnicast() && !s.linked(client, server) &&
		!s.local(client) && !s.local(server)
}

// dial begins the connection to a server, with the client's address where the backend is to see that.
func (c *conn) dial(l *loop, to netip.AddrPort, options *route.BackendOptions) (fd int32, errno unix.Errno) {
	var from netip.Addr
	if options.ClientSource {
		if client := c.clientAddress(); l.shared.borrows(client, to.Addr()) {
			from = client
		}
	}
	c.borrowed = from.IsValid()
	return l.sockets.connect(from, to, c.up.buffer != noBuffer)
}

// dialFailed counts a connect that failed. One with a client's address may have failed because of that address: a
// server, or the firewall in front of it, bans a client. For the others it is up.
func (c *conn) dialFailed(l *loop, server int, why error) {
	t := l.targets[c.target]
	if !c.borrowed {
		t.pool.Failed(server, why)
		return
	}
	t.pool.FailedForClient(server)
	if t.unanswered++; t.unanswered == unansweredInARow {
		l.shared.logger.Warn("connections that show their clients' addresses get no answer: answers must come back through "+
			"this router, and be led to sniroute by the rules that its init script makes",
			"backend", t.pool.Backend.Name, "server", t.pool.Backend.Servers[server].Address, "error", why)
	}
}

// unansweredInARow is how many borrowed addresses in a row have to fail before something is said about it.
const unansweredInARow = 3

// borrow has a socket connect from an address that need not be ours. The kernel chooses the port when it knows where the
// connection goes (IP_BIND_ADDRESS_NO_PORT): it is free as long as no connection to the same server has it.
func borrow(fd int, from netip.Addr) unix.Errno {
	var own address
	level, option := unix.SOL_IP, unix.IP_TRANSPARENT
	if own.set(netip.AddrPortFrom(from, 0)) == unix.AF_INET6 {
		level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		return errnoOf(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return errnoOf(err)
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&own.raw)), uintptr(own.size))
	return errno
}
