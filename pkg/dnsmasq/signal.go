package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultPIDFiles are where OpenWrt's init script (one file an instance) and Debian's unit keep the process ID.
func defaultPIDFiles() []string {
	return []string{"/var/run/dnsmasq/*.pid", "/var/run/dnsmasq.pid"}
}

// A signaller sends SIGHUP, on which dnsmasq forgets its cache and reads hosts files and servers file again.
type signaller struct {
	patterns  []string
	instances []string
	before    map[int]bool // the processes that ran when a restart was asked for; nil: none is. Run's alone
}

func newSignaller(o Options) *signaller {
	if o.PIDFiles == nil {
		o.PIDFiles = defaultPIDFiles()
	}
	return &signaller{patterns: o.PIDFiles, instances: o.Instances}
}

func (s *signaller) reload(context.Context, []string) (string, error) {
	return NotifySignal, s.hangUpAll()
}
func (*signaller) domains(context.Context) error { return errNoDomains }
func (*signaller) forgotten() <-chan struct{}    { return nil }
func (*signaller) close()                        {}

// restart cannot do it, but notices when somebody has.
func (s *signaller) restart(context.Context) error {
	paths, err := s.pidFiles()
	if err != nil {
		return err
	}
	running := make(map[int]bool)
	for _, path := range paths {
		if pid, err := readPID(path); err == nil {
			running[pid] = true
		}
	}
	if s.before == nil {
		s.before = running
		return errNoRestart
	}
	for pid := range running {
		if s.before[pid] {
			return errNoRestart
		}
	}
	s.before = nil
	return nil
}

// hangUpAll signals every instance that is asked for. PID files whose process is gone are passed over as long as one
// dnsmasq is there.
func (s *signaller) hangUpAll() error {
	paths, err := s.pidFiles()
	if err != nil {
		return err
	}
	told := 0
	var gone, failed error
	for _, path := range paths {
		switch err := hangUp(path); {
		case err == nil:
			told++
		case errors.Is(err, errNotRunning):
			gone = errors.Join(gone, err)
		default:
			failed = errors.Join(failed, err)
		}
	}
	if failed == nil && told == 0 {
		return gone
	}
	return failed
}

// pidFiles returns the PID files that exist, at least one.
func (s *signaller) pidFiles() ([]string, error) {
	var found []string
	for _, pattern := range s.patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("PID file pattern %q: %w", pattern, err)
		}
		for _, path := range paths {
			if s.wants(path) {
				found = append(found, path)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("dnsmasq does not run: there is no PID file %s", strings.Join(s.patterns, " or "))
	}
	return found, nil
}

// wants reports whether the PID file is that of an instance that is asked for: OpenWrt calls it dnsmasq.SECTION.pid.
func (s *signaller) wants(path string) bool {
	if len(s.instances) == 0 {
		return true
	}
	for _, instance := range s.instances {
		if filepath.Base(path) == "dnsmasq."+instance+".pid" {
			return true
		}
	}
	return false
}

var errNotRunning = errors.New("dnsmasq does not run")

// hangUp sends SIGHUP to the process of a PID file, if it is a dnsmasq: the number may be that of another program by
// now, to which a SIGHUP means to end.
func hangUp(path string) error {
	pid, err := readPID(path)
	if err != nil {
		return err
	}
	process, err := os.FindProcess(pid) // a handle of the process: it cannot become another one after the check
	if err != nil {
		return err
	}
	defer process.Release()
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || strings.TrimSpace(string(name)) != "dnsmasq" {
		return fmt.Errorf("%w: process %d of %s is none", errNotRunning, pid, path)
	}
	if err := process.Signal(unix.SIGHUP); errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%w: process %d of %s has ended", errNotRunning, pid, path)
	} else if err != nil {
		return fmt.Errorf("signalling dnsmasq, process %d of %s: %w", pid, path, err)
	}
	return nil
}

func readPID(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%w: %s holds no process ID", errNotRunning, path)
	}
	return pid, nil
}
