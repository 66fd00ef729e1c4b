package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var tabs = []string{"overview", "routes", "config", "log"}

// looks are those that every tab is shown in.
func looks() []look { return []look{{1280, false}, {1280, true}, {390, false}, {390, true}} }

func tabURL(base, tab string) string {
	return strings.Join([]string{base + scriptName, node, tab}, "/")
}

// takeShots writes a screenshot of each tab in each look, when the plots have something to show.
func takeShots(ctx context.Context, base, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b := openBrowser(ctx)
	defer b.close()
	for _, tab := range tabs {
		p, err := b.open(tabURL(base, tab), looks()[0])
		if err != nil {
			return err
		}
		defer p.close()
		if tab == "overview" {
			const samples = `JSON.parse(sessionStorage.getItem('sniroute.history') ?? '{}').samples?.length`
			if err := p.until(3*time.Minute, samples+` >= 25`); err != nil {
				return err
			}
		}
		if tab == "config" {
			const backends = `document.querySelector('[data-tab="backend"] > a').click()`
			const shown = `document.querySelector('#cbi-sniroute-backend').checkVisibility()`
			if err := p.until(patience, `(`+backends+`, `+shown+`)`); err != nil {
				return err
			}
		}
		for _, l := range looks() {
			path := filepath.Join(dir, fmt.Sprintf("luci-%s-%v.png", tab, l))
			if err := p.wear(l); err != nil {
				return err
			}
			if err := p.shoot(path); err != nil {
				return err
			}
		}
		for _, line := range p.console() {
			fmt.Fprintf(os.Stderr, "%s: %s\n", tab, line)
		}
	}
	return nil
}
