package proxy

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// last waits until the latest record is of a connection that ended as told, and returns it.
func (w *world) last(what string, is func(Connection) bool) (found Connection) {
	w.t.Helper()
	w.until(what, func(Stats) bool {
		list := w.proxy.Recent()
		if len(list) > 0 && is(list[0]) {
			found = list[0]
			return true
		}
		return false
	})
	return found
}

// Every way in which a connection ends is recorded, with who ended it.
func TestRecentConnections(t *testing.T) {
	dead := freeAddress(t)
	w := newWorld(t, 1, map[string]string{"app.example.com": "app", "secret.example.com": ""})
	w.server("open", func(_ *server, c *net.TCPConn) { io.Copy(c, c) })
	w.server("resets", func(_ *server, c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 100))
		c.SetLinger(0)
	})
	w.server("closes", func(_ *server, c *net.TCPConn) { io.ReadFull(c, make([]byte, len(helloFor("closes.example.com")))) })
	w.server("idle", func(_ *server, c *net.TCPConn) { io.Copy(io.Discard, c) })
	w.policy.Backends[len(w.policy.Backends)-1].Options.IdleTimeout = 50 * time.Millisecond
	for _, b := range []string{"open", "resets", "closes", "idle"} {
		w.expose(b+".example.com", b)
	}
	w.policy.Backends = append(w.policy.Backends, route.Backend{Name: "down", Options: options,
		Servers: []route.Server{{Address: dead, Weight: 1}}})
	w.expose("down.example.com", "down")
	w.apply()

	started := time.Now()
	for _, test := range []struct {
		what   string
		do     func(c *net.TCPConn)
		want   Connection
		server string
	}{
		{"ended by the client", func(c *net.TCPConn) {
			got, err := ask(c, nil, appHello)
			wantEcho(t, got, err, "app", appHello)
		}, Connection{Host: "app.example.com", Backend: "app", Result: "ok", By: "client", ToServer: uint64(len(appHello)),
			ToClient: uint64(len(appHello) + 4)}, "app"},
		{"ended by the server", func(c *net.TCPConn) {
			c.Write(helloFor("closes.example.com"))
			io.ReadAll(c)
			c.Close()
		}, Connection{Host: "closes.example.com", Backend: "closes", Result: "ok", By: "server",
			ToServer: uint64(len(helloFor("closes.example.com")))}, "closes"},
		{"reset by the server", func(c *net.TCPConn) {
			c.Write(helloFor("resets.example.com"))
			io.ReadAll(c)
		}, Connection{Host: "resets.example.com", Backend: "resets", Result: "reset", By: "server",
			ToServer: uint64(len(helloFor("resets.example.com")))}, "resets"},
		{"reset by the client", func(c *net.TCPConn) {
			c.Write(helloFor("open.example.com"))
			io.ReadFull(c, make([]byte, len(helloFor("open.example.com"))))
			c.SetLinger(0)
			c.Close()
		}, Connection{Host: "open.example.com", Backend: "open", Result: "reset", By: "client",
			ToServer: uint64(len(helloFor("open.example.com"))), ToClient: uint64(len(helloFor("open.example.com")))}, "open"},
		{"idle", func(c *net.TCPConn) {
			c.Write(helloFor("idle.example.com"))
			io.ReadAll(c)
		}, Connection{Host: "idle.example.com", Backend: "idle", Result: "timeout", By: "sniroute",
			ToServer: uint64(len(helloFor("idle.example.com")))}, "idle"},
		{"no server", func(c *net.TCPConn) {
			c.Write(helloFor("down.example.com"))
			io.ReadAll(c)
		}, Connection{Host: "down.example.com", Backend: "down", Result: "refused", Reason: "no_server", By: "sniroute",
			Error: "connection refused"}, "down"},
		{"internal", func(c *net.TCPConn) {
			c.Write(helloFor("secret.example.com"))
			io.ReadAll(c)
		}, Connection{Host: "secret.example.com", Result: "refused", Reason: "not_exposed", By: "sniroute"}, ""},
		{"left early", func(c *net.TCPConn) {
			c.Write(appHello[:20])
			c.Close()
		}, Connection{Result: "refused", Reason: "closed", By: "client"}, ""},
		{"not TLS", func(c *net.TCPConn) {
			c.Write([]byte("GET / HTTP/1.1\r\n"))
			io.ReadAll(c)
		}, Connection{Result: "refused", Reason: "not_tls", By: "sniroute"}, ""},
		{"a long name", func(c *net.TCPConn) {
			c.Write(helloFor(strings.Repeat("a", 60) + ".example.com"))
			c.CloseWrite()
			io.ReadAll(c)
		}, Connection{Host: strings.Repeat("a", 60) + "....", Backend: "nas", Result: "ok", By: "client",
			ToServer: uint64(len(helloFor(strings.Repeat("a", 60) + ".example.com"))),
			ToClient: uint64(len(helloFor(strings.Repeat("a", 60)+".example.com")) + 4)}, "nas"},
	} {
		c := w.dial()
		client := c.LocalAddr().(*net.TCPAddr).AddrPort()
		test.do(c)
		got := w.last(test.what, func(r Connection) bool { return r.Client == client })
		want := test.want
		want.Client, want.Listener, want.Times = client, "tls", 1
		switch {
		case test.server == "down":
			want.Server = dead
		case test.server != "":
			want.Server = w.servers[test.server].address
		}
		if got.Ended.Before(started) || got.Ended.After(time.Now()) || got.Total < got.Hello+got.Connect {
			t.Errorf("%s: times %v %v %v, ended %v", test.what, got.Hello, got.Connect, got.Total, got.Ended)
		}
		got.Ended, got.Hello, got.Connect, got.Total, got.kind = time.Time{}, 0, 0, 0, ""
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", test.what, got, want)
		}
	}
}

// Only the last connections are kept, and what is refused in a row takes one place.
func TestRecentIsBounded(t *testing.T) {
	w := newWorld(t, 2, map[string]string{"app.example.com": "app"})
	for range recentRing + 20 {
		got, err := ask(w.dial(), nil, appHello)
		wantEcho(t, got, err, "app", appHello)
	}
	w.until("all have ended", func(s Stats) bool { return s.Active == 0 })
	if n := len(w.proxy.Recent()); n != recentKept {
		t.Errorf("%d are kept, want %d", n, recentKept)
	}
	for range 50 {
		w.dial().Close()
	}
	w.until("all have ended", func(s Stats) bool { return s.Active == 0 && s.Listeners[0].Rejected["closed"] == 50 })
	list := w.proxy.Recent()
	times, places := 0, 0
	for _, c := range list {
		if c.Reason == "closed" {
			times, places = times+c.Times, places+1
		}
	}
	if times != 50 || places > 2 {
		t.Errorf("50 refusals are %d in %d places", times, places)
	}
	for i := range list[1:] {
		if list[i].Ended.Before(list[i+1].Ended) {
			t.Fatalf("record %d is older than the next", i)
		}
	}
}

// The client that a PROXY protocol header names is the one that is recorded.
func TestRecentClientBehindProxy(t *testing.T) {
	w := newWorld(t, 1, map[string]string{"app.example.com": "app"})
	w.setup.Listeners[0].AcceptProxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	w.apply()
	got, err := ask(w.dial(), nil, append([]byte("PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n"), appHello...))
	wantEcho(t, got, err, "app", appHello)
	w.last("it is recorded", func(c Connection) bool { return c.Client.String() == "203.0.113.9:4711" && c.Result == "ok" })
}

// The access log has a line a connection while it is on, sums up what is too much, and is complete at the end.
func TestAccessLog(t *testing.T) {
	w := newWorld(t, 2, map[string]string{"app.example.com": "app"})
	written := w.log
	connect := func(n int, sent []byte) {
		for range n {
			ask(w.dial(), nil, sent)
		}
		w.until("all have ended", func(s Stats) bool { return s.Active == 0 })
	}
	connect(3, appHello)
	w.setup.AccessLog = true
	began := time.Now()
	w.apply()
	if got := written.String(); got != "" {
		t.Errorf("it is off, but there is\n%s", got)
	}
	connect(1, appHello)
	w.untilTrue("it is logged", func() bool { return strings.Contains(written.String(), "\n") })
	got := written.String()
	for _, want := range []string{
		"msg=connection client=127.0.0.1:", " listener=tls host=app.example.com backend=app server=127.0.0.1:",
		fmt.Sprintf(" result=ok by=client to_backend=%d to_client=%d hello_ms=", len(appHello), len(appHello)+4),
		" connect_ms=", " total_ms=",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	connect(400, []byte("not TLS"))
	connect(100, appHello)
	w.stop()
	err := <-w.ended
	w.ended <- err
	got = written.String()
	counted := map[string]int{}
	for line := range strings.Lines(got) {
		for _, word := range strings.Fields(line) {
			key, value, _ := strings.Cut(word, "=")
			n := 0
			fmt.Sscan(value, &n)
			switch {
			case strings.Contains(line, `"more connections"`):
				counted[key] += n
			case key == "result":
				if value == "refused" {
					value += "_" + between(line, "reason=", " ")
				}
				counted[value]++
			case key == "times":
				counted["refused_not_tls"] += n - 1
			}
		}
	}
	if counted["ok"] != 101 || counted["refused_not_tls"] != 400 {
		t.Errorf("it counts %v in\n%s", counted, got)
	}
	// A look a second, one at the end, and a line each that sums up the rest.
	looks := 2 + int(time.Since(began)/accessPause)
	if n := strings.Count(got, "\n"); n > looks*(accessLines+1) {
		t.Errorf("%d lines of %d looks", n, looks)
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// What a look finds that is too much is summed up, and refusals do not hide other connections.
func TestAccessLogIsBounded(t *testing.T) {
	var batch accessBatch
	batch.results[resultOK] = 500
	batch.results[resultTimeout] = 1
	batch.reasons[rejectTimeout] = 7
	batch.reasons[rejectUnrouted] = 1000
	at := time.Now()
	add := func(n, times int, how result, why reason) {
		for range n {
			at = at.Add(time.Second)
			c := Connection{Ended: at, Times: times, Result: resultNames[how], kind: kindOf(how, why)}
			if why != accepted {
				c.Result, c.Reason = "refused", reasonNames[why]
			}
			batch.list = append(batch.list, c)
		}
	}
	add(50, 1, resultOK, accepted)
	add(40, 2, 0, rejectUnrouted)
	written := new(lines)
	batch.log(slog.New(slog.NewTextHandler(written, nil)))
	got := written.String()
	if n := strings.Count(got, "msg=connection "); n != accessLines {
		t.Errorf("%d lines, want %d", n, accessLines)
	}
	if n := strings.Count(got, "reason=no_route"); n != accessRefusals {
		t.Errorf("%d lines of refusals, want %d", n, accessRefusals)
	}
	if want := "msg=\"more connections\" ok=480 refused_no_route=980 refused_timeout=7 timeout=1\n"; !strings.HasSuffix(got, want) {
		t.Errorf("no %q in\n%s", want, got)
	}
}

// BenchmarkNote is what the record of its end costs a connection.
func BenchmarkNote(b *testing.B) {
	l := &loop{timers: &fakeWorld{}, shared: &shared{ended: make(chan struct{}, 1)}}
	c := l.conns.take()
	c.setClient(netip.MustParseAddrPort("203.0.113.9:4711"))
	name := []byte("app.example.com")
	b.ReportAllocs()
	for b.Loop() {
		c.note(l, ending{how: resultOK, by: byClient, name: name})
	}
}
