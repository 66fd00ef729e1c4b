package main

import (
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/uci"
)

// FuzzRouterNames: the names that the router's own files hold are words, whatever the files hold.
func FuzzRouterNames(f *testing.F) {
	f.Add("127.0.0.1 localhost # c\n::1\n\n192.168.0.2 nas nas.lan\r\n", "config domain\n\toption name 'a b'\n")
	f.Add("#", "config dnsmasq\n\tlist address '/a/b/192.168.0.2'\n\tlist address ''\n\toption domain 'lan'\n")
	f.Add("\x00 \x00\n", "config host\n\toption name 'x'\nconfig cname\n\tlist cname '*.y'\n"+
		"config domain sniroute_1\n\toption name z\n")
	f.Fuzz(func(t *testing.T, hosts, dhcp string) {
		names := hostsNames(hosts)
		if file, err := uci.Parse("dhcp", []byte(dhcp)); err == nil {
			names = append(names, dhcpNames(file, dhcpDomain(file))...)
		}
		for _, name := range names {
			if name == "" {
				t.Fatalf("an empty name in %q and %q", hosts, dhcp)
			}
		}
		for _, name := range hostsNames(hosts) {
			if strings.ContainsAny(name, " \t\n#") {
				t.Fatalf("%q is a name of %q", name, hosts)
			}
		}
	})
}
