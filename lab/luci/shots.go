package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

var tabs = []string{"overview", "routes", "config", "log"}

// looks are those that every tab is shown in.
func looks() []look { return []look{{1280, false}, {1280, true}, {390, false}, {390, true}} }

func tabURL(base, tab string) string { return strings.Join([]string{base + scriptName, node, tab}, "/") }

// takeShots writes a screenshot of each tab in each look.
func takeShots(ctx context.Context, base, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b := openBrowser(ctx)
	defer b.close()
	for _, tab := range tabs {
		for _, l := range looks() {
			if err := takeShot(b, tabURL(base, tab), filepath.Join(dir, fmt.Sprintf("luci-%s-%v.png", tab, l)), l); err != nil {
				return err
			}
		}
	}
	return nil
}

func takeShot(b *browser, url, path string, l look) error {
	p, err := b.open(url, l)
	if err != nil {
		return err
	}
	defer p.close()
	return p.shoot(path)
}
