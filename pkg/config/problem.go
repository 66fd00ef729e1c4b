package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Problem is one thing that is wrong with a file.
type Problem struct {
	File    string
	Line    int
	Section string // "backend 'nas'"; empty where it concerns none
	Option  string // empty where it concerns the section
	Text    string // what is wrong and what would be right
}

// String returns FILE:LINE: SECTION: option OPTION: and the text.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: ", p.File, p.Line)
	if p.Section != "" {
		b.WriteString(p.Section + ": ")
	}
	if p.Option != "" {
		b.WriteString("option " + p.Option + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
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
