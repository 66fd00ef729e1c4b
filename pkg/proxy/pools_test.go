package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/lab/house"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
)

// backend returns the world's backend of that name.
func (w *world) backend(name string) *route.Backend {
	for i := range w.policy.Backends {
		if w.policy.Backends[i].Name == name {
			return &w.policy.Backends[i]
		}
	}
	w.t.Fatalf("no backend %s", name)
	return nil
}

// pool makes one backend, "app", of servers of these names, and routes app.example.com to it.
func (w *world) pool(options route.BackendOptions, names ...string) {
	app := route.Backend{Name: "app", Options: options}
	for _, name := range names {
		app.Servers = append(app.Servers, route.Server{Address: w.server(name, echo).address, Weight: 1})
	}
	w.policy.Backends = append(w.policy.Backends, app)
	w.expose("app.example.com", "app")
}

// visit sends a hello and returns the name of the server that got it.
func (w *world) visit(c *net.TCPConn, hello []byte) string {
	w.t.Helper()
	got, err := ask(c, nil, hello)
	name, _, found := strings.Cut(string(got), ":")
	if err != nil || !found {
		w.t.Fatalf("got %q, %v", got, err)
	}
	return name
}

// A server that checks find dead is left out until they find it alive, and everybody can see why.
func TestServerDownAndUp(t *testing.T) {
	w := newWorld(t, 2, nil)
	checked := options
	checked.Check, checked.CheckInterval, checked.CheckRise, checked.CheckFall = route.CheckTCP, 100*time.Millisecond, 2, 3
	w.pool(checked, "one", "two")
	w.apply()
	one := w.servers["one"].address
	w.servers["one"].listener.Close()
	w.until("it is down", func(s Stats) bool {
		server := s.backend("app").Servers[0]
		return !server.Up && server.Error == "connection refused"
	})
	failed := w.proxy.Stats().backend("app").Servers[0].Failed
	for range 6 {
		if got := w.visit(w.dial(), appHello); got != "two" {
			t.Errorf("came to %s", got)
		}
	}
	if now := w.proxy.Stats().backend("app").Servers[0].Failed; now != failed {
		t.Error("a server was tried that is down")
	}
	w.servers["two"].listener.Close()
	w.until("all are down", func(s Stats) bool { return !s.backend("app").Servers[1].Up })
	if got := alertOf(t, w.dial(), appHello); got != alert(80) {
		t.Errorf("got % x, want internal_error", got)
	}
	l, err := net.Listen("tcp4", one.String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w.until("it is up again", func(s Stats) bool {
		server := s.backend("app").Servers[0]
		return server.Up && server.Error == ""
	})
	s := w.proxy.Stats()
	checks := uint64(0)
	for _, n := range s.Check.Counts {
		checks += n
	}
	if checks < 5 || len(s.Check.Counts) != len(s.Check.Bounds)+1 {
		t.Errorf("checks are counted as %+v", s.Check)
	}
}

// What clients meet takes a server down before a check does.
func TestClientsFindServerDown(t *testing.T) {
	w := newWorld(t, 1, nil)
	checked := options
	checked.Check, checked.CheckInterval, checked.CheckRise, checked.CheckFall = route.CheckTCP, time.Hour, 2, 3
	w.pool(checked, "one", "two")
	w.apply()
	w.until("both were checked", func(s Stats) bool {
		n := uint64(0)
		for _, count := range s.Check.Counts {
			n += count
		}
		return n == 2
	})
	w.servers["one"].listener.Close()
	for range 20 {
		if got := w.visit(w.dial(), appHello); got != "two" {
			t.Errorf("came to %s", got)
		}
	}
	if server := w.proxy.Stats().backend("app").Servers[0]; server.Up || server.Failed != 3 {
		t.Errorf("got %+v, want it to be down after three connects", server)
	}
}

// Two daemons send a client to the same server, without a word to each other and whatever went on before.
func TestSourceHashAgrees(t *testing.T) {
	hashed := options
	hashed.Balance = route.SourceHash
	a := newWorld(t, 1, nil)
	a.pool(hashed, "one", "two", "three")
	a.apply()
	b := newWorld(t, 2, nil)
	b.policy.Backends = append(b.policy.Backends, *a.backend("app"))
	b.expose("app.example.com", "app")
	b.apply()
	seen := map[string]bool{}
	client := netip.MustParseAddr("127.0.1.1")
	for range 40 { // so many that none of three is left out by chance
		first := a.visit(a.dialFrom(client.String()), appHello)
		for _, w := range []*world{a, b, b} {
			if got := w.visit(w.dialFrom(client.String()), appHello); got != first {
				t.Errorf("%s: %s, then %s", client, first, got)
			}
		}
		seen[first] = true
		client = client.Next()
	}
	if len(seen) != 3 {
		t.Errorf("40 clients came to %v alone", seen)
	}
}

// Clients return to their server, on whichever loop and after whatever reload.
func TestStickSource(t *testing.T) {
	w := newWorld(t, 3, nil)
	sticky := options
	sticky.Stick, sticky.StickSize, sticky.StickExpire = route.StickSource, 100, time.Hour
	w.pool(sticky, "one", "two", "three")
	w.apply()
	at := map[netip.Addr]string{}
	for round := range 5 {
		client := netip.MustParseAddr("127.0.1.1")
		for range 7 {
			got := w.visit(w.dialFrom(client.String()), appHello)
			if want, known := at[client]; known && got != want {
				t.Errorf("round %d: %s came to %s, was at %s", round, client, got, want)
			}
			at[client] = got
			client = client.Next()
		}
		switch round {
		case 1:
			w.backend("app").Options.IdleTimeout += time.Second
			w.apply()
		case 2:
			four := route.Server{Address: w.server("four", echo).address, Weight: 1}
			w.backend("app").Servers = append(w.backend("app").Servers, four)
			w.apply()
		}
	}
	w.servers[at[netip.MustParseAddr("127.0.1.1")]].listener.Close()
	moved := w.visit(w.dialFrom("127.0.1.1"), appHello)
	for range 5 {
		if got := w.visit(w.dialFrom("127.0.1.1"), appHello); got != moved {
			t.Errorf("moved to %s, then to %s", moved, got)
		}
	}
}

// A session id leads back to the server that the client came to with it, or that gave it.
func TestStickSession(t *testing.T) {
	w := newWorld(t, 2, nil)
	sticky := options
	sticky.Stick, sticky.StickSize, sticky.StickExpire = route.StickSessionID, 100, time.Hour
	giving := func(s *server, c *net.TCPConn) {
		io.ReadAll(c)
		id := "given by server " + s.name
		body := "\x03\x03" + strings.Repeat("r", 32) + string(rune(len(id))) + id + "\xc0\x2f\x00"
		c.Write(append(hello.Record(22, []byte("\x02\x00\x00"+string(rune(len(body)))+body)), s.name+":"...))
	}
	app := route.Backend{Name: "app", Options: sticky}
	for _, name := range []string{"one", "two", "three"} {
		app.Servers = append(app.Servers, route.Server{Address: w.server(name, giving).address, Weight: 1})
	}
	w.policy.Backends = append(w.policy.Backends, app)
	w.expose("app.example.com", "app")
	w.apply()
	comesTo := func(id string) string {
		t.Helper()
		sent := hello.Bytes(hello.Options{Name: "app.example.com", SessionID: []byte(id)})
		got, err := ask(w.dial(), nil, sent)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(string(sni.ServerSessionID(got)), "given by server ")
	}
	at := map[string]string{}
	for round := range 3 {
		for _, id := range []string{"a", "b", "c", "d", strings.Repeat("e", 32)} {
			got := comesTo(id)
			if want, known := at[id]; known && got != want {
				t.Errorf("session %s came to %s, was at %s", id, got, want)
			}
			at[id] = got
		}
		for _, name := range []string{"one", "two", "three"} {
			if got := comesTo("given by server " + name); got != name {
				t.Errorf("a session of server %s came to %s", name, got)
			}
		}
		if round == 1 {
			w.backend("app").Options.StickExpire += time.Second
			w.apply()
		}
	}
	seen := map[string]bool{}
	for range 6 {
		seen[comesTo("")] = true
	}
	if len(seen) != 3 {
		t.Errorf("clients without a session came to %v alone", seen)
	}
}

// Real sessions: TLS 1.2 servers that know nothing of each other, and a client that resumes.
func TestStickSessionResumes(t *testing.T) {
	w := newWorld(t, 1, nil)
	addresses := startNginxes(t, 3)
	app := route.Backend{Name: "app", Options: options}
	for _, address := range addresses {
		app.Servers = append(app.Servers, route.Server{Address: address, Weight: 1})
	}
	w.policy.Backends = append(w.policy.Backends, app)
	w.expose("app.example.com", "app")
	for _, stick := range []route.Stick{route.StickNone, route.StickSessionID} {
		o := &w.backend("app").Options
		o.Stick, o.StickSize, o.StickExpire = stick, 100, time.Hour
		w.apply()
		session := filepath.Join(t.TempDir(), "session")
		handshake := func(args ...string) string {
			cmd := exec.CommandContext(t.Context(), "openssl", append([]string{"s_client", "-connect",
				w.setup.Listeners[0].Addresses[0].String(), "-servername", "app.example.com", "-tls1_2"}, args...)...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return regexp.MustCompile(`(?m)^(New|Reused), TLSv1\.2`).FindString(string(out))
		}
		if got := handshake("-sess_out", session); got != "New, TLSv1.2" {
			t.Fatalf("the first handshake: %q", got)
		}
		resumed := 0
		for range 6 {
			if handshake("-sess_in", session) == "Reused, TLSv1.2" {
				resumed++
			}
		}
		if want := map[route.Stick]int{route.StickNone: 2, route.StickSessionID: 6}[stick]; resumed != want {
			t.Errorf("stick %d: %d of 6 handshakes resumed, want %d", stick, resumed, want)
		}
	}
}

// startNginxes starts an nginx with so many TLS 1.2 servers, each with sessions of its own, and returns where they are.
func startNginxes(t *testing.T, n int) (addresses []netip.AddrPort) {
	t.Helper()
	dir := t.TempDir()
	authority, err := house.NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := authority.Issue("app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("daemon off;\nworker_processes 1;\nuser root root;\npid %s/pid;\nevents {}\n"+
		"http {\naccess_log off;\nssl_protocols TLSv1.2;\nssl_session_tickets off;\n"+
		"ssl_certificate %s;\nssl_certificate_key %s;\n", dir, pem, pem)
	for _, temporary := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config += fmt.Sprintf("%s_temp_path %s/%s;\n", temporary, dir, temporary)
	}
	for i := range n {
		addresses = append(addresses, freeAddress(t))
		config += fmt.Sprintf("server { listen %s ssl; ssl_session_cache shared:%d:1m; return 200; }\n", addresses[i], i)
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config+"}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "nginx", "-p", dir, "-e", "stderr", "-c", "nginx.conf")
	cmd.Stderr = t.Output()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Wait() })
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp4", addresses[n-1].String())
		if err == nil {
			c.Close()
			return addresses
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
