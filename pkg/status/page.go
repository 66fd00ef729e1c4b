package status

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed page.css
var pageCSS string

// maxRows bounds a table on the page; `sniroute routes` has them all.
const maxRows = 1000

// A page shows a daemon to a person. It is one document that loads nothing else and runs no script.
type page struct {
	daemon Daemon
	policy string // the Content-Security-Policy that lets the page's own style through
}

func newPage(d Daemon) *page {
	hash := sha256.Sum256([]byte(pageCSS))
	style := base64.StdEncoding.EncodeToString(hash[:])
	return &page{
		daemon: d,
		policy: contentPolicy("img-src data:; style-src 'sha256-" + style + "'; "),
	}
}

// A view is what the page shows.
type view struct {
	Report
	Now      time.Time
	Hosts    rows[Route]
	Refused  rows[Refusal]
	Servers  rows[serverRow]
	Rejected uint64 // connections, over all listeners
	Exposed  int    // hosts
}

// ListenerTraffic returns the counters of a listener.
func (v *view) ListenerTraffic(name string) ListenerTraffic {
	for _, l := range v.Traffic.Listeners {
		if l.Name == name {
			return l
		}
	}
	return ListenerTraffic{}
}

// rows are the first of a long list.
type rows[T any] struct {
	List  []T
	Total int
}

func (r rows[T]) Hidden() int { return r.Total - len(r.List) }

func firstOf[T any](list []T) rows[T] { return rows[T]{list[:min(len(list), maxRows)], len(list)} }

// A serverRow is one server of one backend.
type serverRow struct {
	Backend string
	First   bool // of its backend, whose counters it shows
	Of      BackendTraffic
	ServerTraffic
}

func (p *page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	table := p.daemon.Table()
	list := RoutesOf(table)
	report := ReportOf(p.daemon)
	v := view{
		Report:  report,
		Now:     time.Now(),
		Hosts:   firstOf(list.Routes),
		Refused: firstOf(list.Refused),
		Servers: firstOf(serverRows(report.Traffic)),
	}
	for _, l := range report.Traffic.Listeners {
		for _, count := range l.Rejected {
			v.Rejected += count
		}
	}
	for _, r := range list.Routes {
		if r.Exposed {
			v.Exposed++
		}
	}
	body := v.html()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	io.WriteString(w, string(body))
}

func serverRows(t Traffic) []serverRow {
	var list []serverRow
	for _, b := range t.Backends {
		for i, server := range b.Servers {
			list = append(list, serverRow{Backend: b.Name, First: i == 0, Of: b, ServerTraffic: server})
		}
	}
	return list
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return countText(n) + " " + many
}

// age says how long ago a time was, in the largest unit that fits.
func age(now, at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	d := now.Sub(at)
	switch {
	case d < time.Second:
		return "just now"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s ago"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min ago"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h ago"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days ago"
}

// bytesText says how many bytes n, any integer, is in the unit that makes it short.
func bytesText(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	value, unit := float64(n)/1000, 0
	for ; value >= 999.5 && unit < len(units)-1; unit++ {
		value /= 1000
	}
	decimals := 0
	if value < 9.95 {
		decimals = 1
	}
	return fmt.Sprintf("%.*f %cB", decimals, value, units[unit])
}

// countText puts narrow spaces between thousands.
func countText(n any) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// safeText spells out all but printable ASCII in what a cluster says, so that it looks like what it is.
func safeText(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// cleanText spells out, in a sentence, the characters that are invisible or turn the direction of the text.
func cleanText(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(safeText(string(r)))
		}
	}
	return b.String()
}

func resultsTotal(b BackendTraffic) uint64 {
	var total uint64
	for _, n := range b.Connections {
		total += n.Count
	}
	return total
}
