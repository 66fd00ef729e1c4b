package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestParts: what is shown beside a field is one sentence about what is wrong, and another about what would be right.
func TestParts(t *testing.T) {
	_, warnings, err := Parse("sniroute", []byte(`
config listener
	list listen ':8443: x'
	option colour 'red'
config listener 'b'
	option inspect_delay 'it''s: late'
config cluster 'home'
	list server 'http://hunter2@x: y'
config backend 'nas'
	list server '192.168.0.1:443'
	option source 'client'
config route 'r'
	list host 'a.example.com'
	option backend 'nos'
	option backend 'nas'
`))
	var bad *Error
	if !errors.As(err, &bad) {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, p := range bad.Problems {
		message, remedy := p.Parts()
		fmt.Fprintf(&b, "%d %s.%s.%s [%s]\n\t%s\n\t%s\n", p.Line, p.Type, p.Name, p.Option, p.Value, message, remedy)
	}
	for _, w := range warnings {
		message, remedy := Problem(w).Parts()
		fmt.Fprintf(&b, "warning %d %s.%s.%s [%s]\n\t%s\n\t%s\n", w.Line, w.Type, w.Name, w.Option, w.Value, message, remedy)
	}
	golden(t, "testdata/parts.golden", b.String())
}
