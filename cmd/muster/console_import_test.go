package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/attr"
)

// TestImportInTheBrowser imports a file as somebody does who has never seen one: a column is given its attribute, what
// would become of each row is looked at, and nothing is written before the button that says so.
func TestImportInTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	var file strings.Builder
	file.WriteString("userName,Vorname,name.familyName,emails,active\nsecond@example.org,Sec,Ond,second@example.org,perhaps\n")
	for i := range 150 {
		fmt.Fprintf(&file, "new%03d@example.org,New,Hire,new%03d@example.org,yes\n", i, i)
	}
	path := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	given := func(name string) string {
		p, err := w.desk.Person(t.Context(), name)
		if admin.Explain(err) != nil {
			return ""
		}
		s, _ := attr.MustPath("name.givenName").Of(p.Attributes).(string)
		return s
	}
	v := visit(t, w.base)
	v.open("/users")
	v.click("Import")
	v.run("choosing the file", chromedp.SetUploadFiles("#file", []string{path}, chromedp.ByQuery))
	v.click("Look at it")
	v.sees("What would be done")
	v.sees("active: ") // why the row fails
	v.lacks("new000@example.org")
	v.choose("Attribute of Vorname", "name.givenName")
	v.fill("Name of the source", "hr")
	v.click("Look again")
	v.choose("Row by row", "created")
	v.run("asking for these", chromedp.Evaluate(`document.getElementById("status").dispatchEvent(new Event("change", {bubbles: true}))`, nil))
	v.sees("new000@example.org")
	v.click("Next page")
	v.sees("new149@example.org")
	if given("new149@example.org") != "" {
		t.Fatal("looking has imported somebody")
	}
	v.clickIn(`//form[.//input[@id="source"]]`, "Import")
	v.sees("What was done")
	v.sees("active: ")
	if got := given("new149@example.org"); got != "New" {
		t.Errorf("the given name of who was imported is %q", got)
	}
	if given("second@example.org") != "" {
		t.Error("a row that fails was imported")
	}
	v.open("/users?q=new149")
	v.sees("New Hire")
	v.run("going back", chromedp.NavigateBack())
	// Loading the page again shows what was done, and does it no second time.
	v.run("loading it again", chromedp.Reload())
	v.sees("What was done")
}
