package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/status"
)

// dial returns a client of the daemon that runs with the configuration in dir.
func dial(dir string) (*status.Client, error) { return status.Dial(config.Control(dir)) }

// query has a command ask the running daemon: it prints the answer as JSON where that is wanted, else as text.
// names are the arguments that the command takes.
func query[T any](in invocation, names []string, ask func(c *status.Client, args []string) (T, error),
	text func(T) string) error {

	f := newFlags(true)
	args, err := f.parse(in.args, names...)
	if err != nil {
		return err
	}
	if slices.Contains(args, "") {
		return usageError(names[slices.Index(args, "")] + " is empty")
	}
	client, err := dial(*f.dir)
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := ask(client, args)
	if err != nil {
		return err
	}
	if *f.json {
		return printJSON(in.stdout, answer)
	}
	_, err = io.WriteString(in.stdout, text(answer))
	return err
}

// printJSON prints a value for programs.
func printJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// shown returns a text that a cluster or a client may have chosen as it may stand on a terminal: one that holds
// anything but printable ASCII is quoted.
func shown(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}

// age says how long ago something was.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := max(now.Sub(t), 0) // a clock may have been put back
	step := time.Second
	if d >= time.Hour {
		step = time.Minute
	}
	text := d.Round(step).String() // 1h0m0s
	for _, zero := range []string{"0s", "0m"} {
		if rest, ok := strings.CutSuffix(text, zero); ok && strings.ContainsAny(rest[max(len(rest)-1, 0):], "hm") {
			text = rest
		}
	}
	if d >= 48*time.Hour {
		text = fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return text + " ago"
}

func join[T interface{ String() string }](list []T) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = v.String()
	}
	return strings.Join(texts, ", ")
}
