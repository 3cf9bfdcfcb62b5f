package console

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
)

type importView struct {
	page
	ID         string
	Name       string
	Titles     []string
	Wish       admin.Wish
	Running    *state // while it is being read
	Result     *store.ImportResult
	Rows       []store.ImportRow // a page of what became of each row
	Status     string            // of the rows that are shown, "" for all
	From, Next int               // where this page of them begins, and the next; 0 when there is none
	Problem    *admin.Problem
	Attributes []string

	upload *admin.Upload
}

func (c *console) importForm(rq *request) error {
	return rq.ok(importPage(importView{page: rq.page.titled("Import")}))
}

func (c *console) importUpload(rq *request) error {
	f, header, err := rq.FormFile("file")
	if err != nil {
		rq.show(422, importPage(importView{page: rq.page.titled("Import"), Problem: &admin.Problem{Message: "No file was chosen", Next: "choose a CSV, LDIF or JSON file"}}))
		return nil
	}
	defer f.Close()
	u, err := rq.desk.AddUpload(rq.Context(), header.Filename, f)
	if err != nil {
		return err
	}
	if _, _, err := u.Titles(rq.Context()); err == nil { // else the page says what is wrong
		if err := c.startImport(rq, u, u.Wish); err != nil {
			return err
		}
	}
	return rq.seeOther(at("import", u.ID))
}

// startImport begins to import a file as it is wished, or to rehearse that, unless that is under way or the file has been imported:
// whoever presses twice wants it once. Whoever asked may watch; it goes on without them.
func (c *console) startImport(rq *request, u *admin.Upload, wanted admin.Wish) error {
	if u.Imported {
		return nil
	}
	desk := rq.desk
	begun, err := c.work.startAlone(rq.Context(), wish{desk, admin.TaskUpload, u.ID, nil, func(ctx context.Context, t *task) (string, error) {
		now, err := desk.Upload(ctx, u.ID)
		if err != nil || now.Imported { // by another press, a moment ago
			return "", err
		}
		return "", desk.ImportUpload(ctx, now, wanted, func(n int) { t.report(cycle.Progress{Done: n}) })
	}})
	if err != nil || !begun {
		return err
	}
	return desk.WishUpload(rq.Context(), u, wanted)
}

// rowsShown is how many rows of an import a page tells of.
const rowsShown = 100

// importView is a file that was uploaded, with what its import would do, or has done.
func (c *console) importView(rq *request) (importView, error) {
	ctx := rq.Context()
	u, err := rq.desk.Upload(ctx, rq.PathValue("id"))
	if err != nil {
		return importView{}, err
	}
	v := importView{ID: u.ID, Name: u.Name, Wish: u.Wish, upload: u, Attributes: append([]string{"active", "groups", "emails"}, choices("user")...)}
	if !u.Imported {
		v.Titles, _, err = u.Titles(ctx)
		v.Problem = admin.Explain(err)
	}
	for _, t := range u.Wish.Columns {
		if t != "" && !slices.Contains(v.Attributes, t) {
			v.Attributes = append(v.Attributes, t)
		}
	}
	s, err := stateOf(ctx, rq.desk, admin.TaskUpload, u.ID)
	switch {
	case err != nil:
		return v, err
	case s != nil && s.Running:
		v.Running = s
	case s != nil && s.Problem != nil:
		v.Problem = s.Problem
	default:
		done, err := rq.desk.Outcome(ctx, u)
		if err != nil {
			return v, err
		}
		if done != nil {
			v.Wish, v.Result = done.Wish, &done.Result
			v.pick(rq)
		}
	}
	title := map[bool]string{true: "Imported ", false: "Import "}[v.Wish.Import && v.Result != nil]
	v.page = rq.page.titled(title+v.Name, crumb{"Import", "/import"})
	return v, nil
}

// pick chooses the rows of the result that the page shows: those that failed, when there are any and nothing else is asked for.
func (v *importView) pick(rq *request) {
	v.Status = rq.FormValue("status")
	if v.Status == "" && v.Result.Failed > 0 {
		v.Status = "failed"
	}
	v.From, _ = strconv.Atoi(rq.FormValue("from"))
	v.From = max(v.From, 0)
	n := 0
	for _, row := range v.Result.Rows {
		if v.Status != "" && v.Status != "all" && row.Status != v.Status {
			continue
		}
		if n++; n <= v.From {
			continue
		}
		if len(v.Rows) == rowsShown {
			v.Next = v.From + rowsShown
			return
		}
		v.Rows = append(v.Rows, row)
	}
}

func (c *console) importPreview(rq *request) error {
	v, err := c.importView(rq)
	if err != nil {
		return err
	}
	switch {
	case rq.partial("rows"):
		return rq.ok(importRows(v))
	case rq.partial("importing"):
		return rq.ok(importPart(v))
	}
	return rq.ok(importPage(v))
}

// importRun rehearses the import once more with the columns as they are chosen, or does it.
func (c *console) importRun(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	v, err := c.importView(rq)
	if err != nil {
		return err
	}
	w := admin.Wish{Source: strings.TrimSpace(get("source")), Full: get("full") != "", Removals: get("allow") != "", Import: get("do") != ""}
	for _, title := range v.Titles {
		w.Columns = append(w.Columns, get("column "+title))
	}
	if err := c.startImport(rq, v.upload, w); err != nil {
		return err
	}
	return rq.seeOther(at("import", v.ID))
}
