package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
)

// TestMappingEditor writes an expression with the keyboard alone, from what is suggested, and keeps a test
// with it: an edit that fails the test is saved only when somebody says so.
func TestMappingEditor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	w.connect("Everyone")
	v := visit(t, w.base)
	v.open("/applications/slack/mappings")
	v.click("title")
	v.tick("Expression")
	option := func(text string) string {
		return `//ul[@id="expression-list"]/li[starts-with(normalize-space(.), ` + quoted(text) + `)]`
	}
	v.fill("The expression", "user.tit")
	v.run("a suggestion", chromedp.WaitVisible(option("title"), chromedp.BySearch), chromedp.KeyEvent(kb.ArrowDown))
	var active, selected string
	v.run("what a screen reader is told", chromedp.AttributeValue("#expression", "aria-activedescendant", &active, nil, chromedp.ByQuery),
		chromedp.AttributeValue(option("title"), "aria-selected", &selected, nil, chromedp.BySearch))
	if active != "expression-list-0" || selected != "true" {
		t.Errorf("the field names %q, and the option is selected: %q", active, selected)
	}
	v.run("taking it", chromedp.KeyEvent(kb.Tab+".upp"), chromedp.WaitVisible(option("upper()"), chromedp.BySearch),
		chromedp.KeyEvent(kb.ArrowDown+kb.Tab))
	var text string
	v.run("reading the field", chromedp.Value("#expression", &text, chromedp.ByQuery))
	if text != "user.title.upper()" {
		t.Fatalf("the keyboard wrote %q", text)
	}

	v.fill("or attributes 1", "title=Analyst")
	v.fill("Expected 1", "Analyst")
	v.clickIn(`//form[@id="editor"]`, "Save")
	v.sees(`expects "Analyst" for the given attributes, and it gives "ANALYST"`)
	saved := func() string {
		app, err := w.desk.Application(t.Context(), "slack")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range app.Mappings.Users {
			if m.Target == "title" && len(m.Tests) == 1 {
				return m.Expression
			}
		}
		return ""
	}
	if got := saved(); got != "" {
		t.Fatalf("%q was saved although its test fails", got)
	}
	v.fill("Expected 1", "ANALYST")
	v.clickIn(`//form[@id="editor"]`, "Save")
	v.sees("The mapping is saved.")
	if got := saved(); got != "user.title.upper()" {
		t.Fatalf("saved is %q", got)
	}
	v.click("title")
	v.sees("✓ passed")
	v.fill("The expression", "user.title.lower()")
	v.clickIn(`//form[@id="editor"]`, "Save")
	v.sees("Save all the same")
	v.click("Save all the same")
	v.sees("The mapping is saved.")
	v.click("Run the tests")
	v.sees(`and it gives "analyst"`)
	tests, err := w.desk.TestMappings(t.Context(), "slack")
	if err != nil || tests.Failed != 1 {
		t.Errorf("the tests say %+v, %v", tests, err)
	}
}

// TestMappingErrorsInPlace types a mistake and sees it below the field, with its place and what was perhaps meant, and what the
// mapping gives for a person, without a button being pressed.
func TestMappingErrorsInPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	w.connect("Everyone")
	v := visit(t, w.base)
	v.open("/applications/slack/mappings")
	v.click("title")
	v.tick("Expression")
	below := func(field, text string) {
		t.Helper()
		v.run("what is said below "+field, chromedp.WaitVisible(`//*[@id="`+field+`-wrong"]//*[contains(., `+quoted(text)+`)]`, chromedp.BySearch))
	}
	v.fill("The expression", "user.title +\nuser.titel")
	below("expression", "line 2, column 6: ")
	below("expression", "title?")
	below("expression", "user.titel\n     ^")
	v.run("the field is marked", chromedp.WaitReady(`#expression[aria-invalid="true"]`, chromedp.ByQuery))
	v.fill("Try it on a person: userName, e-mail or id", "ada@example.org")
	v.fill("The expression", `user.title.upper() + "!"`)
	v.run("nothing is wrong any more", chromedp.WaitNotPresent(`#expression-wrong p`, chromedp.ByQuery), chromedp.WaitReady(`#expression:not([aria-invalid])`, chromedp.ByQuery))
	u, err := w.desk.Person(t.Context(), "ada@example.org")
	if err != nil {
		t.Fatal(err)
	}
	v.sees("For ada@example.org it gives " + strings.ToUpper(u.Attributes["title"].(string)) + "!")
	v.fill("Target attribute", "userName")
	v.sees("userName is mapped twice")
	v.fill("Target attribute", "active")
	below("target", "active is not set by a mapping")
	v.fill("Place among the matching attributes", "-1")
	below("match", "counts from 1")
	app, err := w.desk.Application(t.Context(), "slack")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range app.Mappings.Users {
		if m.Target == "title" && m.Expression != "" {
			t.Error("typing has saved something")
		}
	}
}

// TestGroupMappingPreview shows what an edit of the mappings of groups would do, to one group and to all that are replicated.
func TestGroupMappingPreview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	w.connect("Engineering")
	err := w.desk.EditApplication(t.Context(), "slack", "", nil, func(a *provision.Application) error { a.Provisioning.Groups.Enabled = true; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.Sync(t.Context(), "slack", admin.SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	v := visit(t, w.base)
	v.open("/applications/slack/mappings?kind=group")
	v.click("displayName")
	v.fill("The expression", `"Team " + group.displayName`)
	v.fill("Try it on a group: name or id", "Engineering")
	v.sees("For Engineering it gives Team Engineering")
	v.click("Preview")
	v.sees("1 group of 1 would change.")
	v.sees("Engineering would get")
}
