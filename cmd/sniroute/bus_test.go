package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/status"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// An exhibit is a daemon that has a table to show, and nothing else.
type exhibit struct {
	table    *route.Table
	reloaded error
}

func (e exhibit) Status() status.Status        { return status.Status{Version: "1"} }
func (e exhibit) Table() *route.Table          { return e.table }
func (e exhibit) Traffic() status.Traffic      { return status.Traffic{Active: 7} }
func (e exhibit) Reload(context.Context) error { return e.reloaded }

// askBus calls a method as the bus would.
func askBus(t *testing.T, d status.Daemon, method string, args ubus.Table) (ubus.Table, error) {
	t.Helper()
	for _, m := range busObject(d).Methods {
		if m.Name == method {
			return m.Handle(t.Context(), ubus.Call{Method: method, Args: args})
		}
	}
	t.Fatalf("the object has no method %s", method)
	return nil, nil
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
		`"source":"","object":"","reason":"name","detail":""}],"routes_total":1200,"refused_total":1}`
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
