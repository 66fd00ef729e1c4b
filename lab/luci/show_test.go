package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

func testRoutes(t *testing.T, s *stand) {
	p := s.open(t, "routes", "", wide)
	rows := func() []string {
		return js[[]string](p, `[...document.querySelectorAll('.sniroute-table tbody tr')].map(r => r.innerText)`)
	}
	// Those of other tests are gone a moment after their files.
	p.await(`document.querySelectorAll('.sniroute-table tbody tr').length == 12`)
	all := rows()
	for host, want := range map[string]string{
		"git." + domain:     "exposed 192.168.0.3:443 192.168.0.3 Ingress apps/git of home",
		"photos." + domain:  "merged: Ingress auth/oauth2-proxy",
		"router." + domain:  "claim refused bad target It points to an address that claims may not point to.",
		"www.example.org":   "claim refused foreign domain The name lies outside the domains",
		"*.play." + domain:  "claim refused wildcard Wildcards are not allowed here.",
		"files.example.com": "exposed 192.168.0.2:443 backend nas 192.168.0.2 files",
	} {
		found := ""
		for _, row := range all {
			if strings.HasPrefix(row, host) {
				found = row
			}
		}
		for _, word := range strings.Fields(want) {
			if !strings.Contains(found, word) {
				t.Errorf("%s: %q lacks %q", host, found, word)
			}
		}
	}

	p.fill("#sniroute-search", "GRAFANA")
	p.await(`document.querySelectorAll('.sniroute-table tbody tr').length == 1`)
	if count := p.text(".sniroute-count"); count != "1 of 12 entries" {
		t.Errorf("the count is %q", count)
	}
	p.fill("#sniroute-search", "")
	for state, want := range map[string]int{"exposed": 4, "internal": 4, "refused": 4} {
		p.pick("#sniroute-state", state)
		if n := len(rows()); n != want {
			t.Errorf("%d are %s instead of %d", n, state, want)
		}
	}
	p.pick("#sniroute-state", "")
	p.pick("#sniroute-source", ":hand")
	if n := len(rows()); n != 1 {
		t.Errorf("%d are made by hand", n)
	}

	p.fill("#sniroute-name", "wiki."+domain)
	p.key(kb.Enter)
	p.await(`document.querySelectorAll('.sniroute-steps').length == 3`)
	if text := p.text(".sniroute-ask + [aria-live]"); !strings.Contains(text, "A connection to listener https") ||
		!strings.Contains(text, "A question from the LAN") || !strings.Contains(text, "192.168.0.5") {
		t.Errorf("wiki is explained as %q", text)
	}
}

// Thousands of hosts are drawn as they come into view, and searched at once.
func testMany(t *testing.T, s *stand) {
	const many = 4000
	text := strings.Replace(s.world.text(), "config manifests 'home'",
		"config manifests 'home'\n\toption max_hosts_per_namespace '5000'", 1)
	if err := os.WriteFile(s.world.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.world.reload(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		paths, err := filepath.Glob(filepath.Join(s.world.house.Dir, "manifests", "many-*"))
		for _, path := range paths {
			err = errors.Join(err, os.Remove(path))
		}
		if err != nil {
			t.Error(err)
		}
		s.fresh(t)
	})
	for file := range 8 {
		var list []ingress
		for i := range many / 8 {
			name := fmt.Sprintf("h%04d", file*many/8+i)
			list = append(list, ingress{
				"many", name, internalClass, name + ".many." + domain, internalAddress, "2026-01-01T00:00:00Z",
			})
		}
		if err := s.world.manifest(fmt.Sprintf("many-%d.yaml", file), manifestOf(list)); err != nil {
			t.Fatal(err)
		}
	}
	p := s.open(t, "routes", "", wide)
	p.await(`document.querySelector('.sniroute-count').textContent == '4,012 entries'`)
	if n := js[int](p, `document.querySelectorAll('.sniroute-table tbody tr').length`); n < 100 || n > 1000 {
		t.Errorf("%d rows are drawn at first", n)
	}
	p.await(`(scrollTo(0, document.body.scrollHeight),
		document.querySelectorAll('.sniroute-table tbody tr').length > 1000)`)
	p.fill("#sniroute-search", "h3999.many")
	p.await(`document.querySelectorAll('.sniroute-table tbody tr').length == 1`)

	overview := s.open(t, "overview", "", wide)
	overview.await(`document.querySelector('.sniroute-tiles').innerText.includes('4,004')`)
}

func testOverview(t *testing.T, s *stand) {
	p := s.open(t, "overview", "", wide)
	p.await(`document.querySelector('.sniroute-problems')?.innerText.includes('All servers of attic are down')`)
	for _, want := range []string{
		"See that they answer", // what mends it
		"Refused claims: 4.", "Listeners", "[::]:8443", "to nas", "redirected to https", "192.168.0.3:443", "in step",
		"/run/lab/manifests", "git." + domain, "this router:8443", "443", "8 names, mode hosts", "in force",
	} { // some a moment later: what other tests left behind goes first
		p.await(fmt.Sprintf(`document.querySelector('#view').innerText.includes(%q)`, want))
	}
	// A connection is seen in the plots.
	s.world.ask(p, "git."+domain, "/", 1000)
	p.await(`JSON.parse(sessionStorage.getItem('sniroute.history') ?? '{}').samples?.some(sample => sample[1] > 0)`)
	p.await(`document.querySelectorAll('.sniroute-plot polyline').length == 4`)
	label := js[string](p, `document.querySelector('.sniroute-plot svg').getAttribute('aria-label')`)
	if !strings.HasPrefix(label, "Connections: now ") {
		t.Errorf("the first plot says %q", label)
	}
}

func testLog(t *testing.T, s *stand) {
	p := s.open(t, "log", "", wide)
	p.await(`document.querySelector('.sniroute-log')?.innerText.includes('sniroute starts')`)
	all := js[int](p, `document.querySelectorAll('.sniroute-log li').length`)
	p.pick("#sniroute-level", "warn")
	if n := js[int](p, `document.querySelectorAll('.sniroute-log li').length`); n == 0 || n >= all {
		t.Errorf("%d of %d lines are warnings", n, all)
	}
	if n := js[int](p, `document.querySelectorAll('.sniroute-log li.info').length`); n != 0 {
		t.Errorf("%d of the warnings are none", n)
	}
	p.pick("#sniroute-level", "debug")
	p.await(`document.querySelector('.sniroute-log').scrollTop + document.querySelector('.sniroute-log').clientHeight >=
		document.querySelector('.sniroute-log').scrollHeight - 2`)
	if err := s.world.reload(); err != nil {
		t.Fatal(err)
	}
	p.await(fmt.Sprintf(`document.querySelectorAll('.sniroute-log li').length > %d`, all))

	// What a client asked for is text, too.
	s.world.ask(p, "git."+domain, "/", 1000)
	s.world.ask(p, markup, "/", 0)
	p.await(`['git.k8s.example.com', 'ended by the '].every(text =>
		document.querySelector('#view table').innerText.includes(text))`)
	if js[int](p, `document.querySelectorAll('#view img').length`) != 0 {
		t.Error("markup of a client is in the page")
	}
}

func testGerman(t *testing.T, s *stand) {
	p := s.open(t, "overview", "lang=de", wide)
	p.await(`document.querySelector('.sniroute-problems')?.innerText.includes('Alle Server von attic sind ausgefallen')`)
	if js[string](p, `document.documentElement.lang`) != "de" {
		t.Error("the page is not marked as German")
	}
	config := s.open(t, "config", "lang=de", wide)
	text := config.text("#view")
	if !strings.Contains(text, "Konfiguration") || strings.Contains(text, "Whether the init script") {
		t.Errorf("the configuration is not in German:\n%s", text)
	}
}

// Without a daemon every page says so, and a configuration can be saved all the same. It is the last test.
func testGone(t *testing.T, s *stand) {
	s.fresh(t)
	if err := s.world.daemon.Stop(15); err != nil {
		t.Fatal(err)
	}
	for _, tab := range []string{"overview", "routes", "log"} {
		p := s.open(t, tab, "", wide)
		p.await(`document.querySelector('.sniroute-problems')?.innerText.includes('sniroute does not answer')`)
		p.accessible()
	}
	p := s.open(t, "config", "", wide)
	p.set("main", "log_level", "debug")
	p.click(".cbi-button-save")
	p.await(`document.querySelector('.alert-message')?.innerText.includes('sniroute does not run')`)
	if text, _ := s.staged(t, "admin"); !strings.Contains(text, "option log_level 'debug'") {
		t.Errorf("nothing was saved:\n%s", text)
	}
}
