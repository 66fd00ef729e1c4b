package haproxy

import (
	"slices"
	"strings"
)

// An outcome is what becomes of a connection, and the rule that decided it; nil for the backend that takes the rest.
type outcome struct {
	verdict verdict // isRefused, isSent, isRedirect or isServed
	target  target
	rule    *rule
}

// A target is where connections go.
type target struct {
	backend *proxy
	server  string // of a use-server rule; usually empty
}

// String names the target in remarks.
func (t target) String() string {
	if t.server != "" {
		return shown(t.backend.name + "/" + t.server)
	}
	return shown(t.backend.name)
}

// same reports whether two outcomes are the same for the client.
func (o outcome) same(p outcome) bool { return o.verdict == p.verdict && o.target == p.target }

// decide sends a population through the rules, as the package comment says.
func (im *importer) decide(s *subject) outcome {
	im.work(1)
	p := s.front
	for _, at := range []stage{atConnection, atSession, atContent, atRequest, atRedirect} {
		if !p.http && (at == atRequest || at == atRedirect) {
			continue
		}
		if o, done := p.pass(s, at); done {
			return o
		}
	}
	return im.send(s)
}

// sendToServer returns the server that a backend's use-server rules name, or nothing.
func (im *importer) sendToServer(s *subject, b *proxy) string {
	for _, r := range b.rules[atServer] {
		if !r.applies(s, false) {
			continue
		}
		name, known := r.target, true
		if len(r.dynamic) > 0 {
			name, known = im.format(r, s)
		}
		im.work(len(b.servers))
		if known && slices.ContainsFunc(b.servers, func(o *server) bool { return o.name == name }) {
			r.decided = true
			return name
		}
	}
	return ""
}

// pass applies the rules of a stage; done says that one of them ended the connection's way.
func (p *proxy) pass(s *subject, at stage) (o outcome, done bool) {
	for _, r := range p.rules[at] {
		assumed := r.verdict == isRefused
		if s.hopeful {
			assumed = r.verdict == passes
		}
		if !r.applies(s, assumed) {
			continue
		}
		r.decided = true
		if r.verdict == passes {
			return o, false
		}
		return outcome{verdict: r.verdict, rule: r}, true
	}
	return o, false
}

// maxAsked bounds how often it is worked out why a rule is undecided: after that, no reason is new.
const maxAsked = 64

// applies reports whether a rule applies to a population. undecided is the answer where it is not known.
func (r *rule) applies(s *subject, undecided bool) bool {
	s.im.work(1)
	switch r.condition.on(s) {
	case yes:
		return true
	case no:
		return false
	}
	r.isUndecided(s)
	s.vague = s.vague || r.verdict == isRefused || r.verdict == passes
	return undecided
}

// isUndecided notes what leaves the rule undecided for a population.
func (r *rule) isUndecided(s *subject) {
	if r.asked < maxAsked {
		r.asked++
		r.undecidedBy(r.condition.why(s)...)
	}
}

// send chooses a backend: that of the first use_backend rule that applies, else default_backend, else a listen
// section's own servers.
func (im *importer) send(s *subject) outcome {
	p := s.front
	for _, r := range p.rules[atUse] {
		im.work(1)
		applies := r.condition.on(s)
		if applies == no {
			continue
		}
		if applies == maybe {
			r.isUndecided(s)
		}
		name, known := r.target, true
		if len(r.dynamic) > 0 {
			name, known = im.format(r, s)
		}
		if !known {
			continue
		}
		b := im.backends[name]
		if b == nil && len(r.dynamic) > 0 {
			if applies == maybe {
				continue
			}
			break // a name that is made and is no backend's: default_backend
		}
		o := im.arrive(s, b, r)
		switch {
		case applies == yes:
			r.decided = true
			return o
		case o.verdict == isRefused && !s.hopeful: // to leave the rule out would let in what may be refused here
			s.vague = true
			return o
		}
	}
	switch b := im.backends[p.fallback.backend]; {
	case p.fallback.backend != "":
		return im.arrive(s, b, nil)
	case p.stats.on || p.stats.metricsAt:
		return outcome{verdict: isServed}
	case p.back:
		return im.arrive(s, p, nil)
	}
	return outcome{verdict: isRefused}
}

// arrive sends a population to a backend, which has rules of its own. r is the rule that chose it.
func (im *importer) arrive(s *subject, b *proxy, r *rule) outcome {
	if b == nil || b.disabled {
		return outcome{verdict: isRefused, rule: r}
	}
	if b != s.front {
		im.used[b] = true
		for _, at := range []stage{atContent, atRequest, atRedirect} {
			if !b.http && at != atContent {
				continue
			}
			if o, done := b.pass(s, at); done {
				return o
			}
		}
	}
	t := target{b, im.sendToServer(s, b)}
	if !im.usable(s.front, t) {
		return outcome{verdict: isRefused, rule: r}
	}
	return outcome{isSent, t, r}
}

// format makes the name of a backend for a population; known is false where it differs within it.
func (im *importer) format(r *rule, s *subject) (name string, known bool) {
	var b strings.Builder
	for _, piece := range r.dynamic {
		if piece.expression == nil {
			b.WriteString(piece.text)
			continue
		}
		switch v := piece.expression.on(s); v.kind {
		case aText:
			b.WriteString(v.text)
		case absent:
			b.WriteByte('-')
		case someNames: // no backend is called like one of them: those that are have populations of their own
			b.WriteByte('\n')
		default:
			r.undecidedBy(v.text)
			return "", false
		}
	}
	return b.String(), true
}

// namedBackends returns the hosts that a rule's names of backends stand for, where a backend is called like one.
func (im *importer) namedBackends(r *rule) []string {
	i := slices.IndexFunc(r.dynamic, func(f formatPiece) bool { return f.expression != nil })
	if i < 0 {
		return nil
	}
	before, behind := "", ""
	for j, f := range r.dynamic {
		if f.expression != nil && j != i {
			return nil
		} else if j < i {
			before += f.text
		} else {
			behind += f.text
		}
	}
	var hosts []string
	for name := range im.backends {
		middle, ok1 := strings.CutPrefix(name, before)
		middle, ok2 := strings.CutSuffix(middle, behind)
		if ok1 && ok2 && isHost(lower(middle)) {
			hosts = append(hosts, lower(middle))
		}
	}
	return hosts
}
