package main

import "fmt"

// ingress returns an Ingress as a controller leaves it: with its own address in the status.
func ingress(namespace, name, class, host, address, created string) string {
	return fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  namespace: %[1]s
  name: %[2]s
  creationTimestamp: %[6]q
spec:
  ingressClassName: %[3]s
  rules:
  - host: %[4]q
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: %[2]s, port: {number: 80}}}
status:
  loadBalancer:
    ingress:
    - ip: %[5]q
`, namespace, name, class, host, address, created)
}

func externalApp(name, host string) string {
	return ingress("apps", name, "nginx-external", host, "192.168.0.3", "2026-01-01T00:00:00Z")
}

func internalApp(name, host string) string {
	return ingress("apps", name, "nginx-internal", host, "192.168.0.5", "2026-01-01T00:00:00Z")
}

// hostile is what someone who may create Ingresses in one namespace might try.
func hostile() string {
	try := func(name, class, host, address string) string {
		return ingress("intruder", name, class, host, address, "2026-02-02T00:00:00Z")
	}
	return try("someone-elses-name", "nginx-external", "google.com", "192.168.0.3") +
		try("the-router-itself", "nginx-external", "evil."+domain, "127.0.0.1") +
		try("another-namespaces-host", "nginx-internal", app2, "192.168.0.5") +
		try("another-namespaces-secret", "nginx-external", intern, "192.168.0.3")
}
