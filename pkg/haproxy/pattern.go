package haproxy

import (
	"fmt"
	"regexp"
	"strings"
)

// A method is how a pattern is compared (manual, section 7.1.3: -m).
type method uint8

const (
	isEqual    method = iota // str
	begins                   // beg
	ends                     // end
	contains                 // sub
	hasLabels                // dom: between dots
	hasOneMore               // one label before it; what regular expressions are used for
	matches                  // reg
)

// methods are those that compare strings, by their names in HAProxy.
func methodOf(name string) (method, bool) {
	switch name {
	case "str":
		return isEqual, true
	case "beg":
		return begins, true
	case "end":
		return ends, true
	case "sub":
		return contains, true
	case "dom":
		return hasLabels, true
	case "reg":
		return matches, true
	}
	return 0, false
}

// A pattern is what a string is compared with.
type pattern struct {
	method method
	text   string // in lower case, but for a regular expression

	expression *regexp.Regexp // of matches
	forms      []pattern      // what a regular expression amounts to, as far as it is understood
	whole      bool           // the forms are all that it amounts to
}

// newPattern makes a pattern of a string of the file.
func newPattern(m method, text string) (pattern, error) {
	if m == matches {
		return newExpression(text)
	}
	return pattern{method: m, text: lower(text)}, nil
}

// never reports whether no host name can be like that.
func (p pattern) never() bool { return p.method != matches && !p.always() && !hasBytesOfHost(p.text) }

// always reports whether every name is like that, as '.*' is.
func (p pattern) always() bool { return p.method == contains && p.text == "" }

// onText compares with a string in lower case.
func (p pattern) onText(s string) bool {
	switch p.method {
	case isEqual:
		return s == p.text
	case begins:
		return strings.HasPrefix(s, p.text)
	case ends:
		return strings.HasSuffix(s, p.text)
	case contains:
		return strings.Contains(s, p.text)
	case hasLabels:
		return strings.Contains("."+s+".", "."+strings.Trim(p.text, ".")+".")
	case hasOneMore:
		rest, ok := strings.CutSuffix(s, p.text)
		return ok && rest != "" && !strings.Contains(rest, ".")
	default:
		return p.expression.MatchString(s)
	}
}

// onNames compares with a population. It relies on classes: what a pattern says exactly has a population of its own.
func (p pattern) onNames(n names) truth {
	switch {
	case n.kind == noName:
		return no
	case n.kind == oneName:
		return truthOf(p.onText(n.text))
	case p.never():
		return no
	case p.always():
		return yes
	case p.method == matches:
		t := no
		for _, f := range p.forms {
			t = t.or(f.onNames(n))
		}
		if !p.whole {
			t = t.or(maybe)
		}
		return t
	case n.kind == allOther:
		return p.onOther()
	}
	below := "." + n.text
	switch p.method {
	case isEqual:
		return no
	case ends:
		switch {
		case strings.HasSuffix(below, p.text):
			return yes
		case !strings.HasSuffix(p.text, below), p.isSuffix():
			return no
		}
	case contains:
		if strings.Contains(below, p.text) {
			return yes
		}
	case hasLabels:
		if p.onText(n.text) {
			return yes
		}
	case hasOneMore:
		return truthOf(n.kind == oneBelow && below == p.text)
	}
	return maybe
}

// onOther compares with the names that have no population of their own.
func (p pattern) onOther() truth {
	switch {
	case p.method == isEqual && isHost(p.text), p.isSuffix():
		return no
	}
	return maybe
}

// isSuffix reports whether it is all names below one, or one label below.
func (p pattern) isSuffix() bool {
	base, ok := strings.CutPrefix(p.text, ".")
	return ok && (p.method == ends || p.method == hasOneMore) && isHost(base)
}

// classes returns the hosts for which the pattern needs populations of their own: names, and "*." and names.
func (p pattern) classes() []string {
	if p.method == matches {
		var hosts []string
		for _, f := range p.forms {
			hosts = append(hosts, f.classes()...)
		}
		return hosts
	}
	base := strings.TrimPrefix(p.text, ".")
	if !isHost(base) {
		return nil
	}
	switch {
	case p.method == isEqual, p.method == begins && base == p.text:
		return []string{base}
	case p.isSuffix():
		return []string{"*." + base}
	case p.method == ends, p.method == hasLabels, p.method == contains && strings.Contains(base, "."):
		return []string{base, "*." + base}
	}
	return nil
}

// others says which names the pattern takes that no route can say, or nothing.
func (p pattern) others() string {
	what := shown(p.text)
	switch p.method {
	case isEqual:
		return "the name " + what + ", which is none that a route can have"
	case begins:
		return "names that begin with " + what
	case ends:
		return "names that merely end in " + what + ", such as 'x" + p.text + "'"
	case contains:
		return "names that contain " + what + " elsewhere"
	case hasLabels:
		return "names with " + what + " in their middle"
	case hasOneMore:
		return "names of one label and " + what
	}
	return fmt.Sprintf("names that match %s", shown(p.text))
}

// patterns are those of one test; a string matches if it does one of them.
type patterns struct {
	equal  map[string]bool // of isEqual
	others []pattern
}

func (p *patterns) add(n pattern) {
	if n.method != isEqual {
		p.others = append(p.others, n)
		return
	}
	if p.equal == nil {
		p.equal = make(map[string]bool)
	}
	p.equal[n.text] = true
}

// cost is how much work comparing with them is.
func (p *patterns) cost() int { return 1 + len(p.others) }

func (p *patterns) onText(s string) bool {
	if p.equal[s] {
		return true
	}
	for _, o := range p.others {
		if o.onText(s) {
			return true
		}
	}
	return false
}

// onOtherPaths compares with all paths of requests but those of ACME challenges.
func (p *patterns) onOtherPaths() truth {
	t := no
	if len(p.equal) > 0 {
		t = maybe
	}
	for _, o := range p.others {
		switch {
		case o.method == begins && o.text == "/":
			return yes
		case o.method == begins && strings.TrimSuffix(o.text, "/")+"/" == challengePath:
		default:
			t = maybe
		}
	}
	return t
}

// isProtocol reports whether a route can ask for the protocol.
func isProtocol(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// oddProtocol reports whether one of the strings is no protocol that a route can ask for.
func (p *patterns) oddProtocol() bool {
	for s := range p.equal {
		if !isProtocol(s) {
			return true
		}
	}
	return false
}

func (p *patterns) onNames(n names) truth {
	if n.kind == oneName {
		return truthOf(p.onText(n.text))
	}
	t := no
	if n.kind == allOther {
		for text := range p.equal {
			t = t.or(pattern{method: isEqual, text: text}.onNames(n))
		}
	}
	for _, o := range p.others {
		if t == yes {
			break
		}
		t = t.or(o.onNames(n))
	}
	return t
}
