package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/netns"
)

var realResources = flag.String("resources", "",
	"modules/luci-base/htdocs of a checkout of LuCI, to run the pages with its own modules and theme")

// axe is where the accessibility checker lies then.
const axe = "node_modules/axe-core/axe.min.js"

func TestMain(m *testing.M) { netns.Main(m, build, installAxe) }

// installAxe has npm install the accessibility checker.
func installAxe() error {
	if _, err := os.Stat(axe); err == nil {
		return nil
	}
	if out, err := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=5").CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, out)
	}
	return nil
}

// A stand is what a test of pages runs in.
type stand struct {
	world    *world
	browser  *browser
	base     string
	sessions map[string]*session
}

// TestPages runs everything that needs the world and the browser, which it starts once.
func TestPages(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	w, err := newWorld(ctx, mustAbs(program), map[string]string{"home.yaml": manifestOf(home())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	sessions, err := w.sessions()
	if err != nil {
		t.Fatal(err)
	}
	err = serveAnd(w, sessions, *realResources, func(base string) error {
		b := openBrowser(ctx)
		defer b.close()
		s := &stand{w, b, base, sessions}
		for _, part := range []struct {
			name string
			run  func(*testing.T, *stand)
		}{
			{"looks", testLooks},
			{"hostile", testHostile},
			{"routes", testRoutes},
			{"many", testMany},
			{"overview", testOverview},
			{"log", testLog},
			{"edits", testEdits},
			{"order", testOrder},
			{"kinds", testKinds},
			{"titles", testTitles},
			{"typed", testTyped},
			{"judged", testJudged},
			{"keyboard", testKeyboard},
			{"import", testImport},
			{"enroll", testEnroll},
			{"rights", testRights},
			{"apply", testApply},
			{"german", testGerman},
			{"gone", testGone},
		} {
			t.Run(part.name, func(t *testing.T) { part.run(t, s) })
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// check runs `sniroute check` on a configuration.
func check(t *testing.T, text string) error {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, configName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mustAbs(program), "check", "-c", dir).CombinedOutput(); err != nil {
		return errors.New(string(out))
	}
	return nil
}

// staged is the configuration that the session has changed, and how often.
func (s *stand) staged(t *testing.T, session string) (text string, changes int) {
	t.Helper()
	stage := &s.sessions[session].stage
	stage.Lock()
	defer stage.Unlock()
	data, err := stage.text()
	if err != nil {
		t.Fatal(err)
	}
	return string(data), len(stage.changes)
}

// fresh undoes what was changed.
func (s *stand) fresh(t *testing.T) {
	t.Helper()
	for _, session := range s.sessions {
		session.stage.Lock()
		session.stage.revert()
		session.stage.Unlock()
	}
	if err := os.WriteFile(s.world.config, []byte(s.world.text()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.world.reload(); err != nil {
		t.Fatal(err)
	}
}

// A tester uses a page as a person would. What fails ends the test.
type tester struct {
	*testing.T
	*page
}

// open opens a tab of the site; query is what follows the question mark.
func (s *stand) open(t *testing.T, tab, query string, l look) *tester {
	t.Helper()
	url := tabURL(s.base, tab)
	if query != "" {
		url += "?" + query
	}
	p, err := s.browser.open(url, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.close()
		if said := p.console(); len(said) > 0 {
			t.Errorf("the console of %s says:\n%s", url, strings.Join(said, "\n"))
		}
	})
	return &tester{t, p}
}

var wide = look{width: 1280}
