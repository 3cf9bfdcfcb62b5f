package web

import (
	"context"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/store"
)

const (
	// importLimit bounds what is sent up for one import; 100,000 people are some 30 MB.
	importLimit = 512 << 20
	importTime  = 15 * time.Minute // for sending it up
)

func (s *Server) imports() {
	type upload struct {
		Source        string         `query:"source" doc:"Name of what the files come from; without it that is the format of the first."`
		Format        string         `query:"format" doc:"csv, ldif or json; without it the name and the content tell."`
		Full          bool           `query:"full" doc:"The files are all of the source: deactivate whom they lack."`
		AllowRemovals bool           `query:"allow_removals" doc:"With full: deactivate also when more than a tenth would go."`
		DryRun        bool           `query:"dry_run" doc:"Say what would be done, and do nothing."`
		Verbose       bool           `query:"verbose" doc:"Rows of what went well, too."`
		RawBody       multipart.Form `contentType:"multipart/form-data"`
	}
	op := operation(http.MethodPost, "/imports", "import", "Bring people and groups of files into the directory")
	op.Description = "One or more form fields named file, taken as one input. All of it is received before the first row is looked at."
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
		Type: "object", Required: []string{"file"},
		Properties: map[string]*huma.Schema{"file": {Type: "array", Items: &huma.Schema{Type: "string", Format: "binary"}}},
	}}}}
	op.MaxBodyBytes, op.BodyReadTimeout = importLimit, importTime
	work(s, op, func(ctx context.Context, d *admin.Desk, in *upload, progress func(any)) (store.ImportResult, error) {
		var files []admin.File
		for _, header := range in.RawBody.File["file"] {
			f, err := header.Open()
			if err != nil {
				return store.ImportResult{}, err
			}
			defer f.Close()
			files = append(files, admin.File{Name: header.Filename, Format: in.Format, Data: f})
		}
		return d.Import(ctx, files, admin.ImportOptions{
			Source: in.Source, Full: in.Full, AllowRemovals: in.AllowRemovals, DryRun: in.DryRun, Verbose: in.Verbose,
			Progress: func(n int) { progress(api.ImportProgress{Records: n}) },
		})
	})
}
