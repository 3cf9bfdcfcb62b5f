package cycle

import (
	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// candidate is an object on its way through a decision.
type candidate struct {
	provision.Object
	rank  int
	facts mapping.Facts
	link  *store.Link
	open  []store.OpenOperation
	// escrowed says that an earlier operation of the object failed.
	escrowed bool
	failure  *provision.Problem // why nothing can be decided
	because  provision.Cause    // of the failure
	adopts   *store.Link        // the link as it is stored with the plan: of an account that matching found, or as the target has just shown it
	missing  string             // directory id of a manager who has no account
	waits    bool               // for that manager
	orphan   bool               // out of scope and without a link, but a create may have been carried out
	only     []string           // of a group: the members that were looked at, nil for all
}

// none reports whether an object is none of the application's business.
func (c *candidate) none() bool {
	return c.link == nil && !c.Verdict.In && len(c.open) == 0 && !c.escrowed && c.Rejected == nil
}

// prepare gathers what is known of a user into a candidate for a decision.
func (r *run) prepare(o *store.UserObject) (*candidate, error) {
	u := o.User
	if u == nil {
		u = &directory.User{ID: o.ID, Deleted: r.now}
		if o.Link != nil {
			u.UserName = o.Link.Name
		}
	}
	c := &candidate{link: o.Link, open: o.Open, escrowed: o.Escrow != nil}
	c.Kind, c.Now, c.Rejected, c.Asked = directory.KindUser, r.now, o.Rejected, r.demanded(directory.KindUser, o.ID)
	c.ByName = c.Asked
	c.Subject = provision.Subject{ID: o.ID, Name: u.UserName}
	if o.Manager == "" && u.ManagerID != "" {
		// Whoever has been deleted is nobody's manager any more.
		without := *u
		without.ManagerID, u = "", &without
	}
	if !o.ManagerLinked {
		c.missing = u.ManagerID
	}
	c.facts = mapping.Facts{User: u, Groups: o.Groups, Manager: o.Manager, App: r.app.Name, Now: r.now, Rand: r.engine.RandN}
	verdict, err := provision.ScopeUser(&r.app.Application, r.app.filters, c.facts, o.Via)
	c.Verdict = verdict
	if err != nil {
		// Neither in nor out can be concluded: an account that is there stays as it is.
		c.fail(provision.Unmappable, &provision.Problem{Code: "filter_failed", Reason: err.Error(), Recommendation: "Correct the filter or this person's attributes, then provision again."})
		c.Verdict.In = true
	}
	c.take(o.Link)
	r.want(c)
	return c, nil
}

func (c *candidate) take(l *store.Link) {
	if l == nil {
		return
	}
	link := l.Link
	c.Link, c.Asked = &link, c.Asked || l.Rematch
}

// want fills in the mapped attributes of an object in scope.
func (r *run) want(c *candidate) {
	for _, o := range c.open {
		// A create whose account was looked up and then changed, without an answer again, is one still: no link says so yet.
		if o.State == store.Unknown && (o.Action == provision.Create || c.Link == nil && o.Origin == provision.Created) {
			c.Sent = append(c.Sent, o.Want)
			// Whoever left before the answer to the create came may have an account all the same.
			c.orphan = c.Link == nil && !c.Verdict.In
		}
	}
	if !c.Verdict.In || c.failure != nil {
		return
	}
	r.wants(c, c.Link == nil)
}

func (r *run) wants(c *candidate, creating bool) {
	want, err := r.mapped(c.Kind, c.Subject.ID, c.facts, creating)
	if err != nil {
		c.fail(provision.Unmappable, &provision.Problem{Code: "mapping_failed", Reason: err.Error(), Recommendation: "Correct the mapping or this person's attributes; the object is tried again when either changes."})
		return
	}
	c.Want = want
}

func (c *candidate) fail(because provision.Cause, p *provision.Problem) {
	c.because, c.failure = because, p
}

func (r *run) mapped(kind directory.Kind, id string, facts mapping.Facts, creating bool) (attr.Set, error) {
	want, err := r.app.program(kind).Apply(facts, creating)
	if err != nil {
		return nil, err
	}
	return r.shape(kind, id, want), nil
}

// withoutMissing leaves references to somebody without an account out of what is wanted; the object waits
// for them. Managers are decided about before their reports, so whoever is about to get an account
// in this pass counts as having one.
func (r *run) withoutMissing(c *candidate) {
	if c.missing == "" || r.coming[c.missing] {
		return
	}
	for _, path := range r.app.program(c.Kind).References() {
		if c.Want[path] == c.missing {
			c.Want[path] = nil
			c.waits = true
		}
	}
}
