package route

import (
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for _, test := range []struct{ in, want string }{ // an empty want: refused
		{"app.example.com", "app.example.com"},
		{"App.EXAMPLE.com.", "app.example.com"},
		{"xn--bcher-kva.example.com", "xn--bcher-kva.example.com"},
		{"XN--BCHER-KVA.example.com", "xn--bcher-kva.example.com"},
		{"_dmarc.a_b.example.com", "_dmarc.a_b.example.com"},
		{"-a-.example.com", "-a-.example.com"},
		{"single", "single"},
		{"1.2.3.4", "1.2.3.4"}, // spelled like a name: refused as one that is never claimed
		{"*.example.com", "*.example.com"},
		{"*.Example.com.", "*.example.com"},
		{name253, name253},
		{name253 + ".", name253},
		{label63 + ".com", label63 + ".com"},
		{"", ""},
		{".", ""},
		{"..", ""},
		{"a..b", ""},
		{".a", ""},
		{"a.b..", ""},
		{"*", ""},
		{"*.", ""},
		{"*.*.example.com", ""},
		{"a.*.example.com", ""},
		{"*a.example.com", ""},
		{"a*.example.com", ""},
		{"**.example.com", ""},
		{"*..example.com", ""},
		{"a b.example.com", ""},
		{" a.example.com", ""},
		{"a.example.com\n", ""},
		{"a\x00.example.com", ""},
		{"a.example.com/", ""},
		{"a.example.com:443", ""},
		{"[::1]", ""},
		{"bücher.example.com", ""},
		{"a\xff.example.com", ""},
		{"\u212a.example.com", ""}, // KELVIN SIGN: lower case is an ASCII k
		{"a,b.example.com", ""},
		{label63 + "a.com", ""},
		{name253 + "b", ""},
		{"*." + name253, ""},
		{strings.Repeat("a.", 150) + "com", ""},
	} {
		got, problem := normalize(test.in)
		if got != test.want || (problem == "") != (test.want != "") {
			t.Errorf("normalize(%q) = %q, %q; want %q", test.in, got, problem, test.want)
		}
	}
}

func TestNever(t *testing.T) {
	p := home()
	p.Router.Domain = "Home.Example.com."
	n := makeNameRules(p)
	for host, never := range map[string]bool{
		"app.example.com":           false,
		"*.app.example.com":         false,
		"nas":                       true,
		"*.nas":                     true,
		"localhost":                 true,
		"*.localhost":               true,
		"app.localhost":             true,
		"localhost.localdomain":     true,
		"localhost.k8s.example.com": true,
		"mylocalhost.example.com":   false,
		"local":                     true,
		"printer.local":             true,
		"*.k8s.local":               true,
		"local.example.com":         false,
		"notlocal":                  true, // as a single label
		"app.notlocal":              false,
		"home.example.com":          true, // the LAN's own
		"nas.home.example.com":      true,
		"*.home.example.com":        true,
		"*.k8s.home.example.com":    true,
		"myhome.example.com":        false,
		"*.example.com":             false, // leaves home.example.com alone: see reaches
		"wpad":                      true,
		"wpad.example.com":          true,
		"wpad.k8s.example.com":      true,
		"x.wpad.example.com":        false,
		"wpad2.example.com":         false,
		"com":                       true,
		"*.com":                     true,
		"co.uk":                     true,
		"*.co.uk":                   true,
		"a.co.uk":                   false,
		"*.a.co.uk":                 false,
		"github.io":                 true, // the private section
		"*.github.io":               true,
		"me.github.io":              false,
		"duckdns.org":               true,
		"me.duckdns.org":            false,
		"*.me.duckdns.org":          false,
		"a.ck":                      true, // *.ck is on the list
		"www.ck":                    false,
		"app.internal":              false, // a top level that is not on the list
		"*.internal":                true,
		"openwrt.lan":               true,
		"router.example.com":        true, // the router's own
		"x.router.example.com":      false,
		"api.k8s.example.com":       true,
		"x.api.k8s.example.com":     false,
		"1.2.3.4":                   true,
		"*.2.3.4":                   true,
		"1.2.3.0x4f":                true,
		"1.2.3.0x":                  true,
		"1.2.3.4a":                  false,
		"4.example.com":             false,
	} {
		if why := n.never(host); (why != "") != never {
			t.Errorf("never(%q) = %q", host, why)
		}
	}
}

func TestBelow(t *testing.T) {
	for _, test := range []struct {
		name, domain string
		below, one   bool
	}{
		{"a.example.com", "example.com", true, true},
		{"b.a.example.com", "example.com", true, false},
		{"example.com", "example.com", false, false},
		{"xexample.com", "example.com", false, false},
		{".example.com", "example.com", false, false},
		{"com", "example.com", false, false},
		{"", "example.com", false, false},
		{"a.b", "b", true, true},
	} {
		if below(test.name, test.domain) != test.below || oneLabelBelow(test.name, test.domain) != test.one {
			t.Errorf("%q below %q: %v, %v", test.name, test.domain,
				below(test.name, test.domain), oneLabelBelow(test.name, test.domain))
		}
	}
}
