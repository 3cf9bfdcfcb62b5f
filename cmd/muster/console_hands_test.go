package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/muster-id/muster/internal/admin"
)

// gate stands between a browser and Muster, and lets a test see and keep back what is sent.
type gate struct {
	*httptest.Server
	before func(*http.Request) bool // false: nobody answers
}

// through puts a gate before a world.
func (w *world) through(before func(*http.Request) bool) *gate {
	w.t.Helper()
	to, err := url.Parse(w.base)
	if err != nil {
		w.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	g := &gate{before: before}
	g.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !g.before(r) {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(g.Close)
	return g
}

// Whoever presses twice because nothing seems to happen has pressed once: the link of an invitation is shown by the first answer alone.
func TestPressedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var sent atomic.Int32
	answer := make(chan struct{})
	pressed := sync.OnceFunc(func() { close(answer) })
	t.Cleanup(pressed)
	g := w.through(func(r *http.Request) bool {
		switch {
		case r.Method == http.MethodPost:
			sent.Add(1)
			<-answer // what comes takes until everything is pressed
		case r.URL.Path == "/names":
			pressed()
		}
		return true
	})
	v := visit(t, g.URL)
	v.open("/administrators")
	v.fill("Name", "bea@example.org")
	v.run("pressing three times", chromedp.Evaluate(`(() => {
	  const b = [...document.querySelectorAll("button")].find((b) => b.textContent === "Invite");
	  b.click();
	  setTimeout(() => b.click(), 150);
	  setTimeout(() => { b.click(); fetch("/names?pressed=yes"); }, 300);
	})()`, nil))
	v.sees("Hand this link to")
	v.sees("bea@example.org")
	if n := sent.Load(); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
}

// withRecords is a world whose log has something in it.
func withRecords(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.company()
	w.connect("Engineering")
	if _, err := w.desk.Sync(t.Context(), "slack", admin.SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// rounds waits until the page has looked again so many times.
const rounds = `new Promise((done) => { let n = %d; document.addEventListener("htmx:afterOnLoad", () => { if (--n === 0) setTimeout(done, 50, true); }); })`

// A page that looks again by itself takes nothing away from under whoever reads it or goes through it by keyboard.
func TestLookingAgainDisturbsNobody(t *testing.T) {
	t.Parallel()
	w := withRecords(t)
	v := visit(t, w.base)
	v.open("/logs?live=on")
	var done bool
	var at, mark string
	v.run("looking again", chromedp.Evaluate(`document.querySelectorAll("#list tbody a")[3].focus()`, nil), chromedp.Evaluate(fmt.Sprintf(rounds, 1), &done, awaited),
		chromedp.Evaluate(`document.activeElement.getAttribute("href") === document.querySelectorAll("#list tbody a")[3].getAttribute("href") ? "there" : document.activeElement.outerHTML`, &at),
		chromedp.Evaluate(`document.querySelector("#list table").dataset.mark = "mine"`, nil), chromedp.Evaluate(fmt.Sprintf(rounds, 1), &done, awaited),
		chromedp.Evaluate(`document.querySelector("#list table").dataset.mark || "another table"`, &mark))
	if at != "there" || mark != "mine" {
		t.Errorf("the keyboard is at %s, and nothing had changed: %s", at, mark)
	}
	// What has changed is shown, and the keyboard stays.
	if _, _, err := w.desk.SetUser(t.Context(), "zoe.darcy@example.org", []string{"title=Countess"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.Sync(t.Context(), "slack", admin.SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	v.sees("title changed")
	v.run("looking where the keyboard is", chromedp.Evaluate(`document.activeElement.matches("#list tbody a") ? "there" : document.activeElement.outerHTML`, &at))
	if at != "there" {
		t.Errorf("the keyboard is at %s", at)
	}
	// Whoever does not see it is told how much has come, and is read no table.
	var says, aloud string
	v.run("listening", chromedp.Evaluate(`document.getElementById("says").textContent`, &says),
		chromedp.Evaluate(`[...document.querySelectorAll("[aria-live], [role=status], [role=alert]")].filter((r) => r.querySelector("tr")).map((r) => r.id).join()`, &aloud))
	if says != "1 new" || aloud != "" {
		t.Errorf("what is told is %q; read out whole is %q", says, aloud)
	}
}

// A page that looks again by itself says when nobody answers, and when somebody does again.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	w := withRecords(t)
	var down atomic.Bool
	var used atomic.Int32 // requests that look as if somebody were there
	g := w.through(func(r *http.Request) bool {
		if r.Header.Get("HX-Request") != "" && r.Header.Get("Muster-Again") == "" {
			used.Add(1)
		}
		return !down.Load()
	})
	v := visit(t, g.URL)
	v.open("/logs?live=on")
	down.Store(true)
	v.sees("Muster does not answer.")
	down.Store(false)
	v.run("waiting for an answer", chromedp.WaitNotPresent("#silent", chromedp.ByQuery))
	if n := used.Load(); n > 0 {
		t.Errorf("%d requests of the page itself keep its session alive", n)
	}
}

// The switch of colours offers the other ones, also when the system has chosen.
func TestColours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := visit(t, w.base)
	for _, c := range []struct {
		look view
		to   string
	}{{views[1], "light"}, {views[0], "dark"}} {
		v.as(c.look)
		v.run("forgetting what was chosen", chromedp.Navigate(w.base+"/users"), chromedp.Evaluate(`document.documentElement.dataset.theme = "system"`, nil))
		var offered int
		v.run("counting", chromedp.Evaluate(`[...document.querySelectorAll("button[name=theme]")].filter((b) => b.offsetParent).length`, &offered))
		if offered != 1 {
			t.Errorf("%s: %d switches are shown", c.look.name, offered)
		}
		title := map[string]string{"light": "Light colours", "dark": "Dark colours"}[c.to]
		v.press("switching to "+c.to, fmt.Sprintf(`//button[@title=%q]`, title))
		v.run("waiting for "+c.to, chromedp.WaitReady(fmt.Sprintf(`html[data-theme=%q]`, c.to), chromedp.ByQuery))
	}
}

// An application's page that was open when a cycle ran tells of it everywhere: in the details, in the list of cycles, in the counts.
func TestOverviewFollows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	w.connect("Engineering")
	v := visit(t, w.base)
	v.open("/applications/slack")
	v.sees("no cycle has run yet")
	if _, err := w.desk.Sync(t.Context(), "slack", admin.SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	v.sees("Provisioning activity of this cycle")
	v.sees(" created")
	v.lacks("no cycle has run yet")
	v.lacks("None yet.")
}
