package status

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s differs; go test -update writes it anew:\n%s", path, text)
	}
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

func TestRoutesJSON(t *testing.T) {
	golden(t, "routes.json", encode(t, RoutesOf(busyDaemon(time.Now()).table)))
}

func TestStatusJSON(t *testing.T) {
	golden(t, "status.json", encode(t, ReportOf(busyDaemon(time.Unix(1_800_000_000, 0).UTC()))))
}

// Lists that nobody filled in are [] and never null: programs iterate over them.
func TestJSONHasNoNull(t *testing.T) {
	empty := &fakeDaemon{
		table: &route.Table{
			Routes:   []route.Route{{Host: "a.example.com", Exposed: true, Backend: 0}, {Backend: route.NoBackend}},
			Refused:  []route.Refusal{{}},
			Backends: []route.Backend{{Name: "b"}},
		},
		status:  Status{Listeners: []ListenerState{{}}, Sources: []SourceState{{}}},
		traffic: Traffic{Listeners: []ListenerTraffic{{}}, Backends: []BackendTraffic{{Servers: []ServerTraffic{{}}}}},
	}
	for name, value := range map[string]any{
		"routes": RoutesOf(empty.table), "no routes": RoutesOf(&route.Table{}), "status": ReportOf(empty),
		"no status": ReportOf(&fakeDaemon{table: &route.Table{}}), "explain": ExplanationOf(empty, "x"),
	} {
		if text := encode(t, value); strings.Contains(text, "null") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if empty.status.Listeners[0].Addresses != nil {
		t.Error("the daemon's own snapshot was changed")
	}
}
