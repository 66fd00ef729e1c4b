package status

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const metricsHead = `<!-- Made of pkg/status/metrics.go by: go test ./pkg/status -run Documentation -update -->

# Metrics

` + "`http://ROUTER:1936/metrics`" + ` serves them to whom ` + "`status_allow`" + ` lets ask (see
[configuration.md](configuration.md)), with those of Go (` + "`go_`) and of the process (`process_`)" + `. No label holds what a
client chose.

| Metric | Type | Labels | |
|---|---|---|---|
`

// TestDocumentation holds docs/metrics.md against what the collector announces and collects.
func TestDocumentation(t *testing.T) {
	const file = "../../docs/metrics.md"
	registry := prometheus.NewPedanticRegistry()
	c := newCollector(busyDaemon(time.Now()))
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	announced := make(chan *prometheus.Desc, 1000)
	c.Describe(announced)
	if len(families) != len(announced) {
		t.Fatalf("%d metrics are announced, and the busy daemon has %d", len(announced), len(families))
	}
	var b strings.Builder
	b.WriteString(metricsHead)
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		slices.Sort(labels)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()),
			strings.Join(labels, ", "), f.GetHelp())
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Error("docs/metrics.md is not what the collector says: run go test ./pkg/status -run Documentation -update")
	}
}
