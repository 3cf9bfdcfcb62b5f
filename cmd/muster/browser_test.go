package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	keys "github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browserFlags keep the browser to itself: nothing but the pages of the test is asked for.
var browserFlags = []string{
	"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run", "no-default-browser-check", "disable-extensions", "hide-scrollbars",
}

// startChromium starts a browser of the test's own: cookies are shared by all servers of a host.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed: the console is not tested in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1366, 900))
	for _, f := range browserFlags {
		options = append(options, chromedp.Flag(f, true))
	}
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() { end(); endAllocator() })
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	return ctx
}

// visitor is somebody at a browser.
type visitor struct {
	t        *testing.T
	ctx      context.Context
	base     string
	keyboard bool // has no mouse: everything is reached by Tab
}

// patience is how long a page may take to show what is waited for.
const patience = 30 * time.Second

// visit opens a browser with cookies of its own.
func visit(t *testing.T, base string) *visitor {
	t.Helper()
	ctx := startChromium(t)
	v := &visitor{t: t, ctx: ctx, base: base}
	chromedp.ListenTarget(ctx, func(event any) {
		if _, ok := event.(*page.EventJavascriptDialogOpening); ok {
			go func() { _ = chromedp.Run(ctx, page.HandleJavaScriptDialog(true)) }()
		}
	})
	return v
}

// run does something in the browser, and fails the test with what the page shows.
func (v *visitor) run(what string, actions ...chromedp.Action) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var at, text string
		last, cancel := context.WithTimeout(v.ctx, 5*time.Second)
		defer cancel()
		_ = chromedp.Run(last, chromedp.Location(&at), chromedp.Text("body", &text, chromedp.ByQuery))
		v.t.Fatalf("%s: %v\nat %s the page says:\n%s", what, err, at, text)
	}
}

// open goes to a path. A page that is on its way because of what was pressed before gives way.
func (v *visitor) open(path string) {
	v.t.Helper()
	v.run("opening "+path, chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			err := chromedp.Navigate(v.base + path).Do(ctx)
			if err == nil || !strings.Contains(err.Error(), "ERR_ABORTED") || ctx.Err() != nil {
				return err
			}
		}
	}), chromedp.WaitReady("main", chromedp.ByQuery))
}

// quoted writes a text for XPath.
func quoted(s string) string {
	if !strings.Contains(s, `"`) {
		return `"` + s + `"`
	}
	return "concat(" + `"` + strings.ReplaceAll(s, `"`, `", '"', "`) + `")`
}

// click presses the link or button with a text. It waits until there is one that can be seen.
func (v *visitor) click(text string) {
	v.t.Helper()
	v.clickIn("/", text)
}

// clickIn is click below an element, by XPath.
func (v *visitor) clickIn(root, text string) {
	v.t.Helper()
	q := fmt.Sprintf(`%s/descendant::*[(self::a or self::button or self::summary) and (normalize-space(.)=%[2]s or @aria-label=%[2]s)]`, root, quoted(text))
	v.press("pressing "+text, q)
}

// press presses what an XPath finds.
func (v *visitor) press(what, q string) {
	v.t.Helper()
	if v.keyboard {
		v.tabTo(what, q)
		v.run(what, chromedp.KeyEvent(kb.Enter))
		return
	}
	v.run(what, chromedp.WaitVisible(q, chromedp.BySearch), chromedp.Click(q, chromedp.BySearch))
}

// evaluate asks the page something. A page that gives way to the next one has no answer, which is no mistake.
func evaluate(ctx context.Context, script string, answer any) error {
	err := chromedp.Evaluate(script, answer).Do(ctx)
	if err != nil && (strings.Contains(err.Error(), "Cannot find context") || strings.Contains(err.Error(), "context was destroyed") || strings.Contains(err.Error(), "navigated or closed")) {
		return ctx.Err()
	}
	return err
}

// focused says whether the keyboard is at what an XPath finds, and whether that can be seen.
const focused = `(() => {
  const at = document.activeElement;
  const found = document.evaluate(%q, document, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
  for (let i = 0; i < found.snapshotLength; i++) {
    if (found.snapshotItem(i) === at) return getComputedStyle(at).outlineStyle === "none" ? "hidden" : "shown";
  }
  return "";
})()`

// tabTo presses Tab until the keyboard is at what an XPath finds. A person has to see where they are.
func (v *visitor) tabTo(what, q string) {
	v.t.Helper()
	at := ""
	v.run("reaching by Tab: "+what, chromedp.WaitVisible(q, chromedp.BySearch), chromedp.ActionFunc(func(ctx context.Context) error {
		for at == "" {
			if err := chromedp.KeyEvent(kb.Tab).Do(ctx); err != nil {
				return err
			}
			if err := evaluate(ctx, fmt.Sprintf(focused, q), &at); err != nil {
				return err
			}
		}
		return nil
	}))
	if at == "hidden" {
		v.t.Errorf("%s: nothing shows that the keyboard is there", what)
	}
}

// input finds the field of a label.
func input(label string) string {
	return fmt.Sprintf(`//*[@id=//label[normalize-space(.)=%[1]s]/@for]|//label[normalize-space(.)=%[1]s]//*[self::input[not(@type="hidden")] or self::select]`, quoted(label))
}

// fill types into the field of a label, in place of what is there.
func (v *visitor) fill(label, text string) {
	v.t.Helper()
	if v.keyboard {
		v.tabTo("filling in "+label, input(label))
	}
	v.run("filling in "+label, chromedp.WaitVisible(input(label), chromedp.BySearch), chromedp.Focus(input(label), chromedp.BySearch),
		chromedp.KeyEvent("a", chromedp.KeyModifiers(keys.ModifierCtrl)), chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(text))
}

// choose picks an option of a select by its value.
func (v *visitor) choose(label, value string) {
	v.t.Helper()
	if v.keyboard {
		v.tabTo("choosing "+value, input(label))
		v.arrowTo("choosing "+value, fmt.Sprintf(`document.activeElement.value === %q`, value))
		return
	}
	v.run("choosing "+value, chromedp.WaitVisible(input(label), chromedp.BySearch), chromedp.SetValue(input(label), value, chromedp.BySearch),
		chromedp.ActionFunc(func(ctx context.Context) error { // a person's choice is told to the page
			return evaluate(ctx, fmt.Sprintf(`document.evaluate(%q, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE, null).singleNodeValue.dispatchEvent(new Event("change", {bubbles: true}))`, input(label)), nil)
		}))
}

// arrowTo presses the arrow keys until a condition holds: first upwards, to where the choice begins.
func (v *visitor) arrowTo(what, condition string) {
	v.t.Helper()
	v.run(what, chromedp.KeyEvent(kb.Home), chromedp.ActionFunc(func(ctx context.Context) error {
		for is := false; ; {
			if err := chromedp.Evaluate(condition, &is).Do(ctx); err != nil || is {
				return err
			}
			if err := chromedp.KeyEvent(kb.ArrowDown).Do(ctx); err != nil {
				return err
			}
		}
	}))
}

// follow goes where a link that opens a window of its own leads to, in this window.
func (v *visitor) follow(text string) {
	v.t.Helper()
	q := fmt.Sprintf(`//a[@target="_blank" and normalize-space(.)=%s]`, quoted(text))
	var to string
	if v.keyboard {
		v.tabTo("following "+text, q)
	}
	v.run("looking where "+text+" leads to", chromedp.WaitVisible(q, chromedp.BySearch), chromedp.AttributeValue(q, "href", &to, nil, chromedp.BySearch))
	v.run("following "+text, chromedp.Navigate(v.base+to))
}

// tick presses a checkbox or a radio button by its label.
func (v *visitor) tick(label string) {
	v.t.Helper()
	q := fmt.Sprintf(`//label[normalize-space(.)=%s]`, quoted(label))
	if v.keyboard {
		v.tickByKeyboard(label)
		return
	}
	v.run("ticking "+label, chromedp.Click(q, chromedp.BySearch))
}

// tickByKeyboard is tick by Tab and Space. Tab reaches one radio button of those that belong together, and the arrows the others.
func (v *visitor) tickByKeyboard(label string) {
	v.t.Helper()
	var radio string // the name of those that belong together
	v.run("looking at "+label, chromedp.WaitVisible(input(label), chromedp.BySearch), chromedp.ActionFunc(func(ctx context.Context) error {
		for radio == "" {
			if err := evaluate(ctx, fmt.Sprintf(`(() => {
			  const e = document.evaluate(%q, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE, null).singleNodeValue;
			  return !e ? "" : e.type === "radio" ? e.name : "none";
			})()`, input(label)), &radio); err != nil {
				return err
			}
		}
		return nil
	}))
	if radio == "none" {
		v.tabTo("ticking "+label, input(label))
		v.run("ticking "+label, chromedp.KeyEvent(" "))
		return
	}
	v.tabTo("ticking "+label, fmt.Sprintf(`//input[@type="radio" and @name=%s]`, quoted(radio)))
	v.run("choosing "+label, chromedp.KeyEvent(" "))
	v.arrowTo("choosing "+label, fmt.Sprintf(`document.activeElement.labels[0].textContent.trim() === %q`, label))
}

// sees waits until the page shows a text.
func (v *visitor) sees(text string) {
	v.t.Helper()
	v.run("looking for "+text, chromedp.WaitVisible(fmt.Sprintf(`//body//*[not(self::script) and contains(normalize-space(.), %s)]`, quoted(text)), chromedp.BySearch))
}

// text returns what the page shows.
func (v *visitor) text() string {
	v.t.Helper()
	var s string
	v.run("reading the page", chromedp.Text("body", &s, chromedp.ByQuery))
	return s
}

// lacks fails when the page shows a text.
func (v *visitor) lacks(text string) {
	v.t.Helper()
	if got := v.text(); strings.Contains(got, text) {
		v.t.Fatalf("the page shows %q:\n%s", text, got)
	}
}

// eventually waits until something outside the browser is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-deadline.C:
			t.Fatalf("it never came about that %s", what)
		case <-again.C:
		}
	}
}
