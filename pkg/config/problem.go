package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Problem is one thing that is wrong with a file.
type Problem struct {
	File   string
	Line   int    // 0: not known
	Type   string // of the section; empty where it concerns none
	Name   string // of the section
	NoName bool   // the file gives it none: Name is libuci's
	Option string // empty where it concerns the section
	Value  string // that is wrong; empty where it is none, or may be a secret
	Text   string // what is wrong and what would be right
}

// String returns FILE:LINE: SECTION: option OPTION: and the text.
func (p Problem) String() string {
	return p.Where() + ": " + p.Text
}

// Where returns FILE:LINE: SECTION: option OPTION, as far as the problem has these.
func (p Problem) Where() string {
	text := p.File
	if p.Line > 0 {
		text = fmt.Sprintf("%s:%d", text, p.Line)
	}
	if p.Type != "" {
		text += ": " + sectionText(p.Type, p.Name, p.NoName)
	}
	if p.Option != "" {
		text += ": option " + p.Option
	}
	return text
}

// Parts returns the text in two: what is wrong, and what would be right, which may be empty.
func (p Problem) Parts() (message, remedy string) {
	from := 0
	if value := quoted(p.Value); strings.HasPrefix(p.Text, value) {
		from = len(value) // it may hold anything
	}
	if i := strings.Index(p.Text[from:], ": "); i >= 0 {
		return p.Text[:from+i], p.Text[from+i+2:]
	}
	return p.Text, ""
}

// sectionText names a section for people.
func sectionText(typ, name string, noName bool) string {
	if noName {
		return typ + " section"
	}
	return fmt.Sprintf("%s '%s'", typ, name)
}

// A Warning is a Problem that does not keep the configuration from being used.
type Warning Problem

// String is that of Problem.
func (w Warning) String() string { return Problem(w).String() }

// An Error holds everything for which a file is refused, in the order of its lines. It is never empty.
type Error struct {
	Problems []Problem
}

// Error returns one line for each Problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// quoted returns s as it may stand in a message: on one line, printable and short.
func quoted(s string) string {
	const most = 64
	more := ""
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s, more = s[:cut], "..."
	}
	q := strconv.Quote(s)
	q = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	return "'" + q + more + "'"
}
