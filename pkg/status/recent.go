package status

import (
	"fmt"
	"net/netip"
	"time"
)

// A Connection is one that has ended, or several in a row that were refused alike. Connections are remembered in memory
// only, and only the last ones: this is the one place that says who the clients are.
type Connection struct {
	Ended     time.Time      `json:"ended"`
	Times     int            `json:"times"` // how many it stands for
	Client    netip.AddrPort `json:"client"`
	Listener  string         `json:"listener"`
	Host      string         `json:"host,omitempty"`    // SNI or Host, cut to 64 bytes
	Backend   string         `json:"backend,omitempty"` // none where it was refused before it had one
	Server    netip.AddrPort `json:"server,omitzero"`   // the last one that was tried
	ToBackend uint64         `json:"to_backend"`        // bytes
	ToClient  uint64         `json:"to_client"`         // bytes
	HelloMS   int64          `json:"hello_ms"`          // from accept until it was clear where it goes
	ConnectMS int64          `json:"connect_ms"`        // from then until a server took it
	TotalMS   int64          `json:"total_ms"`
	Result    string         `json:"result"`           // ok, timeout (idle), reset, drained, redirected or refused
	Reason    string         `json:"reason,omitempty"` // why it was refused, as in the counters of listeners
	By        string         `json:"by"`               // who ended it: client, server or sniroute
	Error     string         `json:"error,omitempty"`  // of the last connect, where no server was left
}

// Outcome says how the connection ended.
func (c Connection) Outcome() string {
	var what string
	switch c.Result {
	case "ok":
		what = "ended by the " + c.By
	case "reset":
		what = "reset by the " + c.By
	case "timeout":
		what = "idle for too long"
	case "refused":
		what = "refused: " + c.Reason
		if c.Error != "" {
			what += " (" + c.Error + ")"
		}
	default:
		what = c.Result
	}
	if c.Times > 1 {
		what += fmt.Sprintf(", %d times", c.Times)
	}
	return what
}

// shownRecent is how many connections the page shows.
const shownRecent = 50

func (v *view) recent() markup {
	if len(v.Recent) == 0 {
		return ""
	}
	var rows [][]cell
	shown := v.Recent[:min(len(v.Recent), shownRecent)]
	for _, c := range shown {
		to := noCell
		if c.Backend != "" {
			to = cell{content: safe(c.Backend)}
			if c.Server.IsValid() {
				to.content += small(text(c.Server.String()))
			}
		}
		kind := ""
		switch {
		case c.Result == "refused" || c.Result == "reset":
			kind = "warn"
		case c.Result == "ok":
			kind = "good"
		}
		up, down := noCell, noCell
		if c.Backend != "" {
			up, down = cell{content: text(bytesText(c.ToBackend))}, cell{content: text(bytesText(c.ToClient))}
		}
		rows = append(rows, []cell{
			{content: text(c.Client.String()) + small(safe(c.Host))}, {content: text(age(v.Now, c.Ended))}, to,
			{content: tag(kind, clean(c.Outcome()))}, {content: text(lasted(c.TotalMS))}, up, down,
		})
	}
	return section("Last connections", "in memory only",
		table(columns("Client", "Ended", "Backend", "How", "#Lasted", "#To server", "#To clients"), rows),
		more(len(v.Recent)-len(shown), "sniroute status -json"))
}

// lasted is a time in milliseconds for people.
func lasted(ms int64) string {
	switch d := time.Duration(ms) * time.Millisecond; {
	case d < 10*time.Second:
		return d.String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}
