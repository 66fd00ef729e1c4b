package house

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/netns"
)

func TestMain(m *testing.M) { netns.Main(m) }

func build(t *testing.T) (*House, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	h, err := Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, ctx
}

// Who reaches what: the firewall redirects the WAN's port 443 to 8443 and lets nothing else in.
func TestFirewall(t *testing.T) {
	h, ctx := build(t)
	listeners := map[string]struct {
		host    *Host
		address string
	}{
		"router": {h.Router, "[::]:8443"},
		"nas":    {h.NAS, "[::]:443"},
		"wan":    {h.WAN, "[::]:443"},
	}
	for name, l := range listeners {
		listener, err := l.host.Listen("tcp", l.address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				fmt.Fprintf(conn, "%s, %s", name, netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().Unmap())
				conn.Close()
			}
		}()
	}
	for _, test := range []struct {
		name    string
		from    *Host
		address string
		want    string // who answers, and whom it sees; empty: refused or no answer
	}{
		{"redirected", h.WAN, "203.0.113.1:443", "router, 203.0.113.50"},
		{"sniroute's own port", h.WAN, "203.0.113.1:8443", ""},
		{"IPv6 is not redirected", h.WAN, "[2001:db8::1]:443", ""},
		{"into the LAN", h.WAN, "192.168.0.2:443", ""},
		{"LAN to router", h.Client, "192.168.0.1:8443", "router, 192.168.0.100"},
		{"LAN to NAS", h.Client, "192.168.0.2:443", "nas, 192.168.0.100"},
		{"LAN to NAS, IPv6", h.Client, "[fd00:c0a8::2]:443", "nas, fd00:c0a8::100"},
		{"LAN to internet", h.Client, "203.0.113.50:443", "wan, 203.0.113.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if test.want == "" {
				ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
				defer cancel()
			}
			var seen []byte
			conn, err := test.from.Dial(ctx, "tcp", test.address)
			if err == nil {
				defer conn.Close()
				seen, err = io.ReadAll(conn)
			}
			if string(seen) != test.want || (err != nil) != (test.want == "") {
				t.Errorf("%s: got %q, %v; want %q", test.address, seen, err, test.want)
			}
		})
	}
}

func TestWeb(t *testing.T) {
	h, ctx := build(t)
	web, err := h.StartWeb(ctx, h.External, "one.example.com", "two.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(web.Documents+"/file", []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	get := func(site, path string) string {
		out, err := h.Client.Output(exec.CommandContext(ctx, "curl", "-sS", "--cacert", h.Authority.File,
			"--resolve", site+":443:192.168.0.3", "https://"+site+path))
		if err != nil {
			return err.Error()
		}
		return string(out)
	}
	for _, site := range []string{"one", "two"} {
		want := site + ".example.com on external at 192.168.0.3:443, asked by 192.168.0.100\n"
		if got := get(site+".example.com", "/"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := get("two.example.com", "/file"); got != "content" {
		t.Errorf("file: %q", got)
	}
	if got := get("three.example.com", "/"); !strings.Contains(got, "curl") {
		t.Errorf("a name without a certificate was served: %q", got)
	}
	if err := web.Serve(ctx, "one.example.com", "three.example.com"); err != nil {
		t.Fatal(err)
	}
	if got := get("three.example.com", "/"); !strings.HasPrefix(got, "three.example.com on external") {
		t.Errorf("a new site is not served: %q", got)
	}
}

func TestDNS(t *testing.T) {
	h, ctx := build(t)
	dns, err := h.StartDNS(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dig := func(name, kind string) string {
		out, err := h.Client.Output(exec.CommandContext(ctx, "dig", "+short", "@192.168.0.1", name, kind))
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(out))
	}
	for _, test := range []struct{ name, kind, want string }{
		{"app1.k8s.example.com", "A", "203.0.113.1"}, // the internet's answer: the router's public address
		{"app1.k8s.example.com", "AAAA", "2001:db8::1"},
		{"nas.lan", "A", "192.168.0.2"},
		{"elsewhere.example.org", "A", ""},
	} {
		if got := dig(test.name, test.kind); got != test.want {
			t.Errorf("%s %s: got %q, want %q", test.name, test.kind, got, test.want)
		}
	}
	if err := os.WriteFile(h.Dir+"/"+HostsFile, []byte("192.168.0.3 app1.k8s.example.com\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(DNSPIDFile)
	if err != nil || strings.TrimSpace(string(pid)) != fmt.Sprint(dns.PID()) {
		t.Errorf("pid file says %q, %v; dnsmasq is %d", pid, err, dns.PID())
	}
	if err := dns.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for dig("app1.k8s.example.com", "A") != "192.168.0.3" {
		if time.Now().After(deadline) {
			t.Fatal("dnsmasq did not re-read the hosts directory")
		}
	}
}

func TestServiceThatEndsSaysWhy(t *testing.T) {
	h, ctx := build(t)
	s, err := h.Start(h.NAS, "broken", "sh", "-c", "echo cannot work; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = s.Ready(ctx, func(context.Context) error { return fmt.Errorf("not yet") })
	if err == nil || !strings.Contains(err.Error(), "cannot work") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error does not say why: %v", err)
	}
	if s.Running() {
		t.Error("Running after its end")
	}
}
