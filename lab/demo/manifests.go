package main

import "github.com/sniroute/sniroute/lab/house"

func externalApp(name, host string) string {
	return house.Ingress{
		Namespace: "apps", Name: name, Class: "nginx-external", Host: host, Address: "192.168.0.3",
	}.Manifest()
}

func internalApp(name, host string) string {
	return house.Ingress{
		Namespace: "apps", Name: name, Class: "nginx-internal", Host: host, Address: "192.168.0.5",
	}.Manifest()
}

// hostile is what someone who may create Ingresses in one namespace might try.
func hostile() string {
	try := func(name, class, host, address string) string {
		return house.Ingress{
			Namespace: "intruder", Name: name, Class: class, Host: host, Address: address, Created: "2026-02-02T00:00:00Z",
		}.Manifest()
	}
	return try("someone-elses-name", "nginx-external", "google.com", "192.168.0.3") +
		try("the-router-itself", "nginx-external", "evil."+domain, "127.0.0.1") +
		try("another-namespaces-host", "nginx-internal", app2, "192.168.0.5") +
		try("another-namespaces-secret", "nginx-external", intern, "192.168.0.3")
}
