package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// await waits until an expression is true.
func (t *tester) await(expression string) {
	t.Helper()
	if err := t.until(patience, expression); err != nil {
		text, _ := eval[string](t.page, `(document.querySelector('.modal-overlay-active .modal') ??
			document.body).innerText.slice(0, 3000)`)
		t.Fatalf("%v; the console:\n%s\nthe page:\n%s", err, strings.Join(t.console(), "\n"), text)
	}
}

// js returns the value of an expression.
func js[T any](t *tester, expression string) T {
	t.Helper()
	value, err := eval[T](t.page, expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// text is the text of the first element that matches.
func (t *tester) text(selector string) string {
	t.Helper()
	return js[string](t, find(selector)+`?.innerText ?? ''`)
}

// find is the JavaScript for the first element that matches.
func find(selector string) string {
	quoted, err := json.Marshal(selector)
	if err != nil {
		panic(err)
	}
	return "document.querySelector(" + string(quoted) + ")"
}

// click clicks at the middle of an element, once it can be clicked.
func (t *tester) click(selector string) {
	t.Helper()
	t.await(find(selector) + `?.checkVisibility() && !` + find(selector) + `.disabled`)
	if err := chromedp.Do(t.page, chromedp.Click(chromedp.CSS(selector))); err != nil {
		t.Fatalf("clicking %s: %v", selector, err)
	}
}

// key presses keys, wherever the focus is.
func (t *tester) key(keys string) {
	t.Helper()
	if err := chromedp.Do(t.page, chromedp.KeyEvent(keys)); err != nil {
		t.Fatalf("pressing %q: %v", keys, err)
	}
}

// fill types a text into a field in place of what is there.
func (t *tester) fill(selector, text string) {
	t.Helper()
	t.await(find(selector) + `?.checkVisibility()`)
	js[bool](t, `(e => { e.focus(); e.select(); return true })(`+find(selector)+`)`)
	if text == "" {
		t.key(kb.Backspace)
		return
	}
	t.key(text)
}

// paste puts a long text into a field at once.
func (t *tester) paste(selector, text string) {
	t.Helper()
	t.await(find(selector) + `?.checkVisibility()`)
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	js[bool](t, fmt.Sprintf(`(e => {
		e.value = %s;
		e.dispatchEvent(new Event('input', { bubbles: true }));
		return true;
	})(%s)`, quoted, find(selector)))
}

// pick chooses a value of a select.
func (t *tester) pick(selector, value string) {
	t.Helper()
	t.await(find(selector))
	quoted, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if is := js[string](t, fmt.Sprintf(`(e => {
		e.value = %s;
		e.dispatchEvent(new Event('change', { bubbles: true }));
		return e.value;
	})(%s)`, quoted, find(selector))); is != value {
		t.Fatalf("%s has no value %s", selector, value)
	}
}

// section opens the tab of a type of section.
func (t *tester) section(typ string) {
	t.Helper()
	t.click(fmt.Sprintf(`#cbi-sniroute > .cbi-tabmenu > [data-tab="%s"] > a`, typ))
}

// add begins a section.
func (t *tester) add(typ, name string) {
	t.Helper()
	t.section(typ)
	t.fill(fmt.Sprintf(`#cbi-sniroute-%s .cbi-section-create-name`, typ), name)
	t.click(fmt.Sprintf(`#cbi-sniroute-%s .cbi-button-add`, typ))
	t.await(dialogIsOpen)
}

// edit opens the dialog of a section.
func (t *tester) edit(typ, name string) {
	t.Helper()
	t.section(typ)
	t.click(fmt.Sprintf(`#cbi-sniroute-%s [data-section-id="%s"] .cbi-button-edit`, typ, name))
	t.await(dialogIsOpen)
}

const (
	dialogIsOpen   = `document.body.classList.contains('modal-overlay-active') && document.querySelector('.modal h4')`
	dialogIsClosed = `!document.body.classList.contains('modal-overlay-active')`
)

// field is the selector of an option's field; where it lies in a tab, that tab is opened.
func (t *tester) field(section, option string) string {
	t.Helper()
	selector := fmt.Sprintf(`[data-field="cbid.sniroute.%s.%s"]`, section, option)
	t.await(find(selector))
	js[bool](t, `(field => {
		for (let pane = field.closest('[data-tab]'); pane; pane = pane.parentNode.closest('[data-tab]'))
			pane.parentNode.previousElementSibling.querySelector('[data-tab="' + pane.dataset.tab + '"] > a').click();

		return true;
	})(`+find(selector)+`)`)
	return selector
}

// set gives an option a value by typing, choosing or ticking it. Several values are those of a list.
func (t *tester) set(section, option string, values ...string) {
	t.Helper()
	field := t.field(section, option)
	switch kind := js[string](t, `(f => f.querySelector('.cbi-dynlist') ? 'list' : f.querySelector('select') ? 'select' :
		f.querySelector('[type=checkbox]') ? 'tick' : 'text')(`+find(field)+`)`); kind {
	case "list":
		for _, value := range values {
			t.fill(field+` .add-item input`, value)
			t.key(kb.Enter)
		}
	case "select":
		t.pick(field+` select`, values[0])
	case "tick":
		box := field + ` [type=checkbox]`
		if js[bool](t, find(box)+`.checked`) != (values[0] == "1") {
			t.click(box)
		}
	case "text":
		t.fill(field+` input`, values[0])
		t.key(kb.Tab)
	}
}

// beside is what stands below an option's field about its value.
func (t *tester) beside(section, option string) string {
	t.Helper()
	field := fmt.Sprintf(`[data-field="cbid.sniroute.%s.%s"]`, section, option)
	return js[string](t, `[...document.querySelectorAll('`+strings.ReplaceAll(field, `'`, `\'`)+` .sniroute-beside')]
		.map(e => e.textContent).join('\n')`)
}

// changes is the JavaScript for what the page says of staged changes.
const changes = `(document.querySelector('#changes:not([hidden]), [data-indicator="uci-changes"]')?.innerText ?? '')`

// accept saves a dialog, which is closed by that.
func (t *tester) accept() {
	t.Helper()
	t.click(`.modal .cbi-button-positive`)
	t.await(dialogIsClosed)
}

// accessible has axe look for what keeps people out.
func (t *tester) accessible() {
	t.Helper()
	within := "document"
	if *realResources != "" {
		// The rest is LuCI's, and is faded while a dialog is open.
		within = "(document.querySelector('.modal-overlay-active .modal') ?? document.querySelector('#view'))"
	}
	if !js[bool](t, `typeof axe == 'object'`) {
		source, err := os.ReadFile(axe)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := eval[bool](t.page, string(source)+"\n;true"); err != nil {
			t.Fatal(err)
		}
	}
	violations := js[[]struct {
		ID    string   `json:"id"`
		Help  string   `json:"help"`
		Nodes []string `json:"nodes"`
	}](t, `Promise.allSettled(document.getAnimations()
		.filter(a => a.effect.getComputedTiming().endTime !== Infinity).map(a => a.finished))
		.then(() => axe.run(`+within+`, { resultTypes: ['violations'] }).then(r => r.violations.map(v => ({
		id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + ' ' + n.failureSummary)
	}))))`)
	for _, v := range violations {
		t.Errorf("axe: %s: %s\n%s", v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}
