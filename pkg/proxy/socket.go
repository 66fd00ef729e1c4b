package proxy

import (
	"errors"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/epoll"
)

// sockets is all that a connection does to the world outside. Nothing in it blocks. Tests script it.
type sockets interface {
	// read and write return the bytes moved; 0 without an error means the end of the stream for read.
	read(fd int32, p []byte) (int, unix.Errno)
	write(fd int32, p []byte) (int, unix.Errno)
	// pipe makes a pipe of so many bytes, or of what the system grants; splice moves up to n bytes from one descriptor to
	// another, one of which is a pipe. 0 without an error may mean the end of the stream, or nothing.
	pipe(size int) (pipe, unix.Errno)
	splice(from, to int32, n int) (int, unix.Errno)
	// connect begins a connection, which is complete when the descriptor becomes writable and failure is 0. A valid from
	// is the address that it comes from instead of one of ours. Where speaks says that something is to be written at
	// once, that also carries the acknowledgement which completes the handshake: a packet less, and the server is woken
	// once. Afterwards acknowledge, since the kernel goes on to delay those.
	connect(from netip.Addr, to netip.AddrPort, speaks bool) (fd int32, errno unix.Errno)
	acknowledge(fd int32)
	failure(fd int32) unix.Errno
	local(fd int32) netip.AddrPort
	// finish ends what we send (FIN); reset makes close send a RST.
	finish(fd int32)
	reset(fd int32)
	close(fd int32)
	// retire is close for a connection to a server of which both streams have come to their end. A later connect may
	// return the descriptor again; closeRetired closes those that wait for one.
	retire(fd int32, server netip.Addr)
	closeRetired()
	noDelay(fd int32)
	keepAlive(fd int32)
	// watch registers the descriptor of one side of a connection, edge-triggered, for reading and where asked for
	// writing too; rewatch adds writing to what is registered.
	watch(fd int32, index, generation uint32, writable bool) unix.Errno
	rewatch(fd int32, index, generation uint32) unix.Errno
}

// kernel is the real thing. It uses raw system calls, which do not tell Go's scheduler: allowed since every descriptor
// is non-blocking, and worth a fifth of the CPU of a short connection. They are package syscall's, as those of x/sys/unix
// reach the kernel through two wrappers more.
type kernel struct {
	poll    *epoll.Loop
	retired [2][]int32 // see waiting
	renewed int32      // what connect has just returned, if it was a retired one: epoll knows it
}

const (
	reading = epoll.Readable | epoll.ReadClosed | epoll.EdgeTriggered
	both    = reading | epoll.Writable
)

func (*kernel) read(fd int32, p []byte) (int, unix.Errno) {
	for {
		// recvfrom(2) where read(2) would do: it is spared what files need, a fifth of a short read.
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), 0, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

func (*kernel) write(fd int32, p []byte) (int, unix.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

func (*kernel) pipe(size int) (pipe, unix.Errno) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return pipe{}, errnoOf(err)
	}
	made := pipe{read: int32(ends[0]), write: int32(ends[1])}
	granted, err := unix.FcntlInt(uintptr(ends[0]), unix.F_SETPIPE_SZ, size)
	if err != nil {
		granted, _ = unix.FcntlInt(uintptr(ends[0]), unix.F_GETPIPE_SZ, 0)
	}
	made.size = granted
	return made, 0
}

func (*kernel) splice(from, to int32, n int) (int, unix.Errno) {
	for {
		moved, _, errno := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n),
			unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if errno == 0 {
			return int(moved), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// address is a socket address of either family, in the kernel's form.
type address struct {
	raw  unix.RawSockaddrInet6 // large enough for both
	size uint32
}

func (a *address) set(to netip.AddrPort) (family uintptr) {
	ip := to.Addr()
	if ip.Is4() {
		in4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		*in4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ip.As4()}
		putPort(&in4.Port, to.Port())
		a.size = unix.SizeofSockaddrInet4
		return unix.AF_INET
	}
	a.raw = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: ip.As16()}
	putPort(&a.raw.Port, to.Port())
	a.size = unix.SizeofSockaddrInet6
	return unix.AF_INET6
}

// get returns the address; IPv4 addresses mapped into IPv6 come as IPv4.
func (a *address) get() netip.AddrPort {
	switch a.raw.Family {
	case unix.AF_INET:
		in4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		return netip.AddrPortFrom(netip.AddrFrom4(in4.Addr), port(&in4.Port))
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.raw.Addr).Unmap(), port(&a.raw.Port))
	}
	return netip.AddrPort{}
}

// A port is in network byte order whatever the machine's is.
func putPort(field *uint16, port uint16) {
	b := (*[2]byte)(unsafe.Pointer(field))
	b[0], b[1] = byte(port>>8), byte(port)
}

func port(field *uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(field))
	return uint16(b[0])<<8 | uint16(b[1])
}

func (k *kernel) connect(from netip.Addr, to netip.AddrPort, speaks bool) (int32, unix.Errno) {
	var a address
	family := a.set(to)
	k.renewed = -1
	if !from.IsValid() {
		if fd := k.renew(family); fd >= 0 {
			if errno := connect(fd, &a, speaks); errno == 0 {
				k.renewed = fd
				return fd, 0
			}
			k.close(fd) // a fault of the network's, or of the socket's past: a new one tells
		}
	}
	made, _, errno := syscall.RawSyscall(unix.SYS_SOCKET, family,
		unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	fd := int32(made)
	if from.IsValid() {
		errno = borrow(int(fd), from)
	}
	if errno == 0 {
		errno = connect(fd, &a, speaks)
	}
	if errno != 0 {
		k.close(fd)
		return -1, errno
	}
	return fd, 0
}

func connect(fd int32, to *address, speaks bool) unix.Errno {
	if speaks {
		setQuickAck(fd, 0)
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
	if errno == unix.EINPROGRESS {
		return 0
	}
	return errno
}

func (*kernel) acknowledge(fd int32) { setQuickAck(fd, 1) }

// setQuickAck says whether what comes is acknowledged at once, until the kernel decides by itself again (TCP_QUICKACK,
// tcp(7)). Before connect, 0 leaves the handshake's last acknowledgement to the first data, as HAProxy's option
// tcp-smart-connect does, or to a timer of 200 ms.
func setQuickAck(fd int32, on int32) {
	syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK,
		uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
}

// accept takes a connection from a listening socket. Its options (TCP_NODELAY, keepalive) are those of the listener.
func accept(listener int32) (int32, netip.AddrPort, unix.Errno) {
	var a address
	a.size = unix.SizeofSockaddrInet6
	for {
		fd, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&a.raw)),
			uintptr(unsafe.Pointer(&a.size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if errno == 0 {
			return int32(fd), a.get(), 0
		}
		if errno != unix.EINTR {
			return -1, netip.AddrPort{}, errno
		}
	}
}

func (*kernel) failure(fd int32) unix.Errno {
	errno, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return unix.EIO
	}
	return unix.Errno(errno)
}

func (*kernel) local(fd int32) netip.AddrPort {
	var a address
	a.size = unix.SizeofSockaddrInet6
	syscall.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)),
		uintptr(unsafe.Pointer(&a.size)))
	return a.get()
}

func (*kernel) finish(fd int32) {
	syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
}

func (*kernel) reset(fd int32) {
	unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

func (*kernel) close(fd int32) {
	syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

func (*kernel) noDelay(fd int32) {
	unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

func (*kernel) keepAlive(fd int32) { setKeepAlive(int(fd)) }

// setKeepAlive finds peers that vanished: after two minutes of silence, four questions 30 seconds apart.
func setKeepAlive(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 120)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 30)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4)
}

func (k *kernel) watch(fd int32, index, generation uint32, writable bool) unix.Errno {
	events := reading
	if writable {
		events = both
	}
	if fd == k.renewed {
		k.renewed = -1
		return errnoOf(k.poll.Modify(int(fd), index, generation, events))
	}
	return errnoOf(k.poll.Add(int(fd), index, generation, events))
}

func (k *kernel) rewatch(fd int32, index, generation uint32) unix.Errno {
	return errnoOf(k.poll.Modify(int(fd), index, generation, both))
}

func errnoOf(err error) unix.Errno {
	if err == nil {
		return 0
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return unix.EIO
	}
	return errno
}
