package admin

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"

	"github.com/muster-id/muster/internal/source/csv"
	"github.com/muster-id/muster/internal/store"
)

// Upload is a file that came by a form or a request rather than from this machine's disk.
type Upload struct {
	Name    string            // as it was called where it came from; its extension tells the format
	Data    []byte            // whole
	Columns map[string]string // of a CSV: attributes by title where they differ, "" leaves the column out
}

// Titles returns the titles of a CSV upload and the attribute that each is taken for, "" where it
// would be left out; none for other formats.
func (u Upload) Titles() (titles, attributes []string, err error) {
	if !u.csv() {
		return nil, nil, nil
	}
	return csv.Titles(bytes.NewReader(u.Data))
}

func (u Upload) csv() bool { return strings.EqualFold(filepath.Ext(u.Name), ".csv") }

// ImportUpload brings an upload into the directory.
func (d *Desk) ImportUpload(ctx context.Context, u Upload, o ImportOptions) (store.ImportResult, error) {
	if u.csv() && len(u.Columns) > 0 {
		return d.bring(ctx, chain{{u.Name, csv.Named(bytes.NewReader(u.Data), u.Columns)}}, o)
	}
	return d.Import(ctx, []File{{Name: u.Name, Data: bytes.NewReader(u.Data)}}, o)
}
