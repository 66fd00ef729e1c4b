package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file, which -update writes.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestMessages holds everything that is said about testdata/NAME.conf against NAME.golden.
func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata (%v)", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			c, warnings, err := Parse("sniroute", data)
			if (c == nil) != (err != nil) {
				t.Errorf("a configuration (%v) and an error (%v)", c != nil, err)
			}
			for _, w := range warnings {
				fmt.Fprintf(&b, "warning: %s\n", w)
			}
			if err != nil {
				fmt.Fprintf(&b, "%s\n", err)
			}
			golden(t, strings.TrimSuffix(file, ".conf")+".golden", b.String())
			if strings.Contains(b.String(), "hunter2") {
				t.Error("a secret is repeated")
			}
		})
	}
}

// parse reads a configuration that is right.
func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, _, err := Parse("sniroute", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	pool := BackendOptions{
		Balance: "roundrobin", Stick: "none", StickSize: 30720, StickExpire: 30 * time.Minute,
		Check: "tcp", CheckInterval: 2 * time.Second, CheckRise: 2, CheckFall: 3,
		ConnectTimeout: 5 * time.Second, IdleTimeout: time.Hour, SendProxy: "none",
	}
	want := &Config{
		File: "sniroute",
		Main: Main{
			Enabled: true, LogLevel: slog.LevelInfo,
			StatusListen:            []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1936")},
			Control:                 "/var/run/sniroute/control.sock",
			StateFile:               "/etc/sniroute/state.json",
			MaxConnectionsPerSource: 256, ConnectionRatePerSource: 20,
			PeekMemory: 4 << 20, DrainTimeout: 30 * time.Second,
		},
		DNS: DNS{
			Enabled: true, HostsFile: "/tmp/hosts/sniroute", ServersFile: "/tmp/hosts/.sniroute.servers", Notify: "auto",
		},
	}
	if got := parse(t, ""); !reflect.DeepEqual(got, want) {
		t.Errorf("nothing configured: got\n%+v\nwant\n%+v", got, want)
	}
	got := parse(t, `
config listener 'https'
config listener 'http'
	option proto 'http'
config backend 'nas'
	list server '192.168.0.2:443'
config route 'app'
	list host 'App.K8s.Example.com.'
	option backend 'nas'
config manifests 'demo'
	list domain 'Example.com ns=team-a'
config class 'external'
	option cluster 'demo'
	option class 'nginx'
`)
	want.Listeners = []Listener{
		{Name: "https", Listen: []netip.AddrPort{netip.MustParseAddrPort("[::]:8443")}, WANPort: 443,
			WANZones: []string{"wan"}, HairpinZones: []string{"lan"}, InspectDelay: 5 * time.Second, NonTLS: "reject"},
		{Name: "http", HTTP: true, Listen: []netip.AddrPort{netip.MustParseAddrPort("[::]:8080")}, WANPort: 80,
			WANZones: []string{"wan"}, HairpinZones: []string{"lan"}, InspectDelay: 5 * time.Second, NonTLS: "reject"},
	}
	want.Backends = []Backend{{Name: "nas", HTTPPort: 80, Options: pool,
		Servers: []Server{{Address: netip.MustParseAddrPort("192.168.0.2:443"), Weight: 1}}}}
	want.Routes = []Route{{Name: "app", Hosts: []string{"app.k8s.example.com"}, Backend: "nas", Expose: true}}
	want.Manifests = []Manifests{{Path: "/etc/sniroute/manifests", Claims: Claims{
		Name: "demo", Kinds: []string{"ingress", "gateway", "service"}, MaxHosts: 4096, MaxHostsPerNamespace: 256,
		Domains: []Domain{{Name: "example.com", Namespace: "team-a"}}}}}
	want.Classes = []Class{{
		Name: "external", Cluster: "demo", Class: "nginx", HTTPSPort: 443, HTTPPort: 80, Options: pool,
	}}
	got.servers = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sections without options: got\n%+v\nwant\n%+v", got, want)
	}
}

// TestEveryOption: each option of the table is read, and says what is wrong with it.
func TestEveryOption(t *testing.T) {
	for _, s := range Schema() {
		for _, o := range s.Options {
			name := s.Only
			if name == "" {
				name = "x"
			}
			text := fmt.Sprintf("config %s '%s'\n\toption %s '\x01'\n", s.Type, name, o.Name)
			_, _, err := Parse("f", []byte(text))
			var e *Error
			found := false
			if errors.As(err, &e) {
				for _, p := range e.Problems {
					found = found || p.Option == o.Name && p.Line == 2
				}
			}
			if !found {
				t.Errorf("%s.%s: a bad value is not noticed: %v", s.Type, o.Name, err)
			}
			if o.Help == "" || strings.HasSuffix(o.Help, ".") || len(o.Help) > 100 {
				t.Errorf("%s.%s: help is %q", s.Type, o.Name, o.Help)
			}
		}
	}
}

func TestValues(t *testing.T) {
	c := parse(t, `
config sniroute 'main'
	option log_level 'debug'
	option max_connections '5000'
	option peek_memory '512k'
	option drain_timeout '90'
	option loops '2'
	list status_listen '[::1]:1936'
	list status_listen '192.168.0.1:1936'
	list status_allow '192.168.0.7'
config listener 'a'
	list listen '0.0.0.0:443'
	list listen '[fd00::1]:443'
	option inspect_delay '500ms'
	option non_tls 'ssh'
	option default_backend 'ssh'
config listener 'off'
	option enabled '0'
	list listen '0.0.0.0:443'
config backend 'ssh'
	list server '192.168.0.2:22  weight=2 backup'
	list server '[fd00::2]:22'
	option idle_timeout '1d'
	option connect_timeout '1m30s'
config route 'wild'
	list host '*.Apps.example.com'
	option expose 'off'
	list dns '192.168.0.3'
	list dns 'fd00::3'
	list listener 'a'
config manifests 'm'
	option path '/srv//yaml/'
	list domain '*'
	list target '10.0.0.0/8'
	option shared_address 'refuse'
`)
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("log_level", c.Main.LogLevel, slog.LevelDebug)
	check("max_connections", c.Main.MaxConnections, 5000)
	check("peek_memory", c.Main.PeekMemory, 512<<10)
	check("drain_timeout", c.Main.DrainTimeout, 90*time.Second)
	check("loops", c.Main.Loops, 2)
	check("status_listen", fmt.Sprint(c.Main.StatusListen), "[[::1]:1936 192.168.0.1:1936]")
	check("status_allow", fmt.Sprint(c.Main.StatusAllow), "[192.168.0.7/32]")
	check("listeners", len(c.Listeners), 1)
	check("listen", fmt.Sprint(c.Listeners[0].Listen), "[0.0.0.0:443 [fd00::1]:443]")
	check("inspect_delay", c.Listeners[0].InspectDelay, 500*time.Millisecond)
	check("non_tls", c.Listeners[0].NonTLS, "ssh")
	check("servers", c.Backends[0].Servers, []Server{
		{Address: netip.MustParseAddrPort("192.168.0.2:22"), Weight: 2, Backup: true},
		{Address: netip.MustParseAddrPort("[fd00::2]:22"), Weight: 1},
	})
	check("idle_timeout", c.Backends[0].Options.IdleTimeout, 24*time.Hour)
	check("connect_timeout", c.Backends[0].Options.ConnectTimeout, 90*time.Second)
	check("route", c.Routes[0], Route{Name: "wild", Hosts: []string{"*.apps.example.com"}, Listeners: []string{"a"},
		DNS: []netip.Addr{netip.MustParseAddr("192.168.0.3"), netip.MustParseAddr("fd00::3")}})
	check("path", c.Manifests[0].Path, "/srv/yaml")
	check("domain", c.Manifests[0].Domains, []Domain{{Name: "*"}})
	check("shared_address", c.Manifests[0].RefuseShared, true)
}

// TestLoops: what the file alone cannot know.
func TestLoops(t *testing.T) {
	c := parse(t, `
config listener 'https'
config backend 'a'
	list server '192.168.0.1:8443'
config backend 'b'
	list server '203.0.113.7:443'
config backend 'c'
	list server '192.168.0.1:80'
	list server '192.168.0.2:443'
`)
	own := func(a netip.Addr) bool { return a.String() == "192.168.0.1" || a.String() == "203.0.113.7" }
	var bad *Error
	if !errors.As(c.Loops(own), &bad) {
		t.Fatal("no loop is found")
	}
	var places []string
	for _, p := range bad.Problems {
		places = append(places, fmt.Sprint(p.Name, p.Line, p.Option, p.Value))
	}
	if !reflect.DeepEqual(places, []string{"a4server192.168.0.1:8443", "b6server203.0.113.7:443"}) {
		t.Errorf("got %v", bad)
	}
}

// TestControl: the commands find the daemon when the configuration has become a bad one.
func TestControl(t *testing.T) {
	dir := t.TempDir()
	check := func(text, want string) {
		t.Helper()
		if text != "" {
			if err := os.WriteFile(filepath.Join(dir, "sniroute"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := Control(dir); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	const normal = "/var/run/sniroute/control.sock"
	check("", normal)
	check("config listener a\n", normal)
	check("config sniroute main\n\toption control /tmp/c.sock\n", "/tmp/c.sock")
	check("config sniroute main\n\toption control /tmp/c.sock\nconfig listener a\n\toption listen '", "/tmp/c.sock")
	check("config sniroute main\n\toption control c.sock\n", normal)
}

func TestWANPorts(t *testing.T) {
	c := parse(t, `
config listener 'a'
config listener 'b'
	list listen ':9443'
config listener 'c'
	list listen ':9444'
	option wan_port '443'
config listener 'd'
	list listen ':9445'
	list wan_zone 'vpn'
`)
	var got []uint16
	for _, l := range c.Listeners {
		got = append(got, l.WANPort)
	}
	if !reflect.DeepEqual(got, []uint16{0, 0, 443, 443}) {
		t.Errorf("only one default, and what is written stands above it: got %v", got)
	}
}

func TestLoadFile(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Load(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	path := filepath.Join(dir, "sniroute")
	if err := os.WriteFile(path, []byte("config listener 'a'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := Load(dir)
	if err != nil || len(warnings) != 0 || len(c.Listeners) != 1 || c.File != path {
		t.Errorf("got %+v %v %v", c, warnings, err)
	}
	if err := os.WriteFile(path, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "too much") {
		t.Errorf("too large: got %v", err)
	}
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a pipe: got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, warnings, err := Parse("f", data)
		if (c == nil) != (err != nil) {
			t.Errorf("a configuration (%v) and an error (%v)", c != nil, err)
		}
		for _, w := range warnings {
			if strings.ContainsFunc(w.String(), isControl) {
				t.Errorf("control characters in %q", w)
			}
		}
		var e *Error
		if errors.As(err, &e) {
			for _, p := range e.Problems {
				if strings.ContainsFunc(p.String(), isControl) || p.Line < 1 {
					t.Errorf("control characters or no line in %q", p)
				}
			}
		}
	})
}

// TestClientSource: what only the running system knows is asked only where it matters, and each place is named.
func TestClientSource(t *testing.T) {
	const disabled = "config backend 'off'\n\toption enabled '0'\n\tlist server '192.0.2.1:443'\n\toption source 'client'\n"
	const used = "config manifests 'm'\n\tlist domain 'example.com'\n\nconfig class 'c'\n\toption cluster 'm'\n" +
		"\toption class 'x'\n\toption source 'client'\n\n" +
		"config backend 'b'\n\tlist server '192.0.2.1:443'\n\toption source client\n"
	for _, c := range []struct {
		text string
		can  error
		want []string
	}{
		{disabled, fs.ErrPermission, nil},
		{disabled + used, nil, nil},
		{disabled + used, fmt.Errorf("setting it: %w", fs.ErrPermission), []string{
			"sniroute:11: class 'c': option source: 'client' needs CAP_NET_ADMIN, which this process does not have: ",
			"sniroute:15: backend 'b': option source: 'client' needs CAP_NET_ADMIN, which this process does not have: ",
		}},
		{used, errors.New("no socket"), []string{
			"sniroute:7: class 'c': option source: 'client' cannot be had here, no socket",
			"sniroute:11: backend 'b': option source: 'client' cannot be had here, no socket",
		}},
	} {
		parsed, warnings, err := Parse("sniroute", []byte(c.text))
		if err != nil || slices.ContainsFunc(warnings, func(w Warning) bool { return w.Option == "source" }) {
			t.Fatalf("%v, %v", err, warnings)
		}
		asked := false
		err = parsed.ClientSource(func() error { asked = true; return c.can })
		if asked == (c.text == disabled) {
			t.Errorf("asked: %t for\n%s", asked, c.text)
		}
		var lines []string
		if err != nil {
			lines = strings.Split(err.Error(), "\n")
		}
		if !slices.EqualFunc(lines, c.want, strings.HasPrefix) {
			t.Errorf("got %q, want %q", lines, c.want)
		}
	}
}
