package status

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// patience is how long a test waits for what must happen; it says nothing about speed.
const patience = time.Minute

// get asks a server and returns status, body and headers.
func get(t *testing.T, method, address, path, host string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequest(method, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		request.Host = host
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body), answer.Header
}

func TestServerShows(t *testing.T) {
	address := start(t, busyDaemon(time.Now()), Options{})
	for path, want := range map[string]string{
		"/":                          "app1.k8s.example.com",
		"/api/status":                `"version": "1.0.0"`,
		"/api/routes":                `"host": "app1.k8s.example.com"`,
		"/api/explain?name=a.b":      `"name": "a.b"`,
		"/metrics":                   "sniroute_dns_records 3",
		"/healthz":                   "ok\n",
		"/readyz":                    "ready\n",
		"/api/explain?name=%00%ff%0": "host name",
	} {
		code, body, header := get(t, "GET", address, path, "")
		wantCode := 200
		if strings.HasSuffix(path, "%0") {
			wantCode = 400 // a query that cannot be decoded names nothing
		}
		if code != wantCode || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200q", path, code, body)
		}
		for name, value := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if header.Get(name) != value {
				t.Errorf("%s: header %s is %q", path, name, header.Get(name))
			}
		}
		if policy := header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none';") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	for _, path := range []string{"/x", "/debug/pprof/", "/api", "/reload", "/status"} {
		if code, _, _ := get(t, "GET", address, path, ""); code != 404 {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, _, _ := get(t, "GET", address, "/api/explain?name="+strings.Repeat("a", 300), ""); code != 400 {
		t.Errorf("a long name: %d", code)
	}
}

func TestServerOnlyReads(t *testing.T) {
	d := busyDaemon(time.Now())
	address := start(t, d, Options{})
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X"} {
		for _, path := range []string{"/", "/metrics", "/api/status", "/reload"} {
			if code, _, header := get(t, method, address, path, ""); code != 405 || header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d", method, path, code)
			}
		}
	}
	if code, body, _ := get(t, "HEAD", address, "/", ""); code != 200 || body != "" {
		t.Errorf("HEAD: %d %q", code, body)
	}
	if d.reloaded != 0 {
		t.Error("the HTTP server reloaded the configuration")
	}
}

func TestServerKnowsItsNames(t *testing.T) {
	address := start(t, busyDaemon(time.Now()), Options{Names: []string{"router", "Router.lan."}})
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:1936": 200, "192.168.0.1": 200, "[::1]": 200, "[::1]:1936": 200,
		"[fe80::1%25eth0]": 200, "localhost": 200, "LOCALHOST:1936": 200, "router": 200, "router:1936": 200,
		"ROUTER.lan": 200, "router.lan.": 200,
		"router.lan.evil.example": 403, "evil.example": 403, "evil.example:1936": 403, "127.0.0.1.evil.example": 403,
		"localhost.evil.example": 403, "1": 403, "0x7f000001": 403, "127.1": 403, ".": 403, "[::1].evil.example": 403,
	} {
		if code, _, _ := get(t, "GET", address, "/api/routes", host); code != want {
			t.Errorf("Host %q: %d, want %d", host, code, want)
		}
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/routes HTTP/1.0\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 403 ") {
		t.Errorf("no Host at all: %q, %v", line, err)
	}
}

func TestAdmits(t *testing.T) {
	s, err := Open(Options{Allow: []netip.Prefix{
		netip.MustParsePrefix("192.168.0.0/24"), netip.MustParsePrefix("fd00::/64"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"192.168.0.77": true, "::ffff:192.168.0.77": true, "fd00::77": true,
		"192.168.1.77": false, "203.0.113.1": false, "fd00:0:0:1::1": false, "fe80::1%eth0": false, "::": false,
	} {
		if got := s.admits(addressed{client: netip.AddrPortFrom(netip.MustParseAddr(client), 50000)}); got != want {
			t.Errorf("%s: %v", client, got)
		}
	}
}

// An addressed connection has an other end and nothing else.
type addressed struct {
	net.Conn
	client netip.AddrPort
}

func (a addressed) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(a.client) }

// A client that is not admitted is cut off before it is read, and does not use up the connections of the others.
func TestListenerTurnsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	turned := 0
	bounded := newBoundedListener(l, make(chan struct{}, 1), func(net.Conn) bool { turned++; return turned > 20 })
	defer bounded.Close()
	for range 20 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := bounded.Accept()
	if err != nil || accepted.RemoteAddr().String() != conn.LocalAddr().String() {
		t.Errorf("accepted %v, %v", accepted, err)
	}
	accepted.Close()
	accepted.Close() // a second time gives no second slot
	if len(bounded.slots) != 0 {
		t.Error("the slot is not free")
	}
}

// The server serves 16 connections and no more, however many addresses it has; the next are served when one of them
// ends.
func TestServerBoundsConnections(t *testing.T) {
	for _, listeners := range []int{1, 2 * maxConnections} {
		addresses := startAll(t, busyDaemon(time.Now()), Options{Listen: slices.Repeat(ports("127.0.0.1:0"), listeners)})
		var asked []net.Conn
		ask := func() {
			conn, err := net.Dial("tcp", addresses[len(asked)%listeners].String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
			asked = append(asked, conn)
		}
		served := func(conn net.Conn, within time.Duration) bool {
			conn.SetReadDeadline(time.Now().Add(within))
			line, err := bufio.NewReader(conn).ReadString('\n')
			return err == nil && strings.Contains(line, " 200 ")
		}
		for range maxConnections {
			ask()
			if !served(asked[len(asked)-1], patience) {
				t.Fatalf("%d addresses: connection %d is not served", listeners, len(asked))
			}
		}
		for range 3 * maxConnections {
			ask()
		}
		time.Sleep(200 * time.Millisecond)
		for i, conn := range asked[maxConnections:] {
			if served(conn, time.Millisecond) {
				t.Fatalf("%d addresses: connection %d too many is served", listeners, i)
			}
		}
		for _, conn := range asked[:maxConnections] {
			conn.Close()
		}
		var rest sync.WaitGroup
		for i, conn := range asked[maxConnections:] {
			rest.Go(func() {
				if !served(conn, patience) {
					t.Errorf("%d addresses: after others have gone, connection %d is not served", listeners, i)
				}
				conn.Close()
			})
		}
		rest.Wait()
	}
}

func TestServerBoundsHeaders(t *testing.T) {
	address := start(t, busyDaemon(time.Now()), Options{})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 16<<10))
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 431 ") {
		t.Errorf("%q, %v", line, err)
	}
}

func TestOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).AddrPort()
	_, err = Open(Options{Listen: append(ports("127.0.0.1:0"), port)})
	if err == nil || !strings.Contains(err.Error(), port.String()) {
		t.Errorf("a taken address: %v", err)
	}
	// An address that comes up later, as the LAN's does at boot (RFC 5737: no interface has this one).
	s, err := Open(Options{Listen: ports("192.0.2.1:0")})
	if err != nil {
		t.Fatalf("an address that is not there yet: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	nothing, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := nothing.Serve(ctx, busyDaemon(time.Now())); err != nil {
		t.Errorf("a server without addresses: %v", err)
	}
}

func TestServeSaysWhyItEnds(t *testing.T) {
	s, err := Open(Options{Listen: ports("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := s.Serve(t.Context(), busyDaemon(time.Now())); err == nil {
		t.Error("a closed listener is no error")
	}
}

// Serve ends with its context although clients are connected, and leaves nothing behind.
func TestServeLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	s, err := Open(Options{Listen: ports("127.0.0.1:0", "127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, busyDaemon(time.Now())) }()
	for _, address := range s.Addresses() {
		for range 3 {
			conn, err := net.Dial("tcp", address.String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	half, err := net.Dial("tcp", s.Addresses()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	fmt.Fprint(half, "GET / HT") // a request that never ends
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines were %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestReadiness(t *testing.T) {
	d := busyDaemon(time.Now())
	address := start(t, d, Options{})
	expect := func(code int, want ...string) {
		t.Helper()
		got, body, _ := get(t, "GET", address, "/readyz", "")
		if got != code {
			t.Errorf("%d, want %d: %s", got, code, body)
		}
		for _, w := range want {
			if !strings.Contains(body, w+"\n") {
				t.Errorf("%q does not say %q", body, w)
			}
		}
		if got, body, _ := get(t, "GET", address, "/healthz", ""); got != 200 {
			t.Errorf("/healthz: %d %s", got, body)
		}
	}
	expect(200, "ready")
	d.change(func(d *fakeDaemon) {
		d.status.Listeners[1].Open, d.status.Listeners[1].Error = false, "address already in use"
		d.status.Sources[0].Synced, d.status.Sources[0].Errors = false, []string{"connection refused", "again"}
		d.status.Config.OK = false // an older one is in force: ready
	})
	expect(503, "listener http is not open: address already in use",
		"cluster home has not been read yet: connection refused; again")
	d.change(func(d *fakeDaemon) {
		d.status.Listeners[1].Open = true
		d.status.Sources[0].FromState = true
	})
	expect(200, "ready")
	d.change(func(d *fakeDaemon) { d.status.Config.Loaded = false })
	expect(503, "no configuration is loaded")
}

// Where challenges go is said for each name and listener as it is.
func TestExplanationOfChallenges(t *testing.T) {
	d := busyDaemon(time.Now())
	d.table = route.Build(&route.Policy{
		Listeners: []route.Listener{{Name: "http", ProvesInternal: true}},
		Backends: []route.Backend{{Name: "b", HTTPPort: 8080,
			Servers: []route.Server{{Address: netip.MustParseAddrPort("192.0.2.2:443"), Weight: 1}}}},
		Static: []route.Static{
			{Name: "out", Hosts: []string{"out.example.com"}, Backend: "b", Expose: true},
			{Name: "in", Hosts: []string{"in.example.com"}, Backend: "b"},
			{Name: "dark", Hosts: []string{"dark.example.com"}},
		},
	}, nil)
	d.table.Challenges = []route.Challenge{
		{Host: "in.example.com", Source: "home", Object: "Ingress apps/solver"},
		{Host: "new.example.com", Source: "home", Object: "Ingress apps/solver", Exposed: true},
	}
	withoutSolver := *d.table
	withoutSolver.Challenges = nil
	for _, c := range []struct {
		name     string
		solvers  bool
		internal bool
		fallback string
		want     string
	}{
		{"New.example.com.", true, false, "", "go to the solver, Ingress apps/solver of home"},
		{"in.example.com", true, true, "", "go to the solver, Ingress apps/solver of home"},
		{"in.example.com", true, false, "", "are refused: Ingress apps/solver of home would solve them, but the host is not exposed"},
		{"out.example.com", false, false, "", "they go to the HTTP port of its own servers"},
		{"in.example.com", false, true, "", "they go to 192.0.2.2:8080, its own server"},
		{"in.example.com", false, false, "", "are refused: no solver stands, but the host is not exposed, and the listener has no"},
		{"dark.example.com", false, true, "", "are refused: no solver stands, and the host has no server for them"},
		{"x.example.com", false, false, "", "are refused: nothing claims the name, and the listener has no default backend"},
		{"x.example.com", false, false, "b", "they go to the HTTP port of backend b"},
	} {
		table := &withoutSolver
		if c.solvers {
			table = d.table
		}
		l := ListenerState{Name: "http", Protocol: "http", HTTPMode: "acme", ACMEInternal: c.internal, Default: c.fallback}
		if got := httpSteps(table, l, c.name, nil)[0].Detail; !strings.Contains(got, c.want) {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func TestExplanation(t *testing.T) {
	d := busyDaemon(time.Now())
	d.table = route.Build(&route.Policy{}, nil)
	e := ExplanationOf(d, "nas.example.com")
	if e.Name != "nas.example.com" || len(e.Listeners) != 2 || e.Listeners[0].Listener != "https" ||
		len(e.Listeners[0].Steps) == 0 || len(e.DNS) == 0 {
		t.Errorf("%+v", e)
	}
	last := func(name string) (rules, outcome string) {
		steps := ExplanationOf(d, name).Listeners[1].Steps
		var b strings.Builder
		for _, s := range steps {
			b.WriteString(s.Rule + ": " + s.Detail + "\n")
		}
		return b.String(), steps[len(steps)-1].Detail
	}
	if rules, outcome := last(strings.Repeat("a.", 150)); outcome != "is redirected to https" ||
		!strings.Contains(rules, "nothing claims the name") {
		t.Errorf("a long name: %s", rules)
	}
	d.status.Listeners[1].HTTPMode = "route"
	if rules, outcome := last("nas.example.com"); !strings.Contains(outcome, "no default backend") {
		t.Errorf("route: %s", rules)
	}
	d.status.Listeners = nil
	if e := ExplanationOf(d, "nas.example.com"); len(e.Listeners) != 0 || len(e.DNS) == 0 {
		t.Errorf("without listeners: %+v", e)
	}
}
