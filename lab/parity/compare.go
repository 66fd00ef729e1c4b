package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/house"
	"github.com/sniroute/sniroute/pkg/haproxy"
	"github.com/sniroute/sniroute/pkg/uci"
)

// A result is where both sent a probe.
type result struct {
	front             string
	hello             probe
	haproxy, sniroute string // SECTION of the backend, with /SERVER where a rule chooses that; a URL; or refused
}

// compare runs both with the file and sends all probes to each of its frontends.
func compare(ctx context.Context, dir, program, file string) ([]result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	authority, err := house.NewAuthority(filepath.Join(dir, "certificates"))
	if err != nil {
		return nil, err
	}
	certificate, err := authority.Issue("parity") // for frontends that terminate TLS
	if err != nil {
		return nil, err
	}
	var ports ports
	defer ports.release()
	s, err := rewrite(string(text), certificate, ports.free)
	if err != nil {
		return nil, err
	}
	servers, err := serve(s)
	if err != nil {
		return nil, err
	}
	defer servers.close()

	theirs, err := startHAProxy(ctx, dir, file, s)
	if err != nil {
		return nil, err
	}
	defer theirs.stop()
	ours, err := startSniroute(ctx, dir, program, file, s, ports.free)
	if err != nil {
		return nil, err
	}
	defer ours.stop()
	for _, f := range s.fronts {
		if err := errors.Join(theirs.ready(f.haproxy), ours.ready(f.again)); err != nil {
			return nil, err
		}
	}
	return send(ctx, s), nil
}

// send sends the probes, several at once.
func send(ctx context.Context, s *stage) []result {
	var results []result
	for _, f := range s.fronts {
		list := probes()
		if f.http {
			list = requests()
		}
		for _, p := range list {
			results = append(results, result{front: f.name, hello: p})
		}
	}
	var wait sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range results {
		for _, f := range s.fronts {
			if f.name != results[i].front {
				continue
			}
			for _, one := range []struct {
				port int
				to   *string
			}{{f.haproxy, &results[i].haproxy}, {f.again, &results[i].sniroute}} {
				slots <- struct{}{}
				wait.Go(func() {
					defer func() { <-slots }()
					*one.to = s.where(ask(ctx, one.port, results[i].hello))
				})
			}
		}
	}
	wait.Wait()
	return results
}

// where reduces SECTION/SERVER to the section, unless a rule chooses the server.
func (s *stage) where(answer string) string {
	section, rest, found := strings.Cut(answer, "/")
	if found && !s.byName[section] && !strings.HasPrefix(rest, "/") { // not https://
		return section
	}
	return answer
}

// patience is how long a busy machine may take for an answer.
const patience = 2 * time.Minute

// ask sends a probe to a port of loopback and returns which server answers. Where it took so long that the probe might be
// taken for silence, it is sent anew.
func ask(ctx context.Context, port int, p probe) string {
	for {
		begun := time.Now()
		answer, sent := askOnce(ctx, port, p)
		if p.bytes == nil || sent.Sub(begun) < inspectDelay/2 || ctx.Err() != nil {
			return answer
		}
	}
}

// askOnce sends a probe once, and says when it had done so.
func askOnce(ctx context.Context, port int, p probe) (answer string, sent time.Time) {
	dialer := net.Dialer{Timeout: patience}
	if p.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(p.from)}
	}
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	switch {
	case errors.Is(err, syscall.ECONNRESET): // closed before the dialler saw it open
		return refused, sent
	case err != nil:
		return "no connection: " + err.Error(), sent
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err.Error(), sent
	}
	_, err = conn.Write(p.bytes)
	sent = time.Now()
	if err != nil {
		return refused, sent
	}
	text, err := io.ReadAll(conn)
	if parts := bytes.Split(text, []byte("|")); len(parts) == 3 {
		return string(parts[1]), sent
	}
	if to := redirection.FindSubmatch(text); to != nil {
		return string(to[1]), sent
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer", sent
	}
	return refused, sent
}

// redirection finds where an HTTP answer redirects to.
var redirection = regexp.MustCompile(`(?is)^HTTP/1\.\d 3\d\d .*\r\nlocation: ?(\S+)\r\n`)

// A running is a program.
type running struct {
	cmd    *exec.Cmd
	output lockedBuffer
	exited chan struct{}
}

func start(ctx context.Context, dir, program string, args ...string) (*running, error) {
	r := &running{cmd: exec.CommandContext(ctx, program, args...), exited: make(chan struct{})}
	r.cmd.Dir = dir
	r.cmd.Stdout, r.cmd.Stderr = &r.output, &r.output
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.exited)
	}()
	return r, nil
}

// ready waits until a port is listened on.
func (r *running) ready(port int) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case <-r.exited:
			return fmt.Errorf("%s ended:\n%s", r.cmd.Path, r.output.String())
		default:
		}
		if listens(port) {
			return nil
		}
	}
	return fmt.Errorf("%s does not listen on port %d:\n%s", r.cmd.Path, port, r.output.String())
}

// listens reports whether somebody listens on a port, without connecting to it: /proc/net/tcp (proc(5)) has the state 0A
// for a local address that ends in the port.
func listens(port int) bool {
	text, err := os.ReadFile("/proc/net/tcp")
	return err == nil && strings.Contains(string(text), fmt.Sprintf(":%04X 00000000:0000 0A ", port))
}

func (r *running) stop() {
	_ = r.cmd.Process.Kill() // it may have ended
	<-r.exited
}

// startHAProxy starts HAProxy beside the files that the configuration names.
func startHAProxy(ctx context.Context, dir, file string, s *stage) (*running, error) {
	name := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(name, []byte(s.haproxy), 0o644); err != nil {
		return nil, err
	}
	return start(ctx, filepath.Dir(file), "haproxy", "-db", "-f", name)
}

// startSniroute imports the file and starts the daemon with it. Its own sockets and files are put into dir.
func startSniroute(ctx context.Context, dir, program, file string, s *stage, port func() (int, error)) (*running, error) {
	imported, _, err := haproxy.Import([]byte(s.again), func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join(filepath.Dir(file), name))
	})
	if err != nil {
		return nil, err
	}
	for _, section := range imported.Sections {
		if section.Type == "sniroute" {
			section.Set("control", filepath.Join(dir, "control.sock"))
			section.Set("state_file", filepath.Join(dir, "state.json"))
			if section.Option("status_listen") == nil {
				p, err := port()
				if err != nil {
					return nil, err
				}
				section.Add("status_listen", fmt.Sprintf("127.0.0.1:%d", p))
			}
		}
	}
	imported.AddSection("dns", "dns").Set("enabled", "0")
	out, err := uci.Format(imported)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, "config")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "sniroute"), out, 0o644); err != nil {
		return nil, err
	}
	return start(ctx, dir, program, "run", "-c", folder)
}

// A lockedBuffer is a bytes.Buffer that may be read while a program writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // under mu
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
