// Command demo shows, with real programs in network namespaces of its own, what sniroute does for a home: connections
// from the internet reach the app whose name they ask for, the LAN's DNS follows, and what should be refused is
// refused.
//
//	go run ./lab/demo [-once] [-sniroute BINARY] [-patience N]
//
// Each step prints one line: whether it held, what was done and what was seen. With -once the exit status is 0 only if
// every step held; without it the lab then stays up and says what to try. It needs nothing of the machine but the
// programs of lab/packages.txt, and either root or user namespaces, and leaves nothing behind.
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
	"strings"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/netns"
)

func main() {
	once := flag.Bool("once", false, "end after the last step")
	binary := flag.String("sniroute", "", "the program to show, instead of a fresh build in bin/")
	patience := flag.Int("patience", 10, "by how many times a busy or slow machine may miss what is promised")
	flag.Parse()
	if err := run(*once, *binary, *patience); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(once bool, binary string, patience int) error {
	build := binary == ""
	if build {
		binary = "bin/sniroute"
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	if !netns.Isolated() {
		if err := prepare(binary, build); err != nil {
			return err
		}
	}
	if err := netns.Isolate(); err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	begin := time.Now()
	d, err := start(ctx, binary, time.Duration(patience))
	if err != nil {
		return err
	}
	failed, total := d.show(ctx, os.Stdout), len(steps())
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	fmt.Printf("%d of %d steps held, %.1f s\n", total-failed, total, time.Since(begin).Seconds())
	if failed > 0 {
		log, err := os.ReadFile(d.daemon.Log)
		fmt.Fprintf(os.Stderr, "\nsniroute's log:\n%s\n", log)
		err = errors.Join(fmt.Errorf("%d steps failed", failed), err)
		if once {
			return errors.Join(err, d.house.Close())
		}
	}
	if !once {
		d.invite(os.Stdout)
		<-ctx.Done()
	}
	return d.house.Close()
}

// prepare runs outside the lab, where there is a network and a build cache.
func prepare(binary string, build bool) error {
	var missing []string
	for _, program := range []string{"ip", "nft", "nginx", "dnsmasq", "openssl", "curl", "dig"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if _, err := os.Stat(filepath.Join("/usr/sbin", program)); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not installed: %s (`make tools` installs them on Debian)", strings.Join(missing, ", "))
	}
	if !build {
		return nil
	}
	cmd := exec.Command("go", "build", "-o", binary, "github.com/sniroute/sniroute/cmd/sniroute")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build sniroute: %w", err)
	}
	return nil
}
