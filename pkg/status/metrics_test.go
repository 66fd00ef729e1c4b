package status

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sniroute/sniroute/pkg/route"
)

func scrape(t *testing.T, d Daemon) string {
	t.Helper()
	answer := httptest.NewRecorder()
	metricsHandler(d, slog.New(slog.DiscardHandler)).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if answer.Code != 200 {
		t.Fatalf("%d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// own keeps the lines that are about sniroute itself.
func own(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "sniroute_") && !strings.Contains(line, "sniroute_build_info{") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestMetrics(t *testing.T) {
	text := scrape(t, busyDaemon(time.Unix(1_800_000_000, 0)))
	golden(t, "metrics.txt", own(text))
	for _, name := range []string{"sniroute_build_info{", "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestPromtoolFindsNothing(t *testing.T) {
	for name, d := range map[string]Daemon{
		"busy": busyDaemon(time.Now()), "empty": &fakeDaemon{table: &route.Table{}},
	} {
		promtool := exec.Command("promtool", "check", "metrics")
		promtool.Stdin = strings.NewReader(scrape(t, d))
		if output, err := promtool.CombinedOutput(); err != nil || len(output) > 0 {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
	}
}

func TestCollectorKeepsItsPromises(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(newCollector(busyDaemon(time.Now()))); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// One thing that cannot be shown must not hide the others.
func TestMetricsSurviveDuplicates(t *testing.T) {
	d := busyDaemon(time.Now())
	d.traffic.Backends = append(d.traffic.Backends, d.traffic.Backends[0])
	d.traffic.Listeners[0].Rejected["\xff"] = 1
	if text := scrape(t, d); !strings.Contains(text, "sniroute_dns_records 3") {
		t.Errorf("%s", text)
	}
}

func BenchmarkScrape(b *testing.B) {
	d := busyDaemon(time.Now())
	for i := range 4096 {
		d.table.Routes = append(d.table.Routes, route.Route{Host: fmt.Sprintf("app%d.example.com", i), Source: "home"})
	}
	h := metricsHandler(d, slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for b.Loop() {
		answer := httptest.NewRecorder()
		answer.Body = new(bytes.Buffer)
		h.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	}
}
