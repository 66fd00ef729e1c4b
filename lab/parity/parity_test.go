package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestParity: for each haproxy.cfg in pkg/haproxy/testdata, HAProxy and sniroute with its import send the same hellos
// to the same backends, but for the differences that are known.
func TestParity(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sniroute")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/sniroute").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	files, err := filepath.Glob("../../pkg/haproxy/testdata/*.cfg")
	if err != nil || len(files) < 15 {
		t.Fatalf("only %d files (%v)", len(files), err)
	}
	better := make(chan string, 10000)
	t.Run("files", func(t *testing.T) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".cfg"), func(t *testing.T) {
				t.Parallel()
				testParity(t, program, file, better)
			})
		}
	})
	close(better)
	seen := make(map[string]bool)
	for name := range better {
		seen[name] = true
	}
	for _, p := range probes() {
		if p.as != "" && !seen[p.name] {
			t.Errorf("%s: HAProxy does no other than sniroute anywhere", p.name)
		}
	}
}

// testParity tests one file, and reports which of the probes that sniroute is meant to do better with went another way.
func testParity(t *testing.T, program, file string, better chan<- string) {
	file, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	results, err := compare(t.Context(), t.TempDir(), program, file)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) < 40 {
		t.Errorf("only %d hellos were sent", len(results))
	}
	known := differences()[filepath.Base(file)]
	same := 0
	for _, r := range results {
		why, explained := r.explain(results, known)
		if !explained {
			t.Errorf("%s, %s: HAProxy: %s, sniroute: %s %s", r.front, r.hello.name, r.haproxy, r.sniroute, why)
		}
		switch {
		case r.haproxy == r.sniroute:
			same++
		case r.hello.as != "":
			better <- r.hello.name
		}
	}
	t.Logf("%d hellos, %d to the same place", len(results), same)
}

func TestProbes(t *testing.T) {
	list := probes()
	if len(list) != 40 {
		t.Errorf("there are %d, want 40", len(list))
	}
	names := make(map[string]bool)
	for _, p := range list {
		if names[p.name] {
			t.Errorf("%s is there twice", p.name)
		}
		names[p.name] = true
	}
	for _, p := range list {
		if (p.as == "") != (p.why == "") || p.as != "" && p.as != refused && !names[p.as] {
			t.Errorf("%s: as %q, since %q", p.name, p.as, p.why)
		}
	}
}
