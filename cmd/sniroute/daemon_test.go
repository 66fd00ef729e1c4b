package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/freeport"
	"github.com/sniroute/sniroute/pkg/status"
)

// patience is how long a test waits for what must happen; it says nothing about speed.
const patience = time.Minute

// TestDaemon runs the program as a router does: its configuration, real TLS through it, and everything that may happen
// to it in between.
func TestDaemon(t *testing.T) {
	h := newHome(t)
	h.configure("app")
	d := h.start()

	h.certificate("app.example.com", "app")
	h.certificate("unknown.example.com", "nas")
	h.certificate("", "nas")
	h.refused("denied.example.com")

	t.Run("manifests", func(t *testing.T) {
		h.manifest("wiki.yaml", "wiki.k8s.example.com", "192.168.77.5")
		eventually(t, "the name is in LAN DNS", func() bool {
			return strings.Contains(h.hosts(), "192.168.77.5 wiki.k8s.example.com")
		})
		h.refused("wiki.k8s.example.com")
		h.manifest("hostile.yaml", "www.google.com", "192.168.77.5")
		eventually(t, "the refusal is shown", func() bool {
			refused := h.routes().Refused
			return len(refused) == 1 && refused[0].Host == "www.google.com" && refused[0].Reason == "domain"
		})
		h.certificate("www.google.com", "nas") // as if nobody had claimed it
	})

	t.Run("plain HTTP", func(t *testing.T) {
		request, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/a?b", h.httpPort), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "app.example.com"
		answer, err := new(http.Transport).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if where := answer.Header.Get("Location"); answer.StatusCode != 308 || where != "https://app.example.com/a?b" {
			t.Errorf("got %d to %q", answer.StatusCode, where)
		}
	})

	t.Run("explain", func(t *testing.T) {
		out := h.ask("explain", "wiki.k8s.example.com")
		for _, want := range []string{"https", "Ingress default/wiki", "192.168.77.5"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		if out := h.ask("routes"); !strings.Contains(out, "app.example.com") || !strings.Contains(out, "domain") {
			t.Errorf("routes says\n%s", out)
		}
	})

	t.Run("second daemon", func(t *testing.T) {
		out, err := exec.Command(h.binary, "run", "-c", h.dir).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "another") && !strings.Contains(string(out), "already") {
			t.Errorf("got %v\n%s", err, out)
		}
	})

	t.Run("bad configuration", func(t *testing.T) {
		h.write("sniroute", h.text("nowhere"))
		d.signal(syscall.SIGHUP)
		eventually(t, "status says so", func() bool { return !h.status().Config.OK })
		if s := h.status().Config; !s.Loaded || !strings.Contains(s.Error, "'nowhere' is no backend") {
			t.Errorf("got %+v", s)
		}
		if !strings.Contains(d.log(), "'nowhere' is no backend") {
			t.Errorf("the log does not say what is wrong:\n%s", d.log())
		}
		h.certificate("app.example.com", "app")
		if out, err := exec.Command(h.binary, "check", "-c", h.dir).CombinedOutput(); err == nil {
			t.Errorf("check accepts it:\n%s", out)
		}
	})

	t.Run("reload", func(t *testing.T) {
		kept := h.dial("app.example.com")
		h.write("sniroute", strings.Replace(h.text("nas"), "option log_level", "option loops 2\n\toption log_level", 1))
		d.signal(syscall.SIGHUP)
		eventually(t, "the reload has happened", func() bool { return h.status().Config.OK })
		if warnings := h.status().Config.Warnings; len(warnings) != 1 || !strings.Contains(warnings[0].Text, "loops") {
			t.Errorf("of a changed option that is read at the start: %q", warnings)
		}
		eventually(t, "the route has changed", func() bool { return h.subject("app.example.com") == "nas" })
		if err := echo(kept); err != nil {
			t.Errorf("a connection did not outlive the reload: %v", err)
		}
		kept.Close()
		h.configure("app")
		d.signal(syscall.SIGHUP)
		eventually(t, "the route is back", func() bool { return h.subject("app.example.com") == "app" })
	})

	t.Run("kill and restart", func(t *testing.T) {
		before := h.ask("routes", "-json")
		d.signal(syscall.SIGKILL)
		_ = d.wait()
		d = h.start()
		if after := h.ask("routes", "-json"); after != before {
			t.Errorf("routes were\n%s\nand are\n%s", before, after)
		}
		h.refused("wiki.k8s.example.com")
		h.certificate("app.example.com", "app")
		if !strings.Contains(h.hosts(), "wiki.k8s.example.com") {
			t.Errorf("the name has left LAN DNS:\n%s", h.hosts())
		}
	})

	t.Run("end", func(t *testing.T) {
		open := h.dial("app.example.com") // does not keep it from ending
		defer open.Close()
		d.signal(syscall.SIGTERM)
		if err := d.wait(); err != nil {
			t.Errorf("SIGTERM: %v\n%s", err, d.log())
		}
		if _, err := os.Stat(h.socket()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the control socket is still there: %v", err)
		}
	})
}

// TestNothingConfigured: the daemon runs, and says what it waits for.
func TestNothingConfigured(t *testing.T) {
	h := newHome(t)
	h.write("sniroute", fmt.Sprintf("config sniroute main\n\toption control '%s'\n\tlist status_listen '127.0.0.1:%d'\n"+
		"config dns dns\n\toption enabled 0\n", h.socket(), h.statusPort))
	d := h.start()
	eventually(t, "it says what it waits for", func() bool { // which it does after it answers
		return strings.Contains(d.log(), "waiting for a listener") && strings.Contains(d.log(), "waiting for a route")
	})
	if r := h.routes(); len(r.Routes) != 0 || len(r.Refused) != 0 {
		t.Errorf("routes: %+v", r)
	}
	h.configure("app")
	d.signal(syscall.SIGHUP)
	eventually(t, "it serves", func() bool { return h.subject("app.example.com") == "app" })
	d.signal(syscall.SIGTERM)
	if err := d.wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// TestUnusable: what keeps the daemon from starting is said, and it does not start.
func TestUnusable(t *testing.T) {
	h := newHome(t)
	fails := func(want string) {
		t.Helper()
		out, err := exec.Command(h.binary, "run", "-c", h.dir).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("got %v, want %q in\n%s", err, want, out)
		}
	}
	fails("no such file")
	h.write("sniroute", "config listener 'a'\n\toption inspect_delay 'long'\n")
	fails("sniroute:2: listener 'a': option inspect_delay: 'long' is no duration")
	taken := listenLocal(t)
	h.port = taken.Addr().(*net.TCPAddr).Port
	h.configure("app")
	fails("address already in use")
}

// asProgram in the environment makes the tests' own program the daemon's: under the race detector that has it too.
const asProgram = "SNIROUTE_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" && !slices.Contains(os.Args, "-test.fuzzworker") { // which inherits it
		main()
		return
	}
	if err := os.Setenv(asProgram, "1"); err != nil { // for those that tests start
		panic(err)
	}
	os.Exit(m.Run())
}

// A home is a folder with a configuration, and servers for it.
type home struct {
	t                *testing.T
	dir              string
	binary           string
	port, statusPort int
	httpPort         int
	nas, app         net.Addr
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{t: t, dir: t.TempDir(), port: freePort(t), statusPort: freePort(t), httpPort: freePort(t)}
	var err error
	if h.binary, err = os.Executable(); err != nil { // see TestMain
		t.Fatal(err)
	}
	h.nas, h.app = serveTLS(t, "nas"), serveTLS(t, "app")
	if err := os.Mkdir(filepath.Join(h.dir, "manifests"), 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *home) socket() string { return filepath.Join(h.dir, "run", "control.sock") }

func (h *home) write(name, text string) {
	h.t.Helper()
	temporary := filepath.Join(h.dir, ".new")
	if err := os.WriteFile(temporary, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(h.dir, name)); err != nil {
		h.t.Fatal(err)
	}
}

// configure writes a configuration in which app.example.com goes to the backend.
func (h *home) configure(backend string) { h.write("sniroute", h.text(backend)) }

func (h *home) text(backend string) string {
	return fmt.Sprintf(`
config sniroute 'main'
	list status_listen '127.0.0.1:%[2]d'
	option control '%[1]s/run/control.sock'
	option log_level 'debug'
config listener 'https'
	list listen '127.0.0.1:%[3]d'
	option default_backend 'nas'
	option inspect_delay '1m'
config listener 'http'
	option proto 'http'
	list listen '127.0.0.1:%[7]d'
	option inspect_delay '1m'
config backend 'nas'
	list server '%[4]s'
config backend 'app'
	list server '%[5]s'
config route 'app1'
	list host 'app.example.com'
	option backend '%[6]s'
config route 'denied'
	list host 'denied.example.com'
	option backend 'app'
	list deny '127.0.0.0/8'
config manifests 'demo'
	option path '%[1]s/manifests'
	list domain 'k8s.example.com'
config dns 'dns'
	option hosts_file '%[1]s/hosts'
	option servers_file '%[1]s/servers'
	option notify 'none'
`, h.dir, h.statusPort, h.port, h.nas, h.app, backend, h.httpPort)
}

func (h *home) manifest(name, host, address string) {
	h.write("manifests/"+name, fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: default, creationTimestamp: "2024-01-01T00:00:00Z"}
spec: {ingressClassName: internal, rules: [{host: %s}]}
status: {loadBalancer: {ingress: [{ip: %s}]}}
`, strings.TrimSuffix(name, ".yaml"), host, address))
}

func (h *home) hosts() string {
	data, err := os.ReadFile(filepath.Join(h.dir, "hosts"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Error(err)
	}
	return string(data)
}

// ask runs a subcommand and returns what it prints.
func (h *home) ask(args ...string) string {
	h.t.Helper()
	cmd := exec.Command(h.binary, append(args, "-c", h.dir)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Errorf("sniroute %v: %v\n%s", args, err, &stderr)
	}
	return string(out)
}

func (h *home) status() (s status.Report) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ask("status", "-json")), &s); err != nil {
		h.t.Error(err)
	}
	return s
}

func (h *home) routes() (r status.Routes) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ask("routes", "-json")), &r); err != nil {
		h.t.Error(err)
	}
	return r
}

// dial opens a TLS connection through the daemon; nil if it is refused.
func (h *home) dial(name string) *tls.Conn {
	h.t.Helper()
	conn, err := h.connect(name)
	if err != nil {
		h.t.Errorf("%q: %v", name, err)
		return nil
	}
	return conn
}

func (h *home) connect(name string) (*tls.Conn, error) {
	dialer := &net.Dialer{Timeout: patience}
	return tls.DialWithDialer(dialer, "tcp", fmt.Sprintf("127.0.0.1:%d", h.port),
		&tls.Config{ServerName: name, InsecureSkipVerify: true}) // the name in the certificate is what is looked at
}

// subject returns the name of the server that answers, or nothing.
func (h *home) subject(name string) string {
	conn, err := h.connect(name)
	if err != nil {
		return ""
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func (h *home) certificate(name, want string) {
	h.t.Helper()
	if got := h.subject(name); got != want {
		h.t.Errorf("%q reached %q, want %q", name, got, want)
	}
}

// refused asserts that the name gets the alert for a name without a route (RFC 6066, section 3).
func (h *home) refused(name string) {
	h.t.Helper()
	conn, err := h.connect(name)
	if err == nil {
		conn.Close()
		h.t.Errorf("%q was not refused", name)
	} else if !strings.Contains(err.Error(), "unrecognized name") {
		h.t.Errorf("%q: got %v, want an unrecognized_name alert", name, err)
	}
}

// A process is a daemon that runs. Its log goes to a file: what it wrote before it answered can be read then.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	out *os.File
}

// start starts the daemon and returns when it answers commands.
func (h *home) start() *process {
	h.t.Helper()
	out, err := os.CreateTemp(h.t.TempDir(), "log")
	if err != nil {
		h.t.Fatal(err)
	}
	p := &process{t: h.t, cmd: exec.Command(h.binary, "run", "-c", h.dir), out: out}
	p.cmd.Stderr = p.out
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		defer out.Close()
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
		if h.t.Failed() {
			h.t.Logf("the daemon said:\n%s", p.log())
		}
	})
	eventually(h.t, "the daemon answers", func() bool {
		return exec.Command(h.binary, "status", "-c", h.dir).Run() == nil
	})
	return p
}

// reload has the daemon read its configuration again, and returns when it has taken it over.
func (h *home) reload() {
	h.t.Helper()
	client, err := status.Dial(h.socket())
	if err != nil {
		h.t.Fatal(err)
	}
	defer client.Close()
	if err := client.Reload(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

func (p *process) wait() error { return p.cmd.Wait() }

func (p *process) log() string {
	p.t.Helper()
	text, err := os.ReadFile(p.out.Name())
	if err != nil {
		p.t.Error(err)
	}
	return string(text)
}

// serveTLS serves a certificate with that name, and echoes.
func serveTLS(t *testing.T, name string) net.Addr {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	l := tls.NewListener(listenLocal(t), &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	})
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr()
}

func echo(conn *tls.Conn) error {
	if conn == nil {
		return errors.New("there is no connection")
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		return err
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != "hello" {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// freePort returns a port of 127.0.0.1 that nobody else is given while the test runs.
func freePort(t *testing.T) int { return int(freeport.Reserve(t).Port()) }

// eventually waits for something that follows from what was done, however slow the machine is.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it does not come to pass that %s", what)
		}
	}
}
