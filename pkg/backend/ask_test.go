package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/lab/freeport"
	"github.com/sniroute/sniroute/lab/house"
	"github.com/sniroute/sniroute/pkg/route"
)

// patience is how long a test waits for what must happen; it says nothing about speed.
const patience = time.Minute

// asked asks a server as a check does, with so much time for it.
func asked(t *testing.T, q question, name string, limit time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return askServer(ctx, q, name)
}

// certificateFile returns a file with a certificate and its key.
func certificateFile(t *testing.T) string {
	t.Helper()
	authority, err := house.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file, err := authority.Issue("app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	file := certificateFile(t)
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// serve accepts connections and hands each to f until the test ends.
func serve(t *testing.T, f func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			f(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// unused returns addresses at which nobody listens unless the test does.
func unused(t *testing.T, n int) (addresses []netip.AddrPort) {
	t.Helper()
	for range n {
		addresses = append(addresses, freeport.Reserve(t))
	}
	return addresses
}

// What is up and what is not, for checks by TLS.
func TestAskTLS(t *testing.T) {
	withTLS := func(c *tls.Config) func(*net.TCPConn) {
		c.Certificates = []tls.Certificate{certificate(t)}
		return func(conn *net.TCPConn) {
			server := tls.Server(conn, c)
			server.Handshake()
			io.Copy(io.Discard, server)
		}
	}
	says := func(what string) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			io.ReadFull(conn, make([]byte, 100))
			io.WriteString(conn, what)
		}
	}
	for _, test := range []struct {
		name  string
		serve func(*net.TCPConn)
		want  string // empty: up
	}{
		{"TLS 1.3", withTLS(&tls.Config{}), ""},
		{"TLS 1.2", withTLS(&tls.Config{MaxVersion: tls.VersionTLS12}), ""},
		{"TLS 1.0 with RSA", withTLS(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
			CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}), ""},
		{"wants a certificate", withTLS(&tls.Config{ClientAuth: tls.RequireAnyClientCert}), ""},
		{"wants another curve", withTLS(&tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}), ""},
		{"wants a post-quantum key", withTLS(&tls.Config{CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}), ""},
		{"an alert", says("\x15\x03\x01\x00\x02\x02\x28"), ""},
		{"a ServerHello and nonsense", says("\x16\x03\x03\x00\x04\x02\x00\x00\x00"), ""},
		{"half an alert", says("\x15\x03\x01"), "it does not speak TLS"},
		{"plain HTTP", says("HTTP/1.1 400 Bad Request\r\n\r\n"), "it does not speak TLS"},
		{"SSH", says("SSH-2.0-OpenSSH_9.2\r\n"), "it does not speak TLS"},
		{"closes", func(c *net.TCPConn) { io.ReadFull(c, make([]byte, 100)); c.CloseWrite(); io.Copy(io.Discard, c) },
			"it closed the connection without an answer"},
		{"resets", func(c *net.TCPConn) { c.SetLinger(0) }, "connection reset by peer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := serve(t, test.serve)
			got := ""
			if err := asked(t, question{address: at, kind: route.CheckTLS}, "app.example.com", patience); err != nil {
				got = err.Error()
			}
			if test.name == "resets" && got == "broken pipe" {
				return // the reset came before the hello was sent
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A server that accepts and says nothing, one that does not accept, and one that is not there.
func TestAskTheDead(t *testing.T) {
	closed := unused(t, 1)[0]
	for _, kind := range []route.Check{route.CheckTCP, route.CheckTLS} {
		if err := asked(t, question{address: closed, kind: kind}, "", patience); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("kind %d, nobody listens: %v", kind, err)
		}
	}
	held := make(chan struct{})
	defer close(held)
	silent := serve(t, func(*net.TCPConn) { <-held })
	q := question{address: silent, kind: route.CheckTLS}
	if err := asked(t, q, "", 50*time.Millisecond); err == nil || err.Error() != "no answer in time" {
		t.Errorf("silent: %v", err)
	}
	full := fullListener(t)
	for _, kind := range []route.Check{route.CheckTCP, route.CheckTLS} {
		q := question{address: full, kind: kind}
		if err := asked(t, q, "", 50*time.Millisecond); err == nil || err.Error() != "no answer in time" {
			t.Errorf("kind %d, nobody accepts: %v", kind, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := askServer(ctx, q, ""); err == nil { // ends with the daemon
		t.Error("a silent server is up")
	}
}

// fullListener returns an address whose kernel takes no more connections.
func fullListener(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	loopback := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(unix.Bind(fd, loopback), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*unix.SockaddrInet4).Port))
	c, err := net.Dial("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return at
}

// What is in the way on our side says nothing about the server.
func TestOwnShortage(t *testing.T) {
	at := serve(t, func(*net.TCPConn) {})
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit.Cur, Max: limit.Max})
	if err := syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err := asked(t, question{address: at, kind: route.CheckTCP}, "", patience)
	if !errors.Is(err, unix.EMFILE) || !isOurs(err) {
		t.Errorf("without descriptors: %v", err)
	}
	c := &check{terms: terms{rise: 1, fall: 1}}
	if c.answered(err); c.down.Load() {
		t.Error("the server is down because we have no descriptors")
	}
}

// The server's program is never told of a check by TCP: the kernel has answered for it.
func TestTCPCheckIsNotSeen(t *testing.T) {
	var accepted atomic.Int32
	at := serve(t, func(*net.TCPConn) { accepted.Add(1) })
	const checks = 50
	for range checks {
		if err := asked(t, question{address: at, kind: route.CheckTCP}, "", patience); err != nil {
			t.Fatal(err)
		}
	}
	c, err := net.Dial("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.ReadAll(c)                               // accepted, and those before it
	if n := accepted.Load() - 1; n > checks/2 { // an acknowledgement may have been late
		t.Errorf("%d of %d checks were accepted, want next to none", n, checks)
	}
}

// Go's own server logs every handshake that does not complete. It is asked for the host that is routed to it.
func TestGoServerLogsNothing(t *testing.T) {
	var logged strings.Builder
	var names sync.Map
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			names.Store(hello.ServerName, true)
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{ErrorLog: log.New(&logged, "", 0)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(l)
	}()
	at := netip.MustParseAddrPort(l.Addr().String())
	for range 10 {
		for _, kind := range []route.Check{route.CheckTCP, route.CheckTLS} {
			if err := asked(t, question{address: at, kind: kind}, "app.example.com", patience); err != nil {
				t.Errorf("kind %d: %v", kind, err)
			}
		}
	}
	server.Shutdown(t.Context())
	<-ended
	if logged.Len() > 0 {
		t.Errorf("the server complains: %s", logged.String())
	}
	names.Range(func(name, _ any) bool {
		if name != "app.example.com" {
			t.Errorf("it was asked for %q", name)
		}
		return true
	})
	if _, ok := names.Load("app.example.com"); !ok {
		t.Error("it saw no hello")
	}
}

var nginxLevel = regexp.MustCompile(`\[(debug|info|notice|warn|error|crit|alert|emerg)\]`)

// nginx, in the shapes that backends have: it answers every check and logs nothing that its default level would show.
func TestNginxLogsNothing(t *testing.T) {
	dir := t.TempDir()
	pem := certificateFile(t)
	shapes := []struct {
		listen  string // options of the listening socket
		more    string // of the server
		headers []route.ProxyProtocol
	}{
		{"ssl", "", []route.ProxyProtocol{route.ProxyNone}},
		{"ssl http2", "", []route.ProxyProtocol{route.ProxyNone}},
		{"ssl", "ssl_protocols TLSv1.2;", []route.ProxyProtocol{route.ProxyNone}},
		{"ssl", "ssl_verify_client on; ssl_client_certificate " + pem + ";", []route.ProxyProtocol{route.ProxyNone}},
		{"ssl proxy_protocol", "", []route.ProxyProtocol{route.ProxyV1, route.ProxyV2}},
		{"ssl", "ssl_reject_handshake on;", []route.ProxyProtocol{route.ProxyNone}},
	}
	addresses := unused(t, len(shapes))
	var config strings.Builder
	fmt.Fprintf(&config, "daemon off;\nworker_processes 1;\nuser root root;\npid %s/pid;\nerror_log %s/error.log info;\n"+
		"events {}\nhttp {\naccess_log %s/access.log;\n", dir, dir, dir)
	for _, temporary := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&config, "%s_temp_path %s/%s;\n", temporary, dir, temporary)
	}
	for i, shape := range shapes {
		fmt.Fprintf(&config, "server { listen %s %s; server_name app.example.com; ssl_certificate %s; "+
			"ssl_certificate_key %s; %s return 200; }\n", addresses[i], shape.listen, pem, pem, shape.more)
	}
	config.WriteString("}\n")
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	startProgram(t, "nginx", "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", "nginx.conf")
	for i, shape := range shapes {
		for _, header := range shape.headers {
			untilUp(t, question{address: addresses[i], kind: route.CheckTCP})
			for range 5 {
				for _, kind := range []route.Check{route.CheckTCP, route.CheckTLS} {
					q := question{address: addresses[i], kind: kind, header: header}
					if err := asked(t, q, "app.example.com", patience); err != nil {
						t.Errorf("%s %s, kind %d: %v", shape.listen, shape.more, kind, err)
					}
				}
			}
		}
	}
	for _, file := range []string{"error.log", "access.log"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if level := nginxLevel.FindStringSubmatch(line); level == nil || level[1] != "info" && level[1] != "notice" {
				t.Errorf("%s: %s", file, line)
			} else {
				t.Logf("%s: %s", file, line)
			}
		}
	}
}

// HAProxy, as its own sample configurations have it: it wants a PROXY protocol header and logs handshakes that fail.
func TestHAProxyLogsNothing(t *testing.T) {
	dir := t.TempDir()
	pem := certificateFile(t)
	at := unused(t, 1)[0]
	logged, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "log"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer logged.Close()
	config := fmt.Sprintf("global\nlog %s/log local0\n"+
		"defaults\nmode http\nlog global\noption httplog\noption dontlognull\n"+
		"timeout client 30s\ntimeout server 30s\ntimeout connect 5s\n"+
		"frontend tls\nbind %s ssl crt %s accept-proxy\nhttp-request return status 200\n", dir, at, pem)
	if err := os.WriteFile(filepath.Join(dir, "haproxy.cfg"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	startProgram(t, "haproxy", "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	untilUp(t, question{address: at, kind: route.CheckTCP})
	for _, header := range []route.ProxyProtocol{route.ProxyV1, route.ProxyV2} {
		for range 5 {
			q := question{address: at, kind: route.CheckTLS, header: header}
			if err := asked(t, q, "app.example.com", patience); err != nil {
				t.Errorf("header %d: %v", header, err)
			}
		}
	}
	if err := asked(t, question{address: at, kind: route.CheckTLS}, "", patience); err == nil {
		t.Error("up without the header that it wants")
	}
	logged.SetReadDeadline(time.Now().Add(patience))
	for buffer := make([]byte, 4096); ; {
		n, err := logged.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		line := string(buffer[:n])
		if strings.Contains(line, "does not look like a PROXY protocol header") { // the last one
			return
		}
		t.Errorf("HAProxy complains: %s", line)
	}
}

// startProgram starts a server and ends it with the test.
func startProgram(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Wait() })
}

// untilUp waits for a server to start.
func untilUp(t *testing.T, q question) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := asked(t, q, "", time.Second)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not start: %v", q.address, err)
		}
	}
}
