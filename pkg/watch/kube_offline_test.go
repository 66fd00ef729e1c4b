package watch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// A fakeNetwork carries requests without a network, so that time can be scaled. up decides what becomes of them.
type fakeNetwork struct {
	mu    sync.Mutex
	up    func(*http.Request) (*http.Response, error)
	asked []time.Time
}

func (n *fakeNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	up := n.up
	n.asked = append(n.asked, time.Now())
	n.mu.Unlock()
	return up(r)
}

func (n *fakeNetwork) set(up func(*http.Request) (*http.Response, error)) (asked []time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up = up
	asked, n.asked = n.asked, nil
	return asked
}

func refusedConnection(*http.Request) (*http.Response, error) {
	return nil, &os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED}
}

// hanging never answers, as a server whose disk hangs.
func hanging(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// oneIngress answers every list with one Ingress, and watches that say nothing for as long as they are asked for.
func oneIngress(r *http.Request) (*http.Response, error) {
	answer := func(code int, body io.ReadCloser) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
	}
	text := func(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPost:
		return answer(201, text(`{"kind":"SelfSubjectAccessReview","status":{"allowed":false}}`))
	case query.Get("sendInitialEvents") != "":
		return answer(422, text(`{"kind":"Status","status":"Failure","code":422,"reason":"Invalid"}`))
	case query.Get("watch") != "":
		seconds, err := strconv.Atoi(query.Get("timeoutSeconds"))
		if err != nil {
			return nil, err
		}
		return answer(200, &silentBody{ctx: r.Context(), closed: make(chan struct{}),
			ends: time.Now().Add(time.Duration(seconds) * time.Second)})
	case strings.HasSuffix(r.URL.Path, "/ingresses"):
		return answer(200, text(`{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"a","namespace":"n"},`+
			`"spec":{"rules":[{"host":"a.example.com"}]},"status":{"loadBalancer":{"ingress":[{"ip":"10.0.0.3"}]}}}]}`))
	}
	return answer(200, text(`{"metadata":{"resourceVersion":"5"},"items":[]}`))
}

// A silentBody is the answer to a watch on which nothing happens.
type silentBody struct {
	ctx    context.Context
	once   sync.Once
	closed chan struct{}
	ends   time.Time // zero: never
}

func (b *silentBody) Read([]byte) (int, error) {
	var end <-chan time.Time
	if !b.ends.IsZero() {
		end = time.After(time.Until(b.ends))
	}
	select {
	case <-end:
		return 0, io.EOF
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	case <-b.closed:
		return 0, errors.New("closed")
	}
}

func (b *silentBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// An hour without the API server: the attempts are bounded, what is known stays, State says so, and all is well at once
// when it is back.
func TestClusterOfflineForAnHour(t *testing.T) {
	for name, outage := range map[string]func(*http.Request) (*http.Response, error){
		"refused": refusedConnection, "hanging": hanging,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &fakeNetwork{up: oneIngress}
				var last []route.Claim
				c := &Cluster{Name: "home", Servers: []string{"https://192.0.2.1:6443"}, Sources: Sources(), Logger: silent(),
					TokenFile: filepath.Join(t.TempDir(), "token"), Hold: time.Minute,
					Publish:   func(claims []route.Claim) { last = claims },
					transport: func(*credentials) http.RoundTripper { return network },
				}
				must(t, os.WriteFile(c.TokenFile, []byte("good"), 0o600))
				ctx, cancel := testContext(t)
				done := make(chan error, 1)
				go func() { done <- c.Run(ctx) }()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if got := showHosts(last); len(got) != 1 || !c.State().Synced {
					t.Fatalf("claims %q, state %+v", got, c.State())
				}
				quiet := len(network.set(outage))
				if quiet > 40 {
					t.Errorf("%d requests in ten quiet minutes", quiet)
				}
				for _, f := range c.followers {
					f.drop() // the connections are cut
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				attempts := len(network.set(oneIngress))
				if most := 3 * 3600 / 10; attempts > most || attempts < 60 {
					t.Errorf("%d attempts in an hour, want at most one in ten seconds for each of three kinds", attempts)
				}
				s := c.State()
				if s.Synced || !s.FromState || s.Claims != 1 || s.Waiting == "" || time.Since(s.LastSync) < 55*time.Minute {
					t.Errorf("state after the hour %+v", s)
				}
				if got := showHosts(last); len(got) != 1 {
					t.Errorf("claims after the hour %q", got)
				}
				time.Sleep(3 * time.Minute) // a request that hangs is given up after two
				synctest.Wait()
				if s := c.State(); !s.Synced {
					t.Errorf("state when it was back for three minutes %+v", s)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A server that takes connections and never answers is left for the next one.
func TestClusterLeavesAServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &fakeNetwork{up: func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "192.0.2.1:6443" {
				return hanging(r)
			}
			return oneIngress(r)
		}}
		var last []route.Claim
		c := &Cluster{Name: "home", Servers: []string{"https://192.0.2.1:6443", "https://192.0.2.2:6443"}, Sources: Sources(),
			Logger: silent(), Publish: func(claims []route.Claim) { last = claims },
			transport: func(*credentials) http.RoundTripper { return network }}
		ctx, cancel := testContext(t)
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if s := c.State(); !s.Synced || s.Place != "https://192.0.2.2:6443" || len(last) != 1 {
			t.Errorf("%d claims, state %+v", len(last), s)
		}
		cancel()
		<-done
	})
}

// A server that takes a request for a streamed list for a plain watch never ends the list: pages are asked for instead.
func TestClusterStreamedListThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var streamed atomic.Int32
		network := &fakeNetwork{up: func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("sendInitialEvents") == "" {
				return oneIngress(r)
			}
			streamed.Add(1)
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
				Body: &silentBody{ctx: r.Context(), closed: make(chan struct{})}, Request: r}, nil
		}}
		var last []route.Claim
		c := &Cluster{Name: "home", Servers: []string{"https://192.0.2.1:6443"}, Sources: []string{"ingress"}, Logger: silent(),
			Publish:   func(claims []route.Claim) { last = claims },
			transport: func(*credentials) http.RoundTripper { return network }}
		ctx, cancel := testContext(t)
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		time.Sleep(streamedListQuiet + 5*time.Second)
		synctest.Wait()
		if s := c.State(); !s.Synced || len(last) != 1 || streamed.Load() != 2 {
			t.Errorf("%d claims after %d streamed lists, state %+v", len(last), streamed.Load(), s)
		}
		cancel()
		<-done
	})
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{pace: usualPace()}
		ctx, cancel := testContext(t)
		waited := func() time.Duration {
			began := time.Now()
			must(t, g.wait(ctx))
			return time.Since(began)
		}
		if d := waited(); d != 0 {
			t.Errorf("the first request waits %v", d)
		}
		want := g.pace.first
		for range 20 {
			g.failed(false)
			if d := waited(); d < want/2 || d > want {
				t.Errorf("waits %v, want between %v and %v", d, want/2, want)
			}
			want = min(2*want, g.pace.last)
		}
		g.failed(true)
		if d := waited(); d > g.pace.refused {
			t.Errorf("after a refusal it waits %v", d)
		}
		g.went()
		if d := waited(); d != 0 {
			t.Errorf("after success it waits %v", d)
		}
		g.failed(false)
		go g.kick()
		if d := waited(); d != 0 {
			t.Errorf("kicked, it waits %v", d)
		}
		g.failed(false)
		cancel()
		if err := g.wait(ctx); err == nil {
			t.Error("it waits although nobody wants to know")
		}
	})
}
