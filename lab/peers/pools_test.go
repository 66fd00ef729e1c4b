package peers

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/house"
	"github.com/sniroute/sniroute/pkg/status"
)

// pooled has two servers of one site, and three other programs that are checked.
const pooled = `
config listener 'https'
	list listen ':8443'
	option inspect_delay '1m'

config backend 'site'
	list server '192.168.0.3:443'
	list server '192.168.0.5:443'
	option check 'tls'
	option connect_timeout '1m'
	option check_interval '200ms'
	option check_rise '2'
	option check_fall '3'
	option balance 'roundrobin'
	option stick 'none'
	option idle_timeout '1h'
config route
	list host 'site.example.com'
	option backend 'site'

config backend 'haproxy'
	list server '192.168.0.2:443'
	option check 'tls'
	option connect_timeout '1m'
	option check_interval '200ms'
config route
	list host 'haproxy.example.com'
	option backend 'haproxy'
config backend 'openssl'
	list server '192.168.0.2:4433'
	option check 'tls'
	option connect_timeout '1m'
	option check_interval '200ms'
config route
	list host 'openssl.example.com'
	option backend 'openssl'
`

var (
	wan      = netip.MustParseAddrPort("203.0.113.1:443")
	external = netip.MustParseAddrPort("192.168.0.3:443")
	internal = netip.MustParseAddrPort("192.168.0.5:443")
)

// site starts one server of the site, an nginx that answers with the host's name. Its sessions are its own.
func (h *home) site(host *house.Host) *house.Service {
	h.t.Helper()
	pem := h.certificate("site.example.com")
	return h.nginx(host, 443, `http {
	`+web+`
	server {
		listen 443 ssl;
		ssl_protocols TLSv1.2;
		ssl_session_cache shared:sessions:1m;
		ssl_session_tickets off;
		ssl_certificate `+pem+`;
		ssl_certificate_key `+pem+`;
		return 200 "`+host.Name+`";
	}
}`)
}

// visits asks for the site so many times and returns how often each server answered.
func (h *home) visits(n int) map[string]int {
	h.t.Helper()
	came := map[string]int{}
	for range n {
		got := h.curl(h.WAN, wan, "https://site.example.com/")
		if got.err != nil {
			h.t.Error(got.err)
		}
		came[got.body]++
	}
	return came
}

func (h *home) server(at netip.AddrPort) status.ServerTraffic {
	h.t.Helper()
	for _, s := range h.backend("site").Servers {
		if s.Address == at {
			return s
		}
	}
	h.t.Fatalf("no server %s", at)
	return status.ServerTraffic{}
}

// logged returns how often the daemon said something of a server.
func (h *home) logged(what string, at netip.AddrPort) int {
	h.t.Helper()
	n := 0
	for line := range strings.Lines(h.read(h.daemon.Log)) {
		if strings.Contains(line, what) && strings.Contains(line, at.String()) {
			n++
		}
	}
	return n
}

// TestPools: real servers are asked, die and come back, and share the work.
func TestPools(t *testing.T) {
	h := build(t)
	one := h.site(h.External)
	other := h.site(h.Internal)
	h.haproxy(h.NAS, 443, `
frontend tls
	mode http
	option httplog
	bind :443 ssl crt `+h.certificate("haproxy.example.com")+`
	http-request return status 200
`)
	pem := h.certificate("openssl.example.com")
	h.serve(h.NAS, 4433, "s_server", "openssl", "s_server", "-accept", "192.168.0.2:4433", "-quiet",
		"-cert", pem, "-key", pem)
	h.start(pooled)

	t.Run("checks leave no trace", func(t *testing.T) {
		const checks = 40
		h.until(fmt.Sprintf("there were %d checks", checks), func() bool {
			n := uint64(0)
			for _, count := range h.status().Traffic.Check.Counts {
				n += count
			}
			return n >= checks
		})
		for _, b := range h.status().Traffic.Backends {
			for _, s := range b.Servers {
				if !s.Up {
					t.Errorf("%s of %s is down: %s", s.Address, b.Name, s.Error)
				}
			}
		}
		for _, name := range []string{"nginx-external", "nginx-internal"} { // at level info, with every failed handshake
			for line := range strings.Lines(h.read(h.path(name + "/error.log"))) {
				if strings.Contains(line, "client: 192.168.0.1,") && !strings.Contains(line, "waiting for request") {
					t.Errorf("%s: %s", name, line)
				}
			}
		}
		if log := h.read(h.path("log/haproxy-nas")); strings.Contains(log, "192.168.0.1:") {
			t.Errorf("HAProxy logged:\n%s", log)
		}
		for line := range strings.Lines(h.read(h.path("log/s_server"))) {
			if strings.Contains(line, "error:") && !strings.Contains(line, "unexpected eof") { // of our look whether it listens
				t.Errorf("s_server complains: %s", line)
			}
		}
	})

	t.Run("dies and comes back", func(t *testing.T) {
		h.must(one.Stop(syscall.SIGTERM))
		h.until("it is down", func() bool { return !h.server(external).Up })
		if s := h.server(external); s.Error != "connection refused" {
			t.Errorf("the reason is %q", s.Error)
		}
		if came := h.visits(6); came["internal"] != 6 {
			t.Errorf("visits came to %v", came)
		}
		one = h.site(h.External)
		h.until("it is up again", func() bool { return h.server(external).Up })
		if came := h.visits(6); came["internal"] != 3 || came["external"] != 3 {
			t.Errorf("visits came to %v", came)
		}
		h.until("it is logged", func() bool { return h.logged("a server is up again", external) == 1 })
		if n := h.logged("a server is down", external); n != 1 {
			t.Errorf("it was said %d times that it is down", n)
		}
		if h.logged("a server is", internal) != 0 {
			t.Error("something was said of the other one")
		}
	})

	t.Run("clients find out", func(t *testing.T) {
		h.reload(strings.Replace(pooled, "check_interval '200ms'", "check_interval '1h'", 1))
		h.must(one.Stop(syscall.SIGTERM))
		if came := h.visits(12); came["internal"] != 12 {
			t.Errorf("visits came to %v", came)
		}
		// One check may have been due before the reload, and be the third to fail.
		if s := h.server(external); s.Up || s.Failed < 2 || s.Failed > 3 || s.Error != "connection refused" {
			t.Errorf("it is %+v, want it to be down after three connects", s)
		}
		one = h.site(h.External)
		h.reload(pooled)
		h.until("it is up again", func() bool { return h.server(external).Up })
	})

	t.Run("by weight", func(t *testing.T) {
		h.reload(strings.Replace(pooled, "192.168.0.3:443'", "192.168.0.3:443 weight=3'", 1))
		h.until("the weights count", func() bool {
			came := h.visits(8)
			return came["external"] == 6 && came["internal"] == 2
		})
		if came := h.visits(12); came["external"] != 9 || came["internal"] != 3 {
			t.Errorf("visits came to %v", came)
		}
	})

	t.Run("by fewest connections", func(t *testing.T) {
		h.reload(strings.Replace(pooled, "'roundrobin'", "'leastconn'", 1))
		h.until("nothing is open", func() bool { return h.backend("site").Active == 0 })
		var at []string
		open := map[string][]net.Conn{}
		for range 6 {
			raw, err := h.WAN.Dial(h.ctx, "tcp", wan.String())
			h.must(err)
			defer raw.Close()
			_ = raw.SetDeadline(time.Now().Add(patience))
			conn := tls.Client(raw, &tls.Config{ServerName: "site.example.com", RootCAs: h.Authority.Pool})
			_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: site.example.com\r\n\r\n")
			h.must(err)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			h.must(err)
			who, err := io.ReadAll(answer.Body)
			h.must(err)
			at = append(at, string(who))
			open[string(who)] = append(open[string(who)], conn)
		}
		if len(open["external"]) != 3 || len(open["internal"]) != 3 {
			t.Errorf("six connections are at %v", at)
		}
		for _, conn := range open["external"] {
			conn.Close()
		}
		h.until("they have ended", func() bool { return h.server(external).Active == 0 })
		if came := h.visits(3); came["external"] != 3 {
			t.Errorf("visits came to %v, though the other one has %d connections", came, h.server(internal).Active)
		}
	})

	t.Run("sessions", func(t *testing.T) {
		sticky := strings.Replace(pooled, "stick 'none'", "stick 'session_id'", 1)
		h.reload(sticky)
		var who string
		session := h.path("session")
		handshake := func(arguments ...string) (state, server string) {
			cmd := exec.CommandContext(h.ctx, "openssl", append([]string{"s_client", "-connect", wan.String(), "-tls1_2",
				"-servername", "site.example.com", "-ign_eof"}, arguments...)...)
			cmd.Stdin = strings.NewReader("GET / HTTP/1.0\r\n\r\n")
			out, err := h.WAN.Output(cmd)
			h.must(err)
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			for i, line := range lines {
				if line == "\r" && i+1 < len(lines) { // behind the head of nginx's answer
					server = lines[i+1]
				}
			}
			state = regexp.MustCompile(`(?m)^(New|Reused), TLSv1\.2`).FindString(string(out))
			return state, strings.TrimSuffix(server, "closed")
		}
		h.until("the pool remembers", func() bool { // the reload has reached it
			var state string
			if state, who = handshake("-sess_out", session); state != "New, TLSv1.2" {
				t.Errorf("the first handshake: %q", state)
			}
			return h.backend("site").Remembered > 0
		})
		for round := range 2 {
			for range 5 {
				if state, server := handshake("-sess_in", session); state != "Reused, TLSv1.2" || server != who {
					t.Errorf("round %d: %q by %q, the session is %s's", round, state, server, who)
				}
			}
			h.reload(strings.Replace(sticky, "idle_timeout '1h'", "idle_timeout '2h'", 1)) // which changes the backend
		}
	})

	t.Run("all dead", func(t *testing.T) {
		h.must(errors.Join(one.Stop(syscall.SIGTERM), other.Stop(syscall.SIGTERM)))
		h.until("both are down", func() bool { return !h.server(external).Up && !h.server(internal).Up })
		got := h.curl(h.WAN, wan, "https://site.example.com/")
		if got.err == nil || !strings.Contains(got.err.Error(), "internal error") {
			t.Errorf("got %q, %v, want an internal_error alert", got.body, got.err)
		}
	})
}
