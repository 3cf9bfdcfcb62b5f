package slack

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
)

// profileOf gathers the slots of a set's values.
func (c *Connector) profileOf(set attr.Set) profile {
	p := profile{}
	for _, b := range c.users {
		value, ok := set[b.path]
		if !ok {
			continue
		}
		for s, v := range b.split(value) {
			p[s] = shapeSlot(s, v)
		}
	}
	return p
}

// sent returns the outcome's Sent: the attributes as they went out, nil when they are what was wanted.
func (c *Connector) sent(want attr.Set, userName string) attr.Set {
	shaped := c.Shape(directory.KindUser, "", want)
	for _, b := range c.users {
		if b.slots[0] == slotUserName && userName != "" && shaped[b.path] != nil {
			shaped[b.path] = userName
		}
	}
	if len(shaped) == len(want) && len(attr.Diff(want, shaped)) == 0 {
		return nil
	}
	return shaped
}

func (c *Connector) createUser(ctx context.Context, ch connector.Change, out *connector.Outcome) *connector.Error {
	p := c.profileOf(ch.Want)
	ans, failed := c.withUserName(ctx, p[slotUserName], p[slotEmail], out, func(name string) connector.Request {
		p[slotUserName] = name
		return connector.Request{Method: http.MethodPost, Path: "Users", Body: marshal(c.dialect.create(p)), Urgency: ch.Urgency}
	})
	if failed != nil {
		return failed
	}
	if out.Account = c.account(ch.Kind, ans.Body); out.Account == nil {
		return noAnswer(ans, "person")
	}
	out.Sent = c.sent(ch.Want, p[slotUserName])
	return nil
}

// withUserName sends a request that names a userName; when a person or a channel has that name, or Slack
// reserves it, with the next name at once.
func (c *Connector) withUserName(ctx context.Context, name, email string, out *connector.Outcome, request func(name string) connector.Request) (*connector.Answer, *connector.Error) {
	next := name
	for n := 1; ; n++ {
		ans, failed := c.send(ctx, out, request(next))
		if failed == nil || name == "" || n > renames || codes[failed.Code].does != rename || failed.Unknown {
			return ans, failed
		}
		next = otherName(name, email, n)
	}
}

// namesOf are all the userNames that a person may have been given.
func namesOf(name, email string) []string {
	names := []string{name}
	for n := 1; n <= renames; n++ {
		names = append(names, otherName(name, email, n))
	}
	return names
}

// updateUser sends what differs, and active where it is given, in one PATCH. It sends nothing when
// nothing is left that Slack would take.
func (c *Connector) updateUser(ctx context.Context, ch connector.Change, active *bool, out *connector.Outcome) *connector.Error {
	want := c.profileOf(ch.Want.With(ch.Edits))
	changes := c.changes(ch.Edits)
	name := want[slotUserName]
	renamed := slices.IndexFunc(changes, func(e change) bool { return e.slot == slotUserName })
	present := ch.Name
	if renamed >= 0 {
		present = changes[renamed].old
	}
	if slices.Contains(namesOf(name, want[slotEmail]), strings.ToLower(present)) {
		name = present // this person's name already, see otherName
		if renamed >= 0 {
			changes, renamed = slices.Delete(changes, renamed, renamed+1), -1
		}
	}
	if c.dialect.patch(c.dialect, active, changes, want) == nil {
		out.Sent = c.sent(ch.Want, name)
		return nil
	}
	request := func(name string) connector.Request {
		if renamed >= 0 {
			changes[renamed].new = name
		}
		body := c.dialect.patch(c.dialect, active, changes, want)
		return connector.Request{Method: http.MethodPatch, Path: address(ch.Kind, ch.ID), Body: marshal(body), Urgency: ch.Urgency}
	}
	first := ""
	if renamed >= 0 {
		first = name
	}
	ans, failed := c.withUserName(ctx, first, want[slotEmail], out, request)
	if failed != nil {
		return failed
	}
	if renamed >= 0 {
		name = changes[renamed].new
	}
	out.Account = c.answered(ch, ans)
	out.Sent = c.sent(ch.Want, name)
	return nil
}

// always are the slots that no account of Slack's is without: what cannot be empty there is not emptied.
// Of a timezone that is cleared Slack shows a default of its own, so a directory that knows no timezones
// would otherwise fail with everybody whom it adopts.
var always = map[slot]bool{slotUserName: true, slotEmail: true, slotTimezone: true}

// changes puts edits into slots, in the order in which requests name them. What Slack takes at creation
// only, and the removal of what Slack always keeps, is left out.
func (c *Connector) changes(edits []attr.Edit) []change {
	var out []change
	for _, b := range c.users {
		i := slices.IndexFunc(edits, func(e attr.Edit) bool { return e.Path == b.path })
		if i < 0 {
			continue
		}
		before, after := b.split(edits[i].Old), b.split(edits[i].New)
		for _, s := range b.slots {
			now := shapeSlot(s, after[s])
			kept := now == "" && always[s]
			if before[s] != now && !kept && !createOnly[s] {
				out = append(out, change{s, before[s], now})
			}
		}
	}
	slices.SortFunc(out, func(a, b change) int { return slices.Index(slots, a.slot) - slices.Index(slots, b.slot) })
	return out
}

// answered is the account as an answer shows it, nil when it shows none, or another.
func (c *Connector) answered(ch connector.Change, ans *connector.Answer) *connector.Account {
	a := c.account(ch.Kind, ans.Body)
	if a == nil || a.ID != ch.ID {
		return nil
	}
	return a
}

// disableUser deactivates by PATCH or by DELETE, whichever its limit has room for: Slack counts the two
// apart, does the same for both, and both may be repeated. PATCH comes first because its answer shows
// what came of it. DELETE answers nothing, and reads go on showing the person as active for some seconds.
func (c *Connector) disableUser(ctx context.Context, ch connector.Change, out *connector.Outcome) *connector.Error {
	own, failed := c.tokenUser(ctx, out)
	if failed != nil {
		return failed
	}
	if own == ch.ID {
		return &connector.Error{
			Kind: forbidden, Code: "own_user",
			Reason: "this is the account that Muster's own token belongs to: deactivating it would end the connection",
			Advice: "Have another owner make the token, enter it in the connection, then try again.",
		}
	}
	path := address(ch.Kind, ch.ID)
	active := false
	r := connector.Request{Method: http.MethodPatch, Path: path, Body: marshal(c.dialect.patch(c.dialect, &active, nil, nil)), Urgency: ch.Urgency}
	if c.limiter.Wait(http.MethodDelete, path, ch.Urgency) < c.limiter.Wait(http.MethodPatch, path, ch.Urgency) {
		r.Method, r.Body = http.MethodDelete, nil
	}
	ans, failed := c.send(ctx, out, r)
	if failed != nil {
		return failed
	}
	out.Account = c.answered(ch, ans)
	out.Gone = ch.Action == connector.Delete // which Slack does to nobody
	return nil
}
