package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sys/unix"
)

// A Client asks the running daemon over its control socket.
type Client struct {
	path string
	http http.Client
}

// ErrNotRunning says that no daemon serves the control socket.
var ErrNotRunning = errors.New("sniroute does not run")

// Dial returns a client of the daemon that serves the control socket at path. The error wraps ErrNotRunning if none
// does, and fs.ErrPermission if the caller may not ask.
func Dial(path string) (*Client, error) {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		return c, conn.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return nil, fmt.Errorf("%w: nobody answers at %s", ErrNotRunning, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("asking the daemon: %w: only root and the daemon's own user may", err)
	}
	return nil, fmt.Errorf("asking the daemon: %w", err)
}

// Close closes the client's connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status returns the state of everything.
func (c *Client) Status(ctx context.Context) (Report, error) {
	return ask[Report](ctx, c, "/status")
}

// Routes returns every host and every refusal.
func (c *Client) Routes(ctx context.Context) (Routes, error) {
	return ask[Routes](ctx, c, "/routes")
}

// Explain says what happens to a name.
func (c *Client) Explain(ctx context.Context, name string) (Explanation, error) {
	return ask[Explanation](ctx, c, "/explain?name="+url.QueryEscape(name))
}

// Reload has the daemon read its configuration again and returns what is wrong with it.
func (c *Client) Reload(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodPost, "/reload")
	return err
}

func ask[T any](ctx context.Context, c *Client, path string) (T, error) {
	var value T
	text, err := c.do(ctx, http.MethodGet, path)
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(text, &value); err != nil {
		return value, fmt.Errorf("what the daemon answers to %s is not understood: %w", path, err)
	}
	return value, nil
}

const maxAnswer = 64 << 20 // bytes; 4,096 hosts of each of a few sources take a tenth of it

func (c *Client) do(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://sniroute"+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon at %s: %w", c.path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading what the daemon answers to %s: %w", path, err)
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return text, nil
	case http.StatusForbidden:
		return nil, fmt.Errorf("%w: %s", fs.ErrPermission, strings.TrimSpace(string(text)))
	}
	return nil, errors.New(strings.TrimSpace(string(text)))
}
