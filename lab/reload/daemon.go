package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/pkg/status"
)

// A daemon is a sniroute that runs.
type daemon struct {
	cmd          *exec.Cmd
	program, dir string
	reading      sync.WaitGroup
	news         chan string // lines of its log that say what came of a change

	mu    sync.Mutex
	last  string   // line of its log
	fatal []string // lines of its log that must not be
}

func startDaemon(ctx context.Context, program, dir string, verbose bool) (*daemon, error) {
	d := &daemon{program: program, dir: dir, news: make(chan string, 100)}
	d.cmd = exec.Command(program, "run", "-c", dir)
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	d.reading.Go(func() { d.read(stderr, verbose) })
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err = d.status(ctx); err == nil {
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

func (d *daemon) status(ctx context.Context) (r status.Report, err error) {
	out, err := exec.CommandContext(ctx, d.program, "status", "-json", "-c", d.dir).Output()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(out, &r)
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
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	d.reading.Wait()
	return d.cmd.Wait()
}
