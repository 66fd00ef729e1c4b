package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime/debug"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/logging"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/status"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// openBus returns a client of OpenWrt's bus that publishes the daemon, or nil where there is no bus: on any other
// system.
func openBus(o onBus, log *slog.Logger) *ubus.Client {
	if _, err := os.Stat(ubus.DefaultPath); err != nil {
		return nil
	}
	return ubus.NewClient(ubus.Options{Objects: []ubus.Object{o.object()}, Logger: log})
}

// speakUBus keeps the connection to the bus.
func (d *daemon) speakUBus(ctx context.Context) {
	if err := d.bus.Run(ctx); err != nil {
		d.log.Error("ubus is no longer spoken", "error", err)
	}
}

// onBus is the object sniroute on ubus: what the control socket answers, and what LuCI's pages ask besides.
//
// The bus forwards 1 MiB, so every answer is bounded. uhttpd takes 64 KiB from a browser, so what a person pastes is
// smaller still.
type onBus struct {
	status.Daemon
	file   string                // the configuration, as messages name it
	own    func(netip.Addr) bool // an address is the router's
	config func() *config.Config // in force
	claims func() []route.Claim  // of all sources, now
	lines  func() []logging.Line // of the log
	folder string                // where credentials are written to
	log    *slog.Logger
}

// pageOfRoutes is how many entries `ubus call sniroute routes` returns at most, and if it is not asked for less: the
// bus forwards 1 MiB.
const pageOfRoutes = 500

// object is what is published:
//
//	status                       status.Report, without the last connections, and left_out
//	recent                       recent: the last connections, as status.Report has them
//	routes   offset, limit       status.Routes, a page of them, and routes_total, refused_total, next
//	explain  name                status.Explanation
//	reload                       ok, error
//	check    config              problems: what `sniroute check` says of a text
//	import   haproxy             config, sections, remarks, error: what `sniroute import-haproxy` makes of a text
//	enroll   cluster, url, secret   server, ca_file, token_file, tested, notes, error: as `sniroute enroll`
//	seen                         classes, gateways, namespaces, addresses, hosts: what claims name
//	log                          lines: the last ones
func (o onBus) object() ubus.Object {
	texts := func(names ...string) (args []ubus.Arg) {
		for _, name := range names {
			args = append(args, ubus.Arg{Name: name, Type: ubus.TypeString})
		}
		return args
	}
	object := ubus.Object{Name: "sniroute", Methods: []ubus.Method{
		{Name: "status", Handle: func(context.Context, ubus.Call) (ubus.Table, error) {
			report := status.ReportOf(o)
			report.Recent = []status.Connection{} // pages ask for the status again and again
			return statusOnBus(report)
		}},
		{Name: "recent", Handle: func(context.Context, ubus.Call) (ubus.Table, error) {
			return tableOf(recentConnections{append([]status.Connection{}, o.Recent()...)})
		}},
		{Name: "routes", Args: []ubus.Arg{{Name: "offset", Type: ubus.TypeInt32}, {Name: "limit", Type: ubus.TypeInt32}},
			Handle: func(_ context.Context, c ubus.Call) (ubus.Table, error) {
				return pageOf(o.Table(), c.Args)
			}},
		{Name: "explain", Args: texts("name"), Handle: func(_ context.Context, c ubus.Call) (ubus.Table, error) {
			name := c.Args.String("name")
			if name == "" || len(name) > 254 { // RFC 1035, with a trailing dot
				return nil, fmt.Errorf("%w: name is missing or too long", ubus.StatusInvalidArgument)
			}
			return tableOf(status.ExplanationOf(o, name))
		}},
		{Name: "reload", Slow: true, Handle: func(ctx context.Context, _ ubus.Call) (ubus.Table, error) {
			err := o.Reload(ctx)
			if err != nil {
				return ubus.Table{{Name: "ok", Value: false}, {Name: "error", Value: err.Error()}}, nil
			}
			return ubus.Table{{Name: "ok", Value: true}}, nil
		}},
		{Name: "check", Slow: true, Args: texts("config"), Handle: o.check},
		{Name: "import", Slow: true, Args: texts("haproxy"), Handle: o.importHAProxy},
		{Name: "enroll", Slow: true, Args: texts("cluster", "url", "secret"), Handle: o.enroll},
		{Name: "seen", Handle: func(context.Context, ubus.Call) (ubus.Table, error) { return tableOf(seenIn(o.claims())) }},
		{Name: "log", Handle: func(context.Context, ubus.Call) (ubus.Table, error) { return tableOf(logOf(o.lines())) }},
	}}
	for i := range object.Methods {
		object.Methods[i].Handle = o.guard(object.Methods[i].Handle)
	}
	return object
}

type recentConnections struct {
	Recent []status.Connection `json:"recent"`
}

// A handler answers a call of a method.
type handler = func(context.Context, ubus.Call) (ubus.Table, error)

// guard keeps a mistake in the program from ending it: it is better to route on than to answer.
func (o onBus) guard(handle handler) handler {
	return func(ctx context.Context, c ubus.Call) (answer ubus.Table, err error) {
		defer func() {
			if p := recover(); p != nil {
				o.log.Error("a call over ubus could not be answered", "method", c.Method, "panic", p, "stack", string(debug.Stack()))
				answer, err = nil, ubus.StatusUnknownError
			}
		}()
		return handle(ctx, c)
	}
}

// pageOf returns limit entries from offset on, of the routes and of the refused claims, how many there are in all, and
// where the next page begins (0: this is the last). Where entries are large, there are fewer on a page.
func pageOf(t *route.Table, args ubus.Table) (ubus.Table, error) {
	offset, _ := args.Int("offset")
	limit, given := args.Int("limit")
	if offset < 0 || limit < 0 {
		return nil, fmt.Errorf("%w: offset or limit is negative", ubus.StatusInvalidArgument)
	}
	if !given || limit > pageOfRoutes {
		limit = pageOfRoutes
	}
	r := status.RoutesOf(&route.Table{
		Routes: cut(t.Routes, offset, limit), Refused: cut(t.Refused, offset, limit), Backends: t.Backends,
	})
	limit = min(limit, int64(fits(r.Routes)), int64(fits(r.Refused)))
	page, err := tableOf(status.Routes{Routes: cut(r.Routes, 0, limit), Refused: cut(r.Refused, 0, limit)})
	if err != nil {
		return nil, err
	}
	next := offset + limit
	if next >= int64(max(len(t.Routes), len(t.Refused))) {
		next = 0
	}
	return append(page,
		ubus.Field{Name: "routes_total", Value: len(t.Routes)}, ubus.Field{Name: "refused_total", Value: len(t.Refused)},
		ubus.Field{Name: "next", Value: int(next)}), nil
}

// fits returns how many entries of a list a page may have.
func fits[T any](list []T) int {
	const most = 200 << 10 // bytes of JSON, of either list
	budget, left := most, 0
	fit := len(fitting(&budget, &left, list))
	if left == 0 {
		return pageOfRoutes
	}
	return max(fit, 1)
}

func cut[T any](list []T, offset, limit int64) []T {
	from := min(offset, int64(len(list)))
	return list[from:min(from+limit, int64(len(list)))]
}

// tableOf makes what is printed as JSON elsewhere a table of the bus.
func tableOf(v any) (ubus.Table, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return ubus.ParseJSON(text)
}
