package client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

// pageSize is how much of a list is asked for at once.
const pageSize = "500"

// pages yields the rows of a list that comes in pages.
func pages[P, T any](ctx context.Context, c *Client, r request, rows func(P) (list []T, next string)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		r.query = maps.Clone(r.query)
		if r.query == nil {
			r.query = url.Values{}
		}
		if r.query.Get("limit") == "" {
			r.query.Set("limit", pageSize)
		}
		for {
			page, err := ask[P](ctx, c, r)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			list, next := rows(page)
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			r.query.Set("cursor", next)
		}
	}
}

// Users is [admin.Desk.Users].
func (c *Client) Users(ctx context.Context, q store.UserQuery) iter.Seq2[directory.User, error] {
	active, deleted := "", ""
	if q.Inactive != nil {
		active = fmt.Sprint(!*q.Inactive)
	}
	if q.Deleted {
		deleted = "true"
	}
	r := request{method: http.MethodGet, path: []string{"users"}, query: query("search", q.Search, "active", active, "deleted", deleted)}
	return pages(ctx, c, r, func(p api.Users) (list []directory.User, next string) {
		for _, doc := range p.Users {
			u := directory.User{Attributes: doc}
			u.ID, u.UserName, u.ExternalID, u.Source = taken(doc, "id"), taken(doc, "userName"), taken(doc, "externalId"), taken(doc, api.SourceKey)
			u.Active, _ = doc["active"].(bool)
			delete(doc, "active")
			list = append(list, u)
		}
		return list, p.Next
	})
}

// taken takes a text out of a document.
func taken(doc api.Resource, key string) string {
	text, _ := doc[key].(string)
	delete(doc, key)
	return text
}

// Groups is [admin.Desk.Groups].
func (c *Client) Groups(ctx context.Context, search string) iter.Seq2[directory.Group, error] {
	r := request{method: http.MethodGet, path: []string{"groups"}, query: query("search", search)}
	return pages(ctx, c, r, func(p api.Groups) (list []directory.Group, next string) {
		for _, doc := range p.Groups {
			g := directory.Group{Attributes: doc}
			g.ID, g.DisplayName, g.ExternalID, g.Source = taken(doc, "id"), taken(doc, "displayName"), taken(doc, "externalId"), taken(doc, api.SourceKey)
			list = append(list, g)
		}
		return list, p.Next
	})
}

// User is [admin.Desk.User].
func (c *Client) User(ctx context.Context, name string) (map[string]any, error) {
	return ask[api.Resource](ctx, c, request{method: http.MethodGet, path: []string{"users", name}})
}

// Group is [admin.Desk.Group].
func (c *Client) Group(ctx context.Context, name string) (map[string]any, error) {
	return ask[api.Resource](ctx, c, request{method: http.MethodGet, path: []string{"groups", name}})
}

// AddUser is [admin.Desk.AddUser].
func (c *Client) AddUser(ctx context.Context, userName string, attributes []string) (map[string]any, error) {
	values, err := admin.Attributes(attributes)
	if err != nil {
		return nil, err
	}
	return ask[api.Resource](ctx, c, request{method: http.MethodPost, path: []string{"users"}, body: api.NewUser{UserName: userName, Attributes: values}})
}

// SetUser is [admin.Desk.SetUser].
func (c *Client) SetUser(ctx context.Context, name string, attributes []string) (resource map[string]any, changed bool, err error) {
	values, err := admin.Attributes(attributes)
	if err != nil {
		return nil, false, err
	}
	res, err := c.send(ctx, request{method: http.MethodPatch, path: []string{"users", name}, body: api.Edit{Attributes: values}})
	if err != nil {
		return nil, false, err
	}
	defer res.Body.Close()
	resource, err = decoded[api.Resource](ctx, c, res)
	return resource, res.Header.Get(api.ChangedHeader) == "true", err
}

// RemoveUser is [admin.Desk.RemoveUser].
func (c *Client) RemoveUser(ctx context.Context, name, how string, force bool) (admin.Removed, error) {
	return ask[admin.Removed](ctx, c, request{method: http.MethodDelete, path: []string{"users", name}, query: query("how", how, "force", flag(force))})
}

// AddGroup is [admin.Desk.AddGroup].
func (c *Client) AddGroup(ctx context.Context, name string, members []string) (map[string]any, error) {
	return ask[api.Resource](ctx, c, request{method: http.MethodPost, path: []string{"groups"}, body: api.NewGroup{DisplayName: name, Members: members}})
}

// DeleteGroup is [admin.Desk.DeleteGroup].
func (c *Client) DeleteGroup(ctx context.Context, name string) (admin.Removed, error) {
	return ask[admin.Removed](ctx, c, request{method: http.MethodDelete, path: []string{"groups", name}})
}

// EditMembers is [admin.Desk.EditMembers].
func (c *Client) EditMembers(ctx context.Context, group string, add, remove []string) (admin.MemberChange, error) {
	return ask[admin.MemberChange](ctx, c, request{method: http.MethodPatch, path: []string{"groups", group, "members"}, body: api.MemberEdit{Add: add, Remove: remove}})
}

// Import is [admin.Desk.Import]: it sends the files up as they are read, and the server reads them.
func (c *Client) Import(ctx context.Context, files []admin.File, o admin.ImportOptions) (store.ImportResult, error) {
	q := query("source", o.Source, "full", flag(o.Full), "allow_removals", flag(o.AllowRemovals), "dry_run", flag(o.DryRun), "verbose", flag(o.Verbose))
	for _, f := range files {
		if f.Format != "" {
			q.Set("format", f.Format)
		}
	}
	out, in := io.Pipe()
	form := multipart.NewWriter(in)
	go func() {
		err := func() error {
			for _, f := range files {
				part, err := form.CreateFormFile("file", f.Name)
				if err != nil {
					return err
				}
				if _, err := io.Copy(part, f.Data); err != nil {
					return fmt.Errorf("reading %s: %w", f.Name, err)
				}
			}
			return form.Close()
		}()
		_ = in.CloseWithError(err) // the request ends with it
	}()
	defer out.Close()
	return work[store.ImportResult](ctx, c, request{method: http.MethodPost, path: []string{"imports"}, query: q, stream: out, kind: form.FormDataContentType()}, func(p api.ImportProgress) {
		if o.Progress != nil {
			o.Progress(p.Records)
		}
	})
}
