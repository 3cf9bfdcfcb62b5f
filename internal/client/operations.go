package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/store"
)

// Log is [admin.Desk.Log].
func (c *Client) Log(ctx context.Context, f admin.LogFilter) iter.Seq2[admin.Record, error] {
	if f.Last == 0 {
		return c.records(ctx, f, "oldest")
	}
	return func(yield func(admin.Record, error) bool) {
		var newest []admin.Record
		for r, err := range c.records(ctx, f, "newest") {
			if err != nil {
				yield(r, err)
				return
			}
			if newest = append(newest, r); len(newest) == f.Last {
				break
			}
		}
		for _, r := range slices.Backward(newest) {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (c *Client) records(ctx context.Context, f admin.LogFilter, order string) iter.Seq2[admin.Record, error] {
	r := request{method: http.MethodGet, path: []string{"logs"}, query: filter(f)}
	r.query.Set("order", order)
	if f.Last > 0 {
		r.query.Set("limit", fmt.Sprint(min(f.Last, 500)))
	}
	return pages(ctx, c, r, func(p api.Logs) ([]admin.Record, string) {
		for i := range p.Records {
			p.Records[i].Changes = members(p.Records[i].Changes)
		}
		return p.Records, p.Next
	})
}

func filter(f admin.LogFilter) url.Values {
	return query("app", f.Application, "user", f.User, "group", f.Group, "status", f.Status, "action", f.Action, "cycle", f.Cycle, "since", moment(f.Since), "until", moment(f.Until))
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Follow is [admin.Desk.Follow]. The server tells of records as they come: poll is not asked.
func (c *Client) Follow(ctx context.Context, f admin.LogFilter, _ func() bool) iter.Seq2[admin.Record, error] {
	return func(yield func(admin.Record, error) bool) {
		r := request{method: http.MethodGet, path: []string{"logs", "follow"}, query: filter(f), accept: "text/event-stream"}
		if f.Last > 0 {
			r.query.Set("last", fmt.Sprint(f.Last))
		}
		res, err := c.send(ctx, r)
		if err != nil {
			if ctx.Err() == nil {
				yield(admin.Record{}, err)
			}
			return
		}
		defer res.Body.Close()
		for e, err := range events(res.Body) {
			if ctx.Err() != nil {
				return
			}
			var record admin.Record
			switch {
			case err != nil:
				yield(record, c.brokenOff(err))
				return
			case e.name == api.ErrorEvent:
				var p api.Problem
				if err := json.Unmarshal(e.data, &p); err != nil {
					yield(record, c.brokenOff(err))
					return
				}
				yield(record, problemOf(p))
				return
			case e.name != api.RecordEvent:
				continue
			}
			if err := json.Unmarshal(e.data, &record); err != nil {
				yield(record, c.brokenOff(err))
				return
			}
			record.Changes = members(record.Changes)
			if !yield(record, nil) {
				return
			}
		}
		if ctx.Err() == nil {
			yield(admin.Record{}, c.brokenOff(io.ErrUnexpectedEOF))
		}
	}
}

// AuditPage is [admin.Desk.AuditPage].
func (c *Client) AuditPage(ctx context.Context, q store.AuditQuery) ([]store.Entry, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	r := request{method: http.MethodGet, path: []string{"audit"}, query: query("object", q.Object, "actor", q.Actor, "action", q.Action, "type", q.Type, "since", moment(q.Since), "until", moment(q.Until), "cursor", q.After)}
	r.query.Set("limit", fmt.Sprint(min(limit, 500)))
	list := []store.Entry{}
	for e, err := range pages(ctx, c, r, func(p api.Audit) ([]store.Entry, string) { return p.Entries, p.Next }) {
		if err != nil {
			return nil, err
		}
		if list = append(list, e); len(list) == limit {
			break
		}
	}
	return list, nil
}

// Retention is [admin.Desk.Retention].
func (c *Client) Retention(ctx context.Context) (store.Retention, error) {
	return ask[store.Retention](ctx, c, request{method: http.MethodGet, path: []string{"retention"}})
}

// SetRetention is [admin.Desk.SetRetention].
func (c *Client) SetRetention(ctx context.Context, r store.Retention) error {
	_, err := ask[store.Retention](ctx, c, request{method: http.MethodPut, path: []string{"retention"}, body: r})
	return err
}

// Backup is [admin.Desk.Backup].
func (c *Client) Backup(ctx context.Context, w io.Writer) ([]string, error) {
	res, err := c.send(ctx, request{method: http.MethodGet, path: []string{"backup"}})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, c.brokenOff(err)
	}
	return strings.Fields(res.Header.Get(api.KeysHeader)), nil
}

// Doctor is [admin.Desk.Doctor]. A server that cannot be asked is a finding of its own.
func (c *Client) Doctor(ctx context.Context) admin.Checkup {
	found, err := ask[admin.Checkup](ctx, c, request{method: http.MethodGet, path: []string{"doctor"}})
	if p := admin.Explain(err); p != nil {
		return admin.Checkup{Checks: []admin.Finding{{Check: "server", Status: "failure", Detail: p.Message, Next: p.Next}}}
	}
	return found
}

// CreateToken is [admin.Desk.CreateToken].
func (c *Client) CreateToken(ctx context.Context, t admin.TokenRequest) (admin.IssuedToken, error) {
	return ask[admin.IssuedToken](ctx, c, request{method: http.MethodPost, path: []string{"tokens"}, body: t})
}

// Tokens is [admin.Desk.Tokens].
func (c *Client) Tokens(ctx context.Context) ([]store.Token, error) {
	list, err := ask[api.Tokens](ctx, c, request{method: http.MethodGet, path: []string{"tokens"}})
	return list.Tokens, err
}

// RevokeToken is [admin.Desk.RevokeToken].
func (c *Client) RevokeToken(ctx context.Context, name string) (store.Token, error) {
	return ask[store.Token](ctx, c, request{method: http.MethodDelete, path: []string{"tokens", name}})
}
