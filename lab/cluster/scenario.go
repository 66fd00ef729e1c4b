package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/controlplane"
)

// A Scenario is one thing that happens in a home, and what must hold then.
type Scenario struct {
	Name string
	Run  func(*T)
}

// soon is how long the lab waits for what should take milliseconds, or what follows a pause between two attempts (at
// most half a minute), so that a busy machine fails nothing.
const soon = 2 * time.Minute

// A T runs one scenario. Like testing.T, Fatalf ends it, and what Cleanup was given runs at its end. The lab is as
// described at Lab.Restore when it begins, and is put back afterwards.
type T struct {
	*Lab
	context.Context

	out      io.Writer
	mu       sync.Mutex
	failed   bool
	cleanups []func()
}

// RunScenarios runs those whose name matches, prints each with its time, and reports how many passed and failed.
func RunScenarios(ctx context.Context, lab *Lab, out io.Writer, scenarios []Scenario, match *regexp.Regexp) (
	passed, failed int) {
	for _, s := range scenarios {
		if !match.MatchString(s.Name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(out, "--- %s\n", s.Name)
		started := time.Now()
		if runScenario(ctx, lab, out, s) {
			passed++
			fmt.Fprintf(out, "ok   %s (%.1fs)\n", s.Name, time.Since(started).Seconds())
		} else {
			failed++
			fmt.Fprintf(out, "FAIL %s (%.1fs)\n", s.Name, time.Since(started).Seconds())
		}
	}
	return passed, failed
}

func runScenario(ctx context.Context, lab *Lab, out io.Writer, s Scenario) bool {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	t := &T{Lab: lab, Context: ctx, out: out}
	said := lab.logSize()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		defer t.clean()
		if err := lab.Restore(ctx); err != nil {
			t.Fatalf("before the scenario: %v", err)
		}
		s.Run(t)
	}()
	<-done
	if t.failed {
		t.Logf("the daemon said meanwhile:\n%s", lab.logSince(said))
	}
	return !t.failed
}

// logSize returns how much the daemon has said so far.
func (l *Lab) logSize() int64 {
	if l.daemon == nil {
		return 0
	}
	info, err := os.Stat(l.daemon.Log)
	if err != nil {
		return 0
	}
	return info.Size()
}

// logSince returns the end of what the daemon has said since then.
func (l *Lab) logSince(size int64) string {
	if l.daemon == nil {
		return ""
	}
	text, err := os.ReadFile(l.daemon.Log)
	if err != nil {
		return err.Error()
	}
	text = text[min(int(size), len(text)):]
	return string(text[max(0, len(text)-6000):])
}

func (t *T) clean() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

// Cleanup runs f when the scenario has ended.
func (t *T) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// Logf prints what was seen.
func (t *T) Logf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, "     "+format+"\n", args...)
}

// Errorf says what does not hold, and goes on.
func (t *T) Errorf(format string, args ...any) {
	t.Logf("NOT AS IT SHOULD BE: "+format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = true
}

// Fatalf says what does not hold, and ends the scenario. Only its own goroutine may call it.
func (t *T) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// Must ends the scenario on an error of the lab itself.
func (t *T) Must(err error) {
	if err != nil {
		_, file, line, _ := runtime.Caller(1)
		t.Fatalf("%s:%d: %v", file, line, err)
	}
}

// Eventually waits until try returns nil and ends the scenario if that takes too long.
func (t *T) Eventually(what string, try func() error) { t.Within(soon, what, try) }

// Within waits until try returns nil and ends the scenario if that takes longer than the limit.
func (t *T) Within(limit time.Duration, what string, try func() error) {
	if err := controlplane.Eventually(t, limit, 10*time.Millisecond, try); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// Holds checks for a while that try keeps returning nil.
func (t *T) Holds(what string, during time.Duration, try func() error) {
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := try(); err != nil {
			t.Fatalf("%s: no longer: %v", what, err)
		}
		if errors.Is(t.Err(), context.DeadlineExceeded) {
			t.Fatalf("%s: the scenario takes too long", what)
		}
	}
}
