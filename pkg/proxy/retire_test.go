package proxy

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// retired returns how many sockets wait for a connection.
func (p *peer) retired() int { return len(p.kernel.retired[0]) + len(p.kernel.retired[1]) }

// over ends a connection as a client does, whose end the server answers with its own.
func (p *peer) over(fd int32, conn *net.TCPConn) {
	p.t.Helper()
	p.kernel.finish(fd)
	if _, err := io.ReadAll(conn); err != nil {
		p.t.Fatal(err)
	}
	conn.Close()
	p.read(fd, 0)
}

// The socket of a connection that is over serves the next ones, of its family.
func TestSocketConnectsAgain(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			p := newPeer(t, address)
			first, conn := p.connect()
			for range 3 {
				p.over(first, conn)
				p.kernel.retire(first, p.address.Addr())
				if p.retired() != 1 {
					t.Fatal("it was not kept")
				}
				var fd int32
				if fd, conn = p.connect(); fd != first {
					t.Fatalf("got descriptor %d, want %d again", fd, first)
				}
			}
			p.over(first, conn)
			p.kernel.retire(first, p.address.Addr())
			other := newPeer(t, map[string]string{"127.0.0.1:0": "[::1]:0", "[::1]:0": "127.0.0.1:0"}[address])
			other.kernel = p.kernel
			if fd, _ := other.connect(); fd == first {
				t.Error("a server of the other family got the socket")
			} else {
				p.kernel.close(fd)
			}
		})
	}
}

// Nothing is lost of a connection that the kernel still has to see through: its socket is closed as ever.
func TestSocketIsNotOver(t *testing.T) {
	for name, end := range map[string]func(p *peer, fd int32, conn *net.TCPConn){
		"nobody has ended": func(*peer, int32, *net.TCPConn) {},
		"we have":          func(p *peer, fd int32, _ *net.TCPConn) { p.kernel.finish(fd) },
		"the server has":   func(p *peer, fd int32, conn *net.TCPConn) { conn.CloseWrite(); p.read(fd, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, "127.0.0.1:0")
			fd, conn := p.connect()
			const last = "last words"
			if n, errno := p.kernel.write(fd, []byte(last)); n != len(last) {
				t.Fatal(errno)
			}
			end(p, fd, conn)
			p.kernel.retire(fd, p.address.Addr())
			if p.retired() != 0 {
				t.Error("it was kept")
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != last {
				t.Errorf("the server got %q (%v)", got, err)
			}
		})
	}
}

// A reset behind the server's end, when we have sent ours, is an error that is not the next connection's.
func TestSocketWasReset(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0")
	fd, conn := p.connect()
	for errno := unix.Errno(0); errno == 0; { // until the server's window is full
		_, errno = p.kernel.write(fd, make([]byte, 1<<20))
	}
	conn.CloseWrite()
	p.await(fd, unix.POLLRDHUP)
	p.kernel.finish(fd)
	conn.Close() // with all that unread
	p.await(fd, unix.POLLERR)
	p.read(fd, 0)
	p.kernel.retire(fd, p.address.Addr())
	p.connect()
}

// No more than so many wait, and one that the kernel does not take is replaced.
func TestRetiredSocketsAreBounded(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0")
	var fds [maxRetired + 2]int32
	var conns [len(fds)]*net.TCPConn
	for i := range fds {
		fds[i], conns[i] = p.connect()
	}
	for i, fd := range fds {
		p.over(fd, conns[i])
		p.kernel.retire(fd, p.address.Addr())
	}
	if p.retired() != maxRetired {
		t.Errorf("%d sockets wait, want %d", p.retired(), maxRetired)
	}
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	unix.Dup2(pipe[0], int(fds[maxRetired-1])) // the next one to be used is no socket any more
	fd, _ := p.connect()
	if p.retired() != maxRetired-1 {
		t.Errorf("%d sockets wait, want %d", p.retired(), maxRetired-1)
	}
	p.kernel.close(fd)
	p.kernel.closeRetired()
	if p.retired() != 0 {
		t.Error("sockets still wait")
	}
}
