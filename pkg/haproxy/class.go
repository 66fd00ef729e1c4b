package haproxy

import (
	"cmp"
	"slices"
	"strings"
)

// A class is what one route of sniroute can tell apart: a host, all names below one, what has no route, or what is not
// TLS. Its populations are what HAProxy's rules may tell apart within it; the first stands for the class where they
// differ.
type class struct {
	host        string // "NAME" or "*.NAME"; empty: none
	alpn        string // the only protocol offered; empty: any
	populations []subject
}

// hostClass returns the class of a host.
func (im *importer) hostClass(p *proxy, host, alpn string) class {
	c := class{host: host, alpn: alpn}
	if base, wildcard := strings.CutPrefix(host, "*."); wildcard {
		c.add(im.subject(p, names{oneBelow, base}), im.subject(p, names{farBelow, base}))
	} else {
		c.add(im.subject(p, names{oneName, host}))
	}
	return c
}

// restClass returns the class of names that have no route, and of connections without one, whatever they offer.
func (im *importer) restClass(p *proxy) class {
	var c class
	for _, alpn := range append([]string{""}, im.alpns...) {
		c.alpn = alpn
		c.add(im.subject(p, names{kind: allOther}), im.subject(p, names{}))
	}
	c.alpn = ""
	return c
}

// otherClass returns the class of connections that are not TLS.
func (im *importer) otherClass(p *proxy) class {
	var c class
	for _, o := range []opening{opensOther, opensNothing, opensSSH, opensHTTP} {
		s := im.subject(p, names{})
		s.opening = o
		c.add(s)
	}
	return c
}

func (c *class) add(list ...subject) {
	for _, s := range list {
		s.alpn = c.alpn
		c.populations = append(c.populations, s)
	}
}

func (im *importer) subject(p *proxy, n names) subject {
	s := subject{names: n, im: im, front: p}
	if p.http {
		s.opening = opensHTTP
	}
	return s
}

// challenge returns the class with ACME challenges in place of other requests.
func (c class) challenge() class {
	c.populations = slices.Clone(c.populations)
	for i := range c.populations {
		c.populations[i].challenge = true
	}
	return c
}

// outcomes returns what becomes of each population, by group of clients.
func (im *importer) outcomes(c class) [][]outcome {
	all := make([][]outcome, im.clients.groups)
	for g := range all {
		for _, s := range c.populations {
			s.clients = g
			o := im.decide(&s)
			if s.vague {
				hopeful := s
				hopeful.hopeful = true
				im.decide(&hopeful)
			}
			all[g] = append(all[g], o)
		}
	}
	return all
}

// A result is what sniroute does with a class: one target, for some clients.
type result struct {
	target  target
	clients groups // empty: refused
	rule    *rule  // that chose the target; nil: the fallback
}

func (im *importer) refused() result { return result{clients: make(groups, im.clients.groups)} }

// one reduces outcomes of several populations to one for each group of clients: refused if one of them is, since no
// route refuses less than all of its class, and otherwise the first.
func (im *importer) one(c class, all [][]outcome) []outcome {
	reduced := make([]outcome, len(all))
	var refusal, difference []int // populations that differ from the first
	var at, from outcome          // examples of both
	for g, outcomes := range all {
		reduced[g] = outcomes[0]
		for i, o := range outcomes {
			switch {
			case o.same(outcomes[0]):
			case o.verdict == isRefused || outcomes[0].verdict == isRefused:
				if o.verdict == isRefused {
					refusal = append(refusal, i)
				} else {
					refusal = append(refusal, 0)
				}
				at, from = outcomes[0], o
				reduced[g] = outcome{verdict: isRefused, rule: o.rule}
			default:
				difference = append(difference, i)
				at, from = outcomes[0], o
			}
		}
	}
	if len(refusal) > 0 {
		im.remarkAt(c, at, from, "for %s, all is refused: HAProxy refuses some of it (%s), and no route tells it apart",
			refusal)
	} else if len(difference) > 0 {
		im.remarkAt(c, at, from, "for %s, it holds for %s too: no route tells them apart", difference)
	}
	return reduced
}

// remarkAt notes that populations of a class are not told apart, at the rule that decided about one of them.
func (im *importer) remarkAt(c class, a, b outcome, text string, populations []int) {
	slices.Sort(populations)
	var which []string
	for _, i := range slices.Compact(populations) {
		which = append(which, c.describe(i))
	}
	im.note(c, cmp.Or(a.rule, b.rule), text, c, listed(which))
}

// note adds a remark about a class, at the rule that it is about; at the frontend where that is nil.
func (im *importer) note(c class, r *rule, format string, args ...any) {
	if r != nil {
		im.say(r.describe(format, args...))
		return
	}
	front := c.populations[0].front
	im.remark(front.line, "%s: "+format, append([]any{shown(front.name)}, args...)...)
}

// String names the class in remarks.
func (c class) String() string {
	switch {
	case c.host != "":
		return shown(c.host)
	case c.populations[0].opening == opensTLS || c.populations[0].front.http:
		return "names without a route"
	}
	return "what is not TLS"
}

// describe names one of its populations in remarks.
func (c class) describe(i int) string {
	s := c.populations[i]
	switch {
	case s.opening != opensTLS && !s.front.http:
		return s.opening.String()
	case s.alpn != c.alpn:
		return "clients that offer " + shown(s.alpn) + " alone"
	case s.names.kind == farBelow:
		return "names with more labels"
	case s.names.kind == noName:
		return "no name at all"
	}
	return "others"
}

// choose reduces outcomes for groups of clients to one target. HAProxy may send clients to several backends by their
// addresses: a host has one. above are the outcomes of what the class is an exception to.
func (im *importer) choose(c class, outcomes, above []outcome) result {
	var first, open *outcome // the first that is about this class, and that of clients whom no rule mentions
	rank := func(o *outcome) int {
		if o.rule == nil {
			return 1 << 30
		}
		return o.rule.line
	}
	about := func(o outcome) bool {
		return o.verdict == isSent && !slices.ContainsFunc(above, func(a outcome) bool { return a.rule == o.rule })
	}
	for g := range outcomes {
		o := &outcomes[g]
		if about(*o) && (first == nil || rank(o) < rank(first)) {
			first = o
		}
		if g == im.clients.open() && o.verdict == isSent {
			open = o
		}
	}
	switch {
	case open != nil && (about(*open) || first == nil):
		return im.forAll(c, outcomes, open)
	case first != nil:
		return im.forSome(c, outcomes, first)
	}
	// Nothing is about it: as above, what most clients get, or the last rule's.
	var last *outcome
	for g := range outcomes {
		if o := &outcomes[g]; o.verdict == isSent && (last == nil || rank(o) > rank(last)) {
			last = o
		}
	}
	if last == nil {
		return im.refused()
	}
	return im.forAll(c, outcomes, last)
}

// forAll sends all clients that HAProxy does not refuse to one target.
func (im *importer) forAll(c class, outcomes []outcome, to *outcome) result {
	r := result{to.target, make(groups, len(outcomes)), to.rule}
	for g, o := range outcomes {
		if o.verdict != isSent {
			continue
		}
		r.clients[g] = true
		switch {
		case o.target == to.target:
		case o.rule != nil:
			im.note(c, o.rule, "left out for %s: a host has one backend for all clients, and others go to %s", c, to.target)
		default:
			im.note(c, to.rule, "it holds for all clients of %s: a host has one backend, and HAProxy sends others to %s",
				c, o.target)
		}
	}
	return r
}

// forSome sends those clients to a target that HAProxy sends there, and refuses the others.
func (im *importer) forSome(c class, outcomes []outcome, to *outcome) result {
	r := result{to.target, make(groups, len(outcomes)), to.rule}
	for g, o := range outcomes {
		switch {
		case o.verdict != isSent:
		case o.target == to.target:
			r.clients[g] = true
		case to.rule != nil:
			im.note(c, to.rule, "other clients are refused for %s: a host has one backend, and HAProxy sends them to %s",
				c, o.target)
		default:
			im.note(c, o.rule, "the clients that it is for are refused for %s: a host has one backend, and others go to %s",
				c, to.target)
		}
	}
	return r
}
