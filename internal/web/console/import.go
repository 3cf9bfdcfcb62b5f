package console

import (
	"context"
	"fmt"
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

// uploads keeps files between their upload and the import that somebody decides on, in memory: a directory
// is nothing to leave on a disk. Afterwards they say what came of it.
type uploads struct {
	mu    sync.Mutex
	files map[string]*upload
	work  *work // where imports are under way
}

type upload struct {
	admin.Upload
	by     string
	at     time.Time
	expiry *time.Timer

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

// add keeps a file and returns its id. The eldest gives way when there are many, but none that is being read.
func (u *uploads) add(f *upload) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.files) >= uploadMost {
		oldest := ""
		for id, o := range u.files {
			if !u.reading(id) && (oldest == "" || o.at.Before(u.files[oldest].at)) {
				oldest = id
			}
		}
		if oldest == "" {
			return "", &admin.Problem{Exit: admin.ExitUsage, Code: "busy", Message: fmt.Sprintf("%d files are being read already", uploadMost), Next: "upload this one when one of them is done"}
		}
		u.drop(oldest)
	}
	id := uuid.NewString()
	f.expiry = time.AfterFunc(uploadKept, func() { u.expire(id) })
	u.files[id] = f
	return id, nil
}

// reading reports whether a file is being imported, or its import rehearsed.
func (u *uploads) reading(id string) bool {
	s, ok := u.work.of(importing, id)
	return ok && s.Running
}

// drop forgets a file and what came of it. The lock is held.
func (u *uploads) drop(id string) {
	u.files[id].expiry.Stop()
	delete(u.files, id)
	u.work.forget(importing, id)
}

// expire drops a file whose time is up. What is being read is kept: whoever waits for it wants to see its end.
func (u *uploads) expire(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch f := u.files[id]; {
	case f == nil:
	case u.reading(id):
		f.expiry.Reset(uploadKept)
	default:
		u.drop(id)
	}
}

// of returns a copy of a file to whoever uploaded it, nil to others.
func (u *uploads) of(id, by string) *upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.files[id]; f != nil && f.by == by {
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

// begin has a file imported as it is wished, or that rehearsed, unless that is under way or the file has been
// imported: whoever presses twice wants it once.
func (u *uploads) begin(id string, w imported, read func(context.Context, *task, admin.Upload) error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f := u.files[id]
	if f == nil || f.Data == nil {
		return
	}
	data := f.Upload
	if u.work.startAlone(importing, id, func(ctx context.Context, t *task) (string, error) { return "", read(ctx, t, data) }) {
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
	wish := u.wish
	id, err := c.uploads.add(u)
	if err != nil {
		return err
	}
	if titles == nil { // else the page says what is wrong
		c.startImport(rq, id, wish)
	}
	return rq.seeOther(at("import", id))
}

// importing is the kind of work that an import is, and its rehearsal.
const importing = "import"

// startImport begins to import a file as it is wished, or to rehearse that. Whoever asked may watch; it goes on without them.
func (c *console) startImport(rq *request, id string, w imported) {
	desk := rq.desk
	c.uploads.begin(id, w, func(ctx context.Context, t *task, u admin.Upload) error {
		titles, _, _ := u.Titles()
		u.Columns = map[string]string{}
		for i, title := range titles {
			u.Columns[title] = w.columns[i]
		}
		r, err := desk.ImportUpload(ctx, u, admin.ImportOptions{
			Source: w.source, Full: w.full, AllowRemovals: w.removal, DryRun: !w.done, Verbose: true, Progress: func(n int) { t.report(cycle.Progress{Done: n}) },
		})
		w.result = r
		t.tell(&w)
		if err == nil && w.done {
			c.uploads.spend(id)
		}
		return err
	})
}

// rowsShown is how many rows of an import a page tells of.
const rowsShown = 100

// importView is a file that was uploaded, with what its import would do, or has done.
func (c *console) importView(rq *request) (importView, error) {
	id := rq.PathValue("id")
	f := c.uploads.of(id, rq.page.Visitor.Name)
	if f == nil {
		return importView{}, &admin.Problem{Exit: admin.ExitUsage, Code: string(store.ErrNotFound), Message: "The file is not here", Next: "upload it again; what was imported of it stands in the audit log. A file is kept for an hour, by the node that it was uploaded to"}
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
	w := imported{source: strings.TrimSpace(get("source")), full: get("full") != "", removal: get("allow") != "", done: get("do") != ""}
	for _, title := range v.Titles {
		w.columns = append(w.columns, get("column "+title))
	}
	c.startImport(rq, v.ID, w)
	return rq.seeOther(at("import", v.ID))
}
