package haproxy

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
)

// newExpression makes a pattern of a regular expression, and finds out which names it takes: 'app\.example\.com$',
// '^(www\.)?example\.com$' and '^[^.]+\.example\.com$' are names and what they end in, written otherwise. HAProxy's are
// PCRE; what RE2 does not have is an error. Letters are compared without regard to case, as server names are.
func newExpression(text string) (pattern, error) {
	const flags = syntax.Perl | syntax.FoldCase
	problem := fmt.Errorf("the regular expression %s is not understood", shown(text))
	tree, err := syntax.Parse(text, flags)
	if err != nil {
		return pattern{}, problem
	}
	if sizeOf(tree) > maxExpression {
		return pattern{}, fmt.Errorf("the regular expression %s, which is large,", shown(text))
	}
	compiled, err := regexp.Compile("(?i)" + text)
	if err != nil {
		return pattern{}, problem
	}
	p := pattern{method: matches, text: text, expression: compiled, whole: true}
	sequences, ok := expand(tree.Simplify())
	if !ok {
		p.whole = false
		return p, nil
	}
	for _, s := range sequences {
		form, exact, ok := s.form()
		p.whole = p.whole && exact
		if ok {
			p.forms = append(p.forms, form)
		}
	}
	return p, nil
}

// maxExpression bounds the size of a regular expression.
const maxExpression = 1000

// sizeOf returns about how many instructions a regular expression has, at most a little over maxExpression.
func sizeOf(tree *syntax.Regexp) int {
	size := 1 + len(tree.Rune)
	for _, sub := range tree.Sub {
		if size += sizeOf(sub); size > maxExpression {
			return maxExpression + 1
		}
	}
	if tree.Op == syntax.OpRepeat {
		size *= max(tree.Min, tree.Max, 1)
	}
	return min(size, maxExpression+1)
}

// A part is a piece of what a regular expression may match.
type part struct {
	kind partKind
	text string // of literal, in lower case
}

type partKind uint8

const (
	literal partKind = iota
	anything
	oneLabel  // one or more bytes without a dot
	someByte  // one byte, any: what a dot is that was meant as one
	textBegin // ^
	textEnd   // $
)

// A sequence is one of the ways to match.
type sequence []part

const (
	maxSequences = 64
	maxParts     = 64
)

// expand returns all ways to match, or false where there are too many or one is not understood.
func expand(tree *syntax.Regexp) ([]sequence, bool) {
	one := func(p part) ([]sequence, bool) { return []sequence{{p}}, true }
	switch tree.Op {
	case syntax.OpEmptyMatch:
		return []sequence{{}}, true
	case syntax.OpLiteral:
		return one(part{literal, lower(string(tree.Rune))})
	case syntax.OpBeginText, syntax.OpBeginLine:
		return one(part{kind: textBegin})
	case syntax.OpEndText, syntax.OpEndLine:
		return one(part{kind: textEnd})
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return one(part{kind: someByte})
	case syntax.OpCapture:
		return expand(tree.Sub[0])
	case syntax.OpQuest:
		rest, ok := expand(tree.Sub[0])
		return append([]sequence{{}}, rest...), ok
	case syntax.OpStar, syntax.OpPlus:
		switch sub := tree.Sub[0]; {
		case sub.Op == syntax.OpAnyChar, sub.Op == syntax.OpAnyCharNotNL:
			return one(part{kind: anything})
		case isLabel(sub) && tree.Op == syntax.OpPlus:
			return one(part{kind: oneLabel})
		case isLabel(sub):
			return []sequence{{}, {{kind: oneLabel}}}, true
		}
	case syntax.OpCharClass:
		return expandClass(tree)
	case syntax.OpAlternate:
		var all []sequence
		for _, sub := range tree.Sub {
			some, ok := expand(sub)
			if !ok || len(all)+len(some) > maxSequences {
				return nil, false
			}
			all = append(all, some...)
		}
		return all, true
	case syntax.OpConcat:
		all := []sequence{{}}
		for _, sub := range tree.Sub {
			some, ok := expand(sub)
			if !ok || len(all)*len(some) > maxSequences {
				return nil, false
			}
			var longer []sequence
			for _, head := range all {
				for _, tail := range some {
					if len(head)+len(tail) > maxParts {
						return nil, false
					}
					longer = append(longer, append(head[:len(head):len(head)], tail...))
				}
			}
			all = longer
		}
		return all, true
	}
	return nil, false
}

// expandClass returns the bytes of a small class, letters once.
func expandClass(tree *syntax.Regexp) ([]sequence, bool) {
	var all []sequence
	seen := make(map[string]bool)
	for i := 0; i+1 < len(tree.Rune); i += 2 {
		for r := tree.Rune[i]; r <= tree.Rune[i+1]; r++ {
			if r > unicode.MaxASCII {
				break // no host name has it, as the folded K and s
			}
			text := lower(string(r))
			if !seen[text] && len(all) >= 16 {
				return nil, false
			}
			if !seen[text] {
				seen[text] = true
				all = append(all, sequence{{literal, text}})
			}
		}
	}
	return all, len(all) > 0
}

// isLabel reports whether a class is all that a label consists of, and no dot. (Who leaves out the underscore means it
// no less.)
func isLabel(tree *syntax.Regexp) bool {
	if tree.Op != syntax.OpCharClass {
		return false
	}
	has := func(r rune) bool {
		for i := 0; i+1 < len(tree.Rune); i += 2 {
			if tree.Rune[i] <= r && r <= tree.Rune[i+1] {
				return true
			}
		}
		return false
	}
	for _, r := range "abcdefghijklmnopqrstuvwxyz0123456789-" {
		if !has(r) && !has(unicode.ToUpper(r)) {
			return false
		}
	}
	return !has('.')
}

// form returns what a sequence amounts to: a name, or what names begin with, end in or contain. exact is false where it
// also takes other names; ok where it is none of these.
func (s sequence) form() (form pattern, exact, ok bool) {
	begun, ended := len(s) > 0 && s[0].kind == textBegin, len(s) > 0 && s[len(s)-1].kind == textEnd
	exact = true
	var parts sequence
	add := func(p part) {
		if n := len(parts); n > 0 && parts[n-1].kind == p.kind && p.kind == anything {
			return
		} else if n > 0 && parts[n-1].kind == literal && p.kind == literal {
			parts[n-1].text += p.text
			return
		}
		parts = append(parts, p)
	}
	if !begun {
		add(part{kind: anything})
	}
	for i, p := range s {
		switch {
		case p.kind == textBegin && i == 0, p.kind == textEnd && i == len(s)-1:
		case p.kind == textBegin, p.kind == textEnd:
			return pattern{}, false, false
		case p.kind == someByte:
			exact = false
			add(part{literal, "."})
		default:
			add(p)
		}
	}
	if !ended {
		add(part{kind: anything})
	}
	var shape strings.Builder
	text := ""
	for _, p := range parts {
		shape.WriteByte("ta1"[p.kind])
		text += p.text
	}
	form.text = text
	switch shape.String() {
	case "t":
		form.method = isEqual
	case "ta":
		form.method = begins
	case "at":
		form.method = ends
	case "ata", "a":
		form.method = contains
	case "1t":
		form.method = hasOneMore
		if !strings.HasPrefix(text, ".") {
			return pattern{}, false, false
		}
	default:
		return pattern{}, false, false
	}
	return form, exact, true
}
