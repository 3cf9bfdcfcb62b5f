package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/store"
)

// Filter picks records of the provisioning log.
type Filter struct {
	App    string    `query:"app" doc:"Only this application: name or id."`
	User   string    `query:"user" doc:"Only this user: userName, e-mail address or id."`
	Group  string    `query:"group" doc:"Only this group: display name or id."`
	Status string    `query:"status" enum:"success,failure,skipped,warning,tried" doc:"Only this status; tried is all but skipped."`
	Action string    `query:"action" enum:"create,update,disable,enable,delete,skip"`
	Cycle  string    `query:"cycle" doc:"Only this cycle: its id."`
	Since  time.Time `query:"since" doc:"Only what is younger."`
	Until  time.Time `query:"until" doc:"Only what is older."`
}

func (f Filter) of() admin.LogFilter {
	return admin.LogFilter{Application: f.App, User: f.User, Group: f.Group, Status: f.Status, Action: f.Action, Cycle: f.Cycle, Since: f.Since, Until: f.Until}
}

// look is the pause between two looks for new records.
const look = 500 * time.Millisecond

func (s *Server) logs() {
	type page struct {
		Filter
		Paged
		Order string `query:"order" enum:"newest,oldest" default:"newest"`
	}
	route(s, operation(http.MethodGet, "/logs", "list-logs", "The provisioning log"), func(ctx context.Context, d *admin.Desk, in *page) (*answer[api.Logs], error) {
		records, next, err := d.LogPage(ctx, in.of(), in.Order == "newest", in.Cursor, in.Limit)
		return answered(api.Logs{Records: records, Page: api.Page{Next: next}}, err)
	})
	type follow struct {
		Filter
		Last int `query:"last" minimum:"0" doc:"Of what was, only the newest so many."`
	}
	op := operation(http.MethodGet, "/logs/follow", "follow-logs", "The provisioning log as it is written")
	op.Description = "Events named record, each with a record as the log shows it; an event named error ends the stream. Last-Event-ID takes up where a stream broke off."
	op.Responses = eventStream("Events.")
	route(s, op, func(ctx context.Context, d *admin.Desk, in *follow) (*streamed, error) {
		f := in.of()
		f.Last = in.Last
		if at, err := time.Parse(time.RFC3339Nano, noteOf(ctx).resume); err == nil {
			f.Since, f.Last = at, 0
		}
		if _, _, err := d.LogPage(ctx, f, true, "", 1); err != nil {
			return nil, err // a wrong name is a problem like any other, and no event
		}
		return &streamed{func(out huma.Context) {
			_, w := humago.Unwrap(out)
			events := newStream(w)
			defer events.end()
			for r, err := range d.Follow(ctx, f, func() bool { return pause(ctx, look) }) {
				if err != nil {
					_ = events.send(api.ErrorEvent, "", s.told(ctx, err))
					return
				}
				if events.send(api.RecordEvent, r.Time.UTC().Format(time.RFC3339Nano), r) != nil {
					return
				}
			}
		}}, nil
	}, long)
	s.audit()
}

// eventStream describes an answer of events.
func eventStream(what string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {Description: what, Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}}}}
}

// pause waits, and reports whether anybody still wants to know.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (s *Server) audit() {
	type page struct {
		Paged
		Object string    `query:"object" doc:"Only what was done to the object with this id or name."`
		Actor  string    `query:"actor" doc:"Only what this one did."`
		Action string    `query:"action" doc:"Only this action: create, update, delete, sync, …"`
		Type   string    `query:"type" doc:"Only objects of this type: user, group, application, token, …"`
		Since  time.Time `query:"since" doc:"Only what is younger."`
		Until  time.Time `query:"until" doc:"Only what is older."`
	}
	route(s, operation(http.MethodGet, "/audit", "list-audit", "The audit log: what administrators did, the newest first"), func(ctx context.Context, d *admin.Desk, in *page) (*answer[api.Audit], error) {
		entries, err := d.AuditPage(ctx, store.AuditQuery{Object: in.Object, Actor: in.Actor, Action: in.Action, Type: in.Type, Since: in.Since, Until: in.Until, After: in.Cursor, Limit: in.Limit})
		out := api.Audit{Entries: entries}
		if len(entries) == in.Limit {
			out.Next = entries[len(entries)-1].ID
		}
		return answered(out, err)
	})
}

func (s *Server) keeping() {
	route(s, operation(http.MethodGet, "/retention", "get-retention", "How long each log is kept"), func(ctx context.Context, d *admin.Desk, _ *none) (*setting[api.Retention], error) {
		r, err := d.Retention(ctx)
		return at(ctx, d, store.RetentionSetting, converted[api.Retention](r), err)
	})
	route(s, operation(http.MethodPut, "/retention", "put-retention", "Set how long each log is kept"), func(ctx context.Context, d *admin.Desk, in *struct {
		Match
		Body api.Retention
	},
	) (*setting[api.Retention], error) {
		var r store.Retention
		b, err := json.Marshal(in.Body)
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		if err != nil {
			return nil, &admin.Problem{Exit: admin.ExitUsage, Code: "invalid", Message: "a log is kept for a duration, and one of these is none", Next: "write 4320h, or 0s for ever", Err: err}
		}
		err = d.SetRetentionIf(ctx, in.IfMatch, r)
		return at(ctx, d, store.RetentionSetting, converted[api.Retention](r), err)
	})
	backup := operation(http.MethodGet, "/backup", "backup", "Everything in one file, without the key that opens its secrets")
	backup.Responses = map[string]*huma.Response{"200": {Description: "What `muster restore` reads.", Content: map[string]*huma.MediaType{"application/gzip": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}
	type file struct {
		Keys string `header:"Muster-Keys" doc:"Fingerprints of the keys that a restore needs."`
		Type string `header:"Content-Type"`
		Name string `header:"Content-Disposition"`
		Body func(huma.Context)
	}
	route(s, backup, func(ctx context.Context, d *admin.Desk, _ *none) (*file, error) {
		keys, err := d.Keys()
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf(`attachment; filename="muster-%s.backup"`, time.Now().UTC().Format("20060102-150405"))
		out := &file{Type: "application/gzip", Name: name, Body: func(out huma.Context) {
			if _, err := d.Backup(ctx, out.BodyWriter()); err != nil {
				s.log.ErrorContext(ctx, "a backup broke off", "request", noteOf(ctx).id, "error", err)
				panic(http.ErrAbortHandler) // what has been sent must not pass for the whole
			}
		}}
		if len(keys) > 0 {
			out.Keys = keys[0]
		}
		return out, nil
	}, long)
	route(s, operation(http.MethodGet, "/doctor", "doctor", "Look for what is wrong, and say what to do"), func(ctx context.Context, d *admin.Desk, _ *none) (*answer[admin.Checkup], error) {
		return answered(d.Doctor(ctx), nil)
	})
}

// converted carries a value into another type of the same form in JSON.
func converted[T any](v any) (out T) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("web: %T does not become %T: %v", v, out, err))
	}
	return out
}
