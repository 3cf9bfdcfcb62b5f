package console

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/muster-id/muster/internal/admin"
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
}

const (
	uploadKept = time.Hour
	uploadMost = 4 // at a time
)

// add keeps a file and returns its id. The eldest gives way when there are many.
func (u *uploads) add(f *upload) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files == nil {
		u.files = map[string]*upload{}
	}
	oldest := ""
	for id, o := range u.files {
		if f.at.Sub(o.at) > uploadKept {
			delete(u.files, id)
		} else if oldest == "" || o.at.Before(u.files[oldest].at) {
			oldest = id
		}
	}
	if len(u.files) >= uploadMost {
		delete(u.files, oldest)
	}
	id := uuid.NewString()
	u.files[id] = f
	return id
}

// of returns a file to whoever uploaded it.
func (u *uploads) of(id, by string) *upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.files[id]; f != nil && f.by == by && time.Since(f.at) < uploadKept {
		return f
	}
	return nil
}

func (u *uploads) drop(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.files, id)
}

type importView struct {
	ID            string
	Name          string
	Titles        []string
	Taken         []string // the attribute of each title
	Source        string
	Full, Removal bool
	Result        *store.ImportResult
	Done          bool
	Problem       *admin.Problem
	Attributes    []string
}

func (c *console) importForm(rq *request) error {
	return rq.ok(importPage(rq.page.titled("Import"), importView{}))
}

func (c *console) importUpload(rq *request) error {
	f, header, err := rq.FormFile("file")
	if err != nil {
		rq.show(422, importPage(rq.page.titled("Import"), importView{Problem: &admin.Problem{Message: "No file was chosen", Next: "choose a CSV, LDIF or JSON file"}}))
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	id := c.uploads.add(&upload{Upload: admin.Upload{Name: filepath.Base(header.Filename), Data: data}, by: rq.page.Visitor.Name, at: time.Now()})
	return rq.seeOther(at("import", id))
}

// view shows a file that was uploaded, and rehearses its import.
func (c *console) importView(rq *request) (importView, *upload, error) {
	f := c.uploads.of(rq.PathValue("id"), rq.page.Visitor.Name)
	if f == nil {
		return importView{}, nil, &admin.Problem{Exit: admin.ExitUsage, Code: string(store.ErrNotFound), Message: "The file is not here any more", Next: "upload it again"}
	}
	v := importView{ID: rq.PathValue("id"), Name: f.Name, Source: strings.TrimPrefix(strings.ToLower(filepath.Ext(f.Name)), "."), Attributes: choices("user")}
	v.Attributes = append([]string{"active", "groups", "emails"}, v.Attributes...)
	var err error
	v.Titles, v.Taken, err = f.Titles()
	v.Problem = admin.Explain(err)
	for _, t := range v.Taken {
		if t != "" && !slices.Contains(v.Attributes, t) {
			v.Attributes = append(v.Attributes, t)
		}
	}
	return v, f, nil
}

func (c *console) importPreview(rq *request) error {
	v, f, err := c.importView(rq)
	if err != nil {
		return err
	}
	if v.Problem == nil {
		v.rehearse(rq.Context(), rq.desk, f.Upload)
	}
	return rq.ok(importPage(rq.page.titled("Import "+v.Name, crumb{"Import", "/import"}), v))
}

func (v *importView) rehearse(ctx context.Context, desk *admin.Desk, u admin.Upload) {
	r, err := desk.ImportUpload(ctx, u, admin.ImportOptions{Source: v.Source, Full: v.Full, AllowRemovals: v.Removal, DryRun: true})
	v.Result, v.Problem = &r, admin.Explain(err)
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
	v.Source, v.Full, v.Removal = strings.TrimSpace(get("source")), get("full") != "", get("allow") != ""
	u := f.Upload
	u.Columns = map[string]string{}
	for i, title := range v.Titles {
		v.Taken[i] = get("column " + title)
		u.Columns[title] = v.Taken[i]
	}
	if get("do") == "" {
		v.rehearse(rq.Context(), rq.desk, u)
		return rq.ok(importPage(rq.page.titled("Import "+v.Name, crumb{"Import", "/import"}), v))
	}
	r, err := rq.desk.ImportUpload(rq.Context(), u, admin.ImportOptions{Source: v.Source, Full: v.Full, AllowRemovals: v.Removal})
	if err != nil {
		return err
	}
	c.uploads.drop(v.ID)
	v.Result, v.Done = &r, true
	return rq.ok(importPage(rq.page.titled("Imported "+v.Name, crumb{"Import", "/import"}), v))
}
