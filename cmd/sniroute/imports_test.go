package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/sniroute/sniroute/"
	root   = "../.." // of the repository
)

// A rule is a row of the table of imports in CONTRIBUTING.md.
type rule struct {
	ours     []string // packages of this module that may be imported
	never    []string // other packages that may not
	standard bool     // nothing beyond the standard library
}

// importRules reads the table.
func importRules(t *testing.T) map[string]rule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| Package | Of ours | Never |")
	if !found {
		t.Fatal("CONTRIBUTING.md has no table of imports")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	code := regexp.MustCompile("`([^`]+)`")
	words := func(cell string) []string {
		var list []string
		for _, m := range code.FindAllStringSubmatch(cell, -1) {
			list = append(list, m[1])
		}
		return list
	}
	rules := make(map[string]rule)
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		rules[words(cells[1])[0]] = rule{words(cells[2]), words(cells[3]), strings.Contains(cells[3], "standard library")}
	}
	return rules
}

// TestImports holds the table against the code.
func TestImports(t *testing.T) {
	rules := importRules(t)
	seen := make(map[string]bool)
	for _, f := range sourceFiles(t) {
		parts := strings.Split(f.dir, "/")
		if parts[0] == "lab" {
			continue // it is never shipped, and may look at everything
		}
		of := strings.Join(parts[:min(2, len(parts))], "/") // a package's subfolders keep its rules
		seen[of] = true
		r, ok := rules[of]
		if !ok {
			t.Errorf("%s: package %s is not in the table of imports in CONTRIBUTING.md", f.path, of)
			continue
		}
		for _, imported := range f.imports {
			if why := r.forbids(of, imported, f.test); why != "" {
				t.Errorf("%s imports %s: %s", f.path, imported, why)
			}
		}
	}
	for of := range rules {
		if !seen[of] {
			t.Errorf("the table of imports in CONTRIBUTING.md has %s, which is not there", of)
		}
	}
}

// forbids says why a file of the package may not import another, or nothing.
func (r rule) forbids(of, imported string, test bool) string {
	ours, isOurs := strings.CutPrefix(imported, module)
	switch {
	case !isOurs && test:
		return ""
	case !isOurs && slices.Contains(r.never, imported):
		return "the table says never"
	case !isOurs && r.standard && strings.Contains(strings.Split(imported, "/")[0], "."):
		return "it is beyond the standard library"
	case !isOurs, ours == of, strings.HasPrefix(ours, of+"/"):
		return ""
	case strings.HasPrefix(ours, "lab/"):
		if test {
			return ""
		}
		return "what is shipped does not use the lab"
	case strings.HasPrefix(of, "cmd/") && slices.Contains(r.ours, "pkg"), slices.Contains(r.ours, ours):
		return ""
	}
	return fmt.Sprintf("%s may import %s", of, strings.Join(append(r.ours, "nothing else of ours"), ", "))
}

// TestForbids: the test can fail.
func TestForbids(t *testing.T) {
	rules := importRules(t)
	for _, c := range []struct {
		of, imported string
		test, want   bool
	}{
		{"pkg/route", "net/netip", false, false},
		{"pkg/route", "net", false, true},
		{"pkg/route", "os", true, false},
		{"pkg/route", module + "pkg/sni", false, true},
		{"pkg/route", module + "pkg/route/internal", false, false},
		{"pkg/uci", "golang.org/x/sys/unix", false, true},
		{"pkg/proxy", module + "pkg/epoll", false, false},
		{"pkg/proxy", module + "pkg/status", false, true},
		{"pkg/proxy", module + "pkg/status", true, true},
		{"pkg/proxy", module + "lab/hello", true, false},
		{"pkg/proxy", module + "lab/hello", false, true},
		{"cmd/sniroute", module + "pkg/watch", false, false},
		{"cmd/sniroute", module + "lab/hello", false, true},
	} {
		if got := rules[c.of].forbids(c.of, c.imported, c.test); (got != "") != c.want {
			t.Errorf("%s imports %s (test: %v): got %q", c.of, c.imported, c.test, got)
		}
	}
}

type sourceFile struct {
	path    string // from the root
	dir     string
	test    bool
	imports []string
}

// sourceFiles returns all Go files of the module.
func sourceFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if rel != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || otherModule(name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := sourceFile{path: rel, dir: path.Dir(filepath.ToSlash(rel)), test: strings.HasSuffix(name, "_test.go")}
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files were found below %s", len(files), root)
	}
	return files
}

// otherModule reports whether a folder is a module of its own.
func otherModule(dir string) bool {
	if filepath.Clean(dir) == root {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
