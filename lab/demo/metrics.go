package main

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// A tally counts what the demo's clients in the internet did and saw, in the terms of the daemon's metrics.
type tally struct {
	mu       sync.Mutex
	backends map[string]int // connections by backend
	reasons  map[string]int // refusals by reason
	unclear  int            // connections whose end nobody saw
}

func (t *tally) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.backends, t.reasons, t.unclear = make(map[string]int), make(map[string]int), 0
}

// forwarded counts a connection that was shown the certificate of a site.
func (t *tally) forwarded(site string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch site {
	case nasName:
		t.backends["nas"]++
	case backup:
		t.backends["nas_backup"]++
	default:
		t.backends["demo/external/192.168.0.3"]++
	}
}

func (t *tally) refused(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reasons[reason]++
}

// spoil notes that one connection went neither way: the metrics cannot agree any more.
func (t *tally) spoil() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unclear++
}

// agrees compares the tally with the daemon's metrics.
func (t *tally) agrees(metrics map[string]float64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	backends, reasons := make(map[string]int), make(map[string]int)
	for series, value := range metrics {
		switch name, labels, _ := strings.Cut(series, "{"); {
		case value == 0:
		case name == "sniroute_connections_total":
			backends[label(labels, "backend")] += int(value)
		case name == "sniroute_rejected_total":
			reasons[label(labels, "reason")] += int(value)
		}
	}
	if !maps.Equal(backends, t.backends) || !maps.Equal(reasons, t.reasons) {
		return fmt.Errorf("metrics say %v and refused %v, clients saw %v and %v (%d unclear)",
			backends, reasons, t.backends, t.reasons, t.unclear)
	}
	return nil
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("forwarded %v, refused %v", t.backends, t.reasons)
}

func label(labels, name string) string {
	match := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(labels)
	if match == nil {
		return ""
	}
	return match[1]
}

// metrics asks the daemon from the LAN and returns its samples by series.
func (d *demo) metrics(ctx context.Context) (map[string]float64, error) {
	out, err := d.house.Client.Output(exec.CommandContext(ctx, "curl", "-sS", "--fail", "http://192.168.0.1:1936/metrics"))
	if err != nil {
		return nil, err
	}
	samples := make(map[string]float64)
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		space := strings.LastIndexByte(line, ' ')
		if line == "" || line[0] == '#' || space < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("sample %q: %w", line, err)
		}
		samples[line[:space]] = value
	}
	return samples, nil
}
