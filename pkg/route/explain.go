package route

import (
	"fmt"
	"slices"
	"strings"
)

// A Step is one rule that was looked at for a name.
type Step struct {
	Rule    string // the route, claim, domain, default backend or DNS record that was looked at
	Matched bool   // for routes, the default backend and records: it takes the name, and nothing after it is looked at
	Detail  string // a sentence
}

// Explain says, rule by rule, what happens to name on the listener and in LAN DNS. First stands which sources may claim
// the name at all; then, from the most specific host to the least, every route and every claim that was refused or
// ignored, until one takes the name; last the default backend. The first hello that a route with ALPN would take is not
// assumed: such routes are shown, and passed over.
func (t *Table) Explain(listener, name string) (wan, dns []Step) {
	host, problem := normalize(name)
	if _, wildcard := cutWildcard(host); wildcard {
		problem = "a server name is no wildcard"
	}
	if problem != "" {
		step := Step{"name", false, problem + "; a hello that names it is refused as malformed, and DNS is told nothing"}
		return []Step{step}, []Step{step}
	}
	e := explanation{table: t, listener: listener, host: host}
	return e.wan(), e.dns()
}

type explanation struct {
	table    *Table
	listener string
	host     string
}

func (e *explanation) wan() []Step {
	steps := e.domains()
	if _, ok := e.table.defaults[e.listener]; !ok {
		steps = append(steps, Step{"listener " + e.listener, false, "there is no such listener"})
	}
	refusals := e.refusals()
	for spelled := range mostSpecificFirst(e.host) {
		steps = append(steps, refusals[spelled]...)
		routes := e.table.index.of(e.table.Routes, spelled)
		if len(routes) == 0 && len(refusals[spelled]) == 0 && spelled == e.host {
			steps = append(steps, Step{"host " + e.host, false, "no static route and no claim names it"})
		}
		for i := range routes { // those for one protocol come last, and are looked at first
			step := e.route(&routes[len(routes)-1-i])
			steps = append(steps, step)
			if step.Matched {
				return steps
			}
		}
	}
	return append(steps, e.fallback())
}

// mostSpecificFirst yields host, then the wildcards that could take it, longest first.
func mostSpecificFirst(host string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if !yield(host) {
			return
		}
		for up, ok := parent(host); ok; up, ok = parent(up) {
			if !yield("*." + up) {
				return
			}
		}
	}
}

// domains says which sources may claim the name, and who in them.
func (e *explanation) domains() []Step {
	if why := e.table.names.never(e.host); why != "" {
		return []Step{{"claims", false, "no cluster may claim it: " + why}}
	}
	var steps []Step
	for _, s := range e.table.names.domains {
		step := Step{Rule: "domain of " + s.source, Detail: "it lies outside; claims for it are refused"}
		if domain, a := s.domains.decide(e.host); a != nil {
			step.Matched = true
			step.Detail = fmt.Sprintf("%s admits claims from %s", domain, a)
		}
		steps = append(steps, step)
	}
	return steps
}

// refusals returns the claims that were refused or ignored and could have taken the name, by host.
func (e *explanation) refusals() map[string][]Step {
	byHost := make(map[string][]Step)
	for spelled := range mostSpecificFirst(e.host) {
		byHost[spelled] = nil
	}
	for _, list := range [][]Refusal{e.table.Refused, e.table.Ignored} {
		for _, r := range list {
			host, problem := normalize(r.Host)
			if _, could := byHost[host]; problem != "" || !could {
				continue
			}
			word := "refused, " + string(r.Reason)
			if r.Reason == "" {
				word = "ignored"
			}
			byHost[host] = append(byHost[host], Step{ruleOf(r.Source, r.Object, host), false, word + ": " + r.Detail})
		}
	}
	return byHost
}

// ruleOf names a claim's or a static route's rule.
func ruleOf(source, object, host string) string {
	if source == object {
		return fmt.Sprintf("route %s: %s", source, host)
	}
	return fmt.Sprintf("%s of %s: %s", object, source, host)
}

// route says whether the route takes the name, as Lookup would decide.
func (e *explanation) route(r *Route) Step {
	step := Step{Rule: ruleOf(r.Source, r.Object, r.Host)}
	switch why := e.passes(r); {
	case why != "":
		step.Detail = why
	case !r.Exposed:
		step.Matched = true
		step.Detail = "it is not exposed: the connection is refused"
	default:
		step.Matched = true
		step.Detail = "exposed: to backend " + e.table.Backends[r.Backend].Name
		if len(r.Allow) > 0 || len(r.Deny) > 0 {
			step.Detail += ", from the networks that it allows"
		}
	}
	if r.Class != "" {
		step.Detail += "; class " + r.Class
	}
	if len(r.Merged) > 0 {
		step.Detail += "; also for " + strings.Join(r.Merged, ", ")
	}
	if slices.Contains(r.Warnings, warnShared) {
		step.Detail += "; its address serves exposed and internal hosts"
	}
	return step
}

// passes says why the route passes the name over, "" if it takes it.
func (e *explanation) passes(r *Route) string {
	base, wildcard := cutWildcard(r.Host)
	labels := 0
	if wildcard {
		labels = strings.Count(e.host[:len(e.host)-len(base)], ".")
	}
	switch {
	case r.ALPN != "":
		return fmt.Sprintf("only hellos that offer exactly %q", r.ALPN)
	case !r.serves(e.listener):
		return "it is not for this listener"
	case r.OneLabel && labels > 1:
		return "the wildcard takes one label only"
	case wildcard && !e.table.reaches(r, []byte(e.host), labels):
		return "the wildcard does not take it: the name is reserved, or in a domain of another namespace"
	}
	return ""
}

// fallback says where names go that nothing claims.
func (e *explanation) fallback() Step {
	step := Step{Rule: "default backend", Matched: true}
	if i := e.table.Default(e.listener); i != NoBackend {
		step.Detail = "nothing claims the name: to backend " + e.table.Backends[i].Name
	} else {
		step.Detail = "nothing claims the name, and the listener has no default backend: the connection is refused"
	}
	return step
}

func (e *explanation) dns() []Step {
	var steps []Step
	local := e.table.names.local[e.host]
	for spelled := range mostSpecificFirst(e.host) {
		for _, r := range e.table.index.of(e.table.Routes, spelled) {
			if len(r.DNS) == 0 {
				steps = append(steps, Step{ruleOf(r.Source, r.Object, r.Host), false, r.silence()})
			}
		}
		if r, found := e.record(spelled); found {
			step := e.answer(r)
			steps = append(steps, step)
			if step.Matched && !local {
				return steps
			}
		}
		if local { // then dnsmasq looks at no wildcard
			return append(steps, Step{"router's own DNS records", true, "they hold the name, and beat claims"})
		}
	}
	return append(steps, Step{"DNS upstream", true, "no record of ours holds the name: it is asked for upstream"})
}

// record returns the record of a name.
func (e *explanation) record(name string) (*Record, bool) {
	i, found := slices.BinarySearchFunc(e.table.records, name, func(r Record, name string) int {
		return strings.Compare(r.Name, name)
	})
	if !found {
		return nil, false
	}
	return &e.table.records[i], true
}

// silence says why the route has no record of its own.
func (r *Route) silence() string {
	switch {
	case r.dnsWhy != "":
		return "no answer from it: " + r.dnsWhy
	case r.static:
		return "it has no dns option, so it answers nothing"
	}
	return "it has no address to answer"
}

// answer says whether the record answers the name.
func (e *explanation) answer(r *Record) Step {
	step := Step{Rule: "record " + r.Name}
	base, wildcard := cutWildcard(r.Name)
	switch {
	case wildcard && r.OneLabel && !oneLabelBelow(e.host, base):
		step.Detail = "the wildcard takes one label only"
	case wildcard && atOrBelowAny(e.host, r.Except):
		step.Detail = "the wildcard does not answer here: the name is another's"
	default:
		step.Matched = true
		var list []string
		for _, a := range r.Addresses {
			list = append(list, a.String())
		}
		step.Detail = "answers " + strings.Join(list, ", ")
		for _, route := range e.table.index.of(e.table.Routes, r.Name) {
			if len(route.DNS) == 0 {
				continue
			}
			step.Detail += ", from " + ruleOf(route.Source, route.Object, route.Host)
			if route.dnsWhy != "" {
				step.Detail += " (" + route.dnsWhy + ")"
			}
		}
	}
	return step
}
