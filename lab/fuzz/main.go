// Command fuzz runs every fuzz target of the module in turn, from its root:
//
//	go run ./lab/fuzz -time 15s
//	go run ./lab/fuzz -time 10m -run 'pkg/(sni|uci)'
//
// As many run at the same time as there are processors, up to four, with one worker each. It goes on behind a target
// that fails, and says at the end which did. What a target found then lies in its package's testdata/fuzz, to be
// committed with what mends it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	each := flag.String("time", "15s", "how long each target runs, or on how many inputs: 1000x")
	only := flag.String("run", "", "regular expression for the targets that run, as PACKAGE.TARGET")
	flag.Parse()
	if err := run(ctx, *each, *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, each, only string, out io.Writer) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	targets, err := findTargets(".")
	if err != nil {
		return err
	}
	all := len(targets)
	targets = slices.DeleteFunc(targets, func(t target) bool { return !wanted.MatchString(t.String()) })
	if len(targets) == 0 {
		return fmt.Errorf("none of the %d targets matches %q", all, only)
	}
	failed := fuzzAll(ctx, targets, each, out)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case len(failed) > 0:
		return fmt.Errorf("%d of %d targets failed: %s", len(failed), len(targets), strings.Join(failed, ", "))
	}
	fmt.Fprintf(out, "%d targets, %v each: nothing found\n", len(targets), each)
	return nil
}

// fuzzAll runs targets and returns the names of those that failed.
func fuzzAll(ctx context.Context, targets []target, each string, out io.Writer) (failed []string) {
	var running sync.WaitGroup
	var mu sync.Mutex // protects failed and out
	slots := make(chan struct{}, min(runtime.NumCPU(), 4))
	for _, t := range targets {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			runs, err := t.fuzz(ctx, each)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case ctx.Err() != nil:
			case err != nil:
				fmt.Fprintf(out, "%-40s FAILED\n%v\n", t, err)
				failed = append(failed, t.String())
			default:
				fmt.Fprintf(out, "%-40s %10s runs\n", t, runs)
			}
		})
	}
	running.Wait()
	return failed
}

// building is how long compiling and ending a target may take, on a slow machine.
const building = 15 * time.Minute

// tries is how often a target is run that came to nothing because the machine is busy.
const tries = 3

// fuzz runs a target and returns how many inputs it was given.
func (t target) fuzz(ctx context.Context, each string) (runs string, err error) {
	limit := tries * building
	if d, err := time.ParseDuration(each); err == nil {
		limit += tries * d
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for range tries {
		// Inputs that are merely new are not minimized for long: that time is better spent on others.
		cmd := exec.CommandContext(ctx, "go", "test", "./"+t.dir, "-run", "^$", "-fuzz", "^"+t.name+"$",
			"-fuzztime", each, "-fuzzminimizetime", "1s", "-parallel", "1")
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // which its workers see too
		cmd.WaitDelay = 30 * time.Second
		var said []byte
		said, err = cmd.CombinedOutput()
		if err == nil {
			if runs, err = execs(said); err == nil {
				return runs, nil
			}
			continue
		}
		err = fmt.Errorf("%w\n%s", err, said)
		if !outOfTime(said) {
			return "", err
		}
	}
	return "", err
}

// outOfTime reports whether nothing is wrong but that go test cut its workers off while they were busy, which it
// reports as a failure (golang.org/issue/75804).
func outOfTime(said []byte) bool {
	return regexp.MustCompile(`(?m)^ +context deadline exceeded$`).Match(said) &&
		!strings.Contains(string(said), "Failing input written")
}

// execs finds the number of inputs in what go test said.
func execs(said []byte) (string, error) {
	all := regexp.MustCompile(`execs: (\d+)`).FindAllSubmatch(said, -1)
	if len(all) == 0 || string(all[len(all)-1][1]) == "0" {
		return "", errors.New("it was given no input:\n" + string(said))
	}
	return string(all[len(all)-1][1]), nil
}
