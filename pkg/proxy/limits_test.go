package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/pkg/route"
)

func (w *world) expose(host, backend string) {
	w.policy.Static = append(w.policy.Static, route.Static{Name: host, Hosts: []string{host}, Backend: backend, Expose: true})
}

// alertOf sends a hello and returns what comes back.
func alertOf(t *testing.T, c *net.TCPConn, sent []byte) string {
	t.Helper()
	c.Write(sent)
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return string(got)
}

func alert(description byte) string { return string([]byte{21, 3, 3, 0, 2, 2, description}) }

// An internal host is refused like an unknown one, and falls neither to a wildcard nor to the default backend.
func TestInternalHostIsRefused(t *testing.T) {
	w := newWorld(t, 1, map[string]string{"secret.example.com": "", "*.example.com": "wild"})
	for _, name := range []string{"secret.example.com", "SECRET.example.com", "secret.example.com."} {
		if got := alertOf(t, w.dial(), hello.Bytes(hello.Options{Name: name})); got != alert(112) {
			t.Errorf("%s: got % x, want unrecognized_name", name, got)
		}
	}
	sent := hello.Bytes(hello.Options{Name: "other.example.com"})
	got, err := ask(w.dial(), nil, sent)
	wantEcho(t, got, err, "wild", sent)
	w.until("they are counted", func(s Stats) bool { return s.Listeners[0].Rejected["not_exposed"] == 3 })
}

// Without a default backend, a name that nothing claims is refused as well, and so is a hello without one.
func TestUnknownNameWithoutDefault(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.policy.Listeners[0].Default = ""
	w.apply()
	for _, name := range []string{"unknown.example.com", ""} {
		if got := alertOf(t, w.dial(), hello.Bytes(hello.Options{Name: name})); got != alert(112) {
			t.Errorf("%q: got % x, want unrecognized_name", name, got)
		}
	}
}

// A server that does not answer is skipped; when none is left the client gets internal_error, not the default backend.
func TestServersDown(t *testing.T) {
	w := newWorld(t, 1, map[string]string{"app.example.com": "app"})
	dead := freeAddress(t)
	app := &w.policy.Backends[1]
	app.Servers = append([]route.Server{{Address: dead, Weight: 1}}, app.Servers...)
	w.apply()
	for range 4 {
		got, err := ask(w.dial(), nil, appHello)
		wantEcho(t, got, err, "app", appHello)
	}
	w.until("failures are counted", func(s Stats) bool { return s.backend("app").Servers[0].Failed >= 2 })
	app.Servers = app.Servers[:1]
	w.apply()
	if got := alertOf(t, w.dial(), appHello); got != alert(80) {
		t.Errorf("got % x, want internal_error", got)
	}
	if n := w.servers["nas"].connections(); n != 0 {
		t.Errorf("the default backend was reached %d times", n)
	}
}

// A server that never answers costs the connect timeout, then the next one is tried.
func TestConnectTimeout(t *testing.T) {
	w := newWorld(t, 1, map[string]string{"app.example.com": "app"})
	full := fullListener(t)
	app := &w.policy.Backends[1]
	app.Servers = append([]route.Server{{Address: full, Weight: 1}}, app.Servers...)
	app.Options.ConnectTimeout = 100 * time.Millisecond
	clock := w.handClock()
	w.apply()
	waited := 0
	for range 2 {
		c, answered := w.dial(), make(chan struct{})
		go func() {
			defer close(answered)
			got, err := ask(c, nil, appHello)
			if want := append([]byte("app:"), appHello...); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %q, %v", got, err)
			}
		}()
		w.until("the one does not answer, or the other one does", func(s Stats) bool {
			select {
			case <-answered:
				return true
			default:
			}
			waits := s.backend("app").Servers[0].Active == 1
			if waits {
				waited++
				clock.pass(100 * time.Millisecond)
			}
			return waits
		})
		<-answered
	}
	if failed := w.proxy.Stats().backend("app").Servers[0].Failed; waited == 0 || int(failed) != waited {
		t.Errorf("%d connects had no answer, %d failed", waited, failed)
	}
}

// fullListener returns an address whose connects are never answered: its backlog is full.
func fullListener(t *testing.T) netip.AddrPort {
	fd, err := listenOn(netip.MustParseAddrPort("127.0.0.1:0"), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	syscall.Listen(fd, 0)
	address := new(kernel).local(int32(fd))
	for range 2 {
		if c, errno := new(kernel).connect(netip.Addr{}, address, false); errno == 0 {
			t.Cleanup(func() { new(kernel).close(c) })
		}
	}
	return address
}

// Silence, and a hello that is never finished.
func TestInspectDelay(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.server("ssh", func(s *server, c *net.TCPConn) { io.WriteString(c, "SSH-2.0-test\r\n") })
	const delay = 200 * time.Millisecond
	w.setup.Listeners[0].InspectDelay = delay
	clock := w.handClock()
	w.apply()
	c := w.dial()
	w.until("it is in", func(s Stats) bool { return s.Peeking == 1 })
	clock.pass(delay)
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
		t.Errorf("silence: got %q (%v), want the end", got, err)
	}
	c.Close()
	w.setup.Listeners[0].NonTLS = "ssh"
	w.apply()
	c = w.dial()
	w.until("it is in", func(s Stats) bool { return s.Peeking == 1 })
	clock.pass(delay)
	if got, err := io.ReadAll(c); err != nil || string(got) != "SSH-2.0-test\r\n" {
		t.Errorf("silence before a server that speaks first: got %q (%v)", got, err)
	}
	c.Close()
	c = w.dial()
	c.Write(appHello[:100])
	w.until("it is read", func(s Stats) bool { return s.PeekBytes > 0 })
	clock.pass(delay)
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
		t.Errorf("a partial hello: got %q (%v), want the end", got, err)
	}
	c = w.dial()
	got, err := ask(c, nil, appHello[:100])
	if err != nil || len(got) > 0 {
		t.Errorf("a partial hello and FIN: got %q (%v), want the end", got, err)
	}
	w.until("they are counted", func(s Stats) bool {
		r := s.Listeners[0].Rejected
		return r["timeout"] == 1 && r["closed"] == 1 && r["not_tls"] == 1 && s.Active == 0 && s.PeekBytes == 0
	})
}

// A connection on which nothing moves ends after the idle timeout, one on which something does lives on.
func TestIdleTimeout(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.server("app", func(s *server, c *net.TCPConn) { io.Copy(c, c) })
	w.expose("app.example.com", "app")
	w.policy.Backends[1].Options.IdleTimeout = 400 * time.Millisecond
	clock := w.handClock()
	w.apply()
	c := w.dial()
	c.Write(appHello)
	io.ReadFull(c, make([]byte, len(appHello)))
	for range 8 {
		clock.pass(300 * time.Millisecond)
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatalf("a busy connection was cut: %v", err)
		}
	}
	clock.pass(400 * time.Millisecond)
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
		t.Errorf("got %q (%v), want the end", got, err)
	}
	w.until("it is counted", func(s Stats) bool {
		return s.backend("app").Connections[ConnectionResult{"tls", "timeout"}] == 1
	})
}

// At the connection limit the oldest unfinished hello makes room; connections that are served are left alone.
func TestConnectionLimit(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.server("app", func(s *server, c *net.TCPConn) { io.Copy(c, c) })
	w.expose("app.example.com", "app")
	w.setup.Limits.MaxConnections = 20 // from 16 on it is crowded: 8 for each source
	w.setup.Limits.PerSource = 0
	w.apply()
	var served []*net.TCPConn
	for range 10 {
		c := w.dial()
		c.Write(appHello)
		if _, err := io.ReadFull(c, make([]byte, len(appHello))); err != nil {
			t.Fatal(err)
		}
		served = append(served, c)
	}
	w.policy.Listeners[0].Default = ""
	w.setup.Limits.MaxConnections = 11
	w.apply()
	silent := w.dialFrom("127.0.0.2")
	w.until("it is in", func(s Stats) bool { return s.Peeking == 1 })
	late := w.dialFrom("127.0.0.3")
	if got, err := io.ReadAll(silent); err != nil || len(got) > 0 {
		t.Errorf("the oldest unfinished hello: got %q (%v), want the end", got, err)
	}
	late.Write(appHello)
	if _, err := io.ReadFull(late, make([]byte, len(appHello))); err != nil {
		t.Errorf("the one that it made room for: %v", err)
	}
	refused := w.dialFrom("127.0.0.4")
	if got, err := io.ReadAll(refused); err != nil && !errors.Is(err, syscall.ECONNRESET) || len(got) > 0 {
		t.Errorf("one too many: got %q (%v), want the end", got, err)
	}
	for _, c := range served {
		c.Write([]byte("x"))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Errorf("a served connection was cut: %v", err)
		}
	}
	w.until("they are counted", func(s Stats) bool { return s.Listeners[0].Rejected["limit"] == 2 })
}

func (w *world) dialFrom(ip string) *net.TCPConn {
	w.t.Helper()
	c, err := net.DialTCP("tcp4", &net.TCPAddr{IP: net.ParseIP(ip)}, net.TCPAddrFromAddrPort(w.setup.Listeners[0].Addresses[0]))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// Unfinished hellos share a bound on memory; the oldest goes first.
func TestPeekMemory(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.setup.Limits.PeekMemory = 4 * smallBuffer
	w.apply()
	var clients []*net.TCPConn
	for i := range 6 {
		c := w.dial()
		c.Write(appHello[:50])
		clients = append(clients, c)
		w.until("it is read", func(s Stats) bool {
			return s.Listeners[0].Accepted == uint64(i+1) && s.PeekBytes == min(i+1, 4)*smallBuffer
		})
	}
	for i, c := range clients {
		if i < 2 {
			if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
				t.Errorf("client %d: got %q (%v), want the end", i, got, err)
			}
			continue
		}
		got, err := ask(c, nil, appHello[50:])
		wantEcho(t, got, err, "nas", appHello)
	}
}

// Hellos that grow are bounded together as well: those that came first go.
func TestPeekMemoryOfGrowingHellos(t *testing.T) {
	w := newWorld(t, 1, nil)
	limit := 4 * largeBuffer
	w.setup.Limits.PeekMemory = limit
	w.apply()
	record := append([]byte{22, 3, 1, 0x3f, 0xff, 1, 0, 0xf0, 0}, make([]byte, 1<<14-5)...) // 16 of 60 KiB
	clients := make([]*net.TCPConn, 12)
	for i := range clients {
		clients[i] = w.dial()
		clients[i].Write(record[:10])
	}
	w.until("all have begun", func(s Stats) bool { return s.Peeking == len(clients) })
	for _, c := range clients {
		c.Write(record[10:])
		c.Write(append([]byte{22, 3, 1, 0x3f, 0xff}, make([]byte, 1<<14-1)...))
	}
	w.until("the oldest make room", func(s Stats) bool {
		if s.PeekBytes > limit {
			t.Fatalf("unfinished hellos hold %d bytes, more than %d", s.PeekBytes, limit)
		}
		return s.Listeners[0].Rejected["peek_memory"] > 0 && s.Peeking <= 4
	})
}

// A client that is silent behind its PROXY header is like one that is silent: a server that is down is passed over.
func TestSilentBehindHeader(t *testing.T) {
	for _, header := range []string{"", "PROXY TCP4 203.0.113.9 203.0.113.1 4000 443\r\n"} {
		w := newWorld(t, 1, nil)
		w.server("ssh", func(_ *server, c *net.TCPConn) { io.WriteString(c, "SSH-2.0-test\r\n") })
		ssh := &w.policy.Backends[1]
		ssh.Servers = append([]route.Server{{Address: freeAddress(t), Weight: 1}}, ssh.Servers...)
		w.setup.Listeners[0].InspectDelay = 50 * time.Millisecond
		clock := w.handClock()
		w.setup.Listeners[0].NonTLS = "ssh"
		if header != "" {
			w.setup.Listeners[0].AcceptProxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		}
		w.apply()
		for range 4 {
			c := w.dial()
			io.WriteString(c, header)
			w.until("what it sent is read", func(s Stats) bool { return s.Peeking == 1 && (s.PeekBytes > 0 || header == "") })
			clock.pass(50 * time.Millisecond)
			if got, err := io.ReadAll(c); string(got) != "SSH-2.0-test\r\n" || err != nil {
				t.Errorf("behind %q: got %q, %v", header, got, err)
			}
		}
	}
}

// One source can hold so many connections, and open so many a second; others are not concerned.
func TestSourceLimits(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.setup.Limits.PerSource = 3
	w.apply()
	for range 3 {
		w.dial()
	}
	w.until("three are in", func(s Stats) bool { return s.Active == 3 })
	if got, err := io.ReadAll(w.dial()); err != nil || len(got) > 0 {
		t.Errorf("a fourth: got %q (%v), want the end", got, err)
	}
	other := w.dialFrom("127.0.0.9")
	got, err := ask(other, nil, appHello)
	wantEcho(t, got, err, "nas", appHello)
	w.until("it is counted", func(s Stats) bool { return s.Listeners[0].Rejected["source_limit"] == 1 })
}

// The listener's networks are asked before anything is read.
func TestAllowAndDeny(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.setup.Listeners[0].Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24")}
	w.setup.Listeners[0].Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.8/32")}
	w.apply()
	for ip, in := range map[string]bool{"127.0.0.1": true, "127.0.0.8": false, "127.0.1.1": false} {
		got, err := ask(w.dialFrom(ip), nil, appHello)
		if in {
			wantEcho(t, got, err, "nas", appHello)
		} else if len(got) > 0 {
			t.Errorf("%s got %d bytes", ip, len(got))
		}
	}
}

// Our own listener is never dialled.
func TestNoLoop(t *testing.T) {
	w := newWorld(t, 1, map[string]string{"app.example.com": "app"})
	w.policy.Backends[1].Servers[0].Address = w.setup.Listeners[0].Addresses[0]
	w.apply()
	if got := alertOf(t, w.dial(), appHello); got != alert(80) {
		t.Errorf("got % x, want internal_error", got)
	}
	if s := w.proxy.Stats(); s.Listeners[0].Accepted != 1 {
		t.Errorf("%d connections were accepted, want 1", s.Listeners[0].Accepted)
	}
}
