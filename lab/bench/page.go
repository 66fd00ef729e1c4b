package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/template"

	"golang.org/x/sys/unix"
)

//go:embed page.md
var page string

// facts are what the page says about a run besides its table.
type facts struct {
	Rounds, Names     int
	Duration          string
	Table             string
	Kernel, Processor string
	Go                string
	Versions          []string // what each program says of itself
}

// writePage writes a page with the table to a file, whole or not at all.
func (b *bench) writePage(path, duration, table string) error {
	f := facts{Rounds: b.rounds, Names: b.names, Duration: duration, Table: table, Go: runtime.Version()}
	var system unix.Utsname
	if err := unix.Uname(&system); err != nil {
		return fmt.Errorf("ask for the kernel's version: %w", err)
	}
	f.Kernel = unix.ByteSliceToString(system.Release[:])
	f.Processor = processor()
	seen := make(map[string]bool)
	for _, p := range b.proxies {
		if !seen[p.program] && p.configuration != "sniroute" {
			seen[p.program] = true
			f.Versions = append(f.Versions, version(p.program))
		}
	}
	var text bytes.Buffer
	if err := template.Must(template.New("page").Parse(page)).Execute(&text, f); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	if err := os.WriteFile(path+".new", text.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// version returns the first line that a program says about its version.
func version(program string) string {
	for _, flag := range []string{"-v", "-V"} {
		said, err := exec.Command(program, flag).CombinedOutput()
		if line, _, _ := strings.Cut(string(said), "\n"); err == nil && line != "" {
			return strings.TrimSuffix(strings.TrimSpace(line), " - https://haproxy.org/")
		}
	}
	return program + ", of unknown version"
}

// processor returns the model of the machine's processor.
func processor() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
