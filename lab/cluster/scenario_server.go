package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/api"
	"github.com/sniroute/sniroute/lab/cluster/controlplane"
)

// fresh is a host that scenarios deploy to see whether the daemon follows the cluster.
const fresh = "fresh.k8s.example.com"

// deploy makes an Ingress for fresh.
func (t *T) deploy() {
	t.Must(t.Plane.Admin.Apply(t, ingress("blog", "fresh", "nginx-external", fresh)))
	t.Must(t.Await(t, api.Path("ingresses", "blog", "fresh"), t.House.External.IPv4))
}

// follows waits until what deploy made is routed and answered.
func (t *T) follows() {
	t.Eventually("a new Ingress is routed", func() error { return t.FromWAN(fresh, t.House.External) })
	t.Eventually("a new Ingress is answered", func() error { return t.Answers(fresh, externalAddress) })
}

// serves checks that the blog post's apps are as they were.
func (t *T) serves() error {
	return errors.Join(t.FromWAN(app1, t.House.External), t.RefusedFromWAN(grafana), t.Answers(app1, externalAddress),
		t.Answers(grafana, internalAddress))
}

// apiRestarted: what is known keeps being served while the API server is away, and what is new is seen afterwards.
func apiRestarted(t *T) {
	t.Plane.KillAPI()
	t.Holds("served without the API server", 2*time.Second, t.serves)
	t.Eventually("the metrics say so", func() error { return t.Metric(`sniroute_cluster_synced{source="home"}`, 0) })
	t.Must(t.Plane.StartAPI(t))
	t.deploy()
	t.follows()
	t.Eventually("the metrics say so", func() error { return t.Metric(`sniroute_cluster_synced{source="home"}`, 1) })
	t.Must(t.serves())
}

// apiReplaced: another certificate by the same authority is fine; one by a stranger is not, until the router is told.
func apiReplaced(t *T) {
	t.Must(t.Plane.Certify(t.Plane.CA))
	t.Must(t.Plane.RestartAPI(t))
	t.deploy()
	t.follows()
	t.Must(t.Plane.Admin.Delete(t, api.Path("ingresses", "blog", "fresh")))
	t.Eventually("gone", func() error { return t.NotOurs(fresh) })

	stranger, err := controlplane.NewAuthority("stranger")
	t.Must(err)
	restart := func(by *controlplane.Authority) error {
		for _, part := range []string{"external", "internal"} { // they trust the authority that they were started with
			t.StopController(part)
		}
		if err := t.Plane.Certify(by); err != nil {
			return err
		}
		if err := t.Plane.RestartAPI(t); err != nil {
			return err
		}
		for _, part := range []string{"external", "internal"} {
			t.StartController(part)
		}
		return nil
	}
	t.Cleanup(func() {
		if err := errors.Join(restart(t.Plane.CA), t.WriteCredentials(t, tokenSecret)); err != nil {
			t.Errorf("putting the authority back: %v", err)
		}
	})
	t.Must(restart(stranger))
	t.deploy()
	t.Holds("a stranger's word counts for nothing", 3*time.Second, func() error {
		return errors.Join(t.NotOurs(fresh), t.serves())
	})
	t.Eventually("status says why", func() error { return t.StatusSays("home", "certificate") })
	t.Must(t.WriteCredential("ca.crt", stranger.PEM))
	t.follows()
}

// tokenRevoked: the Secret is deleted, and with it the token; later there is another.
func tokenRevoked(t *T) {
	path := api.Path("secrets", "sniroute", tokenSecret)
	_, err := t.Plane.Admin.Get(t, path)
	t.Must(err)
	t.Cleanup(func() {
		if err := t.Enroll(t); err != nil {
			t.Errorf("enrolling again: %v", err)
		}
	})
	t.Must(t.Plane.Admin.Delete(t, path))
	t.Must(t.Plane.RestartAPI(t)) // a watch that was admitted would go on for half an hour
	t.deploy()
	t.Eventually("status says why", func() error { return t.StatusSays("home", "401") })
	t.Holds("served without a token", 3*time.Second, func() error { return errors.Join(t.serves(), t.NotOurs(fresh)) })

	// Under the old name it would be the old token again: it holds nothing that is new.
	const another = "sniroute-token-2"
	t.Must(t.Plane.Admin.Apply(t, annotate(api.Object{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
		"metadata": map[string]any{"name": another, "namespace": "sniroute"},
	}, "kubernetes.io/service-account.name", "sniroute")))
	t.Cleanup(func() { _ = t.Plane.Admin.Delete(t, api.Path("secrets", "sniroute", another)) }) // harmless if it stays
	t.Must(t.WriteCredentials(t, another))
	t.follows()
}

// routerRestarted: after a power cut the router is up before the cluster is.
func routerRestarted(t *T) {
	// Started anew, so that the state file holds what there is now: it is not written at every change.
	t.Must(t.StopDaemon(syscall.SIGTERM))
	t.Must(t.StartDaemon(t))
	t.Eventually("served", t.serves)
	before, err := t.AskRoutes(t)
	t.Must(err)
	t.Plane.KillAPI()
	t.Must(t.StopDaemon(syscall.SIGKILL))
	// What lies in RAM is gone with the power: the DNS files and the copy beside the control socket.
	t.Must(t.forgetRAM())
	t.Must(t.StartDaemon(t))
	t.Eventually("served from the state file", t.serves)
	after, err := t.AskRoutes(t)
	t.Must(err)
	if got, want := fmt.Sprint(after.Routes), fmt.Sprint(before.Routes); got != want {
		t.Errorf("the table after the restart is\n%s\nnot\n%s", got, want)
	}
	t.Must(t.Plane.StartAPI(t))
	t.deploy()
	t.follows()
}

// forgetRAM removes what a power cut takes.
func (t *T) forgetRAM() error {
	control := filepath.Join(t.dir, "control")
	files, err := os.ReadDir(control)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Remove(filepath.Join(control, file.Name())); err != nil {
			return err
		}
	}
	return errors.Join(
		os.Truncate(filepath.Join(t.House.Dir, "hosts/sniroute"), 0),
		os.Truncate(filepath.Join(t.House.Dir, "hosts/.sniroute.servers"), 0),
		t.dns.Signal(syscall.SIGHUP),
	)
}

// firstStart: no cluster, no state: the daemon runs, sends everything to the default backend, and says what it waits
// for.
func firstStart(t *T) {
	t.Plane.KillAPI()
	t.Must(t.StopDaemon(syscall.SIGTERM))
	t.Must(t.forgetRAM())
	t.Must(os.RemoveAll(filepath.Join(t.dir, "state")))
	t.Must(os.MkdirAll(filepath.Join(t.dir, "state"), 0o750))
	t.Must(t.StartDaemon(t))
	t.Must(t.FromWAN("", t.House.NAS))
	t.Eventually("nothing is known", func() error { return t.NotOurs(app1) }) // dnsmasq has yet to read its files
	t.Eventually("status says what it waits for", func() error { return t.StatusSays("home", "192.168.0.10") })
	t.Must(t.HTTPStatus("/readyz", http.StatusServiceUnavailable))
	t.Must(t.HTTPStatus("/healthz", http.StatusOK))
	t.Must(t.Plane.StartAPI(t))
	t.Eventually("served as soon as it is there", t.serves)
	t.Eventually("ready", func() error { return t.HTTPStatus("/readyz", http.StatusOK) })
}

// severalServers: the first of them does not answer.
func severalServers(t *T) {
	t.Must(t.Configure(t, config{cluster: []string{
		"list server 'https://192.168.0.10:6444'",
		"list server 'https://192.168.0.10:6443'",
		"option ca_file '/run/lab/credentials/ca.crt'",
		"option token_file '/run/lab/credentials/token'",
	}}))
	t.deploy()
	t.follows()
}

// maxStale: a home that would rather serve nothing than what may no longer be so.
func maxStale(t *T) {
	t.Must(t.Configure(t, config{cluster: []string{"option max_stale '3s'"}}))
	t.Eventually("served", t.serves)
	t.Plane.KillAPI()
	t.Eventually("no longer served", func() error { return errors.Join(t.NotOurs(app1), t.NotOurs(grafana)) })
	t.Must(t.Plane.StartAPI(t))
	t.Eventually("served again", t.serves)
}

// compacted: while packets from the router are lost, things happen that nobody remembers when they pass again.
func compacted(t *T) {
	_, before, err := t.Plane.Admin.List(t, api.Path("ingresses"))
	t.Must(err)
	t.Must(t.Master.Firewall(`table ip outage {
		chain in { type filter hook input priority 0; ip saddr 192.168.0.1 drop; };
	}`))
	mend := func() error { return t.Master.Firewall("delete table ip outage") }
	t.Cleanup(func() { _ = mend() }) // most often it has been mended below
	t.Must(t.Plane.Admin.Delete(t, api.Path("ingresses", "blog", "app2")))
	t.deploy()
	t.Must(t.Plane.Compact(t))
	t.Must(t.Plane.RestartAPI(t))
	err = t.Plane.Admin.Watch(t, api.Path("ingresses"), before, func(api.Event) {})
	if !api.IsCode(err, http.StatusGone) {
		t.Fatalf("the lab's history was not compacted: a watch from before says %v", err)
	}
	t.Holds("served as before the outage", time.Second, t.serves)
	t.Must(mend())
	t.follows()
	t.Eventually("what was deleted is gone", func() error { return t.NotOurs(app2) })
	t.Must(t.serves())
}

// offline: the cluster is away for long. The router tries less and less often, up to a bound, and goes on serving. A
// whole hour passes in the tests of pkg/watch, on a clock of their own; here, on the wire, it is the last part of a
// shorter outage that counts, which is what an hour would be made of.
func offline(t *T) {
	const kinds = 3 // Ingress, IngressClass, Service: each is asked for by itself
	const outage, part = 60 * time.Second, 30 * time.Second
	attempts := func() int {
		seen, err := t.capture.dialled(t)
		t.Must(err)
		return seen[netip.AddrPortFrom(t.Master.IPv4, 6443)]
	}
	began := attempts()
	t.Plane.KillAPI()
	t.Eventually("the metrics say so", func() error { return t.Metric(`sniroute_cluster_synced{source="home"}`, 0) })
	t.Eventually("status says so", func() error { return t.StatusSays("home", t.Master.IPv4.String()) })
	t.Holds("served", outage-part, t.serves)
	counted := time.Now()
	middle := attempts()
	t.Holds("served", part, t.serves)
	end := attempts()
	took := time.Since(counted) // longer than it was meant to, on a busy machine
	// A pause between two attempts lasts 10 to 20 seconds when it has grown to its bound.
	bound := kinds * (int(took/(10*time.Second)) + 1)
	t.Logf("%d attempts in all, %d of them in the last %s: an hour has about %d", end-began, end-middle,
		took.Round(time.Second), int(float64(end-middle)*float64(time.Hour)/float64(took)))
	if end == began {
		t.Errorf("the capture has seen no attempt at all")
	}
	if end-middle > bound {
		t.Errorf("more than %d attempts in %s", bound, took)
	}
	t.Must(t.Plane.StartAPI(t))
	t.deploy()
	t.follows()
}

// noClock: a router has no clock until it has asked for the time, and a certificate is not valid in 1970. The daemon
// goes by the latest time that it knows: that of its state file, or that of its own build.
func noClock(t *T) {
	t.Must(t.StopDaemon(syscall.SIGTERM)) // writes the state file
	usual := t.Binary
	t.Cleanup(func() {
		t.Binary, t.running = usual, ""
		if err := t.StopDaemon(syscall.SIGTERM); err != nil {
			t.Errorf("stopping the daemon without a clock: %v", err)
		}
	})
	t.Binary += withoutClock
	t.Must(t.forgetRAM())
	t.Must(t.StartDaemon(t))
	t.deploy()
	t.follows()
	t.Must(t.serves())
	t.Eventually("the metrics say so", func() error { return t.Metric(`sniroute_cluster_synced{source="home"}`, 1) })

	// Without any of these it is 1970 for it, which shows that the clock above was wrong as well.
	t.Must(t.StopDaemon(syscall.SIGTERM))
	t.Must(t.forgetRAM())
	t.Must(os.Remove(filepath.Join(t.dir, "state", "state.json")))
	t.Must(t.StartDaemon(t))
	t.Eventually("the certificate is not valid yet", func() error { return t.StatusSays("home", "not yet valid") })
}
