package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// An option that is set in a form, and what it is to be.
type given struct {
	option string
	values []string
}

func give(option string, values ...string) given { return given{option, values} }

// An edit in every type of section is saved as a configuration that `sniroute check` accepts.
func testEdits(t *testing.T, s *stand) {
	s.fresh(t)
	p := s.open(t, "config", "", wide)
	for _, e := range []struct {
		typ, name string
		options   []given
		want      string // lines of the section
	}{
		{"backend", "mail", []given{
			give("server", "192.168.0.9:443", "192.168.0.10:443 weight=2 backup"), give("balance", "leastconn"),
			give("check", "tls"), give("check_interval", "10s"), give("stick", "source"), give("stick_size", "100"),
		}, `list server '192.168.0.9:443' list server '192.168.0.10:443 weight=2 backup' option balance 'leastconn'
			option check 'tls' option check_interval '10s' option stick 'source' option stick_size '100'`},
		{"listener", "inside", []given{
			give("listen", "192.168.0.1:9443"), give("wan_port", "0"), give("default_backend", "mail"),
			give("accept_proxy", "192.168.0.2"), give("deny", "192.168.0.64/26"),
		}, `list listen '192.168.0.1:9443' option wan_port '0' option default_backend 'mail' list accept_proxy '192.168.0.2'
			list deny '192.168.0.64/26'`},
		{"route", "post", []given{
			give("host", "mail.example.com", "*.mail.example.com"), give("backend", "mail"), give("dns", "192.168.0.9"),
			give("listener", "inside"),
		}, `list host 'mail.example.com' list host '*.mail.example.com' option backend 'mail' list dns '192.168.0.9'
			list listener 'inside'`},
		{"cluster", "shed", []given{
			give("server", "https://192.168.0.20:6443"), give("ca_file", "/etc/sniroute/shed.crt"),
			give("token_file", "/etc/sniroute/shed.token"), give("domain", "shed.example.com ns=team-a"),
			give("max_hosts", "10"), give("shared_address", "refuse"), give("hold", "1h30m"),
		}, `list server 'https://192.168.0.20:6443' option ca_file '/etc/sniroute/shed.crt'
			option token_file '/etc/sniroute/shed.token' list domain 'shed.example.com ns=team-a' option max_hosts '10'
			option shared_address 'refuse' option hold '1h30m'`},
		{"class", "outer", []given{
			give("cluster", "shed"), give("class", "nginx"), give("namespace", "apps"), give("match_address", "192.168.0.21/32"),
			give("expose", "1"), give("address", "192.168.0.21"), give("connect_timeout", "2s"),
		}, `option cluster 'shed' option class 'nginx' list namespace 'apps' list match_address '192.168.0.21/32'
			option expose '1' list address '192.168.0.21' option connect_timeout '2s'`},
		{"manifests", "local", []given{
			give("path", "/etc/sniroute/local"), give("domain", "local.example.com"), give("source", "service"),
			give("wildcards", "1"),
		}, `option path '/etc/sniroute/local' list domain 'local.example.com' list source 'service' option wildcards '1'`},
	} {
		p.add(e.typ, e.name)
		for _, g := range e.options {
			p.set(e.name, g.option, g.values...)
		}
		p.accept()
		s.saved(t, e.typ, e.name, e.want)
	}

	// The sections that there is one of are saved with the page.
	p.section("sniroute")
	p.set("main", "log_level", "warn")
	p.set("main", "status_allow", "192.168.0.0/24")
	p.set("main", "max_connections", "5000")
	p.section("dns")
	p.set("dns", "instance", "lan")
	before := js[string](p, changes)
	p.click(".cbi-button-save")
	p.await(fmt.Sprintf(`%s != %q`, changes, before))
	s.saved(t, "sniroute", "main",
		`option log_level 'warn' list status_allow '192.168.0.0/24' option max_connections '5000'`)
	s.saved(t, "dns", "dns", `list instance 'lan'`)

	// A value is changed back to what holds anyway, and then not written.
	p.edit("backend", "mail")
	p.set("mail", "balance", "roundrobin")
	p.accept()
	if text, _ := s.staged(t, "admin"); strings.Contains(text, "balance") {
		t.Errorf("a default is written:\n%s", text)
	}
	s.saved(t, "backend", "mail", `list server '192.168.0.9:443'`)

	p.section("manifests")
	p.click(`#cbi-sniroute-manifests [data-section-id="local"] .cbi-button-remove`)
	p.await(`!document.querySelector('#cbi-sniroute-manifests [data-section-id="local"]')`)
	if text, _ := s.staged(t, "admin"); strings.Contains(text, "'local'") {
		t.Errorf("the section is still there:\n%s", text)
	}
	if said := js[string](p, changes); !strings.HasPrefix(strings.ToLower(said), "unsaved changes: ") {
		t.Errorf("the page says %q of its changes", said)
	}
}

// saved waits until the staged section says this, and holds that the whole is accepted.
func (s *stand) saved(t *testing.T, typ, name, want string) {
	t.Helper()
	text := ""
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text, _ = s.staged(t, "admin")
		problem := lacks(text, typ, name, want)
		if problem == "" {
			break
		}
		if time.Now().After(end) {
			t.Errorf("%s:\n%s", problem, text)
			return
		}
	}
	if err := check(t, text); err != nil {
		t.Errorf("after saving %s '%s', `sniroute check` says: %v", typ, name, err)
	}
}

// lacks says what a section of a configuration does not say and should.
func lacks(text, typ, name, want string) string {
	_, section, found := strings.Cut(text, "config "+typ+" '"+name+"'\n")
	section, _, _ = strings.Cut(section, "\nconfig ")
	if !found {
		return fmt.Sprintf("there is no %s '%s'", typ, name)
	}
	for _, line := range strings.SplitAfter(strings.Join(strings.Fields(section), " "), "' ") {
		want = strings.Replace(strings.Join(strings.Fields(want), " "), strings.TrimSpace(line), "", 1)
	}
	if strings.TrimSpace(want) != "" {
		return fmt.Sprintf("%s '%s' lacks %q", typ, name, want)
	}
	return ""
}

// Classes are in an order, since the first that matches wins; it is changed by buttons.
func testOrder(t *testing.T, s *stand) {
	s.fresh(t)
	p := s.open(t, "config", "", wide)
	p.add("class", "inner")
	p.set("inner", "cluster", "home")
	p.set("inner", "class", "nginx-internal")
	p.accept()
	order := `[...document.querySelectorAll('#cbi-sniroute-class [data-section-id]')]
		.map(r => r.dataset.sectionId).join(' ')`
	p.await(order + ` == 'external inner'`)
	p.click(`#cbi-sniroute-class [data-section-id="inner"] [aria-label="Move up: inner"]`)
	p.await(order + ` == 'inner external'`)
	text, _ := s.staged(t, "admin")
	if strings.Index(text, "class 'inner'") > strings.Index(text, "class 'external'") {
		t.Errorf("the order is still\n%s", text)
	}
	if err := check(t, text); err != nil {
		t.Error(err)
	}
}

// What a value alone shows to be wrong is refused while it is typed, with the reason beside the field.
func testTyped(t *testing.T, s *stand) {
	s.fresh(t)
	p := s.open(t, "config", "", wide)
	for _, bad := range []struct{ typ, name, option, value, want string }{
		{"sniroute", "main", "max_connections", "lots", "Expected: a whole number from 16 to 1000000, or auto"},
		{"sniroute", "main", "peek_memory", "1", "Expected: a size such as 4M from 64K to 1G"},
		{"sniroute", "main", "status_allow", "192.168.0.1/24", "Expected: a network such as 192.168.0.0/24, or an address"},
		{"listener", "https", "listen", "router.lan:443", "host names are not resolved"},
		{"listener", "https", "inspect_delay", "an hour", "Expected: a duration such as 30s from 10ms to 1m"},
		{"backend", "nas", "server", "192.168.0.2", "ADDRESS:PORT"},
		{"route", "files", "host", "*.*.example.com", "Expected: a host name, or *.NAME"},
		{"class", "external", "gateway", "infra", "Expected: NAMESPACE/NAME"},
		{"class", "external", "address", "fe80::1%eth0", "Expected: an IP address"},
		{"manifests", "home", "domain", "a b c", "Expected: NAME or NAME ns=NAMESPACE"},
		{"dns", "dns", "hosts_file", "hosts", "Expected: an absolute path"},
	} {
		dialog := bad.typ != "sniroute" && bad.typ != "dns"
		if dialog {
			p.edit(bad.typ, bad.name)
		} else {
			p.section(bad.typ)
		}
		input := p.field(bad.name, bad.option) + ` input[type=text]`
		p.fill(input, bad.value)
		p.key(kb.Tab)
		if beside := p.beside(bad.name, bad.option); !strings.Contains(beside, bad.want) {
			t.Errorf("%s.%s %q: beside it stands %q instead of %q", bad.typ, bad.option, bad.value, beside, bad.want)
		}
		if js[string](p, find(input)+`.getAttribute('aria-invalid')`) != "true" {
			t.Errorf("%s.%s is not marked as invalid", bad.typ, bad.option)
		}
		save := `.cbi-button-save`
		if dialog {
			save = `.modal .cbi-button-positive`
		}
		p.click(save)
		p.await(`document.querySelector('.sniroute-summary')?.innerText.includes('This was not saved')`)
		if _, changes := s.staged(t, "admin"); changes != 0 {
			t.Errorf("%s.%s %q was saved", bad.typ, bad.option, bad.value)
		}
		p.fill(input, "")
		p.key(kb.Tab)
		if beside := p.beside(bad.name, bad.option); beside != "" {
			t.Errorf("%s.%s: %q still stands beside it", bad.typ, bad.option, beside)
		}
		if dialog {
			p.click(`.modal :is(.button-row, .right) button`)
			p.await(dialogIsClosed)
		}
	}
}

// What only the whole configuration shows to be wrong is refused by the daemon's check, with the reason beside the
// field.
func testJudged(t *testing.T, s *stand) {
	s.fresh(t)
	p := s.open(t, "config", "", wide)

	p.add("route", "nowhere")
	p.set("nowhere", "host", "nowhere.example.com")
	p.click(`.modal .cbi-button-positive`)
	p.await(`document.querySelector('.modal .sniroute-summary')?.innerText.includes('sniroute would refuse it')`)
	if beside := p.beside("nowhere", "backend"); !strings.Contains(beside, "missing") {
		t.Errorf("beside the backend stands %q", beside)
	}
	p.await(`document.activeElement.closest('[data-field]')?.dataset.field == 'cbid.sniroute.nowhere.backend'`)
	p.accessible()
	if _, changes := s.staged(t, "admin"); changes != 0 {
		t.Error("it was saved")
	}
	// Mended, it is saved.
	p.set("nowhere", "backend", "nas")
	p.accept()
	s.saved(t, "route", "nowhere", `list host 'nowhere.example.com' option backend 'nas'`)

	// Two listeners at one address.
	p.add("listener", "second")
	p.set("second", "listen", ":8443")
	p.click(`.modal .cbi-button-positive`)
	p.await(`document.querySelector('.modal .sniroute-summary')`)
	if beside := p.beside("second", "listen"); !strings.Contains(beside, "8443") {
		t.Errorf("beside the address stands %q; the form says %q", beside, p.text(".modal .sniroute-summary"))
	}
	p.click(`.modal :is(.button-row, .right) button`)
	p.await(dialogIsClosed)

	// What is given up is gone: nothing of it is saved with the next section.
	p.edit("backend", "attic")
	p.set("attic", "check_fall", "5")
	p.accept()
	if text, _ := s.staged(t, "admin"); strings.Contains(text, "second") || !strings.Contains(text, "check_fall '5'") {
		t.Errorf("saved was\n%s", text)
	}

	// A backend that is referred to cannot go.
	p.section("backend")
	p.click(`#cbi-sniroute-backend [data-section-id="nas"] .cbi-button-remove`)
	p.await(`document.querySelector('#cbi-sniroute > .sniroute-summary')?.innerText.includes('nas')`)
	if text, _ := s.staged(t, "admin"); !strings.Contains(text, "config backend 'nas'") {
		t.Error("a backend went that is referred to")
	}
	p.accessible()

	// A name that is taken.
	p.fill(`#cbi-sniroute-backend .cbi-section-create-name`, "https")
	p.click(`#cbi-sniroute-backend .cbi-button-add`)
	p.await(`document.querySelector('#cbi-sniroute > .sniroute-summary')?.innerText.includes('called https already')`)
}
