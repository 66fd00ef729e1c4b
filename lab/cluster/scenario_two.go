package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/api"
	"github.com/sniroute/sniroute/lab/cluster/controlplane"
	"github.com/sniroute/sniroute/lab/cluster/played"
	"github.com/sniroute/sniroute/lab/house"
)

// twoClusters: a second cluster, whose domain lies in part over the first one's.
func twoClusters(t *T) {
	const gardenApp, gardenAddress, gardenServer = "frogs.garden.example.com", "192.168.0.6", "192.168.0.6:443"
	node, err := t.House.AddHost("garden", 6)
	t.Must(err)
	_, err = t.House.StartWeb(t, node, gardenApp, app1)
	t.Must(err)
	master, err := t.House.AddHost("master2", 14)
	t.Must(err)
	plane, err := controlplane.Start(t, controlplane.Options{Name: "garden", House: t.House, Host: master, Tools: t.Tools,
		Report: t.report})
	t.Must(err)
	t.Cleanup(plane.Stop)
	manifest, err := t.manifest(t)
	t.Must(err)
	_, err = plane.Kubectl(t, manifest, "apply", "-f", "-")
	t.Must(err)
	t.Must(plane.Admin.Apply(t, namespaceObject("blog")))
	deploy := func(name string, hosts ...string) {
		object := ingress("blog", name, "pond", hosts...)
		t.Must(plane.Admin.Apply(t, object))
		t.Must(played.SetStatus(t, plane.Admin, object, gardenAddress))
	}
	time.Sleep(time.Second) // creationTimestamp counts seconds, and the first cluster's claims are to be the older ones
	deploy("frogs", gardenApp)
	deploy("rival", app1)
	deploy("stray", "stray.k8s.example.com")
	var token, authority []byte
	t.Eventually("the second cluster's Secret", func() error {
		secret, err := plane.Admin.Get(t, api.Path("secrets", "sniroute", tokenSecret))
		if err != nil {
			return err
		}
		for key, to := range map[string]*[]byte{"token": &token, "ca.crt": &authority} {
			text, _ := secret.Map("data")[key].(string)
			if *to, err = base64.StdEncoding.DecodeString(text); err != nil || len(*to) == 0 {
				return fmt.Errorf("no %s yet (%v)", key, err)
			}
		}
		return nil
	})
	t.Must(errors.Join(t.WriteCredential("garden.token", token), t.WriteCredential("garden.crt", authority)))

	t.Must(t.Configure(t, config{more: fmt.Sprintf(`
config cluster 'garden'
	list server '%s'
	option ca_file '%[2]s/credentials/garden.crt'
	option token_file '%[2]s/credentials/garden.token'
	list domain 'garden.example.com'
	list domain 'app1.k8s.example.com'
	list target '192.168.0.6/32'

config class 'pond'
	option cluster 'garden'
	option class 'pond'
	list match_address '192.168.0.6/32'
	option expose '1'
`, plane.Server, t.House.Dir)}))
	t.Eventually("the second cluster is routed", func() error { return t.FromWAN(gardenApp, node) })
	t.Eventually("and answered", func() error { return t.Answers(gardenApp, gardenAddress) })
	t.Must(t.serves())
	t.Eventually("the older claim counts", func() error { return t.Refused(app1, "Ingress blog/rival", "owned") })
	t.Must(t.Refused("stray.k8s.example.com", "Ingress blog/stray", "domain"))

	t.Must(t.Plane.Admin.Delete(t, api.Path("ingresses", "blog", "app1")))
	t.Eventually("the name passes on", func() error { return t.FromWAN(app1, node) })
	t.Must(t.Route(app1, "Ingress blog/rival", true, gardenServer))
	plane.KillAPI()
	time.Sleep(time.Second)
	t.Must(t.Plane.Ensure(t, apps)) // younger now
	t.Must(t.Await(t, api.Path("ingresses", "blog", "app1"), t.House.External.IPv4))
	t.Holds("one cluster's absence gives its names to nobody", time.Second, func() error {
		return errors.Join(t.FromWAN(app1, node), t.FromWAN(app2, t.House.External))
	})
}

// twoRouters: a second router with the same configuration holds the same table.
func twoRouters(t *T) {
	host, err := t.House.AddHost("router2", 254)
	t.Must(err)
	dir := filepath.Join(t.House.Dir, "router2")
	for _, name := range []string{"control", "state", "config"} {
		t.Must(os.MkdirAll(filepath.Join(dir, name), 0o750))
	}
	text := config{more: greed}.text(dir) + "\nconfig dns 'dns'\n\toption enabled '0'\n"
	t.Must(os.WriteFile(filepath.Join(dir, "config", "sniroute"), []byte(text), 0o644))
	second, err := t.House.Start(host, "sniroute-2", t.Binary, "run", "-c", filepath.Join(dir, "config"))
	t.Must(err)
	t.Cleanup(func() { _ = second.Stop(syscall.SIGTERM) })
	t.Must(t.Configure(t, config{more: greed}))

	for i := range 20 {
		team, host := []string{"team-a", "team-b"}[i%2], fmt.Sprintf("both%d.k8s.example.com", i/3)
		t.Must(t.Plane.Admin.Apply(t, ingress(team, fmt.Sprint("both", i), "nginx-external", host)))
	}
	t.Must(t.Await(t, api.Path("ingresses", "team-b", "both19"), t.House.External.IPv4))
	ask := func(on *house.Host, config string) (string, error) {
		out, err := on.Output(exec.CommandContext(t, t.Binary, "routes", "-json", "-c", config))
		return string(out), err
	}
	same := func() error {
		one, err := ask(t.House.Router, filepath.Join(t.House.Dir, house.ConfigDir))
		if err != nil {
			return err
		}
		two, err := ask(host, filepath.Join(dir, "config"))
		if err != nil {
			return err
		}
		if one != two {
			return fmt.Errorf("the tables differ:\n%s\n%s", one, two)
		}
		return nil
	}
	t.Eventually("all are routed", func() error { return t.FromWAN("both6.k8s.example.com", t.House.External) })
	t.Eventually("both routers hold the same table", same)
	page, err := t.Page(t, t.House.Client, netip.AddrPortFrom(host.IPv4, 8443), app1)
	if err != nil {
		t.Errorf("the second router does not route: %v", err)
	}
	t.Logf("through the second router: %s", page)
	t.Must(t.Plane.RestartAPI(t))
	t.Must(t.Plane.Admin.Delete(t, api.Path("ingresses", "team-a", "both0")))
	t.Eventually("the host has another owner on the first", func() error {
		routes, err := t.AskRoutes(t)
		if err != nil {
			return err
		}
		for _, r := range routes.Routes {
			if r.Host == "both0.k8s.example.com" && r.Object != "Ingress team-a/both0" {
				return nil
			}
		}
		return errors.New("not yet")
	})
	t.Eventually("and the same table on both", same)
}
