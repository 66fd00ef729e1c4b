package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/openwrt"
	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/logging"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/status"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// An exhibit is a daemon that has a table to show, and nothing else.
type exhibit struct {
	status   status.Status // of version 1
	table    *route.Table
	traffic  status.Traffic // of 7 connections
	recent   []status.Connection
	reloaded error
}

func (e exhibit) Table() *route.Table          { return e.table }
func (e exhibit) Recent() []status.Connection  { return e.recent }
func (e exhibit) Reload(context.Context) error { return e.reloaded }

func (e exhibit) Status() status.Status {
	e.status.Version = "1"
	return e.status
}

func (e exhibit) Traffic() status.Traffic {
	e.traffic.Active = 7
	return e.traffic
}

// shownOnBus is what the bus shows of an exhibit with a configuration.
func shownOnBus(d status.Daemon, c *config.Config) onBus {
	return onBus{
		Daemon: d, file: "/etc/config/sniroute", own: func(a netip.Addr) bool { return a.String() == "192.168.0.1" },
		config: func() *config.Config { return c }, claims: func() []route.Claim { return nil },
		lines: func() []logging.Line { return nil }, log: slog.New(slog.DiscardHandler),
	}
}

// A called bus is one on which somebody calls the methods of an object.
type called struct {
	*testing.T
	conn   *ubus.Conn
	served *ubus.Conn
}

// callBus publishes the object on a bus of its own.
func callBus(t *testing.T, o onBus) called {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ubus.sock")
	bus, err := openwrt.StartBus(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Close() })
	dial := func() *ubus.Conn {
		conn, err := ubus.Dial(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	c := called{t, dial(), dial()}
	if err := c.served.AddObject(t.Context(), o.object()); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask calls a method and decodes what it answers.
func (c called) ask(method string, args ubus.Table, into any) error {
	c.Helper()
	answer, err := c.conn.Call(c.Context(), "sniroute", method, args)
	if err != nil {
		return err
	}
	text, err := json.Marshal(answer)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		c.Fatalf("%s answers %v: %v", method, answer, err)
	}
	return nil
}

// askBus calls a method as the bus would.
func askBus(t *testing.T, d status.Daemon, method string, args ubus.Table) (ubus.Table, error) {
	t.Helper()
	return callBus(t, shownOnBus(d, new(config.Config))).conn.Call(t.Context(), "sniroute", method, args)
}

// As many connections as there are, each as long as it can be, fit on the bus; status goes without.
func TestBusRecent(t *testing.T) {
	long := strings.Repeat("x", 128)
	d := exhibit{table: &route.Table{}}
	for range 200 {
		d.recent = append(d.recent, status.Connection{
			Ended: time.Now(), Times: 1 << 30, Client: netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"),
			Listener: long, Host: long, Backend: long, Server: netip.MustParseAddrPort("[fd00:1111:2222:3333:4444:5555:6666:7777]:443"),
			ToBackend: 1 << 62, ToClient: 1 << 62, HelloMS: 1 << 40, ConnectMS: 1 << 40, TotalMS: 1 << 40,
			Result: "refused", Reason: "source_limit", By: "sniroute", Error: long,
		})
	}
	var answer recentConnections
	bus := callBus(t, shownOnBus(d, new(config.Config)))
	if err := bus.ask("recent", nil, &answer); err != nil || len(answer.Recent) != 200 || answer.Recent[199].Host != long {
		t.Errorf("%d connections: %v", len(answer.Recent), err)
	}
	var report status.Report
	if err := bus.ask("status", nil, &report); err != nil || len(report.Recent) != 0 {
		t.Errorf("status has %d connections: %v", len(report.Recent), err)
	}
}

func TestBusObject(t *testing.T) {
	table := &route.Table{Refused: []route.Refusal{{Host: "a\x00\xff<b>", Reason: route.ReasonName}}}
	for i := range 1200 {
		table.Routes = append(table.Routes, route.Route{Host: fmt.Sprintf("h%04d.example.com", i), Backend: route.NoBackend})
	}
	d := exhibit{table: table}
	answer, err := askBus(t, d, "status", nil)
	if err != nil || answer.String("version") != "1" {
		t.Errorf("status answers %v (%v)", answer, err)
	}
	if n, _ := answer.Table("traffic").Int("active"); n != 7 {
		t.Errorf("status answers %v", answer)
	}

	var hosts []string
	for offset := 0; ; offset += 500 {
		answer, err := askBus(t, d, "routes", ubus.Table{{Name: "offset", Value: int32(offset)}})
		if err != nil {
			t.Fatal(err)
		}
		routes, _ := answer.Get("routes").([]any)
		for _, r := range routes {
			hosts = append(hosts, r.(ubus.Table).String("host"))
		}
		if len(routes) < 500 {
			break
		}
	}
	if len(hosts) != 1200 || hosts[1199] != "h1199.example.com" || !slices.IsSorted(hosts) {
		t.Errorf("the pages have %d hosts", len(hosts))
	}
	answer, err = askBus(t, d, "routes", ubus.Table{{Name: "limit", Value: int32(1)}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(answer)
	want := `{"routes":[{"host":"h0000.example.com","alpn":"","exposed":false,"backend":"","servers":[],"dns":[],` +
		`"source":"","object":"","merged":[],"warnings":[]}],"refused":[{"host":"a` + "\uFFFD\uFFFD" + `\u003cb\u003e",` +
		`"source":"","object":"","reason":"name","detail":""}],"routes_total":1200,"refused_total":1,"next":1}`
	if string(text) != want {
		t.Errorf("routes answers (%v)\n%s instead of\n%s", err, text, want)
	}
	for _, args := range []ubus.Table{{{Name: "offset", Value: int32(-1)}}, {{Name: "limit", Value: int32(-1)}}} {
		if _, err := askBus(t, d, "routes", args); !errors.Is(err, ubus.StatusInvalidArgument) {
			t.Errorf("routes %v: %v", args, err)
		}
	}
	answer, err = askBus(t, d, "routes", ubus.Table{{Name: "offset", Value: int32(5000)}})
	if list, _ := answer.Get("routes").([]any); err != nil || len(list) != 0 {
		t.Errorf("beyond the end: %v (%v)", answer, err)
	}

	if _, err := askBus(t, d, "explain", nil); !errors.Is(err, ubus.StatusInvalidArgument) {
		t.Errorf("explain without a name: %v", err)
	}
	answer, err = askBus(t, d, "explain", ubus.Table{{Name: "name", Value: "a.b"}})
	if err != nil || answer.String("name") != "a.b" {
		t.Errorf("explain answers %v (%v)", answer, err)
	}
	if answer, err := askBus(t, d, "reload", nil); err != nil || answer.Get("ok") != true {
		t.Errorf("reload answers %v (%v)", answer, err)
	}
	answer, err = askBus(t, exhibit{table: table, reloaded: errors.New("line 3")}, "reload", nil)
	if err != nil || answer.Get("ok") != false || answer.String("error") != "line 3" {
		t.Errorf("a bad reload answers %v (%v)", answer, err)
	}
}

// TestBusRoutesBounds: pages of large entries are shorter, and all of them are there.
func TestBusRoutesBounds(t *testing.T) {
	table := &route.Table{Backends: []route.Backend{{Name: "b"}}}
	var addresses []netip.Addr
	for i := range 64 {
		a := netip.MustParseAddr(fmt.Sprintf("fd00:1111:2222:3333:4444:5555:6666:%x", i+0x7000))
		addresses = append(addresses, a)
		table.Backends[0].Servers = append(table.Backends[0].Servers, route.Server{Address: netip.AddrPortFrom(a, 443)})
	}
	for i := range 200 {
		host := fmt.Sprintf("%0250d", i)
		table.Routes = append(table.Routes, route.Route{Host: host, Exposed: true, DNS: addresses})
		table.Refused = append(table.Refused, route.Refusal{Host: host, Object: host, Detail: strings.Repeat("<\"", 200)})
	}
	c := callBus(t, shownOnBus(exhibit{table: table}, new(config.Config)))
	var hosts, refused, pages int
	for offset := 0; offset > 0 || pages == 0; pages++ {
		var page struct {
			Routes, Refused []struct{ Host string }
			Next            int
		}
		if err := c.ask("routes", ubus.Table{{Name: "offset", Value: offset}}, &page); err != nil {
			t.Fatal(err)
		}
		for i, r := range page.Routes {
			if r.Host != fmt.Sprintf("%0250d", offset+i) {
				t.Fatalf("at %d stands %s", offset+i, r.Host)
			}
		}
		hosts, refused, offset = hosts+len(page.Routes), refused+len(page.Refused), page.Next
	}
	if hosts != 200 || refused != 200 || pages < 4 {
		t.Errorf("%d hosts and %d refused claims on %d pages", hosts, refused, pages)
	}
}

// TestBusStatusBounds: however much there is to report, it fits on the bus.
func TestBusStatusBounds(t *testing.T) {
	long := strings.Repeat("<", 900)
	d := exhibit{table: new(route.Table)}
	for i := range 400 {
		server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 443)
		d.traffic.Backends = append(d.traffic.Backends, status.BackendTraffic{
			Name: fmt.Sprintf("home/external/%d", i), Servers: slices.Repeat([]status.ServerTraffic{{Address: server, Error: long}}, 4),
			Connect: status.Histogram{Bounds: make([]float64, 12), Counts: make([]uint64, 13)},
		})
		d.recent = append(d.recent, status.Connection{Host: long})
		d.status.Warnings = append(d.status.Warnings, status.Warning{Text: long})
		d.status.Config.Warnings = append(d.status.Config.Warnings, status.Warning{Text: long})
		d.status.Sources = append(d.status.Sources, status.SourceState{Name: "home", Errors: slices.Repeat([]string{long}, 10)})
		d.status.Listeners = append(d.status.Listeners, status.ListenerState{Name: "https", Error: "x"})
	}
	d.status.Config.Error = strings.Repeat("x\n", 1<<20)
	answer, err := askBus(t, d, "status", nil)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := answer.Int("left_out"); left < 4000 {
		t.Errorf("%d entries are left out", left)
	}
	if backends, _ := answer.Table("traffic").Get("backends").([]any); len(backends) == 0 {
		t.Error("no backend is left")
	}
	answer, err = askBus(t, exhibit{table: new(route.Table)}, "status", nil)
	if left, ok := answer.Int("left_out"); err != nil || !ok || left != 0 {
		t.Errorf("of little, %v is left out (%v)", answer.Get("left_out"), err)
	}
}
