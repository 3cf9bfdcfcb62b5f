package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/muster-id/muster/internal/source/csv"
	"github.com/muster-id/muster/internal/store"
)

// Upload is a file that came by a form rather than from this machine's disk. Every node has it, for an hour or until it is imported.
type Upload struct {
	ID       string
	Name     string // as it was called where it came from; its extension tells the format
	Wish     Wish   // how it is to be imported, as it was asked for last
	Imported bool   // it is imported, and what is in it is forgotten

	open func(context.Context) io.Reader
}

// Wish is how an upload is to be imported.
type Wish struct {
	Columns  []string `json:"columns"` // of a CSV: the attribute of each title, "" leaves the column out
	Source   string   `json:"source"`
	Full     bool     `json:"full"`
	Removals bool     `json:"removals"`
	Import   bool     `json:"import"` // it is no rehearsal
}

// Outcome is what came of an upload: of its import, or of the rehearsal of one.
type Outcome struct {
	Wish   Wish               `json:"wish"`
	Result store.ImportResult `json:"result"`
}

// TaskUpload is the kind of the [Task] that an upload is read by; its subject is the upload.
const TaskUpload = store.TaskUpload

// AddUpload keeps a file until it is imported.
func (d *Desk) AddUpload(ctx context.Context, name string, data io.Reader) (*Upload, error) {
	u := &store.Upload{Name: filepath.Base(name), By: d.by.Name, Wish: "{}"}
	if err := d.store.AddUpload(ctx, u, data); err != nil {
		return nil, err
	}
	out := d.upload(u)
	out.Wish.Source = strings.TrimPrefix(strings.ToLower(filepath.Ext(u.Name)), ".")
	_, columns, err := out.Titles(ctx)
	if err == nil {
		out.Wish.Columns = columns
	}
	return out, d.WishUpload(ctx, out, out.Wish) // what is wrong with its titles is said when it is looked at
}

// Upload returns an upload to who sent it; to others there is none.
func (d *Desk) Upload(ctx context.Context, id string) (*Upload, error) {
	u, err := d.store.UploadByID(ctx, id, d.by.Name)
	if err != nil {
		return nil, err
	}
	out := d.upload(u)
	if err := json.Unmarshal([]byte(u.Wish), &out.Wish); err != nil {
		return nil, fmt.Errorf("reading an upload: %w", err)
	}
	return out, nil
}

func (d *Desk) upload(u *store.Upload) *Upload {
	return &Upload{ID: u.ID, Name: u.Name, Imported: u.Imported, open: func(ctx context.Context) io.Reader { return d.store.OpenUpload(ctx, u.ID) }}
}

// WishUpload keeps how an upload is to be imported.
func (d *Desk) WishUpload(ctx context.Context, u *Upload, w Wish) error {
	text, err := document(w)
	if err != nil {
		return err
	}
	u.Wish = w
	return d.store.SetUploadWish(ctx, u.ID, text)
}

// Titles returns the titles of a CSV upload and the attribute that each is taken for, "" where it
// would be left out; none for other formats.
func (u *Upload) Titles(ctx context.Context) (titles, attributes []string, err error) {
	if !u.csv() {
		return nil, nil, nil
	}
	return csv.Titles(u.open(ctx))
}

func (u *Upload) csv() bool { return strings.EqualFold(filepath.Ext(u.Name), ".csv") }

// ImportUpload brings an upload into the directory as it is wished, or rehearses that, and keeps what came of it.
func (d *Desk) ImportUpload(ctx context.Context, u *Upload, w Wish, progress func(records int)) error {
	titles, _, err := u.Titles(ctx)
	if err != nil {
		return err
	}
	columns := map[string]string{}
	for i, title := range titles {
		if i < len(w.Columns) {
			columns[title] = w.Columns[i]
		}
	}
	o := ImportOptions{Source: w.Source, Full: w.Full, AllowRemovals: w.Removals, DryRun: !w.Import, Verbose: true, Progress: progress}
	out := Outcome{Wish: w}
	if u.csv() && len(columns) > 0 {
		out.Result, err = d.bring(ctx, chain{{u.Name, csv.Named(u.open(ctx), columns)}}, o)
	} else {
		out.Result, err = d.Import(ctx, []File{{Name: u.Name, Data: u.open(ctx)}}, o)
	}
	if err != nil {
		return err
	}
	b, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("keeping what came of an upload: %w", err)
	}
	return d.store.SetOutcome(context.WithoutCancel(ctx), u.ID, bytes.NewReader(b), w.Import)
}

// Outcome returns what came of an upload, nil when nothing has yet.
func (d *Desk) Outcome(ctx context.Context, u *Upload) (*Outcome, error) {
	o := &Outcome{}
	err := json.NewDecoder(d.store.Outcome(ctx, u.ID)).Decode(o)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what came of an upload: %w", err)
	}
	return o, nil
}
