package proxy

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/epoll"
)

// A peer is the server of connections that a test makes through a kernel.
type peer struct {
	t        *testing.T
	listener *net.TCPListener
	address  netip.AddrPort
	kernel   *kernel
}

func newPeer(t *testing.T, address string) *peer {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	poll, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { poll.Close() })
	p := &peer{t, listener, listener.Addr().(*net.TCPAddr).AddrPort(), &kernel{poll: poll, renewed: -1}}
	t.Cleanup(p.kernel.closeRetired)
	return p
}

// dial begins a connection and waits until it stands.
func (p *peer) dial(speaks bool) int32 {
	p.t.Helper()
	fd, errno := p.kernel.connect(netip.Addr{}, p.address, speaks)
	if errno != 0 {
		p.t.Fatal(errno)
	}
	if errno := p.kernel.watch(fd, 1, 1, true); errno != 0 {
		p.t.Fatalf("watching %d: %v", fd, errno)
	}
	p.await(fd, unix.POLLOUT)
	return fd
}

// connect returns both ends of a new connection over which a byte has gone each way.
func (p *peer) connect() (int32, *net.TCPConn) {
	p.t.Helper()
	fd := p.dial(true)
	if n, errno := p.kernel.write(fd, []byte("x")); n != 1 {
		p.t.Fatal(errno)
	}
	p.kernel.acknowledge(fd)
	conn, err := p.listener.AcceptTCP()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		p.t.Fatal(err)
	}
	if _, err := conn.Write([]byte("y")); err != nil {
		p.t.Fatal(err)
	}
	p.read(fd, 1)
	return fd, conn
}

func (p *peer) await(fd int32, events int16) {
	p.t.Helper()
	if n, err := unix.Poll([]unix.PollFd{{Fd: fd, Events: events}}, int(patience.Milliseconds())); n != 1 {
		p.t.Fatalf("waited in vain for %#x of descriptor %d: %v", events, fd, err)
	}
}

// read reads so many bytes; 0 is the end of the stream.
func (p *peer) read(fd int32, want int) {
	p.t.Helper()
	p.await(fd, unix.POLLIN)
	if n, errno := p.kernel.read(fd, make([]byte, 10)); n != want || errno != 0 {
		p.t.Fatalf("read %d bytes (%v), want %d", n, errno, want)
	}
}

// The hello completes the handshake with the server, which sees nothing of it before. Where there is none, the server sees
// the connection at once, to speak first.
func TestHelloCompletesHandshake(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0")
	file, err := p.listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	arrived := func(within time.Duration) bool {
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}, int(within.Milliseconds()))
		return n == 1
	}
	accept := func() {
		conn, err := p.listener.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	together := false
	for range 20 { // on a busy machine the kernel's timer may come first
		fd := p.dial(true)
		if !arrived(0) {
			together = true
			p.kernel.write(fd, []byte("x"))
		}
		if !arrived(patience) {
			t.Fatal("the server did not get the connection with its first byte")
		}
		accept()
		p.kernel.close(fd)
	}
	if !together {
		t.Error("the server got the connection before its first byte, each time")
	}
	fd := p.dial(false)
	if !arrived(patience) {
		t.Error("the server did not get a connection on which it has to speak first")
	}
	p.kernel.close(fd)
}
