package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/connector"
)

// routes registers the API, a file for each kind of thing.
func (s *Server) routes() {
	s.users()
	s.applications()
	s.tokens()
	s.notifications()
}

// none is the input of routes that take nothing.
type none struct{}

// answer is an output that is a document alone.
type answer[T any] struct{ Body T }

func answered[T any](v T, err error) (*answer[T], error) {
	if err != nil {
		return nil, err
	}
	return &answer[T]{v}, nil
}

// created makes a route answer 201.
func created(op *huma.Operation) { op.DefaultStatus = http.StatusCreated }

// body is the input of routes that take a document.
type body[T any] struct{ Body T }

// Paged is the input of lists.
type Paged struct {
	Cursor string `query:"cursor" doc:"Where the page begins: next of the page before."`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"At most so many."`
}

// resource is an output that can be edited, with the version that an edit names in If-Match.
type resource struct {
	ETag string `header:"ETag" doc:"The version: an edit that names it in If-Match is refused when somebody else was faster."`
	Body api.Resource
}

func versioned(doc api.Resource, err error) (*resource, error) {
	if err != nil {
		return nil, err
	}
	meta, _ := doc["meta"].(map[string]any)
	version, _ := meta["version"].(string)
	return &resource{ETag: version, Body: doc}, nil
}

// Match is the input of edits.
type Match struct {
	IfMatch string `header:"If-Match" doc:"The ETag that was read: the edit is refused with 412 when the object has changed since."`
}

// AppPath names an application in a path.
type AppPath struct {
	App string `path:"app" doc:"Name or id."`
}

func (s *Server) applications() {
	route(s, operation(http.MethodGet, "/applications", "list-applications", "List applications"), func(ctx context.Context, d *admin.Desk, _ *none) (*answer[api.Applications], error) {
		apps, err := d.List(ctx)
		return answered(api.Applications{Applications: apps}, err)
	})
	route(s, operation(http.MethodGet, "/applications/{app}", "get-application", "Show the whole configuration of an application, without secrets"),
		func(ctx context.Context, d *admin.Desk, in *AppPath) (*answer[api.Resource], error) {
			return answered(d.Configuration(ctx, in.App))
		})
	route(s, operation(http.MethodPost, "/applications/{app}/test", "test-connection", "Test Connection: credentials, endpoint and rights; writes nothing"),
		func(ctx context.Context, d *admin.Desk, in *AppPath) (*answer[connector.Diagnosis], error) {
			return answered(d.Test(ctx, in.App))
		}, long)
	type which struct {
		App string `query:"app" doc:"Only this application: name or id."`
	}
	route(s, operation(http.MethodGet, "/status", "get-status", "Say how applications stand and what waits for a person"), func(ctx context.Context, d *admin.Desk, in *which) (*answer[admin.Status], error) {
		return answered(d.Status(ctx, in.App))
	})
}
