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
	t    *testing.T
	ctx  context.Context
	base string
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
	v.run("pressing "+text, chromedp.WaitVisible(q, chromedp.BySearch), chromedp.Click(q, chromedp.BySearch))
}

// input finds the field of a label.
func input(label string) string {
	return fmt.Sprintf(`//*[@id=//label[normalize-space(.)=%[1]s]/@for]|//label[normalize-space(.)=%[1]s]//*[self::input or self::select]`, quoted(label))
}

// fill types into the field of a label, in place of what is there.
func (v *visitor) fill(label, text string) {
	v.t.Helper()
	v.run("filling in "+label, chromedp.WaitVisible(input(label), chromedp.BySearch), chromedp.Focus(input(label), chromedp.BySearch),
		chromedp.KeyEvent("a", chromedp.KeyModifiers(keys.ModifierCtrl)), chromedp.KeyEvent(kb.Backspace), chromedp.SendKeys(input(label), text, chromedp.BySearch))
}

// choose picks an option of a select by its value.
func (v *visitor) choose(label, value string) {
	v.t.Helper()
	v.run("choosing "+value, chromedp.WaitVisible(input(label), chromedp.BySearch), chromedp.SetValue(input(label), value, chromedp.BySearch))
}

// follow goes where a link that opens a window of its own leads to, in this window.
func (v *visitor) follow(text string) {
	v.t.Helper()
	q := fmt.Sprintf(`//a[@target="_blank" and normalize-space(.)=%s]`, quoted(text))
	var to string
	v.run("looking where "+text+" leads to", chromedp.WaitVisible(q, chromedp.BySearch), chromedp.AttributeValue(q, "href", &to, nil, chromedp.BySearch))
	v.run("following "+text, chromedp.Navigate(v.base+to))
}

// tick presses a checkbox or a radio button by its label.
func (v *visitor) tick(label string) {
	v.t.Helper()
	q := fmt.Sprintf(`//label[normalize-space(.)=%s]`, quoted(label))
	v.run("ticking "+label, chromedp.Click(q, chromedp.BySearch))
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

// runClick presses what an XPath finds.
func (v *visitor) runClick(q string) {
	v.t.Helper()
	v.run("pressing "+q, chromedp.WaitVisible(q, chromedp.BySearch), chromedp.Click(q, chromedp.BySearch))
}
