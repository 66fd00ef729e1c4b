package main

import (
	"bytes"
	"context"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/status"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if strings.ContainsFunc(got, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
		t.Errorf("something unprintable in %q", got)
	}
}

// hostile is what a cluster may call things.
const hostile = "\x1b]0;owned\x07.k8s.exämple.com\nhost"

func TestStatusText(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	at := netip.MustParseAddrPort("192.168.0.3:443")
	report := status.Report{
		Waiting: []string{"listener http is not open: plain HTTP is not served yet"},
		Status: status.Status{
			Version: "1.0", Started: now.Add(-time.Hour),
			Config: status.ConfigState{
				Path: "/etc/config/sniroute", Loaded: true, Changed: now.Add(-time.Minute),
				Error:    "sniroute:1: bad\nsniroute:2: worse",
				Warnings: []status.Warning{{Text: "sniroute:9: option x: has no effect yet"}},
			},
			Listeners: []status.ListenerState{
				{Name: "https", Protocol: "tls", Addresses: []netip.AddrPort{netip.MustParseAddrPort("[::]:8443")}, Open: true},
				{Name: "http", Protocol: "http", Addresses: []netip.AddrPort{netip.MustParseAddrPort("[::]:8080")},
					Error: "plain HTTP is not served yet"},
			},
			Sources: []status.SourceState{
				{Name: "demo", Kind: "manifests", Where: "/m", Synced: true, LastSync: now, Claims: 2,
					Warnings: []status.Warning{{Text: "/m/" + hostile + ":3: not YAML"}}},
				{Name: "home", Kind: "cluster", Where: "https://192.168.0.10:6443", FromState: true,
					Errors: []string{"the API server does not answer"}},
				{Name: "new", Kind: "cluster"},
			},
			DNS: status.DNSState{Enabled: true, Mode: "hosts", Records: 2, Published: now.Add(-90 * time.Minute),
				Notify: "signal", Error: "publishing: no room\ntelling dnsmasq: it does not run"},
			Warnings: []status.Warning{{Text: "the status page is not served: address already in use"}},
		},
		Traffic: status.Traffic{
			Active: 3, Peeking: 1, PeekBytes: 100, Limit: 1000,
			Listeners: []status.ListenerTraffic{
				{Name: "https", Accepted: 10, Rejected: map[string]uint64{"not_tls": 2, "malformed": 1, "limit": 0}},
			},
			Backends: []status.BackendTraffic{{
				Name: "demo/" + hostile, Active: 2, ToBackend: 999, ToClient: 48_250_000,
				Connections: []status.ConnectionCount{{Listener: "https", Result: "ok", Count: 5}},
				Servers:     []status.ServerTraffic{{Address: at, Up: true}, {Address: at, Failed: 3}},
			}},
		},
	}
	golden(t, "status.txt", statusText(report, now))
}

// TestStatusHeadline: it does not say that all works where the list of problems has something that does not.
func TestStatusHeadline(t *testing.T) {
	r := status.Report{Ready: true, Status: status.Status{Config: status.ConfigState{OK: true}}}
	for _, c := range []struct {
		problems []status.Problem
		want     string
	}{
		{nil, ": all that is configured works\n"},
		{[]status.Problem{{Text: "2 claims are refused"}}, ": all that is configured works\n"},
		{[]status.Problem{{Bad: true, Text: "All servers of nas are down"}}, ": it routes, but not all that"},
	} {
		r.Problems = c.problems
		if got := statusText(r, time.Now()); !strings.Contains(got, c.want) {
			t.Errorf("%v: got %q, want %q", c.problems, got, c.want)
		}
	}
}

func TestRoutesText(t *testing.T) {
	golden(t, "routes.txt", routesText(status.Routes{
		Routes: []status.Route{
			{Host: "a.example.com", Exposed: true, Servers: []string{"192.168.0.3:443"}, Source: "home",
				DNS: []netip.Addr{netip.MustParseAddr("192.168.0.3")}, Object: "Ingress default/a",
				Merged: []string{"Ingress auth/a"}, Warnings: []string{"shared"}},
			{Host: "b.example.com", ALPN: "acme-tls/1", Exposed: true, Servers: []string{"192.168.0.2:443"},
				Source: "byhand", Object: "byhand"},
			{Host: "c.example.com", Source: "home", Object: "Ingress default/" + hostile},
		},
		Refused: []status.Refusal{
			{Host: hostile, Source: "home", Object: "Ingress default/x", Reason: "name", Detail: "it holds " + hostile},
		},
	}))
	plain := status.Routes{Routes: []status.Route{{Host: "nas.example.com", Source: "nas", Object: "nas"}}}
	if got := routesText(plain); strings.Contains(got, "NOTES") || !strings.HasSuffix(got, "route nas\n") {
		t.Errorf("without notes: %s", got)
	}
	golden(t, "no-routes.txt", routesText(status.Routes{}))
}

func TestExplanationText(t *testing.T) {
	golden(t, "explain.txt", explanationText(status.Explanation{
		Name: hostile,
		Listeners: []status.Decision{
			{Listener: "https", Steps: []status.Step{
				{Rule: "Ingress default/" + hostile, Detail: "refused, name"},
				{Rule: "default backend", Matched: true, Detail: "to backend nas"},
			}},
			{Listener: "inside", Steps: []status.Step{
				{Rule: "default backend", Matched: true, Detail: "refused"},
			}},
			{Listener: "more", Steps: []status.Step{
				{Rule: "Ingress default/" + hostile, Detail: "refused, name"},
				{Rule: "default backend", Matched: true, Detail: "to backend nas"},
			}},
		},
		DNS: []status.Step{{Rule: "DNS upstream", Matched: true, Detail: "asked for upstream"}},
	}))
}

func TestNumbersForPeople(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "0s ago", -time.Hour: "0s ago", 10 * time.Second: "10s ago", time.Minute: "1m ago",
		610 * time.Second: "10m10s ago",
		time.Hour:         "1h ago", 10 * time.Hour: "10h ago", 100 * time.Minute: "1h40m ago", 47 * time.Hour: "47h ago",
		50 * time.Hour: "2 days ago",
	} {
		if got := age(now.Add(-d), now); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{
		0: "0 bytes", 999: "999 bytes", 1000: "1 kB", 123_456: "123 kB", 999_499: "999 kB", 999_600: "1 MB",
		1 << 40: "1.1 TB", 1 << 63: "9.22e+06 TB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

// TestCommandLine: flags stand anywhere, and what is wrong is said with the usage.
func TestCommandLine(t *testing.T) {
	dir, idle := t.TempDir(), t.TempDir()
	text := "config sniroute main\n\toption control '" + idle + "/control.sock'\n" +
		"config cluster 'home'\n\tlist server 'https://192.168.0.10:6443'\n\toption token_file '" + idle + "/token'\n"
	if err := os.WriteFile(filepath.Join(idle, "sniroute"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "usage: sniroute COMMAND"},
		{"help", exitOK, "usage: sniroute COMMAND"},
		{"start", exitUsage, `there is no command "start"`},
		{"version", exitOK, "sniroute "},
		{"version now", exitUsage, `what is "now" for?`},
		{"version -x", exitUsage, "not defined: -x"},
		{"version -h", exitOK, "usage: sniroute version"},
		{"explain -c " + dir, exitUsage, "NAME is missing"},
		{"explain a -c " + idle, exitFailed, "sniroute does not run"},
		{"routes -json -c " + idle, exitFailed, "sniroute does not run"},
		{"check -c " + idle, exitOK, "is valid"},
		{"check -c " + idle, exitOK, "no listener is enabled"},
		{"check -c " + idle, exitOK, "option token_file: " + idle + "/token does not exist yet: `sniroute enroll` writes it"},
		{"check -c " + idle + "/sniroute", exitFailed, "name the folder that holds it with -c"},
		{"check -c " + dir, exitFailed, "no such file"},
		{"run -c " + dir, exitFailed, "no such file"},
	} {
		var out bytes.Buffer
		in := invocation{args: strings.Fields(c.args), stdout: &out, stderr: &out}
		if code := execute(context.Background(), in); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("sniroute %s: got %d and %q, want %d and %q", c.args, code, &out, c.code, c.want)
		}
	}
}
