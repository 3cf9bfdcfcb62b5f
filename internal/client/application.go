package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// of is the path of something of an application.
func of(app string, rest ...string) []string { return append([]string{"applications", app}, rest...) }

// List is [admin.Desk.List].
func (c *Client) List(ctx context.Context) ([]admin.Listed, error) {
	list, err := ask[api.Applications](ctx, c, request{method: http.MethodGet, path: []string{"applications"}})
	return list.Applications, err
}

// Configuration is [admin.Desk.Configuration].
func (c *Client) Configuration(ctx context.Context, name string) (map[string]any, error) {
	return ask[api.Resource](ctx, c, request{method: http.MethodGet, path: of(name)})
}

// DeleteApplication is [admin.Desk.DeleteApplication].
func (c *Client) DeleteApplication(ctx context.Context, name string) (admin.Removed, error) {
	return ask[admin.Removed](ctx, c, request{method: http.MethodDelete, path: of(name)})
}

// Assign is [admin.Desk.Assign].
func (c *Client) Assign(ctx context.Context, name string, a provision.Assignment) (bool, error) {
	done, err := ask[api.Assigned](ctx, c, request{method: http.MethodPost, path: of(name, "assignments"), body: api.Assignment{User: a.User, Group: a.Group, Role: a.Role}})
	return done.Changed, err
}

// Unassign is [admin.Desk.Unassign].
func (c *Client) Unassign(ctx context.Context, name string, a provision.Assignment) (bool, error) {
	done, err := ask[api.Assigned](ctx, c, request{method: http.MethodDelete, path: of(name, "assignments"), query: query("user", a.User, "group", a.Group)})
	return done.Changed, err
}

// Apply is [admin.Desk.Apply].
func (c *Client) Apply(ctx context.Context, files []config.File, src admin.Source) (config.Changes, error) {
	return ask[config.Changes](ctx, c, request{method: http.MethodPost, path: []string{"config", "apply"}, body: carried(files, src)})
}

// Diff is [admin.Desk.Diff].
func (c *Client) Diff(ctx context.Context, files []config.File, src admin.Source) (config.Changes, error) {
	return ask[config.Changes](ctx, c, request{method: http.MethodPost, path: []string{"config", "diff"}, body: carried(files, src)})
}

// carried is a configuration with what it refers to here, where the client runs: the server knows
// neither our variables nor our files. It is found out by reading the configuration as the server
// will; what is wrong with it the server says.
func carried(files []config.File, src admin.Source) api.Configuration {
	out := api.Configuration{Variables: map[string]string{}, Secrets: map[string]string{}, IgnoreTests: src.IgnoreTests}
	for _, f := range files {
		out.Files = append(out.Files, api.ConfigurationFile{Name: f.Name, Text: string(f.Data)})
	}
	_, _ = config.Parse(files, func(name string) (string, bool) {
		value, ok := src.Env(name)
		if ok {
			out.Variables[name] = value
		}
		return value, ok
	}, func(path string) ([]byte, error) {
		b, err := src.ReadFile(path)
		if err == nil {
			out.Secrets[path] = string(b)
		}
		return b, err
	})
	return out
}

// Export is [admin.Desk.Export].
func (c *Client) Export(ctx context.Context, names ...string) ([]byte, error) {
	r := request{method: http.MethodGet, path: []string{"config"}, query: query()}
	for _, name := range names {
		r.query.Add("app", name)
	}
	res, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, answerLimit))
	if err != nil {
		return nil, c.brokenOff(err)
	}
	return b, nil
}

// Test is [admin.Desk.Test].
func (c *Client) Test(ctx context.Context, name string) (connector.Diagnosis, error) {
	return ask[connector.Diagnosis](ctx, c, request{method: http.MethodPost, path: of(name, "test")})
}

// TestMappings is [admin.Desk.TestMappings].
func (c *Client) TestMappings(ctx context.Context, name string) (admin.MappingTests, error) {
	return ask[admin.MappingTests](ctx, c, request{method: http.MethodPost, path: of(name, "mappings", "test")})
}

// Plan is [admin.Desk.Plan].
func (c *Client) Plan(ctx context.Context, name string, reconcile bool, progress func(cycle.Progress)) (admin.Plan, error) {
	return work[admin.Plan](ctx, c, request{method: http.MethodPost, path: of(name, "plans"), body: api.PlanRequest{Reconcile: reconcile}}, told(progress))
}

// Undo is [admin.Desk.Undo].
func (c *Client) Undo(ctx context.Context, name, cycleID, user string, progress func(cycle.Progress)) (admin.Plan, error) {
	return work[admin.Plan](ctx, c, request{method: http.MethodPost, path: of(name, "undo"), body: api.UndoRequest{Cycle: cycleID, User: user}}, told(progress))
}

func told(progress func(cycle.Progress)) func(api.Progress) {
	return func(p api.Progress) {
		if progress != nil {
			progress(cycle.Progress(p))
		}
	}
}

// Operations is [admin.Desk.Operations].
func (c *Client) Operations(ctx context.Context, planID string) iter.Seq2[admin.Operation, error] {
	r := request{method: http.MethodGet, path: []string{"plans", planID, "operations"}}
	return pages(ctx, c, r, func(p api.Operations) ([]admin.Operation, string) { return operations(p.Operations), p.Next })
}

func operations(list []api.Operation) []admin.Operation {
	out := make([]admin.Operation, len(list))
	for i, o := range list {
		o.Operation.Hold, o.Operation.Problem = o.Hold, o.Problem
		o.Operation.Changes = members(o.Changes)
		out[i] = o.Operation
	}
	return out
}

// members gives changes of members their type back: they are the only ones that have one.
func members(changes []provision.Change) []provision.Change {
	for i, c := range changes {
		if c.Attribute == provision.MembersAttribute {
			changes[i].Old, changes[i].New = subjects(c.Old), subjects(c.New)
		}
	}
	return changes
}

func subjects(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	out := make([]provision.Subject, len(list))
	for i, e := range list {
		m, _ := e.(map[string]any)
		out[i].ID, _ = m["id"].(string)
		out[i].Name, _ = m["name"].(string)
	}
	return out
}

// Sync is [admin.Desk.Sync].
func (c *Client) Sync(ctx context.Context, name string, o admin.SyncOptions) (admin.Run, error) {
	wish := api.CycleRequest{Reconcile: o.Reconcile, ApproveHeld: o.ApproveHeld, Plan: o.Plan}
	return work[admin.Run](ctx, c, request{method: http.MethodPost, path: of(name, "cycles"), body: wish}, told(o.Progress))
}

// Provision is [admin.Desk.Provision].
func (c *Client) Provision(ctx context.Context, name string, kind directory.Kind, object string, dryRun bool) (admin.Provision, error) {
	wish := api.ProvisionRequest{DryRun: dryRun, User: object}
	if kind == directory.KindGroup {
		wish.User, wish.Group = "", object
	}
	p, err := ask[admin.Provision](ctx, c, request{method: http.MethodPost, path: of(name, "provision"), body: wish})
	for i := range p.Operations {
		p.Operations[i].Changes = members(p.Operations[i].Changes)
	}
	return p, err
}

// Explain is [admin.Desk.Explain].
func (c *Client) Explain(ctx context.Context, name, user string) (admin.Explanation, error) {
	x, err := ask[api.Explanation](ctx, c, request{method: http.MethodGet, path: of(name, "explain"), query: query("user", user)})
	x.Explanation.Pending, x.Explanation.Deciding = operations(x.Pending), x.Deciding
	return x.Explanation, err
}

// Status is [admin.Desk.Status].
func (c *Client) Status(ctx context.Context, name string) (admin.Status, error) {
	return ask[admin.Status](ctx, c, request{method: http.MethodGet, path: []string{"status"}, query: query("app", name)})
}

// Held is [admin.Desk.Held].
func (c *Client) Held(ctx context.Context, name string) (admin.Held, error) {
	h := admin.Held{Operations: []admin.Operation{}}
	r := request{method: http.MethodGet, path: of(name, "held")}
	for o, err := range pages(ctx, c, r, func(p api.HeldPage) ([]admin.Operation, string) { return operations(p.Operations), p.Next }) {
		if err != nil {
			return admin.Held{}, err
		}
		h.Operations = append(h.Operations, o)
	}
	return h, nil
}

// Approve is [admin.Desk.Approve].
func (c *Client) Approve(ctx context.Context, name string, pick admin.Selection) (admin.Held, error) {
	return c.held(ctx, request{method: http.MethodPost, path: of(name, "held", "approve"), body: api.Selection(pick)})
}

// Reject is [admin.Desk.Reject].
func (c *Client) Reject(ctx context.Context, name string, pick admin.Selection) (admin.Held, error) {
	return c.held(ctx, request{method: http.MethodPost, path: of(name, "held", "reject"), body: api.Selection(pick)})
}

func (c *Client) held(ctx context.Context, r request) (admin.Held, error) {
	h, err := ask[api.Held](ctx, c, r)
	return admin.Held{Operations: operations(h.Operations)}, err
}

// Start is [admin.Desk.Start].
func (c *Client) Start(ctx context.Context, name string) (admin.Control, error) {
	return ask[admin.Control](ctx, c, request{method: http.MethodPost, path: of(name, "start")})
}

// Stop is [admin.Desk.Stop].
func (c *Client) Stop(ctx context.Context, name string) (admin.Control, error) {
	return ask[admin.Control](ctx, c, request{method: http.MethodPost, path: of(name, "stop")})
}

// Pause is [admin.Desk.Pause].
func (c *Client) Pause(ctx context.Context, name string, span time.Duration) (admin.Control, error) {
	return ask[admin.Control](ctx, c, request{method: http.MethodPost, path: of(name, "pause"), body: api.PauseRequest{Seconds: int64(span / time.Second)}})
}

// Resume is [admin.Desk.Resume].
func (c *Client) Resume(ctx context.Context, name string) (admin.Control, error) {
	return ask[admin.Control](ctx, c, request{method: http.MethodPost, path: of(name, "resume")})
}

// Restart is [admin.Desk.Restart].
func (c *Client) Restart(ctx context.Context, name, scope string) (admin.Restarted, error) {
	return ask[admin.Restarted](ctx, c, request{method: http.MethodPost, path: of(name, "restart"), body: api.RestartRequest{Scope: scope}})
}

// Drift is [admin.Desk.Drift].
func (c *Client) Drift(ctx context.Context, name string) (admin.Drift, error) {
	d, err := ask[api.Drift](ctx, c, request{method: http.MethodGet, path: of(name, "drift"), query: query("limit", "1")})
	return d.Drift, err
}

// Findings is [admin.Desk.Findings].
func (c *Client) Findings(ctx context.Context, name string, kind provision.DriftKind) iter.Seq2[admin.DriftFinding, error] {
	r := request{method: http.MethodGet, path: of(name, "drift"), query: query("kind", string(kind))}
	return pages(ctx, c, r, func(p api.Drift) ([]admin.DriftFinding, string) { return p.Findings, p.Next })
}
