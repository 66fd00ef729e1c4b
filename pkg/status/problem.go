package status

import (
	"fmt"

	"github.com/sniroute/sniroute/pkg/route"
)

// A Warning is something that a person should mend although the rest works. As JSON it is a string.
type Warning struct {
	Text   string
	Remedy string // empty where Text says it, or there is none
}

// String returns "TEXT: REMEDY".
func (w Warning) String() string {
	if w.Remedy == "" {
		return w.Text
	}
	return w.Text + ": " + w.Remedy
}

// MarshalText is String.
func (w Warning) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText takes all for Text.
func (w *Warning) UnmarshalText(text []byte) error {
	*w = Warning{Text: string(text)}
	return nil
}

// A Problem is something that a person should look at, wherever it comes from.
type Problem struct {
	Bad    bool   `json:"bad"` // it does not work; otherwise a warning
	Text   string `json:"text"`
	Remedy string `json:"remedy"` // what mends it; may be empty
}

// problems gathers what is wrong anywhere, the worst first.
func problems(r *Report, t *route.Table) []Problem {
	var bad, warnings []Problem
	complain := func(text, remedy string) { bad = append(bad, Problem{true, text, remedy}) }
	warn := func(place string, w Warning) { warnings = append(warnings, Problem{false, place + w.Text, w.Remedy}) }
	if r.Config.Error != "" {
		complain("The newest configuration is not in force, the one before is: "+r.Config.Error,
			"mend what is said here")
	}
	for _, reason := range r.Waiting {
		complain("Waiting: "+reason, "")
	}
	if r.DNS.Enabled && r.DNS.Error != "" {
		complain("LAN DNS is not up to date: "+r.DNS.Error, "")
	}
	for _, s := range r.Sources {
		place := fmt.Sprintf("%s %s: ", s.Kind, s.Name)
		for _, e := range s.Errors {
			remedy := ""
			if s.FromState {
				remedy = "until it can be read, its last known hosts are served"
			}
			complain(place+e, remedy)
		}
		for _, w := range s.Warnings {
			warn(place, w)
		}
	}
	for _, b := range r.Traffic.Backends {
		if down(b) {
			complain("All servers of "+b.Name+" are down", "see that they answer, or give other addresses")
		}
	}
	if n := len(t.Shared); n > 0 {
		warn("", Warning{"Exposed and internal hosts share " + plural(n, "address", "addresses") +
			" (marked shared): whoever reaches the exposed ones can ask for the internal ones there",
			"serve internal hosts at an address of their own, or say shared_address 'refuse'"})
	}
	if n := len(t.Refused); n > 0 {
		warn("", Warning{plural(n, "claim is", "claims are") + " refused", "the list says why; `sniroute routes` too"})
	}
	for _, list := range [][]Warning{r.Warnings, r.Config.Warnings, r.DNS.Warnings} {
		for _, w := range list {
			warn("", w)
		}
	}
	return append(append([]Problem{}, bad...), warnings...)
}

func down(b BackendTraffic) bool {
	for _, s := range b.Servers {
		if s.Up {
			return false
		}
	}
	return len(b.Servers) > 0
}
