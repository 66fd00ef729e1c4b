package status

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzRequest hands any request that net/http takes to the page's server and to the control socket's: neither fails,
// the guard lets through what it should and no more, and JSON is JSON.
func FuzzRequest(f *testing.F) {
	for _, path := range []string{
		"/", "/api/status", "/api/routes", "/api/explain?name=app1.k8s.example.com", "/metrics", "/healthz", "/readyz",
		"/routes", "/status", "/explain?name=%00%ff", "/explain?name=<script>", "/api/../status", "//",
	} {
		f.Add([]byte("GET "+path+" HTTP/1.1\r\nHost: 192.0.2.1:1936\r\n\r\n"), uint32(0))
	}
	f.Add([]byte("POST /reload HTTP/1.1\r\nHost: router.lan\r\nContent-Length: 2\r\n\r\nhi"), uint32(0))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"), uint32(1))
	f.Add([]byte("HEAD http://[fd00::1]/ HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n"), uint32(65534))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: [::1%25eth0]:\r\n\r\n"), uint32(1))
	daemon := busyDaemon(time.Unix(1700000000, 0))
	server := &Server{options: Options{Names: []string{"router.lan"}, Logger: slog.New(slog.DiscardHandler)}}
	page, control := server.guard(server.handler(daemon)), onlyOwner(controlHandler(daemon))
	f.Fuzz(func(t *testing.T, raw []byte, uid uint32) {
		read := func() *http.Request {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
			if err != nil {
				return nil
			}
			return r
		}
		request := read()
		if request == nil {
			return // net/http would not hand it on
		}
		shown := answer(t, page, request)
		host := hostOf(request.Host)
		name := strings.ToLower(strings.TrimSuffix(host, "."))
		_, err := netip.ParseAddr(host)
		known := err == nil || slices.Contains([]string{"localhost", "router.lan"}, name)
		reads := request.Method == "GET" || request.Method == "HEAD"
		if shown.StatusCode < 300 && (!known || !reads) {
			t.Fatalf("%s for host %q: %s", request.Method, request.Host, shown.Status)
		}
		if !strings.HasPrefix(shown.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("%s: policy %q", shown.Status, shown.Header.Get("Content-Security-Policy"))
		}

		request = read()
		told := answer(t, control, request.WithContext(context.WithValue(request.Context(), peerUIDKey{}, uid)))
		if mine := uid == 0 || uid == uint32(os.Getuid()); mine == (told.StatusCode == http.StatusForbidden) {
			t.Fatalf("user %d: %s", uid, told.Status)
		}
	})
}

// hostOf returns what a Host header names, without port and brackets.
func hostOf(header string) string {
	if rest, found := strings.CutPrefix(header, "["); found {
		host, _, _ := strings.Cut(rest, "]")
		return host
	}
	if strings.Count(header, ":") == 1 {
		header, _, _ = strings.Cut(header, ":")
	}
	return header
}

// answer serves one request.
func answer(t *testing.T, h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	result := w.Result()
	body, err := io.ReadAll(result.Body)
	if err != nil {
		t.Fatal(err)
	}
	kind, _, err := mime.ParseMediaType(result.Header.Get("Content-Type"))
	switch {
	case result.StatusCode < 200 || result.StatusCode >= 500 && r.URL.Path != "/readyz":
		t.Fatalf("%s %q: %s", r.Method, r.URL, result.Status)
	case err != nil && len(body) > 0:
		t.Fatalf("%s %q: the answer has no type: %v", r.Method, r.URL, err)
	case kind == "application/json" && !json.Valid(body):
		t.Fatalf("%s %q: no JSON: %q", r.Method, r.URL, body)
	case kind == "text/html" && bytes.Contains(body, []byte("<script")):
		t.Fatalf("%s %q: a script in the page", r.Method, r.URL)
	}
	return result
}
