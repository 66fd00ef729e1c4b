package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sniroute/sniroute/pkg/logging"
	"github.com/sniroute/sniroute/pkg/route"
)

// seen is what claims name, for forms to suggest. Lists are sorted, and bounded.
type seen struct {
	Classes    []string `json:"classes"`
	Gateways   []string `json:"gateways"` // NAMESPACE/NAME
	Namespaces []string `json:"namespaces"`
	Addresses  []string `json:"addresses"`
	Hosts      []string `json:"hosts"`
}

// mostSeen is how many of a kind are suggested.
const mostSeen = 500

func seenIn(claims []route.Claim) seen {
	sets := make([]map[string]bool, 5)
	for i := range sets {
		sets[i] = make(map[string]bool)
	}
	note := func(set map[string]bool, text string) {
		if text != "" && len(text) <= 253 {
			set[text] = true
		}
	}
	for _, c := range claims {
		note(sets[0], c.Class)
		note(sets[1], c.Gateway)
		note(sets[2], c.Object.Namespace)
		for _, a := range c.Addresses {
			note(sets[3], a.String())
		}
		note(sets[4], c.Host)
	}
	first := func(set map[string]bool) []string {
		list := slices.AppendSeq([]string{}, maps.Keys(set))
		slices.Sort(list)
		return list[:min(len(list), mostSeen)]
	}
	return seen{first(sets[0]), first(sets[1]), first(sets[2]), first(sets[3]), first(sets[4])}
}

type shownLog struct {
	Lines []shownLine `json:"lines"`
}

// A shownLine is one of the log.
type shownLine struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"` // debug, info, warn or error
	Text  string    `json:"text"`  // key=value
}

func logOf(lines []logging.Line) shownLog {
	l := shownLog{Lines: make([]shownLine, len(lines))}
	for i, line := range lines {
		l.Lines[i] = shownLine{line.Time, strings.ToLower(line.Level.String()), line.Text}
	}
	return l
}
