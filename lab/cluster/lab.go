package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/api"
	"github.com/sniroute/sniroute/lab/cluster/controlplane"
	"github.com/sniroute/sniroute/lab/cluster/played"
	"github.com/sniroute/sniroute/lab/cluster/tools"
	"github.com/sniroute/sniroute/lab/house"
)

// A Lab is a house with a cluster in it and sniroute on its router.
type Lab struct {
	House     *house.House
	Plane     *controlplane.Plane // the cluster "home"
	Tools     *tools.Set
	Binary    string // of sniroute
	Master    *house.Host
	External2 *house.Host // where the external pool's second address answers
	Outsider  *house.Host // a machine that no cluster has any business with

	report      func(error)
	dir         string         // of the daemon's own files
	dns         *house.Service // the router's dnsmasq
	external    *house.Web     // nginx of the external ingress
	daemon      *house.Service // nil: it was never started
	running     string         // configuration that the daemon runs
	capture     *capture       // nil: none runs
	controllers map[string]*controller
	kept        map[string]bool // paths of the objects that Restore leaves alone
}

// A controller is a played ingress controller that can be stopped.
type controller struct {
	played.Controller
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// Start brings everything up and returns when the blog post's apps are routed.
func Start(ctx context.Context, set *tools.Set, binary string, progress io.Writer) (*Lab, error) {
	l := &Lab{Tools: set, Binary: binary, controllers: map[string]*controller{}, kept: map[string]bool{}}
	var printing sync.Mutex
	l.report = func(err error) {
		printing.Lock()
		defer printing.Unlock()
		fmt.Fprintln(progress, "lab:", err)
	}
	if err := l.start(ctx, progress); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context, progress io.Writer) (err error) {
	began := time.Now()
	step := func(what string) {
		fmt.Fprintf(progress, "%5.1fs %s\n", time.Since(began).Seconds(), what)
	}
	if l.House, err = house.Build(); err != nil {
		return err
	}
	for _, member := range []struct {
		host   **house.Host
		name   string
		number byte
	}{{&l.Master, "master", 10}, {&l.External2, "external2", 4}, {&l.Outsider, "outsider", 99}} {
		if *member.host, err = l.House.AddHost(member.name, member.number); err != nil {
			return err
		}
	}
	l.dir = filepath.Join(l.House.Dir, "router")
	for _, dir := range []string{"control", "state", "../credentials"} {
		if err := os.MkdirAll(filepath.Join(l.dir, dir), 0o750); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(l.House.Dir, house.ConfigDir), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.House.Dir, house.ConfigDir, "dhcp"), []byte(dhcp), 0o644); err != nil {
		return err
	}
	step("hosts and cables")

	for _, web := range []struct {
		host  *house.Host
		sites []string
	}{
		{l.House.NAS, []string{"nas.example.com"}},
		{l.House.External, []string{app1, app2}},
		{l.External2, []string{app1, app2}},
		{l.House.Internal, []string{grafana}},
	} {
		started, err := l.House.StartWeb(ctx, web.host, web.sites...)
		if err != nil {
			return err
		}
		if web.host == l.House.External {
			l.external = started
		}
	}
	if l.dns, err = l.House.StartDNS(ctx); err != nil {
		return err
	}
	step("nginx and dnsmasq")

	l.Plane, err = controlplane.Start(ctx, controlplane.Options{Name: "home", House: l.House, Host: l.Master,
		Tools: l.Tools, Report: l.report})
	if err != nil {
		return err
	}
	step("etcd and kube-apiserver")
	if err := l.Plane.StartMetalLB(ctx); err != nil {
		return err
	}
	if _, err := l.Plane.Kubectl(ctx, system, "apply", "-f", "-"); err != nil {
		return err
	}
	for _, part := range []string{"external", "internal"} {
		l.StartController(part)
	}
	if _, err := l.Plane.Kubectl(ctx, apps, "apply", "-f", "-"); err != nil {
		return err
	}
	if err := l.Await(ctx, api.Path("ingresses", "blog", "app1"), l.House.External.IPv4); err != nil {
		return err
	}
	if err := l.Await(ctx, api.Path("ingresses", "blog", "grafana"), l.House.Internal.IPv4); err != nil {
		return err
	}
	step("MetalLB has given 192.168.0.3 and 192.168.0.5")
	if err := l.Enroll(ctx); err != nil {
		return err
	}
	if err := l.keep(ctx); err != nil {
		return err
	}
	if err := l.Configure(ctx, config{}); err != nil {
		return err
	}
	step("sniroute is enrolled and runs")
	return nil
}

// Close ends everything.
func (l *Lab) Close() error {
	for part := range l.controllers {
		l.StopController(part)
	}
	if l.Plane != nil {
		l.Plane.Stop()
	}
	if l.House == nil {
		return nil
	}
	return l.House.Close()
}

// StartController starts the ingress controller "external" or "internal".
func (l *Lab) StartController(part string) {
	c := &controller{Controller: played.Controller{Client: l.Plane.Admin, Class: "nginx-" + part,
		Namespace: "ingress-" + part, Service: "ingress-nginx-controller"}}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.ended.Go(func() { c.Run(ctx) })
	l.controllers[part] = c
}

// StopController stops an ingress controller; the statuses stay as they are.
func (l *Lab) StopController(part string) {
	if c := l.controllers[part]; c != nil {
		c.cancel()
		c.ended.Wait()
		delete(l.controllers, part)
	}
}

// Await waits until the load-balancer status of an object is one address.
func (l *Lab) Await(ctx context.Context, path string, address netip.Addr) error {
	return controlplane.Eventually(ctx, soon, 20*time.Millisecond, func() error {
		object, err := l.Plane.Admin.Get(ctx, path)
		if err != nil {
			return err
		}
		status := fmt.Sprint(object.Map("status", "loadBalancer")["ingress"])
		if !strings.HasPrefix(status, "[map[ip:"+address.String()) {
			return fmt.Errorf("status of %s is %s, not %s", path, status, address)
		}
		return nil
	})
}

// collections are where scenarios make objects.
var collections = []string{"ingresses", "services", "ingressclasses", "clusterrolebindings"}

// keep notes the objects that are there now, which Restore leaves alone.
func (l *Lab) keep(ctx context.Context) error {
	for _, resource := range collections {
		objects, _, err := l.Plane.Admin.List(ctx, api.Path(resource))
		if err != nil {
			return err
		}
		for _, object := range objects {
			l.kept[api.PathOf(object)] = true
		}
	}
	return nil
}

// Restore puts the lab back: the API server runs, the cluster holds the blog post's objects and no others, the ingress
// controllers run, and so does the daemon, with the usual configuration and credentials, and routes them. DNS answers
// accordingly, and no longer with what scenarios deploy.
func (l *Lab) Restore(ctx context.Context) error {
	if !l.Plane.Running() {
		if err := l.Plane.StartAPI(ctx); err != nil {
			return err
		}
	}
	for _, resource := range collections {
		objects, _, err := l.Plane.Admin.List(ctx, api.Path(resource))
		if err != nil {
			return err
		}
		for _, object := range objects {
			if path := api.PathOf(object); !l.kept[path] {
				if err := l.Plane.Admin.Delete(ctx, path); err != nil {
					return err
				}
			}
		}
	}
	for _, part := range []string{"external", "internal"} {
		if l.controllers[part] == nil {
			l.StartController(part)
		}
	}
	for _, text := range []string{system, apps} {
		if err := l.Plane.Ensure(ctx, text); err != nil {
			return err
		}
	}
	for path, at := range map[string]netip.Addr{
		api.Path("ingresses", "blog", "app1"):    l.House.External.IPv4,
		api.Path("ingresses", "blog", "app2"):    l.House.External.IPv4,
		api.Path("ingresses", "blog", "grafana"): l.House.Internal.IPv4,
	} {
		if err := l.Await(ctx, path, at); err != nil {
			return err
		}
	}
	if err := l.Configure(ctx, config{}); err != nil {
		return err
	}
	return controlplane.Eventually(ctx, soon, 20*time.Millisecond, func() error {
		routes, err := l.AskRoutes(ctx)
		if err != nil {
			return err
		}
		var hosts []string
		for _, r := range routes.Routes {
			hosts = append(hosts, r.Host)
		}
		if got, want := strings.Join(hosts, " "), app1+" "+app2+" "+grafana; got != want {
			return fmt.Errorf("routes are %s, not %s", got, want)
		}
		for name, want := range map[string]netip.Addr{
			app1: l.House.External.IPv4, app2: l.House.External.IPv4, grafana: l.House.Internal.IPv4, fresh: l.House.Public.IPv4,
		} {
			got, err := Dig(ctx, l.House.Client, l.House.Router.IPv4, name, "A")
			if err != nil {
				return err
			}
			if len(got) != 1 || got[0] != want.String() {
				return fmt.Errorf("DNS for %s: %v, not %v", name, got, want)
			}
		}
		return nil
	})
}

// Enroll gives the daemon its credentials the way a person does: the manifest that sniroute prints is applied, and the
// Secret that the cluster fills is handed to `sniroute enroll`.
func (l *Lab) Enroll(ctx context.Context) error {
	manifest, err := l.manifest(ctx)
	if err != nil {
		return err
	}
	if _, err := l.Plane.Kubectl(ctx, manifest, "apply", "-f", "-"); err != nil {
		return err
	}
	if err := l.House.Configure(config{}.text(l.dir)); err != nil {
		return err
	}
	return controlplane.Eventually(ctx, soon, 100*time.Millisecond, func() error {
		secret, err := l.Plane.Kubectl(ctx, "", "--namespace=sniroute", "get", "secret", tokenSecret, "--output=json")
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, l.Binary, "enroll", "-c", filepath.Join(l.House.Dir, house.ConfigDir), l.Plane.Server)
		cmd.Stdin = strings.NewReader(secret)
		_, err = l.House.Router.Output(cmd) // fails until the Secret is filled
		return err
	})
}

// tokenSecret is the Secret that the manifest makes for the router's token.
const tokenSecret = "sniroute-token"

// manifest returns what `sniroute manifest` prints.
func (l *Lab) manifest(ctx context.Context) (string, error) {
	out, err := l.House.Router.Output(exec.CommandContext(ctx, l.Binary, "manifest"))
	return string(out), err
}

// WriteCredentials copies token and CA out of a Secret once it is filled.
func (l *Lab) WriteCredentials(ctx context.Context, secret string) error {
	path := api.Path("secrets", "sniroute", secret)
	return controlplane.Eventually(ctx, soon, 20*time.Millisecond, func() error {
		var secret struct {
			Data map[string]string `json:"data"`
		}
		if err := l.Plane.Admin.Do(ctx, http.MethodGet, path, nil, &secret); err != nil {
			return err
		}
		for key, file := range map[string]string{"token": "token", "ca.crt": "ca.crt"} {
			value, err := base64.StdEncoding.DecodeString(secret.Data[key])
			if err != nil || len(value) == 0 {
				return fmt.Errorf("the Secret has no %s yet (%v)", key, err)
			}
			if err := l.WriteCredential(file, value); err != nil {
				return err
			}
		}
		return nil
	})
}

// WriteCredential writes one of the daemon's credential files, as a whole.
func (l *Lab) WriteCredential(name string, value []byte) error {
	path := filepath.Join(l.House.Dir, "credentials", name)
	if err := os.WriteFile(path+".new", value, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Configure makes the daemon run with a configuration: it is started anew unless it does already.
func (l *Lab) Configure(ctx context.Context, c config) error {
	text := c.text(l.dir)
	if l.daemon != nil && l.daemon.Running() && text == l.running {
		return nil
	}
	if err := l.StopDaemon(syscall.SIGTERM); err != nil {
		return err
	}
	if err := l.House.Configure(text); err != nil {
		return err
	}
	l.running = text
	return l.StartDaemon(ctx)
}

// StartDaemon starts the daemon with the configuration that it had.
func (l *Lab) StartDaemon(ctx context.Context) (err error) {
	l.daemon, err = l.House.StartDaemon(ctx, l.Binary)
	return err
}

// StopDaemon ends the daemon if it runs.
func (l *Lab) StopDaemon(signal syscall.Signal) error {
	if l.daemon == nil || !l.daemon.Running() {
		return nil
	}
	return l.daemon.Stop(signal)
}
