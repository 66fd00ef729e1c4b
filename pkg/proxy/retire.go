package proxy

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket whose connection is over can connect again (connect(2) about AF_UNSPEC), which spares the kernel to make and
// to take apart a socket, an inode, a file and what epoll knows of it: four percent of a short connection.

// maxRetired is how many sockets of a family wait for another connection. The last one to retire is the first to
// connect, while the caches still know it, so that more would hardly be used.
const maxRetired = 16

func (k *kernel) retire(fd int32, server netip.Addr) {
	retired := k.waiting(server.Is4())
	if len(*retired) == maxRetired || !over(fd) {
		k.close(fd)
		return
	}
	*retired = append(*retired, fd)
}

// waiting returns the retired sockets of IPv4 or IPv6.
func (k *kernel) waiting(is4 bool) *[]int32 {
	if is4 {
		return &k.retired[0]
	}
	return &k.retired[1]
}

// over says whether nothing is left to do for a socket: all that was sent, the end included, is acknowledged, and what
// waits for stray packets is no longer the socket (TIME_WAIT). It has no peer any more then. One that closed first, or at
// the same time, still has to see its own end through.
func over(fd int32) bool {
	var peer address
	peer.size = unix.SizeofSockaddrInet6
	_, _, errno := syscall.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(&peer.raw)),
		uintptr(unsafe.Pointer(&peer.size)))
	return errno == unix.ENOTCONN
}

// renew returns a retired socket that is as good as new; -1 if there is none. The kernel tells epoll of it, which is why
// that happens no sooner: for the next connection it is an event like others, and none by itself.
func (k *kernel) renew(family uintptr) int32 {
	retired := k.waiting(family == unix.AF_INET)
	n := len(*retired)
	if n == 0 {
		return -1
	}
	fd := (*retired)[n-1]
	*retired = (*retired)[:n-1]
	nowhere := unix.RawSockaddrInet6{Family: unix.AF_UNSPEC}
	_, _, errno := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nowhere)), unsafe.Sizeof(nowhere))
	if errno != 0 {
		k.close(fd)
		return -1
	}
	return fd
}

func (k *kernel) closeRetired() {
	for i, retired := range k.retired {
		for _, fd := range retired {
			k.close(fd)
		}
		k.retired[i] = nil
	}
}
