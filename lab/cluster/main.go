// Command cluster is a home as package house builds it, with a real control plane in it (etcd, kube-apiserver, kubectl,
// MetalLB's controller), two ingress controllers, and sniroute on the router, which learns from the cluster what to
// route.
//
//	go run ./lab/cluster          brings it up, says how to use it by hand, and stays
//	go run ./lab/cluster -test    runs every scenario and exits 0 only if all of them hold
//
// It needs the programs of lab/packages.txt and root, or a kernel that lets a plain user make user namespaces, and must
// run in the repository. The first run builds the control plane, which takes minutes; see package tools.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/tools"
	"github.com/sniroute/sniroute/lab/netns"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	test := flag.Bool("test", false, "run every scenario, then end")
	match := flag.String("run", ".", "of the scenarios, only those whose name matches this regular expression")
	build := flag.Bool("build", false, "only build the control plane's programs")
	binary := flag.String("sniroute", "", "the daemon to use, instead of a fresh build in bin/; beside it lies NAME-1970")
	flag.Parse()
	pattern, err := regexp.Compile(*match)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()

	// Outside, with the network; inside, it finds all of it made.
	began := time.Now()
	set, err := tools.Build(ctx, os.Stdout)
	if err != nil {
		return err
	}
	if *build {
		return nil
	}
	if !netns.Isolated() {
		if *binary == "" {
			err := errors.Join(buildDaemon(ctx, built),
				buildDaemon(ctx, built+withoutClock, "-tags", "labclock", "-buildvcs=false"))
			if err != nil {
				return err
			}
		}
		fmt.Printf("programs are built (%.0fs)\n", time.Since(began).Seconds())
	}
	if err := netns.Isolate(); err != nil {
		return err
	}
	if *binary == "" {
		*binary = built
	}
	if *binary, err = filepath.Abs(*binary); err != nil {
		return err
	}

	began = time.Now()
	lab, err := Start(ctx, set, *binary, os.Stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	fmt.Printf("the lab is up (%.0fs)\n", time.Since(began).Seconds())
	if !*test {
		if err := lab.Explain(os.Stdout); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	if lab.capture, err = startCapture(ctx, lab); err != nil {
		return err
	}
	passed, failed := RunScenarios(ctx, lab, os.Stdout, scenarios(), pattern)
	fmt.Printf("the scenarios took %.0fs\n%d passed, %d failed\n", time.Since(began).Seconds(), passed, failed)
	if failed > 0 || passed == 0 {
		return errors.New("not all scenarios hold")
	}
	return err
}

// built is where the lab builds its daemon.
const built = "bin/lab/sniroute"

// withoutClock is what follows the name of a daemon that believes that it was 1970 when the machine was switched on.
const withoutClock = "-1970"

// buildDaemon builds sniroute as it is shipped, but for further flags.
func buildDaemon(ctx context.Context, binary string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", binary}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/sniroute")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
