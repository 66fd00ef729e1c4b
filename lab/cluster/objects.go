package main

import (
	"fmt"

	"github.com/sniroute/sniroute/lab/cluster/api"
)

// system is what a home cluster has before the first app is deployed: MetalLB's two pools and an ingress controller for
// each, as in the blog post.
const system = `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: external, namespace: metallb-system}
spec: {addresses: [192.168.0.3-192.168.0.4], autoAssign: false}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: internal, namespace: metallb-system}
spec: {addresses: [192.168.0.5/32], autoAssign: false}
---
apiVersion: v1
kind: Namespace
metadata: {name: ingress-external}
---
apiVersion: v1
kind: Namespace
metadata: {name: ingress-internal}
---
apiVersion: v1
kind: Namespace
metadata: {name: blog}
---
apiVersion: v1
kind: Namespace
metadata: {name: team-a}
---
apiVersion: v1
kind: Namespace
metadata: {name: team-b}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx-external}
spec: {controller: k8s.io/ingress-nginx-external}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx-internal}
spec: {controller: k8s.io/ingress-nginx-internal}
---
apiVersion: v1
kind: Service
metadata:
  name: ingress-nginx-controller
  namespace: ingress-external
  annotations: {metallb.io/address-pool: external}
spec:
  type: LoadBalancer
  selector: {app: ingress-nginx}
  ports: [{name: http, port: 80}, {name: https, port: 443}]
---
apiVersion: v1
kind: Service
metadata:
  name: ingress-nginx-controller
  namespace: ingress-internal
  annotations: {metallb.io/address-pool: internal}
spec:
  type: LoadBalancer
  selector: {app: ingress-nginx}
  ports: [{name: http, port: 80}, {name: https, port: 443}]
`

// apps is what the blog post deploys: two external apps, one internal.
const apps = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app1, namespace: blog}
spec:
  ingressClassName: nginx-external
  tls: [{hosts: [app1.k8s.example.com], secretName: app1-tls}]
  rules:
  - host: app1.k8s.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app1, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app2, namespace: blog}
spec:
  ingressClassName: nginx-external
  tls: [{hosts: [app2.k8s.example.com], secretName: app2-tls}]
  rules:
  - host: app2.k8s.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app2, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: grafana, namespace: blog}
spec:
  ingressClassName: nginx-internal
  tls: [{hosts: [grafana.k8s.example.com], secretName: grafana-tls}]
  rules:
  - host: grafana.k8s.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: grafana, port: {number: 80}}}}]}
`

// The hosts of apps.
const (
	app1    = "app1.k8s.example.com"
	app2    = "app2.k8s.example.com"
	grafana = "grafana.k8s.example.com"
)

// ingress returns an Ingress of a class for some hosts.
func ingress(namespace, name, class string, hosts ...string) api.Object {
	rules := []any{}
	for _, host := range hosts {
		rules = append(rules, map[string]any{"host": host, "http": map[string]any{"paths": []any{map[string]any{
			"path": "/", "pathType": "Prefix",
			"backend": map[string]any{"service": map[string]any{"name": name, "port": map[string]any{"number": 80}}},
		}}}})
	}
	spec := map[string]any{"rules": rules}
	if class != "" {
		spec["ingressClassName"] = class
	}
	return api.Object{
		"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
		"metadata": map[string]any{"name": name, "namespace": namespace},
		"spec":     spec,
	}
}

// service returns a Service of type LoadBalancer, which MetalLB leaves alone, with external-dns's host names.
func service(namespace, name, hostnames string, ports ...int) api.Object {
	open := []any{}
	for _, port := range ports {
		open = append(open, map[string]any{"name": fmt.Sprint("tcp-", port), "port": port, "protocol": "TCP"})
	}
	return annotate(api.Object{
		"apiVersion": "v1", "kind": "Service",
		"metadata": map[string]any{"name": name, "namespace": namespace},
		"spec": map[string]any{"type": "LoadBalancer", "loadBalancerClass": "example.com/by-hand", "ports": open,
			"selector": map[string]any{"app": name}},
	}, "external-dns.alpha.kubernetes.io/hostname", hostnames)
}

// namespaceObject returns a Namespace.
func namespaceObject(name string) api.Object {
	return api.Object{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}
}

// annotate sets an annotation of an object and returns it.
func annotate(object api.Object, name, value string) api.Object {
	return mark(object, "annotations", name, value)
}

// label sets a label of an object and returns it.
func label(object api.Object, name, value string) api.Object {
	return mark(object, "labels", name, value)
}

func mark(object api.Object, field, name, value string) api.Object {
	metadata := object.Metadata()
	marks, ok := metadata[field].(map[string]any)
	if !ok {
		marks = map[string]any{}
		metadata[field] = marks
	}
	marks[name] = value
	return object
}
