package ubus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// typesJSON has a value of every kind that JSON can say, at the edges of what blobmsg makes of it.
const typesJSON = `{"string":"käse","empty":"","int":1,"least":-2147483648,"most":2147483647,"long":2147483648,
	"longest":-9223372036854775808,"double":1.5,"yes":true,"no":false,"null":null,"table":{"a":{"b":[]}},
	"array":[1,"two",[3.25,{"four":4}],true],"padded":"1234567"}`

// An exchange is a conversation with a real ubusd. Where command is set, libubus's own tool held it when it was
// recorded (see live_test.go), and what a Conn sends for the same purpose is the same to the byte.
type exchange struct {
	name    string
	command []string // arguments of ubus
	stays   bool     // the command ends only when it is stopped
	act     func(ctx context.Context, c *Conn, waits func()) error
	prompt  func(t *testing.T, bus *liveBus) // what others on the bus do on a live one, once act has called waits
}

func exchanges() []exchange {
	types, err := ParseJSON([]byte(typesJSON))
	if err != nil {
		panic(err)
	}
	return []exchange{
		{name: "list", command: []string{"list"}, act: func(ctx context.Context, c *Conn, _ func()) error {
			return expectLookup(ctx, c, "")
		}},
		{name: "list-pattern", command: []string{"list", "pe*"}, act: func(ctx context.Context, c *Conn, _ func()) error {
			return expectLookup(ctx, c, "pe*")
		}},
		{name: "call", command: []string{"call", "peer", "echo", typesJSON}, act: func(ctx context.Context, c *Conn, _ func()) error {
			answer, err := c.Call(ctx, "peer", "echo", types)
			if err == nil && !reflect.DeepEqual(answer, types) {
				err = fmt.Errorf("echo answers %v", answer)
			}
			return err
		}},
		{name: "call-empty", command: []string{"call", "peer", "nothing"}, act: func(ctx context.Context, c *Conn, _ func()) error {
			answer, err := c.Call(ctx, "peer", "nothing", nil)
			if err == nil && len(answer) != 0 {
				err = fmt.Errorf("nothing answers %v", answer)
			}
			return err
		}},
		{name: "call-error", command: []string{"call", "peer", "refuse"}, act: func(ctx context.Context, c *Conn, _ func()) error {
			return expectStatus(StatusNotSupported)(c.Call(ctx, "peer", "refuse", nil))
		}},
		{name: "call-no-object", command: []string{"call", "nobody", "echo"}, act: func(ctx context.Context, c *Conn, _ func()) error {
			return expectStatus(StatusNotFound)(c.Call(ctx, "nobody", "echo", nil))
		}},
		{name: "call-no-method", command: []string{"call", "peer", "dance"}, act: func(ctx context.Context, c *Conn, _ func()) error {
			return expectStatus(StatusMethodNotFound)(c.Call(ctx, "peer", "dance", nil))
		}},
		{name: "send", command: []string{"send", "peer.event", `{"a":1}`}, act: func(ctx context.Context, c *Conn, _ func()) error {
			return c.Send(ctx, "peer.event", Table{{"a", 1}})
		}},
		{name: "listen", command: []string{"listen", "peer.*"}, stays: true, act: actListen,
			prompt: func(t *testing.T, bus *liveBus) {
				for i := range 2 {
					if err := bus.peer.Send(t.Context(), "peer.event", Table{{"n", i}}); err != nil {
						t.Fatal(err)
					}
				}
			}},
		{name: "subscribe", command: []string{"subscribe", "peer"}, stays: true, act: actSubscribe,
			prompt: func(t *testing.T, bus *liveBus) {
				if err := bus.notify(t.Context(), "changed", Table{{"n", 1}}); err != nil {
					t.Fatal(err)
				}
				bus.peer.Close()
			}},
		{name: "publish", act: actPublish, prompt: func(t *testing.T, bus *liveBus) {
			bus.run(t, "-v", "list", "golden")
			bus.run(t, "call", "golden", "greet", `{"name":"all","times":2}`)
			bus.run(t, "call", "golden", "greet", `{"name":7}`)
			bus.run(t, "call", "golden", "last")
		}},
	}
}

// expectLookup looks for the object "peer".
func expectLookup(ctx context.Context, c *Conn, path string) error {
	objects, err := c.Lookup(ctx, path)
	if err != nil {
		return err
	}
	want := []MethodInfo{
		{Name: "echo", Args: []Arg{{"string", TypeString}, {"table", TypeTable}}},
		{Name: "nothing"},
		{Name: "refuse"},
	}
	if len(objects) != 1 || objects[0].Path != "peer" || !reflect.DeepEqual(objects[0].Methods, want) {
		return fmt.Errorf("lookup of %q finds %+v", path, objects)
	}
	return nil
}

// expectStatus turns the status that is expected into success.
func expectStatus(want Status) func(Table, error) error {
	return func(answer Table, err error) error {
		if !errors.Is(err, want) {
			return fmt.Errorf("answer %v, error %v instead of %v", answer, err, want)
		}
		return nil
	}
}

func actListen(ctx context.Context, c *Conn, waits func()) error {
	heard := make(chan string, 2)
	err := c.Listen(ctx, "peer.*", func(_ context.Context, event string, data Table) {
		n, _ := data.Int("n")
		heard <- fmt.Sprint(event, n)
	})
	if err != nil {
		return err
	}
	waits()
	for _, want := range []string{"peer.event0", "peer.event1"} {
		if err := expect(ctx, heard, want); err != nil {
			return err
		}
	}
	return nil
}

func actSubscribe(ctx context.Context, c *Conn, waits func()) error {
	heard := make(chan string, 2)
	err := c.Subscribe(ctx, "peer", func(_ context.Context, notification string, data Table) {
		n, _ := data.Int("n")
		heard <- fmt.Sprint(notification, n)
	}, func(context.Context) { heard <- "gone" })
	if err != nil {
		return err
	}
	waits()
	if err := expect(ctx, heard, "changed1"); err != nil {
		return err
	}
	return nil
}

func actPublish(ctx context.Context, c *Conn, waits func()) error {
	called := make(chan string, 3)
	greet := func(_ context.Context, call Call) (Table, error) {
		n, _ := call.Args.Int("times")
		called <- fmt.Sprint(call.User, call.Method, n)
		return Table{{"greeting", strings.Repeat("hello "+call.Args.String("name"), int(n))}}, nil
	}
	err := c.AddObject(ctx, Object{Name: "golden", Methods: []Method{
		{Name: "greet", Args: []Arg{{"name", TypeString}, {"times", TypeInt32}}, Handle: greet},
		{Name: "last", Handle: func(_ context.Context, call Call) (Table, error) {
			called <- call.Method
			return nil, StatusNoData
		}},
	}})
	if err != nil {
		return err
	}
	waits()
	if err := expect(ctx, called, "rootgreet2"); err != nil {
		return err
	}
	return expect(ctx, called, "last")
}

// expect waits for want to come in.
func expect(ctx context.Context, from <-chan string, want string) error {
	select {
	case got := <-from:
		if got != want {
			return fmt.Errorf("heard %q instead of %q", got, want)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for %q: %w", want, ctx.Err())
	}
}

// TestRecordedExchanges has a Conn hold each recorded conversation again: what it sends must be the recorded bytes.
func TestRecordedExchanges(t *testing.T) {
	for _, e := range exchanges() {
		t.Run(e.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			ours, theirs := net.Pipe()
			replayed := make(chan error, 1)
			go func() { replayed <- replay(theirs, goldenFile(e.name)) }()
			c, err := newConn(ctx, ours)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.act(ctx, c, func() {}); err != nil {
				t.Error(err)
			}
			if err := <-replayed; err != nil {
				t.Error(err)
			}
			theirs.Close()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func goldenFile(name string) string { return filepath.Join("testdata", "exchanges", name+".golden") }

// replay plays ubusd's part of a recorded conversation: lines "< HEX" are sent, lines "> HEX" must come in.
func replay(sock net.Conn, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<22)
	for n := 1; lines.Scan(); n++ {
		direction, digits, _ := strings.Cut(lines.Text(), " ")
		want, err := hex.DecodeString(digits)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if err := sock.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if direction == "<" {
			if _, err := sock.Write(want); err != nil {
				return fmt.Errorf("%s:%d: %w", file, n, err)
			}
			continue
		}
		got := make([]byte, len(want))
		k, err := io.ReadFull(sock, got)
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s:%d: the client sends (%v)\n%x instead of\n%x", file, n, err, got[:k], want)
		}
	}
	go io.Copy(io.Discard, sock) // until the test closes it
	return lines.Err()
}

// TestJSON: what is read from JSON is written as the same JSON.
func TestJSON(t *testing.T) {
	table, err := ParseJSON([]byte(typesJSON))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(table)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, []byte(typesJSON)); err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("got  %s\nwant %s", got, want.String())
	}
	nul, err := ParseJSON([]byte(`{"a\u0000":"b\u0000c"}`))
	if err != nil || !reflect.DeepEqual(nul, Table{{"a\uFFFD", "b\uFFFDc"}}) {
		t.Errorf("NUL is read as %q (%v)", nul, err)
	}
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, bad := range []string{"", "[]", "1", `{"a":1} {}`, `{"a"`, deep} {
		if v, err := ParseJSON([]byte(bad)); err == nil {
			t.Errorf("%.20s is read as %v", bad, v)
		}
	}
}
