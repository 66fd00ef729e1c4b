package haproxy

import (
	"fmt"
	"slices"
	"strings"
)

// A stage is one of the lists of rules that a connection passes, in this order. The first rule that applies ends it.
type stage uint8

const (
	atConnection stage = iota // tcp-request connection
	atSession                 // tcp-request session
	atContent                 // tcp-request content
	atRequest                 // http-request
	atRedirect                // redirect
	atUse                     // use_backend
	atServer                  // use-server
	stages
)

// A verdict is what a rule does with a connection.
type verdict uint8

const (
	passes     verdict = iota // on to the next stage
	isRefused                 // closed
	isSent                    // to a backend, or a server
	isRedirect                // answered with a redirect to https
	isServed                  // answered by HAProxy itself: statistics, metrics
)

// A rule is a statement that decides about connections.
type rule struct {
	line      int
	text      string
	verdict   verdict
	condition *condition
	target    string        // of isSent: the name of a backend, or of a server
	dynamic   []formatPiece // of isSent: what the name is made of, where it is not fixed
	problem   string        // why what it does has no counterpart: what it applies to is refused

	decided   bool            // something: for a population
	undecided map[string]bool // why it was not, for some
	asked     int             // how often that was worked out
}

// A formatPiece is a piece of a log-format string: text, or an expression in %[...].
type formatPiece struct {
	text       string
	expression *expression
}

// readRule takes in a rule.
func (im *importer) readRule(p *proxy, st *statement) {
	r := &rule{line: st.line, text: st.String()}
	words := st.from(1)
	end := conditionAt(words)
	if st.problem != "" {
		r.condition = &condition{terms: [][]factor{{unreadable(st.line, st.problem)}}}
	} else {
		r.condition = im.newCondition(st.line, words[end:], p.acls)
	}
	words = words[:end]
	at, kept := atUse, true
	switch st.words[0] {
	case "use_backend", "use-server":
		if st.words[0] == "use-server" {
			at = atServer
		}
		r.verdict = isSent
		if len(words) > 0 {
			r.target = words[0]
		}
		if strings.Contains(r.target, "%") {
			im.readFormat(r)
		}
	case "redirect":
		at = atRedirect
		r.redirect(words)
	case "http-request":
		at = atRequest
		kept = im.readHTTP(p, r, words)
	case "tcp-request":
		at, kept = im.readTCP(p, st, r, words)
	}
	if kept {
		p.rules[at] = append(p.rules[at], r)
	}
}

// conditionAt returns where a rule's condition begins.
func conditionAt(words []string) int {
	for i, w := range words {
		if w == "if" || w == "unless" {
			return i
		}
	}
	return len(words)
}

// readFormat takes in the name of a backend that expressions make.
func (im *importer) readFormat(r *rule) {
	rest := r.target
	for rest != "" {
		before, behind, found := strings.Cut(rest, "%[")
		if before != "" {
			r.dynamic = append(r.dynamic, formatPiece{text: before})
		}
		if !found {
			return
		}
		inside, after, closed := strings.Cut(behind, "]")
		if !closed {
			r.dynamic = append(r.dynamic, formatPiece{text: "%"})
			return
		}
		x := parseExpression(inside)
		for _, c := range x.converters {
			im.needMap(r, c)
		}
		r.dynamic = append(r.dynamic, formatPiece{expression: &x})
		rest = after
	}
}

// needMap reads the file of a map converter.
func (im *importer) needMap(r *rule, c call) {
	if !c.isMap() || im.maps[mapKey(c)] != nil {
		return
	}
	l, err := im.newLookup(c)
	if err != nil {
		r.undecidedBy(err.Error())
		return
	}
	im.maps[mapKey(c)] = l
}

func (r *rule) undecidedBy(why ...string) {
	if r.undecided == nil {
		r.undecided = make(map[string]bool)
	}
	for _, w := range why {
		if len(r.undecided) < 8 {
			r.undecided[w] = true
		}
	}
}

// redirect takes in what a redirect rule does: to https, or elsewhere.
func (r *rule) redirect(words []string) {
	r.verdict = isRedirect
	for i := 0; i+1 < len(words); i++ {
		switch words[i] {
		case "scheme":
			if words[i+1] != "https" {
				r.refuse("a redirect goes to https alone")
			}
			return
		case "location", "prefix":
			if !strings.HasPrefix(words[i+1], "https://%[") {
				r.refuse("a redirect goes to https at the same host alone")
			}
			return
		}
	}
	r.refuse("a redirect goes to https alone")
}

// refuse has what the rule applies to refused, since it has no counterpart.
func (r *rule) refuse(problem string) { r.verdict, r.problem = isRefused, problem }

// readHTTP takes in an http-request rule; it reports false where it decides nothing.
func (im *importer) readHTTP(p *proxy, r *rule, words []string) bool {
	action := ""
	if len(words) > 0 {
		action, _, _ = strings.Cut(words[0], "(")
	}
	switch action {
	case "allow":
		r.verdict = passes
	case "deny", "reject", "silent-drop", "tarpit":
		r.verdict = isRefused
	case "redirect":
		r.redirect(words[1:])
	case "use-service":
		r.verdict = isServed
		if len(words) < 2 || words[1] != "prometheus-exporter" {
			r.refuse("there are no services of that kind")
			break
		}
		p.stats.metrics(p, r)
	case "auth":
		r.refuse("passwords are not asked for")
		p.stats.asksPassword = true
	case "return", "set-dst", "set-dst-port", "do-resolve", "send-spoe-group", "cache-use":
		r.refuse("requests are passed on or redirected, nothing else")
	case "set-src":
		r.refuse("a client's address is the one that it comes from")
	default:
		if !editsRequest(action) {
			r.refuse("this action is not known here")
			break
		}
		if headerAction(action) {
			p.stats.edits = append(p.stats.edits, Remark{r.line, r.text + ": requests are passed on as they are"})
		}
		return false
	}
	return true
}

// editsRequest reports whether an action changes, notes or counts something and lets the request go on.
func editsRequest(action string) bool {
	switch action {
	case "capture", "unset-var", "normalize-uri", "strict-mode":
		return true
	}
	kind, _, found := strings.Cut(action, "-")
	return found && slices.Contains([]string{"set", "add", "del", "replace", "sc", "track"}, kind)
}

// headerAction reports whether an action changes a request.
func headerAction(action string) bool {
	switch action {
	case "set-var", "unset-var", "capture", "set-log-level", "set-nice", "set-priority-class", "set-priority-offset":
		return false
	}
	return !strings.HasPrefix(action, "sc-") && !strings.HasPrefix(action, "track-")
}

// readTCP takes in a tcp-request rule; it reports false where it decides nothing.
func (im *importer) readTCP(p *proxy, st *statement, r *rule, words []string) (stage, bool) {
	if len(words) == 0 {
		return atContent, false
	}
	at := atContent
	switch words[0] {
	case "inspect-delay":
		if len(words) > 1 {
			d, err := parseTime(words[1])
			if err != nil {
				p.remark(st.line, "%s: %v is not understood", st, err)
			}
			p.inspects = d
		}
		return at, false
	case "connection":
		at = atConnection
	case "session":
		at = atSession
	case "content":
	default:
		r.refuse("this rule is not known here")
		return at, true
	}
	action, argument := "", ""
	if len(words) > 1 {
		action, argument, _ = strings.Cut(words[1], "(")
	}
	switch action {
	case "accept":
		r.verdict = passes
	case "reject", "silent-drop":
		r.verdict = isRefused
		if im.limits(p, r) {
			return at, false
		}
	case "expect-proxy":
		p.expects = append(p.expects, r.condition)
		return at, false
	case "set-var":
		if r.condition == nil && len(words) == 3 {
			p.variables[strings.TrimSuffix(argument, ")")] = parseExpression(words[2])
		}
		return at, false
	case "set-dst", "set-dst-port", "do-resolve":
		r.refuse("only configured servers are connected to, never where a client wanted to go")
	case "set-src", "expect-netscaler-cip", "switch-mode", "use-service", "send-spoe-group":
		r.refuse("this action has no counterpart")
	default:
		if !slices.Contains([]string{"capture", "unset-var", "set-mark", "set-tos", "set-log-level", "set-nice",
			"set-priority-class", "set-priority-offset", "set-src-port", "set-bandwidth-limit"}, action) &&
			!strings.HasPrefix(action, "sc-") && !strings.HasPrefix(action, "track-sc") {
			r.refuse("this action is not known here")
			break
		}
		return at, false
	}
	return at, true
}

// describe returns the rule's name for a remark.
func (r *rule) describe(format string, args ...any) Remark {
	return Remark{r.line, r.text + ": " + fmt.Sprintf(format, args...)}
}
