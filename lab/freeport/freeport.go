// Package freeport keeps ports free for what a test starts later.
//
// A port that was found by listening on it and closing again may be anybody's a moment later: the machine gives it to the
// next program that asks for any port, and the packages' tests run side by side. A reserved one stays bound, without
// listening, by a socket that lets others of its kind listen there (SO_REUSEADDR, which servers set), while the kernel
// gives it to nobody who does not ask for it by number. Until somebody listens, connections to it are refused.
package freeport

import (
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Reserve returns an address of loopback with a TCP port that is the test's until it ends. It may be listened on, closed
// and listened on again.
func Reserve(t testing.TB) netip.AddrPort {
	t.Helper()
	at, release, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return at
}

// Hold does the same for a program that is no test, until release is called.
func Hold() (at netip.AddrPort, release func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return at, nil, os.NewSyscallError("socket", err)
	}
	release = func() { unix.Close(fd) }
	if at, err = bind(fd); err != nil {
		release()
		return at, nil, err
	}
	return at, release, nil
}

func bind(fd int) (at netip.AddrPort, err error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return at, os.NewSyscallError("setsockopt", err)
	}
	loopback := [4]byte{127, 0, 0, 1}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback}); err != nil {
		return at, os.NewSyscallError("bind", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return at, os.NewSyscallError("getsockname", err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(loopback), uint16(name.(*unix.SockaddrInet4).Port)), nil
}
