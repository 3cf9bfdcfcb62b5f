package web

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
)

// routes registers the API, a file for each kind of thing.
func (s *Server) routes() {
	s.users()
	s.groups()
	s.imports()
	s.applications()
	s.runs()
	s.status()
	s.logs()
	s.keeping()
	s.tokens()
	s.administrators()
	s.signIn()
	s.notifications()
}

// errNotSent is what a configuration gets for a file that did not come with it.
var errNotSent = errors.New("it was not sent along: files are read where the client runs")

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

// setting is an output about a setting, with the version that an edit of it names in If-Match.
type setting[T any] struct {
	ETag string `header:"ETag" doc:"The version of what can be edited: an edit that names it in If-Match is refused when somebody else was faster."`
	Body T
}

// at adds its version to an output about a setting.
func at[T any](ctx context.Context, d *admin.Desk, name string, doc T, err error) (*setting[T], error) {
	if err != nil {
		return nil, err
	}
	version, err := d.SettingVersion(ctx, name)
	return &setting[T]{version, doc}, err
}

// Match is the input of edits.
type Match struct {
	IfMatch string `header:"If-Match" doc:"The ETag that was read: the edit is refused with 412 when the object has changed since."`
}

// edition is the output of an edit.
type edition struct {
	ETag    string `header:"ETag"`
	Changed bool   `header:"Muster-Changed" doc:"Whether anything was not yet as wished."`
	Body    api.Resource
}

func edited(doc api.Resource, changed bool, err error) (*edition, error) {
	v, err := versioned(doc, err)
	if err != nil {
		return nil, err
	}
	return &edition{ETag: v.ETag, Changed: changed, Body: doc}, nil
}

func (s *Server) status() {
	type which struct {
		App string `query:"app" doc:"Only this application: name or id."`
	}
	route(s, operation(http.MethodGet, "/status", "get-status", "Say how applications stand and what waits for a person"), func(ctx context.Context, d *admin.Desk, in *which) (*answer[admin.Status], error) {
		return answered(d.Status(ctx, in.App))
	})
	op := operation(http.MethodGet, "/applications/{app}/events", "watch-application", "How an application stands, as it changes")
	op.Description = "Events named status: the first at once, then one whenever something has changed, at most one a second. While a cycle runs, wherever it runs, they tell how far it is."
	op.Responses = eventStream("Events.")
	route(s, op, func(ctx context.Context, d *admin.Desk, in *AppPath) (*streamed, error) {
		first, err := standing(ctx, d, in.App)
		if err != nil {
			return nil, err // a wrong name is a problem like any other, and no event
		}
		return &streamed{func(out huma.Context) {
			_, w := humago.Unwrap(out)
			events := newStream(w)
			defer events.end()
			s.watch(ctx, d, in.App, first, events)
		}}, nil
	}, long)
}

// watch tells how an application stands until whoever asked is gone.
func (s *Server) watch(ctx context.Context, d *admin.Desk, app string, now api.Standing, events *stream) {
	for told := (api.Standing{}); ; {
		if !reflect.DeepEqual(now, told) {
			if events.send(api.StatusEvent, "", now) != nil {
				return
			}
			told = now
		}
		if !pause(ctx, time.Second) {
			return
		}
		var err error
		if now, err = standing(ctx, d, app); err != nil {
			_ = events.send(api.ErrorEvent, "", s.told(ctx, err)) // whoever asked may be gone
			return
		}
	}
}

// standing is how an application stands, with how far its last cycle is while that runs.
func standing(ctx context.Context, d *admin.Desk, app string) (api.Standing, error) {
	st, err := d.Status(ctx, app)
	if err != nil {
		return api.Standing{}, err
	}
	out := api.Standing{ApplicationStatus: st.Applications[0]}
	c := out.Cycle
	if c == nil || c.State != "running" {
		return out, nil
	}
	a, err := d.Advance(ctx, c.ID)
	p := &api.Progress{Stage: "applying", Failed: c.Failed}
	for _, n := range a.Done {
		p.Done += n
	}
	for _, n := range a.Planned {
		p.Planned += n
	}
	if p.Planned == 0 {
		p.Stage = "reading"
	}
	out.Progress = p
	return out, err
}
