package house

import (
	"cmp"
	"fmt"
)

// An Ingress is one of a cluster as its controller leaves it: with the controller's own address in the status.
type Ingress struct {
	Namespace, Name, Class, Host, Address string

	Created string // RFC 3339; empty: at the beginning of 2026
	Labels  string // of YAML's flow style, such as {app: web}
}

// Manifest returns it as a YAML document.
func (i Ingress) Manifest() string {
	return fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: %s, name: %s, creationTimestamp: %q, labels: %s}
spec:
  ingressClassName: %s
  rules: [{host: %q, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]
status: {loadBalancer: {ingress: [{ip: %q}]}}
`, i.Namespace, i.Name, cmp.Or(i.Created, "2026-01-01T00:00:00Z"), cmp.Or(i.Labels, "{}"), i.Class, i.Host, i.Address)
}
