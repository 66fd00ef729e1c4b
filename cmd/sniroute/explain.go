package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sniroute/sniroute/pkg/status"
)

// explain prints, rule by rule, what happens to a name.
func explain(ctx context.Context, in invocation) error {
	return query(in, []string{"NAME"}, func(c *status.Client, args []string) (status.Explanation, error) {
		return c.Explain(ctx, args[0])
	}, explanationText)
}

// explanationText is the explanation for people. Listeners that do the same are one paragraph.
func explanationText(e status.Explanation) string {
	var b strings.Builder
	told := make(map[string]bool)
	for _, l := range e.Listeners {
		if told[l.Listener] {
			continue
		}
		var names []string
		for _, other := range e.Listeners {
			if reflect.DeepEqual(other.Steps, l.Steps) {
				names, told[other.Listener] = append(names, other.Listener), true
			}
		}
		fmt.Fprintf(&b, "A connection to listener %s for %s:\n", strings.Join(slices.Compact(names), " or "), shown(e.Name))
		stepsText(&b, l.Steps)
	}
	fmt.Fprintf(&b, "A question from the LAN for %s:\n", shown(e.Name))
	stepsText(&b, e.DNS)
	return b.String()
}

// stepsText lists what was looked at. The last step is what happens.
func stepsText(b *strings.Builder, steps []status.Step) {
	for i, s := range steps {
		mark := "  "
		if i == len(steps)-1 {
			mark = "=>"
		}
		fmt.Fprintf(b, "  %s %s: %s\n", mark, shown(s.Rule), shown(s.Detail))
	}
}
