package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sniroute/sniroute/pkg/status"
)

// findings are what was seen.
type findings struct {
	started time.Time
	took    time.Duration
	bytes   atomic.Uint64 // of transfers

	mu          sync.Mutex // guards what follows
	connections int
	transfers   int
	signalled   int // changes
	followed    int
	refused     int // mistakes
	slowest     time.Duration
	failures    []string // of connections
	cuts        []string // of transfers
	faults      []string // of the daemon
	counted     uint64   // connections, by the daemon
}

func (f *findings) connection(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.connections++
	if err != nil {
		f.failures = append(f.failures, fmt.Sprintf("%s, %v after the start: %v", name, time.Since(f.started), err))
	}
}

func (f *findings) transfer(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.transfers++
	if err != nil {
		f.cuts = append(f.cuts, fmt.Sprintf("%s, %v after the start: %v", what, time.Since(f.started), err))
	}
}

// reload makes the next change and waits until the daemon says what came of it, which for a good one is in force then. Of
// five changes, four are announced by a signal; the file alone takes half a second. Every tenth is a mistake.
func (f *findings) reload(ctx context.Context, d *daemon, c *configuration, i int) error {
	broken := i%10 == 6
	if !broken {
		c.step++
	}
	if err := c.write(broken); err != nil {
		return err
	}
	started := time.Now()
	alone := i%5 == 4
	if !alone {
		if err := d.hangUp(); err != nil {
			return err
		}
	}
	if err := d.follows(ctx, c, broken); err != nil {
		return fmt.Errorf("change %d: %w", i, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case broken:
		f.refused++
	case alone:
		f.followed++
	default:
		f.signalled++
		f.slowest = max(f.slowest, time.Since(started))
	}
	return nil
}

// follows waits until the daemon says that it has refused the newest mistake, or taken over the present step. It may have
// more to say of those before: where the signal comes half a second behind the file, it has read that twice.
func (d *daemon) follows(ctx context.Context, c *configuration, broken bool) error {
	limit := time.After(patience)
	for {
		var line string
		select {
		case line = <-d.news:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit:
			return errors.New("the daemon says nothing of it")
		}
		switch refused := strings.Contains(line, "refused"); {
		case refused && broken && strings.Contains(line, "'"+c.mistake()+"'"):
			return nil
		case refused && !strings.Contains(line, "'nowhere"):
			return fmt.Errorf("the daemon says %s", line)
		case refused || broken:
			continue
		}
		routes, err := d.asks.Routes(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(routes.Routes, func(r status.Route) bool { return r.Host == c.marker() }) {
			return nil
		}
	}
}

// audit holds the daemon's counters against what was done: every connection was to a backend, and is counted, also where
// that was removed since.
func (f *findings) audit(ctx context.Context, d *daemon) {
	var report status.Report
	var err error
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		report, err = d.asks.Status(ctx)
		if err != nil || report.Traffic.Active == 0 || time.Now().After(end) {
			break
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.faults = append(f.faults, fmt.Sprintf("the daemon does not answer: %v", err))
		return
	}
	rejected := uint64(0)
	for _, l := range report.Traffic.Listeners {
		for _, n := range l.Rejected {
			rejected += n
		}
	}
	for _, b := range report.Traffic.Backends {
		for _, c := range b.Connections {
			f.counted += c.Count
			if c.Result != "ok" {
				f.faults = append(f.faults, fmt.Sprintf("backend %s counts %d connections as %s", b.Name, c.Count, c.Result))
			}
		}
	}
	if done := uint64(f.connections + f.transfers); f.counted != done {
		f.faults = append(f.faults, fmt.Sprintf("of %d connections, the daemon counts %d", done, f.counted))
	}
	if rejected > 0 {
		f.faults = append(f.faults, fmt.Sprintf("the daemon refused %d connections", rejected))
	}
	if report.Traffic.Active != 0 {
		f.faults = append(f.faults, fmt.Sprintf("%d connections are still open", report.Traffic.Active))
	}
}

// endOf ends the daemon.
func (f *findings) endOf(d *daemon) {
	err := d.end()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.faults = append(f.faults, fmt.Sprintf("the daemon ended with %v", err))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f.faults = append(f.faults, d.fatal...)
}

func (f *findings) failed() bool { return len(f.failures)+len(f.cuts)+len(f.faults) > 0 }

// String is one screen.
func (f *findings) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "changes      %d by signal (the slowest in %v), %d by the file alone, %d mistakes refused; %v in all\n",
		f.signalled, f.slowest.Round(time.Millisecond), f.followed, f.refused, f.took.Round(100*time.Millisecond))
	fmt.Fprintf(&b, "connections  %d (%.0f a second): %d failed\n",
		f.connections, float64(f.connections)/f.took.Seconds(), len(f.failures))
	fmt.Fprintf(&b, "transfers    %d through all changes, %.1f MB compared: %d cut\n",
		f.transfers, float64(f.bytes.Load())/1e6, len(f.cuts))
	fmt.Fprintf(&b, "counters     %d connections, none lost: %v\n", f.counted, len(f.faults) == 0)
	for _, list := range [][]string{f.failures, f.cuts, f.faults} {
		for i, what := range list {
			if i == 5 {
				fmt.Fprintf(&b, "  and %d more\n", len(list)-i)
				break
			}
			fmt.Fprintf(&b, "  %s\n", what)
		}
	}
	return b.String()
}
