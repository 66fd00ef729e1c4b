package dnsmasq

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func writePID(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A process that took over the number of a dnsmasq that is gone must not get its signal.
func TestSignalSparesOtherPrograms(t *testing.T) {
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dnsmasq.pid")
	writePID(t, path, strconv.Itoa(other.Process.Pid)+"\n")
	err := newSignaller(Options{PIDFiles: []string{path}}).hangUpAll()
	if !errors.Is(err, errNotRunning) || !strings.Contains(err.Error(), path) {
		t.Errorf("hangUpAll = %v", err)
	}
	other.Process.Kill()
	other.Wait()
	if reason := other.ProcessState.String(); reason != "signal: killed" {
		t.Errorf("the other program ended by %q", reason)
	}
	if err := hangUp(path); !errors.Is(err, errNotRunning) {
		t.Errorf("with an ended process: %v", err)
	}
}

func TestSignalRefusesBadPIDFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dnsmasq.pid")
	for _, text := range []string{"", "x", "0", "1", "-1", "99999999999999999999", "12 13"} {
		writePID(t, path, text)
		if err := hangUp(path); !errors.Is(err, errNotRunning) {
			t.Errorf("PID file %q: %v", text, err)
		}
	}
	if err := newSignaller(Options{PIDFiles: []string{path + "x"}}).hangUpAll(); err == nil {
		t.Error("no PID file, no error")
	}
	if err := newSignaller(Options{PIDFiles: []string{"["}}).hangUpAll(); err == nil {
		t.Error("bad pattern, no error")
	}
}

func TestSignalChoosesInstances(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"dnsmasq.lan_dns.pid", "dnsmasq.guest.pid", "dnsmasq.pid"} {
		writePID(t, filepath.Join(dir, name), "1")
	}
	for _, c := range []struct {
		instances []string
		want      []string
	}{
		{nil, []string{"dnsmasq.guest.pid", "dnsmasq.lan_dns.pid", "dnsmasq.pid"}},
		{[]string{"lan_dns"}, []string{"dnsmasq.lan_dns.pid"}},
		{[]string{"guest", "lan_dns"}, []string{"dnsmasq.guest.pid", "dnsmasq.lan_dns.pid"}},
		{[]string{"lan"}, nil},
	} {
		s := newSignaller(Options{PIDFiles: []string{filepath.Join(dir, "*.pid")}, Instances: c.instances})
		paths, err := s.pidFiles()
		if (err == nil) != (c.want != nil) {
			t.Errorf("%q: %v", c.instances, err)
		}
		var got []string
		for _, path := range paths {
			got = append(got, filepath.Base(path))
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%q: %q, want %q", c.instances, got, c.want)
		}
	}
}

// A signal restarts nothing, but somebody may.
func TestSignalNoticesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dnsmasq.pid")
	s := newSignaller(Options{PIDFiles: []string{path}})
	for _, step := range []struct {
		pid  string
		want error
	}{
		{"100", errNoRestart}, {"100", errNoRestart}, {"101", nil}, {"101", errNoRestart}, {"x", nil},
	} {
		writePID(t, path, step.pid)
		if err := s.restart(context.Background()); err != step.want {
			t.Errorf("with process %s: %v, want %v", step.pid, err, step.want)
		}
	}
}
