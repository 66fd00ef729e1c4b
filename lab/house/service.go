package house

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A Service is a long-running program on a host. What it writes goes to Log.
type Service struct {
	Name string
	Log  string // path

	cmd   *exec.Cmd
	ended chan struct{} // closed when the program has ended
}

// Start starts a program on a host and returns without waiting for it to be ready. name is that of its log.
func (h *House) Start(host *Host, name, program string, arguments ...string) (*Service, error) {
	s := &Service{
		Name:  name,
		Log:   filepath.Join(h.Dir, "log", name),
		cmd:   exec.Command(program, arguments...),
		ended: make(chan struct{}),
	}
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Dir = h.Dir
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := host.Namespace.Start(s.cmd); err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", name, host.Name, err)
	}
	go func() { // ends with the program, which Close ends
		defer close(s.ended)
		_ = s.cmd.Wait() // how it ended is in ProcessState
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.services = append(h.services, s)
	return s, nil
}

// Running reports whether the program runs.
func (s *Service) Running() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// PID returns the process id of the program, as seen inside the lab.
func (s *Service) PID() int { return s.cmd.Process.Pid }

// Signal sends the program a signal.
func (s *Service) Signal(signal syscall.Signal) error {
	if err := s.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("signal %s: %w", s.Name, err)
	}
	return nil
}

// Stop sends the program a signal, waits for its end, and kills it after half a minute, which is an error.
func (s *Service) Stop(signal syscall.Signal) error {
	if err := s.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill() // it may just have ended
		<-s.ended
		return fmt.Errorf("%s did not end on %v", s.Name, signal)
	}
}

// Ready calls ready every few milliseconds until it returns nil. It gives up when the program ends or after a time that
// suits a slow machine; the error then holds the end of the log.
func (s *Service) Ready(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
			continue
		case <-s.ended:
			return fmt.Errorf("%s has ended (%v): %s", s.Name, s.cmd.ProcessState, s.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", s.Name, err, s.tail())
		}
	}
}

func (s *Service) tail() []byte {
	log, err := os.ReadFile(s.Log)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(log[max(0, len(log)-2000):])
}
