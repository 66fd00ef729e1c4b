package tools

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is built depends on everything that its key is made of.
func TestKey(t *testing.T) {
	source := t.TempDir()
	m := module{folder: "example", packages: map[string]string{"program": "example.org/program"}}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example")
	write("go.sum", "")
	seen := map[string]bool{}
	for range 2 { // the same again is the same
		key, err := m.key(source, []string{"-trimpath"})
		if err != nil {
			t.Fatal(err)
		}
		seen[key] = true
	}
	for _, change := range []func() []string{
		func() []string { write("go.mod", "module example // changed"); return []string{"-trimpath"} },
		func() []string { write("go.sum", "changed"); return []string{"-trimpath"} },
		func() []string { return nil },
	} {
		key, err := m.key(source, change())
		if err != nil {
			t.Fatal(err)
		}
		seen[key] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d keys, not 4", len(seen))
	}
}

// Every module's requirements name the tool that is built from it, with a version.
func TestModulesAreComplete(t *testing.T) {
	for _, m := range modules() {
		text, err := os.ReadFile(filepath.Join(m.folder, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		for _, pkg := range m.packages {
			if !strings.Contains(string(text), pkg+"\n") {
				t.Errorf("%s/go.mod has no tool %s", m.folder, pkg)
			}
		}
		if _, err := os.Stat(filepath.Join(m.folder, "go.sum")); err != nil {
			t.Error(err)
		}
	}
}

// A second lab waits until the first has built.
func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(name)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		unlock, err := lock(name)
		if err == nil {
			unlock()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("the second did not wait (%v)", err)
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	if err := <-second; err != nil {
		t.Error(err)
	}
}
