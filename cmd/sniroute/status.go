package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sniroute/sniroute/pkg/status"
)

// showStatus prints what the running daemon does.
func showStatus(ctx context.Context, in invocation) error {
	return query(in, nil, func(c *status.Client, _ []string) (status.Report, error) { return c.Status(ctx) },
		func(r status.Report) string { return statusText(r, time.Now()) })
}

// statusText is the report for people.
func statusText(r status.Report, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sniroute %s, started %s", r.Version, age(r.Started, now))
	switch {
	case !r.Ready:
		b.WriteString(": it waits\n")
	case !r.Config.OK || r.DNS.Error != "" || len(r.Warnings) > 0 || slices.ContainsFunc(r.Problems, isBad):
		b.WriteString(": it routes, but not all that is configured works\n")
	default:
		b.WriteString(": all that is configured works\n")
	}
	list(&b, "waiting: ", r.Waiting)
	list(&b, "warning: ", warningTexts(r.Warnings))
	configText(&b, r.Config, now)
	for _, l := range r.Listeners {
		listenerText(&b, l, r.Traffic)
	}
	for _, s := range r.Sources {
		sourceText(&b, s, now)
	}
	dnsText(&b, r.DNS, now)
	fmt.Fprintf(&b, "connections: %d now, %d of them with an unfinished hello (%s); at most %d\n",
		r.Traffic.Active, r.Traffic.Peeking, bytesText(uint64(r.Traffic.PeekBytes)), r.Traffic.Limit)
	for _, backend := range r.Traffic.Backends {
		backendText(&b, backend)
	}
	recentText(&b, r.Recent, now)
	return b.String()
}

func isBad(p status.Problem) bool { return p.Bad }

func configText(b *strings.Builder, c status.ConfigState, now time.Time) {
	fmt.Fprintf(b, "configuration %s, taken over %s\n", shown(c.Path), age(c.Changed, now))
	if !c.OK {
		b.WriteString("  the newest one is refused:\n")
		list(b, "  ", strings.Split(c.Error, "\n"))
	}
	list(b, "warning: ", warningTexts(c.Warnings))
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
		fmt.Fprintf(b, ", %d accepted", n.Accepted)
		var refused []string
		for _, reason := range slices.Sorted(maps.Keys(n.Rejected)) {
			if n.Rejected[reason] > 0 {
				refused = append(refused, fmt.Sprintf("%d %s", n.Rejected[reason], reason))
			}
		}
		if len(refused) > 0 {
			fmt.Fprintf(b, "; refused: %s", strings.Join(refused, ", "))
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
	list(b, "", s.Errors)
	list(b, "warning: ", warningTexts(s.Warnings))
}

func dnsText(b *strings.Builder, d status.DNSState, now time.Time) {
	switch {
	case !d.Enabled:
		b.WriteString("LAN DNS: left alone\n")
		return
	case d.Published.IsZero():
		b.WriteString("LAN DNS: nothing is published yet\n")
	default:
		fmt.Fprintf(b, "LAN DNS: %d names, mode %s, published %s", d.Records, d.Mode, age(d.Published, now))
		if d.Notify == "none" {
			b.WriteString("; dnsmasq is not told (notify none)")
		} else if d.Notify != "" {
			fmt.Fprintf(b, "; dnsmasq is told by %s", d.Notify)
		}
		b.WriteByte('\n')
	}
	if d.Error != "" {
		list(b, "", strings.Split(d.Error, "\n"))
	}
	list(b, "warning: ", warningTexts(d.Warnings))
}

func backendText(b *strings.Builder, t status.BackendTraffic) {
	var ended uint64
	for _, c := range t.Connections {
		ended += c.Count
	}
	state := ""
	if t.Removed {
		state = " (removed)"
	}
	fmt.Fprintf(b, "backend %s%s: %d open, %d ended, %s to it, %s back\n",
		shown(t.Name), state, t.Active, ended, bytesText(t.ToBackend), bytesText(t.ToClient))
	for _, s := range t.Servers {
		up := "up"
		if !s.Up {
			up = strings.TrimSuffix("down: "+shown(s.Error), ": ")
		}
		fmt.Fprintf(b, "  %s %s", s.Address, up)
		if s.Failed > 0 {
			fmt.Fprintf(b, ", connects failed: %d", s.Failed)
		}
		b.WriteByte('\n')
	}
}

// shownRecent is how many of the last connections are printed for people.
const shownRecent = 10

func recentText(b *strings.Builder, connections []status.Connection, now time.Time) {
	if len(connections) == 0 {
		return
	}
	latest := connections[:min(len(connections), shownRecent)]
	b.WriteString("last connections, the latest first")
	if hidden := len(connections) - len(latest); hidden > 0 {
		fmt.Fprintf(b, " (%d more with -json)", hidden)
	}
	b.WriteString(":\n")
	for _, c := range latest {
		fmt.Fprintf(b, "  %s, %s at %s", age(c.Ended, now), c.Client, c.Listener)
		if c.Host != "" {
			fmt.Fprintf(b, ", %s", shown(c.Host))
		}
		if c.Backend != "" {
			fmt.Fprintf(b, ", to %s", shown(c.Backend))
		}
		if c.Server.IsValid() {
			fmt.Fprintf(b, " (%s)", c.Server)
		}
		fmt.Fprintf(b, ": %s", shown(c.Outcome()))
		if c.Result != "refused" && c.Backend != "" {
			fmt.Fprintf(b, " after %s, %s to it, %s back", time.Duration(c.TotalMS)*time.Millisecond,
				bytesText(c.ToBackend), bytesText(c.ToClient))
		}
		b.WriteByte('\n')
	}
}

// list writes what concerns the line above, one line each.
func list(b *strings.Builder, mark string, texts []string) {
	for _, text := range texts {
		fmt.Fprintf(b, "  %s%s\n", mark, shown(text))
	}
}

func warningTexts(list []status.Warning) []string {
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = w.String()
	}
	return texts
}

// bytesText is a number of bytes for people.
func bytesText(n uint64) string {
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, units := float64(n)/1000, []string{"kB", "MB", "GB", "TB"}
	for v >= 999.5 && len(units) > 1 {
		v, units = v/1000, units[1:]
	}
	return fmt.Sprintf("%.3g %s", v, units[0])
}
