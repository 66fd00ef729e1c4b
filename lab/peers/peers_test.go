package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/house"
	"github.com/sniroute/sniroute/lab/netns"
	"github.com/sniroute/sniroute/pkg/status"
)

// program is where the daemon is built.
const program = "../../bin/peers/sniroute"

func TestMain(m *testing.M) { netns.Main(m, buildDaemon) }

func buildDaemon() error {
	build := exec.Command("go", append(buildFlags(), "-o", program, "github.com/sniroute/sniroute/cmd/sniroute")...)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the daemon: %w\n%s", err, out)
	}
	return nil
}

// A home is a house in which the daemon is tried.
type home struct {
	*house.House
	t      *testing.T
	ctx    context.Context
	binary string
	daemon *house.Service
	asks   *status.Client // of the daemon
}

// patience is how long a test waits for what must happen; it says nothing about speed.
const patience = 9 * time.Minute

// build makes a house. Its router lets IPv6 in on ports 80 and 443 as well, as with wan_ipv6.
func build(t *testing.T) *home {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	h, err := house.Build()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	home := &home{House: h, t: t, ctx: ctx, binary: binary}
	t.Cleanup(func() {
		home.checkLog()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	home.must(h.Router.Firewall(`table inet fw4 {
		chain dstnat {
			iifname "wan" meta nfproto ipv6 tcp dport 443 redirect to :8443
			iifname "wan" meta nfproto ipv6 tcp dport 80 redirect to :8080
		}
	}`))
	return home
}

func (h *home) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// path returns that of a file of the house.
func (h *home) path(name string) string { return filepath.Join(h.Dir, name) }

// write writes a file of the house, whole or not at all.
func (h *home) write(name, text string) string {
	h.t.Helper()
	path := h.path(name)
	h.must(os.MkdirAll(filepath.Dir(path), 0o755))
	h.must(os.WriteFile(path+".new", []byte(text), 0o600))
	h.must(os.Rename(path+".new", path))
	return path
}

func (h *home) read(path string) string {
	h.t.Helper()
	text, err := os.ReadFile(path)
	h.must(err)
	return string(text)
}

// common stands at the head of every configuration.
const common = `
config sniroute 'main'
	option control '%[1]s/sniroute/control.sock'
	option state_file '%[1]s/sniroute/state.json'
	option connection_rate_per_source '0'
config dns 'dns'
	option enabled '0'
`

// configure writes the daemon's configuration, of which %[1]s is the folder of the house.
func (h *home) configure(text string) {
	h.t.Helper()
	h.must(h.Configure(strings.ReplaceAll(common+text, "%[1]s", h.Dir)))
}

// start configures and starts the daemon.
func (h *home) start(text string) {
	h.t.Helper()
	h.must(os.MkdirAll(h.path("sniroute"), 0o750))
	h.configure(text)
	var err error
	h.daemon, err = h.StartDaemon(h.ctx, h.binary)
	h.must(err)
	h.asks, err = status.Dial(h.path("sniroute/control.sock"))
	h.must(err)
	h.t.Cleanup(h.asks.Close)
}

// reload changes the configuration and returns when it is in force.
func (h *home) reload(text string) {
	h.t.Helper()
	h.configure(text)
	h.must(h.asks.Reload(h.ctx))
}

func (h *home) status() (s status.Report) {
	h.t.Helper()
	s, err := h.asks.Status(h.ctx)
	h.must(err)
	return s
}

// check returns what `sniroute check` says of the configuration.
func (h *home) check() string {
	h.t.Helper()
	out, err := exec.CommandContext(h.ctx, h.binary, "check", "-c", h.path(house.ConfigDir)).CombinedOutput()
	if err != nil {
		h.t.Fatalf("check: %v\n%s", err, out)
	}
	return string(out)
}

// rejected returns how many connections a listener refused, by reason.
func (h *home) rejected(listener string) map[string]uint64 {
	h.t.Helper()
	for _, l := range h.status().Traffic.Listeners {
		if l.Name == listener {
			return l.Rejected
		}
	}
	h.t.Fatalf("no listener %s", listener)
	return nil
}

// backend returns the counters of a backend.
func (h *home) backend(name string) status.BackendTraffic {
	h.t.Helper()
	for _, b := range h.status().Traffic.Backends {
		if b.Name == name {
			return b
		}
	}
	h.t.Fatalf("no backend %s", name)
	return status.BackendTraffic{}
}

func (h *home) until(what string, holds func() bool) {
	h.t.Helper()
	for !holds() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-h.ctx.Done():
			h.t.Fatalf("it does not come to pass that %s", what)
		}
	}
}

// run runs a program on a host and returns what it printed on both outputs.
func (h *home) run(host *house.Host, program string, arguments ...string) (string, error) {
	cmd := exec.CommandContext(h.ctx, program, arguments...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := host.Run(cmd)
	return strings.TrimSpace(out.String()), err
}

// serve starts a server on a host and returns when it listens on that port.
func (h *home) serve(host *house.Host, port uint16, name, program string, arguments ...string) *house.Service {
	h.t.Helper()
	s, err := h.Start(host, name, program, arguments...)
	h.must(err)
	h.must(s.Ready(h.ctx, func(ctx context.Context) error {
		conn, err := host.Dial(ctx, "tcp", netip.AddrPortFrom(host.IPv4, port).String())
		if err != nil {
			return err
		}
		return conn.Close()
	}))
	return s
}

// accept is a server of the test's own: it calls serve for each connection, which is closed afterwards.
func (h *home) accept(host *house.Host, port uint16, serve func(net.Conn)) {
	h.t.Helper()
	l, err := host.Listen("tcp", netip.AddrPortFrom(host.IPv4, port).String())
	h.must(err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				serve(conn)
			})
		}
	})
	h.t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
}

// nginx starts one with more than a web server's usual configuration: blocks of the outermost level. %[1]s in it is the
// server's own folder.
func (h *home) nginx(host *house.Host, port uint16, blocks string) *house.Service {
	h.t.Helper()
	name := "nginx-" + host.Name
	dir := h.path(name)
	h.write(name+"/nginx.conf", strings.ReplaceAll(`
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
user root root;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log info;
events { worker_connections 1024; }
`+blocks, "%[1]s", dir))
	return h.serve(host, port, name, "nginx", "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", "nginx.conf")
}

// web is the head of nginx's http block.
const web = `
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
`

// haproxy starts one with these sections. Its checks may take as long as inter, and come as often as fastinter until
// three in a row have passed.
func (h *home) haproxy(host *house.Host, port uint16, sections string) *house.Service {
	h.t.Helper()
	path := h.write("haproxy-"+host.Name+".cfg", `
global
	log stdout format raw local0
defaults
	log global
	option dontlognull
	option log-health-checks
	timeout connect 60s
	timeout client 120s
	timeout server 120s
	default-server inter 60s fastinter 100ms
`+sections)
	return h.serve(host, port, "haproxy-"+host.Name, "haproxy", "-db", "-f", path)
}

// certificate returns the file of a host's certificate and key.
func (h *home) certificate(host string) string {
	h.t.Helper()
	path, err := h.Authority.Issue(host)
	h.must(err)
	return path
}

// An answer is what curl got, and from which address and port it asked.
type answer struct {
	body string
	from netip.AddrPort
	err  error
}

// curl fetches a URL, whose host is looked for at an address that is given.
func (h *home) curl(from *house.Host, at netip.AddrPort, url string, arguments ...string) answer {
	h.t.Helper()
	arguments = append([]string{"-sS", "--max-time", "120", "--cacert", h.Authority.File,
		"--connect-to", "::" + at.String(), "-w", `%{stderr}%{local_ip} %{local_port} `, url}, arguments...)
	cmd := exec.CommandContext(h.ctx, "curl", arguments...)
	var out, side strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &side
	err := from.Run(cmd)
	if err != nil {
		return answer{err: fmt.Errorf("curl %s: %w: %s", url, err, side.String())}
	}
	address, port, _ := strings.Cut(strings.TrimSpace(side.String()), " ")
	client, err := netip.ParseAddr(address)
	h.must(err)
	var number uint16
	_, err = fmt.Sscan(port, &number)
	h.must(err)
	return answer{body: strings.TrimSpace(out.String()), from: netip.AddrPortFrom(client, number)}
}

// refused says whether curl was told that there is no such name here.
func (a answer) refused() bool {
	return a.err != nil && strings.Contains(a.err.Error(), "unrecognized name")
}

// The daemon's log holds neither a panic nor a race.
func (h *home) checkLog() {
	if h.daemon == nil {
		return
	}
	log, err := os.ReadFile(h.daemon.Log)
	if err != nil {
		h.t.Error(err)
	}
	text := string(log)
	if h.t.Failed() || strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic") {
		h.t.Errorf("the daemon said:\n%s", text)
	}
	if err := h.daemon.Signal(0); errors.Is(err, os.ErrProcessDone) {
		h.t.Error("the daemon has ended")
	}
}
