package dnsmasq

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
)

// contentOf returns what would be published, as "PATH:\nTEXT", and the numbers of records published and skipped.
func contentOf(t testing.TB, o Options, records []route.Record) (text string, published, skipped int) {
	t.Helper()
	o.HostsFile, o.ServersFile = "hosts", "servers"
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	c := p.content(records)
	for _, f := range c.files {
		fmt.Fprintf(&b, "%s:\n%s", f.path, strings.TrimPrefix(string(f.text), header))
	}
	return b.String(), c.records, c.skipped
}

func TestContent(t *testing.T) {
	records := parseRecords(t, []string{
		"*.apps.example.com 192.168.0.3 fd00::3",
		"app1.example.com 192.168.0.3 fd00::3",
		"apps.example.com 192.168.0.9",
		"mapped.example.com ::ffff:192.168.0.4",
		"nowhere.example.com",
	})
	const hosts = `192.168.0.3 app1.example.com
fd00::3 app1.example.com
192.168.0.9 apps.example.com
192.168.0.4 mapped.example.com
`
	for _, c := range []struct {
		name    string
		options Options
		want    string
		skipped int
	}{
		{"hosts", Options{}, "hosts:\n" + hosts + `servers:
server=/app1.example.com/
server=/*.app1.example.com/#
server=/apps.example.com/
server=/*.apps.example.com/#
server=/mapped.example.com/
server=/*.mapped.example.com/#
`, 2},
		{"wildcards", Options{WildcardsFile: "wildcards"}, "hosts:\n" + hosts + `wildcards:
address=/*.apps.example.com/192.168.0.3
address=/*.apps.example.com/fd00::3
local=/*.apps.example.com/
servers:
server=/_acme-challenge.apps.example.com/#
server=/app1.example.com/
server=/*.app1.example.com/#
server=/apps.example.com/
server=/mapped.example.com/
server=/*.mapped.example.com/#
`, 1},
		{"dbus", Options{Notify: NotifyDBus}, "hosts:\n" + hosts + "servers:\n", 2},
		{"uci", Options{Mode: ModeUCI, DomainsFile: "domains", UBus: &procdDouble{}}, `domains:
app1.example.com 192.168.0.3
app1.example.com fd00::3
apps.example.com 192.168.0.9
mapped.example.com 192.168.0.4
hosts:
servers:
server=/app1.example.com/
server=/*.app1.example.com/#
server=/apps.example.com/
server=/*.apps.example.com/#
server=/mapped.example.com/
server=/*.mapped.example.com/#
`, 2},
	} {
		text, published, skipped := contentOf(t, c.options, records)
		if text != c.want || skipped != c.skipped || published+skipped != len(records) {
			t.Errorf("%s: %d published, %d skipped:\n%s", c.name, published, skipped, text)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{
		{},
		{HostsFile: "h", Notify: "smoke"},
		{HostsFile: "h", Notify: NotifyUBus},
		{HostsFile: "h", Mode: "zone"},
		{HostsFile: "h", Mode: ModeUCI},
		{HostsFile: "h", Mode: ModeUCI, DomainsFile: "d"},
		{HostsFile: "h", Mode: ModeUCI, UBus: &procdDouble{}},
		{HostsFile: "h", Mode: ModeUCI, DomainsFile: "d", UBus: &procdDouble{}, Notify: NotifySignal},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("New(%+v) is no error", o)
		}
	}
}

// Whatever a name holds, the files hold nothing but lines of the forms that they should.
func FuzzContent(f *testing.F) {
	for _, name := range []string{
		"app1.example.com", "_acme.x", "*.example.com", "", ".", "*.", "*.*.x", "a..b", "a/b", "a#b", "a b", "a\rb",
		"a\nserver=/x/1.2.3.4", "*.a\ndhcp-script=/x", "a\x00b", "ä.example", "A.example", strings.Repeat("a", 64),
		strings.Repeat("a.", 130), "a.", "#",
	} {
		f.Add(name, []byte{192, 168, 0, 3})
	}
	f.Add("six.example.com", netip.MustParseAddr("fe80::1").AsSlice())
	options := Options{WildcardsFile: "wildcards", Mode: ModeUCI, DomainsFile: "domains", UBus: &procdDouble{}}
	f.Fuzz(func(t *testing.T, name string, address []byte) {
		addr, ok := netip.AddrFromSlice(address)
		if !ok {
			return
		}
		a := addr.Unmap().String()
		text, published, skipped := contentOf(t, options, []route.Record{{Name: name, Addresses: []netip.Addr{addr}}})
		wild, isWild := strings.CutPrefix(name, "*.")
		want := "domains:\nhosts:\nwildcards:\nservers:\n"
		switch {
		case published+skipped != 1:
			t.Fatalf("%d published, %d skipped", published, skipped)
		case published == 0:
		case strings.ContainsAny(wild, "*/#=, \t\r\n\x00"):
			t.Fatalf("%q was published", name)
		case isWild:
			want = "domains:\nhosts:\nwildcards:\naddress=/" + name + "/" + a + "\nlocal=/" + name + "/\nservers:\n" +
				"server=/_acme-challenge." + wild + "/#\n"
		default:
			want = "domains:\n" + name + " " + a + "\nhosts:\nwildcards:\nservers:\nserver=/" + name + "/\nserver=/*." +
				name + "/#\n"
		}
		if text != want {
			t.Fatalf("%q:\n%s\nwant:\n%s", name, text, want)
		}
	})
}

func BenchmarkContent(b *testing.B) {
	var names []string
	for i := range 4096 {
		names = append(names, fmt.Sprintf("app%d.k8s.example.com 192.168.0.3", i))
	}
	records := parseRecords(b, names)
	p, err := New(Options{HostsFile: "hosts", ServersFile: "servers"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.content(records)
	}
}
