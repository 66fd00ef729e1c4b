package watch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// How long an API server may be silent before another is tried.
const (
	dialTimeout    = 10 * time.Second
	headerTimeout  = 2 * time.Minute // a proxy may hold the header of a watch back until the first bookmark
	requestTimeout = time.Minute     // of one page of a list
)

// Pings find out whether a server that says nothing is there still: HTTP/2 asks for an answer after so long of silence,
// and gives the connection up if there is none in time.
type pings struct{ after, timeout time.Duration }

// A link is one set of credentials and the connections that were made with them.
type link struct {
	*credentials
	transport http.RoundTripper
	current   atomic.Int32 // index of the server that answered last
	requests  *atomic.Uint32
}

// newLink returns a link. The API server's certificate is judged at the time that clock returns: a router has no clock
// of its own at boot. dialled is told every address that is connected to.
func newLink(c *credentials, p pings, clock func() time.Time, dialled func(netip.AddrPort),
	requests *atomic.Uint32) *link {
	dialer := &net.Dialer{
		Timeout: dialTimeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			if a, err := netip.ParseAddrPort(address); err == nil {
				dialled(a)
			}
			return nil
		},
	}
	config := &tls.Config{RootCAs: c.roots, ServerName: c.serverName, MinVersion: tls.VersionTLS12, Time: clock}
	if c.certificate != nil {
		config.Certificates = []tls.Certificate{*c.certificate}
	}
	return &link{credentials: c, requests: requests, transport: &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: p.after, PingTimeout: p.timeout},
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true, // the LAN is faster than the router's CPU
	}}
}

// server returns the URL of the API server that is spoken to.
func (l *link) server() *url.URL {
	return l.servers[int(l.current.Load())%len(l.servers)]
}

// next makes the server after the one with the index the first to be tried.
func (l *link) next(from int) { l.current.CompareAndSwap(int32(from), int32((from+1)%len(l.servers))) }

// close ends the connections that nobody uses; the others end with their requests.
func (l *link) close() {
	if t, ok := l.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// roundTrip sends a request whose URL has the path alone to the server that answered last and, where there is no
// connection to be had, to the others in turn.
func (l *link) roundTrip(req *http.Request) (*http.Response, error) {
	first := int(l.current.Load())
	var failed []string
	for i := range l.servers {
		index := (first + i) % len(l.servers)
		server := l.servers[index]
		attempt, err := l.addressed(req, server)
		if err != nil {
			return nil, err
		}
		l.requests.Add(1)
		resp, err := l.transport.RoundTrip(attempt)
		if err == nil {
			l.current.Store(int32(index))
			if resp.StatusCode >= http.StatusInternalServerError {
				l.next(index) // it is not well: the next request goes elsewhere
			}
			return resp, nil
		}
		if req.Context().Err() != nil {
			cause := context.Cause(req.Context())
			if cause == errNoAnswer || errors.Is(cause, context.DeadlineExceeded) {
				l.next(index) // it is there and does not answer
			}
			return nil, &unreachable{server.String(), err}
		}
		failed = append(failed, (&unreachable{server.String(), err}).Error())
		if len(l.servers) == 1 {
			return nil, &unreachable{server.String(), err}
		}
		l.next(index)
	}
	return nil, errors.New(strings.Join(failed, "; "))
}

// An unreachable is an API server from which there was no answer.
type unreachable struct {
	server string
	err    error
}

func (u *unreachable) Error() string { return fmt.Sprintf("cannot reach %s: %v", u.server, u.err) }
func (u *unreachable) Unwrap() error { return u.err }

// addressed returns a copy of the request for the server, with the credentials.
func (l *link) addressed(req *http.Request, server *url.URL) (*http.Request, error) {
	attempt := req.Clone(req.Context())
	attempt.URL.Scheme, attempt.URL.Host = server.Scheme, server.Host
	attempt.URL.Path = strings.TrimSuffix(server.Path, "/") + req.URL.Path
	attempt.URL.RawPath, attempt.Host = "", ""
	if l.token != "" {
		attempt.Header.Set("Authorization", "Bearer "+l.token)
	}
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		attempt.Body = body
	}
	return attempt, nil
}

// A roundTripper is an http.RoundTripper made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// bounded refuses redirects, which would carry the token elsewhere, and bounds what is read of an answer. The events of
// a watch are bounded one by one as they are decoded.
func bounded(req *http.Request, resp *http.Response) (*http.Response, error) {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		resp.Body.Close()
		return nil, fmt.Errorf("the API server answers with a redirect to %q, which sniroute does not follow: "+
			"name the API server's own address", shorten(resp.Header.Get("Location")))
	}
	query := req.URL.Query()
	switch {
	case query.Get("watch") == "true" && resp.StatusCode == http.StatusOK:
	case query.Get("limit") != "":
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxPage}
	default:
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxOtherResponse}
	}
	return resp, nil
}

// A boundedBody fails when more is read than there may be.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if _, err := b.ReadCloser.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
