package ubus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A stubBus answers as ubusd does where every request succeeds: it greets, gives objects numbers and finds none.
// Connections that it has stay in conns.
type stubBus struct {
	path    string
	conns   chan net.Conn
	seen    chan message // what clients send
	running sync.WaitGroup
	l       net.Listener
}

func startStub(t *testing.T, path string) *stubBus {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	bus := &stubBus{path: path, l: l, conns: make(chan net.Conn, 16), seen: make(chan message, 1024)}
	bus.running.Go(func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			bus.conns <- sock
			bus.running.Go(func() { bus.serve(sock) })
		}
	})
	t.Cleanup(bus.stop)
	return bus
}

// stop closes everything, as ubusd does when it ends.
func (bus *stubBus) stop() {
	bus.l.Close()
	for {
		select {
		case sock := <-bus.conns:
			sock.Close()
			continue
		default:
		}
		break
	}
	bus.running.Wait()
}

func put(sock net.Conn, m message) error {
	b, err := m.encode()
	if err == nil {
		_, err = sock.Write(b)
	}
	return err
}

func (bus *stubBus) serve(sock net.Conn) {
	defer sock.Close()
	put(sock, message{kind: messageHello, peer: 77})
	r := bufio.NewReader(sock)
	for id := uint32(2000); ; id++ {
		m, err := readMessage(r)
		if err != nil {
			return
		}
		bus.seen <- m
		status := appendUint32(nil, attrStatus, 0)
		switch m.kind {
		case messageAddObject:
			put(sock, message{kind: messageData, seq: m.seq, peer: m.peer, attributes: appendUint32(nil, attrObjID, id)})
		case messageLookup:
			status = appendUint32(nil, attrStatus, uint32(StatusNotFound))
		case messageInvoke:
			if a, _ := m.parse(); a.method == "silent" {
				continue
			}
		case messageStatus, messageData:
			continue
		}
		put(sock, message{kind: messageStatus, seq: m.seq, peer: m.peer, attributes: status})
	}
}

func dialStub(t *testing.T, bus *stubBus) (*Conn, net.Conn) {
	t.Helper()
	c, err := Dial(t.Context(), bus.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	sock := <-bus.conns
	t.Cleanup(func() { sock.Close() })
	return c, sock
}

func TestConnBounds(t *testing.T) {
	bus := startStub(t, filepath.Join(t.TempDir(), "sock"))
	c, sock := dialStub(t, bus)
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range maxRequests {
		waiting.Go(func() {
			if _, err := c.Invoke(ctx, 5, "silent", nil); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	for range maxRequests {
		<-bus.seen
	}
	if _, err := c.Invoke(ctx, 5, "silent", nil); !errors.Is(err, StatusNoMemory) {
		t.Errorf("request %d: %v", maxRequests+1, err)
	}
	cancel()
	waiting.Wait()
	if _, err := c.Invoke(t.Context(), 5, "other", nil); err != nil { // the others made room
		t.Error(err)
	}
	<-bus.seen

	release := make(chan bool)
	slow := Object{Name: "slow", Methods: []Method{{Name: "wait", Handle: func(context.Context, Call) (Table, error) {
		<-release
		return Table{}, nil
	}}}}
	if err := c.AddObject(t.Context(), slow); err != nil {
		t.Fatal(err)
	}
	<-bus.seen
	c.mu.Lock()
	var id uint32
	for id = range c.objects {
	}
	c.mu.Unlock()
	body := appendString(appendUint32(nil, attrObjID, id), attrMethod, "wait")
	body, err := appendData(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	const calls = maxCalls + 10
	for i := range calls {
		if err := put(sock, message{kind: messageInvoke, seq: uint16(i), peer: 99, attributes: body}); err != nil {
			t.Fatal(err)
		}
	}
	for range calls - maxCalls - 1 { // one is being handled
		if a := status(t, bus); a.status != StatusNoMemory {
			t.Errorf("a call beyond the bound gets %v", a.status)
		}
	}
	close(release)
	for range maxCalls {
		<-bus.seen // DATA
		if a := status(t, bus); a.status != statusOK {
			t.Errorf("a call that waited gets %v", a.status)
		}
	}
}

// TestSlowMethods: other calls do not wait for slow ones, of which few may wait, in their order.
func TestSlowMethods(t *testing.T) {
	bus := startStub(t, filepath.Join(t.TempDir(), "sock"))
	c, sock := dialStub(t, bus)
	started, release := make(chan bool, 2*maxSlow), make(chan bool)
	object := Object{Name: "both", Methods: []Method{
		{Name: "fast", Handle: func(context.Context, Call) (Table, error) { return nil, nil }},
		{Name: "slow", Slow: true, Handle: func(context.Context, Call) (Table, error) {
			started <- true
			<-release
			return nil, StatusTimeout
		}},
	}}
	if err := c.AddObject(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	<-bus.seen
	c.mu.Lock()
	var id uint32
	for id = range c.objects {
	}
	c.mu.Unlock()
	call := func(method string, seq uint16) {
		t.Helper()
		body, err := appendData(appendString(appendUint32(nil, attrObjID, id), attrMethod, method), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := put(sock, message{kind: messageInvoke, seq: seq, peer: 99, attributes: body}); err != nil {
			t.Fatal(err)
		}
	}
	call("slow", 1)
	<-started
	for i := range maxSlow + 1 {
		call("slow", uint16(2+i))
	}
	if a := status(t, bus); a.status != StatusNoMemory {
		t.Errorf("a slow call too many gets %v", a.status)
	}
	call("fast", 100)
	if a := status(t, bus); a.status != statusOK {
		t.Errorf("a fast call gets %v", a.status)
	}
	close(release)
	for range maxSlow + 1 {
		if a := status(t, bus); a.status != StatusTimeout {
			t.Errorf("a slow call gets %v", a.status)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// status returns the next message that was sent to the bus, a STATUS.
func status(t *testing.T, bus *stubBus) attributes {
	t.Helper()
	select {
	case m := <-bus.seen:
		a, err := m.parse()
		if err != nil || m.kind != messageStatus {
			t.Fatalf("message of type %d (%v)", m.kind, err)
		}
		return a
	case <-time.After(patience):
		t.Fatal("no message")
	}
	panic("unreachable")
}

// TestConnBrokenMessages: a bus that speaks another language ends the connection, and every request with it.
func TestConnBrokenMessages(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct {
		name, bytes, want string
	}{
		{"version", "\x01\x01\x00\x01\x00\x00\x00\x05\x00\x00\x00\x04", "unknown version 1"},
		{"short", "\x00\x01\x00\x01\x00\x00\x00\x05\x00\x00\x00\x03", "outside 4 to"},
		{"long", "\x00\x01\x00\x01\x00\x00\x00\x05\x00\x20\x00\x00", "outside 4 to"},
		{"attribute", "\x00\x01\x00\x01\x00\x00\x00\x05\x00\x00\x00\x08\x01\x00\x00\x09", "longer than what holds it"},
		{"number", "\x00\x01\x00\x01\x00\x00\x00\x05\x00\x00\x00\x08\x01\x00\x00\x04", "number of 0 bytes"},
		{"string", "\x00\x01\x00\x01\x00\x00\x00\x05\x00\x00\x00\x08\x02\x00\x00\x04", "does not end in NUL"},
		{"end", "", "closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bus := startStub(t, filepath.Join(dir, fmt.Sprint(i)))
			conn, sock := dialStub(t, bus)
			failed := make(chan error, 1)
			go func() {
				_, err := conn.Invoke(t.Context(), 5, "silent", nil)
				failed <- err
			}()
			<-bus.seen
			if _, err := sock.Write([]byte(c.bytes)); err != nil {
				t.Fatal(err)
			}
			if c.bytes == "" {
				sock.Close()
			}
			if err := <-failed; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the request that waits returns %v", err)
			}
			<-conn.Done()
			if _, err := conn.Lookup(t.Context(), "x"); err == nil || conn.Err() == nil {
				t.Error("requests go on")
			}
		})
	}
}

func TestDialRefuses(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for name, greeting := range map[string]string{
		"another message": "\x00\x01\x00\x00\x00\x00\x00\x05\x00\x00\x00\x04",
		"no ubus":         "HTTP/1.1 400 Bad Request\r\n\r\n",
		"silence":         "",
	} {
		ours, theirs := net.Pipe()
		go theirs.Write([]byte(greeting))
		if _, err := newConn(ctx, ours); err == nil {
			t.Errorf("%s is taken for a greeting", name)
		}
		ours.Close()
		theirs.Close()
	}
	if _, err := Dial(ctx, filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("connected to nothing")
	}
}

// TestClientReconnects: each time that the bus comes back, the Client publishes and listens again.
func TestClientReconnects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	client := NewClient(Options{
		Path:          path,
		Objects:       []Object{{Name: "ours"}},
		Listeners:     []Listener{{Pattern: "a*", Handle: func(context.Context, string, Table) {}}},
		Subscriptions: []Subscription{{Path: "elsewhere", Handle: func(context.Context, string, Table) {}}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- client.Run(ctx) }()
	want := []messageType{
		messageAddObject,                // ours
		messageAddObject, messageInvoke, // listening for a*
		messageAddObject, messageInvoke, // listening for new objects
		messageAddObject, messageLookup, messageRemoveObject, // no object to subscribe to yet
	}
	for range 3 {
		bus := startStub(t, path)
		for i, kind := range want {
			select {
			case m := <-bus.seen:
				if m.kind != kind {
					t.Fatalf("message %d is of type %d instead of %d", i, m.kind, kind)
				}
			case <-time.After(patience):
				t.Fatalf("no message %d", i)
			}
		}
		if err := client.Send(ctx, "a", nil); err != nil {
			t.Error(err)
		}
		bus.stop()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := client.Call(t.Context(), "a", "b", nil); !errors.Is(err, StatusConnectionFailed) {
		t.Errorf("a call after the end returns %v", err)
	}
}
