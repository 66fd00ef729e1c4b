package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sniroute/sniroute/pkg/status"
)

// showStatus prints what the running daemon does.
func showStatus(ctx context.Context, in invocation) error {
	f := newFlags(true)
	if _, err := f.parse(in.args); err != nil {
		return err
	}
	client, err := dial(*f.dir)
	if err != nil {
		return err
	}
	defer client.Close()
	report, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if *f.json {
		return printJSON(in.stdout, report)
	}
	_, err = io.WriteString(in.stdout, statusText(report, time.Now()))
	return err
}

// statusText is the report for people.
func statusText(r status.Report, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sniroute %s, started %s", r.Version, age(r.Started, now))
	if r.Ready {
		b.WriteString(": all that is configured works\n")
	} else {
		b.WriteString(": not all that is configured works\n")
	}
	for _, reason := range r.Waiting {
		fmt.Fprintf(&b, "  waiting: %s\n", shown(reason))
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", shown(w))
	}
	configText(&b, r.Config, now)
	for _, l := range r.Listeners {
		listenerText(&b, l, r.Traffic)
	}
	for _, s := range r.Sources {
		sourceText(&b, s, now)
	}
	dnsText(&b, r.DNS, now)
	fmt.Fprintf(&b, "connections: %d now, %d of them with an unfinished hello (%d bytes); at most %d\n",
		r.Traffic.Active, r.Traffic.Peeking, r.Traffic.PeekBytes, r.Traffic.Limit)
	for _, backend := range r.Traffic.Backends {
		backendText(&b, backend)
	}
	return b.String()
}

func configText(b *strings.Builder, c status.ConfigState, now time.Time) {
	fmt.Fprintf(b, "configuration %s, taken over %s\n", shown(c.Path), age(c.Changed, now))
	if !c.OK {
		b.WriteString("  the newest one is refused:\n")
		for line := range strings.Lines(c.Error) {
			fmt.Fprintf(b, "    %s\n", shown(strings.TrimRight(line, "\n")))
		}
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(b, "  warning: %s\n", shown(w))
	}
}

func listenerText(b *strings.Builder, l status.ListenerState, t status.Traffic) {
	fmt.Fprintf(b, "listener %s: %s at %s", l.Name, l.Protocol, join(l.Addresses))
	if !l.Open {
		fmt.Fprintf(b, ", not open: %s", shown(l.Error))
	}
	for _, n := range t.Listeners {
		if n.Name != l.Name {
			continue
		}
		fmt.Fprintf(b, ", %d connections", n.Accepted)
		for _, reason := range slices.Sorted(maps.Keys(n.Rejected)) {
			fmt.Fprintf(b, ", %d refused: %s", n.Rejected[reason], reason)
		}
	}
	b.WriteByte('\n')
}

func sourceText(b *strings.Builder, s status.SourceState, now time.Time) {
	state := "not read yet"
	switch {
	case s.Synced:
		state = "current"
	case s.FromState:
		state = "as last known"
	}
	fmt.Fprintf(b, "%s %s: %s, %d claims", s.Kind, s.Name, state, s.Claims)
	if s.Where != "" {
		fmt.Fprintf(b, " from %s", shown(s.Where))
	}
	if !s.LastSync.IsZero() {
		fmt.Fprintf(b, ", read %s", age(s.LastSync, now))
	}
	b.WriteByte('\n')
	for _, e := range s.Errors {
		fmt.Fprintf(b, "  %s\n", shown(e))
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(b, "  warning: %s\n", shown(w))
	}
}

func dnsText(b *strings.Builder, d status.DNSState, now time.Time) {
	if !d.Enabled {
		b.WriteString("LAN DNS: left alone\n")
		return
	}
	fmt.Fprintf(b, "LAN DNS: %d names, published %s", d.Records, age(d.Published, now))
	if d.Notify != "" {
		fmt.Fprintf(b, " (dnsmasq is told by: %s)", d.Notify)
	}
	b.WriteByte('\n')
	if d.Error != "" {
		fmt.Fprintf(b, "  %s\n", shown(d.Error))
	}
	for _, w := range d.Warnings {
		fmt.Fprintf(b, "  warning: %s\n", shown(w))
	}
}

func backendText(b *strings.Builder, t status.BackendTraffic) {
	var ended uint64
	for _, c := range t.Connections {
		ended += c.Count
	}
	fmt.Fprintf(b, "backend %s: %d connections now, %d before, %d bytes to it, %d back\n",
		shown(t.Name), t.Active, ended, t.ToBackend, t.ToClient)
	for _, s := range t.Servers {
		up := "up"
		if !s.Up {
			up = strings.TrimSuffix("down: "+shown(s.Error), ": ")
		}
		fmt.Fprintf(b, "  %s %s", s.Address, up)
		if s.Failed > 0 {
			fmt.Fprintf(b, ", %d connects failed", s.Failed)
		}
		b.WriteByte('\n')
	}
}
