package ubus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// DefaultPath is where ubusd listens on OpenWrt.
const DefaultPath = "/var/run/ubus/ubus.sock"

const (
	maxRequests  = 256              // that wait for an answer at once
	maxCalls     = 64               // to our objects, and events, that wait for their turn
	maxSlow      = 4                // of them, to methods that are Slow
	maxAnswer    = 4 * MaxMessage   // bytes of all that one request returns: a lookup's objects come one by one
	writeTimeout = 10 * time.Second // a bus that takes no bytes for so long is dead
	helloTimeout = 10 * time.Second
)

// ErrClosed is what requests on a connection return once it is closed or the bus is gone.
var ErrClosed = errors.New("ubus: connection closed")

// A Conn is one connection to ubusd. Its methods may be called from any goroutine, also from within handlers. Handlers
// run one after the other, in the order in which the bus delivered the calls; those of slow methods beside the others.
type Conn struct {
	net  net.Conn
	id   uint32
	quit context.CancelFunc // ends the context of handlers

	write sync.Mutex // held while a message is written

	mu      sync.Mutex // protects what follows
	seq     uint16
	pending map[uint16]*request
	objects map[uint32]*handlers
	err     error // why the connection ended

	calls   chan message
	slow    chan message  // calls of slow methods, out of calls
	done    chan struct{} // closed when the connection has ended
	stopped sync.WaitGroup
}

// A request waits for its answer.
type request struct {
	peer   uint32
	adds   *handlers    // of the object that the request publishes; nil: it publishes none
	data   []attributes // what DATA messages brought so far
	size   int          // bytes of data
	status chan error   // receives once; buffered
}

// An invokeFunc answers one message that was sent to an object.
type invokeFunc func(ctx context.Context, a attributes) (Table, error)

// handlers take what the bus sends to one of our objects.
type handlers struct {
	invoke invokeFunc
	slow   func(method string) bool  // reports whether a method is slow; nil: none is
	gone   func(ctx context.Context) // the object that this one subscribed to has disappeared; may be nil
}

// Dial connects to ubusd at the socket path (DefaultPath if it is empty) and waits for its greeting.
func Dial(ctx context.Context, path string) (*Conn, error) {
	if path == "" {
		path = DefaultPath
	}
	var d net.Dialer
	sock, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connecting to the bus: %w", err)
	}
	c, err := newConn(ctx, sock)
	if err != nil {
		sock.Close()
		return nil, fmt.Errorf("connecting to the bus at %s: %w", path, err)
	}
	return c, nil
}

// newConn takes over sock, unless it returns an error.
func newConn(ctx context.Context, sock net.Conn) (*Conn, error) {
	deadline := time.Now().Add(helloTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := sock.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	r := bufio.NewReader(sock)
	hello, err := readMessage(r)
	if err != nil {
		return nil, err
	}
	if hello.kind != messageHello {
		return nil, fmt.Errorf("greeted by a message of type %d", hello.kind)
	}
	if err := sock.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	handling, quit := context.WithCancel(context.WithoutCancel(ctx))
	c := &Conn{
		net:     sock,
		id:      hello.peer,
		quit:    quit,
		pending: map[uint16]*request{},
		objects: map[uint32]*handlers{},
		calls:   make(chan message, maxCalls),
		slow:    make(chan message, maxSlow),
		done:    make(chan struct{}),
	}
	c.stopped.Go(func() {
		c.fail(c.receive(r))
		close(c.calls)
	})
	c.stopped.Go(func() {
		for m := range c.calls {
			c.handle(handling, m, c.slow)
		}
		close(c.slow)
	})
	c.stopped.Go(func() {
		for m := range c.slow {
			if handling.Err() == nil { // else nobody waits for it
				c.handle(handling, m, nil)
			}
		}
	})
	return c, nil
}

// Close ends the connection and waits until no handler runs. It must not be called from a handler.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.stopped.Wait()
	return nil
}

// Done returns a channel that is closed when the connection has ended, for whatever reason.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, nil while it lasts.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail ends the connection: every request that waits, and every later one, returns err.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if err == io.EOF {
		err = ErrClosed
	}
	c.err = err
	for seq, r := range c.pending {
		delete(c.pending, seq)
		r.status <- err
	}
	close(c.done)
	c.quit()
	c.net.Close()
}

// send writes one message.
func (c *Conn) send(m message) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return c.lost(err)
	}
	if _, err := c.net.Write(b); err != nil {
		return c.lost(err) // perhaps after half a message: the connection is of no use any more
	}
	return nil
}

// lost ends the connection after a failed write and returns why it ended.
func (c *Conn) lost(err error) error {
	c.fail(fmt.Errorf("writing to the bus: %w", err))
	return c.Err()
}

// request sends a message and waits for its status. It returns what the bus or the object sent before that.
func (c *Conn) request(ctx context.Context, kind messageType, peer uint32, body []byte) ([]attributes, error) {
	return c.do(ctx, kind, &request{peer: peer}, body)
}

func (c *Conn) do(ctx context.Context, kind messageType, r *request, body []byte) ([]attributes, error) {
	seq, err := c.begin(r)
	if err != nil {
		return nil, err
	}
	if err := c.send(message{kind: kind, seq: seq, peer: r.peer, attributes: body}); err != nil {
		c.forget(seq)
		return nil, err
	}
	select {
	case err := <-r.status:
		return r.data, err
	case <-ctx.Done():
		c.forget(seq)
		return nil, ctx.Err()
	}
}

// begin registers a request under a number that no other one has.
func (c *Conn) begin(r *request) (uint16, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if len(c.pending) >= maxRequests {
		return 0, fmt.Errorf("%d requests wait for the bus already: %w", maxRequests, StatusNoMemory)
	}
	for c.seq++; c.pending[c.seq] != nil; c.seq++ {
	}
	r.status = make(chan error, 1)
	c.pending[c.seq] = r
	return c.seq, nil
}

func (c *Conn) forget(seq uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, seq)
}

// receive reads messages until one is broken or the connection ends.
func (c *Conn) receive(r io.Reader) error {
	for {
		m, err := readMessage(r)
		if err != nil {
			return err
		}
		switch m.kind {
		case messageStatus, messageData:
			if err := c.answer(m); err != nil {
				return err
			}
		case messageInvoke, messageUnsubscribe:
			select {
			case c.calls <- m:
			default:
				c.refuse(m)
			}
		}
	}
}

// answer hands a STATUS or DATA message to the request that it belongs to. Answers to requests that were given up
// belong to none.
func (c *Conn) answer(m message) error {
	a, err := m.parse()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.pending[m.seq]
	switch {
	case r == nil || r.peer != m.peer:
	case m.kind == messageData:
		if r.size += len(m.attributes); r.size <= maxAnswer {
			r.data = append(r.data, a)
		}
		if r.adds != nil && a.with(attrObjID) {
			c.objects[a.object] = r.adds // now, because the next message may be a call
		}
	case r.size > maxAnswer:
		delete(c.pending, m.seq)
		r.status <- fmt.Errorf("answer of %d bytes is over %d: %w", r.size, maxAnswer, StatusNoMemory)
	case !a.with(attrStatus):
		delete(c.pending, m.seq)
		r.status <- StatusInvalidArgument
	case a.status != statusOK:
		delete(c.pending, m.seq)
		r.status <- a.status
	default:
		delete(c.pending, m.seq)
		r.status <- nil
	}
	return nil
}
