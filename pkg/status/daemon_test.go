package status

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// A fakeDaemon shows what a test puts into it.
type fakeDaemon struct {
	status   Status
	table    *route.Table
	traffic  Traffic
	recent   []Connection
	reload   error
	reloaded int

	mu sync.Mutex // guards all of them
}

func (d *fakeDaemon) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

func (d *fakeDaemon) Table() *route.Table {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.table
}

func (d *fakeDaemon) Traffic() Traffic {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.traffic
}

func (d *fakeDaemon) Recent() []Connection {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.recent
}

func (d *fakeDaemon) Reload(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reloaded++
	return d.reload
}

// change changes the daemon while it is shown.
func (d *fakeDaemon) change(how func(*fakeDaemon)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how(d)
}

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func ports(list ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range list {
		out = append(out, netip.MustParseAddrPort(a))
	}
	return out
}

// busyDaemon is one with something of everything: a home with a cluster, a static route, hostile claims.
func busyDaemon(now time.Time) *fakeDaemon {
	const external, nas = "home/external/192.168.0.3", "nas"
	table := &route.Table{
		Backends: []route.Backend{
			{Name: external, Servers: []route.Server{{Address: netip.MustParseAddrPort("192.168.0.3:443")}}},
			{Name: nas, Servers: []route.Server{
				{Address: netip.MustParseAddrPort("192.168.0.2:443")},
				{Address: netip.MustParseAddrPort("[fd00::2]:443")},
			}},
		},
		Routes: []route.Route{
			{Host: "admin.k8s.example.com", Backend: route.NoBackend, DNS: addrs("192.168.0.5"), Source: "home",
				Object: "Ingress admin/console"},
			{Host: "app1.k8s.example.com", Exposed: true, Backend: 0, DNS: addrs("192.168.0.3"), Source: "home",
				Object: "Ingress apps/app1", Class: "external", Merged: []string{"Ingress oauth2/proxy"}},
			{Host: "app2.k8s.example.com", Exposed: true, Backend: 0, DNS: addrs("192.168.0.3"), Source: "home",
				Object: "Ingress apps/app2", Class: "external", Warnings: []string{"shared"}},
			{Host: "nas.example.com", Exposed: true, Backend: 1, Source: "nas", Object: "nas"},
			{Host: "nas.example.com", ALPN: "acme-tls/1", Exposed: true, Backend: 1, Source: "acme", Object: "acme"},
		},
		Refused: []route.Refusal{
			{Host: "google.com", Source: "home", Object: "Ingress evil/search", Reason: route.ReasonDomain,
				Detail: "google.com is not in a domain that home may claim (k8s.example.com)"},
			{Host: "<script>alert(1)</script>", Source: "home", Object: "Ingress evil/script", Reason: route.ReasonName,
				Detail: "\"<script>\" is no host name"},
			{Host: "a\u202egpj.exe\x00\xff", Source: "home", Object: "Ingress evil/turned", Reason: route.ReasonName,
				Detail: "a byte that no host name has"},
		},
		Shared: ports("192.168.0.3:443"),
	}
	return &fakeDaemon{
		table: table,
		status: Status{
			Version: "1.0.0",
			Started: now.Add(-3 * time.Hour),
			Config: ConfigState{Path: "/etc/config/sniroute", Loaded: true, OK: true, Changed: now.Add(-3 * time.Hour),
				Warnings: []Warning{{"/etc/config/sniroute:12: listener 'https': option lisen: is unknown and ignored",
					"did you mean 'listen'?"}}},
			Listeners: []ListenerState{
				{Name: "https", Protocol: "tls", Addresses: ports("0.0.0.0:8443", "[::]:8443"), Default: nas,
					Open: true},
				{Name: "http", Protocol: "http", Addresses: ports("0.0.0.0:8080"), Open: true},
			},
			Sources: []SourceState{
				{Name: "home", Kind: SourceCluster, Where: "https://192.168.0.10:6443", Synced: true, LastSync: now,
					Expiry: now.Add(200 * 24 * time.Hour), Claims: 6},
				{Name: "demo", Kind: SourceManifests, Where: "/etc/sniroute/manifests", Synced: true, LastSync: now,
					Warnings: []Warning{{Text: "broken.yaml:7: not YAML; the last good objects of this file are kept"}}},
			},
			DNS: DNSState{Enabled: true, Mode: "hosts", Notify: "signal", Records: 3, Published: now.Add(-time.Minute)},
		},
		traffic: Traffic{
			Listeners: []ListenerTraffic{
				{Name: "https", Accepted: 12345, Rejected: map[string]uint64{
					"no_route": 321, "malformed": 7, "limit": 0,
				}},
				{Name: "http", Accepted: 17},
			},
			Backends: []BackendTraffic{
				{Name: external, Active: 14, ToBackend: 48_300_000, ToClient: 9_120_000_000,
					Remembered: 120, RememberedLimit: 30720,
					Connections: []ConnectionCount{{"https", "ok", 11022}, {"https", "timeout", 3}},
					Connect:     Histogram{[]float64{.001, .01, .1}, []uint64{9000, 2000, 24, 1}, 31.4},
					Servers: []ServerTraffic{
						{Address: netip.MustParseAddrPort("192.168.0.3:443"), Active: 14, Up: true},
					}},
				{Name: nas, Active: 2, ToBackend: 120_000, ToClient: 4_000,
					Connections: []ConnectionCount{{"https", "ok", 900}, {"https", "connect_failed", 92}},
					Servers: []ServerTraffic{
						{Address: netip.MustParseAddrPort("192.168.0.2:443"), Active: 2, Up: true},
						{Address: netip.MustParseAddrPort("[fd00::2]:443"), Failed: 92, Error: "connection refused"},
					}},
			},
			Peek:   Histogram{[]float64{.001, .01, .1, 1}, []uint64{12000, 300, 30, 14, 1}, 99.5},
			Check:  Histogram{[]float64{.01, .1, 1}, []uint64{5400, 12, 0, 2}, 20.5},
			Active: 18, Peeking: 2, PeekBytes: 3600, Limit: 4096,
		},
		recent: []Connection{
			{Ended: now.Add(-2 * time.Second), Times: 1, Client: netip.MustParseAddrPort("203.0.113.5:51234"),
				Listener: "https", Host: "app1.k8s.example.com", Backend: external,
				Server: netip.MustParseAddrPort("192.168.0.3:443"), ToBackend: 1820, ToClient: 53_212,
				HelloMS: 12, ConnectMS: 1, TotalMS: 5321, Result: "ok", By: "client"},
			{Ended: now.Add(-time.Minute), Times: 40, Client: netip.MustParseAddrPort("[2001:db8::7]:4711"), Listener: "https",
				Host: "shop.example.net", TotalMS: 3, Result: "refused", Reason: "no_route", By: "sniroute"},
			{Ended: now.Add(-time.Hour), Times: 1, Client: netip.MustParseAddrPort("198.51.100.7:4000"), Listener: "https",
				Host: "nas.example.com", Backend: nas, Server: netip.MustParseAddrPort("[fd00::2]:443"), HelloMS: 4,
				TotalMS: 5004, Result: "refused", Reason: "no_server", By: "sniroute", Error: "connection refused"},
		},
	}
}

// start serves d on a free port of 127.0.0.1 until the test ends, and returns "127.0.0.1:PORT".
func start(t *testing.T, d Daemon, o Options) string {
	t.Helper()
	o.Listen = append(o.Listen, netip.MustParseAddrPort("127.0.0.1:0"))
	addresses := startAll(t, d, o)
	return addresses[len(addresses)-1].String()
}

// startAll shows d as o says, and returns where.
func startAll(t *testing.T, d Daemon, o Options) []net.Addr {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(ctx, d); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	return s.Addresses()
}
