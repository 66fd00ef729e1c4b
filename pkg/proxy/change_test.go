package proxy

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/hello"
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
	for name, c := range map[string]*net.TCPConn{"removed": removed, "internal": internal, "covered": covered} {
		if !alive(c) {
			t.Errorf("%s was cut at once", name)
		}
	}
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
