// Command fuzz runs every fuzz target of the module in turn, from its root:
//
//	go run ./lab/fuzz -time 15s
//	go run ./lab/fuzz -time 10m -run 'pkg/(sni|uci)'
//
// It goes on behind a target that fails, and says at the end which did. What a target found then lies in its package's
// testdata/fuzz, to be committed with what mends it.
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
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	each := flag.Duration("time", 15*time.Second, "how long each target runs")
	only := flag.String("run", "", "regular expression for the targets that run, as PACKAGE.TARGET")
	flag.Parse()
	if err := run(ctx, *each, *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, each time.Duration, only string, out io.Writer) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	targets, err := findTargets(".")
	if err != nil {
		return err
	}
	ran := 0
	var failed []string
	for _, t := range targets {
		if !wanted.MatchString(t.String()) {
			continue
		}
		ran++
		fmt.Fprintf(out, "%-40s ", t)
		runs, err := t.fuzz(ctx, each)
		if ctx.Err() != nil {
			fmt.Fprintln(out)
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(out, "FAILED\n%v\n", err)
			failed = append(failed, t.String())
			continue
		}
		fmt.Fprintf(out, "%10s runs\n", runs)
	}
	switch {
	case ran == 0:
		return fmt.Errorf("none of the %d targets matches %q", len(targets), only)
	case len(failed) > 0:
		return fmt.Errorf("%d of %d targets failed: %s", len(failed), ran, strings.Join(failed, ", "))
	}
	fmt.Fprintf(out, "%d targets, %v each: nothing found\n", ran, each)
	return nil
}

// building is how long compiling and ending a target may take, on a slow machine.
const building = 15 * time.Minute

// fuzz runs a target and returns how many inputs it was given.
func (t target) fuzz(ctx context.Context, each time.Duration) (runs string, err error) {
	ctx, cancel := context.WithTimeout(ctx, each+building)
	defer cancel()
	for range 3 {
		// Inputs that are merely new are not minimized for long: that time is better spent on others.
		cmd := exec.CommandContext(ctx, "go", "test", "./"+t.dir, "-run", "^$", "-fuzz", "^"+t.name+"$",
			"-fuzztime", each.String(), "-fuzzminimizetime", "1s")
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // which its workers see too
		cmd.WaitDelay = 30 * time.Second
		var said []byte
		said, err = cmd.CombinedOutput()
		if err == nil {
			return execs(said)
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
