package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/freeport"
	"github.com/sniroute/sniroute/pkg/route"
)

// patience is how long a test waits for what must happen; it says nothing about speed.
const patience = 2 * time.Minute

// plenty are limits that no test reaches unless it means to.
var plenty = Limits{MaxConnections: 20000, PeekMemory: 64 << 20, DrainTimeout: 100 * time.Millisecond}

// A world is a Proxy on loopback with servers behind it.
type world struct {
	t       *testing.T
	proxy   *Proxy
	policy  route.Policy
	setup   Setup
	servers map[string]*server
	stop    context.CancelFunc
	ended   chan error
	log     *lines
}

// newWorld starts a Proxy with a listener on loopback, "tls", whose default backend is the server "nas"; hosts are
// static routes from a host to a server's name, each with an echo server behind it.
func newWorld(t *testing.T, loops int, hosts map[string]string) *world {
	w := &world{t: t, servers: make(map[string]*server), ended: make(chan error, 1), log: new(lines)}
	w.policy.Listeners = []route.Listener{{Name: "tls", Default: "nas"}}
	w.server("nas", echo)
	for host, backend := range hosts {
		if backend == "" { // known, but not exposed
			w.policy.Static = append(w.policy.Static, route.Static{Name: host, Hosts: []string{host}})
			continue
		}
		if w.servers[backend] == nil {
			w.server(backend, echo)
		}
		w.policy.Static = append(w.policy.Static,
			route.Static{Name: host, Hosts: []string{host}, Backend: backend, Expose: true})
	}
	w.setup = Setup{
		Listeners: []Listener{{
			Name:         "tls",
			Addresses:    []netip.AddrPort{freeAddress(t)},
			InspectDelay: patience,
			NonTLS:       "reject",
		}},
		Limits: plenty,
	}
	var err error
	w.proxy, err = New(Options{Loops: loops, Logger: slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), w.log), nil))})
	if err != nil {
		t.Fatal(err)
	}
	w.apply()
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.ended <- w.proxy.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-w.ended; err != nil {
			t.Error(err)
		}
		w.ended <- nil
	})
	return w
}

// apply hands the world's setup and policy to the Proxy.
func (w *world) apply() {
	w.t.Helper()
	if err := w.proxy.Setup(w.setup); err != nil {
		w.t.Fatal(err)
	}
	w.proxy.SetTable(route.Build(&w.policy, nil))
}

// options are those of a backend in these tests.
var options = route.BackendOptions{ConnectTimeout: patience, IdleTimeout: patience}

// server starts a server and makes it a backend of that name.
func (w *world) server(name string, serve func(s *server, c *net.TCPConn)) *server {
	address := freeAddress(w.t) // nobody else's when the server is gone
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(address))
	if err != nil {
		w.t.Fatal(err)
	}
	s := &server{name: name, listener: l, address: address}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			s.count()
			done.Go(func() {
				defer c.Close()
				serve(s, c)
			})
		}
	})
	w.t.Cleanup(func() {
		l.Close()
		done.Wait()
	})
	w.servers[name] = s
	w.policy.Backends = append(w.policy.Backends, route.Backend{
		Name:    name,
		Servers: []route.Server{{Address: s.address, Weight: 1}},
		Options: options,
	})
	return s
}

type server struct {
	name     string
	listener *net.TCPListener
	address  netip.AddrPort

	mu       sync.Mutex
	accepted int
}

func (s *server) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted++
}

func (s *server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// echo reads to the end of the stream, then answers with the server's name and all that it read.
func echo(s *server, c *net.TCPConn) {
	c.SetDeadline(time.Now().Add(patience))
	received, err := io.ReadAll(c)
	if err != nil {
		return
	}
	c.Write(append([]byte(s.name+":"), received...))
}

// lines are what was written, of the log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// freeAddress returns an address of loopback that nobody else is given while the test runs, and where nobody listens.
func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	return freeport.Reserve(t)
}

// dial connects to the world's listener.
func (w *world) dial() *net.TCPConn {
	w.t.Helper()
	c, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(w.setup.Listeners[0].Addresses[0]))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// ask sends each piece, ends the stream and returns all that comes back. between is called before every piece but the
// first.
func ask(c *net.TCPConn, between func(), pieces ...[]byte) ([]byte, error) {
	defer c.Close()
	for i, piece := range pieces {
		if i > 0 && between != nil {
			between()
		}
		if _, err := c.Write(piece); err != nil {
			return nil, err
		}
	}
	if err := c.CloseWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) {
		return nil, err
	}
	return io.ReadAll(c)
}

// wantEcho fails the test unless the named server got exactly these bytes.
func wantEcho(t *testing.T, got []byte, err error, server string, sent []byte) {
	t.Helper()
	if err != nil {
		t.Fatalf("reading the answer: %v (got %d bytes)", err, len(got))
	}
	if want := slices.Concat([]byte(server+":"), sent); !bytes.Equal(got, want) {
		name, _, _ := bytes.Cut(got, []byte(":"))
		t.Fatalf("%d bytes from %.40q, want %d bytes from %q", len(got), name, len(want), server)
	}
}

// until waits for a condition of the Proxy's counters.
func (w *world) until(what string, holds func(Stats) bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s := w.proxy.Stats()
		if holds(s) {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain until %s: %+v", what, s)
		}
	}
}
