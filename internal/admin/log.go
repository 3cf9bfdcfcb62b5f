package admin

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Record is one record of the provisioning log: one object and one action.
type Record struct {
	ID          string             `json:"id"`
	Time        time.Time          `json:"time"`
	Application string             `json:"application"`
	CycleID     string             `json:"cycle_id"`
	Action      provision.Action   `json:"action"`
	Status      string             `json:"status"` // success, failure, skipped, warning; in a dry run planned or held
	Type        directory.Kind     `json:"type"`
	Source      provision.Subject  `json:"source"`
	Target      Target             `json:"target"`
	Reason      string             `json:"reason"`
	Steps       []provision.Step   `json:"steps"`
	Changes     []provision.Change `json:"changes"`
	Verified    bool               `json:"verified"` // the target showed that it kept what was sent
	Error       *RecordError       `json:"error"`
	DurationMS  int64              `json:"duration_ms"`
	InitiatedBy string             `json:"initiated_by"`
	// Exchange is the last request and answer of a failure, without secrets.
	Exchange *connector.Exchange `json:"exchange,omitempty"`
}

// RecordError is why something failed, and what a person can do.
type RecordError struct {
	Code           string `json:"code"`
	Reason         string `json:"reason"`
	Recommendation string `json:"recommendation"`
	HTTPStatus     int    `json:"http_status"` // 0 when there was no answer
}

func recordOf(o *store.Operation, app string) Record {
	r := Record{
		ID: o.ID, Time: o.Finished, Application: app, CycleID: o.CycleID, Action: o.Action, Status: o.Status, Type: o.Kind,
		Source: o.Source, Target: targetOf(o), Reason: o.Reason, Steps: o.Steps, Changes: changesOf(o), Verified: o.Verified, InitiatedBy: o.InitiatedBy,
	}
	if r.Time.IsZero() {
		r.Time = o.Created
	}
	if r.Status == "" {
		r.Status = string(o.State) // planned or held
	}
	if r.Steps == nil {
		r.Steps = []provision.Step{}
	}
	if o.State == store.Held && o.Hold != "" {
		r.Reason += "; held: " + o.Hold
	}
	if !o.Started.IsZero() && !o.Finished.IsZero() {
		r.DurationMS = o.Finished.Sub(o.Started).Milliseconds()
	}
	if p := o.Error; p != nil {
		r.Error = &RecordError{Code: p.Code, Reason: p.Reason, Recommendation: p.Recommendation, HTTPStatus: p.HTTPStatus}
		r.Exchange = o.Exchange
	}
	return r
}

// LogFilter picks records of the provisioning log; empty fields pick everything.
type LogFilter struct {
	Application, User, Group string // as people write them
	Status                   string // success, failure, skipped, warning, or tried: all but skipped
	Action                   string
	Cycle                    string
	Since, Until             time.Time // until: only what is older
	Last                     int       // only the newest so many; 0 is all
}

// Log yields the records that a filter picks, the oldest first.
func (d *Desk) Log(ctx context.Context, f LogFilter) iter.Seq2[Record, error] {
	if f.Last > 0 {
		return func(yield func(Record, error) bool) {
			page, _, err := d.LogPage(ctx, f, true, "", f.Last)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, r := range slices.Backward(page) {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	return pages(func(after string) ([]Record, string, error) { return d.LogPage(ctx, f, false, after, pageSize) })
}

// LogPage returns one page of the records that a filter picks, and where the next one begins, ""
// after the last.
func (d *Desk) LogPage(ctx context.Context, f LogFilter, newest bool, after string, limit int) ([]Record, string, error) {
	q, names, err := d.logQuery(ctx, f)
	if err != nil {
		return nil, "", err
	}
	if after != "" {
		parts, err := parts(after, 2)
		if err != nil {
			return nil, "", err
		}
		ms, err := strconv.ParseInt(parts[0], 10, 64)
		if err != nil {
			return nil, "", errPlace
		}
		q.After = &store.Operation{Finished: time.UnixMilli(ms), ID: parts[1]}
	}
	q.Newest, q.Limit = newest, limit
	page, err := d.store.Log(ctx, q)
	if err == nil && len(page) == 0 && f.Cycle != "" {
		_, err = d.cycleOf(ctx, q.AppID, names[q.AppID], f.Cycle) // one that has no record, or one that nobody knows
	}
	if err != nil {
		return nil, "", err
	}
	out := make([]Record, len(page))
	for i, o := range page {
		out[i] = recordOf(o, names.of(ctx, d, o.AppID))
	}
	if len(page) < limit {
		return out, "", nil
	}
	last := page[limit-1]
	return out, place(strconv.FormatInt(last.Finished.UnixMilli(), 10), last.ID), nil
}

// lookBack is how far behind the newest record a follower reads again: on PostgreSQL a record may
// become visible after one that ended later.
const lookBack = 15 * time.Second

// Follow yields records as they come, until the context ends; poll waits between two looks and
// returns false to end. What the filter picks of the past comes first.
func (d *Desk) Follow(ctx context.Context, f LogFilter, poll func() bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		seen := map[string]time.Time{}
		newest := d.store.Now()
		for {
			for r, err := range d.Log(ctx, f) {
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						yield(r, err)
					}
					return
				}
				if _, known := seen[r.ID]; known {
					continue
				}
				seen[r.ID] = r.Time
				if r.Time.After(newest) {
					newest = r.Time
				}
				if !yield(r, nil) {
					return
				}
			}
			f.Last, f.Since = 0, newest.Add(-lookBack)
			for id, at := range seen {
				if at.Before(f.Since) {
					delete(seen, id)
				}
			}
			if !poll() {
				return
			}
		}
	}
}

// appNames are the names of applications by id.
type appNames map[string]string

// of returns the name of an application; one that is gone, and one that came meanwhile, are looked
// for again.
func (n appNames) of(ctx context.Context, d *Desk, id string) string {
	if name, ok := n[id]; ok {
		return name
	}
	n[id] = id
	if app, err := d.store.Application(ctx, id); err == nil {
		n[id] = app.Name
	}
	return n[id]
}

// logQuery resolves the names of a filter.
func (d *Desk) logQuery(ctx context.Context, f LogFilter) (store.LogQuery, appNames, error) {
	var err error
	q := store.LogQuery{Status: f.Status, Action: provision.Action(f.Action), CycleID: f.Cycle, Since: f.Since, Until: f.Until}
	names := appNames{}
	if f.Application != "" {
		app, err := d.store.Application(ctx, f.Application)
		if err != nil {
			return q, names, err
		}
		q.AppID, names[app.ID] = app.ID, app.Name
	}
	kind, name := directory.KindUser, f.User
	if f.Group != "" {
		kind, name = directory.KindGroup, f.Group
	}
	if name == "" {
		return q, names, nil
	}
	q.Object, err = d.logged(ctx, kind, name)
	return q, names, err
}

// logged finds the id of whoever the log speaks of: also of somebody who has been deleted from the
// directory, by name, and of somebody whose row is gone for good, by id.
func (d *Desk) logged(ctx context.Context, kind directory.Kind, name string) (string, error) {
	id, err := d.object(ctx, kind, name)
	if Explain(err) == nil || Explain(err).Code != string(store.ErrNotFound) {
		return id, err
	}
	page, err2 := d.store.Log(ctx, store.LogQuery{Object: name, Limit: 1})
	if err2 == nil && len(page) > 0 {
		return name, nil
	}
	if kind == directory.KindGroup {
		gone, _, gerr := d.store.Groups(ctx, store.GroupQuery{Search: name, Deleted: true})
		for _, g := range gone {
			if directory.Key(g.DisplayName) == directory.Key(name) {
				return g.ID, nil
			}
		}
		return "", cmp.Or(gerr, err)
	}
	gone, _, uerr := d.store.Users(ctx, store.UserQuery{Search: name, Deleted: true})
	for _, u := range gone {
		if directory.Key(u.UserName) == directory.Key(name) {
			return u.ID, nil
		}
	}
	return "", cmp.Or(uerr, err)
}
