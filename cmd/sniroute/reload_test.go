package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/freeport"
	"github.com/sniroute/sniroute/pkg/status"
)

// metric returns the line of a metric that begins so.
func (h *home) metric(name string) string {
	h.t.Helper()
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", h.statusPort))
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), name+" ") || strings.HasPrefix(lines.Text(), name+"{") {
			return lines.Text()
		}
	}
	return ""
}

// The configuration file is followed: what is committed is in force without a signal, once; what is wrong is said once.
func TestConfigIsFollowed(t *testing.T) {
	h := newHome(t)
	h.configure("app")
	d := h.start()
	h.certificate("app.example.com", "app")
	reloads := func() int { return strings.Count(d.log(), "configuration reloaded") }
	refusals := func() int { return strings.Count(d.log(), "the new configuration is refused") }

	h.configure("nas")
	eventually(t, "the change is in force", func() bool { return h.subject("app.example.com") == "nas" })
	eventually(t, "that is said", func() bool { return reloads() > 0 })
	h.configure("nas") // replaced by the same
	h.write("network", "config interface 'lan'\n")
	time.Sleep(3 * quiet)
	if n := reloads(); n != 1 {
		t.Errorf("%d reloads after one change", n)
	}

	h.write("sniroute", h.text("nowhere"))
	eventually(t, "status says what is wrong", func() bool { return !h.status().Config.OK })
	if s := h.status().Config; !s.Loaded || !strings.Contains(s.Error, "'nowhere' is no backend") {
		t.Errorf("got %+v", s)
	}
	if line := h.metric("sniroute_config_last_reload_successful"); !strings.HasSuffix(line, " 0") {
		t.Errorf("the metric is %q", line)
	}
	h.certificate("app.example.com", "nas")
	h.write("sniroute", h.text("nowhere"))
	time.Sleep(3 * quiet)
	if n := refusals(); n != 1 {
		t.Errorf("it was said %d times", n)
	}

	if err := os.Remove(filepath.Join(h.dir, "sniroute")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status says that it is gone", func() bool {
		return strings.Contains(h.missing(d), "no such file")
	})
	h.write("sniroute", "")
	time.Sleep(3 * quiet)
	h.certificate("app.example.com", "nas") // an empty file is about to be written
	h.configure("app")
	eventually(t, "the good one is in force", func() bool { return h.subject("app.example.com") == "app" })
	eventually(t, "status says so", func() bool { return h.status().Config.OK })
	if line := h.metric("sniroute_config_last_reload_successful"); !strings.HasSuffix(line, " 1") {
		t.Errorf("the metric is %q", line)
	}

	before := len(d.log())
	h.configure("nas")
	d.signal(syscall.SIGHUP) // at once, and the follower finds nothing new
	const obeyed = "msg=\"configuration reloaded\""
	eventually(t, "the signal was obeyed", func() bool {
		return h.subject("app.example.com") == "nas" && strings.Contains(d.log()[before:], obeyed)
	})
	time.Sleep(3 * quiet)
	// On a slow machine the follower may have been first, but what was read is not read again because it changed.
	if _, after, _ := strings.Cut(d.log()[before:], obeyed); strings.Contains(after, "the configuration file has changed") {
		t.Errorf("after the reload the follower found it new:\n%s", d.log()[before:])
	}
}

// missing returns what the daemon says of a configuration that its commands cannot read either.
func (h *home) missing(d *process) string {
	_, text, _ := strings.Cut(d.log(), "reading the configuration: ")
	return text
}

// A reload touches only what changed: connections, counters, what checks found out, who returns where and the status
// server's connections stay.
func TestReloadKeeps(t *testing.T) {
	h := newHome(t)
	address := freeport.Reserve(t).String()
	second := serveTLS(t, "second")
	text := h.text("app") + fmt.Sprintf(`
config backend 'sick'
	list server '%s'
	list server '%s'
	option check_interval '1h'
	option check_fall '1'
config backend 'sticky'
	list server '%s'
	list server '%s'
	option stick 'source'
	option check 'none'
config route 'sticky1'
	list host 'sticky.example.com'
	option backend 'sticky'
config route 'sick1'
	list host 'sick.example.com'
	option backend 'sick'
`, address, h.app, h.app, second)
	h.write("sniroute", text)
	h.start()
	backend := func(name string) (found status.BackendTraffic) {
		for _, b := range h.status().Traffic.Backends {
			if b.Name == name {
				found = b
			}
		}
		return found
	}
	eventually(t, "the dead server is found out", func() bool { return !backend("sick").Servers[0].Up })
	back, err := net.Listen("tcp", address) // nobody asks until an hour has passed
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	chosen := h.subject("sticky.example.com")
	kept, sticky := h.dial("app.example.com"), h.dial("sticky.example.com")
	for _, c := range []io.Closer{kept, sticky} {
		defer c.Close()
	}
	askPage := func(page net.Conn) error {
		fmt.Fprint(page, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(page), nil)
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
		}
		return err
	}
	before := backend("app")

	extra := listenLocal(t).Addr()
	for i, change := range []string{
		"config backend 'more'\n\tlist server '" + extra.String() + "'\nconfig route 'more1'\n\tlist host 'more.example.com'\n" +
			"\toption backend 'more'\n",
		fmt.Sprintf("config listener 'more'\n\tlist listen '127.0.0.1:%d'\n", freePort(t)),
		"config manifests 'more'\n\toption path '/nonexistent'\n\tlist domain 'more.example.com'\n",
		"",
	} {
		page, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", h.statusPort)) // anew: it may not rest for long
		if err != nil {
			t.Fatal(err)
		}
		defer page.Close()
		if err := askPage(page); err != nil {
			t.Fatal(err)
		}
		h.write("sniroute", text+change)
		h.reload()
		if err := askPage(page); err != nil {
			t.Errorf("change %d: a connection to the status server: %v", i, err)
		}
		page.Close()
		if err := echo(kept); err != nil {
			t.Fatalf("change %d: a connection: %v", i, err)
		}
		if err := echo(sticky); err != nil {
			t.Fatalf("change %d: a connection: %v", i, err)
		}
		if backend("sick").Servers[0].Up {
			t.Errorf("change %d: what the check found out is forgotten", i)
		}
		for range 3 {
			if now := h.subject("sticky.example.com"); now != chosen {
				t.Errorf("change %d: the client went to %s, not back to %s", i, now, chosen)
			}
		}
		if now := backend("app"); now.Active != before.Active || now.Servers[0].Active != before.Servers[0].Active {
			t.Errorf("change %d: %+v, before %+v", i, now, before)
		}
	}
	if n := backend("sticky").Remembered; n != 1 {
		t.Errorf("%d clients are remembered", n)
	}
}

// A listener that was removed, and a host that lost its exposure, keep their connections for drain_timeout.
func TestReloadDrains(t *testing.T) {
	h := newHome(t)
	old, current := freePort(t), h.port
	with := func(drain, more string) string {
		return strings.Replace(h.text("app"), "option log_level", "option drain_timeout '"+drain+"'\n\toption log_level", 1) + more
	}
	more := fmt.Sprintf("config listener 'old'\n\tlist listen '127.0.0.1:%d'\n\toption default_backend 'nas'\n"+
		"config route 'gone'\n\tlist host 'gone.example.com'\n\toption backend 'app'\n", old)
	h.write("sniroute", with("1h", more))
	h.start()
	kept := h.dial("app.example.com")
	defer kept.Close()
	open := func() map[string]*tls.Conn {
		lost := h.dial("gone.example.com")
		h.port = old
		onOld := h.dial("unknown.example.com")
		h.port = current
		t.Cleanup(func() {
			onOld.Close()
			lost.Close()
		})
		return map[string]*tls.Conn{"of a removed listener": onOld, "of a removed route": lost}
	}
	remove := func(drain string) {
		h.write("sniroute", with(drain, ""))
		h.reload()
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", old)); err == nil {
			c.Close()
			t.Error("a removed listener takes connections")
		}
	}

	long := open()
	remove("1h")
	for what, c := range long {
		if err := echo(c); err != nil {
			t.Errorf("a connection %s was cut before drain_timeout: %v", what, err)
		}
	}
	h.write("sniroute", with("1h", more))
	h.reload()
	short := open()
	remove("1s")
	for what, c := range short {
		if _, err := io.Copy(io.Discard, c); err == nil || !strings.Contains(err.Error(), "reset") {
			t.Errorf("a connection %s: %v, want a reset after drain_timeout", what, err)
		}
	}
	for what, c := range long {
		if err := echo(c); err != nil {
			t.Errorf("a connection %s that was given an hour: %v", what, err)
		}
	}
	if err := echo(kept); err != nil {
		t.Errorf("another connection: %v", err)
	}
	eventually(t, "the two that were reset are recorded as drained", func() bool {
		drained := 0
		for _, c := range h.status().Recent {
			if c.Result == "drained" && c.By == "sniroute" && c.TotalMS >= 1000 {
				drained++
			}
		}
		return drained == 2
	})
}

// Connections are in the log when access_log says so, and can be asked for at any time.
func TestConnectionsAreShown(t *testing.T) {
	h := newHome(t)
	h.configure("app")
	d := h.start()
	conn := h.dial("app.example.com")
	if conn == nil {
		return
	}
	if err := conn.CloseWrite(); err != nil { // of TLS, not of TCP: the server is the first to end its stream
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, conn.NetConn()); err != nil {
		t.Error(err)
	}
	conn.Close()
	eventually(t, "it is remembered", func() bool { return len(h.status().Recent) == 1 })
	h.refused("denied.example.com")
	var recent []status.Connection
	eventually(t, "both are remembered", func() bool {
		recent = h.status().Recent
		return len(recent) == 2
	})
	if c := recent[1]; c.Host != "app.example.com" || c.Backend != "app" || c.Server.String() != h.app.String() ||
		c.By != "server" || c.Listener != "https" || c.ToBackend == 0 || c.ToClient == 0 {
		t.Errorf("got %+v", c)
	}
	if c := recent[0]; c.Host != "denied.example.com" || c.Result != "refused" || c.Reason != "denied" || c.By != "sniroute" {
		t.Errorf("got %+v", c)
	}
	text := h.ask("status")
	for _, want := range []string{"last connections, the latest first:", "app.example.com, to app (", "refused: denied"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(d.log(), "msg=connection") {
		t.Errorf("access_log is off, but the log has\n%s", d.log())
	}
	h.write("sniroute", strings.Replace(h.text("app"), "option log_level", "option access_log 1\n\toption log_level", 1))
	h.reload()
	h.certificate("unknown.example.com", "nas")
	eventually(t, "a line is in the log", func() bool {
		return strings.Contains(d.log(), "listener=https host=unknown.example.com backend=nas server="+h.nas.String()+" result=")
	})
	if n := strings.Count(d.log(), "msg=connection"); n != 1 {
		t.Errorf("%d lines in\n%s", n, d.log())
	}
}
