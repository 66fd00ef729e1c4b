package openwrt

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/house"
)

// A cycle is a router in which the package lives from its installation to its end, with a real dnsmasq and a real
// backend.
type cycle struct {
	*testing.T
	*Router
	procd     *Procd
	authority *house.Authority
	packages  string
}

// lifeDHCP is what a router's /etc/config/dhcp says, in uci's own spelling.
const lifeDHCP = `
config dnsmasq
	option domain 'lan'
	option cachesize '1000'

config dhcp 'lan'
	option interface 'lan'

`

// settle is how long anything may take that happens at once, on a machine that is busy with other tests.
const settle = 90 * time.Second

// TestCycle: install, configure, enable, start, route a connection and answer a question from the LAN, reload after a
// change, refuse a bad one, crash, upgrade with a changed configuration file, remove without a trace.
func TestCycle(t *testing.T) {
	c := newCycle(t)
	before := tree(t, c.Router, "/etc", "/usr", "/lib", "/bin", "/sbin", "/tmp", "/var/run")

	output, err := c.Install(c.program())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(output, "sniroute import-haproxy /etc/haproxy.cfg") {
		t.Errorf("nobody tells of import-haproxy: %q", output)
	}
	c.installed()
	logged := c.syslog()
	c.configure()
	c.routes("app.example.com")
	c.answers("app.example.com", "192.0.2.7")
	c.onTheBus()
	c.pages()

	pid := c.procd.PID("sniroute")
	c.uci("set sniroute.app2=route", "add_list sniroute.app2.host=app2.example.com", "set sniroute.app2.backend=nas",
		"add_list sniroute.app2.dns=192.0.2.8", "commit sniroute")
	c.routes("app2.example.com")
	c.answers("app2.example.com", "192.0.2.8")

	c.Router.Log()
	c.uci("set sniroute.app2.backend=nonsense", "commit sniroute")
	c.within("the bad configuration is logged", func() error {
		if log := strings.Join(c.Router.Log(), "\n"); !strings.Contains(log, "'nonsense' is no backend") {
			return errors.New(log)
		}
		return nil
	})
	c.within("the daemon knows of it", func() error {
		out, err := c.Router.Run("/bin/ubus", "call", "sniroute", "status")
		if err == nil && !strings.Contains(out, `"last_reload_ok": false`) {
			err = errors.New(out)
		}
		return err
	})
	c.routes("app2.example.com")
	c.uci("set sniroute.app2.backend=nas", "commit sniroute")
	if now := c.procd.PID("sniroute"); now != pid {
		t.Errorf("the process was %d and is %d after reloads", pid, now)
	}

	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.within("the daemon is back", func() error {
		if now := c.procd.PID("sniroute"); now == pid || now == 0 {
			return fmt.Errorf("it is %d", now)
		}
		return nil
	})
	c.routes("app.example.com")

	pid = c.procd.PID("sniroute")
	if _, err := c.Install(c.program()); err != nil {
		t.Fatal(err)
	}
	c.within("the upgrade starts the daemon again", func() error {
		if now := c.procd.PID("sniroute"); now == pid || now == 0 {
			return fmt.Errorf("it is %d", now)
		}
		return nil
	})
	c.routes("app2.example.com")
	if text := c.read("/etc/config/sniroute-opkg"); !strings.Contains(text, "enabled '0'") {
		t.Errorf("the package's own configuration is %q", text)
	}

	for _, file := range slices.Backward(c.ipks("all")) {
		name, _, _ := strings.Cut(filepath.Base(file), "_")
		if _, err := c.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Remove("sniroute"); err != nil {
		t.Fatal(err)
	}
	c.removed(before)
	for _, want := range []string{`<30>`, `msg="sniroute starts"`, `<27>`, `'nonsense' is no backend`} {
		if text := logged(); !strings.Contains(text, want) {
			t.Errorf("syslog has no %s:\n%s", want, text)
		}
	}
}

// syslog listens at /dev/log and returns a function that returns what came, line by line.
func (c *cycle) syslog() func() string {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: c.Path("/dev/log"), Net: "unixgram"})
	if err == nil {
		err = os.Chmod(c.Path("/dev/log"), 0o666)
	}
	if err != nil {
		c.Fatal(err)
	}
	var mu sync.Mutex
	var lines []string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := make([]byte, 4096); ; {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			mu.Lock()
			lines = append(lines, string(b[:n]))
			mu.Unlock()
		}
	}()
	c.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(lines, "\n")
	}
}

func newCycle(t *testing.T) *cycle {
	r := bareRouter(t)
	c := &cycle{T: t, Router: r, packages: t.TempDir()}
	if err := os.Remove(r.Path("/usr/bin/sniroute")); err != nil { // the package brings it
		t.Fatal(err)
	}
	r.Play("dnsmasq", func(Call) (string, int) { return "", 0 }) // its init script
	c.startProcd()
	var err error
	if c.authority, err = house.NewAuthority(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	write(t, r, "/etc/config/dhcp", lifeDHCP, 0o644)
	write(t, r, "/etc/haproxy.cfg", "frontend f\n", 0o644)
	write(t, r, "/etc/config/luci", "config internal 'languages'\n\toption en 'English'\n", 0o644)
	write(t, r, "/etc/init.d/dnsmasq", "#!/bin/sh\nrouter dnsmasq \"$@\"\n", 0o755)
	c.useRealUCI()
	return c
}

func (c *cycle) startProcd() {
	c.Helper()
	var err error
	if c.procd, err = c.StartProcd(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() {
		if err := c.procd.Close(); err != nil {
			c.Error(err)
		}
	})
}

// useRealUCI puts the real tool into the root where this machine has it.
func (c *cycle) useRealUCI() {
	if _, err := exec.LookPath("uci"); err != nil {
		return // its double stays
	}
	if err := os.Remove(c.Path("/sbin/uci")); err != nil {
		c.Fatal(err)
	}
	if err := c.AddProgram("uci", "/sbin/uci"); err != nil {
		c.Fatal(err)
	}
}

// program packs the daemon for this machine and returns the package.
func (c *cycle) program() string {
	arch := map[string]string{
		"amd64": "x86_64", "arm64": "aarch64_generic", "arm": "arm_cortex-a7_neon-vfpv4",
	}[runtime.GOARCH]
	names := c.ipks(arch)
	if len(names) != 1 {
		c.Fatalf("there are %q", names)
	}
	return names[0]
}

// ipks packs what there is for an architecture, once: compression is slow.
func (c *cycle) ipks(arch string) []string {
	folder := filepath.Join(c.packages, arch)
	if _, err := os.Stat(folder); err != nil {
		pack, err := filepath.Abs(filepath.Join(built, "pack"))
		if err != nil {
			c.Fatal(err)
		}
		cmd := exec.Command(pack, "-root", "../..", "-binaries", built, "-out", folder, "-only", arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			c.Fatalf("%v: %s", err, out)
		}
	}
	names, err := filepath.Glob(filepath.Join(folder, "*.ipk"))
	if err != nil || len(names) == 0 {
		c.Fatalf("there is no package for %s (%v)", arch, err)
	}
	slices.Sort(names)
	return names
}

// pages installs LuCI's pages, as a router with LuCI in use does, and asks what they may ask.
func (c *cycle) pages() {
	write(c.T, c.Router, "/tmp/luci-indexcache.0123.json", "{}", 0o644)
	write(c.T, c.Router, "/tmp/luci-modulecache/old", "", 0o644)
	for _, name := range c.ipks("all") {
		if _, err := c.Install(name); err != nil {
			c.Fatal(err)
		}
	}
	for _, gone := range []string{"/tmp/luci-indexcache.0123.json", "/tmp/luci-modulecache", "/etc/uci-defaults/luci-i18n-sniroute-de"} {
		if _, err := os.Stat(c.Path(gone)); err == nil {
			c.Errorf("%s is still there", gone)
		}
	}
	if calls := c.Calls("killall"); !slices.Contains(calls, "killall -HUP rpcd") {
		c.Errorf("rpcd does not learn the rights: %q", calls)
	}
	var rights map[string]map[string]json.RawMessage
	var read struct{ UBus map[string][]string }
	text := []byte(c.read("/usr/share/rpcd/acl.d/luci-app-sniroute.json"))
	if err := json.Unmarshal(text, &rights); err != nil {
		c.Fatal(err)
	}
	if err := json.Unmarshal(rights["luci-app-sniroute"]["read"], &read); err != nil {
		c.Fatal(err)
	}
	arguments := map[string]string{"explain": `{"name":"app.example.com"}`}
	for _, method := range read.UBus["sniroute"] {
		if out, err := c.Router.Run("/bin/ubus", "call", "sniroute", method, cmp.Or(arguments[method], "{}")); err != nil {
			c.Errorf("%s: %v: %s", method, err, out)
		}
	}
	if len(read.UBus["sniroute"]) == 0 {
		c.Error("the pages may ask for nothing")
	}
	if _, err := os.Stat(c.Path("/www/luci-static/resources/view/sniroute/overview.js")); err != nil {
		c.Error(err)
	}
}

// installed checks what the installation alone does: everything is there, and nothing runs.
func (c *cycle) installed() {
	if pid := c.procd.PID("sniroute"); pid != 0 {
		c.Error("the daemon runs before anybody configured it")
	}
	if err := service(c.T, c.Router, "enabled"); err != nil {
		c.Error("the service is not enabled")
	}
	if text := c.read("/etc/config/dhcp"); !strings.Contains(text, "option serversfile '/tmp/hosts/.sniroute.servers'") {
		c.Errorf("dnsmasq does not know the servers file:\n%s", text)
	}
	if text := c.read("/etc/passwd"); !strings.Contains(text, "sniroute:x:443:443:") {
		c.Errorf("there is no account:\n%s", text)
	}
	if _, err := os.Stat(c.Path("/etc/uci-defaults/sniroute")); err == nil {
		c.Error("uci-defaults were not run")
	}
	if calls := c.Calls("killall", "dnsmasq"); !slices.Contains(calls, "killall -HUP ubusd") {
		c.Errorf("ubusd does not learn the permissions: %q", calls)
	}
}

// configure starts the LAN's DNS and a backend, and configures the daemon, which starts it.
func (c *cycle) configure() {
	c.dnsmasq()
	c.backend("127.0.0.2:9443")
	c.uci("set sniroute.main.enabled=1", "set sniroute.nas=backend", "add_list sniroute.nas.server=127.0.0.2:9443",
		"set sniroute.app=route", "add_list sniroute.app.host=app.example.com", "set sniroute.app.backend=nas",
		"add_list sniroute.app.dns=192.0.2.7", "commit sniroute")
}

// uci runs commands of the tool, and procd hears of the change as from reload_config. It returns when the scripts that
// this sets off have ended: a person who changes more, or kills the daemon, is slower than they are.
func (c *cycle) uci(commands ...string) {
	c.Helper()
	for _, command := range commands {
		if _, err := c.Router.Run(append([]string{"/sbin/uci"}, strings.Fields(command)...)...); err != nil {
			c.Fatal(err)
		}
	}
	event := `{"type":"config.change","data":{"package":"sniroute"}}`
	if _, err := c.Router.Run("/bin/ubus", "call", "service", "event", event); err != nil {
		c.Fatal(err)
	}
	c.procd.Settle()
}

// dnsmasq starts a real one, which reads what the daemon writes.
func (c *cycle) dnsmasq() {
	cmd := exec.Command("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
		"--user=root", "--listen-address=127.0.0.1", "--bind-interfaces", "--addn-hosts="+c.Path("/tmp/hosts"),
		"--servers-file="+c.Path("/tmp/hosts/.sniroute.servers"), "--log-facility=-")
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	c.within("dnsmasq answers", func() error { // earlier, the signal to read its files again would end it
		conn, err := net.Dial("tcp", "127.0.0.1:53")
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	c.procd.Outside("dnsmasq", cmd.Process.Pid)
}

// backend answers every TLS connection with a certificate for the name that is asked for.
func (c *cycle) backend(address string) {
	issue := func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		file, err := c.authority.Issue(h.ServerName)
		if err != nil {
			return nil, err
		}
		certificate, err := tls.LoadX509KeyPair(file, file)
		return &certificate, err
	}
	l, err := tls.Listen("tcp", address, &tls.Config{GetCertificate: issue})
	if err != nil {
		c.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "the backend")
			conn.Close()
		}
	}()
	c.Cleanup(func() {
		l.Close()
		<-ended
	})
}

// within tries f until it succeeds.
func (c *cycle) within(what string, f func() error) {
	c.Helper()
	var err error
	for until := time.Now().Add(settle); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	c.Fatalf("%s: %v\nthe log:\n%s", what, err, strings.Join(c.Router.Log(), "\n"))
}

// routes waits until a connection for the name reaches the backend.
func (c *cycle) routes(name string) {
	c.Helper()
	c.within("a connection for "+name, func() error {
		dialer := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: c.authority.Pool}}
		ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
		defer cancel()
		conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:8443")
		if err != nil {
			return err
		}
		defer conn.Close()
		text, err := io.ReadAll(conn)
		if err == nil && string(text) != "the backend" {
			err = fmt.Errorf("it says %q", text)
		}
		return err
	})
}

// answers waits until the LAN's DNS answers with the address.
func (c *cycle) answers(name, address string) {
	c.Helper()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, "127.0.0.1:53")
	}}
	c.within("a question for "+name, func() error {
		ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
		defer cancel()
		got, err := resolver.LookupHost(ctx, name)
		if err == nil && !slices.Equal(got, []string{address}) {
			err = fmt.Errorf("the answer is %q", got)
		}
		return err
	})
}

// onTheBus asks the daemon over ubus.
func (c *cycle) onTheBus() {
	c.within("the daemon is on the bus", func() error {
		out, err := c.Router.Run("/bin/ubus", "call", "sniroute", "status")
		if err == nil && !strings.Contains(out, `"notify": "ubus"`) {
			err = errors.New(out)
		}
		return err
	})
	out, err := c.Router.Run("/bin/ubus", "call", "sniroute", "explain", `{"name":"app.example.com"}`)
	if err != nil || !strings.Contains(out, "nas") {
		c.Errorf("explain: %v: %s", err, out)
	}
}

func (c *cycle) read(name string) string {
	text, err := os.ReadFile(c.Path(name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// removed compares what is left with what was there before.
func (c *cycle) removed(before []string) {
	c.procd.Settle()
	if pid := c.procd.PID("sniroute"); pid != 0 {
		c.Errorf("process %d still runs", pid)
	}
	if text := c.read("/etc/config/dhcp"); text != lifeDHCP {
		c.Errorf("/etc/config/dhcp is now\n%s", text)
	}
	after := tree(c.T, c.Router, "/etc", "/usr", "/lib", "/bin", "/sbin", "/tmp", "/var/run")
	// What a person wrote stays, as with every package; so does the account, and the real uci's empty notes.
	kept := []string{"-rw-r--r-- /etc/config/sniroute", "-rw-r--r-- /etc/config/sniroute-opkg"}
	for _, line := range after {
		if !slices.Contains(before, line) && !slices.Contains(kept, line) && !strings.Contains(line, " /tmp/.uci") {
			c.Errorf("left behind: %s", line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			c.Errorf("taken away: %s", line)
		}
	}
}
