package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/sniroute/sniroute/pkg/status"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// openBus returns a client of OpenWrt's bus that publishes the daemon, or nil where there is no bus: on any other
// system.
func openBus(d status.Daemon, log *slog.Logger) *ubus.Client {
	if _, err := os.Stat(ubus.DefaultPath); err != nil {
		return nil
	}
	return ubus.NewClient(ubus.Options{Objects: []ubus.Object{busObject(d)}, Logger: log})
}

// speakUBus keeps the connection to the bus.
func (d *daemon) speakUBus(ctx context.Context) {
	if err := d.bus.Run(ctx); err != nil {
		d.log.Error("ubus is no longer spoken", "error", err)
	}
}

// pageOfRoutes is how many entries `ubus call sniroute routes` returns at most, and if it is not asked for less: the
// bus forwards 1 MiB.
const pageOfRoutes = 500

// busObject is the object sniroute: what the control socket answers, for LuCI and for scripts.
func busObject(d status.Daemon) ubus.Object {
	return ubus.Object{Name: "sniroute", Methods: []ubus.Method{
		{Name: "status", Handle: func(context.Context, ubus.Call) (ubus.Table, error) { return tableOf(status.ReportOf(d)) }},
		{Name: "routes", Args: []ubus.Arg{{Name: "offset", Type: ubus.TypeInt32}, {Name: "limit", Type: ubus.TypeInt32}},
			Handle: func(_ context.Context, c ubus.Call) (ubus.Table, error) {
				return pageOf(status.RoutesOf(d.Table()), c.Args)
			}},
		{Name: "explain", Args: []ubus.Arg{{Name: "name", Type: ubus.TypeString}},
			Handle: func(_ context.Context, c ubus.Call) (ubus.Table, error) {
				name := c.Args.String("name")
				if name == "" {
					return nil, fmt.Errorf("%w: name is missing", ubus.StatusInvalidArgument)
				}
				return tableOf(status.ExplanationOf(d, name))
			}},
		{Name: "reload", Handle: func(ctx context.Context, _ ubus.Call) (ubus.Table, error) {
			err := d.Reload(ctx)
			if err != nil {
				return ubus.Table{{Name: "ok", Value: false}, {Name: "error", Value: err.Error()}}, nil
			}
			return ubus.Table{{Name: "ok", Value: true}}, nil
		}},
	}}
}

// pageOf returns limit entries from offset on, of the routes and of the refused claims, and how many there are in all.
func pageOf(r status.Routes, args ubus.Table) (ubus.Table, error) {
	offset, _ := args.Int("offset")
	limit, given := args.Int("limit")
	if offset < 0 || limit < 0 {
		return nil, fmt.Errorf("%w: offset or limit is negative", ubus.StatusInvalidArgument)
	}
	if !given || limit > pageOfRoutes {
		limit = pageOfRoutes
	}
	page, err := tableOf(status.Routes{Routes: cut(r.Routes, offset, limit), Refused: cut(r.Refused, offset, limit)})
	if err != nil {
		return nil, err
	}
	return append(page,
		ubus.Field{Name: "routes_total", Value: len(r.Routes)}, ubus.Field{Name: "refused_total", Value: len(r.Refused)}), nil
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
