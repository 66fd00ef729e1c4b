package ubus

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

var record = flag.Bool("record", false, "record testdata/exchanges again; needs ubusd and ubus on PATH")

// A liveBus is a real ubusd with an object "peer" on it.
type liveBus struct {
	path   string
	acls   string // folder
	daemon *exec.Cmd
	peer   *Conn
	peerID uint32
}

// startBus starts ubusd, or skips the test where there is none: outside OpenWrt it is rare. TestRecordedExchanges holds
// the same conversations everywhere.
func startBus(t *testing.T) *liveBus {
	t.Helper()
	for _, program := range []string{"ubusd", "ubus"} {
		if _, err := exec.LookPath(program); err != nil {
			if *record {
				t.Fatal(err)
			}
			t.Skipf("no %s here; the recorded exchanges stand in for it", program)
		}
	}
	dir, err := os.MkdirTemp("", "ubus") // not t.TempDir: others than root must get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	bus := &liveBus{path: filepath.Join(dir, "sock"), acls: filepath.Join(dir, "acl.d")}
	if err := os.Mkdir(bus.acls, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	bus.start(t)
	t.Cleanup(func() { bus.stop() })
	bus.peer = bus.dial(t)
	t.Cleanup(func() { bus.peer.Close() })
	err = bus.peer.AddObject(t.Context(), Object{Name: "peer", Methods: []Method{
		{Name: "echo", Args: []Arg{{"string", TypeString}, {"table", TypeTable}},
			Handle: func(_ context.Context, call Call) (Table, error) { return call.Args, nil }},
		{Name: "nothing", Handle: func(context.Context, Call) (Table, error) { return nil, nil }},
		{Name: "refuse", Handle: func(context.Context, Call) (Table, error) {
			return nil, fmt.Errorf("not today: %w", StatusNotSupported)
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := bus.peer.Lookup(t.Context(), "peer")
	if err != nil {
		t.Fatal(err)
	}
	bus.peerID = objects[0].ID
	return bus
}

func (bus *liveBus) start(t *testing.T) {
	t.Helper()
	bus.daemon = exec.Command("ubusd", "-s", bus.path, "-A", bus.acls)
	bus.daemon.Stderr = os.Stderr
	if err := bus.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ubusd answers", func() bool {
		c, err := Dial(t.Context(), bus.path)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

// patience is how long a test waits for what must happen; it says nothing about speed.
const patience = time.Minute

// eventually waits until something has come true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("never: ", what)
}

func (bus *liveBus) stop() {
	bus.daemon.Process.Kill()
	bus.daemon.Wait()
	os.Remove(bus.path)
}

func (bus *liveBus) dial(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), bus.path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs libubus's tool and returns what it prints.
func (bus *liveBus) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command("ubus", append([]string{"-t", "60", "-s", bus.path}, args...)...).CombinedOutput()
	return string(out), err
}

// notify sends a notification of the object "peer" to all that subscribed to it.
func (bus *liveBus) notify(ctx context.Context, name string, data Table) error {
	body := appendString(appendUint32(nil, attrObjID, bus.peerID), attrMethod, name)
	body, err := appendData(body, data)
	if err == nil {
		_, err = bus.peer.request(ctx, messageNotify, bus.peerID, body)
	}
	if errors.Is(err, StatusInvalidArgument) {
		err = nil // the status of a notification is no plain one
	}
	return err
}

// TestLiveExchanges holds each conversation with a real ubusd; with -record it also writes them down.
func TestLiveExchanges(t *testing.T) {
	for _, e := range exchanges() {
		t.Run(e.name, func(t *testing.T) {
			bus := startBus(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if *record && e.command != nil {
				tap := startTap(t, bus.path)
				bus.recordCommand(t, tap, e)
				tap.write(t, goldenFile(e.name))
				return
			}
			path := bus.path
			var tap *tap
			if *record {
				tap = startTap(t, bus.path)
				path = tap.path
			}
			c, err := Dial(ctx, path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			acted := make(chan error, 1)
			waits := make(chan struct{})
			go func() { acted <- e.act(ctx, c, func() { close(waits) }) }()
			if e.prompt != nil {
				select {
				case <-waits:
				case err := <-acted:
					t.Fatal(err)
				}
				e.prompt(t, bus)
			}
			if err := <-acted; err != nil {
				t.Error(err)
			}
			if tap != nil {
				time.Sleep(200 * time.Millisecond) // until what is on its way has passed
				tap.write(t, goldenFile(e.name))
			}
		})
	}
}

// recordCommand runs an exchange's command through the tap.
func (bus *liveBus) recordCommand(t *testing.T, tap *tap, e exchange) {
	cmd := exec.Command("ubus", append([]string{"-s", tap.path}, e.command...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if e.stays {
		time.Sleep(300 * time.Millisecond)
		e.prompt(t, bus)
		time.Sleep(300 * time.Millisecond)
		cmd.Process.Kill()
	}
	cmd.Wait() // some commands are there to fail
	time.Sleep(100 * time.Millisecond)
}

// A tap passes the bytes between a client and ubusd on and keeps the messages, in the order in which they passed.
type tap struct {
	path string

	mu    sync.Mutex
	lines []string
}

func startTap(t *testing.T, bus string) *tap {
	tap := &tap{path: filepath.Join(t.TempDir(), "tap")}
	l, err := net.Listen("unix", tap.path)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", bus)
		if err != nil {
			t.Error(err)
			return
		}
		running.Go(func() { tap.pass(server, client, "> ") })
		running.Go(func() { tap.pass(client, server, "< ") })
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return tap
}

// pass copies messages until one side ends, and then ends both.
func (tap *tap) pass(to, from net.Conn, direction string) {
	defer to.Close()
	defer from.Close()
	for {
		m, err := readMessage(from)
		if err != nil {
			return
		}
		b, err := m.encode()
		if err != nil {
			return
		}
		tap.mu.Lock()
		tap.lines = append(tap.lines, fmt.Sprintf("%s%x\n", direction, b))
		tap.mu.Unlock()
		if _, err := to.Write(b); err != nil {
			return
		}
	}
}

func (tap *tap) write(t *testing.T, file string) {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Join(tap.lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLiveTool has libubus's own tool read what this package writes.
func TestLiveTool(t *testing.T) {
	bus := startBus(t)
	out, err := bus.run(t, "call", "peer", "echo", typesJSON)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got, want any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := json.Unmarshal([]byte(typesJSON), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	out, err = bus.run(t, "-v", "list", "peer")
	if err != nil || !strings.Contains(out, `"echo":{"string":"String","table":"Table"}`) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := bus.run(t, "call", "peer", "refuse"); err == nil || !strings.Contains(out, "not supported") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestLiveReconnect: after ubusd restarts, objects are published and subscriptions renewed, and again when the object
// of a subscription comes back.
func TestLiveReconnect(t *testing.T) {
	bus := startBus(t)
	heard := make(chan string, 4096) // more than is sent in the time that a test waits
	hear := func(_ context.Context, name string, _ Table) { heard <- name }
	client := NewClient(Options{
		Path: bus.path,
		Objects: []Object{{Name: "ours", Methods: []Method{
			{Name: "ping", Handle: func(context.Context, Call) (Table, error) { return Table{{"pong", true}}, nil }},
		}}},
		Listeners:     []Listener{{Pattern: "test.*", Handle: hear}},
		Subscriptions: []Subscription{{Path: "peer", Handle: hear}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- client.Run(ctx) }()
	// hears sends until it is heard, and so that a listener that is late does not miss it.
	hears := func(want string, send func()) {
		t.Helper()
		eventually(t, want+" is heard", func() bool {
			send()
			for {
				select {
				case got := <-heard:
					if got == want {
						return true
					}
				case <-time.After(100 * time.Millisecond):
					return false
				}
			}
		})
	}
	round := 0
	check := func() {
		t.Helper()
		round++
		eventually(t, "the object answers", func() bool {
			out, err := bus.run(t, "call", "ours", "ping")
			return err == nil && strings.Contains(out, "pong")
		})
		event, change := fmt.Sprint("test.event", round), fmt.Sprint("changed", round)
		hears(event, func() {
			if out, err := bus.run(t, "send", event, "{}"); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		})
		hears(change, func() {
			if err := bus.notify(ctx, change, Table{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	check()
	publish := func() {
		t.Helper()
		bus.peer = bus.dial(t)
		if err := bus.peer.AddObject(ctx, Object{Name: "peer", Methods: []Method{{Name: "nothing"}}}); err != nil {
			t.Fatal(err)
		}
		objects, err := bus.peer.Lookup(ctx, "peer")
		if err != nil {
			t.Fatal(err)
		}
		bus.peerID = objects[0].ID
	}
	bus.peer.Close()
	publish() // the peer restarts
	check()
	bus.stop() // the bus restarts
	eventually(t, "the client knows", func() bool { return !client.Connected() })
	if err := client.Send(ctx, "a", nil); err == nil {
		t.Error("an event is sent without a bus")
	}
	bus.start(t)
	publish()
	check()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestLiveACL: as another user than root, what no file under acl.d allows is refused, and the Client goes on with the
// rest.
func TestLiveACL(t *testing.T) {
	bus := startBus(t)
	if os.Getuid() != 0 {
		t.Skip("only root can connect as somebody else")
	}
	acl := `{"user":"nobody","access":{"peer":{"methods":["nothing"]}},"publish":["allowed"],"send":["allowed.event"]}`
	if err := os.WriteFile(filepath.Join(bus.acls, "nobody.json"), []byte(acl), 0o644); err != nil {
		t.Fatal(err)
	}
	bus.peer.Close()
	bus.stop()
	bus.start(t)
	bus.peer = bus.dial(t)
	if err := bus.peer.AddObject(t.Context(), Object{Name: "peer", Methods: []Method{
		{Name: "nothing", Handle: func(context.Context, Call) (Table, error) { return nil, nil }},
		{Name: "secret", Handle: func(context.Context, Call) (Table, error) { return nil, nil }},
	}}); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(filepath.Dir(bus.path), "test") // where nobody can run it
	if err := copyFile(copied, exe); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
		copied, "-test.run=^TestAsNobody$")
	cmd.Env = []string{"UBUS_TEST_SOCKET=" + bus.path}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// TestAsNobody is the part of TestLiveACL that runs as another user.
func TestAsNobody(t *testing.T) {
	path := os.Getenv("UBUS_TEST_SOCKET")
	if path == "" {
		return // not started by TestLiveACL
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := Dial(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Call(ctx, "peer", "nothing", nil); err != nil {
		t.Error(err)
	}
	if err := expectStatus(StatusPermissionDenied)(c.Call(ctx, "peer", "secret", nil)); err != nil {
		t.Error(err)
	}
	if err := c.AddObject(ctx, Object{Name: "allowed"}); err != nil {
		t.Error(err)
	}
	if err := expectStatus(StatusInvalidArgument)(nil, c.AddObject(ctx, Object{Name: "forbidden"})); err != nil {
		t.Error(err)
	}
	if err := c.Send(ctx, "allowed.event", nil); err != nil {
		t.Error(err)
	}
	if err := expectStatus(StatusPermissionDenied)(nil, c.Send(ctx, "forbidden.event", nil)); err != nil {
		t.Error(err)
	}
	if err := expectStatus(StatusPermissionDenied)(nil, c.Listen(ctx, "any", nil)); err != nil {
		t.Error(err)
	}
}
