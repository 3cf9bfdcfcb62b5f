package console

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
)

// uploads keeps files between their upload and the import that somebody decides on, in memory and for
// an hour: a directory is nothing to leave on a disk.
type uploads struct {
	mu    sync.Mutex
	files map[string]*upload
}

type upload struct {
	admin.Upload
	by string
	at time.Time

	wish imported // as it was asked for last
}

// imported is an import, or the rehearsal of one: how it was asked for, and what came of it.
type imported struct {
	columns       []string // attribute of each title, "" leaves the column out
	source        string
	full, removal bool
	done          bool // it is no rehearsal
	result        store.ImportResult
}

const (
	uploadKept = time.Hour
	uploadMost = 4 // at a time
)

// add keeps a file and returns its id, and those of the files that went for it. The eldest gives way when there are many.
func (u *uploads) add(f *upload) (id string, gone []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files == nil {
		u.files = map[string]*upload{}
	}
	oldest := ""
	for id, o := range u.files {
		if f.at.Sub(o.at) > uploadKept {
			delete(u.files, id)
			gone = append(gone, id)
		} else if oldest == "" || o.at.Before(u.files[oldest].at) {
			oldest = id
		}
	}
	if len(u.files) >= uploadMost {
		delete(u.files, oldest)
		gone = append(gone, oldest)
	}
	id = uuid.NewString()
	u.files[id] = f
	return id, gone
}

// of returns a copy of a file to whoever uploaded it, nil to others.
func (u *uploads) of(id, by string) *upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.files[id]; f != nil && f.by == by && time.Since(f.at) < uploadKept {
		c := *f
		return &c
	}
	return nil
}

// spend forgets what is in a file that has been imported.
func (u *uploads) spend(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.files[id]; f != nil {
		f.Data = nil
	}
}

// wish keeps how a file is to be imported.
func (u *uploads) wish(id string, w imported) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.files[id]; f != nil {
		f.wish = w
	}
}

type importView struct {
	page
	ID         string
	Name       string
	Titles     []string
	Wish       imported
	Running    *state // while it is being read
	Result     *store.ImportResult
	Rows       []store.ImportRow // a page of what became of each row
	Status     string            // of the rows that are shown, "" for all
	From, Next int               // where this page of them begins, and the next; 0 when there is none
	Problem    *admin.Problem
	Attributes []string
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
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	u := &upload{Upload: admin.Upload{Name: filepath.Base(header.Filename), Data: data}, by: rq.page.Visitor.Name, at: time.Now()}
	u.wish.source = strings.TrimPrefix(strings.ToLower(filepath.Ext(u.Name)), ".")
	var titles error
	_, u.wish.columns, titles = u.Titles()
	id, gone := c.uploads.add(u)
	for _, other := range gone {
		c.work.forget(importing, other)
	}
	if titles == nil { // else the page says what is wrong
		c.startImport(rq, id, *u)
	}
	return rq.seeOther(at("import", id))
}

// importing is the kind of work that an import is, and its rehearsal.
const importing = "import"

// startImport begins to import a file as it is wished, or to rehearse that. Whoever asked may watch; it goes on without them.
func (c *console) startImport(rq *request, id string, f upload) {
	desk, u, w := rq.desk, f.Upload, f.wish
	titles, _, _ := u.Titles()
	u.Columns = map[string]string{}
	for i, title := range titles {
		u.Columns[title] = w.columns[i]
	}
	c.work.start(importing, id, func(ctx context.Context, t *task) (string, error) {
		r, err := desk.ImportUpload(ctx, u, admin.ImportOptions{
			Source: w.source, Full: w.full, AllowRemovals: w.removal, DryRun: !w.done, Verbose: true, Progress: func(n int) { t.report(cycle.Progress{Done: n}) },
		})
		w.result = r
		t.tell(&w)
		if err == nil && w.done {
			c.uploads.spend(id)
		}
		return "", err
	})
}

// rowsShown is how many rows of an import a page tells of.
const rowsShown = 100

// importView is a file that was uploaded, with what its import would do, or has done.
func (c *console) importView(rq *request) (importView, *upload, error) {
	id := rq.PathValue("id")
	f := c.uploads.of(id, rq.page.Visitor.Name)
	if f == nil {
		return importView{}, nil, &admin.Problem{Exit: admin.ExitUsage, Code: string(store.ErrNotFound), Message: "The file is not here any more", Next: "upload it again"}
	}
	v := importView{ID: id, Name: f.Name, Wish: f.wish, Attributes: append([]string{"active", "groups", "emails"}, choices("user")...)}
	if f.Data != nil {
		var err error
		v.Titles, _, err = f.Titles()
		v.Problem = admin.Explain(err)
	}
	for _, t := range f.wish.columns {
		if t != "" && !slices.Contains(v.Attributes, t) {
			v.Attributes = append(v.Attributes, t)
		}
	}
	if s, ok := c.work.of(importing, id); ok {
		if v.Problem = s.Problem; s.Running {
			v.Running = &s
		} else if done, ok := s.Detail.(*imported); ok && s.Problem == nil {
			v.Wish, v.Result = *done, &done.result
			v.pick(rq)
		}
	}
	title := map[bool]string{true: "Imported ", false: "Import "}[v.Wish.done && v.Result != nil]
	v.page = rq.page.titled(title+v.Name, crumb{"Import", "/import"})
	return v, f, nil
}

// pick chooses the rows of the result that the page shows: those that failed, when there are any and nothing else is asked for.
func (v *importView) pick(rq *request) {
	v.Status = rq.FormValue("status")
	if v.Status == "" && v.Result.Failed > 0 {
		v.Status = "failed"
	}
	v.From, _ = strconv.Atoi(rq.FormValue("from"))
	rows := v.Result.Rows
	if v.Status != "" && v.Status != "all" {
		rows = slices.DeleteFunc(slices.Clone(rows), func(r store.ImportRow) bool { return r.Status != v.Status })
	}
	v.From = min(max(v.From, 0), len(rows))
	v.Rows = rows[v.From:]
	if len(v.Rows) > rowsShown {
		v.Rows, v.Next = v.Rows[:rowsShown], v.From+rowsShown
	}
}

func (c *console) importPreview(rq *request) error {
	v, _, err := c.importView(rq)
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
	v, f, err := c.importView(rq)
	if err != nil {
		return err
	}
	if v.Running == nil && !(v.Wish.done && v.Result != nil) { // pressed once more: it is under way, or done
		w := imported{source: strings.TrimSpace(get("source")), full: get("full") != "", removal: get("allow") != "", done: get("do") != ""}
		for _, title := range v.Titles {
			w.columns = append(w.columns, get("column "+title))
		}
		c.uploads.wish(v.ID, w)
		wished := *f
		wished.wish = w
		c.startImport(rq, v.ID, wished)
	}
	return rq.seeOther(at("import", v.ID))
}
