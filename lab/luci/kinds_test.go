package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/config"
)

// values are some that one kind of option takes, and some that none does.
var values = []string{
	"0", "1", "2", "16", "80", "443", "65535", "65536", "100000", "1000000", "1000001", "-1", "+5", "007",
	"1.5", "1e3", "0x10",
	"auto", "on", "yes", "maybe", "info", "tls", "http", "route", "roundrobin", "none", "v2", "ingress",
	"uci", "reject",
	"64K", "4M", "4m", "1G", "2G", "5T", "4 M", "1k", "65536", "0K",
	"10ms", "5s", "30m", "1h30m", "1.5h", ".5h", "1d", "30d", "366d", "1h ", "5 s", "1us", "1µs", "1d2h",
	"-5s", "+5s", "s",
	"192.168.0.1", "192.168.0.256", "192.168.00.1", "1.2.3", "fd00::1", "FD00::1", "fd00::1::2", "::", "::1",
	"::ffff:1.2.3.4",
	"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:1.2.3.4", "fe80::1%eth0", "0.0.0.0", "127.0.0.1", "224.0.0.1",
	"192.168.0.0/24", "192.168.0.1/24", "192.168.0.1/32", "192.168.0.0/33", "fd00::/8", "fd00::1/8", "::/0",
	"0.0.0.0/0", "/24",
	"192.168.0.128/25", "192.168.0.64/25", "::ffff:1.2.3.0/120", "10.0.0.0/08",
	":8443", ":0", ":65536", "192.168.0.1:8443", "[fd00::1]:443", "[::]:443", "fd00::1:443", "router.lan:443",
	":", "[fd00::1]",
	"192.168.0.2:443 weight=2", "192.168.0.2:443 backup", "192.168.0.2:443 weight=0", "192.168.0.2:443 weight=x",
	"192.168.0.2:443  weight=2  backup", "192.168.0.2:443 slow", "[fd00::2]:443 weight=256 backup",
	"192.168.0.2:443 weight=257",
	"https://192.168.0.10:6443", "https://api.example.com:6443/path", "HTTPS://api.example.com", "http://192.168.0.10",
	"https://", "https://a?b", "https://a#b", "https://[fd00::1]:6443", "https://user@host",
	"a.example.com", "A.Example.COM.", "*.example.com", "*.*.example.com", "*", "a..b", "-a.example.com",
	"a_b.example.com",
	"localhost", "xn--bcher-kva.example", "bücher.example", strings.Repeat("a", 63) + ".example",
	strings.Repeat("a", 64) + ".example",
	"example.com ns=team-a", "* ns=team-a", "example.com ns=", "example.com team-a", "example.com ns=a b",
	"*.example.com ns=a",
	"infra/external", "infra", "infra/", "/external", "a/b/c", "h2", "acme-tls/1", "two words", "ümlaut",
	"/etc/sniroute/ca.crt", "etc/ca.crt", "/", "/a\tb", "/" + strings.Repeat("a", 200), "nas", "nas-1",
	"no_such_section",
}

// What the form refuses while it is typed, the daemon refuses too; and of what the daemon refuses of single values, the
// form notices most.
func testKinds(t *testing.T, s *stand) {
	p := s.open(t, "config", "", wide)
	type verdict struct {
		Type, Option, Value string
		Refused             bool
	}
	var want []verdict
	for _, section := range config.Schema() {
		for _, o := range section.Options {
			for _, value := range values {
				want = append(want, verdict{section.Type, o.Name, value, refused(section, o, value)})
			}
		}
	}
	asked, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := js[[]bool](p, fmt.Sprintf(`Promise.all([ 'kinds', 'schema' ].map(m => L.require('sniroute.' + m)))
		.then(([ kinds, schema ]) => %s.map(v => kinds.check(schema.sections.find(s => s.type == v.Type)
			.options.find(o => o.name == v.Option), v.Value) !== true))`,
		asked))
	noticed, all := 0, 0
	for i, w := range want {
		if got[i] && !w.Refused {
			t.Errorf("%s.%s: %q is refused in the form, but not by check", w.Type, w.Option, w.Value)
		}
		if w.Refused {
			all++
			if got[i] {
				noticed++
			}
		}
	}
	if noticed*100 < all*80 {
		t.Errorf("of %d values that check refuses, the form notices %d", all, noticed)
	}
	t.Logf("%d values, %d refused, %d of these in the form", len(want), all, noticed)
}

// Every option has a title that a person can read, and stands in a tab.
func testTitles(t *testing.T, s *stand) {
	p := s.open(t, "config", "", wide)
	without := js[[]string](p, `Promise.all([ 'titles', 'schema' ].map(m => L.require('sniroute.' + m)))
		.then(([ titles, schema ]) => schema.sections.flatMap(s => s.options
			.filter(o => titles.option(s.type, o.name) == o.name || !titles.groups(s).some(g => g[2].includes(o)))
			.map(o => s.type + '.' + o.name)))`)
	if len(without) > 0 {
		t.Errorf("titles.js has no title for %v", without)
	}
}

// refused tells whether check finds something wrong with an option of this value.
func refused(section config.Section, o config.Option, value string) bool {
	name := section.Only
	if name == "" {
		name = "it"
	}
	keyword := "option"
	if o.List {
		keyword = "list"
	}
	text := fmt.Sprintf("config %s '%s'\n\t%s %s '%s'\n", section.Type, name, keyword, o.Name, value)
	_, _, err := config.Parse(configName, []byte(text))
	var bad *config.Error
	if errors.As(err, &bad) {
		for _, problem := range bad.Problems {
			if problem.Line == 2 {
				return true
			}
		}
	}
	return false
}
