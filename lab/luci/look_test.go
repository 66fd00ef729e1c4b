package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// Every tab, in every look, loads without a word in the console, keeps nobody out, and is no wider than the screen.
func testLooks(t *testing.T, s *stand) {
	for _, tab := range tabs {
		t.Run(tab, func(t *testing.T) {
			p := s.open(t, tab, "", wide)
			for _, l := range looks() {
				if err := p.wear(l); err != nil {
					t.Fatal(err)
				}
				p.fits(l)
				p.accessible()
			}
		})
	}
	for _, l := range []look{{1280, false}, {390, true}} {
		t.Run(fmt.Sprintf("sections %v", l), func(t *testing.T) {
			p := s.open(t, "config", "", l)
			for _, name := range []string{"listener", "backend", "route", "cluster", "class", "manifests", "dns"} {
				p.section(name)
				p.fits(l)
				p.accessible()
			}
			p.edit("class", "external")
			p.fits(l)
			p.accessible()
		})
	}
}

// fits holds that nothing is to be scrolled sideways.
func (t *tester) fits(l look) {
	t.Helper()
	if is := js[int](t, `document.documentElement.scrollWidth`); is > int(l.width) {
		t.Errorf("%v: the page is %d pixels wide: %s", l, is, js[string](t, `[...document.querySelectorAll('#view *')]
			.filter(e => e.getBoundingClientRect().right > innerWidth)
			.map(e => e.outerHTML.slice(0, 200)).slice(0, 5).join('\n')`))
	}
}

// What a cluster says is text, and looks like what it is.
func testHostile(t *testing.T, s *stand) {
	path := filepath.Join(s.world.house.Dir, "manifests", "hostile.yaml")
	if err := s.world.manifest("hostile.yaml", manifestOf(hostile())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	p := s.open(t, "routes", "", look{390, false})
	p.await(`document.querySelector('.sniroute-table')?.innerText.includes('intruder/markup')`)
	hosts := js[[]string](p, `[...document.querySelectorAll('.sniroute-host')].map(e => e.textContent)`)
	shown := "\n" + strings.Join(hosts, "\n") + "\n"
	for _, i := range hostile() {
		want := i.host
		if i.name == "direction" {
			want = "safe\\u202ecod." + domain
		}
		if i.name == "long" && len(i.host) != 253 {
			t.Errorf("the long name has %d bytes", len(i.host))
		}
		if !strings.Contains(shown, "\n"+want+"\n") {
			t.Errorf("%s is not shown as %q, but as one of %q", i.name, want, hosts)
		}
	}
	if js[int](p, `document.querySelectorAll('#view img, #view script, #view b').length`) != 0 {
		t.Error("markup of a host name is in the page")
	}
	p.fits(look{width: 390})
	p.accessible()

	p.fill("#sniroute-name", markup)
	p.key(kb.Enter)
	p.await(`document.querySelector('.sniroute-steps')`)
	if js[int](p, `document.querySelectorAll('#view img').length`) != 0 {
		t.Error("markup of an asked name is in the page")
	}

	overview := s.open(t, "overview", "", look{390, true})
	overview.await(`document.querySelector('.sniroute-problems')?.innerText.includes('Refused claims: ')`)
	overview.fits(look{width: 390})
	// The names are suggested, which makes them values of a form.
	config := s.open(t, "config", "", wide)
	config.edit("class", "external")
	config.accessible()
}
