package haproxy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Remark is one thing that the configuration does not do as HAProxy does, and why.
type Remark struct {
	Line int // of haproxy.cfg; 0: it is about the whole file
	Text string
}

// String returns "line N: " and the text.
func (r Remark) String() string {
	if r.Line == 0 {
		return r.Text
	}
	return fmt.Sprintf("line %d: %s", r.Line, r.Text)
}

// sorted returns the remarks in the order of their lines, each once.
func sorted(remarks []Remark) []Remark {
	slices.SortStableFunc(remarks, func(a, b Remark) int { return cmp.Compare(a.Line, b.Line) })
	seen := make(map[Remark]bool)
	return slices.DeleteFunc(remarks, func(r Remark) bool {
		again := seen[r]
		seen[r] = true
		return again
	})
}

// shown returns a part of the file as it may stand in a remark: on one line, printable and short.
func shown(s string) string {
	const most = 90
	more := ""
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s, more = s[:cut], "..."
	}
	q := strconv.Quote(s)
	q = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(q[1 : len(q)-1])
	return "'" + q + more + "'"
}

// listed joins words for a sentence, and says how many it leaves out.
func listed(words []string) string {
	const most = 6
	if len(words) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
	}
	return strings.Join(words, ", ")
}
