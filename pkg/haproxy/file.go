package haproxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxSize is the size in bytes up to which Import takes a file, and each file that it names.
const MaxSize = 1 << 20

// A statement is one line of the file.
type statement struct {
	line    int
	words   []string
	problem string // what keeps the words from being known; usually empty
}

// word returns the word at i, or nothing.
func (s *statement) word(i int) string {
	if i < len(s.words) {
		return s.words[i]
	}
	return ""
}

// from returns the words from i on.
func (s *statement) from(i int) []string { return s.words[min(i, len(s.words)):] }

// String is the statement as it may stand in a remark.
func (s *statement) String() string { return shown(strings.Join(s.words, " ")) }

// A section is a frontend, backend, listen, defaults or global section, or one of the others that HAProxy knows.
type section struct {
	kind, name string
	line       int
	statements []*statement
	defaults   *section // whose statements come before its own; nil: none
	depth      int      // of defaults sections, how many stand behind one another
}

// maxDefaults bounds how many defaults sections may inherit from one another.
const maxDefaults = 16

func (s *section) level() int {
	if s == nil {
		return 0
	}
	return s.depth
}

// all returns the statements of the section's defaults, and theirs, and its own.
func (s *section) all() []*statement {
	chain := []*section{s}
	for d := s.defaults; d != nil; d = d.defaults {
		chain = append(chain, d)
	}
	var statements []*statement
	for _, c := range slices.Backward(chain) {
		statements = append(statements, c.statements...)
	}
	return statements
}

// isSection reports whether a first word opens a section (manual, section 2 and 10).
func isSection(word string) bool {
	switch word {
	case "global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "mailers", "cache",
		"program", "http-errors", "ring", "log-forward", "fcgi-app", "crt-store", "traces", "log-profile", "acme":
		return true
	}
	return false
}

// parse cuts the text into sections. Conditional blocks are an error: what is behind them cannot be guessed.
func parse(text string) ([]*section, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read", len(text), MaxSize)
	}
	var sections []*section
	var current, defaults *section
	named := make(map[string]*section)
	number := 0
	for line := range strings.Lines(text) {
		number++
		words, problem := split(line)
		if len(words) == 0 {
			continue
		}
		s := &statement{line: number, words: words, problem: problem}
		switch {
		case strings.HasPrefix(words[0], "."):
			switch words[0] {
			case ".if", ".elif", ".else", ".endif":
				return nil, fmt.Errorf("line %d: %s: conditional blocks are not evaluated: leave in the file what applies",
					number, words[0])
			}
		case isSection(words[0]):
			current = &section{kind: words[0], name: s.word(1), line: number}
			if current.name == "from" && current.kind == "defaults" {
				current.name = ""
			}
			from := ""
			for i, w := range words[:len(words)-1] {
				if w == "from" && i > 0 {
					from = words[i+1]
				}
			}
			switch current.kind {
			case "defaults":
				current.defaults = named[from]
				if current.depth = current.defaults.level() + 1; current.depth > maxDefaults {
					return nil, fmt.Errorf("line %d: too many defaults sections from one another", number)
				}
				defaults = current
				if current.name != "" {
					named[current.name] = current
				}
			case "frontend", "backend", "listen":
				current.defaults = defaults
				if from != "" {
					current.defaults = named[from]
				}
				if problem != "" || current.name == "" {
					return nil, fmt.Errorf("line %d: a section without a name that is known: %s", number, s)
				}
			}
			sections = append(sections, current)
		case current == nil:
			return nil, fmt.Errorf("line %d: %s stands in no section: is this an haproxy.cfg?", number, s)
		default:
			current.statements = append(current.statements, s)
		}
	}
	if len(sections) == 0 {
		return nil, errors.New("there is no section in it: is this an haproxy.cfg?")
	}
	return sections, nil
}
