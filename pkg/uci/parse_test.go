package uci

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	f, err := Parse("dir/net", []byte(`# a comment
config iface 'lan'
	option proto static
	list dns '1.1.1.1'; list dns 'two
lines'; option x y

config iface
	option proto dh\
cp
	list dns 8.8.8.8
config iface lan
	option mtu '1500'
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []*Section{
		{Type: "iface", Name: "lan", Line: 2, Again: 11, Options: []*Option{
			{Name: "proto", Values: []Value{{"static", 3}}},
			{Name: "dns", List: true, Values: []Value{{"1.1.1.1", 4}, {"two\nlines", 4}}},
			{Name: "x", Values: []Value{{"y", 5}}},
			{Name: "mtu", Values: []Value{{"1500", 12}}},
		}},
		{Type: "iface", Name: "cfg02a57d", Anonymous: true, Line: 7, Options: []*Option{
			{Name: "proto", Values: []Value{{"dhcp", 8}}},
			{Name: "dns", List: true, Values: []Value{{"8.8.8.8", 10}}},
		}},
	}
	if err := compare(f.Sections, want); err != "" {
		t.Error(err)
	}
}

func compare(got, want []*Section) string {
	if reflect.DeepEqual(got, want) {
		return ""
	}
	return "got\n" + show(&File{Name: "f", Sections: got}) + "want\n" + show(&File{Name: "f", Sections: want})
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		text, want string
		noticed    int
	}{
		{"config a x\n\toption o 'abc\n\n\n", "f:2: EOF with unterminated ' (noticed in line 4)", 4},
		{"config a x\n\toption o \"abc", "f:2: EOF with unterminated \"", 1},
		{"config a x\n\n  foo bar\n", "f:3: invalid command", 3},
		{"config\n", "f:1: invalid command", 1},
		{"config", "f:1: config without name", 0},
		{"config \n", "f:1: insufficient arguments", 1},
		{"config a x y\n", "f:1: too many arguments", 1},
		{"config a x\noption o v w\n", "f:2: too many arguments", 2},
		{"config a x\noption o 'v'; list\n", "f:2: invalid command", 2},
		{"config a b-c\n", "f:1: invalid character in name field", 1},
		{"config \"a b\" c\n", "f:1: invalid character in type field", 1},
		{"config a x\nconfig b x\n", "f:2: section of different type overwrites prior section with same name", 2},
		{"option a b\n", "f:1: option/list command found before the first section", 1},
		{"package a.b\n", "f:1: invalid character in name field", 1},
		{";\n", "f:1: invalid command", 1},
	} {
		_, err := Parse("f", []byte(c.text))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: %v is no SyntaxError", c.text, err)
			continue
		}
		if syntax.Error() != c.want || syntax.NoticedLine != c.noticed {
			t.Errorf("%q: got %q (%d), want %q (%d)", c.text, syntax, syntax.NoticedLine, c.want, c.noticed)
		}
	}
}

// TestRepeatedSection: a section that is opened again remembers where, and one that may not be says what is in the way.
func TestRepeatedSection(t *testing.T) {
	f, err := Parse("f", []byte("config a x\nconfig a y\nconfig a x\nconfig b y\n"))
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Prior != f.Section("y") {
		t.Errorf("%+v", err)
	}
	if x, y := f.Section("x"), f.Section("y"); x.Line != 1 || x.Again != 3 || y.Line != 2 || y.Again != 0 {
		t.Errorf("%+v, %+v", x, y)
	}
}

func TestAnonymousNames(t *testing.T) {
	text := "config system\nconfig timeserver 'ntp'\nconfig led\nconfig system cfg01e48a\noption a b\n"
	f, err := Parse("system", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range f.Sections {
		names = append(names, s.Name)
	}
	// cfg01e48a is how every router calls the first section of /etc/config/system. It can be named like any other.
	if got, want := strings.Join(names, " "), "cfg01e48a ntp cfg038bba"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if o := f.Sections[0].Option("a"); o == nil || o.Values[0].Text != "b" || o.Line() != 5 {
		t.Errorf("option by generated name: got %v", o)
	}
	if o := f.Sections[0].Option("b"); o != nil {
		t.Errorf("an option that is not there: got %v", o)
	}
}

func TestBounds(t *testing.T) {
	if _, err := Parse("f", make([]byte, MaxSize+1)); err == nil || !strings.Contains(err.Error(), "too much") {
		t.Errorf("too large: got %v", err)
	}
	// Each fills the whole size with one thing: none may take more than linear time, which is felt here if it does.
	for _, c := range []struct{ head, unit string }{
		{"", "config a\n"},
		{"", "config a 'x';"},
		{"config a x\n", "list l ''\n"},
		{"config a x\n", "option o 'v';"},
		{"config a x\noption o ", "\\\n"},
		{"config a x\noption o '", "\n"},
		{"config a x\noption o ", "\\\x00\n"},
		{"", "\x00\n"},
		{"", "#\x00\n"},
	} {
		data := c.head + strings.Repeat(c.unit, (MaxSize-len(c.head))/len(c.unit))
		if _, err := Parse("f", []byte(data)); err != nil && !strings.Contains(err.Error(), "unterminated") {
			t.Errorf("%q over and over: %v", c.unit, err)
		}
	}
}

// seeds returns texts that are odd in one way each, and all recorded cases.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	var seeds [][]byte
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, data)
	}
	for _, s := range []string{
		"config a x;option o v\n",
		"config a 'x';option o 'v'\n",
		"config a x ;option o v ;option p w\n",
		"config a x\noption o v#w\n",
		"config a x\noption o 'v'#w\n",
		"config a x\noption o \"a\\\nb\"\n",
		"config a x\r\noption o a\\\r\nb\r\n",
		"config a x\noption o a\\\n b\n",
		"config a x\noption o 'a\\\nb'\n",
		"c a x\no o v\nl p w\np q\n",
		"config a x\noption o v\noption o ''\n",
		"config a x\nlist o v\nlist o ''\noption o w\n",
		"config a ''\nconfig a \"\"\nconfig b\n",
		"config a x\nconfig a y\nconfig a x\noption o 1\n",
		"package p\nconfig a x\n",
		"package 'a-b'\n",
		"config a!b'c'\noption o v\n",
		"config a\\ b x\n",
		"config a x\x00y\noption o v\n",
		"config a x\noption o a\x00b\noption p c\n",
		"\x00\nconfig a x\n",
		"config a x\noption o 'a\x00b\nc'\noption p q\n",
		"config a x\noption o \xff\xfe\n",
		"config a x\n\v\f option o v\n",
		"config a x\noption o v\vw\n",
		"config\ta\tx\n",
		"config a cfg01e48a\nconfig a\n",
		"config a x\noption o v\\",
		"config a x\noption o v\\\n",
		"config a x\noption o 'v'\\\n",
		"config a x\noption o v '' \n",
		"config a x\noption o v '' w\n",
		"config a x\noption 'o' v\noption \"p\" v\n",
		"config a x\noption o v;;\n",
		"config a x\noption o 'v';;option p w\n",
		"config a x\noption o 'v' ; # c\n",
		"config",
		"config ",
		"config a",
		"# c",
		"#",
		" ",
		"\n",
		"\r\n",
		"config a x\noption 0123456789012345678901234567890123456789 v\n",
		"config a x\noption o '0123456789012345678901234567890\n0123456789012345678901234567890\n0123456789'\n",
	} {
		seeds = append(seeds, []byte(s))
	}
	return seeds
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f", data)
		if err != nil {
			return
		}
		text := export(file)
		if len(text) > MaxSize {
			return
		}
		again, err := Parse("f", []byte(text))
		if err != nil {
			t.Fatalf("exported as\n%s\nrefused: %v", text, err)
		}
		if show(again) != show(file) {
			t.Fatalf("reads back as\n%s\nwas\n%s", show(again), show(file))
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data := []byte(strings.Repeat("config route\n\tlist host 'app.k8s.example.com'\n\toption backend \"k8s\"\n", 1000))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse("f", data); err != nil {
			b.Fatal(err)
		}
	}
}
