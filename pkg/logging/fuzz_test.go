package logging

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// FuzzLine: whatever is logged is one line of bounded length, without a byte that a terminal or syslog obeys.
func FuzzLine(f *testing.F) {
	f.Add("connected", "host", "a\nlevel=ERROR msg=forged", "b")
	f.Add("a\r\nb", "k\x1b[31m", "\x00\xff\u202e", "\u2028\x7f\u0085")
	f.Add("", "=", "\"", strings.Repeat("x", 2000))
	f.Fuzz(func(t *testing.T, message, key, value, group string) {
		var out bytes.Buffer
		l, err := Open(Options{To: Stderr, Level: slog.LevelDebug, Stderr: &out})
		if err != nil {
			t.Fatal(err)
		}
		slog.New(l).WithGroup(group).With(key, value).Warn(message, key, []byte(value), "error", errorText(value))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		line, ended := bytes.CutSuffix(out.Bytes(), []byte("\n"))
		const stamp = len("time=2026-08-01T12:00:00.000+00:00 level=WARN ")
		if !ended || len(line) >= longest+stamp {
			t.Fatalf("a line of %d bytes: %q", len(line), line)
		}
		// DEL, which slog leaves as it is, does nothing on a terminal.
		at := bytes.IndexFunc(line, func(r rune) bool { return r < ' ' || 0x80 <= r && r < 0xa0 || r == '\u2028' })
		if at >= 0 {
			t.Fatalf("%q is in the line %q", line[at:], line)
		}
		if kept := l.Recent(); len(kept) != 1 || !bytes.HasSuffix(line, []byte(" "+kept[0].Text)) || len(kept[0].Text) >= longest {
			t.Fatalf("of the line %q is kept %+v", line, kept)
		}
	})
}

type errorText string

func (e errorText) Error() string { return string(e) }
