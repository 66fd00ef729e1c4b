package status

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// control serves d on a socket until the test or stop ends it.
func control(t *testing.T, path string, d Daemon) (stop func()) {
	t.Helper()
	c, err := OpenControl(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := c.Serve(ctx, d); err != nil {
			t.Error(err)
		}
	})
	stop = func() {
		cancel()
		serving.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestControl(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "sniroute", "control.sock")
	d := busyDaemon(time.Unix(1_800_000_000, 0).UTC())
	control(t, path, d)
	for name, want := range map[string]fs.FileMode{
		filepath.Dir(path): fs.ModeDir | 0o750, path: fs.ModeSocket | 0o660, path + ".lock": 0o600,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	c := dial(t, path)
	report, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := encode(t, report), encode(t, ReportOf(d)); got != want {
		t.Errorf("status:\n%s\nwant:\n%s", got, want)
	}
	list, err := c.Routes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Routes) != 5 || len(list.Refused) != 3 || list.Routes[1].Servers[0] != "192.168.0.3:443" {
		t.Errorf("routes: %+v", list)
	}
	if e, err := c.Explain(t.Context(), "x&y.example.com"); err != nil || e.Name != "x&y.example.com" {
		t.Errorf("explain: %+v, %v", e, err)
	}
	if _, err := c.Explain(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "host name") {
		t.Errorf("explain nothing: %v", err)
	}
	if err := c.Reload(t.Context()); err != nil || d.reloaded != 1 {
		t.Errorf("reload: %v, %d", err, d.reloaded)
	}
	d.change(func(d *fakeDaemon) { d.reload = errors.New("sniroute:3: option listen: no address") })
	if err := c.Reload(t.Context()); err == nil || err.Error() != "sniroute:3: option listen: no address" {
		t.Errorf("bad reload: %v", err)
	}
	if _, err := c.do(t.Context(), http.MethodGet, "/reload"); err == nil {
		t.Error("a GET reloads")
	}
}

func TestControlKeepsASecondDaemonOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sniroute", "control.sock")
	stop := control(t, path, busyDaemon(time.Now()))
	if _, err := OpenControl(path, nil); !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), path) {
		t.Errorf("second daemon: %v", err)
	}
	if _, err := dial(t, path).Status(t.Context()); err != nil {
		t.Errorf("the first daemon's socket is gone: %v", err)
	}
	stop()
	if _, err := Dial(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
	c, err := OpenControl(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A daemon that is killed leaves its socket, but not its lock. The test runs itself as that daemon.
func TestControlReplacesTheSocketOfAKilledDaemon(t *testing.T) {
	const inside = "SNIROUTE_TEST_CONTROL"
	if path := os.Getenv(inside); path != "" {
		control(t, path, busyDaemon(time.Now()))
		select {}
	}
	path := filepath.Join(t.TempDir(), "sniroute", "control.sock")
	first := exec.Command("/proc/self/exe", "-test.run=^TestControlReplacesTheSocketOfAKilledDaemon$")
	first.Env = append(os.Environ(), inside+"="+path)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if c, err := Dial(path); err == nil {
			c.Close()
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if _, err := OpenControl(path, nil); !errors.Is(err, ErrRunning) {
		t.Errorf("beside a daemon that runs: %v", err)
	}
	first.Process.Signal(syscall.SIGKILL)
	first.Wait()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("the killed daemon left no socket: %v", err)
	}
	if _, err := Dial(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dialling a killed daemon: %v", err)
	}
	control(t, path, busyDaemon(time.Now()))
	if _, err := dial(t, path).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestControlRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenControl(file, nil); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("in the place of a file: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "keep" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if _, err := OpenControl(filepath.Join(file, "control.sock"), nil); err == nil {
		t.Error("below a file, no error")
	}
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	control(t, filepath.Join(dir, "control.sock"), busyDaemon(time.Now()))
	if after, err := os.Stat(dir); err != nil || after.Mode() != before.Mode() {
		t.Errorf("a folder that was there has mode %v, had %v", after.Mode(), before.Mode())
	}
}

func TestOnlyOwner(t *testing.T) {
	served := onlyOwner(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	own := uint32(os.Getuid())
	for uid, want := range map[any]int{uint32(0): 200, own: 200, own + 1: 403, uint32(65534): 403, nil: 403} {
		request := httptest.NewRequest("GET", "/status", nil)
		request = request.WithContext(context.WithValue(request.Context(), peerUIDKey{}, uid))
		answer := httptest.NewRecorder()
		served.ServeHTTP(answer, request)
		if answer.Code != want {
			t.Errorf("user %v: %d", uid, answer.Code)
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := peerUID(a); err == nil {
		t.Error("a pipe has a user")
	}
}
