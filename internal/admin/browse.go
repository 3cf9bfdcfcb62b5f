package admin

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// UserPage returns a page of users and where the next one begins, "" after the last.
func (d *Desk) UserPage(ctx context.Context, q store.UserQuery) ([]directory.User, string, error) {
	return d.store.Users(ctx, q)
}

// GroupPage returns a page of groups and where the next one begins.
func (d *Desk) GroupPage(ctx context.Context, q store.GroupQuery) ([]directory.Group, string, error) {
	return d.store.Groups(ctx, q)
}

// MemberPage returns a page of the direct members of a group.
func (d *Desk) MemberPage(ctx context.Context, q store.MemberQuery) ([]directory.Member, string, error) {
	return d.store.Members(ctx, q)
}

// Person is a user with what surrounds them in the directory.
type Person struct {
	directory.User
	Manager string             // userName, "" for none
	Groups  []directory.Member // nested ones included
}

// Person returns a user, by userName, e-mail address or id.
func (d *Desk) Person(ctx context.Context, name string) (Person, error) {
	u, err := d.store.UserByName(ctx, name)
	if err != nil {
		return Person{}, err
	}
	p := Person{User: u}
	if u.ManagerID != "" {
		if m, err := d.store.User(ctx, u.ManagerID); err == nil && m.Deleted.IsZero() {
			p.Manager = m.UserName
		}
	}
	p.Groups, err = d.store.GroupsOf(ctx, u.ID, true)
	return p, err
}

// DirectGroups returns the groups that a user was put into, without those that these belong to.
func (d *Desk) DirectGroups(ctx context.Context, userID string) ([]directory.Member, error) {
	return d.store.GroupsOf(ctx, userID, false)
}

// GroupByName returns a group, by display name or id.
func (d *Desk) GroupByName(ctx context.Context, name string) (directory.Group, error) {
	return d.store.GroupByName(ctx, name)
}

// LinkedAccount is the account of an object in one application.
type LinkedAccount struct {
	Application string
	Link        *store.Link
	Escrow      *store.Escrow // nil when nothing failed
}

// AccountsOf returns the accounts of a user or a group in all applications.
func (d *Desk) AccountsOf(ctx context.Context, objectID string) ([]LinkedAccount, error) {
	links, err := d.store.LinksOf(ctx, objectID)
	if err != nil {
		return nil, err
	}
	names := appNames{}
	out := make([]LinkedAccount, len(links))
	for i, l := range links {
		failed, err := d.store.EscrowsOf(ctx, l.AppID, []string{objectID})
		if err != nil {
			return nil, err
		}
		out[i] = LinkedAccount{Application: names.of(ctx, d, l.AppID), Link: l, Escrow: failed[objectID]}
	}
	return out, nil
}

// AccountPage returns a page of the accounts that an application keeps.
func (d *Desk) AccountPage(ctx context.Context, name string, q store.AccountQuery) ([]store.AccountRow, string, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return nil, "", err
	}
	return d.store.Accounts(ctx, app.ID, q)
}

// FailurePage returns a page of what fails in an application, with or without an account, and where the next one begins.
func (d *Desk) FailurePage(ctx context.Context, name string, q store.FailureQuery) ([]store.Failure, string, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return nil, "", err
	}
	return d.store.Failures(ctx, app.ID, q)
}

// Record returns one record of the provisioning log.
func (d *Desk) Record(ctx context.Context, id string) (Record, error) {
	o, err := d.store.OperationByID(ctx, id)
	if err != nil {
		return Record{}, err
	}
	return recordOf(o, appNames{}.of(ctx, d, o.AppID)), nil
}

// AuditPage returns records of the audit log, the newest first.
func (d *Desk) AuditPage(ctx context.Context, q store.AuditQuery) ([]store.Entry, error) {
	return d.store.AuditLog(ctx, q)
}

// AuditLog yields all records of the audit log that a query picks, the newest first.
func (d *Desk) AuditLog(ctx context.Context, q store.AuditQuery) iter.Seq2[store.Entry, error] {
	q.Limit = pageSize
	return pages(func(after string) ([]store.Entry, string, error) {
		q.After = after
		list, err := d.store.AuditLog(ctx, q)
		if len(list) < q.Limit {
			return list, "", err
		}
		return list, list[len(list)-1].ID, err
	})
}

// Cycles returns cycles of an application, the newest first, from after an id on.
func (d *Desk) Cycles(ctx context.Context, name, after string, limit int) ([]*store.Cycle, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return nil, err
	}
	return d.store.Cycles(ctx, app.ID, after, limit)
}

// Cycle returns a cycle of an application, or a plan.
func (d *Desk) Cycle(ctx context.Context, name, id string) (*store.Cycle, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return nil, err
	}
	return d.cycleOf(ctx, app.ID, app.Name, id)
}

// cycleOf finds a cycle, and refuses one that there is not; without an application it may be any one's.
func (d *Desk) cycleOf(ctx context.Context, appID, app, id string) (*store.Cycle, error) {
	c, err := d.store.CycleByID(ctx, appID, id)
	if !errors.Is(err, store.ErrNotFound) {
		return c, err
	}
	whose, where := "there is", ""
	if app != "" {
		whose, where = app+" has", " --app "+app
	}
	return nil, usage(string(store.ErrNotFound), "`muster logs"+where+" -o json` shows the cycle_id of what was done", "%s no cycle %s", whose, id)
}

// Advance is how far a cycle has come, by action: how many of how many operations are over.
type Advance struct {
	Done, Planned map[provision.Action]int
}

// Advance counts the operations of a cycle; it is what live progress shows, wherever the cycle runs. The
// maps are shared by all who ask at one time.
func (d *Desk) Advance(ctx context.Context, cycleID string) (Advance, error) {
	return d.advances.Of(ctx, cycleID, d.store.Notable(), func(ctx context.Context) (Advance, error) { return d.advance(ctx, cycleID) })
}

func (d *Desk) advance(ctx context.Context, cycleID string) (Advance, error) {
	a := Advance{Done: map[provision.Action]int{}, Planned: map[provision.Action]int{}}
	counts, err := d.store.Counts(ctx, cycleID)
	for state, actions := range counts {
		for action, n := range actions {
			switch state {
			case store.Planned, store.Applying:
				a.Planned[action] += n
			case store.Applied, store.Skipped, store.Failed, store.Unknown:
				a.Planned[action] += n
				a.Done[action] += n
			}
		}
	}
	return a, err
}

// progress is how far that is in all, after so much time.
func (a Advance) progress(passed time.Duration) *CycleProgress {
	p := &CycleProgress{}
	for action, n := range a.Planned {
		p.Done, p.Planned = p.Done+a.Done[action], p.Planned+n
	}
	if p.Done > 0 && passed > 0 {
		p.PerSecond = float64(p.Done) / passed.Seconds()
		p.LeftMS = int64(float64(p.Planned-p.Done) / p.PerSecond * 1000)
	}
	return p
}

// Activity counts what ended since a moment, in pieces of time; name "" is all applications.
func (d *Desk) Activity(ctx context.Context, name string, from, until time.Time, piece time.Duration) ([]store.Activity, error) {
	id := ""
	if name != "" {
		app, err := d.store.Application(ctx, name)
		if err != nil {
			return nil, err
		}
		id = app.ID
	}
	return d.store.Activity(ctx, id, from, until, piece)
}
