package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRecords(t *testing.T) {
	p := home()
	p.Sources[0].Wildcards = true
	p.Sources[0].Domains = append(p.Sources[0].Domains, Domain{Name: "*"}, Domain{"b.k8s.example.com", "team-b"})
	p.Router.Domain = "lan.k8s.example.com"
	p.Router.LocalNames = []string{"Printer.k8s.example.com", "local.app.k8s.example.com", "nas"}
	p.Static = []Static{
		{Name: "static", Hosts: []string{"s.k8s.example.com"}, DNS: addresses("192.168.0.9"), Backend: "nas", Expose: true},
		{Name: "silent", Hosts: []string{"q.k8s.example.com", "*.w.k8s.example.com"}, Backend: "nas", Expose: true},
		{Name: "acme", Hosts: []string{"t.k8s.example.com", "s.k8s.example.com"}, ALPN: "acme-tls/1", Backend: "old",
			DNS: addresses("192.168.0.8"), Expose: true},
		{Name: "all", Hosts: []string{"*.example.org"}, DNS: addresses("192.168.0.9", "fd00::9", "192.168.0.9")},
	}
	table := Build(p, aged(
		claim("Ingress a/1", "*.k8s.example.com", "192.168.0.3"),
		claim("Ingress a/2", "printer.k8s.example.com", "192.168.0.3"),
		claim("Ingress a/3", "x.k8s.example.com", "192.168.0.5", "192.168.0.4").class("int"),
		claim("Ingress a/4", "t.k8s.example.com", "192.168.0.3"),
		claim("Ingress a/5", "*.app.k8s.example.com", "192.168.0.3").with(func(c *Claim) { c.OneLabel = true }),
		claim("Ingress a/6", "shop.example.net", "192.168.0.3"),
	))
	var got []string
	for _, r := range table.Records() {
		line := fmt.Sprintf("%s %v", r.Name, r.Addresses)
		if r.OneLabel {
			line += " one label"
		}
		if r.Except != nil {
			line += fmt.Sprintf(" except %v", r.Except)
		}
		got = append(got, line)
	}
	want := []string{
		"*.app.k8s.example.com [192.168.0.3] one label except [local.app.k8s.example.com localhost.app.k8s.example.com" +
			" wpad.app.k8s.example.com]",
		"*.example.org [192.168.0.9 fd00::9]",
		"*.k8s.example.com [192.168.0.3] except [api.k8s.example.com b.k8s.example.com lan.k8s.example.com" +
			" local.app.k8s.example.com localhost.app.k8s.example.com localhost.k8s.example.com printer.k8s.example.com" +
			" q.k8s.example.com router.k8s.example.com w.k8s.example.com wpad.app.k8s.example.com wpad.k8s.example.com]",
		"s.k8s.example.com [192.168.0.9]",
		"t.k8s.example.com [192.168.0.8]",
		"x.k8s.example.com [192.168.0.4 192.168.0.5]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("records are\n\t%s\nand should be\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	// Route.DNS says what is answered.
	for i := range table.Routes {
		r := &table.Routes[i]
		answered := slices.ContainsFunc(table.Records(), func(rec Record) bool {
			return rec.Name == r.Host && slices.Equal(rec.Addresses, r.DNS)
		})
		if (len(r.DNS) > 0) != answered {
			t.Errorf("%s of %s: dns=%v, and answered is %v", r.Host, r.Object, r.DNS, answered)
		}
	}
}
