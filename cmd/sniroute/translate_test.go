package main

import (
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/uci"
)

func parseConfig(t *testing.T, text string) *config.Config {
	t.Helper()
	c, _, err := config.Parse("sniroute", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWords: every word that the configuration takes is a value of its own. One that is forgotten in optionsOf would be
// taken for the first.
func TestWords(t *testing.T) {
	field := map[string]func(route.BackendOptions) any{
		"balance":    func(o route.BackendOptions) any { return o.Balance },
		"stick":      func(o route.BackendOptions) any { return o.Stick },
		"check":      func(o route.BackendOptions) any { return o.Check },
		"send_proxy": func(o route.BackendOptions) any { return o.SendProxy },
		"source":     func(o route.BackendOptions) any { return o.ClientSource },
	}
	for _, section := range config.Schema() {
		if section.Type != "backend" {
			continue
		}
		for _, option := range section.Options {
			get := field[option.Name]
			if option.Type.Name != "word" {
				continue
			}
			if get == nil {
				t.Errorf("%s: no field is looked at", option.Name)
				continue
			}
			seen := make(map[any]string)
			for word := range strings.SplitSeq(option.Type.Bounds, ", ") {
				c := parseConfig(t, "config backend b\n\tlist server 192.0.2.1:443\n\toption "+option.Name+" "+word+"\n")
				value := get(backendOf(c.Backends[0]).Options)
				if other, taken := seen[value]; taken {
					t.Errorf("%s: %s is taken for %s", option.Name, word, other)
				}
				seen[value] = word
			}
		}
	}
}

func TestPolicy(t *testing.T) {
	c := parseConfig(t, `
config listener 'https'
	option default_backend 'nas'
config backend 'nas'
	list server '192.168.0.2:443 weight=3 backup'
	option http_port '8080'
config route 'r'
	list host 'r.example.com'
	option backend 'nas'
	list listener 'https'
config manifests 'm'
	list domain 'k8s.example.com ns=a'
	list target '10.0.0.0/8'
	option wildcards '1'
	option other_classes 'ignore'
	option lan_prefer 'exposed'
config class 'c'
	option cluster 'm'
	option class 'nginx'
	list match_address '10.0.0.3'
	option expose '1'
	option https_port '8443'
config cluster 'home'
	list server 'https://192.168.0.10:6443'
	list server 'https://k8s.lan'
	option token_file '/token'
	list domain 'x.example.com'
`)
	p := policyOf(c)
	wantStatic := []route.Static{{
		Name: "r", Hosts: []string{"r.example.com"}, Backend: "nas", Expose: true, Listeners: []string{"https"},
	}}
	if !reflect.DeepEqual(p.Static, wantStatic) {
		t.Errorf("static: got %+v", p.Static)
	}
	if len(p.Sources) != 2 || p.Sources[0].Name != "home" || p.Sources[1].Name != "m" {
		t.Fatalf("sources: got %+v", p.Sources)
	}
	want := route.Source{
		Name: "m", Domains: []route.Domain{{Name: "k8s.example.com", Namespace: "a"}},
		Targets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Wildcards: true, MaxHosts: 4096,
		MaxHostsPerNamespace: 256, IgnoreOtherClasses: true, PreferExposed: true,
	}
	if !reflect.DeepEqual(p.Sources[1], want) {
		t.Errorf("source: got %+v", p.Sources[1])
	}
	if k := p.Classes[0]; k.Source != "m" || k.Class != "nginx" || !k.Expose || k.HTTPSPort != 8443 || k.HTTPPort != 80 ||
		k.Options.ConnectTimeout == 0 {
		t.Errorf("class: got %+v", k)
	}
	server := route.Server{Address: netip.MustParseAddrPort("192.168.0.2:443"), Weight: 3, Backup: true}
	if b := p.Backends[0]; b.Name != "nas" || b.HTTPPort != 8080 || !reflect.DeepEqual(b.Servers, []route.Server{server}) {
		t.Errorf("backend: got %+v", b)
	}
	if !reflect.DeepEqual(p.Listeners, []route.Listener{{Name: "https", Default: "nas"}}) {
		t.Errorf("listeners: got %+v", p.Listeners)
	}
	if !slices.Equal(p.Router.APIServers, []netip.AddrPort{netip.MustParseAddrPort("192.168.0.10:6443")}) ||
		!slices.Equal(p.Router.APINames, []string{"k8s.lan"}) {
		t.Errorf("API servers: got %v %v", p.Router.APIServers, p.Router.APINames)
	}
	listeners := []config.Listener{{HTTP: true, WANPort: 80}, {WANPort: 0}, {WANPort: 8443}, {WANPort: 444}}
	if p := httpsPort(listeners); p != 8443 {
		t.Errorf("redirects go to port %d", p)
	}
	if s := setupOf(c); s.Limits.MaxConnections < 16 || s.Limits.PerSource != 256 || len(s.Listeners) != 1 ||
		s.Listeners[0].NonTLS != "reject" || s.Listeners[0].Addresses[0].Port() != 8443 {
		t.Errorf("setup: got %+v", s)
	}
}

func TestMostConnections(t *testing.T) {
	if got := mostConnections(50); got != 50 {
		t.Errorf("50: got %d", got)
	}
	if got := mostConnections(1 << 30); got >= 1<<30 || got < 16 {
		t.Errorf("more than any descriptor limit: got %d", got)
	}
	if got := mostConnections(0); got < 16 || got > 1<<16 {
		t.Errorf("auto: got %d", got)
	}
}

func TestKinds(t *testing.T) {
	var claims []route.Claim
	for _, kind := range []string{"Ingress", "Service", "HTTPRoute", "Gateway"} {
		claims = append(claims, route.Claim{Object: route.Object{Kind: kind}})
	}
	for want, kinds := range map[string][]string{
		"Ingress":                           {"ingress"},
		"Service HTTPRoute Gateway":         {"service", "gateway"},
		"Ingress Service HTTPRoute Gateway": {"ingress", "service", "gateway"},
		"":                                  {},
	} {
		var got []string
		for _, c := range ofKinds(claims, kinds) {
			got = append(got, c.Object.Kind)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: got %v, want %s", kinds, got, want)
		}
	}
	if claims[3].Object.Kind != "Gateway" {
		t.Error("the claims of the source were changed")
	}
}

// TestRouterFacts: what dnsmasq answers from its own configuration is never claimed.
func TestRouterFacts(t *testing.T) {
	f, err := uci.Parse("dhcp", []byte(`
config dnsmasq
	option domain 'lan'
	list address '/own.example.com/other.example.com/192.168.0.4'
	list address '/*.wild.example.com/192.168.0.4'
	list address '/#/192.168.0.5'
config domain 'sniroute_12'
	option name 'claimed.example.com'
	option ip '192.168.0.3'
config domain 'sniroute_x'
	option name 'mine.example.com'
	option ip '192.168.0.3'
config dnsmasq 'second'
	option domain 'other'
config domain
	option name 'nas'
	option ip '192.168.0.2'
config domain
	option name 'cloud.example.com'
config host
	option name 'printer'
	list mac '00:11:22:33:44:55'
config cname
	option cname 'files.example.com'
	option target 'nas'
config hostrecord
	option name 'a.example.com b.example.com'
config dhcp 'lan'
	option interface 'lan'
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := dhcpDomain(f); got != "lan" {
		t.Errorf("domain: got %q", got)
	}
	want := []string{
		"own.example.com", "other.example.com", "mine.example.com",
		"nas.lan", "cloud.example.com", "printer.lan", "files.example.com", "a.example.com", "b.example.com",
	}
	if got := dhcpNames(f, "lan"); !slices.Equal(got, want) {
		t.Errorf("names: got %v, want %v", got, want)
	}
	hosts := "127.0.0.1 localhost\n# no.example.com\n192.168.0.9\tx.example.com y # z\n10.0.0.1\n"
	if got := hostsNames(hosts); !slices.Equal(got, []string{"localhost", "x.example.com", "y"}) {
		t.Errorf("hosts: got %v", got)
	}
}

// TestRouterUnknown: what cannot be read is said, what is not there is not.
func TestRouterUnknown(t *testing.T) {
	dir := t.TempDir()
	if facts, err := routerFacts(dir, nil, nil); err != nil || len(facts.Names) == 0 {
		t.Errorf("no dhcp: got %+v, %v", facts, err)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "dhcp"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config dnsmasq\n\toption domain 'home'\n")
	facts, err := routerFacts(dir, []netip.Addr{netip.MustParseAddr("192.168.0.1")}, nil)
	if err != nil || facts.Domain != "home" || len(facts.Addresses) != 1 || len(facts.Names) != 2 ||
		facts.Names[1] != facts.Names[0]+".home" {
		t.Errorf("got %+v, %v", facts, err)
	}
	write("config dnsmasq\n\toption domain 'home\n")
	if _, err := routerFacts(dir, nil, nil); err == nil || !strings.Contains(err.Error(), "names are not known") {
		t.Errorf("a bad dhcp: got %v", err)
	}
}

// TestRouterNamesStay: while the LAN's own names cannot be read, no cluster may claim those that were known.
func TestRouterNamesStay(t *testing.T) {
	var log strings.Builder
	d := &daemon{dir: t.TempDir(), log: slog.New(slog.NewTextHandler(&log, nil)), sources: new(sources)}
	d.keeper = newKeeper(new(route.Holder), nil, d.log)
	d.own.Store(new(addresses))
	look := func(dhcp string) route.Router {
		t.Helper()
		if err := os.WriteFile(filepath.Join(d.dir, "dhcp"), []byte(dhcp), 0o600); err != nil {
			t.Fatal(err)
		}
		d.lookAround()
		p, _ := d.keeper.inputs()
		return p.Router
	}
	const good = "config dnsmasq\n\toption domain 'home'\nconfig domain\n\toption name 'nas.example.com'\n"
	known := look(good)
	if known.Domain != "home" || !slices.Contains(known.LocalNames, "nas.example.com") {
		t.Fatalf("got %+v", known)
	}
	for range 3 {
		if now := look(good + "config domain\n\toption name 'half\n"); !reflect.DeepEqual(now, known) {
			t.Errorf("with a file that cannot be parsed: %+v, want %+v", now, known)
		}
	}
	const said = "those that were known last stay"
	if n := strings.Count(log.String(), said); n != 1 || d.unknown == nil || !strings.Contains(d.unknown.Error(), said) {
		t.Errorf("said %d times, and in the status: %v:\n%s", n, d.unknown, log.String())
	}
	if now := look("config dnsmasq\n"); now.Domain != "" || slices.Contains(now.LocalNames, "nas.example.com") ||
		d.unknown != nil {
		t.Errorf("when it can be read again: %+v, %v", now, d.unknown)
	}
}

func TestAddresses(t *testing.T) {
	own := ownAddresses()
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8": true, "::1": true, "::ffff:127.0.0.1": true, "0.0.0.0": true, "192.0.2.77": false,
	} {
		if got := own.has(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v", addr, got)
		}
	}
	eventually(t, "the addresses are those that net finds", func() bool { // others may come and go meanwhile
		list, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[netip.Addr]bool)
		for _, a := range list {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				t.Fatal(err)
			}
			want[prefix.Addr()] = true
		}
		own, got := ownAddresses(), make(map[netip.Addr]bool)
		for _, a := range own.all {
			got[a] = true
		}
		return maps.Equal(got, want) && len(own.all) <= len(list)
	})
}

func TestLinked(t *testing.T) {
	own := addresses{links: [][]netip.Prefix{
		{netip.MustParsePrefix("127.0.0.0/8")},
		{netip.MustParsePrefix("192.168.0.0/24"), netip.MustParsePrefix("fd00::/64"), netip.MustParsePrefix("2001:db8::/64")},
		{netip.MustParsePrefix("203.0.113.0/24")},
	}}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"192.168.0.100", "192.168.0.3", true},
		{"203.0.113.50", "192.168.0.3", false},
		{"198.51.100.1", "192.168.0.3", false},
		{"2001:db8::100", "fd00::3", true}, // two prefixes of one link
		{"2001:db8:1::100", "fd00::3", false},
		{"198.51.100.1", "198.51.100.2", false},
	} {
		if got := own.linked(netip.MustParseAddr(c.a), netip.MustParseAddr(c.b)); got != c.want {
			t.Errorf("%s and %s: got %t", c.a, c.b, got)
		}
	}
	read, err := readAddresses()
	if err != nil || !read.linked(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.1.2.3")) {
		t.Errorf("of this machine: %+v, %v", read, err)
	}
}
