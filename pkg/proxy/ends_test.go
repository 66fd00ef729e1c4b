package proxy

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The ways in which a side ends a connection.
const (
	finishes = "finishes" // ends its stream and reads on
	closes   = "closes"   // closes with nothing unread
	resets   = "resets"
	stays    = "stays" // only reads, and closes when the other has ended
)

// act ends c in the given way and returns what it sees of the other side: the end of the stream, or a reset. Who is gone
// sees nothing.
func act(c *net.TCPConn, how string) error {
	switch how {
	case finishes:
		c.CloseWrite()
	case closes:
		c.Close()
		return nil
	case resets:
		c.SetLinger(0)
		c.Close()
		return nil
	}
	_, err := io.ReadAll(c)
	c.Close()
	return err
}

// What one side does the other sees, in every combination of client and server.
func TestEndsArePassedOn(t *testing.T) {
	for _, client := range []string{finishes, closes, resets, stays} {
		for _, atServer := range []string{finishes, closes, resets, stays} {
			if client == stays && atServer == stays {
				continue // nothing ever happens
			}
			t.Run("client "+client+", server "+atServer, func(t *testing.T) {
				ready, seen := make(chan struct{}), make(chan error, 1)
				w := appWorld(t, func(_ *server, c *net.TCPConn) {
					io.ReadFull(c, make([]byte, len(appHello)))
					io.WriteString(c, "x")
					<-ready
					seen <- act(c, atServer)
				})
				c := w.dial()
				c.Write(appHello)
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				close(ready)
				byClient := act(c, client)
				byServer := <-seen
				check := func(who string, saw error, how string) {
					if how == resets && !errors.Is(saw, syscall.ECONNRESET) || how != resets && saw != nil {
						t.Errorf("the %s saw %v of a side that %s", who, saw, how)
					}
				}
				if client == finishes || client == stays {
					check("client", byClient, atServer)
				}
				if atServer == finishes || atServer == stays {
					check("server", byServer, client)
				}
				w.until("all is closed", func(s Stats) bool { return s.Active == 0 })
			})
		}
	}
}

// A client that ended its stream may still break off, and is read no more. A server that is silent would keep the
// connection until that had rested for too long.
func TestResetBehindTheEnd(t *testing.T) {
	ended, gone := make(chan struct{}), make(chan struct{})
	w := appWorld(t, func(_ *server, c *net.TCPConn) {
		io.ReadAll(c)
		ended <- struct{}{}
		<-gone
	})
	defer close(gone)
	c := w.dial()
	c.Write(appHello)
	c.CloseWrite()
	<-ended
	c.SetLinger(0)
	c.Close()
	w.until("it is over", func(s Stats) bool {
		return s.Active == 0 && s.backend("app").Connections[ConnectionResult{"tls", "reset"}] == 1
	})
}

// faultySockets panics once, on a descriptor's first read after it is armed, or its first close after that is.
type faultySockets struct {
	*kernel
	armed, armedClose atomic.Bool
}

func (f *faultySockets) read(fd int32, p []byte) (int, unix.Errno) {
	if f.armed.CompareAndSwap(true, false) {
		panic("a bug")
	}
	return f.kernel.read(fd, p)
}

func (f *faultySockets) close(fd int32) {
	if f.armedClose.CompareAndSwap(true, false) {
		panic("another bug")
	}
	f.kernel.close(fd)
}

func (w *world) faultySockets() (faulty *faultySockets) {
	w.proxy.mu.Lock()
	defer w.proxy.mu.Unlock()
	w.proxy.onLoops(func(_ int, l *loop) {
		faulty = &faultySockets{kernel: l.sockets.(*kernel)}
		l.sockets = faulty
	})
	return faulty
}

// A panic ends the connection that it happened on, and no other.
func TestPanicIsContained(t *testing.T) {
	w := appWorld(t, func(_ *server, c *net.TCPConn) { io.Copy(c, c) })
	faulty := w.faultySockets()
	for _, stage := range []string{"peeking", "relaying"} {
		survivor := w.openTo("app.example.com")
		var victim *net.TCPConn
		if stage == "peeking" {
			victim = w.dial()
		} else {
			victim = w.openTo("app.example.com")
		}
		w.until("both are in", func(s Stats) bool { return s.Active == 2 }) // and the survivor is read no more
		faulty.armed.Store(true)
		victim.Write([]byte("x"))
		if _, err := io.ReadAll(victim); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: the victim saw %v", stage, err)
		}
		if !alive(survivor) {
			t.Errorf("%s: another connection was cut", stage)
		}
		survivor.Close()
		w.until("all is closed", func(s Stats) bool { return s.Active == 0 && s.Peeking == 0 })
	}
	w.until("they are counted", func(s Stats) bool { return s.Listeners[0].Rejected["fault"] == 2 })
}

// One that happens again while the connection is closed leaves nothing behind that meets the next one in its place.
func TestPanicWhileContained(t *testing.T) {
	w := appWorld(t, echo)
	clock, faulty := w.handClock(), w.faultySockets()
	victim := w.dial()
	w.until("it is in", func(s Stats) bool { return s.Active == 1 })
	faulty.armedClose.Store(true)
	faulty.armed.Store(true)
	victim.Write([]byte("x"))
	if _, err := io.ReadAll(victim); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the victim saw %v", err)
	}
	clock.pass(2 * patience) // as long as it might have taken for its hello
	if s := w.proxy.Stats(); s.Active != 0 || s.Peeking != 0 {
		t.Errorf("%d connections, %d hellos", s.Active, s.Peeking)
	}
}

// A server that accepts and then does nothing at all holds up nobody else.
func TestWedgedServer(t *testing.T) {
	w := appWorld(t, echo)
	w.server("wedged", func(_ *server, c *net.TCPConn) { time.Sleep(time.Second) })
	w.expose("wedged.example.com", "wedged")
	w.apply()
	for range 20 {
		c := w.dial()
		c.SetWriteBuffer(64 << 10)
		c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		c.Write(append(helloFor("wedged.example.com"), make([]byte, 4<<20)...))
	}
	for range 20 {
		got, err := ask(w.dial(), nil, appHello)
		wantEcho(t, got, err, "app", appHello)
	}
}
