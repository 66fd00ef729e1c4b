package watch

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// parse returns the claims of YAML documents, and fails the test if they have an error.
func parse(t testing.TB, yaml string) *Objects {
	t.Helper()
	located, problems := decodeYAML([]byte(yaml))
	if len(problems) > 0 {
		t.Fatalf("decode: %v", problems)
	}
	var objects Objects
	for _, object := range located {
		object.add(&objects)
	}
	return &objects
}

func addrs(texts ...string) []netip.Addr {
	var addresses []netip.Addr
	for _, text := range texts {
		addresses = append(addresses, netip.MustParseAddr(text))
	}
	return addresses
}

func TestClaims(t *testing.T) {
	created := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	ingress := func(namespace, name string) route.Claim {
		return route.Claim{Source: "home", Object: route.Object{Kind: "Ingress", Namespace: namespace, Name: name}}
	}
	app := ingress("web", "app")
	app.Created, app.Class, app.Addresses = created, "nginx-external", addrs("192.168.0.3", "fd00::3")
	app.Host, app.StatusHostname = "app1.k8s.example.com", "evil.example.com"
	second := app
	second.Host = "APP2.k8s.example.com."
	wildcard := app
	wildcard.Host, wildcard.OneLabel = "*.apps.example.com", true

	plain := ingress("default", "plain")
	plain.Host = "plain.example.com"
	withClass := func(c route.Claim, class string) route.Claim { c.Class = class; return c }
	solver := plain
	solver.Solver = true

	service := route.Claim{Source: "home", Object: route.Object{Kind: "Service", Namespace: "infra", Name: "mqtt"},
		Addresses: addrs("192.168.0.7"), Ports: []uint16{443, 8883}}
	named := func(c route.Claim, host string) route.Claim { c.Host = host; return c }
	udp := named(service, "dns.example.com")
	udp.Ports = []uint16{}

	tests := []struct {
		name string
		yaml string
		want []route.Claim
	}{
		{"nothing", "# only a comment\n---\n---\n", nil},
		{"hosts, wildcard, status, age", `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app
  namespace: web
  creationTimestamp: "2024-05-01T14:00:00+02:00"
spec:
  ingressClassName: nginx-external
  tls: [{hosts: [tls-only.example.com]}]
  rules:
  - host: app1.k8s.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}
  - host: APP2.k8s.example.com.
  - host: app1.k8s.example.com
  - host: ""
  - http: {}
  - host: "*.apps.example.com"
status:
  loadBalancer:
    ingress:
    - {ip: 192.168.0.3, ports: [{port: 443, protocol: TCP}]}
    - {hostname: evil.example.com}
    - {ip: "fd00::3"}
`, []route.Claim{app, second, wildcard}},
		{"v1beta1", `
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: plain}
spec: {ingressClassName: old, rules: [{host: plain.example.com, http: {paths: [{backend: {serviceName: a, servicePort: 80}}]}}]}
`, []route.Claim{withClass(plain, "old")}},
		{"the annotation beats the field", `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: plain, annotations: {kubernetes.io/ingress.class: noted, external-dns.alpha.kubernetes.io/target: 10.0.0.1}}
spec: {ingressClassName: spec, rules: [{host: plain.example.com}]}
`, []route.Claim{withClass(plain, "noted")}},
		{"the newest default class", `
apiVersion: v1
kind: List
items:
- apiVersion: networking.k8s.io/v1
  kind: IngressClass
  metadata: {name: a, creationTimestamp: 2023-01-01T00:00:00Z, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
- apiVersion: networking.k8s.io/v1
  kind: IngressClass
  metadata: {name: c, creationTimestamp: 2024-01-01T00:00:00Z, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
- apiVersion: networking.k8s.io/v1
  kind: IngressClass
  metadata: {name: b, creationTimestamp: 2024-01-01T00:00:00Z, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
- apiVersion: networking.k8s.io/v1
  kind: IngressClass
  metadata: {name: d, creationTimestamp: 2025-01-01T00:00:00Z, annotations: {ingressclass.kubernetes.io/is-default-class: "false"}}
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: {name: plain}
  spec: {rules: [{host: plain.example.com}]}
`, []route.Claim{withClass(plain, "b")}},
		{"an empty annotation is no class and keeps the default away", `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: a, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: plain, annotations: {kubernetes.io/ingress.class: ""}}
spec: {rules: [{host: plain.example.com}]}
`, []route.Claim{plain}},
		{"solver", `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: plain, labels: {acme.cert-manager.io/http01-solver: "true"}}
spec: {rules: [{host: plain.example.com}]}
`, []route.Claim{solver}},
		{"service", `
apiVersion: v1
kind: Service
metadata: {name: mqtt, namespace: infra, annotations: {external-dns.alpha.kubernetes.io/hostname: "mqtt.example.com, *.m.example.com,,mqtt.example.com"}}
spec: {type: LoadBalancer, ports: [{port: 8883}, {port: 53, protocol: UDP}, {port: 443, protocol: TCP}, {port: 443}]}
status: {loadBalancer: {ingress: [{ip: 192.168.0.7}]}}
`, []route.Claim{named(service, "mqtt.example.com"), named(service, "*.m.example.com")}},
		{"service without a TCP port", `
apiVersion: v1
kind: Service
metadata: {name: mqtt, namespace: infra, annotations: {external-dns.alpha.kubernetes.io/hostname: dns.example.com}}
spec: {type: LoadBalancer, ports: [{port: 53, protocol: UDP}]}
status: {loadBalancer: {ingress: [{ip: 192.168.0.7}]}}
`, []route.Claim{udp}},
		{"services that claim nothing", `
apiVersion: v1
kind: Service
metadata: {name: a, annotations: {external-dns.alpha.kubernetes.io/hostname: a.example.com}}
spec: {type: ClusterIP, clusterIP: 10.96.0.1, ports: [{port: 443}]}
---
apiVersion: v1
kind: Service
metadata: {name: b, annotations: {external-dns.alpha.kubernetes.io/target: 10.0.0.1}}
spec: {type: LoadBalancer, loadBalancerIP: 10.0.0.1, ports: [{port: 443}]}
`, nil},
		{"other kinds and items of a typed list", `
{"apiVersion": "networking.k8s.io/v1", "kind": "IngressList", "items": [
	{"metadata": {"name": "plain"}, "spec": {"rules": [{"host": "plain.example.com"}]}}
]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: [not, read]}
`, []route.Claim{plain}},
		{"anchors", `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: &n plain}
spec: {rules: [&r {host: plain.example.com}, *r]}
`, []route.Claim{plain}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			objects := parse(t, test.yaml)
			got := objects.Claims("home")
			if !equalClaims(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestClaimsDoNotDependOnOrder(t *testing.T) {
	var objects Objects
	for i := range 50 {
		ingress := new(Ingress)
		ingress.Metadata.Namespace, ingress.Metadata.Name = fmt.Sprintf("ns%d", i%7), fmt.Sprintf("app%d", i)
		ingress.Spec.Rules = []IngressRule{{Host: fmt.Sprintf("h%d.example.com", i)}}
		objects.Ingresses = append(objects.Ingresses, ingress)
	}
	want := objects.Claims("s")
	for range 20 {
		rand.Shuffle(len(objects.Ingresses), reflect.Swapper(objects.Ingresses))
		if !equalClaims(objects.Claims("s"), want) {
			t.Fatal("the order of the objects changed the claims")
		}
	}
}

func TestBoundsOfOneObject(t *testing.T) {
	ingress := new(Ingress)
	ingress.Spec.Rules = []IngressRule{{Host: string(make([]byte, 1<<20))}}
	balancer := &ingress.Status.LoadBalancer
	for i := range 1000 {
		balancer.Ingress = append(balancer.Ingress, BalancerIngress{IP: IP(fmt.Sprintf("10.0.%d.%d", i/256, i%256))})
	}
	claims := (&Objects{Ingresses: []*Ingress{ingress}}).Claims("s")
	if len(claims) != 1 || len(claims[0].Host) != maxHostLength || len(claims[0].Addresses) != maxAddresses {
		t.Errorf("%d claims, host of %d bytes, %d addresses", len(claims), len(claims[0].Host), len(claims[0].Addresses))
	}
}

func TestLimitClaims(t *testing.T) {
	claims := func(namespace string, count int, first time.Time) []route.Claim {
		var list []route.Claim
		for i := range count {
			c := route.Claim{Host: fmt.Sprintf("%s%d", namespace, i)}
			c.Object.Namespace = namespace
			if !first.IsZero() {
				c.Created = first.Add(time.Duration(count-i) * time.Second) // the last is the oldest
			}
			list = append(list, c)
		}
		return list
	}
	count := func(list []route.Claim, namespace string) int {
		n := 0
		for _, c := range list {
			if c.Object.Namespace == namespace {
				n++
			}
		}
		return n
	}
	old := time.Unix(1, 0)
	all := slices.Concat(claims("greedy", 1000, old), claims("small", 5, old.Add(time.Hour)), claims("undated", 30, time.Time{}))

	kept, dropped := limitClaims(all, 100)
	if g, s, u := count(kept, "greedy"), count(kept, "small"), count(kept, "undated"); g != 65 || s != 5 || u != 30 {
		t.Errorf("kept %d, %d, %d; want 65, 5, 30", g, s, u)
	}
	if dropped != 935 {
		t.Errorf("dropped %d, want 935", dropped)
	}
	if kept[0].Host != "greedy935" {
		t.Errorf("the youngest should be lost: first kept is %s", kept[0].Host)
	}
	if kept, dropped := limitClaims(all, len(all)); dropped != 0 || len(kept) != len(all) {
		t.Error("nothing to drop, yet something was")
	}
	many := make([]route.Claim, 50) // more namespaces than room
	for i := range many {
		many[i].Object.Namespace = fmt.Sprint(i)
	}
	if kept, _ := limitClaims(many, 10); len(kept) > 10 {
		t.Errorf("kept %d of at most 10", len(kept))
	}
}

// The cluster decides how many ports a Service has; what they cost is bounded.
func TestManyPorts(t *testing.T) {
	service := new(Service)
	service.Metadata = Metadata{Name: "s", Namespace: "n", Annotations: Pairs{annotationHostname: "a.example.com"}}
	service.Spec.Type = "LoadBalancer"
	for i := range 20_000 {
		port := ServicePort{Port: uint16(20_000 - i/2)} // each twice
		if i%4 == 0 {
			port.Protocol = "UDP"
		}
		service.Spec.Ports = append(service.Spec.Ports, port)
	}
	claims := (&Objects{Services: []*Service{service}}).Claims("home")
	ports := claims[0].Ports
	if len(ports) == 0 || len(ports) > maxPorts || !slices.IsSorted(ports) || ports[len(ports)-1] != 20_000 {
		t.Errorf("%d ports: %v", len(ports), ports)
	}
	saved := savedSource{claims: claims}
	if _, err := decodeSource("home", saved.encode(), 10); err != nil {
		t.Error(err)
	}
}
