package watch

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
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

func (r *clusterRun) wantClassOf(host, class string) {
	r.t.Helper()
	for _, c := range r.last {
		if c.Host == host && c.Class != class {
			r.t.Errorf("%s has class %q, want %q", host, c.Class, class)
		}
	}
}

func testContext(t *testing.T) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx, cancel
}
