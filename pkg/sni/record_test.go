package sni_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/sni"
)

// recordAll records every client that is there. What a missing one sent before stays.
func recordAll(t *testing.T) {
	server := startServer(t)
	for _, c := range clients() {
		t.Run("record/"+c.name, func(t *testing.T) {
			version, command := runtime.Version()+" crypto/tls", "the one of that name in clients_test.go"
			if c.dial == nil {
				if err := c.missing(); err != nil {
					t.Logf("%s is left as it was: %v", c.name, err)
					return
				}
				version, command = versionOf(t, c), strings.Join(c.runs[len(c.runs)-1], " ")
			}
			b := record(t, c, server)
			text := fmt.Sprintf("client: %s\ncommand: %s\n\n%s", version, command, describe(b))
			write(t, c.name+".hello", b)
			write(t, c.name+".txt", []byte(text))
		})
	}
}

// missing says which of a client's programs is not there.
func (c client) missing() error {
	for _, command := range append(c.runs, c.version) {
		if _, err := exec.LookPath(command[0]); err != nil {
			return err
		}
	}
	return nil
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join("testdata", name), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func versionOf(t *testing.T, c client) string {
	out, err := exec.CommandContext(t.Context(), c.version[0], c.version[1:]...).Output()
	if err != nil {
		t.Fatalf("%v: %v", c.version, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// record runs a client's commands and returns the first hello of the last one.
func record(t *testing.T, c client, server string) []byte {
	if c.dial != nil {
		r := listen(t, server)
		err := c.dial(t.Context(), r.address())
		hellos := r.stop()
		if len(hellos) == 0 {
			t.Fatalf("no hello came (%v)", err)
		}
		return hellos[len(hellos)-1]
	}
	dir := t.TempDir()
	var hellos [][]byte
	for _, run := range c.runs {
		r := listen(t, server)
		host, port, _ := net.SplitHostPort(r.address())
		fill := strings.NewReplacer("HOST", host, "PORT", port, "NAME", recordedName, "DIR", dir)
		args := make([]string, len(run))
		for i, a := range run {
			args[i] = fill.Replace(a)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.WaitDelay = 5 * time.Second
		cmd.Stdin = strings.NewReader("GET / HTTP/1.0\r\n\r\n")
		out, err := cmd.CombinedOutput() // most fail: they do not trust the server
		cancel()
		if hellos = r.stop(); len(hellos) == 0 {
			t.Fatalf("%q sent no hello (%v):\n%s", args, err, out)
		}
	}
	return hellos[0]
}

// startServer starts a TLS server that every client can get a session of, and returns its address.
func startServer(t *testing.T) string {
	dir := t.TempDir()
	key, certificate := filepath.Join(dir, "key"), filepath.Join(dir, "certificate")
	out, err := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
		"-days", "2", "-subj", "/CN="+recordedName, "-keyout", key, "-out", certificate).CombinedOutput()
	if err != nil {
		t.Fatalf("making a certificate: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), "openssl", "s_server", "-accept", "127.0.0.1:0", "-key", key,
		"-cert", certificate, "-cipher", "ALL:@SECLEVEL=0", "-www")
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	t.Cleanup(func() {
		cmd.Process.Kill()
		reading.Wait()
		cmd.Wait()
	})
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if address, found := strings.CutPrefix(lines.Text(), "ACCEPT "); found {
			reading.Go(func() { io.Copy(io.Discard, said) })
			return address
		}
	}
	t.Fatal("openssl s_server does not listen")
	return ""
}

// A recorder stands between clients and a server and keeps the hellos that it passes on.
type recorder struct {
	listener net.Listener
	server   string
	relays   sync.WaitGroup
	ctx      context.Context
	cancel   context.CancelFunc

	lock   sync.Mutex
	hellos [][]byte
}

func listen(t *testing.T, server string) *recorder {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{listener: l, server: server}
	r.ctx, r.cancel = context.WithCancel(t.Context())
	r.relays.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.relays.Go(func() { r.relay(c) })
		}
	})
	return r
}

func (r *recorder) address() string { return r.listener.Addr().String() }

// stop returns the hellos in the order in which they were complete.
func (r *recorder) stop() [][]byte {
	r.cancel()
	r.listener.Close()
	r.relays.Wait()
	return r.hellos
}

func (r *recorder) relay(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(r.ctx, "tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(r.ctx, func() {
		client.Close()
		server.Close()
	})
	defer stop()
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(client, server)
		client.Close()
	})
	defer back.Wait()
	defer server.(*net.TCPConn).CloseWrite()
	if err := r.keep(client, server); err == nil {
		io.Copy(server, client)
	}
}

// keep passes a hello on, and keeps it.
func (r *recorder) keep(client io.Reader, server io.Writer) error {
	var received []byte
	b := make([]byte, 1)
	for {
		if _, err := io.ReadFull(client, b); err != nil {
			return err
		}
		if _, err := server.Write(b); err != nil {
			return err
		}
		received = append(received, b[0])
		switch slow(received).verdict {
		case sni.NeedMore:
		case sni.Hello:
			r.lock.Lock()
			defer r.lock.Unlock()
			r.hellos = append(r.hellos, received)
			return nil
		default:
			return errors.New("no hello")
		}
	}
}
