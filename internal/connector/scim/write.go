package scim

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
)

// Write implements [connector.Connector].
func (c *Connector) Write(ctx context.Context, change connector.Change) (connector.Outcome, error) {
	w := &writing{c: c, change: change}
	var failed *connector.Error
	switch change.Action {
	case connector.Create:
		failed = w.create(ctx)
	case connector.Update, connector.Enable:
		failed = w.update(ctx)
	case connector.Disable:
		failed = w.disable(ctx)
	case connector.Delete:
		failed = w.delete(ctx)
	default:
		failed = &connector.Error{Kind: connector.Rejected, Code: connector.CodeUnreadable, Reason: "there is no action " + string(change.Action)}
	}
	if failed != nil {
		return w.out, failed // never a nil *Error in an error
	}
	return w.out, nil
}

// writing is one Write under way.
type writing struct {
	c      *Connector
	change connector.Change
	out    connector.Outcome
	group  *connector.Account // as it was read when it was seen to exist, see members.go
}

// send sends one request of the change.
func (w *writing) send(ctx context.Context, method, path string, body any) (*connector.Answer, *connector.Error) {
	r := connector.Request{Method: method, Path: path, Urgency: w.change.Urgency, ContentType: w.c.quirks.ContentType}
	// A group's answer shows its members, and it may have many.
	r.List = w.change.Kind == directory.KindGroup
	if body != nil {
		b, err := encode(body)
		if err != nil {
			return nil, &connector.Error{Kind: connector.Rejected, Code: connector.CodeUnreadable, Reason: "the request cannot be written: " + err.Error(), Err: err}
		}
		r.Body = b
	}
	ans, err := w.c.client.Do(ctx, r)
	w.out.Requests += ans.Requests
	w.out.Exchange = ans.Exchange
	return ans, failure(err)
}

// took keeps the account as an answer shows it. An answer that shows another account, or none,
// shows nothing.
func (w *writing) took(ans *connector.Answer) {
	if a := w.c.account(w.change.Kind, ans.Body); a != nil && a.ID == w.change.ID {
		w.out.Account = a
	}
}

func (w *writing) create(ctx context.Context) *connector.Error {
	c := w.c
	doc := c.resource(w.change.Kind, w.change.Want)
	var first, rest []string
	if w.change.Kind == directory.KindGroup {
		rest = w.change.Add
		if c.quirks.CreateMembers {
			n := min(len(rest), c.quirks.MemberBatch)
			first, rest = rest[:n], rest[n:]
		}
	}
	if len(first) > 0 {
		doc["members"] = memberValues(first)
	}
	ans, failed := w.send(ctx, http.MethodPost, c.collection(w.change.Kind), doc)
	if failed != nil && len(first) > 0 && refusedMembers(failed) {
		// One bad member must not keep the group away: it comes first, they follow.
		delete(doc, "members")
		first, rest = nil, w.change.Add
		ans, failed = w.send(ctx, http.MethodPost, c.collection(w.change.Kind), doc)
	}
	if failed != nil {
		if failed.Kind == connector.NotFound {
			failed.Kind, failed.Code = connector.Unavailable, connector.CodeEndpoint
			failed.Advice = "Check the endpoint of the connection."
		}
		return failed
	}
	if failed := w.created(ctx, ans); failed != nil {
		return failed
	}
	w.change.ID = w.out.Account.ID
	w.out.Added = first
	return w.apply(ctx, nil, memberChanges(rest, nil))
}

// created finds the new account in the answer to a create, or through its Location (RFC 7644 §3.3).
func (w *writing) created(ctx context.Context, ans *connector.Answer) *connector.Error {
	c := w.c
	if w.out.Account = c.account(w.change.Kind, ans.Body); w.out.Account != nil {
		return nil
	}
	if id := c.located(w.change.Kind, ans); id != "" {
		a, read, err := c.one(ctx, connector.Query{Kind: w.change.Kind, ID: id, Urgency: w.change.Urgency})
		w.out.Requests += read.Requests
		if err == nil && a != nil {
			w.out.Account = a
			return nil
		}
	}
	return &connector.Error{
		Kind: connector.Unavailable, Code: connector.CodeNoID, Status: ans.Status, Unknown: true, Exchange: ans.Exchange,
		Reason: c.client.Host() + " says that the account was created, but not which one it is",
		Advice: "Muster looks for it before it tries again.",
	}
}

// located reads the id of a new account from the answer's Location, "" when that is not below our
// own endpoint.
func (c *Connector) located(kind directory.Kind, ans *connector.Answer) string {
	if ans.Status != http.StatusCreated {
		return ""
	}
	at, err := url.Parse(ans.Header.Get("Location"))
	if err != nil || at.Host != "" && !strings.EqualFold(at.Host, c.client.Host()) {
		return ""
	}
	collection := "/" + strings.TrimSuffix(c.collection(kind), "/") + "/"
	i := strings.LastIndex(at.EscapedPath(), collection)
	if i < 0 {
		return ""
	}
	id, err := url.PathUnescape(strings.TrimSuffix(at.EscapedPath()[i+len(collection):], "/"))
	if err != nil || strings.Contains(id, "/") {
		return ""
	}
	return id
}

func (w *writing) update(ctx context.Context) *connector.Error {
	edits, fixed := w.changeable()
	failed := w.apply(ctx, edits, memberChanges(w.change.Add, w.change.Remove))
	if failed != nil {
		return failed
	}
	return fixed
}

// apply makes edits of the account, and changes of a group's members.
func (w *writing) apply(ctx context.Context, edits []attr.Edit, members []memberChange) *connector.Error {
	if w.c.quirks.Update == "put" {
		switch {
		case len(members) > 0:
			return w.batch(ctx, part{edits: edits}, members)
		case len(edits) > 0 || w.change.Action == connector.Enable:
			return w.put(ctx, edits, nil, nil)
		}
		return nil
	}
	ops := w.c.operations(edits, w.change.Want)
	if w.change.Action == connector.Enable {
		ops = append([]operation{{Op: "replace", Path: "active", Value: true}}, ops...)
	}
	if len(members) > 0 {
		return w.applyMembers(ctx, ops, members)
	}
	failed := w.patch(ctx, ops)
	if failed != nil && failed.Code == connector.CodeNoTarget {
		return w.patchFromRead(ctx, failed)
	}
	return failed
}

// changeable splits off the edits that the target lets nobody make; the others are made all the same.
func (w *writing) changeable() ([]attr.Edit, *connector.Error) {
	var edits []attr.Edit
	var fixed *connector.Error
	for _, e := range w.change.Edits {
		if w.c.immutable[e.Path] {
			fixed = &connector.Error{
				Kind: connector.Rejected, Code: connector.CodeMutability,
				Reason: w.c.client.Host() + " lets nobody change " + e.Path,
				Advice: "Map " + e.Path + " with when: create, or change it at the target.",
			}
			continue
		}
		edits = append(edits, e)
	}
	return edits, fixed
}

// patch sends operations, nothing for none.
func (w *writing) patch(ctx context.Context, ops []operation) *connector.Error {
	if len(ops) == 0 {
		return nil
	}
	ans, failed := w.send(ctx, http.MethodPatch, w.c.member(w.change.Kind, w.change.ID), patchBody(ops))
	if failed != nil {
		return failed
	}
	w.took(ans)
	return nil
}

// patchFromRead makes the change again from what the account has now: someone has changed it there,
// and an operation named an entry that is gone.
func (w *writing) patchFromRead(ctx context.Context, before *connector.Error) *connector.Error {
	a, read, err := w.c.one(ctx, connector.Query{Kind: w.change.Kind, ID: w.change.ID, Urgency: w.change.Urgency})
	w.out.Requests += read.Requests
	if err != nil {
		return failure(err)
	}
	if a == nil {
		return before
	}
	edits, _ := w.changeable()
	for i := range edits {
		edits[i].Old = a.Values[edits[i].Path]
	}
	// Only what the account has may count as there, see entry.
	have := attr.Set{}
	for path, v := range w.change.Want {
		if shown, ok := a.Values[path]; !ok || !attr.Empty(shown) {
			have[path] = v
		}
	}
	ops := w.c.operations(edits, have)
	ops = w.c.dropVoid(ops, edits)
	if w.change.Action == connector.Enable {
		ops = append([]operation{{Op: "replace", Path: "active", Value: true}}, ops...)
	}
	if len(ops) == 0 {
		w.out.Account = a
		return nil
	}
	return w.patch(ctx, ops)
}

// dropVoid leaves out removals of what is not there.
func (c *Connector) dropVoid(ops []operation, edits []attr.Edit) []operation {
	void := map[string]bool{}
	for _, e := range edits {
		if p, err := c.path(e.Path); err == nil && attr.Empty(e.Old) && attr.Empty(e.New) {
			void[p.String()], void[entryOf(p)] = true, true
		}
	}
	var kept []operation
	for _, op := range ops {
		if op.Op != "remove" || !void[op.Path] {
			kept = append(kept, op)
		}
	}
	return kept
}

func (w *writing) disable(ctx context.Context) *connector.Error {
	c := w.c
	path := c.member(w.change.Kind, w.change.ID)
	limiter, by := c.client.Limiter(), c.quirks.Disable
	if by == "either" {
		by = "active"
		if limiter.Wait(http.MethodDelete, path, w.change.Urgency) < limiter.Wait(http.MethodPatch, path, w.change.Urgency) {
			by = "delete"
		}
	}
	if by == "delete" {
		return w.delete(ctx)
	}
	var failed *connector.Error
	if c.quirks.Update == "put" {
		inactive := false
		failed = w.put(ctx, nil, &inactive, nil)
	} else {
		failed = w.patch(ctx, []operation{{Op: "replace", Path: "active", Value: false}})
	}
	if failed != nil && failed.Kind == connector.Rejected {
		// Some refuse every change of a disabled account, this one too.
		a, read, err := c.one(ctx, connector.Query{Kind: w.change.Kind, ID: w.change.ID, Urgency: w.change.Urgency})
		w.out.Requests += read.Requests
		if err == nil && a != nil && !a.Active {
			w.out.Account = a
			return nil
		}
	}
	return failed
}

func (w *writing) delete(ctx context.Context) *connector.Error {
	ans, failed := w.send(ctx, http.MethodDelete, w.c.member(w.change.Kind, w.change.ID), nil)
	w.out.Gone = failed == nil && ans.Status == http.StatusNoContent
	return failed
}

// put carries out a change by replacing the resource (RFC 7644 §3.5.1): all that the target shows,
// with what is to change changed. Active is never left out: a target may take that for false.
func (w *writing) put(ctx context.Context, edits []attr.Edit, active *bool, members []memberChange) *connector.Error {
	c := w.c
	path := c.member(w.change.Kind, w.change.ID)
	a, ans, err := c.one(ctx, connector.Query{Kind: w.change.Kind, ID: w.change.ID, Members: true, Urgency: w.change.Urgency})
	w.out.Requests += ans.Requests
	w.out.Exchange = ans.Exchange
	if err != nil {
		return failure(err)
	}
	if a == nil {
		return &connector.Error{Kind: connector.NotFound, Status: ans.Status, Code: connector.CodeHTTP, Reason: c.client.Host() + " knows no such account", Exchange: ans.Exchange}
	}
	doc, _ := ans.Body.(map[string]any)
	delete(doc, "meta")
	delete(doc, "groups") // read-only (RFC 7643 §4.1.2)
	for _, e := range edits {
		if p, err := c.path(e.Path); err == nil {
			p.Put(doc, clone(e.New))
		}
	}
	if w.change.Kind == directory.KindGroup {
		if !a.MembersKnown {
			return &connector.Error{
				Kind: connector.Forbidden, Code: "members_hidden", Reason: c.client.Host() + " does not show this group's members, and would lose them when the group is replaced",
				Advice: "Set the option update of the connection to patch; or, if the target leaves out an empty list of members, members to always.",
			}
		}
		if len(members) > 0 {
			doc["members"] = memberValues(merge(a.Members, members))
		}
	} else {
		doc["active"] = a.Active || w.change.Action == connector.Enable
		if active != nil {
			doc["active"] = *active
		}
	}
	ans, failed := w.send(ctx, http.MethodPut, path, doc)
	if failed != nil {
		return failed
	}
	w.took(ans)
	return nil
}
