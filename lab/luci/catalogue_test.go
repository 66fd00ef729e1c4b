package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false,
	"write po/templates/sniroute.pot anew, and add to the other catalogues what they lack")

var (
	call        = regexp.MustCompile(`\b_\('((?:[^'\\\n]|\\.)*)'\)`)
	anyCall     = regexp.MustCompile(`\b_\(`)
	placeholder = regexp.MustCompile(`%(?:\d+)?[a-z%]`)
)

// A catalogue's order and comments are those of LuCI's: by text, with the files that use it.
type used map[string][]string

// textsOf finds every text of the package that is shown in another language: in the scripts, the menu and the ACL.
func textsOf(t *testing.T) used {
	t.Helper()
	texts := used{}
	note := func(file, text string) {
		if file = "applications/luci-app-sniroute/" + filepath.ToSlash(file); !slices.Contains(texts[text], file) {
			texts[text] = append(texts[text], file)
		}
	}
	err := fs.WalkDir(os.DirFS(appFolder), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(appFolder, path))
		switch {
		case filepath.Ext(path) == ".js":
			found := call.FindAllStringSubmatch(string(data), -1)
			if all := anyCall.FindAllString(string(data), -1); len(all) != len(found) {
				t.Errorf("%s has %d texts, %d of them as _('...') on one line", path, len(all), len(found))
			}
			for _, f := range found {
				note(path, strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(f[1]))
			}
		case filepath.Ext(path) == ".json":
			var entries map[string]struct{ Title, Description string }
			if err := json.Unmarshal(data, &entries); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			for _, e := range entries {
				for _, text := range []string{e.Title, e.Description} {
					if text != "" {
						note(path, text)
					}
				}
			}
		default:
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// template is the catalogue without translations.
func (u used) template() string {
	return u.catalogue("msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=UTF-8\"\n", nil)
}

func (u used) catalogue(head string, translated map[string]string) string {
	var b strings.Builder
	b.WriteString(head)
	var texts []string
	for text := range u {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	for _, text := range texts {
		files := slices.Sorted(slices.Values(u[text]))
		fmt.Fprintf(&b, "\n#: %s\nmsgid %s\nmsgstr %s\n", strings.Join(files, "\n#: "), quoted(text),
			quoted(translated[text]))
	}
	return b.String()
}

// quoted is what gettext reads: the escapes of C, and the rest as it is.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

func TestTemplate(t *testing.T) {
	path := filepath.Join(appFolder, "po/templates/sniroute.pot")
	want := textsOf(t).template()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the package's texts make; `go test -run TestTemplate -update` writes it anew", path)
	}
}

func TestTranslations(t *testing.T) {
	texts := textsOf(t)
	paths, err := filepath.Glob(filepath.Join(appFolder, "po/*/sniroute.po"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no translations (%v)", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			if *update {
				merge(t, path, texts)
			}
			list, err := readCatalogue(path)
			if err != nil {
				t.Fatal(err)
			}
			translated := map[string]bool{}
			for _, m := range list {
				switch {
				case texts[m.id] == nil:
					t.Errorf("%s:%d: nothing says %q", path, m.line, m.id)
				case translated[m.id]:
					t.Errorf("%s:%d: %q has two translations", path, m.line, m.id)
				case m.text == "" || m.fuzzy:
					t.Errorf("%s:%d: %q is not translated", path, m.line, m.id)
				case strings.TrimSpace(m.text) != m.text:
					t.Errorf("%s:%d: %q begins or ends with a space", path, m.line, m.text)
				case !slices.Equal(placeholders(m.id), placeholders(m.text)):
					t.Errorf("%s:%d: %q and %q have different placeholders", path, m.line, m.id, m.text)
				}
				translated[m.id] = true
			}
			for text := range texts {
				if !translated[text] {
					t.Errorf("%s lacks %s", path, strconv.Quote(text))
				}
				if strings.TrimSpace(text) != text {
					t.Errorf("%q begins or ends with a space, which LuCI takes away", text)
				}
			}
		})
	}
}

// placeholders are in the order of the arguments, which a translation cannot change.
func placeholders(text string) []string { return placeholder.FindAllString(text, -1) }

// merge writes a catalogue anew with what it has, and empty translations of what it lacks.
func merge(t *testing.T, path string, texts used) {
	t.Helper()
	list, err := readCatalogue(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(data), "\n\n")
	translated := map[string]string{}
	for _, m := range list {
		translated[m.id] = m.text
	}
	if err := os.WriteFile(path, []byte(texts.catalogue(head+"\n", translated)), 0o644); err != nil {
		t.Fatal(err)
	}
}
