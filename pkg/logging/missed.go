package logging

import (
	"fmt"
	"slices"
	"strings"
)

// missed counts lines that were left out, by their messages.
type missed struct {
	total    int
	messages []countedMessage // at most counted
}

type countedMessage struct {
	text  string
	count int
}

func (m *missed) add(message string) {
	m.total++
	for i := range m.messages {
		if m.messages[i].text == message {
			m.messages[i].count++
			return
		}
	}
	if len(m.messages) < counted {
		m.messages = append(m.messages, countedMessage{message, 1})
	}
}

// String is the line that sums up, the most frequent messages first.
func (m *missed) String() string {
	list := slices.Clone(m.messages)
	slices.SortStableFunc(list, func(a, b countedMessage) int { return b.count - a.count })
	var b strings.Builder
	fmt.Fprintf(&b, "msg=\"too many log lines\" left_out=%d", m.total)
	others := m.total
	for i, c := range list {
		others -= c.count
		fmt.Fprintf(&b, " %d=%q", c.count, short(c.text))
		if i == 3 {
			break
		}
	}
	if others > 0 {
		fmt.Fprintf(&b, " others=%d", others)
	}
	return b.String()
}

// short keeps a message from filling the line.
func short(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}
