package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The pages are used with the keyboard alone.
func testKeyboard(t *testing.T, s *stand) {
	s.fresh(t)
	p := s.open(t, "config", "", wide)
	focused := func(selector string) bool { return js[bool](p, `document.activeElement.matches(`+"`"+selector+"`"+`)`) }
	tabTo := func(selector string) {
		t.Helper()
		for range 80 {
			if focused(selector) {
				return
			}
			p.key(kb.Tab)
		}
		t.Fatalf("the tab key does not lead to %s, but to %s", selector, js[string](p, `document.activeElement.outerHTML`))
	}

	tabTo(`[data-tab="backend"] > a`)
	p.key(kb.Enter)
	p.await(find("#cbi-sniroute-backend .cbi-section-create-name") + `.checkVisibility()`)
	tabTo(`#cbi-sniroute-backend .cbi-section-create-name`)
	p.key("typed" + kb.Enter)
	p.await(dialogIsOpen)

	// Inside the dialog: fields, a checkbox by Space, a list by Enter and Delete, the buttons by Enter and Escape.
	tabTo(`[data-field="cbid.sniroute.typed.enabled"] input`)
	p.key(" ")
	tabTo(`[data-field="cbid.sniroute.typed.server"] input`)
	p.key("192.168.0.7:443" + kb.Enter + "192.168.0.8:443" + kb.Enter)
	p.await(`document.querySelectorAll('[data-field="cbid.sniroute.typed.server"] .item').length == 2`)
	shiftTab := func() {
		if err := chromedp.Do(p.page, chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))); err != nil {
			t.Fatal(err)
		}
	}
	shiftTab()
	if !focused(`.item`) {
		t.Fatalf("before the list's field stands %s", js[string](p, `document.activeElement.outerHTML`))
	}
	p.key(kb.Delete)
	p.await(`document.querySelectorAll('[data-field="cbid.sniroute.typed.server"] .item').length == 1`)
	tabTo(`.modal .cbi-button-positive`)
	p.key(kb.Enter)
	p.await(dialogIsClosed)
	s.saved(t, "backend", "typed", `option enabled '0' list server '192.168.0.7:443'`)

	p.click(`#cbi-sniroute-backend [data-section-id="nas"] .cbi-button-edit`)
	p.await(dialogIsOpen)
	p.key(kb.Escape)
	p.await(dialogIsClosed)

	// A section that was begun and given up leaves nothing behind.
	p.fill(`#cbi-sniroute-backend .cbi-section-create-name`, "givenup")
	p.key(kb.Enter)
	p.await(dialogIsOpen)
	p.key(kb.Escape)
	p.await(dialogIsClosed)
	p.edit("backend", "attic")
	p.set("attic", "check_fall", "4")
	p.accept()
	if text, _ := s.staged(t, "admin"); strings.Contains(text, "givenup") {
		t.Error("a section that was given up was saved")
	}
}

const haproxy = `global
	maxpipes 256
defaults
	mode tcp
	timeout connect 5s
	timeout client 1h
	timeout server 1h
frontend https
	bind :7443
	tcp-request inspect-delay 5s
	tcp-request content accept if { req_ssl_hello_type 1 }
	acl app req_ssl_sni -i app.example.net
	use_backend nas if app
	default_backend nas
backend nas
	server nas 192.168.0.30:443 check
`

func testImport(t *testing.T, s *stand) {
	s.fresh(t)
	p := s.open(t, "config", "", wide)
	p.click(`.sniroute-tools > div:last-child button`)
	p.await(dialogIsOpen)
	p.paste("#sniroute-haproxy", haproxy)
	p.click(`.modal .cbi-button-action`)
	p.await(`document.querySelector('.modal [role=status]')?.innerText.includes('Sections to add: ')`)
	if text := p.text(".modal .sniroute-problems"); !strings.Contains(text, "Line 2: ") {
		t.Errorf("of what was left out the dialog says %q", text)
	}
	p.accessible()
	p.accept()
	text, _ := s.staged(t, "admin")
	if err := check(t, text); err != nil {
		t.Errorf("%v:\n%s", err, text)
	}
	// The backend's name was taken; the route follows its new one.
	s.saved(t, "backend", "nas_2", `list server '192.168.0.30:443'`)
	s.saved(t, "backend", "nas", `list server '192.168.0.2:443'`)
	if !strings.Contains(text, "option backend 'nas_2'") || !strings.Contains(text, "app.example.net") {
		t.Errorf("saved was\n%s", text)
	}

	p.click(`.sniroute-tools > div:last-child button`)
	p.paste("#sniroute-haproxy", strings.Repeat("# nothing\n", 7000))
	p.click(`.modal .cbi-button-action`)
	p.await(`document.querySelector('.modal [role=alert]')?.innerText.includes('64 KiB')`)
	p.paste("#sniroute-haproxy", "backend x\n\tserver y nowhere.example.com:443\n")
	p.click(`.modal .cbi-button-action`)
	p.await(`document.querySelector('.modal .sniroute-problems, .modal [role=status]')`)
	p.key(kb.Escape)
	p.await(dialogIsClosed)
}

// secret is what `kubectl get secret -o yaml` prints, for an API server that is not there. The token is long enough to
// be one, and is looked for in the page afterwards.
func secret(t *testing.T, s *stand) (text, token string) {
	t.Helper()
	ca, err := os.ReadFile(s.world.house.Authority.File)
	if err != nil {
		t.Fatal(err)
	}
	token = "eyJhbGciOiJSUzI1NiJ9." + strings.Repeat("c2VjcmV0", 8) + ".c2lnbmF0dXJl"
	return "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/service-account-token\n" +
		"metadata: {name: sniroute, namespace: sniroute}\n" +
		"data:\n  ca.crt: " + base64Of(ca) + "\n  token: " + base64Of([]byte(token)) + "\n  namespace: " +
		base64Of([]byte("sniroute")) + "\n", token
}

func testEnroll(t *testing.T, s *stand) {
	s.fresh(t)
	p := s.open(t, "config", "", wide)
	text, token := secret(t, s)
	p.click(`.sniroute-tools > div:nth-of-type(1) button`)
	p.await(dialogIsOpen)
	p.accessible()
	p.fill("#sniroute-cluster", "shed")
	p.fill("#sniroute-url", "https://192.168.0.2:6443")
	p.paste("#sniroute-secret", "this is no secret")
	p.click(`.modal .cbi-button-positive`)
	p.await(`document.querySelector('.modal .sniroute-problems')`)
	if _, changes := s.staged(t, "admin"); changes != 0 {
		t.Error("something was saved of what is no Secret")
	}
	p.paste("#sniroute-secret", text)
	p.click(`.modal .cbi-button-positive`)
	p.await(`document.querySelector('.modal').innerText.includes('The section was saved')`)
	const folder = "/etc/sniroute"
	s.saved(t, "cluster", "shed", `list server 'https://192.168.0.2:6443' option ca_file '`+folder+`/shed.crt'
		option token_file '`+folder+`/shed.token'`)
	kept, err := os.ReadFile(filepath.Join(folder, "shed.token"))
	if err != nil || strings.TrimSpace(string(kept)) != token {
		t.Errorf("kept was %q (%v)", kept, err)
	}
	if js[string](p, `document.querySelector('#sniroute-secret').value`) != "" ||
		js[bool](p, `document.documentElement.outerHTML.includes('`+token+`')`) {
		t.Error("the page still has the token")
	}
	p.key(kb.Escape)
	p.await(dialogIsClosed)
	p.section("cluster")
	p.await(`document.querySelector('#cbi-sniroute-cluster [data-section-id="shed"]')`)
}

// A session that may read sees everything and changes nothing.
func testRights(t *testing.T, s *stand) {
	s.fresh(t)
	p := s.open(t, "config", "session=guest", wide)
	for _, button := range []string{
		".cbi-button-save", ".cbi-button-apply", ".cbi-button-reset", ".sniroute-tools button", ".cbi-button-add",
		".cbi-button-remove", "[data-field] input",
	} {
		usable := js[int](p, `[...document.querySelectorAll('`+button+`')]
			.filter(b => !b.disabled && b.matches('button, input')).length`)
		if n := usable; n != 0 {
			t.Errorf("%d of %s can be used", n, button)
		}
	}
	p.edit("backend", "nas")
	if !js[bool](p, find(".modal .cbi-button-positive")+`.disabled`) {
		t.Error("the dialog can be saved")
	}
	p.accessible()
	for _, tab := range []string{"overview", "routes", "log"} {
		s.open(t, tab, "session=guest", wide).accessible()
	}
	for method, want := range map[string]string{
		`"uci","set",{"config":"sniroute","section":"main","values":{"enabled":"0"}}`:  `"result":[6]`,
		`"uci","add",{"config":"sniroute","type":"route","name":"x"}`:                  `"result":[6]`,
		`"uci","delete",{"config":"sniroute","section":"main"}`:                        `"result":[6]`,
		`"sniroute","enroll",{"cluster":"x","url":"https://192.168.0.2","secret":"x"}`: `"code":-32002`,
		`"sniroute","reload",{}`: `"code":-32002`,
		`"sniroute","status",{}`: `"result":[0,`,
		`"file","exec",{}`:       `"code":-32002`,
	} {
		answer := js[string](p, `fetch('/ubus/', { method: 'POST', body:
			'{"jsonrpc":"2.0","id":1,"method":"call","params":["guest",' + '`+method+`' + ']}' }).then(a => a.text())`)
		if !strings.Contains(answer, want) {
			t.Errorf("%s answers a guest %s instead of %s", method, answer, want)
		}
	}
}

// Save & Apply brings the change into force.
func testApply(t *testing.T, s *stand) {
	s.fresh(t)
	t.Cleanup(func() { s.fresh(t) })
	p := s.open(t, "config", "", wide)
	p.add("route", "printer")
	p.set("printer", "host", "printer.example.com")
	p.set("printer", "backend", "nas")
	p.accept()
	p.click(".cbi-button-apply")
	p.await(changes + ` == '' && document.querySelector('#cbi-sniroute')`)
	routes := s.open(t, "routes", "", wide)
	routes.await(`document.querySelector('.sniroute-table')?.innerText.includes('printer.example.com')`)
}
func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
