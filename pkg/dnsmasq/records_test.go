package dnsmasq

import (
	"bufio"
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
)

func TestRender(t *testing.T) {
	f := render(parseRecords(t, []string{
		"*.apps.example.com 192.168.0.3",
		"app1.example.com 192.168.0.3 fd00::3",
		"mapped.example.com ::ffff:192.168.0.4",
		"nowhere.example.com",
	}))
	wantHosts := header +
		"192.168.0.3 app1.example.com\n" +
		"fd00::3 app1.example.com\n" +
		"192.168.0.4 mapped.example.com\n"
	wantServers := header +
		"server=/app1.example.com/\nserver=/*.app1.example.com/#\n" +
		"server=/mapped.example.com/\nserver=/*.mapped.example.com/#\n"
	if string(f.hosts) != wantHosts || string(f.servers) != wantServers || f.records != 2 || f.skipped != 2 {
		t.Errorf("render made %d, skipped %d:\n%s\n%s", f.records, f.skipped, f.hosts, f.servers)
	}
}

// Whatever a name holds, the files hold nothing but lines of the forms that they should.
func FuzzRender(f *testing.F) {
	for _, name := range []string{
		"app1.example.com", "_acme.x", "*.example.com", "", ".", "a..b", "a/b", "a#b", "a b", "a\nserver=/x/1.2.3.4",
		"a\rb", "a\x00b", "ä.example", "A.example", strings.Repeat("a", 64), strings.Repeat("a.", 130), "a.", "#",
	} {
		f.Add(name, []byte{192, 168, 0, 3})
	}
	f.Add("six.example.com", netip.MustParseAddr("fe80::1").AsSlice())
	f.Fuzz(func(t *testing.T, name string, address []byte) {
		addr, ok := netip.AddrFromSlice(address)
		if !ok {
			return
		}
		out := render([]route.Record{{Name: name, Addresses: []netip.Addr{addr}}})
		if out.records+out.skipped != 1 {
			t.Fatalf("%d records, %d skipped", out.records, out.skipped)
		}
		hosts, servers := lines(out.hosts), lines(out.servers)
		if out.skipped == 1 {
			if len(hosts) != 1 || len(servers) != 1 {
				t.Fatalf("a skipped record left %q %q", hosts, servers)
			}
			return
		}
		fields := strings.Fields(hosts[1])
		if len(hosts) != 2 || len(fields) != 2 || fields[1] != name || netip.MustParseAddr(fields[0]) != addr.Unmap() {
			t.Fatalf("hosts file %q", hosts)
		}
		if len(servers) != 3 || servers[1] != "server=/"+name+"/" || servers[2] != "server=/*."+name+"/#" ||
			strings.ContainsAny(name, "/#, \t\r") {
			t.Fatalf("servers file %q", servers)
		}
	})
}

func lines(text []byte) []string {
	var out []string
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		out = append(out, s.Text())
	}
	return out
}

func BenchmarkRender(b *testing.B) {
	var names []string
	for i := range 4096 {
		names = append(names, "app"+strings.Repeat("x", i%20)+".k8s.example.com 192.168.0.3")
	}
	records := parseRecords(b, names)
	b.ReportAllocs()
	for b.Loop() {
		render(records)
	}
}
