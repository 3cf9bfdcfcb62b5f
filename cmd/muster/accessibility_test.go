package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/muster-id/muster/internal/interop"
)

// view is how a page is looked at.
type view struct {
	name          string // the end of a picture's name
	width, height int64
	scheme        string // prefers-color-scheme
	rules         string // that the checker looks at
}

// views are a laptop and a telephone, by day and by night.
var views = []view{
	{"light", 1366, 768, "light", wcag},
	{"dark", 1366, 768, "dark", colours},
	{"phone-dark", 390, 844, "dark", wcag},
	{"phone-light", 390, 844, "light", colours},
}

// as makes the browser look so. A page that is shown already follows.
func (v *visitor) as(l view) {
	v.t.Helper()
	v.run("looking as "+l.name, emulation.SetDeviceMetricsOverride(l.width, l.height, 1, l.width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
}

// fault is what the checker has against a page.
type fault struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// wcag are all rules of the checker for WCAG 2.2 A and AA, and colours are those of them that a page in other colours can break.
const (
	wcag    = `{type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}`
	colours = `{type: "rule", values: ["color-contrast", "link-in-text-block"]}`
)

// check is run in the page by the checker's program, with the rules that it is to look at.
const check = `axe.run(document, {runOnly: %s, resultTypes: ["violations"], preload: false})
  .then((r) => r.violations.map((v) => ({ID: v.id, Help: v.help, Nodes: v.nodes.slice(0, 3).map((n) => ({HTML: n.html.slice(0, 300), FailureSummary: n.failureSummary}))})))`

// cutOff are the elements that reach beyond an edge of the page, or that a box hides a part of.
const cutOff = `[...document.querySelectorAll("body *")].filter((e) => {
  if (e.closest(".vh, .skip, .menu, thead, canvas, svg, .chart") || !e.getClientRects().length) return false;
  const at = e.getBoundingClientRect(), style = getComputedStyle(e);
  const scrolled = e.parentElement.closest("pre, table, .table, .tabs") !== null;
  return style.overflowX === "hidden" && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1) || !scrolled && (at.right > innerWidth + 1 || at.left < -1);
}).slice(0, 3).map((e) => e.outerHTML.slice(0, 200))`

// awaited waits for what a script promises.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// faults are what the checker finds, and what people on a telephone could not read, or would have to scroll sideways for (WCAG 1.4.10,
// which the checker does not look at).
func (v *visitor) faults(rules string) []string {
	v.t.Helper()
	var found []fault
	var hidden []string
	v.run("checking accessibility", chromedp.Evaluate(fmt.Sprintf(check, rules), &found, awaited), chromedp.Evaluate(cutOff, &hidden))
	var said []string
	for _, f := range found {
		for _, n := range f.Nodes {
			said = append(said, fmt.Sprintf("%s: %s\n  %s\n  %s", f.ID, f.Help, n.HTML, n.FailureSummary))
		}
	}
	for _, e := range hidden {
		said = append(said, "is cut off: "+e)
	}
	return said
}

// Every page is free of what a checker that nobody here wrote finds against WCAG 2.2 A and AA, on a laptop and on a telephone, light
// and dark. Every route for pages is on the way.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	axe := interop.Axe(t)
	tr := newTour(t)
	for _, route := range tr.missed() {
		t.Errorf("%s is not looked at: give it a stop in tour_test.go, or a row in noPages when it shows no page", route)
	}
	v := visit(t, tr.base)
	walk := func(stops []stop) {
		for _, s := range stops {
			v.as(views[0])
			v.goTo(s)
			var path string
			v.run("loading the checker", chromedp.ActionFunc(func(ctx context.Context) error {
				return chromedp.Evaluate(axe, nil).Do(ctx)
			}), chromedp.Location(&path))
			for _, l := range views {
				v.as(l)
				for _, fault := range v.faults(l.rules) {
					t.Errorf("%s (%s), %s: %s", s.route, strings.TrimPrefix(path, tr.base), l.name, fault)
				}
			}
		}
	}
	walk(tr.outside)
	tr.enter(v)
	walk(tr.inside)
}
