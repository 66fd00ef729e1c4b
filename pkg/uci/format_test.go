package uci

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	f := &File{Name: "sniroute"}
	main := f.AddSection("sniroute", "main")
	main.Add("status_listen", "127.0.0.1:1936", "")
	main.Set("log_level", "debug")
	main.Set("log_level", "warn")
	main.Set("gone", "1")
	main.Set("gone", "")
	main.Set("never", "")
	main.Add("nothing")
	route := f.AddSection("route", "")
	route.Set("note", "it's\n\\two\\ lines # no comment; no end")
	route.Set("host", "a")
	route.Add("host", "b")
	f.AddSection("it's", "odd")
	const want = `
config sniroute 'main'
	list status_listen '127.0.0.1:1936'
	list status_listen ''
	option log_level 'warn'

config route
	option note 'it'\''s
\two\ lines # no comment; no end'
	list host 'a'
	list host 'b'

config 'it'\''s' 'odd'
`
	got, err := Format(f)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	again, err := Parse("sniroute", got)
	if err != nil {
		t.Fatal(err)
	}
	if err := sameContents(f, again); err != nil {
		t.Error(err)
	}
	if text, err := Format(&File{}); err != nil || len(text) != 0 {
		t.Errorf("nothing: got %q, %v", text, err)
	}
}

func TestFormatRefuses(t *testing.T) {
	value := func(v ...Value) *Section {
		return &Section{Type: "a", Name: "x", Options: []*Option{{Name: "o", Values: v}}}
	}
	text := Value{Text: "v"}
	for _, c := range []struct {
		sections []*Section
		want     string
	}{
		{[]*Section{value(Value{Text: "a\x00b"})}, "NUL"},
		{[]*Section{value(Value{Text: ""})}, "is empty"},
		{[]*Section{value()}, "no value"},
		{[]*Section{value(text, text)}, "no list"},
		{[]*Section{{Type: "a b", Name: "x"}}, "type"},
		{[]*Section{{Type: "", Name: "x"}}, "type"},
		{[]*Section{{Type: "a", Name: "b-c"}}, "letters"},
		{[]*Section{{Type: "a", Name: ""}}, "letters"},
		{[]*Section{{Type: "a", Name: "x", Options: []*Option{{Name: "b c", Values: []Value{text}}}}}, "letters"},
		{[]*Section{{Type: "a", Name: "x", Options: []*Option{{Name: "b", Values: []Value{text}},
			{Name: "b", Values: []Value{text}}}}}, "twice"},
		{[]*Section{{Type: "a", Name: "x"}, {Type: "b", Name: "x"}}, "twice"},
		{[]*Section{{Type: "a", Anonymous: true}, {Type: "a", Name: anonymousName(1, "a")}}, "twice"},
		{[]*Section{value(Value{Text: strings.Repeat("v", MaxSize)})}, "more than"},
	} {
		got, err := Format(&File{Name: "f", Sections: c.sections})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %q, %v, want %q", got, err, c.want)
		}
	}
}

// sameContents compares all that Format promises to keep.
func sameContents(a, b *File) error {
	if len(a.Sections) != len(b.Sections) {
		return fmt.Errorf("%d sections and %d", len(a.Sections), len(b.Sections))
	}
	for i, s := range a.Sections {
		o := b.Sections[i]
		if s.Type != o.Type || s.Anonymous != o.Anonymous || !s.Anonymous && s.Name != o.Name ||
			len(s.Options) != len(o.Options) {
			return fmt.Errorf("section %+v and %+v", s, o)
		}
		for j, option := range s.Options {
			other := o.Options[j]
			if option.Name != other.Name || option.List != other.List || len(option.Values) != len(other.Values) {
				return fmt.Errorf("option %+v and %+v", option, other)
			}
			for k, v := range option.Values {
				if v.Text != other.Values[k].Text {
					return fmt.Errorf("value %q and %q", v.Text, other.Values[k].Text)
				}
			}
		}
	}
	return nil
}

// FuzzFormat writes files of arbitrary contents: what is written reads back the same.
func FuzzFormat(f *testing.F) {
	f.Add("config", "name", "option", "value", "a", "b", true, false)
	f.Add("it's", "x", "o", "it's\n'\\\n\r\n", "", "#;\"", true, true)
	f.Add("\"", "", "_", " ", "\v\f", "\xff", false, true)
	f.Add("#;", "cfg01", "1", "\\", "'", "''", true, false)
	f.Fuzz(func(t *testing.T, typ, name, option, v1, v2, v3 string, list, second bool) {
		file := &File{Name: "f"}
		s := file.AddSection(typ, name)
		s.Set(option, v1)
		if list {
			s.Add(option+"_", v1, v2, v3)
		}
		if second {
			file.AddSection(typ, "").Set(option, v2)
			file.AddSection(typ, name+"_").Set(option, v3)
		}
		text, err := Format(file)
		if err != nil {
			return
		}
		again, err := Parse("f", text)
		if err != nil {
			t.Fatalf("%q is refused: %v", text, err)
		}
		if err := sameContents(file, again); err != nil {
			t.Fatalf("%q reads back differently: %v", text, err)
		}
	})
}

// FuzzFormatParsed writes what was read, which must read back the same.
func FuzzFormatParsed(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f", data)
		if err != nil {
			return
		}
		text, err := Format(file)
		if err != nil {
			if !strings.Contains(err.Error(), "more than") {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			return
		}
		again, err := Parse("f", text)
		if err != nil {
			t.Fatalf("%q is refused: %v", text, err)
		}
		if err := sameContents(file, again); err != nil {
			t.Fatalf("%q reads back differently: %v", text, err)
		}
	})
}

// TestFormatUCIOnPath has the real tool read what Format wrote, where there is one.
func TestFormatUCIOnPath(t *testing.T) {
	tool, err := exec.LookPath("uci")
	if err != nil {
		t.Skip("no uci on PATH")
	}
	dir := t.TempDir()
	for i, data := range seeds(t) {
		f, err := Parse("case", data)
		if err != nil {
			continue
		}
		text, err := Format(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "case"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, want := runUCI(tool, dir, false), show(f); got != want {
			t.Errorf("text %d %q: uci says\n%s\nwant\n%s", i, text, got, want)
		}
	}
}
