package uci

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var mixturesFlag = flag.Uint64("mixtures", 200, "random texts on which a uci on PATH is compared")

var casesFlag = flag.String("cases", "testdata", "folder of NAME.conf, NAME.show and NAME.err, as the real uci answers")

// TestRealUCI holds Parse against what the real `uci -c . show NAME` printed: NAME.show, or NAME.err where it refused.
func TestRealUCI(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(*casesFlag, "*.conf"))
	if len(files) == 0 && !filepath.IsAbs(*casesFlag) { // it was meant from the root of the repository
		files, err = filepath.Glob(filepath.Join("../..", *casesFlag, "*.conf"))
	}
	if err != nil || len(files) == 0 {
		t.Fatalf("no NAME.conf in %s (%v)", *casesFlag, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".conf")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			base := strings.TrimSuffix(file, ".conf")
			want := readOptional(t, base+".show")
			refusal := readOptional(t, base+".err")
			f, err := Parse(name, data)
			if len(refusal) > 0 {
				if err == nil {
					t.Fatalf("accepted as\n%swhere uci says %s", show(f), refusal)
				}
				return
			}
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if got := show(f); got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func readOptional(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return data
}

// TestUCIOnPath compares with the real tool, where there is one, on all cases and on random mixtures of their pieces.
func TestUCIOnPath(t *testing.T) {
	tool, err := exec.LookPath("uci")
	if err != nil {
		t.Skip("no uci on PATH: its recorded answers are in testdata")
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, *mixturesFlag))
	texts := seeds(t)
	for range *mixturesFlag {
		texts = append(texts, mixture(random))
	}
	for i, data := range texts {
		if err := os.WriteFile(filepath.Join(dir, "case"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Parse("case", data)
		for _, names := range []bool{false, true} {
			var want string
			if err == nil {
				want = showNamed(f, names)
			} else if syntax := new(SyntaxError); errors.As(err, &syntax) {
				want = fmt.Sprintf("uci: Parse error (%s) at line %d, byte %d\n",
					syntax.Reason, syntax.NoticedLine, syntax.NoticedByte)
			}
			if got := runUCI(tool, dir, names); got != want {
				t.Errorf("text %d %q: uci says\n%s\nParse says\n%s", i, data, got, want)
			}
		}
	}
}

// runUCI returns all that `uci show case` prints.
func runUCI(tool, dir string, names bool) string {
	args := []string{"show", "case"}
	if names {
		args = append([]string{"-X"}, args...)
	}
	out, _ := uciCommand(tool, dir, args...).CombinedOutput() // an error is printed too
	return string(out)
}

// uciCommand is a command for the files in dir, apart from those of this machine.
func uciCommand(tool, dir string, args ...string) *exec.Cmd {
	return &exec.Cmd{Path: tool, Args: append([]string{"uci", "-c", dir, "-C", filepath.Join(dir, "overrides"),
		"-t", filepath.Join(dir, "changes")}, args...)}
}

// mixture strings together pieces of the grammar, most of which fit.
func mixture(r *rand.Rand) []byte {
	pieces := []string{
		"config", "c", "option", "o", "list", "l", "package", "p", " ", " ", " ", " ", "\t", "\n", "\n", "\n", "\r\n",
		"a", "b", "x", "'x'", "\"y\"", "''", "\"\"", "'", "\"", "\\", "\\\n", "\\\r\n", ";", ";", "#", "# c\n",
		"a-b", "\xc3\xa9", "'it'\\''s'", "'two\nlines'", "\"two\nlines\"", "\v", "\x00",
		"0123456789012345678901234567890123456789",
		"config a x\n", "config a\n", "config b 'y'\n", "\toption o 'v'\n", "\tlist l 'v'\n", "option o v",
		"; option p w",
	}
	var b []byte
	if r.IntN(4) > 0 {
		b = append(b, "config a x\n"...)
	}
	for range r.IntN(24) {
		b = append(b, pieces[r.IntN(len(pieces))]...)
	}
	return b
}
