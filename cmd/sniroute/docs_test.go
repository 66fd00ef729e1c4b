package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocumentation holds the table of commands in the README against the commands.
func TestDocumentation(t *testing.T) {
	const file = "../../README.md"
	const first, last = "<!-- commands, from: go test ./cmd/sniroute -run Documentation -update -->\n", "<!-- end -->\n"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(data), first)
	got, after, ends := strings.Cut(rest, last)
	if !begins || !ends {
		t.Fatal("the README has no place for the commands")
	}
	var b strings.Builder
	b.WriteString("\n| Command | |\n|---|---|\n")
	for _, c := range commands() {
		call := strings.TrimSpace(strings.ReplaceAll("sniroute "+c.name+" "+c.arguments, "|", `\|`))
		fmt.Fprintf(&b, "| `%s` | %s |\n", call, c.help)
	}
	b.WriteByte('\n')
	if *update {
		if err := os.WriteFile(file, []byte(before+first+b.String()+last+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != b.String() {
		t.Error("the README has other commands: run go test ./cmd/sniroute -run Documentation -update")
	}
}
