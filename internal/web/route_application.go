package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
)

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
		func(ctx context.Context, d *admin.Desk, in *AppPath) (*resource, error) {
			app, err := d.Application(ctx, in.App)
			if err != nil {
				return nil, err
			}
			version, err := d.Version(ctx, app)
			if err != nil {
				return nil, err
			}
			doc, err := d.Configuration(ctx, app.ID)
			return &resource{ETag: version, Body: doc}, err
		})
	s.declaring()
	route(s, operation(http.MethodDelete, "/applications/{app}", "delete-application", "Remove an application; its accounts stay at the target"),
		func(ctx context.Context, d *admin.Desk, in *AppPath) (*answer[admin.Removed], error) {
			return answered(d.DeleteApplication(ctx, in.App))
		})
	route(s, operation(http.MethodPost, "/applications/{app}/test", "test-connection", "Test Connection: credentials, endpoint and rights; writes nothing"),
		func(ctx context.Context, d *admin.Desk, in *AppPath) (*answer[connector.Diagnosis], error) {
			return answered(d.Test(ctx, in.App))
		}, long)
	type restart struct {
		AppPath
		Body api.RestartRequest
	}
	route(s, operation(http.MethodPost, "/applications/{app}/restart", "restart", "Forget a part of what an application knows"), func(ctx context.Context, d *admin.Desk, in *restart) (*answer[admin.Restarted], error) {
		return answered(d.Restart(ctx, in.App, in.Body.Scope))
	})
	type pause struct {
		AppPath
		Body api.PauseRequest
	}
	route(s, operation(http.MethodPost, "/applications/{app}/start", "start", "Switch provisioning on: servers run the application by themselves"),
		func(ctx context.Context, d *admin.Desk, in *AppPath) (*answer[admin.Control], error) {
			return answered(d.Start(ctx, in.App))
		})
	route(s, operation(http.MethodPost, "/applications/{app}/stop", "stop", "Switch provisioning off; a cycle that runs ends at the next object"),
		func(ctx context.Context, d *admin.Desk, in *AppPath) (*answer[admin.Control], error) {
			return answered(d.Stop(ctx, in.App))
		})
	route(s, operation(http.MethodPost, "/applications/{app}/pause", "pause", "Let no server run the application for a while; the position is kept"),
		func(ctx context.Context, d *admin.Desk, in *pause) (*answer[admin.Control], error) {
			return answered(d.Pause(ctx, in.App, time.Duration(in.Body.Seconds)*time.Second))
		})
	route(s, operation(http.MethodPost, "/applications/{app}/resume", "resume", "End a pause"),
		func(ctx context.Context, d *admin.Desk, in *AppPath) (*answer[admin.Control], error) {
			return answered(d.Resume(ctx, in.App))
		})
	s.assignments()
	s.configuration()
}

// Trial says what tests that are kept with mappings may stop.
type Trial struct {
	IgnoreTests bool `query:"ignore_tests" doc:"Apply mappings although tests that are kept with them fail."`
}

// declared is the output of routes that declare an application: what changed, and its version now.
type declared struct {
	ETag     string `header:"ETag" doc:"The version now."`
	Location string `header:"Location" doc:"Where the application is."`
	Body     config.Changes
}

// declaring registers the routes that take an application as a document.
func (s *Server) declaring() {
	const form = "The document is an entry of the declarative form, see docs/configuration.md. "
	const tests = " Where tests that are kept with its mappings fail nothing is changed (422 mapping_tests), unless ignore_tests says otherwise."
	const condition = " If-Match is required: the ETag that was read, or * for whatever is there."
	answer := func(ctx context.Context, d *admin.Desk, name string, done config.Changes, err error) (*declared, error) {
		if err != nil {
			return nil, err
		}
		app, err := d.Application(ctx, name)
		if err != nil {
			return nil, err
		}
		version, err := d.Version(ctx, app)
		return &declared{ETag: version, Location: api.Prefix + "/applications/" + app.ID, Body: done}, err
	}
	type creation struct {
		Trial
		Body api.Resource
	}
	post := operation(http.MethodPost, "/applications", "create-application", "Make an application")
	post.Description = form + "What it leaves out comes from the template." + tests
	post.MaxBodyBytes = configurationLimit
	route(s, post, func(ctx context.Context, d *admin.Desk, in *creation) (*declared, error) {
		done, err := d.CreateApplication(ctx, in.Body, admin.Declaring{IgnoreTests: in.IgnoreTests})
		name, _ := in.Body["name"].(string)
		return answer(ctx, d, name, done, err)
	}, created, once)
	type edit struct {
		AppPath
		Match
		Trial
		Body api.Resource
	}
	type declare func(*admin.Desk, context.Context, string, map[string]any, admin.Declaring) (config.Changes, error)
	change := func(method, id, summary, description string, do declare) {
		op := operation(method, "/applications/{app}", id, summary)
		op.Description = form + description + condition + tests
		op.MaxBodyBytes = configurationLimit
		route(s, op, func(ctx context.Context, d *admin.Desk, in *edit) (*declared, error) {
			if in.IfMatch == "" {
				return nil, &admin.Problem{Exit: admin.ExitUsage, Code: "condition_missing", Message: "whoever changes an application says which version they have read", Next: "send its ETag as If-Match, or * for whatever is there"}
			}
			done, err := do(d, ctx, in.App, in.Body, admin.Declaring{Match: in.IfMatch, IgnoreTests: in.IgnoreTests})
			return answer(ctx, d, in.App, done, err)
		})
	}
	change(http.MethodPut, "put-application", "Make an application exactly what the document says",
		"What it leaves out comes from the template; a secret that is absent keeps the sealed one.", (*admin.Desk).ReplaceApplication)
	change(http.MethodPatch, "patch-application", "Change an application where the document says so",
		"It is read as a merge patch (RFC 7396): what it leaves out stays, null gives the template's value back, and a list is replaced as a whole.", (*admin.Desk).PatchApplication)
}

func (s *Server) assignments() {
	type wish struct {
		AppPath
		Body api.Assignment
	}
	route(s, operation(http.MethodPost, "/applications/{app}/assignments", "assign", "Give a user or a group to an application"), func(ctx context.Context, d *admin.Desk, in *wish) (*answer[api.Assigned], error) {
		a := in.Body
		if err := either(a.User, a.Group); err != nil {
			return nil, err
		}
		changed, err := d.Assign(ctx, in.App, provision.Assignment{User: a.User, Group: a.Group, Role: a.Role})
		return answered(api.Assigned{Application: in.App, User: a.User, Group: a.Group, Role: a.Role, Changed: changed}, err)
	})
	type whom struct {
		AppPath
		User  string `query:"user" doc:"userName, e-mail address or id; or give group."`
		Group string `query:"group" doc:"Display name or id; or give user."`
	}
	route(s, operation(http.MethodDelete, "/applications/{app}/assignments", "unassign", "Take a user or a group away from an application"), func(ctx context.Context, d *admin.Desk, in *whom) (*answer[api.Assigned], error) {
		if err := either(in.User, in.Group); err != nil {
			return nil, err
		}
		changed, err := d.Unassign(ctx, in.App, provision.Assignment{User: in.User, Group: in.Group})
		return answered(api.Assigned{Application: in.App, User: in.User, Group: in.Group, Changed: changed}, err)
	})
}

// either refuses a request that names a user and a group, or neither.
func either(user, group string) error {
	if (user == "") != (group == "") {
		return nil
	}
	return &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "a request names one user or one group", Next: "give either user or group"}
}

// configurationLimit bounds a configuration: one of 1,000 applications is smaller.
const configurationLimit = 16 << 20

func (s *Server) configuration() {
	type run func(d *admin.Desk, ctx context.Context, files []config.File, src admin.Source) (config.Changes, error)
	declare := func(path, id, summary string, do run) {
		op := operation(http.MethodPost, path, id, summary)
		op.MaxBodyBytes = configurationLimit
		route(s, op, func(ctx context.Context, d *admin.Desk, in *body[api.Configuration]) (*answer[config.Changes], error) {
			files, src := unpacked(in.Body)
			return answered(do(d, ctx, files, src))
		})
	}
	declare("/config/apply", "apply-config", "Make applications exactly what files say; all of it or nothing", (*admin.Desk).Apply)
	declare("/config/diff", "diff-config", "Show what apply would change", (*admin.Desk).Diff)
	type which struct {
		App []string `query:"app,explode" doc:"Only these applications."`
	}
	export := operation(http.MethodGet, "/config", "export-config", "Write applications as YAML that applies as it is")
	export.Responses = map[string]*huma.Response{"200": {Description: "YAML without secrets.", Content: map[string]*huma.MediaType{"application/yaml": {Schema: &huma.Schema{Type: "string"}}}}}
	type text struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
	route(s, export, func(ctx context.Context, d *admin.Desk, in *which) (*text, error) {
		b, err := d.Export(ctx, in.App...)
		return &text{"application/yaml", b}, err
	})
}

// unpacked takes a configuration apart. What it refers to is what came with it, and nothing of this
// machine.
func unpacked(c api.Configuration) ([]config.File, admin.Source) {
	var files []config.File
	for _, f := range c.Files {
		files = append(files, config.File{Name: f.Name, Data: []byte(f.Text)})
	}
	return files, admin.Source{
		Env: func(name string) (string, bool) { v, ok := c.Variables[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := c.Secrets[path]; ok {
				return []byte(text), nil
			}
			return nil, errNotSent
		},
		IgnoreTests: c.IgnoreTests,
	}
}
