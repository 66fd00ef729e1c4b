package main

import (
	"fmt"

	"github.com/sniroute/sniroute/lab/hello"
)

// A probe is one of the connections that both get.
type probe struct {
	name  string // in tables
	from  string // address of the client; empty: 127.0.0.1
	bytes []byte // what it sends; nil: it waits for the server

	// Where sniroute is meant to do better than HAProxy: the probe whose way this one goes instead of its own, or refused,
	// and why.
	as  string
	why string
}

// refused is where a connection goes that is closed without an answer of a server.
const refused = "refused"

// probes returns the 40 connections.
func probes() []probe {
	named := func(name string) probe {
		return probe{name: name, bytes: hello.Bytes(hello.Options{Name: name, ALPN: []string{"h2", "http/1.1"}})}
	}
	var list []probe
	for _, name := range []string{
		"app1.k8s.example.com", "app2.k8s.example.com", "www.example.com", "example.com", "git.example.com",
		"nas.example.com", "mail.example.com", "cloud.example.com", "admin.example.com", "a.apps.example.com",
		"a.b.apps.example.com", "apps.example.com", "badexample.com", "example.org", "www.example.org",
		"gitea.example.net", "example.com.evil.test", "unknown.test", "nas", "node7.example.com",
	} {
		list = append(list, named(name))
	}
	app := hello.Options{Name: "app1.k8s.example.com", ALPN: []string{"h2"}}
	with := func(change func(*hello.Options)) []byte {
		o := app
		change(&o)
		return hello.Bytes(o)
	}
	from := func(address, name string) probe {
		p := named(name)
		p.name, p.from = name+" from "+address, address
		return p
	}
	const (
		caseless = "names are compared without regard to case (RFC 6066 3, RFC 4343), with or without -i"
		dotless  = "a trailing dot is no part of the name"
	)
	list = append(list,
		probe{name: "no name", bytes: with(func(o *hello.Options) { o.Name = "" })},
		probe{name: "192.0.2.1", bytes: with(func(o *hello.Options) { o.Name = "192.0.2.1" })},
		probe{name: "APP1.K8S.Example.COM", bytes: with(func(o *hello.Options) { o.Name = "APP1.K8S.Example.COM" }),
			as: "app1.k8s.example.com", why: caseless},
		probe{name: "WWW.EXAMPLE.COM", bytes: with(func(o *hello.Options) { o.Name = "WWW.EXAMPLE.COM" }),
			as: "www.example.com", why: caseless},
		probe{name: "app1.k8s.example.com.", bytes: with(func(o *hello.Options) { o.Name += "." }),
			as: "app1.k8s.example.com", why: dotless},
		probe{name: "post-quantum", bytes: with(func(o *hello.Options) { o.PostQuantum = true; o.Size = 1800 })},
		probe{name: "encrypted client hello", bytes: with(func(o *hello.Options) { o.ECH = true })},
		probe{name: "acme-tls/1 for www", bytes: with(func(o *hello.Options) {
			o.Name, o.ALPN = "www.example.com", []string{"acme-tls/1"}
		})},
		probe{name: "no ALPN", bytes: with(func(o *hello.Options) { o.ALPN = nil })},
		from("127.0.0.2", "admin.example.com"),
		from("127.0.0.2", "www.example.com"),
		from("127.1.0.1", "admin.example.com"),
		from("127.1.0.1", "unknown.test"),
		probe{name: "in two records", bytes: hello.Records(hello.Bytes(app), 100),
			as: "app1.k8s.example.com", why: "a hello may be spread over records (RFC 8446 5.1)"},
		probe{name: "server_name twice", bytes: twice(), as: refused, why: "it is malformed (RFC 8446 4.2)"},
		probe{name: "NUL in the name", bytes: with(func(o *hello.Options) { o.Name = "app1.k8s.example.com\x00.evil.test" }),
			as: refused, why: "no host name has a NUL byte"},
		probe{name: "SSH", bytes: []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n")},
		probe{name: "HTTP", bytes: []byte("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")},
		probe{name: "zeros", bytes: make([]byte, 64)},
		probe{name: "silence"},
	)
	return list
}

// requests returns the connections that listeners for plain HTTP get.
func requests() []probe {
	var list []probe
	for _, r := range []struct{ host, path string }{
		{"app1.k8s.example.com", "/"}, {"www.example.com", "/a/b?c"}, {"nas.example.com", "/"}, {"unknown.test", "/"},
		{"app1.k8s.example.com", "/.well-known/acme-challenge/token"},
	} {
		list = append(list, probe{name: "http://" + r.host + r.path,
			bytes: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", r.path, r.host)})
	}
	return list
}

// twice returns a hello with two names, of which HAProxy takes the first.
func twice() []byte {
	return hello.Bytes(hello.Options{Name: "app1.k8s.example.com", Extensions: []hello.Extension{
		{Type: hello.ExtServerName, Data: hello.ServerName(hello.Host("nas.example.com"))},
	}})
}
