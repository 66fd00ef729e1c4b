package watch

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A server that was cut off without a word is missed after a ping, not when the watch would have ended.
func TestClusterServerThatFallsSilent(t *testing.T) {
	d := newDouble(t)
	d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	var silent atomic.Bool
	go relay(listener, strings.TrimPrefix(d.server.URL, "https://"), &silent)
	r := runCluster(t, d.cluster(t, func(c *Cluster) {
		c.Servers = []string{"https://" + listener.Addr().String()}
		c.pings = pings{after: 200 * time.Millisecond, timeout: 4 * time.Second} // which a busy machine may need
	}))
	r.want("a@10.0.0.3")
	r.wantSynced()
	silent.Store(true)
	s := r.wantState("state that is not synced", func(s State) bool { return !s.Synced })
	if !s.FromState {
		t.Errorf("state %+v", s)
	}
	d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
	silent.Store(false)
	r.want("a@10.0.0.3", "b@10.0.0.3")
}

// relay passes connections on, and swallows every byte while it is silent.
func relay(listener net.Listener, to string, silent *atomic.Bool) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			client.Close()
			continue
		}
		pass := func(to, from net.Conn) {
			defer to.Close()
			buffer := make([]byte, 1<<15)
			lost := false
			for {
				n, err := from.Read(buffer)
				if err != nil {
					return
				}
				if lost = lost || silent.Load(); lost { // a connection that has lost bytes stays dead
					continue
				}
				if _, err := to.Write(buffer[:n]); err != nil {
					return
				}
			}
		}
		go pass(client, server)
		go pass(server, client)
	}
}

func TestClusterAnswersThatAreNone(t *testing.T) {
	faults := []struct {
		name, want string
		fault      func(w http.ResponseWriter, r *http.Request)
	}{
		{"redirect", "redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example.com/", http.StatusFound)
		}},
		{"a page", "", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<html>sign in to the hotel's network</html>")
		}},
		{"garbage", "not what it should be", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{{{{\n")
		}},
		{"an event without end", "larger than", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Query().Get("watch") != "true" {
				fmt.Fprint(w, `{"items": [`)
			}
			chunk := []byte(strings.Repeat(" ", 1<<16))
			for r.Context().Err() == nil {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}},
		{"objects without end", "larger than", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			host := strings.Repeat("a", 1<<18)
			for i := 0; r.Context().Err() == nil; i++ {
				if r.URL.Query().Get("watch") == "true" {
					fmt.Fprintf(w, `{"type":"ADDED","object":{"metadata":{"name":"x%d","namespace":"n"},"spec":{"rules":[{"host":"%s"}]}}}`+"\n", i, host)
				} else if _, err := fmt.Fprintf(w, `{"metadata":{"name":"x%d"}},`, i); err != nil {
					return
				}
			}
		}},
		{"lists without end", "larger than", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("watch") == "true" {
				refuse(w, http.StatusUnprocessableEntity, "Invalid", "no")
				return
			}
			w.Header().Set("Content-Type", "application/json")
			if !strings.Contains(r.URL.Path, "/ingresses") {
				fmt.Fprint(w, `{"metadata":{"continue":"0"},"items":[{}]}`)
				return
			}
			fmt.Fprintf(w, `{"metadata":{"continue":"0"},"items":[{"spec":{"rules":[{"host":"%s"}]}}]}`, strings.Repeat("a", 1<<19))
		}},
		{"an internal error", "out of order", func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, http.StatusInternalServerError, "InternalError", "out of order")
		}},
		{"too many requests", "later", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			refuse(w, http.StatusTooManyRequests, "TooManyRequests", "later")
		}},
		{"a status in place of a list", "", func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, http.StatusOK, "Unknown", "odd")
		}},
		{"nothing", "", func(w http.ResponseWriter, _ *http.Request) {
			panic(http.ErrAbortHandler)
		}},
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			d := newDouble(t)
			d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
			r := runCluster(t, d.cluster(t, func(c *Cluster) { c.Sources, c.mostDecoded = []string{"ingress"}, 1<<20 }))
			r.want("a@10.0.0.3")
			d.set(func() {
				d.fault = func(w http.ResponseWriter, r *http.Request) bool { fault.fault(w, r); return true }
			})
			d.server.CloseClientConnections()
			s := r.wantWaiting(fault.want)
			if len(s.Waiting) > 2000 {
				t.Errorf("%d bytes of message", len(s.Waiting))
			}
			d.set(func() { d.fault = nil })
			d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
			r.want("a@10.0.0.3", "b@10.0.0.3")
			r.wantSynced()
		})
	}
}
