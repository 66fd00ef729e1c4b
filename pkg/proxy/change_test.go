package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/route"
)

// open sends the hello and waits for the answer of a server that echoes at once.
func (w *world) openTo(name string) *net.TCPConn {
	w.t.Helper()
	c := w.dial()
	h := helloFor(name)
	c.Write(h)
	if _, err := io.ReadFull(c, make([]byte, len(h))); err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return c
}

func helloFor(name string) []byte { return hello.Bytes(hello.Options{Name: name}) }

func alive(c *net.TCPConn) bool {
	c.Write([]byte("x"))
	_, err := io.ReadFull(c, make([]byte, 1))
	return err == nil
}

// Connections of a host that lost its exposure end after the drain timeout, whatever it was lost to; others live on.
func TestLostExposureDrains(t *testing.T) {
	w := newWorld(t, 1, nil)
	clock := w.handClock()
	w.server("app", func(s *server, c *net.TCPConn) { io.Copy(c, c) })
	w.expose("kept.example.com", "app")
	w.expose("removed.example.com", "app")
	w.expose("internal.example.com", "app")
	w.expose("*.wild.example.com", "app")
	w.apply()
	kept, removed := w.openTo("kept.example.com"), w.openTo("removed.example.com")
	internal, wild := w.openTo("internal.example.com"), w.openTo("a.wild.example.com")
	covered := w.openTo("B.wild.example.com")

	w.policy.Static = nil
	w.expose("kept.example.com", "app")
	w.expose("*.wild.example.com", "app")
	for _, host := range []string{"internal.example.com", "b.wild.example.com"} {
		w.policy.Static = append(w.policy.Static, route.Static{Name: host, Hosts: []string{host}})
	}
	w.setup.Limits.DrainTimeout = 500 * time.Millisecond
	w.apply()
	clock.pass(499 * time.Millisecond)
	for name, c := range map[string]*net.TCPConn{"removed": removed, "internal": internal, "covered": covered} {
		if !alive(c) {
			t.Errorf("%s was cut before the drain timeout", name)
		}
	}
	clock.pass(time.Millisecond)
	for name, c := range map[string]*net.TCPConn{"removed": removed, "internal": internal, "covered": covered} {
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: got %v, want a reset after the drain timeout", name, err)
		}
	}
	if !alive(kept) || !alive(wild) {
		t.Error("a connection of a host that is still exposed was cut")
	}
	w.until("they are counted", func(s Stats) bool {
		return s.backend("app").Connections[ConnectionResult{"tls", "drained"}] == 3
	})
}

// What a connection asked for is not forgotten where other routes take the name in the course of time.
func TestLostExposureAfterOtherRoutes(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.server("app", func(s *server, c *net.TCPConn) { io.Copy(c, c) })
	w.expose("a.example.com", "app")
	w.apply()
	c := w.openTo("a.example.com")
	w.policy.Static = nil
	w.expose("*.example.com", "app")
	w.apply()
	if !alive(c) {
		t.Fatal("it was cut where a wildcard takes the name")
	}
	w.policy.Static = append(w.policy.Static, route.Static{Name: "inside", Hosts: []string{"a.example.com"}})
	w.setup.Limits.DrainTimeout = 10 * time.Millisecond
	w.apply()
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset after the drain timeout", err)
	}
	w.last("it is recorded", func(r Connection) bool { return r.Host == "a.example.com" && r.Result == "drained" })
}

// A backend whose servers changed: new connections go to the new ones, old ones stay, the counters add up.
func TestChangedServers(t *testing.T) {
	w := newWorld(t, 1, nil)
	pass := func(s *server, c *net.TCPConn) { io.Copy(c, c) }
	w.server("app", pass)
	other := w.server("other", pass)
	w.expose("app.example.com", "app")
	w.apply()
	first := w.openTo("app.example.com")
	w.policy.Backends[1].Servers = []route.Server{{Address: other.address, Weight: 1}}
	w.apply()
	second := w.openTo("app.example.com")
	if other.connections() != 1 {
		t.Errorf("the new server has %d connections, want 1", other.connections())
	}
	if !alive(first) || !alive(second) {
		t.Error("a connection was cut")
	}
	first.Close()
	second.Close()
	w.until("both have ended", func(s Stats) bool { return s.Active == 0 })
	w.apply()
	w.until("both are counted", func(s Stats) bool {
		return s.backend("app").Connections[ConnectionResult{"tls", "ok"}] == 2
	})
}

// Listeners come and go; what is unchanged never closes, and an address that cannot be had changes nothing.
func TestSetupChanges(t *testing.T) {
	for _, loops := range []int{1, 3} {
		w := newWorld(t, loops, nil)
		w.server("app", func(s *server, c *net.TCPConn) { io.Copy(c, c) })
		w.expose("app.example.com", "app")
		w.apply()
		c := w.openTo("app.example.com")

		second := w.setup.Listeners[0]
		second.Name, second.Addresses = "second", []netip.AddrPort{freeAddress(t)}
		w.setup.Listeners = append(w.setup.Listeners, second)
		w.policy.Listeners = append(w.policy.Listeners, route.Listener{Name: "second", Default: "nas"})
		w.apply()
		w.setup.Listeners[0], w.setup.Listeners[1] = w.setup.Listeners[1], w.setup.Listeners[0]
		onSecond := w.openTo("app.example.com")

		taken, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		bad := w.setup
		bad.Listeners = append(bad.Listeners[:2:2], Listener{Name: "third",
			Addresses: []netip.AddrPort{freeAddress(t), taken.Addr().(*net.TCPAddr).AddrPort()}})
		if err := w.proxy.Setup(bad); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening on a taken address: %v", err)
		}
		taken.Close()
		if !alive(c) || !alive(onSecond) {
			t.Error("a connection was cut")
		}

		w.setup.Listeners = w.setup.Listeners[1:] // the second one goes
		w.apply()
		if _, err := io.ReadAll(onSecond); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection of a removed listener: got %v, want a reset after the drain timeout", err)
		}
		if _, err := net.Dial("tcp4", second.Addresses[0].String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a removed listener: %v", err)
		}
		if !alive(c) {
			t.Error("a connection of an unchanged listener was cut")
		}
		c.Close()
	}
}

// At the end every descriptor is closed.
func TestStopClosesEverything(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	w := newWorld(t, 2, nil)
	w.server("app", func(s *server, c *net.TCPConn) { io.Copy(c, c) })
	w.expose("app.example.com", "app")
	w.apply()
	served := w.openTo("app.example.com")
	silent := w.dial()
	w.until("both are in", func(s Stats) bool { return s.Active == 2 })
	w.stop()
	err := <-w.ended
	w.ended <- err
	if _, err := io.ReadAll(silent); err != nil {
		t.Errorf("an unfinished hello: %v, want the end", err)
	}
	if _, err := io.ReadAll(served); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a served connection: %v, want a reset", err)
	}
	served.Close()
	silent.Close()
	for _, s := range w.servers {
		s.listener.Close()
	}
	w.untilTrue("all descriptors are closed", func() bool { return count() <= before })
}

// An address that the machine does not have yet can be listened on: at boot the daemon starts before the network.
func TestListenBeforeTheNetwork(t *testing.T) {
	for _, address := range []string{"192.0.2.77:0", "[2001:db8::77]:0"} {
		fd, err := listen(netip.MustParseAddrPort(address), false)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		syscall.Close(fd)
	}
}

// What a backend counts outlives its removal: connections that end later are counted, the sums never fall while they are
// shown, and go on where the backend comes back.
func TestCountersOutliveRemoval(t *testing.T) {
	w := newWorld(t, 2, nil)
	w.server("app", func(_ *server, c *net.TCPConn) { io.Copy(c, c) })
	w.expose("app.example.com", "app")
	w.setup.Limits.DrainTimeout = patience
	w.apply()
	without := func() {
		w.policy.Static = nil
		w.policy.Backends = w.policy.Backends[:1]
		w.apply()
	}
	with := w.policy
	h := uint64(len(helloFor("app.example.com")))
	want := uint64(0)
	for round := range 5 {
		var open []*net.TCPConn
		for range 4 {
			open = append(open, w.openTo("app.example.com"))
		}
		if round%2 == 0 {
			without()
		}
		for _, c := range open {
			c.Close()
		}
		want += 4
		w.until("they are counted", func(s Stats) bool {
			b := s.backend("app")
			return s.Active == 0 && b.Connections[ConnectionResult{"tls", "ok"}] == want && b.ToBackend == want*h && b.ToClient == want*h
		})
		without()
		without()
		w.until("they are still shown", func(s Stats) bool {
			b := s.backend("app")
			return b.Connections[ConnectionResult{"tls", "ok"}] == want && b.Removed && len(b.Servers) == 0
		})
		w.policy = with
		w.apply()
		w.until("they go on", func(s Stats) bool {
			b := s.backend("app")
			return b.Connections[ConnectionResult{"tls", "ok"}] == want && !b.Removed && len(b.Servers) == 1
		})
	}
}

// Backends that are gone are remembered up to a bound, the latest of them, and shown for a while.
func TestPastIsBounded(t *testing.T) {
	clock := &fakeWorld{timers: make(map[uint32]uint32)}
	l := &loop{timers: clock, past: make(map[string]*pastTarget)}
	var set backend.Set
	for i := range mostPast + 10 {
		clock.now += 1000
		pools := set.Update([]route.Backend{{Name: fmt.Sprint(i)}}, nil)
		l.adoptPools(pools)
		l.targets[l.targetOf[0]].toServer = uint64(i)
	}
	if len(l.past) != mostPast || l.past["0"] != nil || l.past[fmt.Sprint(mostPast+8)].toServer != mostPast+8 {
		t.Errorf("%d are remembered", len(l.past))
	}
	sum := tally{targets: make(map[string]*target)}
	l.collect(&sum)
	if n, want := len(sum.targets), int(shownPast/time.Second)+1; n != want {
		t.Errorf("%d are shown, want %d", n, want)
	}
}

// A listener can move to an address that its own socket is in the way of, and what waits at the old one is served.
func TestListenerMoves(t *testing.T) {
	for _, loops := range []int{1, 2} {
		w := newWorld(t, loops, map[string]string{"app.example.com": "app"})
		one := w.setup.Listeners[0].Addresses[0]
		all := netip.AddrPortFrom(netip.Addr{}, one.Port())
		for range 20 {
			var asked sync.WaitGroup
			for range 4 {
				c := w.dial() // while the proxy is busy it waits to be accepted
				asked.Go(func() {
					got, err := ask(c, nil, appHello)
					if want := append([]byte("app:"), appHello...); err != nil || !bytes.Equal(got, want) {
						t.Errorf("got %q, %v", got, err)
					}
				})
			}
			for _, to := range []netip.AddrPort{all, one} {
				w.setup.Listeners[0].Addresses = []netip.AddrPort{to}
				if err := w.proxy.Setup(w.setup); err != nil {
					t.Fatalf("%d loops, to %v: %v", loops, to, err)
				}
			}
			asked.Wait()
		}
		taken, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		w.setup.Listeners[0].Addresses = []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, uint16(taken.Addr().(*net.TCPAddr).Port))}
		if err := w.proxy.Setup(w.setup); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("where another program listens: %v", err)
		}
		taken.Close()
	}
}

// A client that a listener lets in no more loses its connections after the drain timeout, as do those of a default
// backend that the listener does not have any more.
func TestListenerTurnsAway(t *testing.T) {
	for what, change := range map[string]func(w *world){
		"deny":       func(w *world) { w.setup.Listeners[0].Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} },
		"no default": func(w *world) { w.policy.Listeners[0].Default = "" },
		"no non_tls": func(w *world) { w.setup.Listeners[0].NonTLS = "reject" },
	} {
		w := newWorld(t, 1, nil)
		clock := w.handClock()
		w.server("open", func(_ *server, c *net.TCPConn) { io.Copy(c, c) })
		w.policy.Listeners[0].Default, w.setup.Listeners[0].NonTLS = "open", "open"
		w.apply()
		c, plain := w.openTo("any.example.com"), w.dial()
		if !alive(plain) {
			t.Fatal("not TLS: it does not echo")
		}
		w.setup.Limits.DrainTimeout = 200 * time.Millisecond
		w.apply()
		change(w)
		w.apply()
		gone := []*net.TCPConn{c, plain}
		if what == "no default" {
			gone = gone[:1]
		}
		if what == "no non_tls" {
			gone = gone[1:]
		}
		clock.pass(199 * time.Millisecond)
		for _, c := range gone {
			if !alive(c) {
				t.Errorf("%s: a connection was cut before the drain timeout", what)
			}
		}
		clock.pass(time.Millisecond)
		for _, c := range gone {
			if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: got %v, want a reset after the drain timeout", what, err)
			}
		}
		if len(gone) == 1 && !alive(map[bool]*net.TCPConn{true: plain, false: c}[gone[0] == c]) {
			t.Errorf("%s: the other connection was cut", what)
		}
	}
}
