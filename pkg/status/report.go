package status

import (
	"fmt"
	"strings"

	"github.com/sniroute/sniroute/pkg/route"
)

// A Report is what `sniroute status -json` prints.
type Report struct {
	Ready   bool     `json:"ready"`
	Waiting []string `json:"waiting_for"` // why it is not ready
	Status
	Traffic Traffic      `json:"traffic"`
	Recent  []Connection `json:"recent"` // the last connections that ended, the latest first

	Hosts    HostCounts `json:"hosts"`
	Problems []Problem  `json:"problems"` // all that is wrong, of the above and of the table, the worst first
}

// HostCounts are how many hosts the table has.
type HostCounts struct {
	Total   int `json:"total"`
	Exposed int `json:"exposed"`
	Refused int `json:"refused"` // claims
}

// An Explanation says, rule by rule, what happens to a name.
type Explanation struct {
	Name      string     `json:"name"`
	Listeners []Decision `json:"listeners"` // for connections to each listener
	DNS       []Step     `json:"dns"`       // for questions from the LAN
}

// A Decision is what one listener does with a name.
type Decision struct {
	Listener string `json:"listener"`
	Steps    []Step `json:"steps"`
}

// A Step is one rule that was looked at.
type Step struct {
	Rule    string `json:"rule"`
	Matched bool   `json:"matched"`
	Detail  string `json:"detail"`
}

// ReportOf asks the daemon for all that there is to report. Lists are never nil.
func ReportOf(d Daemon) Report {
	s := d.Status().withLists()
	waiting := Waiting(s)
	r := Report{
		Ready: len(waiting) == 0, Waiting: waiting, Status: s, Traffic: d.Traffic().withLists(), Recent: orEmpty(d.Recent()),
	}
	table := d.Table()
	r.Hosts = HostCounts{Total: len(table.Routes), Refused: len(table.Refused)}
	for i := range table.Routes {
		if table.Routes[i].Exposed {
			r.Hosts.Exposed++
		}
	}
	r.Problems = problems(&r, table)
	return r
}

// Waiting returns why the daemon is not ready, one sentence a reason; none when it is. It is ready when a configuration
// is in force, all listeners are open and every source is current or at least served from the last known state.
func Waiting(s Status) []string {
	reasons := []string{}
	if !s.Config.Loaded {
		reasons = append(reasons, "no configuration is loaded")
	}
	for _, l := range s.Listeners {
		if !l.Open {
			reasons = append(reasons, because(fmt.Sprintf("listener %s is not open", l.Name), l.Error))
		}
	}
	for _, source := range s.Sources {
		if !source.Synced && !source.FromState {
			what := fmt.Sprintf("%s %s has not been read yet", source.Kind, source.Name)
			reasons = append(reasons, because(what, strings.Join(source.Errors, "; ")))
		}
	}
	return reasons
}

func because(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// ExplanationOf says what the daemon's table does with a name.
func ExplanationOf(d Daemon, name string) Explanation {
	e := Explanation{Name: name, Listeners: []Decision{}, DNS: []Step{}}
	table := d.Table()
	for _, l := range d.Status().Listeners {
		wan, dns := table.Explain(l.Name, name)
		e.DNS = steps(dns)
		decision := Decision{l.Name, steps(wan)}
		if l.Protocol == "http" {
			decision.Steps = httpSteps(table, l, name, decision.Steps)
		}
		e.Listeners = append(e.Listeners, decision)
	}
	if len(e.Listeners) == 0 {
		_, dns := table.Explain("", name)
		e.DNS = steps(dns)
	}
	return e
}

// httpSteps says what a plain-HTTP listener does with a host that TLS would be routed by the steps for.
func httpSteps(table *route.Table, l ListenerState, name string, forTLS []Step) []Step {
	challenges := Step{"ACME challenges", false, challengesFor(table, l, strings.TrimSuffix(name, "."))}
	if l.HTTPMode == "route" {
		return append([]Step{challenges}, forTLS...)
	}
	return []Step{challenges, {"everything else", true, "is redirected to https"}}
}

// challengesFor says where a plain-HTTP listener sends challenges for the host. A solver is asked where nothing but it
// is claimed, so it comes first.
func challengesFor(table *route.Table, l ListenerState, name string) string {
	const closed = ", but the host is not exposed, and the listener has no acme_internal"
	r, solver := table.Lookup(l.Name, []byte(name), nil), table.Challenge([]byte(name))
	exposed := r != nil && r.Exposed || r == nil && solver != nil && solver.Exposed
	switch {
	case solver != nil:
		who := solver.Object + " of " + solver.Source
		if !exposed && !l.ACMEInternal {
			return "are refused: " + who + " would solve them" + closed
		}
		return "go to the solver, " + who
	case exposed:
		return "no solver stands: they go to the HTTP port of its own servers"
	case r == nil && l.Default != "":
		return "no solver stands: they go to the HTTP port of backend " + l.Default
	case r == nil:
		return "are refused: nothing claims the name, and the listener has no default backend"
	case l.ACMEInternal && len(r.Challenge) > 0:
		return "no solver stands: they go to " + r.Challenge[0].String() + ", its own server"
	case l.ACMEInternal:
		return "are refused: no solver stands, and the host has no server for them"
	}
	return "are refused: no solver stands" + closed
}

func steps(list []route.Step) []Step {
	out := make([]Step, len(list))
	for i, s := range list {
		out[i] = Step{s.Rule, s.Matched, s.Detail}
	}
	return out
}
