package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestPackageOf(t *testing.T) {
	for symbol, want := range map[string]string{
		"main.main":           "main",
		"runtime.mallocgc":    "runtime",
		"net/http.HandleFunc": "net/http",
		"github.com/sniroute/sniroute/pkg/proxy.(*conn).step":     "github.com/sniroute/sniroute/pkg/proxy",
		"gopkg.in/inf%2ev0.(*Dec).Cmp":                            "gopkg.in/inf.v0",
		"slices.SortFunc[go.shape.[]example.com/a/b.T,...].func1": "slices",
		"type:.eq.example.com/a/b.T":                              "example.com/a/b",
		"gogo":                                                    "gogo",
	} {
		if got := packageOf(symbol); got != want {
			t.Errorf("%s: got %s, want %s", symbol, got, want)
		}
	}
}

// The code of a stripped program is found and belongs to its modules.
func TestCodeByModule(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "github.com/sniroute/sniroute/lab/demo")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	code, err := codeByModule(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"github.com/sniroute/sniroute", "golang.org/x/sys", "Go's runtime", "Go's crypto"} {
		if code[module] == 0 {
			t.Errorf("nothing of %s in %v", module, code)
		}
	}
	measured, err := measure(path)
	if err != nil {
		t.Fatal(err)
	}
	if measured.linked != "static" || measured.compressed <= 0 || measured.compressed >= measured.size {
		t.Errorf("measured %+v", measured)
	}
}
