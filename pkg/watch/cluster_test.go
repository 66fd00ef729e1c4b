package watch

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// A clusterRun is a Cluster that runs until the test ends or it is stopped.
type clusterRun struct {
	*Cluster
	t      *testing.T
	claims chan []route.Claim
	last   []route.Claim
	stop   func()
}

func silent() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// cluster returns a Cluster that follows the double.
func (d *double) cluster(t *testing.T, change ...func(*Cluster)) *Cluster {
	c := &Cluster{Name: "home", Servers: []string{d.server.URL}, CAFile: d.ca, TokenFile: tokenFile(t, "good"),
		Sources: Sources(), Logger: silent(), pace: pace{5 * time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond}}
	for _, f := range change {
		f(c)
	}
	return c
}

func runCluster(t *testing.T, c *Cluster) *clusterRun {
	r := &clusterRun{Cluster: c, t: t, claims: make(chan []route.Claim, 10000)}
	c.Publish = func(claims []route.Claim) { r.claims <- claims }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error("Run:", err)
			}
		case <-time.After(patience):
			stacks := make([]byte, 1<<20)
			t.Fatalf("Run does not end:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
	t.Cleanup(r.stop)
	return r
}

// want waits until exactly these hosts are claimed, each as HOST or HOST@ADDRESS.
func (r *clusterRun) want(hosts ...string) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		if shownHosts := showHosts(r.last); r.last != nil && slices.Equal(shownHosts, hosts) {
			return
		}
		select {
		case claims := <-r.claims:
			if claims == nil {
				claims = []route.Claim{}
			}
			r.last = claims
		case <-deadline:
			r.t.Fatalf("claimed %q, want %q; state %+v", showHosts(r.last), hosts, r.State())
		}
	}
}

// showHosts returns HOST@ADDRESS of each claim, or HOST of one without an address.
func showHosts(claims []route.Claim) []string {
	var hosts []string
	for _, c := range claims {
		host := strings.TrimSuffix(c.Host, ".example.com")
		for _, a := range c.Addresses {
			host += "@" + a.String()
		}
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return hosts
}

func (r *clusterRun) wantState(what string, ok func(State) bool) State {
	r.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		state := r.State()
		if ok(state) {
			return state
		}
		if time.Now().After(end) {
			r.t.Fatalf("no %s: %+v", what, state)
		}
	}
}

func (r *clusterRun) wantSynced() State {
	r.t.Helper()
	return r.wantState("synced state", func(s State) bool { return s.Synced })
}

func (r *clusterRun) wantWaiting(text string) State {
	r.t.Helper()
	return r.wantState("waiting for "+text, func(s State) bool { return !s.Synced && strings.Contains(s.Waiting, text) })
}

func (r *clusterRun) wantProblem(text string) State {
	r.t.Helper()
	return r.wantState("problem "+text, func(s State) bool { return hasProblem(s, text) })
}

func hasProblem(s State, text string) bool {
	return slices.ContainsFunc(s.Problems, func(p Problem) bool { return strings.Contains(p.String(), text) })
}

func ingressYAML(name, class, host string, addresses ...string) string {
	text := fmt.Sprintf("{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: %s, creationTimestamp: '2024-01-01T00:00:00Z', "+
		"managedFields: [{manager: kubectl}], annotations: {a/b: c}}, spec: {ingressClassName: '%s', rules: [{host: %s.example.com}]}, "+
		"status: {loadBalancer: {ingress: [", name, class, host)
	for _, a := range addresses {
		text += "{ip: " + a + "},"
	}
	return text + "]}}}"
}

func serviceYAML(name, host, address string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Service, metadata: {name: %s, annotations: {external-dns.alpha.kubernetes.io/hostname: %s.example.com}}, "+
		"spec: {type: LoadBalancer, ports: [{port: 443, protocol: TCP}]}, status: {loadBalancer: {ingress: [{ip: %s}]}}}", name, host, address)
}

func classYAML(name, isDefault string) string {
	return fmt.Sprintf("{metadata: {name: %s, annotations: {ingressclass.kubernetes.io/is-default-class: '%s'}}}", name, isDefault)
}

func TestClusterFollows(t *testing.T) {
	for _, streams := range []bool{true, false} {
		t.Run(fmt.Sprintf("streamed lists %v", streams), func(t *testing.T) {
			d := newDouble(t)
			d.set(func() { d.streams = streams })
			d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
			d.put("services", serviceYAML("s", "s", "10.0.0.7"))
			d.put("services", "{metadata: {name: plain}, spec: {type: ClusterIP}}")
			r := runCluster(t, d.cluster(t))
			r.want("a@10.0.0.3", "s@10.0.0.7")
			s := r.wantSynced()
			if s.Place != d.server.URL || s.Objects != 2 || s.Claims != 2 || s.LastSync.IsZero() || s.FromState ||
				len(s.APIServers) != 1 || "https://"+s.APIServers[0].String() != d.server.URL || len(s.Problems) != 0 {
				t.Errorf("state %+v", s)
			}
			d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
			r.want("a@10.0.0.3", "b@10.0.0.3", "s@10.0.0.7")
			d.put("ingresses", ingressYAML("a", "ext", "a2", "10.0.0.4"))
			r.want("a2@10.0.0.4", "b@10.0.0.3", "s@10.0.0.7")
			d.delete("ingresses", "default/b")
			d.delete("services", "default/s")
			r.want("a2@10.0.0.4")
			if got := r.last[0]; got.Class != "ext" || got.Object.String() != "Ingress default/a" || got.Created.Year() != 2024 {
				t.Errorf("claim %+v", got)
			}
		})
	}
}

func TestClusterListsPageByPage(t *testing.T) {
	d := newDouble(t)
	d.set(func() { d.streams = false })
	var want []string
	for i := range 2*objectsOfOnePage + 7 {
		name := fmt.Sprintf("a%d", i)
		d.put("ingresses", ingressYAML(name, "ext", name, "10.0.0.3"))
		want = append(want, name+"@10.0.0.3")
	}
	slices.Sort(want)
	r := runCluster(t, d.cluster(t, func(c *Cluster) { c.Sources = []string{"ingress"} }))
	r.want(want...)
	pages := 0
	for _, request := range d.asked() {
		if strings.Contains(request, "/ingresses?") && strings.Contains(request, "limit=") {
			pages++
		}
		if strings.Contains(request, "/services") {
			t.Errorf("services are not among the sources: %s", request)
		}
	}
	if pages != 3 {
		t.Errorf("%d pages, want 3: %q", pages, d.asked())
	}
}

func TestClusterDefaultClass(t *testing.T) {
	d := newDouble(t)
	d.put("ingresses", ingressYAML("a", "", "a", "10.0.0.3"))
	r := runCluster(t, d.cluster(t))
	r.want("a@10.0.0.3")
	d.put("ingressclasses", classYAML("ext", "true"))
	r.wantClass("ext") // and its addresses are believed: the Ingress itself did not change
	r.want("a@10.0.0.3")
	d.put("ingressclasses", classYAML("ext", "false"))
	r.wantClass("")
}

func (r *clusterRun) wantClass(class string) {
	r.t.Helper()
	for end := time.After(patience); len(r.last) != 1 || r.last[0].Class != class; {
		select {
		case r.last = <-r.claims:
		case <-end:
			r.t.Fatalf("claims %+v, want class %q", r.last, class)
		}
	}
}

func TestClusterForgottenHistory(t *testing.T) {
	for _, streams := range []bool{true, false} {
		t.Run(fmt.Sprintf("streamed lists %v", streams), func(t *testing.T) {
			d := newDouble(t)
			d.set(func() { d.streams = streams })
			d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
			d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
			r := runCluster(t, d.cluster(t))
			r.want("a@10.0.0.3", "b@10.0.0.3")
			// While nobody can watch, something is deleted and history is compacted: 410 Gone, in the stream and as answer.
			d.set(func() {
				d.fault = func(w http.ResponseWriter, r *http.Request) bool {
					refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not now")
					return true
				}
			})
			d.server.CloseClientConnections()
			r.wantWaiting("not now")
			d.delete("ingresses", "default/b")
			d.compact()
			d.put("ingresses", ingressYAML("c", "ext", "c", "10.0.0.3"))
			d.set(func() { d.fault = nil })
			r.want("a@10.0.0.3", "c@10.0.0.3")
			d.set(func() { d.history, d.compacted = map[string][]event{}, d.version+1; d.version++ })
			d.put("ingresses", ingressYAML("e", "ext", "e", "10.0.0.3"))
			r.want("a@10.0.0.3", "c@10.0.0.3", "e@10.0.0.3")
			r.wantSynced()
		})
	}
}

func TestClusterOfAnEarlierBackup(t *testing.T) {
	d := newDouble(t)
	d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
	r := runCluster(t, d.cluster(t))
	r.want("a@10.0.0.3")
	d.set(func() { // etcd was restored: versions are smaller than those that were seen
		d.version, d.history = 5, map[string][]event{}
		delete(d.objects["ingresses"], "default/a")
	})
	d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
	d.server.CloseClientConnections()
	r.want("b@10.0.0.3")
}

func TestClusterForbiddenAndMissingKinds(t *testing.T) {
	d := newDouble(t)
	d.set(func() { d.forbidden["services"], d.missing["ingressclasses"] = true, true })
	d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
	d.put("services", serviceYAML("s", "s", "10.0.0.7"))
	r := runCluster(t, d.cluster(t))
	r.want("a@10.0.0.3")
	r.wantProblem("services may not be read (403)")
	r.wantProblem("does not serve ingressclasses of networking.k8s.io/v1 (404)")
	r.wantSynced()
	d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
	r.want("a@10.0.0.3", "b@10.0.0.3")
	d.set(func() { d.forbidden = map[string]bool{}; d.missing = map[string]bool{} })
	r.want("a@10.0.0.3", "b@10.0.0.3", "s@10.0.0.7")
	r.wantState("state without a problem", func(s State) bool { return s.Synced && len(s.Problems) == 0 })
	d.set(func() { d.forbidden["ingresses"] = true }) // a right that is taken away takes nothing that is known
	d.server.CloseClientConnections()
	r.wantProblem("ingresses may not be read")
	if got := showHosts(r.last); len(got) != 3 {
		t.Errorf("claims %q", got)
	}
}

func TestClusterNothingMayBeRead(t *testing.T) {
	d := newDouble(t)
	d.set(func() {
		d.forbidden["ingresses"], d.forbidden["ingressclasses"], d.forbidden["services"] = true, true, true
	})
	r := runCluster(t, d.cluster(t))
	r.wantWaiting("nothing of it may be read")
}

func TestClusterTokenIsRevokedAndReplaced(t *testing.T) {
	d := newDouble(t)
	d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
	c := d.cluster(t)
	r := runCluster(t, c)
	r.want("a@10.0.0.3")
	d.set(func() { d.tokens = map[string]bool{"new": true} })
	d.server.CloseClientConnections()
	r.wantWaiting("401")
	if s := r.State(); !s.FromState || s.Claims != 1 {
		t.Errorf("state %+v", s)
	}
	d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
	must(t, os.WriteFile(c.TokenFile, []byte("new"), 0o600))
	r.want("a@10.0.0.3", "b@10.0.0.3")
	r.wantSynced()
}

func TestClusterWaitsForCredentials(t *testing.T) {
	d := newDouble(t)
	d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
	token := filepath.Join(t.TempDir(), "token")
	r := runCluster(t, d.cluster(t, func(c *Cluster) { c.TokenFile = token }))
	r.wantWaiting("token_file " + token + " does not exist: write it with `sniroute enroll URL`")
	r.want()
	must(t, os.WriteFile(token, []byte("good"), 0o600))
	r.want("a@10.0.0.3")
	must(t, os.WriteFile(token, []byte(""), 0o600)) // a slip of the hand: the former ones are used
	r.wantProblem("holds no token; the former ones are used")
	d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
	r.want("a@10.0.0.3", "b@10.0.0.3")
}

func TestClusterCertificateOfAStranger(t *testing.T) {
	d := newDouble(t)
	d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
	r := runCluster(t, d.cluster(t))
	r.want("a@10.0.0.3")
	d.certify(time.Now().Add(-time.Hour))
	d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
	r.wantWaiting("certificate")
	if got := showHosts(r.last); len(got) != 1 {
		t.Errorf("a stranger's word counts: %q", got)
	}
	d.writeCA()
	r.want("a@10.0.0.3", "b@10.0.0.3")
}

func TestClusterWithoutAClock(t *testing.T) {
	past := func() time.Time { return time.Unix(60, 0) } // 1970
	for _, test := range []struct {
		name  string
		state *StateFile
		works bool
	}{
		{"built after the certificate", &StateFile{Now: past, Built: time.Now()}, true},
		{"built before the certificate", &StateFile{Now: past, Built: time.Now().Add(-240 * time.Hour)}, false},
		{"expired by now", &StateFile{Now: func() time.Time { return time.Now().Add(48 * time.Hour) }}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDouble(t)
			d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
			test.state.Logger = silent()
			test.state.Load()
			r := runCluster(t, d.cluster(t, func(c *Cluster) { c.StateFile = test.state }))
			if test.works {
				r.want("a@10.0.0.3")
			} else {
				r.wantWaiting("certificate")
			}
		})
	}
}

func TestClusterTriesItsServersInTurn(t *testing.T) {
	d := newDouble(t)
	d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	r := runCluster(t, d.cluster(t, func(c *Cluster) {
		c.Servers = []string{strings.Replace(down.URL, "http:", "https:", 1), d.server.URL}
	}))
	r.want("a@10.0.0.3")
	if s := r.wantSynced(); s.Place != d.server.URL {
		t.Errorf("place %s, want %s", s.Place, d.server.URL)
	}
	d.stop()
	s := r.wantWaiting("cannot reach " + d.server.URL)
	if !strings.Contains(s.Waiting, "cannot reach "+strings.Replace(down.URL, "http:", "https:", 1)) {
		t.Errorf("waiting for %q, which says nothing of the other server", s.Waiting)
	}
}

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
		c.pings = pings{after: 200 * time.Millisecond, timeout: 200 * time.Millisecond}
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

func TestClusterSecrets(t *testing.T) {
	d := newDouble(t)
	d.set(func() { d.rights["list secrets"] = true })
	r := runCluster(t, d.cluster(t))
	s := r.wantProblem("may read Secrets")
	if !s.Secrets {
		t.Errorf("state %+v", s)
	}
	permissions, err := d.cluster(t).Try(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "list ingresses.networking.k8s.io true, watch ingresses.networking.k8s.io true, list ingressclasses.networking.k8s.io true, " +
		"watch ingressclasses.networking.k8s.io true, list services true, watch services true, get secrets false, list secrets true"
	var got []string
	for _, p := range permissions {
		got = append(got, fmt.Sprint(p, " ", p.Allowed))
	}
	if strings.Join(got, ", ") != want {
		t.Errorf("permissions %q", got)
	}
	_, err = d.cluster(t, func(c *Cluster) { c.TokenFile = tokenFile(t, "bad") }).Try(t.Context())
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("with a bad token: %v", err)
	}
}

func TestClusterHold(t *testing.T) {
	d := newDouble(t)
	d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
	d.put("ingresses", ingressYAML("b", "int", "b", "10.0.0.5"))
	r := runCluster(t, d.cluster(t, func(c *Cluster) { c.Hold = time.Second }))
	r.want("a@10.0.0.3", "b@10.0.0.5")
	d.put("ingresses", ingressYAML("a", "ext", "a"))
	d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.5"))
	r.want("a@10.0.0.3", "b")
	r.wantProblem("Ingress default/b: its class has changed")
	r.want("a", "b") // hold is over
	d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
	r.want("a", "b@10.0.0.3")
	r.wantState("state without a problem", func(s State) bool { return len(s.Problems) == 0 })
}

func TestClusterOverARestart(t *testing.T) {
	dir := t.TempDir()
	state := func() *StateFile {
		f := &StateFile{Path: filepath.Join(dir, "state.json"), Copy: filepath.Join(dir, "ram.json"), Logger: silent()}
		f.Load()
		return f
	}
	d := newDouble(t)
	d.put("ingressclasses", classYAML("ext", "true"))
	d.put("ingresses", ingressYAML("a", "", "a", "10.0.0.3"))
	d.put("services", serviceYAML("s", "s", "10.0.0.7"))
	f := state()
	r := runCluster(t, d.cluster(t, func(c *Cluster) { c.StateFile = f }))
	r.want("a@10.0.0.3", "s@10.0.0.7")
	r.stop()
	f.write(true)

	d.set(func() { d.forbidden["ingressclasses"], d.forbidden["services"] = true, true })
	d.put("ingresses", ingressYAML("a", "", "a"))
	f = state()
	r = runCluster(t, d.cluster(t, func(c *Cluster) { c.StateFile, c.Hold = f, time.Hour }))
	r.want("a@10.0.0.3", "s@10.0.0.7")
	r.wantSynced()
	r.wantClassOf("a.example.com", "ext") // the default class is known still
	d.delete("ingresses", "default/a")
	r.want("s@10.0.0.7") // deleted at once, and services are what was known last
	r.stop()
	f.write(true)

	d.stop()
	f = state()
	r = runCluster(t, d.cluster(t, func(c *Cluster) { c.StateFile, c.MaxStale = f, time.Second }))
	r.want("s@10.0.0.7")
	s := r.wantWaiting("cannot reach")
	if !s.FromState {
		t.Errorf("state %+v", s)
	}
	r.want() // max_stale has passed
}

func (r *clusterRun) wantClassOf(host, class string) {
	r.t.Helper()
	for _, c := range r.last {
		if c.Host == host && c.Class != class {
			r.t.Errorf("%s has class %q, want %q", host, c.Class, class)
		}
	}
}

func TestClusterLeavesNothingBehind(t *testing.T) {
	d := newDouble(t)
	before := runtime.NumGoroutine()
	for range 3 {
		r := runCluster(t, d.cluster(t))
		r.want()
		r.stop()
		r.link.Load().close()
	}
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before+10; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func testContext(t *testing.T) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx, cancel
}
