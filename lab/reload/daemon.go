package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/pkg/status"
)

// A daemon is a sniroute that runs.
type daemon struct {
	cmd     *exec.Cmd
	asks    *status.Client
	reading sync.WaitGroup
	news    chan string // lines of its log that say what came of a change

	mu    sync.Mutex
	last  string   // line of its log
	fatal []string // lines of its log that must not be
}

func startDaemon(ctx context.Context, program, dir string, verbose bool) (*daemon, error) {
	d := &daemon{news: make(chan string, 100)}
	d.cmd = exec.Command(program, "run", "-c", dir)
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	d.reading.Go(func() { d.read(stderr, verbose) })
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if d.asks, err = status.Dial(filepath.Join(dir, "run/control.sock")); err == nil {
			return d, nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			d.kill()
			return nil, fmt.Errorf("the daemon does not answer: %w; it said last: %s", err, d.last)
		}
	}
}

func (d *daemon) read(log io.Reader, verbose bool) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		line := lines.Text()
		d.mu.Lock()
		d.last = line
		d.mu.Unlock()
		if verbose {
			fmt.Fprintln(os.Stderr, line)
		}
		switch {
		case strings.Contains(line, "configuration reloaded"), strings.Contains(line, "the new configuration is refused"):
			d.news <- line
		case strings.Contains(line, "DATA RACE"), strings.Contains(line, "panic"), strings.Contains(line, "bug in sniroute"):
			d.mu.Lock()
			d.fatal = append(d.fatal, line)
			d.mu.Unlock()
		}
	}
}

func (d *daemon) hangUp() error { return d.cmd.Process.Signal(syscall.SIGHUP) }

func (d *daemon) kill() {
	if d.cmd.ProcessState == nil {
		_ = d.cmd.Process.Kill()
		d.reading.Wait()
		_ = d.cmd.Wait()
	}
}

// end ends it as procd does.
func (d *daemon) end() error {
	d.asks.Close()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	d.reading.Wait()
	return d.cmd.Wait()
}
