package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/api"
	"github.com/sniroute/sniroute/lab/cluster/played"
)

// The addresses of the two ingress controllers, as servers.
const (
	externalServer  = "192.168.0.3:443"
	external2Server = "192.168.0.4:443"
	internalAddress = "192.168.0.5"
	externalAddress = "192.168.0.3"
)

// blogPost is the main job: two external apps, one internal.
func blogPost(t *T) {
	for _, app := range []string{app1, app2} {
		page, err := t.Page(t, t.House.WAN, t.WANPort(), app)
		t.Must(err)
		if !strings.HasPrefix(page, app+" on external at "+externalServer) {
			t.Errorf("the WAN client that asks for %s gets %q", app, page)
		}
		t.Must(t.Answers(app, externalAddress))
		object := "Ingress blog/" + strings.TrimSuffix(app, ".k8s.example.com")
		t.Must(t.Route(app, object, true, externalServer))
	}
	t.Must(t.RefusedFromWAN(grafana))
	t.Must(t.Answers(grafana, internalAddress))
	t.Must(t.Route(grafana, "Ingress blog/grafana", false, internalAddress))
	page, err := t.Page(t, t.House.Client, netip.AddrPortFrom(t.House.Internal.IPv4, 443), grafana)
	if err != nil || !strings.HasPrefix(page, grafana+" on internal at ") {
		t.Errorf("the LAN's client that asks for %s gets %q, %v", grafana, page, err)
	}
	t.Must(t.FromWAN("", t.House.NAS))
	t.Must(t.NotOurs("elsewhere.k8s.example.com"))
	t.Must(t.NotAnswered("below." + app1))
	for _, kind := range []string{"AAAA", "HTTPS"} {
		if got, err := Dig(t, t.House.Client, t.House.Router.IPv4, app1, kind); err != nil || len(got) > 0 {
			t.Errorf("DNS answers %v to a question for %s of %s (%v): the answer of the internet leaks in", got, kind, app1, err)
		}
	}
	t.Logf("%s and %s reach the external ingress, %s is refused from the WAN and answered on the LAN", app1, app2, grafana)
}

// oauth2Proxy: an Ingress in another namespace for a host that is taken, which changes nothing.
func oauth2Proxy(t *T) {
	t.Must(t.Plane.Admin.Apply(t, ingress("team-a", "oauth2-proxy", "nginx-external", app1)))
	t.Eventually("merged", func() error {
		routes, err := t.AskRoutes(t)
		if err != nil {
			return err
		}
		for _, r := range routes.Routes {
			if r.Host == app1 && r.Object == "Ingress blog/app1" && fmt.Sprint(r.Merged) == "[Ingress team-a/oauth2-proxy]" {
				return nil
			}
		}
		return fmt.Errorf("routes: %+v", routes.Routes)
	})
	t.Must(t.FromWAN(app1, t.House.External))
	t.Must(t.Plane.Admin.Delete(t, api.Path("ingresses", "team-a", "oauth2-proxy")))
	t.Holds("the app is routed", 500*time.Millisecond, func() error { return t.FromWAN(app1, t.House.External) })
	t.Must(t.Answers(app1, externalAddress))
}

// solver: cert-manager makes an Ingress for a challenge, before the app's own and beside it.
func solver(t *T) {
	const fresh = "fresh.k8s.example.com"
	challenge := func(host string) api.Object {
		object := ingress("blog", "cm-acme-http-solver-x7k2p", "nginx-external", host)
		return label(object, "acme.cert-manager.io/http01-solver", "true")
	}
	path := api.Path("ingresses", "blog", "cm-acme-http-solver-x7k2p")
	t.Must(t.Plane.Admin.Apply(t, challenge(fresh)))
	t.Must(t.Await(t, path, t.House.External.IPv4))
	t.Holds("the solver claims no route", time.Second, func() error { return t.NotOurs(fresh) })
	t.Must(t.NoRoute(fresh))
	const token = ".well-known/acme-challenge/x7k2pToken"
	file := filepath.Join(t.external.Documents, token)
	t.Must(os.MkdirAll(filepath.Dir(file), 0o755))
	t.Must(os.WriteFile(file, []byte("the key authorization"), 0o644))
	t.Eventually("the challenge reaches the solver", func() error {
		return t.http(fresh, "/"+token, "200 the key authorization")
	})
	t.Must(t.http(fresh, "/anything", "308 https://"+fresh+"/anything"))

	t.Must(t.Plane.Admin.Apply(t, ingress("blog", "fresh", "nginx-external", fresh)))
	t.Eventually("the app's own Ingress is routed", func() error { return t.FromWAN(fresh, t.House.External) })
	t.Eventually("and answered", func() error { return t.Answers(fresh, externalAddress) })
	t.Must(t.Plane.Admin.Delete(t, path))
	t.Holds("it stays when the solver goes", time.Second, func() error { return t.FromWAN(fresh, t.House.External) })

	// A solver that ingress-nginx's internal class serves must not change an app that is there.
	t.Must(t.Plane.Admin.Apply(t, challenge(app1)))
	t.Must(t.Await(t, path, t.House.External.IPv4))
	t.Holds("a solver for a routed host", time.Second, func() error {
		return t.Route(app1, "Ingress blog/app1", true, externalServer)
	})
}

// http checks what a client in the internet gets from the router on port 80, with the real curl: the status, and the
// page or where it is sent.
func (t *T) http(host, path, want string) error {
	out, err := t.House.WAN.Output(exec.CommandContext(t, "curl", "-sS", "--max-time", "20", "-o", "-",
		"-w", "\n%{http_code} %{redirect_url}", "--resolve", host+":80:"+t.House.Public.IPv4.String(), "http://"+host+path))
	if err != nil {
		return err
	}
	i := strings.LastIndexByte(string(out), '\n')
	code, sent, _ := strings.Cut(string(out[i+1:]), " ")
	if sent == "" {
		sent = string(out[:i])
	}
	if got := code + " " + sent; got != want {
		return fmt.Errorf("http://%s%s answers %q, not %q", host, path, got, want)
	}
	return nil
}

// classAnnotation: as Ingresses were written before Kubernetes 1.18.
func classAnnotation(t *T) {
	const old = "old.k8s.example.com"
	object := annotate(ingress("blog", "old", "", old), "kubernetes.io/ingress.class", "nginx-external")
	t.Must(t.Plane.Admin.Apply(t, object))
	t.Eventually("routed", func() error { return t.FromWAN(old, t.House.External) })
	t.Must(t.Route(old, "Ingress blog/old", true, externalServer))
}

// defaultClass: an Ingress that names no class has the one that is marked as default. What another controller wrote into
// its status before is not believed.
func defaultClass(t *T) {
	const plain = "plain.k8s.example.com"
	object := ingress("blog", "plain", "", plain)
	t.Must(t.Plane.Admin.Apply(t, object))
	t.Must(played.SetStatus(t, t.Plane.Admin, object, internalAddress))
	t.Eventually("without a class it is internal", func() error {
		return t.Route(plain, "Ingress blog/plain", false, internalAddress)
	})
	t.Must(t.RefusedFromWAN(plain))

	mark := func(value any) error {
		return t.Plane.Admin.Merge(t, api.Path("ingressclasses", "", "nginx-external"), api.Object{"metadata": map[string]any{
			"annotations": map[string]any{"ingressclass.kubernetes.io/is-default-class": value}}})
	}
	t.Cleanup(func() {
		if err := mark(nil); err != nil {
			t.Errorf("unmarking: %v", err)
		}
	})
	t.Must(mark("true"))
	t.Eventually("the address of the class before is not believed", func() error { return t.NoRoute(plain) })
	t.Must(played.SetStatus(t, t.Plane.Admin, object, externalAddress))
	t.Eventually("of the default class it is exposed", func() error { return t.FromWAN(plain, t.House.External) })
}

// serviceHostname: external-dns's annotation on a Service names hosts; its status names the address.
func serviceHostname(t *T) {
	object := service("team-a", "mail", "mail.k8s.example.com,imap.k8s.example.com", 443, 993)
	t.Must(t.Plane.Admin.Apply(t, object))
	t.Must(played.SetStatus(t, t.Plane.Admin, object, internalAddress))
	for _, host := range []string{"mail.k8s.example.com", "imap.k8s.example.com"} {
		t.Eventually("answered", func() error { return t.Answers(host, internalAddress) })
		t.Must(t.Route(host, "Service team-a/mail", false, internalAddress))
		t.Must(t.RefusedFromWAN(host))
	}
}

// serviceExposed: a class may expose Services of a namespace that it names, on a port that they have.
func serviceExposed(t *T) {
	t.Must(t.Configure(t, config{more: `
config class 'mail'
	option cluster 'home'
	list namespace 'team-a'
	list match_address '192.168.0.3/32'
	option expose '1'
`}))
	open := service("team-a", "webmail", "webmail.k8s.example.com", 443, 993)
	closed := service("team-a", "imap", "imap.k8s.example.com", 993)
	other := service("team-b", "webmail", "webmail-b.k8s.example.com", 443)
	for _, object := range []api.Object{open, closed, other} {
		t.Must(t.Plane.Admin.Apply(t, object))
		t.Must(played.SetStatus(t, t.Plane.Admin, object, externalAddress))
	}
	t.Eventually("routed", func() error { return t.FromWAN("webmail.k8s.example.com", t.House.External) })
	t.Eventually("without the port", func() error {
		return t.Refused("imap.k8s.example.com", "Service team-a/imap", "port")
	})
	t.Eventually("of another namespace", func() error {
		return t.Route("webmail-b.k8s.example.com", "Service team-b/webmail", false, externalAddress)
	})
	t.Must(t.RefusedFromWAN("webmail-b.k8s.example.com"))
}

// nodeQuery: what CoreDNS is told when it forwards a pod's question to the router.
func nodeQuery(t *T) {
	t.Must(t.answers(t.Master, t.House.Router.IPv4, app1, []string{externalAddress}))
	t.Must(t.answers(t.Master, t.House.Router.IPv4, grafana, []string{internalAddress}))
}

// moveAddress: a Service asks for another address of the pool, MetalLB gives it, the ingress controller tells.
func moveAddress(t *T) {
	move := func(to string) error {
		_, err := t.Plane.Kubectl(t, "", "--namespace=ingress-external", "annotate", "--overwrite", "service",
			"ingress-nginx-controller", "metallb.io/loadBalancerIPs="+to)
		return err
	}
	t.Cleanup(func() {
		if err := move(externalAddress); err != nil {
			t.Errorf("moving back: %v", err)
		}
	})
	t.Must(move(t.External2.IPv4.String()))
	t.Eventually("routed to the new address", func() error { return t.FromWAN(app1, t.External2) })
	t.Eventually("answered with the new address", func() error { return t.Answers(app1, t.External2.IPv4.String()) })
	t.Eventually("shown", func() error { return t.Route(app2, "Ingress blog/app2", true, external2Server) })
	t.Must(move(externalAddress))
	t.Eventually("routed to the old address again", func() error { return t.FromWAN(app1, t.House.External) })
}

// deleted: kubectl delete, and the name is nobody's.
func deleted(t *T) {
	_, err := t.Plane.Kubectl(t, "", "--namespace=blog", "delete", "ingress", "app2")
	t.Must(err)
	t.Eventually("no longer ours", func() error { return t.NotOurs(app2) })
	t.Must(t.NoRoute(app2))
	t.Must(t.FromWAN(app1, t.House.External))
}

// lostExposure: a connection outlives what it was admitted by, but not for long.
func lostExposure(t *T) {
	t.Must(t.Configure(t, config{main: []string{"option drain_timeout '2s'"}}))
	open := func(name string) *tls.Conn {
		raw, err := t.House.WAN.Dial(t, "tcp", t.WANPort().String())
		t.Must(err)
		t.Cleanup(func() { raw.Close() })
		connection := tls.Client(raw, &tls.Config{ServerName: name, RootCAs: t.House.Authority.Pool})
		t.Must(connection.HandshakeContext(t))
		return connection
	}
	lost, kept := open(app2), open(app1)
	t.Must(t.Plane.Admin.Delete(t, api.Path("ingresses", "blog", "app2")))
	t.Must(lost.SetReadDeadline(time.Now().Add(soon)))
	began := time.Now()
	if _, err := lost.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection goes on")
	}
	t.Logf("closed %.1fs after the Ingress was deleted", time.Since(began).Seconds())
	_, err := fmt.Fprintf(kept, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", app1)
	t.Must(err)
	answer, err := io.ReadAll(kept)
	if err != nil || !strings.Contains(string(answer), app1+" on external") {
		t.Errorf("the other connection does not go on: %q, %v", answer, err)
	}
}

// classChanges: while the status still is the old class's, the new class must expose nothing.
func classChanges(t *T) {
	const moved = "moved.k8s.example.com"
	t.StopController("external") // it would overwrite the stale status before anyone could see it
	object := ingress("blog", "moved", "nginx-internal", moved)
	t.Must(t.Plane.Admin.Apply(t, object))
	t.Eventually("internal", func() error { return t.Answers(moved, internalAddress) })
	object.Map("spec")["ingressClassName"] = "nginx-external"
	t.Must(t.Plane.Admin.Apply(t, object))
	t.Eventually("claims nothing while its status is stale", func() error { return t.NoRoute(moved) })
	t.Holds("not exposed", 500*time.Millisecond, func() error { return t.NotOurs(moved) })
	t.StartController("external")
	t.Eventually("exposed with the new class's address", func() error { return t.FromWAN(moved, t.House.External) })
}

// emptied: ingress-nginx takes all addresses out when it stops; the option hold bridges that.
func emptied(t *T) {
	empty := func() {
		external := t.controllers["external"].Controller
		t.StopController("external")
		t.Must(external.Empty(t))
	}
	empty()
	t.Holds("the last address is held", 2*time.Second, func() error { return t.FromWAN(app1, t.House.External) })
	t.Must(t.Answers(app1, externalAddress))
	t.Must(t.StopDaemon(9))
	t.Must(t.StartDaemon(t))
	t.Eventually("held over a restart", func() error { return t.FromWAN(app1, t.House.External) })
	t.StartController("external")
	t.Must(t.Await(t, api.Path("ingresses", "blog", "app1"), t.House.External.IPv4))
	t.Holds("refilled", 500*time.Millisecond, func() error { return t.FromWAN(app1, t.House.External) })

	t.Must(t.Configure(t, config{cluster: []string{"option hold '2s'"}}))
	t.Eventually("routed", func() error { return t.FromWAN(app1, t.House.External) })
	empty()
	t.Eventually("after hold the route is gone", func() error { return t.NotOurs(app1) })
}
