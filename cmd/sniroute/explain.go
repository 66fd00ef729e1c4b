package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/sniroute/sniroute/pkg/status"
)

// explain prints, rule by rule, what happens to a name.
func explain(ctx context.Context, in invocation) error {
	f := newFlags(true)
	names, err := f.parse(in.args, "NAME")
	if err != nil {
		return err
	}
	client, err := dial(*f.dir)
	if err != nil {
		return err
	}
	defer client.Close()
	explanation, err := client.Explain(ctx, names[0])
	if err != nil {
		return err
	}
	if *f.json {
		return printJSON(in.stdout, explanation)
	}
	_, err = io.WriteString(in.stdout, explanationText(explanation))
	return err
}

// explanationText is the explanation for people.
func explanationText(e status.Explanation) string {
	var b strings.Builder
	for _, l := range e.Listeners {
		fmt.Fprintf(&b, "A connection to listener %s for %s:\n", l.Listener, shown(e.Name))
		stepsText(&b, l.Steps)
	}
	fmt.Fprintf(&b, "A question from the LAN for %s:\n", shown(e.Name))
	stepsText(&b, e.DNS)
	return b.String()
}

func stepsText(b *strings.Builder, steps []status.Step) {
	for _, s := range steps {
		mark := " "
		if s.Matched {
			mark = "*"
		}
		fmt.Fprintf(b, "  %s %s: %s\n", mark, shown(s.Rule), shown(s.Detail))
	}
}
