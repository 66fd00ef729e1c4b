package haproxy

import "strings"

// A condition is what stands behind if or unless: terms of which one must hold, each of tests that must all hold. A nil
// condition always holds.
type condition struct {
	terms  [][]factor
	unless bool
}

// A factor is a named acl, whose tests are alternatives, or one test in braces.
type factor struct {
	name  string // empty: in braces
	tests []*test
	not   bool
}

// newCondition reads the words from if or unless on (parse_acl_cond in acl.c). There may be none.
func (im *importer) newCondition(line int, words []string, acls map[string][]*test) *condition {
	if len(words) == 0 {
		return nil
	}
	c := &condition{}
	switch words[0] {
	case "if":
	case "unless":
		c.unless = true
	default:
		return &condition{terms: [][]factor{{unreadable(line, "what "+shown(words[0])+" means here")}}}
	}
	var term []factor
	end := func() {
		if len(term) > 0 {
			c.terms = append(c.terms, term)
		}
		term = nil
	}
	not := false
	for i := 1; i < len(words); i++ {
		word := words[i]
		for strings.HasPrefix(word, "!") {
			not, word = !not, word[1:]
		}
		switch {
		case word == "":
			continue
		case strings.EqualFold(word, "or"), word == "||":
			end()
		case word == "{":
			j := i + 1
			for j < len(words) && words[j] != "}" {
				j++
			}
			if j == len(words) {
				term = append(term, unreadable(line, "a brace that is not closed"))
			} else {
				term = append(term, factor{tests: []*test{im.newTest(line, words[i+1:j])}, not: not})
			}
			i = j
		case acls[word] != nil:
			term = append(term, factor{name: word, tests: acls[word], not: not})
		default:
			tests := predefined(im, line, word)
			if tests == nil {
				term = append(term, unreadable(line, "the acl "+shown(word)))
				break
			}
			term = append(term, factor{name: word, tests: tests, not: not})
		}
		not = false
	}
	end()
	if len(c.terms) == 0 {
		c.terms = [][]factor{{unreadable(line, "a condition that is empty")}}
	}
	return c
}

func unreadable(line int, problem string) factor {
	return factor{tests: []*test{{line: line, problem: problem}}}
}

// predefined returns the tests of an acl that HAProxy defines itself (manual, section 7.4), or nil.
func predefined(im *importer, line int, name string) []*test {
	var words string
	switch name {
	case "TRUE":
		words = "always_true"
	case "FALSE":
		words = "always_false"
	case "WAIT_END":
		words = "wait_end"
	case "HTTP":
		words = "req.proto_http"
	case "LOCALHOST":
		words = "src 127.0.0.1/8 ::1"
	case "REQ_CONTENT":
		words = "req.len gt 0"
	case "RDP_COOKIE":
		words = "req.rdp_cookie_cnt gt 0"
	default:
		if strings.HasPrefix(name, "METH_") || strings.HasPrefix(name, "HTTP_") {
			return []*test{{line: line, problem: "the acl " + shown(name)}}
		}
		return nil
	}
	return []*test{im.newTest(line, strings.Fields(words))}
}

// on evaluates the condition.
func (c *condition) on(s *subject) truth {
	if c == nil {
		return yes
	}
	result := no
	for _, term := range c.terms {
		all := yes
		for _, f := range term {
			if all == no {
				break
			}
			all = all.and(f.on(s))
		}
		if result = result.or(all); result == yes {
			break
		}
	}
	return result.invert(c.unless)
}

func (f factor) on(s *subject) truth {
	result := no
	for _, t := range f.tests {
		s.im.work(t.text.cost())
		if result = result.or(t.on(s)); result == yes {
			break
		}
	}
	return result.invert(f.not)
}

// why says what leaves the condition undecided for a population.
func (c *condition) why(s *subject) []string {
	var all []string
	for _, term := range c.terms {
		for _, f := range term {
			for _, t := range f.tests {
				if t.on(s) == maybe {
					all = append(all, t.why(s))
				}
			}
		}
	}
	return all
}

// tests returns all tests of the condition.
func (c *condition) tests() []*test {
	if c == nil {
		return nil
	}
	var all []*test
	for _, term := range c.terms {
		for _, f := range term {
			all = append(all, f.tests...)
		}
	}
	return all
}

// name returns the name of the only acl that the condition asks for, or nothing.
func (c *condition) name() string {
	if c == nil || c.unless || len(c.terms) != 1 {
		return ""
	}
	name := ""
	for _, f := range c.terms[0] {
		if f.not || f.name == "" || strings.ToUpper(f.name) == f.name {
			continue
		}
		if !f.ofNames() {
			continue
		}
		if name != "" {
			return ""
		}
		name = f.name
	}
	return name
}

func (f factor) ofNames() bool {
	for _, t := range f.tests {
		if t.isOfNames() {
			return true
		}
	}
	return false
}
