package watch

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/freeport"
)

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
	r.wantClass("ext")
	r.want("a") // its address is that of whatever served it so far, which may be an internal controller
	r.wantProblem("Ingress default/a: its class has changed")
	d.put("ingressclasses", classYAML("ext", "false"))
	r.wantClass("")
	r.want("a@10.0.0.3")
	d.put("ingressclasses", classYAML("ext", "true"))
	r.want("a")
	d.put("ingresses", ingressYAML("a", "", "a", "10.0.0.4"))
	r.want("a@10.0.0.4")
	r.wantClass("ext")
}

// Which class is the default one becomes known late: that is no change, but over a restart it may have changed.
func TestClusterDefaultClassIsReadLate(t *testing.T) {
	d := newDouble(t)
	d.set(func() { d.forbidden["ingressclasses"] = true })
	d.put("ingressclasses", classYAML("ext", "true"))
	d.put("ingresses", ingressYAML("a", "", "a", "10.0.0.3"))
	f := kept(t, t.TempDir())
	for range 2 {
		r := runCluster(t, d.cluster(t, func(c *Cluster) { c.StateFile = f }))
		r.want("a@10.0.0.3")
		r.wantSynced()
		r.wantClass("")
		r.stop()
	}
	d.set(func() { d.forbidden = map[string]bool{} })
	r := runCluster(t, d.cluster(t, func(c *Cluster) { c.StateFile = f }))
	r.wantClass("ext")
	r.want("a@10.0.0.3")
	r.stop()

	d.put("ingressclasses", classYAML("ext", "false"))
	d.put("ingressclasses", classYAML("other", "true"))
	r = runCluster(t, d.cluster(t, func(c *Cluster) { c.StateFile = f }))
	r.wantClass("other")
	r.want("a")
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
	d.restore(5, "ingresses", "default/a")
	d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
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
	if s := r.wantWaiting("401"); !s.FromState || s.Claims != 1 {
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
	r.wantProblem("holds no token: meanwhile the former ones are used")
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
	down := "https://" + freeport.Reserve(t).String()
	r := runCluster(t, d.cluster(t, func(c *Cluster) { c.Servers = []string{down, d.server.URL} }))
	r.want("a@10.0.0.3")
	if s := r.wantSynced(); s.Place != d.server.URL {
		t.Errorf("place %s, want %s", s.Place, d.server.URL)
	}
	d.stop()
	s := r.wantWaiting("cannot reach " + d.server.URL)
	if !strings.Contains(s.Waiting, "cannot reach "+down) {
		t.Errorf("waiting for %q, which says nothing of the other server", s.Waiting)
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
	for _, hold := range []time.Duration{time.Hour, time.Second} {
		d := newDouble(t)
		d.put("ingresses", ingressYAML("a", "ext", "a", "10.0.0.3"))
		d.put("ingresses", ingressYAML("b", "int", "b", "10.0.0.5"))
		r := runCluster(t, d.cluster(t, func(c *Cluster) { c.Hold = hold }))
		r.want("a@10.0.0.3", "b@10.0.0.5")
		d.put("ingresses", ingressYAML("a", "ext", "a"))
		d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.5"))
		if hold == time.Hour { // a second may be over by now
			r.want("a@10.0.0.3", "b")
			r.wantProblem("Ingress default/b: its class has changed")
			continue
		}
		r.want("a", "b")
		d.put("ingresses", ingressYAML("b", "ext", "b", "10.0.0.3"))
		r.want("a", "b@10.0.0.3")
		r.wantState("state without a problem", func(s State) bool { return len(s.Problems) == 0 })
	}
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
	r = runCluster(t, d.cluster(t, func(c *Cluster) { c.StateFile, c.MaxStale = f, time.Hour }))
	r.want("s@10.0.0.7")
	if s := r.wantWaiting("cannot reach"); !s.FromState {
		t.Errorf("state %+v", s)
	}
	r.stop()
	f = state()
	r = runCluster(t, d.cluster(t, func(c *Cluster) { c.StateFile, c.MaxStale = f, time.Second }))
	r.want() // max_stale has passed
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
