package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long anything in a page may take on a busy machine.
const patience = 2 * time.Minute

// A browser is Chromium, with a profile of its own.
type browser struct {
	context.Context
	close func()
}

func openBrowser(ctx context.Context) *browser {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.WSURLReadTimeout(patience),
		chromedp.NoSandbox, // it is run by root, in namespaces of its own
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("font-render-hinting", "none"),
		chromedp.Flag("lang", "en-US"),
	)
	ctx, closeAllocator := chromedp.NewExecAllocator(ctx, options...)
	ctx, closeBrowser := chromedp.NewContext(ctx)
	return &browser{ctx, func() { closeBrowser(); closeAllocator() }}
}

// A look is how wide a page is, and in which colours.
type look struct {
	width int64
	dark  bool
}

// String is what a look is called in file names.
func (l look) String() string {
	if l.dark {
		return fmt.Sprintf("%d-dark", l.width)
	}
	return fmt.Sprintf("%d-light", l.width)
}

// A page is one tab of the browser, and what its console said.
type page struct {
	context.Context
	close func()

	mu   sync.Mutex
	said []string // errors and warnings
}

// open opens a tab and goes to url. It returns when the view is there.
func (b *browser) open(url string, l look) (*page, error) {
	ctx, closeTab := chromedp.NewContext(b.Context)
	p := &page{Context: ctx, close: closeTab}
	if err := p.goTo(url, l); err != nil {
		p.close()
		return nil, fmt.Errorf("opening %s: %w; the console:\n%s", url, err, strings.Join(p.console(), "\n"))
	}
	return p, nil
}

func (p *page) goTo(url string, l look) error {
	if err := chromedp.Listen(p, p.hear); err != nil {
		return err
	}
	if _, err := chromedp.Call(p, cdplog.Enable, cdp.Empty{}); err != nil {
		return err
	}
	if err := p.wear(l); err != nil {
		return err
	}
	// Pages in the background are not drawn.
	if _, err := chromedp.Call(p, cdppage.BringToFront, cdp.Empty{}); err != nil {
		return err
	}
	if err := chromedp.Do(p, chromedp.Navigate(url)); err != nil {
		return err
	}
	return p.until(patience, `document.querySelector('#view h2')`)
}

// wear gives the page a look.
func (p *page) wear(l look) error {
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	if _, err := chromedp.Call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: l.width, Height: 800, DeviceScaleFactor: 1, Mobile: l.width < 600,
	}); err != nil {
		return err
	}
	_, err := chromedp.Call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	return err
}

// hear keeps what the console says of errors and warnings: exceptions and violations of the policy are among them.
func (p *page) hear(ev any) {
	var text string
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		text = "exception: " + ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			text += " " + e.Description
		}
	case *runtime.EventConsoleAPICalled:
		if ev.Type != runtime.ConsoleAPICalledTypeError && ev.Type != runtime.ConsoleAPICalledTypeWarning {
			return
		}
		text = "console:"
		for _, a := range ev.Args {
			text += " " + string(a.Value) + a.Description
		}
	case *cdplog.EventEntryAdded:
		if ev.Entry.Level != cdplog.EntryLevelError && ev.Entry.Level != cdplog.EntryLevelWarning {
			return
		}
		text = fmt.Sprintf("%s: %s (%s)", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, text)
}

func (p *page) console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.said...)
}

// until waits for an expression of JavaScript to be true.
func (p *page) until(patience time.Duration, expression string) error {
	ctx, cancel := context.WithTimeout(p, patience)
	defer cancel()
	for {
		seen, err := eval[bool](p, "!!("+expression+")")
		switch {
		case err == nil && seen:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("waiting for %s: %w", expression, errors.Join(ctx.Err(), err))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// eval returns the value of an expression, awaited if it is a promise.
func eval[T any](p *page, expression string) (T, error) {
	return chromedp.Run(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// shoot writes a screenshot of the whole page.
func (p *page) shoot(path string) error {
	picture, err := chromedp.Run(p, chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	if picture, err = small(picture); err != nil {
		return err
	}
	return os.WriteFile(path, picture, 0o644)
}
