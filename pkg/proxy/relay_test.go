package proxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/hello"
)

var appHello = hello.Bytes(hello.Options{Name: "app.example.com", Size: 517})

func appWorld(t *testing.T, serve func(*server, *net.TCPConn)) *world {
	w := newWorld(t, 1, nil)
	w.server("app", serve)
	w.expose("app.example.com", "app")
	w.apply()
	return w
}

// noise returns reproducible bytes.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(seed)})
	source.Read(b)
	return b
}

// Large streams both ways at once, with a slow reader on either side: every byte arrives, in order.
func TestRelayBothWays(t *testing.T) {
	const size = 20 << 20
	up, down := noise(size, 1), noise(size, 2)
	for _, slow := range []string{"neither", "client", "server"} {
		t.Run(slow, func(t *testing.T) {
			hash := make(chan [32]byte, 1)
			drain := func(r io.Reader, slowly bool) [32]byte {
				h := sha256.New()
				buffer := make([]byte, 64<<10)
				for i := 0; ; i++ {
					n, err := r.Read(buffer)
					h.Write(buffer[:n])
					if err != nil {
						break
					}
					if slowly && i%20 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
				return [32]byte(h.Sum(nil))
			}
			w := appWorld(t, func(s *server, c *net.TCPConn) {
				var writing sync.WaitGroup
				writing.Go(func() {
					c.Write(down)
					c.CloseWrite()
				})
				io.CopyN(io.Discard, c, int64(len(appHello)))
				hash <- drain(c, slow == "server")
				writing.Wait()
			})
			c := w.dial()
			var writing sync.WaitGroup
			writing.Go(func() {
				c.Write(appHello)
				c.Write(up)
				c.CloseWrite()
			})
			if got := drain(c, slow == "client"); got != sha256.Sum256(down) {
				t.Error("the client did not get what the server sent")
			}
			if got := <-hash; got != sha256.Sum256(up) {
				t.Error("the server did not get what the client sent")
			}
			writing.Wait()
			w.until("the connection has ended well", func(s Stats) bool {
				b := s.backend("app")
				return s.Active == 0 && b.Connections[ConnectionResult{"tls", "ok"}] == 1 &&
					b.ToBackend == size+517 && b.ToClient == size
			})
		})
	}
}

func (s Stats) backend(name string) BackendStats {
	for _, b := range s.Backends {
		if b.Name == name {
			return b
		}
	}
	return BackendStats{}
}

// A client that stops reading stops its server: neither the proxy nor anyone else takes in what is not wanted.
func TestRelayHoldsTheServerBack(t *testing.T) {
	stuck := make(chan int, 1)
	w := appWorld(t, func(s *server, c *net.TCPConn) {
		c.SetWriteBuffer(64 << 10)
		c.SetWriteDeadline(time.Now().Add(2 * time.Second))
		n := 0
		for {
			written, err := c.Write(make([]byte, 64<<10))
			n += written
			if err != nil {
				stuck <- n
				return
			}
		}
	})
	c := w.dial()
	c.SetReadBuffer(64 << 10)
	c.Write(appHello)
	if n := <-stuck; n > 32<<20 {
		t.Errorf("the server could send %d bytes that nobody read", n)
	}
}

// The end of one direction is passed on while the other goes on.
func TestRelayHalfClose(t *testing.T) {
	w := appWorld(t, func(s *server, c *net.TCPConn) {
		io.WriteString(c, "greeting")
		c.CloseWrite()
		received, _ := io.ReadAll(c)
		w := sha256.Sum256(received)
		s.mu.Lock()
		s.name = string(w[:])
		s.mu.Unlock()
	})
	c := w.dial()
	c.Write(appHello)
	if got, err := io.ReadAll(c); err != nil || string(got) != "greeting" {
		t.Fatalf("got %q (%v)", got, err)
	}
	rest := noise(1<<20, 3)
	if _, err := c.Write(rest); err != nil {
		t.Fatal(err)
	}
	c.CloseWrite()
	w.until("both ends are passed on", func(s Stats) bool { return s.Active == 0 })
	want := sha256.Sum256(append(bytes.Clone(appHello), rest...))
	s := w.servers["app"]
	s.listener.Close()
	w.untilTrue("the server has read it all", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.name == string(want[:])
	})
}

func (w *world) untilTrue(what string, holds func() bool) {
	w.t.Helper()
	w.until(what, func(Stats) bool { return holds() })
}

// A reset on one side becomes a reset on the other.
func TestRelayReset(t *testing.T) {
	t.Run("by the server", func(t *testing.T) {
		w := appWorld(t, func(s *server, c *net.TCPConn) {
			io.ReadFull(c, make([]byte, len(appHello)))
			c.SetLinger(0)
		})
		c := w.dial()
		c.Write(appHello)
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client saw %v, want a reset", err)
		}
	})
	t.Run("by the client", func(t *testing.T) {
		seen := make(chan error, 1)
		w := appWorld(t, func(s *server, c *net.TCPConn) {
			io.WriteString(c, "x")
			_, err := io.ReadAll(c)
			seen <- err
		})
		c := w.dial()
		c.Write(appHello)
		io.ReadFull(c, make([]byte, 1))
		c.SetLinger(0)
		c.Close()
		if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server saw %v, want a reset", err)
		}
		w.until("it is counted", func(s Stats) bool {
			return s.backend("app").Connections[ConnectionResult{"tls", "reset"}] == 1
		})
	})
	t.Run("by a server that had answered", func(t *testing.T) {
		w := appWorld(t, func(s *server, c *net.TCPConn) {
			io.ReadFull(c, make([]byte, len(appHello)))
			io.WriteString(c, "no thanks") // and closes with the rest unread, which resets
			time.Sleep(50 * time.Millisecond)
		})
		c := w.dial()
		c.Write(appHello)
		got := make([]byte, 9)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "no thanks" {
			t.Fatalf("got %q (%v)", got, err)
		}
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				break // a reset, at the latest when the server's has come through
			}
		}
	})
}

// Many connections with much to move share the loop: all of them end, each with its own bytes.
func TestRelayShares(t *testing.T) {
	w := appWorld(t, echo)
	var all sync.WaitGroup
	for i := range 50 {
		c := w.dial()
		all.Go(func() {
			sent := append(bytes.Clone(appHello), noise(1<<20, uint64(i))...)
			got, err := ask(c, nil, sent)
			if err != nil || !bytes.Equal(got, append([]byte("app:"), sent...)) {
				t.Errorf("connection %d: %d bytes (%v)", i, len(got), err)
			}
		})
	}
	all.Wait()
}
