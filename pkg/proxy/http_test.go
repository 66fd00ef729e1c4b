package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
)

func TestReadRequest(t *testing.T) {
	for _, test := range []struct{ name, request, host, target string }{
		{"ordinary", "GET /a?b HTTP/1.1\r\nHost: app.example.com\r\n\r\n", "app.example.com", "/a?b"},
		{"case, port and dot", "GET / HTTP/1.1\r\nhOsT:\tApp.Example.com.:8080 \r\nX: y\r\n\r\n", "App.Example.com", "/"},
		{"absolute", "GET http://app.example.com/x HTTP/1.1\r\nHost: APP.example.com\r\n\r\n", "app.example.com", "/x"},
		{"absolute without path", "GET HTTP://app.example.com HTTP/1.1\r\nHost: app.example.com\r\n\r\n", "app.example.com", "/"},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "", "/"},
		{"IPv4", "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", "192.0.2.1", "/"},
		{"IPv6", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "", "/"},
	} {
		head, complete, ok := readRequest([]byte(test.request+"body"), 0)
		if !complete || !ok || string(head.host) != test.host || string(head.target) != test.target || head.length != len(test.request) {
			t.Errorf("%s: got %q, %q, %d, %v, %v", test.name, head.host, head.target, head.length, complete, ok)
		}
		for cut := range len(test.request) {
			if _, complete, ok := readRequest([]byte(test.request[:cut]), max(cut-1, 0)); complete || !ok {
				t.Fatalf("%s, cut at %d: complete %v, ok %v, want to wait for more", test.name, cut, complete, ok)
			}
		}
	}
	for name, request := range map[string]string{
		"two hosts":           "GET / HTTP/1.1\r\nHost: a.example.com\r\nHost: b.example.com\r\n\r\n",
		"the same host twice": "GET / HTTP/1.1\r\nHost: a.example.com\r\nHost: a.example.com\r\n\r\n",
		"no host":             "GET / HTTP/1.1\r\nX: y\r\n\r\n",
		"another host":        "GET http://a.example.com/ HTTP/1.1\r\nHost: b.example.com\r\n\r\n",
		"another port":        "GET http://a.example.com:81/ HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
		"user":                "GET http://u@a.example.com/ HTTP/1.1\r\nHost: u@a.example.com\r\n\r\n",
		"folded":              "GET / HTTP/1.1\r\nHost: a.example.com\r\n b.example.com\r\n\r\n",
		"blank before colon":  "GET / HTTP/1.1\r\nHost : a.example.com\r\n\r\n",
		"no colon":            "GET / HTTP/1.1\r\nHost\r\n\r\n",
		"bare LF":             "GET / HTTP/1.1\nHost: a.example.com\r\n\r\n",
		"bare CR":             "GET / HTTP/1.1\r\nX: a\rHost: b\r\n\r\n",
		"NUL":                 "GET / HTTP/1.1\r\nHost: a\x00.example.com\r\n\r\n",
		"not ASCII":           "GET / HTTP/1.1\r\nHost: ä.example.com\r\n\r\n",
		"two blanks":          "GET  / HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
		"HTTP/2":              "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"version":             "GET / HTTP/1.12\r\nHost: a.example.com\r\n\r\n",
		"asterisk":            "OPTIONS * HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
		"authority":           "CONNECT a.example.com:443 HTTP/1.1\r\nHost: a.example.com:443\r\n\r\n",
		"leading CRLF":        "\r\nGET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
		"slash in the host":   "GET / HTTP/1.1\r\nHost: a.example.com/x\r\n\r\n",
		"two dots":            "GET / HTTP/1.1\r\nHost: a.example.com..\r\n\r\n",
		"a dot alone":         "GET / HTTP/1.1\r\nHost: .\r\n\r\n",
		"port":                "GET / HTTP/1.1\r\nHost: a.example.com:80a\r\n\r\n",
		"too long":            "GET / HTTP/1.1\r\nHost: a.example.com\r\nX: " + strings.Repeat("y", maxHead) + "\r\n\r\n",
		"a CR in a line":      "GET / HTTP/1.0\r\nA: b\r\r\n\r\n",
		"endless":             strings.Repeat("y", maxHead),
		"TLS":                 "\x16\x03\x01",
	} {
		if _, _, ok := readRequest([]byte(request), 0); ok {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What is accepted has the host that net/http sees.
func FuzzReadRequest(f *testing.F) {
	f.Add([]byte("GET /a HTTP/1.1\r\nHost: app.example.com:80\r\nConnection: close\r\n\r\n"))
	f.Add([]byte("GET http://app.example.com/a HTTP/1.1\r\nHost: app.example.com\r\n\r\nGET / HTTP/1.1\r\n"))
	f.Add([]byte("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"))
	f.Fuzz(func(t *testing.T, received []byte) {
		head, complete, ok := readRequest(received, 0)
		inPieces, judged := complete && ok, 0
		for cut := 1; cut < head.length && inPieces; cut += 1 + cut/3 {
			_, early, good := readRequest(received[:cut], judged)
			inPieces, judged = good && !early, cut
		}
		if _, done, good := readRequest(received, judged); complete && ok && !(inPieces && done && good) {
			t.Fatalf("%q is a head, but not in pieces", received)
		}
		if !complete || !ok {
			return
		}
		for _, sent := range [][]byte{received, head.alone()} {
			request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sent)))
			if err != nil {
				continue
			}
			host, _, err := net.SplitHostPort(request.Host)
			if err != nil {
				host = request.Host
			}
			if got := strings.TrimSuffix(host, "."); !strings.EqualFold(got, string(head.host)) && len(head.host) > 0 {
				t.Fatalf("%q: host %q, net/http sees %q", sent, head.host, got)
			}
		}
		if again, complete, ok := readRequest(head.alone(), 0); len(head.host) > 0 && (!complete || !ok || !bytes.Equal(again.host, head.host)) {
			t.Fatalf("%q is rewritten as %q", received, head.alone())
		}
	})
}

// httpWorld has a plain-HTTP listener, and servers that answer with their name and what they were asked for.
func httpWorld(t *testing.T) (w *world, port func(name string) uint16) {
	w = newWorld(t, 1, nil)
	ports := make(map[string]uint16)
	for _, name := range []string{"nas", "app", "solver"} {
		s := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			io.WriteString(answer, name+" "+r.Host+r.URL.Path+" "+string(body))
		}))
		t.Cleanup(s.Close)
		ports[name] = s.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
	}
	w.server("app", echo)
	w.policy.Backends[0].HTTPPort, w.policy.Backends[1].HTTPPort = ports["nas"], ports["app"]
	w.expose("app.example.com", "app")
	w.policy.Static = append(w.policy.Static, route.Static{Name: "internal", Hosts: []string{"internal.example.com"}})
	w.policy.Listeners = append(w.policy.Listeners, route.Listener{Name: "http", Default: "nas"})
	w.setup.Listeners = append(w.setup.Listeners, Listener{
		Name: "http", HTTP: true, Addresses: []netip.AddrPort{freeAddress(t)}, InspectDelay: patience,
	})
	w.apply()
	return w, func(name string) uint16 { return ports[name] }
}

// fetch sends a request to the plain-HTTP listener and returns the answer's status and its body, or its Location.
func (w *world) fetch(pieces ...string) (status int, body string) {
	w.t.Helper()
	c, err := net.Dial("tcp4", w.setup.Listeners[1].Addresses[0].String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	for _, piece := range pieces {
		io.WriteString(c, piece)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		w.t.Fatalf("%q: %v", pieces, err)
	}
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatalf("%q: %v", pieces, err)
	}
	if rest, err := io.ReadAll(c); answer.Close && (err != nil || len(rest) > 0) {
		w.t.Errorf("%q: %d bytes behind the answer (%v)", pieces, len(rest), err)
	}
	return answer.StatusCode, string(all) + answer.Header.Get("Location")
}

func get(host, path string) string { return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n" }

func TestACME(t *testing.T) {
	w, port := httpWorld(t)
	w.policy.Static = append(w.policy.Static, route.Static{Name: "lan", Hosts: []string{"lan.example.com", "*.lan.example.com"}})
	table := route.Build(&w.policy, nil)
	solver := []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port("solver"))}
	table.Challenges = []route.Challenge{
		{Host: "app.example.com", Servers: solver},
		{Host: "internal.example.com", Servers: solver, Exposed: true}, // the route decides
		{Host: "new.example.com", Servers: solver, Exposed: true},
		{Host: "secret.example.com", Servers: solver},
	}
	for i := range table.Routes {
		if r := &table.Routes[i]; r.Source == "lan" {
			r.Challenge = solver
		}
	}
	const path = "/.well-known/acme-challenge/"
	for _, internal := range []bool{false, true} {
		w.setup.Listeners[1].ACMEInternal = internal
		w.setup.Listeners[1].HTTPSPort = 8443
		w.apply()
		w.proxy.SetTable(table)
		check := func(request string, status int, body string) {
			t.Helper()
			if gotStatus, got := w.fetch(request); gotStatus != status || got != body {
				t.Errorf("%q: got %d %q, want %d %q", request, gotStatus, got, status, body)
			}
		}
		check(get("APP.example.com", path+"a-b_C"), 200, "solver APP.example.com"+path+"a-b_C ")
		check(get("new.example.com", path+"x"), 200, "solver new.example.com"+path+"x ")
		check(get("other.example.com", path+"x"), 200, "nas other.example.com"+path+"x ")
		if internal {
			check(get("internal.example.com", path+"x"), 200, "solver internal.example.com"+path+"x ")
			check(get("secret.example.com", path+"x"), 200, "solver secret.example.com"+path+"x ")
			check(get("lan.example.com", path+"x"), 200, "solver lan.example.com"+path+"x ")
			check(get("a.LAN.example.com", path+"x"), 200, "solver a.LAN.example.com"+path+"x ")
		} else {
			check(get("lan.example.com", path+"x"), 404, "")
			check(get("a.lan.example.com", path+"x"), 404, "")
			check(get("internal.example.com", path+"x"), 404, "")
			check(get("secret.example.com", path+"x"), 404, "")
		}
		check(get("lan.example.com", "/x"), 308, "https://lan.example.com:8443/x")
		for _, no := range []string{path, path + "x/y", path + "../x", path + "x?y", "/"} {
			check(get("app.example.com", no), 308, "https://app.example.com:8443"+no)
		}
		check("POST "+path+"x HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 0\r\n\r\n", 308,
			"https://app.example.com:8443"+path+"x")
		check("GET / HTTP/1.0\r\n\r\n", 400, "")
		check("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "")
	}
	// Without a solver, the host's own backend answers; one request passes, whatever comes behind it.
	w.apply()
	status, body := w.fetch(get("app.example.com", path+"x"), get("app.example.com", "/secret"))
	if want := "app app.example.com" + path + "x "; status != 200 || body != want {
		t.Errorf("got %d %q, want %q", status, body, want)
	}
	w.until("all is closed", func(s Stats) bool { return s.Active == 0 })
}

// The name that a challenge is for is remembered as it was asked for, also where the request came in pieces: what the
// server gets is written where they lay.
func TestNameOfRequestInPieces(t *testing.T) {
	w, _ := httpWorld(t)
	c, err := net.Dial("tcp4", w.setup.Listeners[1].Addresses[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /.well-known/acme-challenge/x HTTP/1.1\r\nUser-Agent: other.example.com other.example.com\r\n")
	w.until("the first piece waits", func(s Stats) bool { return s.PeekBytes > 0 })
	io.WriteString(c, "Host: app.example.com\r\n\r\n")
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	w.last("its host is the one that it named", func(r Connection) bool { return r.Host == "app.example.com" })
}

func TestRouteByHost(t *testing.T) {
	w, _ := httpWorld(t)
	w.setup.Listeners[1].HTTPRoute = true
	w.apply()
	close := "Connection: close\r\n\r\n"
	for _, test := range []struct {
		request string
		status  int
		body    string
	}{
		{"POST /a HTTP/1.1\r\nHost: App.example.com:80\r\nContent-Length: 4\r\n" + close + "body", 200, "app App.example.com:80/a body"},
		{"GET / HTTP/1.1\r\nHost: other.example.com\r\n" + close, 200, "nas other.example.com/ "},
		{"GET / HTTP/1.0\r\n\r\n", 200, "nas / "},
		{"GET / HTTP/1.1\r\nHost: internal.example.com\r\n" + close, 404, ""},
	} {
		for _, cut := range []int{0, 1, 30} {
			cut = min(cut, len(test.request))
			if status, body := w.fetch(test.request[:cut], test.request[cut:]); status != test.status || body != test.body {
				t.Errorf("%q: got %d %q, want %d %q", test.request, status, body, test.status, test.body)
			}
		}
	}
	w.servers["app"].listener.Close()
	w.policy.Backends[1].HTTPPort = freeAddress(t).Port()
	w.apply()
	if status, _ := w.fetch("GET / HTTP/1.1\r\nHost: app.example.com\r\n" + close); status != 502 {
		t.Errorf("a server that is down: got %d, want 502", status)
	}
}
