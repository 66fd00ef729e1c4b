package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A message is one entry of a catalogue (gettext manual, 3).
type message struct {
	id, text string
	context  string
	fuzzy    bool
	line     int
}

// readCatalogue reads a .po or .pot file; its head, whose id is empty, is left out.
func readCatalogue(path string) ([]message, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var list []message
	var current message
	var to *string
	flush := func() {
		if current.id != "" {
			list = append(list, current)
		}
		current, to = message{}, nil
	}
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "":
			flush()
			continue
		case strings.HasPrefix(line, "#"):
			current.fuzzy = current.fuzzy || strings.HasPrefix(line, "#,") && strings.Contains(line, "fuzzy")
			continue
		case word == "msgctxt":
			to = &current.context
		case word == "msgid":
			to, current.line = &current.id, n
		case word == "msgstr":
			to = &current.text
		case strings.HasPrefix(line, `"`) && to != nil:
			rest = line
		default:
			return nil, fmt.Errorf("%s:%d: %s is not understood", path, n, line)
		}
		text, err := strconv.Unquote(rest)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		*to += text
	}
	flush()
	return list, lines.Err()
}
