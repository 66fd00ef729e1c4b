package uci

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// edited is a file as a person keeps it.
const edited = `# My router.

config sniroute 'main'	# one of it
	option enabled '1'
    option  log_level   "debug" # for now
	# option access_log '1'

config listener https
	list listen ':8443'
	list listen '[::1]:8443'
	option default_backend ''

config route
	option host a.example.com; option backend 'nas'

config listener https
	option wan_port '443'
`

// An edit is a change of a Document.
type edit func(d *Document) error

func set(section, option, value string) edit {
	return func(d *Document) error { return d.Set(section, option, value) }
}

func setList(section, option string, values ...string) edit {
	return func(d *Document) error { return d.SetList(section, option, values...) }
}

func add(section, option, value string) edit {
	return func(d *Document) error { return d.Add(section, option, value) }
}

func remove(section, option, value string) edit {
	return func(d *Document) error { return d.Remove(section, option, value) }
}

func del(section, option string) edit {
	return func(d *Document) error { return d.Delete(section, option) }
}

func delSection(section string) edit {
	return func(d *Document) error { return d.DeleteSection(section) }
}

func addSection(typ, name string) edit {
	return func(d *Document) error { _, err := d.AddSection(typ, name); return err }
}

// TestEdit says line by line what a change does to the text.
func TestEdit(t *testing.T) {
	for _, c := range []struct {
		name string
		edit edit
		want string // lines of a diff
	}{
		{"the value it has", set("main", "enabled", "1"), ""},
		{"another value", set("main", "log_level", "it's"), `
-    option  log_level   "debug" # for now
+    option  log_level   'it'\''s' # for now
`},
		{"a new option stands behind the others, as they do", set("main", "loops", "2"), `
+    option loops '2'
`},
		{"a new option of a section in two parts", set("https", "proto", "tls"), `
+	option proto 'tls'
`},
		{"an empty option is filled", set("https", "default_backend", "nas"), `
-	option default_backend ''
+	option default_backend 'nas'
`},
		{"an option goes, its comment stays", del("main", "log_level"), `
-    option  log_level   "debug" # for now
+     # for now
`},
		{"an option goes with its line", set("main", "enabled", ""), `
-	option enabled '1'
`},
		{"no option goes", del("main", "nothing"), ""},
		{"a list item", add("https", "listen", ":443"), `
+	list listen ':443'
`},
		{"a new list", add("https", "allow", "10.0.0.0/8"), `
+	list allow '10.0.0.0/8'
`},
		{"an option becomes a list", add("main", "enabled", "2"), `
+	list enabled '2'
`},
		{"a list item goes", remove("https", "listen", ":8443"), `
-	list listen ':8443'
`},
		{"no list item goes", remove("https", "listen", ":1"), ""},
		{"no list", remove("main", "enabled", "1"), ""},
		{"other list items", setList("https", "listen", ":1", "[::1]:8443", ":2"), `
-	list listen ':8443'
+	list listen ':1'
+	list listen ':2'
`},
		{"a list item before the others", setList("https", "listen", ":0", ":8443", "[::1]:8443"), `
+	list listen ':0'
`},
		{"a list becomes an option", set("https", "listen", ":1"), `
-	list listen ':8443'
-	list listen '[::1]:8443'
+	option listen ':1'
`},
		{"an option becomes a list of one", setList("main", "enabled", "1"), `
-	option enabled '1'
+	list enabled '1'
`},
		{"behind a bare word and a semicolon", set("cfg03c8b4", "host", "b"), `
-	option host a.example.com; option backend 'nas'
+	option host 'b' #; option backend 'nas'
`},
		{"behind it", set("cfg03c8b4", "new", "1"), `
+	option new '1'
`},
		{"a section goes, comments stay", delSection("main"), `
-config sniroute 'main'	# one of it
-	option enabled '1'
-    option  log_level   "debug" # for now
+	# one of it
+     # for now
`},
		{"a section of two parts goes", delSection("https"), `
-config listener https
-	list listen ':8443'
-	list listen '[::1]:8443'
-	option default_backend ''
-
-
-config listener https
-	option wan_port '443'
`},
		{"a section", addSection("backend", "nas"), `
+
+config backend 'nas'
`},
		{"an anonymous section", addSection("backend", ""), `
+
+config backend
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := document(t, edited)
			if err := c.edit(d); err != nil {
				t.Fatal(err)
			}
			if got, want := diff(edited, string(d.Bytes())), strings.TrimPrefix(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func document(t testing.TB, text string) *Document {
	t.Helper()
	d, err := ParseDocument("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// diff lists the lines that differ between two texts, where what is the same in both has the same order.
func diff(a, b string) string {
	old, changed := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	// The longest common subsequence of the rest of old and the rest of changed.
	common := make([][]int, len(old)+1)
	for i := len(old); i >= 0; i-- {
		common[i] = make([]int, len(changed)+1)
		for j := len(changed) - 1; i < len(old) && j >= 0; j-- {
			if old[i] == changed[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var gone, come, out strings.Builder
	flush := func() {
		out.WriteString(gone.String() + come.String())
		gone.Reset()
		come.Reset()
	}
	for i, j := 0, 0; i < len(old) || j < len(changed); {
		switch {
		case i < len(old) && j < len(changed) && old[i] == changed[j]:
			i, j = i+1, j+1
		case j == len(changed) || i < len(old) && common[i+1][j] >= common[i][j+1]:
			gone.WriteString("-" + old[i])
			i++
		default:
			come.WriteString("+" + changed[j])
			j++
		}
	}
	flush()
	return out.String()
}

// TestEditOddities changes texts that libuci reads in its own way.
func TestEditOddities(t *testing.T) {
	for _, c := range []struct {
		text string
		edit edit
		want string
	}{
		// Several statements in a line.
		{"config a 'x'; option o 'v'; option p 'w'\n", set("x", "o", "n"),
			"config a 'x'; option o 'n'; option p 'w'\n"},
		{"config a 'x'; option o 'v'; option p 'w'\n", del("x", "o"), "config a 'x'; option p 'w'\n"},
		{"config a 'x'; option o 'v'; option p 'w'\n", del("x", "p"), "config a 'x'; option o 'v'\n"},
		{"config a 'x'; option o 'v'; option p 'w' # c\n", del("x", "p"), "config a 'x'; option o 'v' # c\n"},
		{"config a 'x'; option o 'v'; config a 'y'; option p 'w'\n", set("x", "n", "1"),
			"config a 'x'; option o 'v' ; option n '1'; config a 'y'; option p 'w'\n"},
		{"config a 'x'; option o 'v'; config a 'y'; option p 'w'\n", delSection("x"), "config a 'y'; option p 'w'\n"},
		{"config a 'x'; option o 'v'; config a 'y'; option p 'w'\n", delSection("y"), "config a 'x'; option o 'v'\n"},
		{"config a 'x'; list o 'v'; list o 'w'; option p 'u'\n", set("x", "o", "n"),
			"config a 'x'; option o 'n'; option p 'u'\n"},
		// What a bare word's semicolon hides stays hidden.
		{"config a x\noption o v;option p w\n", set("x", "o", "n"), "config a x\noption o 'n' #;option p w\n"},
		{"config a x\noption o v;option p w\n", del("x", "o"), "config a x\n#;option p w\n"},
		{"config a x;option p w\n", delSection("x"), "#;option p w\n"},
		{"config a 'x'; option o v;option p w\n", del("x", "o"), "config a 'x' #;option p w\n"},
		{"config a x\noption o;option p w\n", set("x", "o", "n"), "config a x\noption o 'n' #;option p w\n"},
		// Values over several lines, and joined lines.
		{"config a x\noption o 'v\nw'\noption p \"\n\"\n", set("x", "o", "n"),
			"config a x\noption o 'n'\noption p \"\n\"\n"},
		{"config a x\noption o 'v\nw'\noption p 1\n", del("x", "o"), "config a x\noption p 1\n"},
		{"config a x\noption o a\\\nb\noption p 1\n", set("x", "o", "n"), "config a x\noption o 'n'\noption p 1\n"},
		{"config a x\noption o v \\\n\noption p 1\n", del("x", "o"), "config a x\noption p 1\n"},
		{"config a x\noption o v\\", set("x", "p", "1"), "config a x\noption o v\\\n\noption p '1'\n"},
		{"config a x\noption o v \\\r\n", add("x", "o", "w"),
			"config a x\noption o v \\\r\n\nlist o 'w'\r\n"},
		{"config a x\noption o v\\\n", set("x", "p", "1"), "config a x\noption o v\\\n\noption p '1'\n"},
		{"config a x\noption o v\\\n# c\n", set("x", "p", "1"), "config a x\noption o v\\\n# c\noption p '1'\n"},
		// Empty words end a statement.
		{"config a x\noption o v '' option p w\n", del("x", "o"), "config a x\noption p w\n"},
		{"config a x\noption o v '' option p w\n", del("x", "p"), "config a x\noption o v\n"},
		{"config a x\noption o v ''\noption p w\n", del("x", "o"), "config a x\noption p w\n"},
		{"config a x\noption o v '' # c\n", del("x", "o"), "config a x\n# c\n"},
		// Ends of lines and of the text.
		{"config a x\r\n\toption o v\r\n", set("x", "p", "1\r\n2"),
			"config a x\r\n\toption o v\r\n\toption p '1\r\n2'\r\n"},
		{"config a x\r\noption o v\r\noption p w\r\n", del("x", "o"), "config a x\r\noption p w\r\n"},
		{"config a x\n  option o v", set("x", "p", "1"), "config a x\n  option o v\n  option p '1'\n"},
		{"config a x", set("x", "p", "1"), "config a x\n\toption p '1'\n"},
		{"config a x ; ", set("x", "p", "1"), "config a x ; #\n\toption p '1'\n"},
		{"config a x\noption o \\\r", set("x", "p", "1"), "config a x\noption o \\\r \n\noption p '1'\n"},
		{"config a x '' ", set("x", "p", "1"), "config a x '' #\n\toption p '1'\n"},
		{"config a x\n  option o v", del("x", "o"), "config a x\n"},
		{"config a x\n", delSection("x"), ""},
		{"", addSection("a", "x"), "config a 'x'\n"},
		{"# c", addSection("a", "x"), "# c\n\nconfig a 'x'\n"},
		{"config a x\r\n", addSection("a", ""), "config a x\r\n\r\nconfig a\r\n"},
		// Short keywords.
		{"c a x\no o v\n", setList("x", "o", "v"), "c a x\nl o v\n"},
		{"c a x\nl o v\nl o w\n", set("x", "o", "w"), "c a x\no o w\n"},
		{"config a x\noption o v\n", setList("x", "o", "", "w"), "config a x\nlist o ''\nlist o 'w'\n"},
		// Statements that later ones make void.
		{"config a x\noption o 1\noption o 2\n", set("x", "o", "3"), "config a x\noption o '3'\n"},
		{"config a x\nlist o 1\noption o 2\nlist o 3\n", remove("x", "o", "2"), "config a x\nlist o 3\n"},
		{"config a x\nlist o 1\noption o 2\nlist o 3\n", remove("x", "o", "3"), "config a x\nlist o 2\n"},
		{"config a x\noption o 1\noption o ''\n", del("x", "o"), "config a x\n"},
		{"config a x\noption o # c\n", set("x", "o", "1"), "config a x\noption o '1' # c\n"},
		{"config a x\noption o ;\n", set("x", "o", "1"), "config a x\noption o '1'\n"},
		{"config a x\nlist o\n", remove("x", "o", ""), "config a x\n"},
		// The empty line before a section.
		{"config a x\noption o v \\\n\nconfig a y\noption p 1\n", delSection("y"), "config a x\noption o v \\\n\n"},
		{"\nconfig a x\n\n\nconfig a y\n\nconfig a z\n", delSection("y"), "\nconfig a x\n\n\nconfig a z\n"},
	} {
		d := document(t, c.text)
		if err := c.edit(d); err != nil {
			t.Errorf("%q: %v", c.text, err)
		} else if got := string(d.Bytes()); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

func TestEditRefuses(t *testing.T) {
	for _, c := range []struct {
		text string
		edit edit
		want string
	}{
		{edited, set("nas", "o", "v"), `f: there is no section "nas"`},
		{edited, add("nas", "o", "v"), `f: there is no section "nas"`},
		{edited, remove("nas", "o", "v"), `f: there is no section "nas"`},
		{edited, del("nas", "o"), `f: there is no section "nas"`},
		{edited, delSection("nas"), `f: there is no section "nas"`},
		{edited, set("main", "o-p", "v"), `section "main": option "o-p": names are letters`},
		{edited, set("main", "", "v"), `section "main": option "": names are letters`},
		{edited, set("main", "o", "a\x00b"), `section "main": option "o": a value holds a NUL byte`},
		{edited, setList("main", "o", "a", "\x00"), `section "main": option "o": a value holds a NUL byte`},
		{edited, add("main", "o", "a\x00b"), `section "main": option "o": a value holds a NUL byte`},
		{edited, addSection("backend", "a-b"), `section "a-b": names are letters`},
		{edited, addSection("back end", "a"), `section "a": the type "back end" is not printable ASCII`},
		{edited, addSection("", "a"), `section "a": the type "" is not printable ASCII`},
		{edited, addSection("listener", "main"), `there is a section "main" already`},
		{"config system\nconfig system cfg02e48a\n", delSection("cfg01e48a"), ""},
		{"config a cfg01e48a\nconfig system\n", addSection("system", "cfg01e48a"), "already"},
		{edited, set("main", "o", strings.Repeat("v", MaxSize)), "are too much for a configuration file"},
		// A name that libuci made refers to the section at that place: without what stands before, to none.
		{"config b\nconfig system\nconfig system cfg02e48a\noption o v\n", delSection(anonymousName(1, "b")),
			"something else"},
	} {
		d := document(t, c.text)
		err := c.edit(d)
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
		if string(d.Bytes()) != c.text {
			t.Errorf("%q: the text changed to %q", c.want, d.Bytes())
		}
	}
	for text, want := range map[string]string{
		"config a 'x\x00'\n":           "NUL",
		"config\n":                     "f:1: invalid command",
		strings.Repeat("#", MaxSize+1): "too much",
	} {
		if _, err := ParseDocument("f", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// What is added and removed again leaves no trace.
func TestEditAndBack(t *testing.T) {
	d := document(t, edited)
	for range 3 {
		name, err := d.AddSection("route", "")
		for _, e := range []edit{
			set(name, "backend", "nas"), add(name, "host", "a"), add(name, "host", "b"), set("main", "loops", "2"),
			add("https", "listen", ":1"), remove("https", "listen", ":1"), del("main", "loops"), delSection(name),
		} {
			if err == nil {
				err = e(d)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := string(d.Bytes()); got != edited {
		t.Errorf("got\n%s", diff(edited, got))
	}
}

// apart returns the text without the statements of an option (or of a section, if option is empty), and without what
// stands between statements, besides comments: what must stay when these change.
func apart(d *Document, section, option string) string {
	var b []byte
	at := 0
	for _, s := range d.spans {
		if s.section != nil && s.section.Name == section && (option == "" || s.option == option) {
			b = append(b, d.data[at:s.start]...)
			at = s.words
		}
	}
	b = append(b, d.data[at:]...)
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(" \t\n\v\f\r;#'\"\\", c) {
			return -1
		}
		return c
	}, string(b))
}

// changeAtRandom makes a change of some section and option and checks that it did no more than that.
func changeAtRandom(t *testing.T, d *Document, random *rand.Rand) {
	t.Helper()
	before := string(d.Bytes())
	file := d.File()
	values := []string{"v", "", "w", "it's", "two\nlines", " ", "#", ";", "\\", "\"", "a\\\nb", "\r\n"}
	value := func() string { return values[random.IntN(len(values))] }
	if len(file.Sections) == 0 || random.IntN(8) == 0 {
		name := []string{"", "new", fmt.Sprintf("n%d", random.IntN(100))}[random.IntN(3)]
		rest := apart(d, "", "-")
		added, err := d.AddSection("type", name)
		if err != nil {
			if strings.Contains(err.Error(), "already") || strings.Contains(err.Error(), "too much") {
				return
			}
			t.Fatalf("%q: %v", before, err)
		}
		if got := apart(d, added, ""); got != rest {
			t.Fatalf("%q: what is apart was %q and is %q", before, rest, got)
		}
		return
	}
	s := file.Sections[random.IntN(len(file.Sections))]
	names := []string{"o", "new"}
	for _, o := range s.Options {
		names = append(names, o.Name)
	}
	section, option := s.Name, names[random.IntN(len(names))]
	if file.Section(section) != s {
		return // it cannot be named
	}
	rest := apart(d, section, option)
	var err error
	var done string
	switch random.IntN(6) {
	case 0:
		done, rest, option = "DeleteSection "+section, apart(d, section, ""), ""
		err = d.DeleteSection(section)
	case 1:
		done = "Delete " + option
		err = d.Delete(section, option)
	case 2:
		v := value()
		done = fmt.Sprintf("Add %s %q", option, v)
		err = d.Add(section, option, v)
	case 3:
		v := value()
		if o := s.Option(option); o != nil {
			v = o.Values[random.IntN(len(o.Values))].Text
		}
		done = fmt.Sprintf("Remove %s %q", option, v)
		err = d.Remove(section, option, v)
	case 4:
		list := s.Option(option).texts()
		for range random.IntN(4) {
			list = slices.Insert(list, random.IntN(len(list)+1), value())
		}
		random.Shuffle(len(list)*random.IntN(2), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:random.IntN(len(list)+1)]
		done = fmt.Sprintf("SetList %s %q", option, list)
		err = d.SetList(section, option, list...)
	case 5:
		v := value()
		done = fmt.Sprintf("Set %s %q", option, v)
		err = d.Set(section, option, v)
	}
	if err != nil {
		if strings.Contains(err.Error(), "too much") || namesByPosition(file) {
			return
		}
		t.Fatalf("%q: %s: %v", before, done, err)
	}
	if strings.HasPrefix(done, "DeleteSection") {
		section = ""
		option = "-"
	}
	if got := apart(d, section, option); got != rest {
		t.Fatalf("%q: %s: %q: what is apart was %q and is %q", before, done, d.Bytes(), rest, got)
	}
}

// namesByPosition reports whether a file names a section as libuci names anonymous ones: then removing a section may
// change which sections are one, and is refused.
func namesByPosition(f *File) bool {
	return slices.ContainsFunc(f.Sections, func(s *Section) bool {
		return strings.HasPrefix(s.Name, "cfg") && !s.Anonymous
	})
}

func TestEditAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	changed := 0
	for range 8000 {
		d, err := ParseDocument("f", bytes.ReplaceAll(mixture(random), []byte{0}, nil))
		if err != nil {
			continue
		}
		for range 1 + random.IntN(6) {
			changeAtRandom(t, d, random)
		}
		changed++
	}
	if changed < 300 {
		t.Errorf("only %d texts were valid", changed)
	}
}

// TestEditUCIOnPath makes the same changes with the real tool, where there is one: both texts must say the same.
func TestEditUCIOnPath(t *testing.T) {
	tool, err := exec.LookPath("uci")
	if err != nil {
		t.Skip("no uci on PATH")
	}
	random := rand.New(rand.NewPCG(7, *mixturesFlag))
	texts := append(seeds(t), []byte(edited))
	for range 10 * *mixturesFlag {
		texts = append(texts, mixture(random))
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "case")
	compared := 0
	for _, data := range texts {
		d, err := ParseDocument("case", data)
		if err != nil || len(d.File().Sections) == 0 || namesByPosition(d.File()) {
			continue
		}
		s := d.File().Sections[random.IntN(len(d.File().Sections))]
		option, value := "o", []string{"v", "it's", "two\nlines", "\\", "#"}[random.IntN(5)]
		if len(s.Options) > 0 && random.IntN(4) > 0 {
			o := s.Options[random.IntN(len(s.Options))]
			option = o.Name
			if random.IntN(2) > 0 {
				value = o.Values[random.IntN(len(o.Values))].Text
			}
		}
		at := "case." + s.Name + "." + option
		var args []string
		switch random.IntN(5) {
		case 0:
			args, err = []string{"set", at + "=" + value}, d.Set(s.Name, option, value)
		case 1:
			args, err = []string{"add_list", at + "=" + value}, d.Add(s.Name, option, value)
		case 2:
			args, err = []string{"del_list", at + "=" + value}, d.Remove(s.Name, option, value)
		case 3:
			args, err = []string{"delete", at}, d.Delete(s.Name, option)
		case 4:
			args, err = []string{"delete", "case." + s.Name}, d.DeleteSection(s.Name)
		}
		if err != nil {
			t.Errorf("%q: %q: %v", data, args, err)
			continue
		}
		write := func(b []byte) {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		lines := func() []string {
			return slices.Sorted(strings.SplitSeq(runUCI(tool, dir, false), "\n")) // the order of options says nothing
		}
		write(data)
		out, err := uciCommand(tool, dir, args...).CombinedOutput()
		if err != nil && string(out) != "uci: Entry not found\n" {
			t.Fatalf("%q: uci %q: %v %s", data, args, err, out)
		}
		if out, err := uciCommand(tool, dir, "commit", "case").CombinedOutput(); err != nil {
			t.Fatalf("%q: uci commit: %v %s", data, err, out)
		}
		want := lines()
		write(d.Bytes())
		if got := lines(); !slices.Equal(got, want) {
			t.Errorf("%q: %q makes %q: uci reads\n%q\nand made\n%q", data, args, d.Bytes(), got, want)
		}
		compared++
	}
	if compared < 100 {
		t.Errorf("only %d changes were compared", compared)
	}
}

func FuzzEdit(f *testing.F) {
	f.Add([]byte(edited), uint64(0))
	for i, s := range seeds(f) {
		f.Add(s, uint64(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		d, err := ParseDocument("f", data)
		if err != nil {
			return
		}
		random := rand.New(rand.NewPCG(seed, 0))
		for range 1 + random.IntN(6) {
			changeAtRandom(t, d, random)
		}
	})
}
