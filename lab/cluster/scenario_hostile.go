package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/api"
	"github.com/sniroute/sniroute/lab/cluster/played"
	"github.com/sniroute/sniroute/lab/house"
)

// A trap is an object that wants what it must not have.
type trap struct {
	name      string   // of the object and of its purpose
	host      string   // what it claims
	kind      string   // "Ingress" or, for spellings that an Ingress may not have, "Service"; empty: Ingress
	namespace string   // empty: hostile
	class     string   // empty: greedy
	addresses []string // in its status; nil: the external ingress's
	planted   bool     // written past the API server, which would refuse it

	reason string // why it is refused; empty: it claims nothing at all
	shown  string // the host as `sniroute routes` shows it, where that is not host
}

// greed is the least careful configuration that there can be: everything that its classes select is exposed, wherever
// it points.
const greed = `
config class 'greedy'
	option cluster 'home'
	option class 'greedy'
	option expose '1'

config class 'port6443'
	option cluster 'home'
	option class 'port6443'
	option https_port '6443'
	option expose '1'

config class 'greedy_services'
	option cluster 'home'
	list namespace 'hostile'
	option expose '1'
`

// traps returns all of them.
func traps() []trap {
	long := strings.Repeat(strings.Repeat("a", 50)+".", 6) + "k8s.example.com"
	many := []string{}
	for i := range 70 {
		many = append(many, fmt.Sprintf("192.168.0.%d", 130+i))
	}
	own := "own.k8s.example.com"
	return []trap{
		// Names that are not the cluster's.
		{name: "stranger", host: "google.com", reason: "domain"},
		{name: "below-a-stranger", host: "k8s.example.com.attacker.net", reason: "domain"},
		{name: "not-on-a-label", host: "evilk8s.example.com", reason: "domain"},
		{name: "above-the-domain", host: "example.com", reason: "domain"},
		{name: "another-namespaces-domain", host: "app.team.example.com", namespace: "team-b", reason: "domain"},
		{name: "single-label", host: "nas", reason: "name"},
		{name: "localhost", host: "localhost", reason: "name"},
		{name: "multicast-dns", host: "printer.local", reason: "name"},
		{name: "the-router", host: "router.lan", reason: "name"},
		{name: "lan-domain", host: "nas.lan", reason: "name"},
		{name: "proxy-settings", host: "wpad.k8s.example.com", reason: "name"},
		{name: "public-suffix", host: "co.uk", reason: "name"},
		{name: "address-as-name", host: "192.168.0.1", kind: "Service", reason: "name"},

		// Names that are spelled oddly. The API server refuses most of them in an Ingress; an annotation takes all.
		{name: "with-nul", host: "nul\x00.k8s.example.com", kind: "Service", reason: "name"},
		{name: "with-space", host: "a b.k8s.example.com", kind: "Service", reason: "name"},
		{name: "with-newline", host: "a.k8s.example.com\n192.168.0.99 bank.example.org", kind: "Service", reason: "name"},
		{name: "with-slash", host: "a.k8s.example.com/192.168.0.99", kind: "Service", reason: "name"},
		{name: "with-umlaut", host: "b\u00fccher.k8s.example.com", kind: "Service", reason: "name"},
		{name: "too-long", host: long, kind: "Service", reason: "name"},
		{name: "long-label", host: strings.Repeat("a", 64) + ".k8s.example.com", kind: "Service", reason: "name"},
		{name: "empty-label", host: "a..k8s.example.com", kind: "Service", reason: "name"},
		{name: "wildcard-inside", host: "a.*.k8s.example.com", kind: "Service", reason: "name"},
		{name: "planted-nul", host: "nul\x00planted.k8s.example.com", planted: true, reason: "name"},
		{name: "planted-long", host: "planted." + long, planted: true, reason: "name"},

		// Wildcards.
		{name: "wildcard", host: "*.k8s.example.com", reason: "wildcard"},
		{name: "wildcard-above-another", host: "*.app1.k8s.example.com", namespace: "team-b", reason: "wildcard"},
		{name: "wildcard-of-all", host: "*.example.com", reason: "domain"},

		// Addresses.
		{name: "loopback", host: own, addresses: []string{"127.0.0.1"}, reason: "target"},
		{name: "loopback-too", host: own, addresses: []string{"127.8.8.8"}, reason: "target"},
		{name: "loopback-6", host: own, addresses: []string{"::1"}, reason: "target"},
		{name: "the-router-inside", host: own, addresses: []string{"192.168.0.1"}, reason: "target"},
		{name: "the-router-outside", host: own, addresses: []string{"203.0.113.1"}, reason: "target"},
		{name: "unspecified", host: own, addresses: []string{"0.0.0.0"}, reason: "target"},
		{name: "link-local", host: own, addresses: []string{"169.254.1.1"}, reason: "target"},
		{name: "multicast", host: own, addresses: []string{"224.0.0.251"}, reason: "target"},
		{name: "broadcast", host: own, addresses: []string{"255.255.255.255"}, reason: "target"},
		{name: "outsider", host: own, addresses: []string{"192.168.0.99"}, reason: "target"},
		{name: "internet", host: own, addresses: []string{"203.0.113.50"}, reason: "target"},
		{name: "mapped", host: own, addresses: []string{"::ffff:192.168.0.3"}, planted: true, reason: "target"},
		{name: "mapped-loopback", host: own, addresses: []string{"::ffff:127.0.0.1"}, planted: true, reason: "target"},
		{name: "api-server", host: own, class: "port6443", addresses: []string{"192.168.0.10"}, reason: "target"},
		{name: "by-name", host: own, addresses: []string{"localhost.localdomain"}, reason: "target"},
		{name: "too-many-addresses", host: own, addresses: many, reason: "limit"},

		// What is others'.
		{name: "steals-an-address", host: app1, addresses: []string{"192.168.0.5"}, namespace: "team-b", reason: "owned"},
		{name: "exposes-internal", host: grafana, addresses: []string{internalAddress}, namespace: "team-b", reason: "owned"},
		{name: "exposes-internal-too", host: "GRAFANA.k8s.example.com.", kind: "Service",
			addresses: []string{internalAddress}, reason: "owned"},

		// What claims nothing.
		{name: "no-address", host: own, addresses: []string{}},
		{name: "any-host", host: ""},

		{name: "the-last", host: "last.example.net", reason: "domain"},
	}
}

// hostile: a namespace, or a whole cluster, that wants more than it is given.
func hostile(t *T) {
	before, err := t.AskRoutes(t)
	t.Must(err)
	for _, namespace := range []string{"hostile", "flood"} {
		t.Must(t.Plane.Admin.Apply(t, namespaceObject(namespace)))
	}
	t.Must(t.Configure(t, config{more: greed}))
	all := traps()
	for i := range all {
		t.set(&all[i])
	}
	t.Logf("%d hostile objects", len(all))

	// Each kind is watched by itself. What claims nothing is an Ingress, and the last Ingress is refused for something.
	t.Eventually("all are seen", func() error {
		var missing error
		for _, trap := range all {
			if trap.reason != "" {
				if err := t.Refused(trap.shown, trap.object(), trap.reason); err != nil {
					missing = errors.Join(missing, fmt.Errorf("%s: %w", trap.name, err))
				}
			}
		}
		return missing
	})
	after, err := t.AskRoutes(t)
	t.Must(err)
	if got, want := fmt.Sprint(after.Routes), fmt.Sprint(before.Routes); got != want {
		t.Errorf("hostile objects changed the table:\n%s\nwas\n%s", got, want)
	}
	for _, trap := range all {
		t.harmless(trap)
	}
	t.publishedNames()
	t.Must(t.serves())
	t.spellings()
	t.flood()
}

// wildcards: even where they are allowed, nobody gets what is another's with one, or from one.
func wildcards(t *T) {
	const wild = "*.wild.k8s.example.com"
	t.Must(t.Configure(t, config{cluster: []string{"option wildcards '1'"}}))
	t.Must(t.Plane.Admin.Apply(t, ingress("team-a", "wild", "nginx-external", wild)))
	t.Eventually("a wildcard is routed", func() error { return t.FromWAN("any.wild.k8s.example.com", t.House.External) })
	t.Must(t.NotOurs("two.labels.wild.k8s.example.com"))
	t.Must(t.NotOurs("wild.k8s.example.com"))
	time.Sleep(time.Second) // creationTimestamp counts seconds
	for _, theft := range []struct{ name, host string }{
		{"below-anothers-wildcard", "mine.wild.k8s.example.com"},
		{"the-same-wildcard", wild},
		{"above-anothers-name", "*.k8s.example.com"},
	} {
		object := ingress("team-b", theft.name, "nginx-internal", theft.host)
		t.Must(t.Plane.Admin.Apply(t, object))
		t.Eventually(theft.name, func() error { return t.Refused(theft.host, "Ingress team-b/"+theft.name, "owned") })
	}
	t.Must(t.FromWAN("mine.wild.k8s.example.com", t.House.External))
	t.Must(t.FromWAN("any.wild.k8s.example.com", t.House.External))
	t.Must(t.serves())
}

// object is how sniroute names the trap.
func (trap trap) object() string { return trap.kind + " " + trap.namespace + "/" + trap.name }

// set makes the trap's object, and fills in what its description leaves out.
func (t *T) set(trap *trap) {
	for _, usual := range []struct {
		field *string
		value string
	}{{&trap.kind, "Ingress"}, {&trap.namespace, "hostile"}, {&trap.class, "greedy"}, {&trap.shown, trap.host}} {
		if *usual.field == "" {
			*usual.field = usual.value
		}
	}
	if len(trap.shown) > 253 {
		trap.shown = trap.shown[:253]
	}
	if trap.addresses == nil {
		trap.addresses = []string{externalAddress}
	}
	object := ingress(trap.namespace, trap.name, trap.class, trap.host)
	key := "ingress/" + trap.namespace + "/" + trap.name
	if trap.kind == "Service" {
		object = service(trap.namespace, trap.name, trap.host, 443)
	}
	if !trap.planted {
		t.Must(t.Plane.Admin.Apply(t, object))
		if err := played.SetStatus(t, t.Plane.Admin, object, trap.addresses...); err == nil {
			return
		} else if !api.IsCode(err, http.StatusUnprocessableEntity) {
			t.Fatalf("%s: %v", trap.name, err)
		}
		// This API server is more careful than others are: past it.
		stored, err := t.Plane.Admin.Get(t, api.PathOf(object))
		t.Must(err)
		object = stored
		trap.planted = true
	} else {
		object.Metadata()["creationTimestamp"] = time.Now().UTC().Format(time.RFC3339)
		object.Metadata()["uid"] = trap.name
	}
	object["status"] = played.Status(trap.addresses...)
	t.Must(t.Plane.Plant(t, key, object))
	t.Cleanup(func() {
		if err := t.Plane.Uproot(t, key); err != nil {
			t.Errorf("removing %s: %v", trap.name, err)
		}
	})
}

// harmless checks that nobody is led astray by the trap's host.
func (t *T) harmless(trap trap) {
	name := strings.TrimSuffix(strings.ToLower(trap.host), ".")
	switch {
	case name == "", len(name) > 253, strings.Contains(name, strings.Repeat("a", 64)), strings.Contains(name, ".."),
		strings.ContainsAny(name, "\x00 \n/*\u00fc"):
		return // no client can ask for it
	case net.ParseIP(name) != nil:
		return // Go sends no address as server name
	case name == app1, name == grafana:
		return // serves looks at these
	}
	var err error
	switch name {
	case "nas", "localhost", "router.lan", "nas.lan", "printer.local": // the router's own answers
		err = t.FromWAN(name, t.House.NAS)
	default:
		err = t.NotOurs(name)
	}
	if err != nil {
		t.Errorf("%s: %v", trap.name, err)
	}
}

// publishedNames checks that dnsmasq was told of nothing outside the cluster's domains.
func (t *T) publishedNames() {
	text, err := os.ReadFile(filepath.Join(t.House.Dir, house.HostsFile))
	t.Must(err)
	names := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(strings.SplitN(line, "#", 2)[0])
		for _, name := range fields[min(1, len(fields)):] {
			names++
			if !strings.HasSuffix(name, ".k8s.example.com") && !strings.HasSuffix(name, ".team.example.com") {
				t.Errorf("dnsmasq was told of %s", name)
			}
		}
	}
	if names == 0 {
		t.Errorf("dnsmasq was told of nothing at all")
	}
}

// spellings: upper case and a trailing dot are the same name, and punycode is a name like any other.
func (t *T) spellings() {
	shouting := service("hostile", "shouting", "Loud.K8S.Example.COM.", 443)
	punycode := ingress("hostile", "punycode", "nginx-external", "xn--bcher-kva.k8s.example.com")
	t.Must(t.Plane.Admin.Apply(t, shouting, punycode))
	for _, object := range []api.Object{shouting, punycode} {
		t.Must(played.SetStatus(t, t.Plane.Admin, object, externalAddress))
	}
	for _, host := range []string{"loud.k8s.example.com", "xn--bcher-kva.k8s.example.com"} {
		t.Eventually(host, func() error {
			return errors.Join(t.FromWAN(host, t.House.External), t.Answers(host, externalAddress))
		})
	}
}

// flood: one namespace claims 10,000 hosts; it gets what a namespace may have, and the others keep what they had.
func (t *T) flood() {
	const objects, each, allowed = 20, 500, 256
	for i := range objects {
		var hosts []string
		for k := range each {
			hosts = append(hosts, fmt.Sprintf("flood%d-%d.k8s.example.com", i, k))
		}
		t.Must(t.Plane.Admin.Apply(t, ingress("flood", fmt.Sprint("flood", i), "nginx-external", hosts...)))
	}
	t.Eventually("the flood is dammed", func() error {
		routes, err := t.AskRoutes(t)
		if err != nil {
			return err
		}
		accepted, refused := 0, 0
		for _, r := range routes.Routes {
			if strings.HasPrefix(r.Host, "flood") {
				accepted++
			}
		}
		for _, r := range routes.Refused {
			if strings.HasPrefix(r.Host, "flood") && r.Reason == "limit" {
				refused++
			}
		}
		if accepted != allowed || refused == 0 {
			return fmt.Errorf("%d of %d hosts accepted, %d refused", accepted, objects*each, refused)
		}
		return nil
	})
	t.Must(t.serves())
}
