package main

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
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
	field := input("The expression")
	option := func(text string) string {
		return `//ul[@id="expression-list"]/li[starts-with(normalize-space(.), ` + quoted(text) + `)]`
	}
	v.fill("The expression", "user.tit")
	v.run("a suggestion", chromedp.WaitVisible(option("title"), chromedp.BySearch), chromedp.SendKeys(field, kb.ArrowDown, chromedp.BySearch))
	var active, selected string
	v.run("what a screen reader is told", chromedp.AttributeValue("#expression", "aria-activedescendant", &active, nil, chromedp.ByQuery),
		chromedp.AttributeValue(option("title"), "aria-selected", &selected, nil, chromedp.BySearch))
	if active != "expression-list-0" || selected != "true" {
		t.Errorf("the field names %q, and the option is selected: %q", active, selected)
	}
	v.run("taking it", chromedp.SendKeys(field, kb.Tab+".upp", chromedp.BySearch), chromedp.WaitVisible(option("upper()"), chromedp.BySearch),
		chromedp.SendKeys(field, kb.ArrowDown+kb.Tab, chromedp.BySearch))
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
