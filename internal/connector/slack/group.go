package slack

import (
	"context"
	"net/http"
	"slices"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
)

// groupName returns the display name that a group is to have.
func (c *Connector) groupName(want attr.Set) string {
	for _, path := range c.groups {
		if name := text(want[path]); name != "" {
			return name
		}
	}
	return ""
}

// createGroup creates a group with its first batch of members in one request. When Slack finds fault with
// a member, the group is created without any, and they are added apart.
func (c *Connector) createGroup(ctx context.Context, ch connector.Change, out *connector.Outcome) *connector.Error {
	add := named(ch.Add)
	first := add[:min(len(add), c.quirks.MemberBatch)]
	post := func(members []string) (*connector.Answer, *connector.Error) {
		body := c.dialect.createGroup(c.groupName(ch.Want), members)
		return c.send(ctx, out, connector.Request{Method: http.MethodPost, Path: "Groups", Body: marshal(body), Urgency: ch.Urgency, List: true})
	}
	ans, failed := post(first)
	if failed != nil && len(first) > 0 && isBlame(failed) {
		first = nil
		ans, failed = post(nil)
	}
	if failed != nil {
		return failed
	}
	if out.Account = c.account(ch.Kind, ans.Body); out.Account == nil {
		return noAnswer(ans, "group")
	}
	out.Added = append(out.Added, first...)
	ch.ID = out.Account.ID
	if rest := add[len(first):]; len(rest) > 0 {
		out.Account.Members, out.Account.MembersKnown = nil, false // no longer all
		return c.changeMembers(ctx, ch, rest, nil, out)
	}
	return nil
}

// updateGroup takes members out first, then adds, then renames.
func (c *Connector) updateGroup(ctx context.Context, ch connector.Change, out *connector.Outcome) *connector.Error {
	if failed := c.changeMembers(ctx, ch, named(ch.Add), named(ch.Remove), out); failed != nil {
		return failed
	}
	for _, e := range ch.Edits {
		name := text(e.New)
		if !slices.Contains(c.groups, e.Path) || name == "" {
			continue
		}
		body := c.dialect.rename(c.dialect, name)
		if failed := c.patchGroup(ctx, ch, body, out); failed != nil {
			return failed
		}
	}
	return nil
}

func (c *Connector) deleteGroup(ctx context.Context, ch connector.Change, out *connector.Outcome) *connector.Error {
	ans, failed := c.send(ctx, out, connector.Request{Method: http.MethodDelete, Path: address(ch.Kind, ch.ID), Urgency: ch.Urgency})
	out.Gone = failed == nil && ans.Status == http.StatusNoContent
	return failed
}

// changeMembers removes and adds in as few requests as Slack's advice on their size allows; removals
// go first.
func (c *Connector) changeMembers(ctx context.Context, ch connector.Change, add, remove []string, out *connector.Outcome) *connector.Error {
	for len(add)+len(remove) > 0 {
		r := min(len(remove), c.quirks.MemberBatch)
		a := min(len(add), c.quirks.MemberBatch-r)
		if failed := c.changeBatch(ctx, ch, add[:a], remove[:r], out); failed != nil {
			return failed
		}
		add, remove = add[a:], remove[r:]
	}
	return nil
}

// changeBatch sends one batch. A batch that Slack refuses for a member is halved until that member is
// found: it is refused, the others go in.
func (c *Connector) changeBatch(ctx context.Context, ch connector.Change, add, remove []string, out *connector.Outcome) *connector.Error {
	failed := c.patchGroup(ctx, ch, c.dialect.members(c.dialect, add, remove), out)
	switch {
	case failed == nil:
		out.Added, out.Removed = append(out.Added, add...), append(out.Removed, remove...)
		return nil
	case !isBlame(failed):
		return failed
	case len(add)+len(remove) == 1:
		if len(add) == 1 {
			out.Refused = append(out.Refused, connector.Refusal{ID: add[0], Err: failed})
		} else if unknownMember[failed.Code] {
			out.Removed = append(out.Removed, remove...) // who is not there needs no removal
		} else {
			out.Refused = append(out.Refused, connector.Refusal{ID: remove[0], Err: failed})
		}
		return nil
	}
	halves := [][2][]string{{nil, remove}, {add, nil}}
	if len(add) == 0 {
		m := len(remove) / 2
		halves = [][2][]string{{nil, remove[:m]}, {nil, remove[m:]}}
	} else if len(remove) == 0 {
		m := len(add) / 2
		halves = [][2][]string{{add[:m], nil}, {add[m:], nil}}
	}
	for _, half := range halves {
		if failed := c.changeBatch(ctx, ch, half[0], half[1], out); failed != nil {
			return failed
		}
	}
	return nil
}

// patchGroup sends a PATCH. The answer may be empty (version 1 always, version 2 sometimes) and may show
// the group as it was for some seconds.
func (c *Connector) patchGroup(ctx context.Context, ch connector.Change, body any, out *connector.Outcome) *connector.Error {
	ans, failed := c.send(ctx, out, connector.Request{
		Method: http.MethodPatch, Path: address(ch.Kind, ch.ID), Body: marshal(body), Urgency: ch.Urgency, List: true,
	})
	if failed != nil {
		return failed
	}
	if a := c.answered(ch, ans); a != nil || ch.Action != connector.Create {
		out.Account = a
	}
	return nil
}

// unknownMember are the codes that say that a member does not exist.
var unknownMember = map[string]bool{"no_such_group_members": true, "no_such_user": true, "unknown_user": true, "cannot_decode_user_id": true}

func isBlame(e *connector.Error) bool { return codes[e.Code].does == blame && e.Kind != unavailable }

// named leaves out empty ids: a member without a value would be no member, and a removal without one
// empties the group.
func named(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" })
}
