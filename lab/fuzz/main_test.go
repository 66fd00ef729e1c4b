package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.." // of the module

// table returns the targets in the table of CONTRIBUTING.md.
func table(t *testing.T) []target {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rows, found := strings.Cut(string(text), "| Bytes | Package | Fuzz targets |\n")
	if !found {
		t.Fatal("CONTRIBUTING.md has no table of what comes from outside")
	}
	rows, _, _ = strings.Cut(rows, "\n\n")
	code := regexp.MustCompile("`([^`]+)`")
	var targets []target
	for line := range strings.Lines(rows) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			t.Fatalf("the row %q has other than three cells", line)
		}
		for _, dir := range code.FindAllStringSubmatch(cells[2], -1) {
			for _, name := range code.FindAllStringSubmatch(cells[3], -1) {
				targets = append(targets, target{dir[1], name[1]})
			}
		}
	}
	return targets
}

// TestTable holds the table of what comes from outside against the targets that there are.
func TestTable(t *testing.T) {
	listed := table(t)
	found, err := findTargets(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range found {
		if !slices.Contains(listed, target) {
			t.Errorf("%s is not in the table of what comes from outside in CONTRIBUTING.md", target)
		}
	}
	for _, target := range listed {
		if !slices.Contains(found, target) {
			t.Errorf("the table of what comes from outside in CONTRIBUTING.md has %s, which is not there", target)
		}
	}
}

// decoding are packages that whoever decodes bytes is likely to need.
var decoding = []string{"bufio", "encoding/base64", "encoding/binary", "encoding/json", "encoding/pem", "net/http",
	"net/textproto", "go.yaml.in/yaml/v3", "github.com/godbus/dbus/v5", "k8s.io/apimachinery/pkg/runtime"}

// TestDecodersHaveTargets: a package that decodes something has a target, or it is named here with the reason why not.
func TestDecodersHaveTargets(t *testing.T) {
	found, err := findTargets(root)
	if err != nil {
		t.Fatal(err)
	}
	decoders := make(map[string]string) // package: an import that says so
	err = walkGo(root, func(dir, path string) error {
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(dir, "lab") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			if name, err := strconv.Unquote(i.Path.Value); err == nil && slices.Contains(decoding, name) {
				decoders[dir] = name
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(decoders) < 5 {
		t.Fatalf("only %v decode anything: the test does not see the code", decoders)
	}
	for dir, imported := range decoders {
		if !slices.ContainsFunc(found, func(t target) bool { return t.dir == dir }) {
			t.Errorf("%s imports %s and has no fuzz target", dir, imported)
		}
	}
}

// module writes a module with fuzz targets and goes there.
func module(t *testing.T, body string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":               "module example.com/m\n",
		"p/p_test.go":          "package p\n\nimport (\n\t\"testing\"\n)\n\n" + body,
		"other/go.mod":         "module example.com/other\n",
		"other/p_test.go":      "package p\n\nimport \"testing\"\n\nfunc FuzzOther(f *testing.F) {}\n",
		"p/testdata/p_test.go": "package p\n\nfunc FuzzData(f int) {}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

const good = "func FuzzGood(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) {}) }\n"

// What is run, and what is said when something is found.
func TestRun(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Fatal(err)
	}
	t.Run("nothing found", func(t *testing.T) {
		module(t, good)
		var out bytes.Buffer
		if err := run(t.Context(), "100x", "", &out); err != nil {
			t.Fatal(err)
		}
		want := regexp.MustCompile(`^p\.FuzzGood +\d+ runs\n1 targets, 100x each: nothing found\n$`)
		if !want.MatchString(out.String()) {
			t.Errorf("got %q", out.String())
		}
	})
	t.Run("something found", func(t *testing.T) {
		module(t, good+
			"func FuzzBad(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) { t.Error(\"broken\") }) }\n")
		var out bytes.Buffer
		err := run(t.Context(), "100x", "", &out)
		if err == nil || err.Error() != "1 of 2 targets failed: p.FuzzBad" {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(out.String(), "broken") || !strings.Contains(out.String(), "FuzzGood") {
			t.Errorf("got %s", out.String())
		}
	})
	t.Run("does not compile", func(t *testing.T) {
		module(t, "func FuzzBad(f *testing.F) { nothing() }\n")
		var out bytes.Buffer
		if err := run(t.Context(), "100x", "", &out); err == nil {
			t.Errorf("got %s", out.String())
		}
	})
	t.Run("no targets", func(t *testing.T) {
		module(t, "func TestNothing(t *testing.T) {}\n")
		if err := run(t.Context(), "100x", "", new(bytes.Buffer)); err == nil {
			t.Error("no targets are no error")
		}
	})
	t.Run("none matches", func(t *testing.T) {
		module(t, good)
		if err := run(t.Context(), "100x", "pkg/none", new(bytes.Buffer)); err == nil {
			t.Error("no targets are no error")
		}
	})
}

func TestOutOfTime(t *testing.T) {
	for said, want := range map[string]bool{
		"fuzz: elapsed: 15s, execs: 10 (0/sec)\n--- FAIL: FuzzX (15.10s)\n    context deadline exceeded\nFAIL\n": true,
		"--- FAIL: FuzzX (15.10s)\n    --- FAIL: FuzzX\n        x_test.go:3: context deadline exceeded\n":        false,
		"    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzX/1\nFAIL\n":              false,
	} {
		if got := outOfTime([]byte(said)); got != want {
			t.Errorf("%q: got %v", said, got)
		}
	}
}
