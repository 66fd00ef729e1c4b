package ubus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Options say what a Client does on the bus.
type Options struct {
	Path          string // of ubusd's socket; DefaultPath if empty
	Objects       []Object
	Listeners     []Listener
	Subscriptions []Subscription
	Logger        *slog.Logger // nil: nothing is logged
}

// A Listener takes events. Pattern is a name, or the start of one and "*".
type Listener struct {
	Pattern string
	Handle  func(ctx context.Context, event string, data Table)
}

// A Subscription takes the notifications of the object at Path, from whenever that object is there.
type Subscription struct {
	Path   string
	Handle func(ctx context.Context, notification string, data Table)
}

const (
	// How long a Client waits before it connects again: twice as long after each failure.
	minBackoff = 100 * time.Millisecond
	maxBackoff = 10 * time.Second

	// firstAttempt is how long a request waits for the first connection, so that it can be made right after the start.
	firstAttempt = time.Second
)

// A Client keeps a connection to ubusd up. Its methods may be called from any goroutine.
type Client struct {
	options Options
	tried   chan struct{} // closed once Run has tried to connect

	mu   sync.Mutex // protects conn
	conn *Conn      // nil while there is none
}

// NewClient makes a Client that does nothing before Run.
func NewClient(o Options) *Client {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Client{options: o, tried: make(chan struct{})}
}

// Run connects, and connects again whenever the connection is lost, until ctx ends. It returns nil when all handlers
// have returned. It may be called once.
func (c *Client) Run(ctx context.Context) error {
	backoff := minBackoff
	tried := sync.OnceFunc(func() { close(c.tried) })
	defer tried()
	for said := false; ; {
		conn, err := Dial(ctx, c.options.Path)
		if err == nil {
			backoff, said = minBackoff, false
			c.set(conn)
			tried()
			err = c.serve(ctx, conn)
		}
		tried()
		if ctx.Err() != nil {
			return nil
		}
		if !said { // once for each time that the bus is away
			c.options.Logger.Warn("no connection to the bus, trying again", "error", err)
			said = true
		}
		select {
		case <-time.After(backoff):
			backoff = min(2*backoff, maxBackoff)
		case <-ctx.Done():
			return nil
		}
	}
}

// serve uses one connection until it or ctx ends, and returns why it ended.
func (c *Client) serve(ctx context.Context, conn *Conn) error {
	defer conn.Close()
	defer c.set(nil)
	c.options.Logger.Debug("connected to the bus")
	s := subscriber{client: c, conn: conn, active: map[string]bool{}, added: make(chan struct{}, 1)}
	c.announce(ctx, &s)
	for {
		select {
		case <-s.added:
			s.subscribe(ctx)
		case <-conn.Done():
			return conn.Err()
		case <-ctx.Done():
			return nil
		}
	}
}

// announce publishes, listens and subscribes on a new connection. What is refused is logged, and the rest goes on: a
// missing ACL must not cost more than what it is about.
func (c *Client) announce(ctx context.Context, s *subscriber) {
	for _, o := range c.options.Objects {
		c.warn(ctx, s.conn.AddObject(ctx, o))
	}
	for _, l := range c.options.Listeners {
		c.warn(ctx, s.conn.Listen(ctx, l.Pattern, l.Handle))
	}
	if len(c.options.Subscriptions) > 0 {
		c.warn(ctx, s.conn.Listen(ctx, "ubus.object.add", s.objectAdded))
		s.subscribe(ctx)
	}
}

// warn logs what the bus refused.
func (c *Client) warn(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		c.options.Logger.Warn("the bus refuses a request", "error", err)
	}
}

func (c *Client) set(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
}

// get returns the current connection. Before the first attempt to connect it waits a little for that.
func (c *Client) get(ctx context.Context) (*Conn, error) {
	select {
	case <-c.tried:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(firstAttempt):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil, StatusConnectionFailed
	}
	return c.conn, nil
}

// Connected says whether there is a connection.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn != nil
}

// Call is Conn.Call on the current connection; StatusConnectionFailed while there is none.
func (c *Client) Call(ctx context.Context, path, method string, args Table) (Table, error) {
	conn, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	return conn.Call(ctx, path, method, args)
}

// Send is Conn.Send on the current connection; StatusConnectionFailed while there is none.
func (c *Client) Send(ctx context.Context, event string, data Table) error {
	conn, err := c.get(ctx)
	if err != nil {
		return err
	}
	return conn.Send(ctx, event, data)
}

// A subscriber renews the subscriptions of a Client on one connection as their objects come and go. It subscribes from
// the goroutine of Run alone, so that no object is subscribed to twice.
type subscriber struct {
	client *Client
	conn   *Conn
	added  chan struct{} // receives after an object was published

	mu     sync.Mutex
	active map[string]bool // by path
}

// subscribe subscribes to what is there and not subscribed to. The others announce themselves when they come.
func (s *subscriber) subscribe(ctx context.Context) {
	for _, sub := range s.client.options.Subscriptions {
		if s.set(sub.Path, true) {
			continue
		}
		gone := func(context.Context) { s.set(sub.Path, false) }
		if err := s.conn.Subscribe(ctx, sub.Path, sub.Handle, gone); err != nil {
			s.set(sub.Path, false)
			if !errors.Is(err, StatusNotFound) {
				s.client.warn(ctx, err)
			}
		}
	}
}

// set notes whether path is subscribed to and returns what it was.
func (s *subscriber) set(path string, active bool) (was bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was = s.active[path]
	s.active[path] = active
	return was
}

// objectAdded takes the bus's event.
func (s *subscriber) objectAdded(context.Context, string, Table) {
	select {
	case s.added <- struct{}{}:
	default: // not yet taken: it will look at all
	}
}
