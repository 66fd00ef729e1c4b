// Command reload shows that a reload disturbs nobody: the daemon is given other configurations again and again, by SIGHUP
// and by the file alone, while new connections come all the time and long transfers run through all of it.
//
//	go run ./lab/reload [-reloads N] [-rate N] [-v]
//
// Each change adds or removes routes, backends, servers, listeners or limits, or is a mistake that must be refused. Every
// byte of every transfer is compared at its end. At last the daemon's own counters must agree with what was done. It
// prints what it saw and exits with 1 if one connection failed, one transfer was cut, or one count is wrong. Nothing
// leaves loopback.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

type options struct {
	reloads int
	rate    int  // new connections a second
	chunk   int  // bytes of the fast transfers, fifty times a second
	race    bool // the daemon looks for data races
	verbose bool // its log goes to stderr
}

func main() {
	o := options{chunk: 128 << 10}
	flag.IntVar(&o.reloads, "reloads", 100, "how often the configuration changes")
	flag.IntVar(&o.rate, "rate", 200, "new connections a second")
	flag.BoolVar(&o.verbose, "v", false, "show the daemon's log")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	seen, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "reload:", err)
		os.Exit(1)
	}
	fmt.Print(seen)
	if seen.failed() {
		os.Exit(1)
	}
}

// run does it all and returns what it saw. The error is of the lab itself.
func run(ctx context.Context, o options) (*findings, error) {
	dir, err := os.MkdirTemp("", "reload")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "daemon") // the file sniroute is the configuration
	if err := build(ctx, program, o.race); err != nil {
		return nil, err
	}
	town, err := newTown()
	if err != nil {
		return nil, err
	}
	defer town.close()
	seen := new(findings)
	config, err := newConfiguration(dir, town)
	if err != nil {
		return nil, err
	}
	defer config.close()
	if err := config.write(false); err != nil {
		return nil, err
	}
	d, err := startDaemon(ctx, program, dir, o.verbose)
	if err != nil {
		return nil, err
	}
	defer d.kill()

	traffic := newTraffic(ctx, town, config.address(), seen)
	seen.started = time.Now()
	traffic.startTransfers(o.chunk)
	traffic.startConnections(o.rate)
	for i := range o.reloads {
		if err := seen.reload(ctx, d, config, i); err != nil {
			traffic.finish()
			return nil, err
		}
	}
	traffic.finish()
	seen.took = time.Since(seen.started)
	seen.audit(ctx, d)
	seen.endOf(d)
	return seen, nil
}

// build builds the daemon out of this module, wherever the command was started.
func build(ctx context.Context, program string, race bool) error {
	args := []string{"build", "-o", program}
	if race {
		args = append(args, "-race")
	}
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/sniroute")...)
	cmd.Dir = filepath.Join(filepath.Dir(here), "../..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building sniroute: %w\n%s", err, out)
	}
	return nil
}
