package cycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// assumedPage is how many accounts a page of a target's list is reckoned to hold when a walk is
// weighed against single look-ups; most targets give at least that many.
const assumedPage = 100

// walkBatch is how many accounts of a walk are stored at a time, walkBytes how large they may be.
const (
	walkBatch = 500
	walkBytes = 4 << 20
)

// match finds the accounts of the objects in scope that have no link. Few are looked up one by one;
// for many the target is listed once, and the list kept on disk for the rest of the pass. expected
// is how many such objects the pass is likely to meet.
func (r *run) match(ctx context.Context, kind directory.Kind, work []*candidate, expected int) error {
	var need []*candidate
	for _, c := range work {
		if c.orphan || c.Verdict.In && c.failure == nil && (c.Link == nil || c.link.Rematch || c.Vanished(&r.app.Application)) {
			need = append(need, c)
		}
	}
	if len(need) == 0 {
		return nil
	}
	r.matched = need
	// Who has which account must be known as far as it is decided.
	if err := r.stored(); err != nil {
		return err
	}
	order := r.matching(kind)
	if err := r.walkIfWorth(ctx, kind, max(len(need), expected)*max(1, len(order))); err != nil {
		return err
	}
	found := make([]map[string][]provision.Candidate, len(need))
	for i := range need {
		found[i] = map[string][]provision.Candidate{}
	}
	// First by what an earlier create sent that ended without an answer: the object may have another
	// name by now, and its account has not.
	for nth, more := 0, true; more; nth++ {
		more = slices.ContainsFunc(need, func(c *candidate) bool { return len(c.Sent) > nth })
		for _, path := range order {
			if err := r.lookUp(ctx, kind, path, need, nth, found); err != nil {
				return err
			}
		}
	}
	for i, c := range need {
		if c.failure != nil {
			continue
		}
		if err := r.settle(ctx, c, provision.ChooseMatch(order, found[i])); err != nil {
			return err
		}
	}
	return r.recognise(ctx, kind, need)
}

// recognise finds out which references of the accounts that were matched mean what is wanted already: a target shows a
// manager by the account, and the directory knows the person. Managers are matched before their reports.
func (r *run) recognise(ctx context.Context, kind directory.Kind, matched []*candidate) error {
	paths := r.app.program(kind).References()
	if len(paths) == 0 {
		return nil
	}
	each := func(do func(a *provision.Candidate, path, shown, want string)) {
		for _, c := range matched {
			a := c.Match.Account
			if a == nil || c.failure != nil {
				continue
			}
			for _, path := range paths {
				shown, _ := a.Values[path].(string)
				if want, _ := c.Want[path].(string); shown != "" && want != "" {
					do(a, path, shown, want)
				}
			}
		}
	}
	var linked []string // to accounts already, if to any
	each(func(_ *provision.Candidate, _, shown, want string) {
		if r.claims[shown] != want {
			linked = append(linked, want)
		}
	})
	accounts, err := r.engine.Store.AccountsOf(ctx, r.app.ID, linked)
	if err != nil {
		return err
	}
	each(func(a *provision.Candidate, path, shown, want string) {
		if r.claims[shown] == want || accounts[want] == shown {
			if a.Refers == nil {
				a.Refers = attr.Set{}
			}
			a.Refers[path] = want
		}
	})
	return nil
}

// matching returns the matching attributes in order, as paths at the target.
func (r *run) matching(kind directory.Kind) []string {
	var order []string
	for _, p := range r.app.program(kind).Matching() {
		order = append(order, p.String())
	}
	return order
}

// known returns the nth set of values that the object's account may have: those that creates without
// an answer sent, then those that are wanted.
func (c *candidate) known(nth int) attr.Set {
	switch {
	case nth < len(c.Sent):
		return c.Sent[nth]
	case nth == len(c.Sent) && !c.orphan:
		return c.Want
	}
	return nil
}

// lookUp adds, for each object, the accounts that have its value of one matching attribute, in its nth
// set of values. An object that an account has been found for is not asked about again.
func (r *run) lookUp(ctx context.Context, kind directory.Kind, path string, need []*candidate, nth int, found []map[string][]provision.Candidate) error {
	var values []string
	for _, c := range need {
		if v, ok := c.known(nth)[path].(string); ok && v != "" {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return nil
	}
	seen := map[string][]provision.Candidate{}
	if r.walked[kind] {
		var err error
		if seen, err = r.engine.Store.Seen(ctx, r.app.ID, r.cycle.ID, kind, path, values); err != nil {
			return err
		}
	}
	for i, c := range need {
		v, ok := c.known(nth)[path].(string)
		if !ok || v == "" || c.failure != nil || free(found[i]) {
			continue
		}
		accounts := seen[directory.Key(v)]
		if !r.walked[kind] {
			var err error
			accounts, err = r.find(ctx, connector.Query{Kind: kind, Path: path, Value: v, Members: kind == directory.KindGroup, Urgency: connector.CreateUpdate})
			if err := r.unread(ctx, c, err); err != nil {
				return err
			}
		}
		found[i][path] = append(found[i][path], r.unlessOwn(c, accounts)...)
	}
	return nil
}

// unlessOwn frees the account that the object itself is linked to, when it is to be matched again.
func (r *run) unlessOwn(c *candidate, found []provision.Candidate) []provision.Candidate {
	if c.Link == nil {
		return found
	}
	for i := range found {
		if found[i].ID == c.Link.Account.ID {
			found[i].LinkedTo = ""
		}
	}
	return found
}

func free(found map[string][]provision.Candidate) bool {
	for _, list := range found {
		for _, c := range list {
			if c.LinkedTo == "" {
				return true
			}
		}
	}
	return false
}

func candidateOf(a *connector.Account) *provision.Candidate {
	return &provision.Candidate{
		ID: a.ID, Name: a.Name, Active: a.Active, Values: a.Values, Protected: a.Protected, Members: a.Members, MembersKnown: a.MembersKnown,
	}
}

// find reads accounts from the target and says of each to whom it is linked.
func (r *run) find(ctx context.Context, q connector.Query) ([]provision.Candidate, error) {
	var found []provision.Candidate
	var ids []string
	for a, err := range r.app.target.Connector.Read(ctx, q) {
		if err != nil {
			return nil, err
		}
		found = append(found, *candidateOf(&a))
		ids = append(ids, a.ID)
	}
	if len(found) == 0 {
		return nil, nil
	}
	linked, err := r.engine.Store.LinkedTo(ctx, r.app.ID, q.Kind, ids)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i].LinkedTo = linked[found[i].ID].Name
	}
	return found, nil
}

// walkIfWorth lists the target once when that takes fewer requests than the look-ups would. How
// many accounts there are is not known before: a walk that has cost twice what the look-ups would
// is given up.
func (r *run) walkIfWorth(ctx context.Context, kind directory.Kind, lookUps int) error {
	if r.walked[kind] || r.unlisted[kind] || lookUps < 3 {
		return nil
	}
	complete, err := r.walk(ctx, kind, 2*lookUps*assumedPage)
	if err != nil {
		return err
	}
	r.walked[kind], r.unlisted[kind] = complete, !complete
	return nil
}

// walk stores all accounts of a kind as the target shows them; limit bounds how many, 0 for no
// bound. It reports whether the walk came to the target's end without missing any.
func (r *run) walk(ctx context.Context, kind directory.Kind, limit int) (complete bool, err error) {
	s := r.engine.Store
	if err := s.BeginWalk(ctx, r.app.ID, r.cycle.ID, kind); err != nil {
		return false, err
	}
	matching := r.matching(kind)
	batch := make([]connector.Account, 0, walkBatch)
	n, size := 0, 0
	for a, err := range r.app.target.Connector.Read(ctx, connector.Query{Kind: kind, Members: kind == directory.KindGroup, Urgency: connector.ReconcileRead}) {
		if errors.Is(err, connector.ErrIncomplete) {
			r.engine.Log.Warn("the target's list was not read to its end", "app", r.app.Name, "cycle", r.cycle.ID, "type", string(kind), "error", err)
			r.cutShort = err
			return false, s.AddSeen(ctx, r.app.ID, r.cycle.ID, batch, matching)
		}
		if err != nil {
			return false, err
		}
		size += a.Size()
		if batch = append(batch, a); len(batch) == walkBatch || size > walkBytes {
			if err := s.AddSeen(ctx, r.app.ID, r.cycle.ID, batch, matching); err != nil {
				return false, err
			}
			r.progress("reading", len(batch))
			clear(batch)
			batch, size = batch[:0], 0
			if err := r.leaversAhead(ctx); err != nil {
				return false, err
			}
		}
		if n++; limit > 0 && n > limit {
			return false, nil
		}
	}
	return true, s.AddSeen(ctx, r.app.ID, r.cycle.ID, batch, matching)
}

// settle takes the result of matching into the object: two objects that claim one account both
// fail; an object that is matched again keeps its account when no other is found.
func (r *run) settle(ctx context.Context, c *candidate, m provision.Match) error {
	if c.orphan {
		return r.claimOrphan(c, m)
	}
	c.Match = m
	if c.link != nil && c.link.Rematch && c.Link.Vanished.IsZero() && m.Account == nil && m.Problem == nil {
		// Not among those that have its name: it is kept, unless it is gone.
		a, err := r.readBack(ctx, c.Kind, c.Link.Account.ID, false, connector.CreateUpdate)
		if err := r.unread(ctx, c, err); err != nil || c.failure != nil {
			return err
		}
		if a == nil {
			c.Link.Vanished = r.now
		}
	}
	vanished := c.Vanished(&r.app.Application)
	if c.link != nil && c.link.Rematch && !vanished {
		if m.Account == nil || m.Account.ID == c.Link.Account.ID || m.Problem != nil {
			c.Match = provision.Match{}
			return nil
		}
		c.Link = nil
	}
	if m.Account == nil && m.Problem == nil {
		if err := r.claimIdentity(ctx, c); err != nil {
			return err
		}
	}
	if m.Account == nil && !vanished {
		return nil
	}
	if m.Account != nil {
		if other, taken := r.claims[m.Account.ID]; taken && other != c.Subject.ID {
			return r.failBoth(ctx, c, other, func(name string) *provision.Problem {
				return provision.TwoForOne(fmt.Sprintf("%s (%s)", m.Account.Name, m.Account.ID), name, c.Subject.Name)
			})
		}
		r.claims[m.Account.ID] = c.Subject.ID
	}
	// What is sent only while an account is made must not be sent to one that is there already, and must
	// be to one that takes the place of another.
	r.wants(c, m.Account == nil)
	return nil
}

// claimIdentity lets two newcomers fail who could not be told apart once one of them has an account.
func (r *run) claimIdentity(ctx context.Context, c *candidate) error {
	order := r.matching(c.Kind)
	if len(order) == 0 {
		return nil
	}
	v, _ := c.Want[order[0]].(string)
	if v == "" {
		return nil
	}
	key := identity(c.Kind, order[0], v)
	other, taken := r.claims[key]
	if !taken || other == c.Subject.ID {
		r.claims[key] = c.Subject.ID
		return nil
	}
	return r.failBoth(ctx, c, other, func(name string) *provision.Problem { return provision.SameIdentity(order[0], name, c.Subject.Name) })
}

// failBoth lets two objects fail that claim the same. The other one is of the same slice and decided
// about after this, or waits in the queue already.
func (r *run) failBoth(ctx context.Context, c *candidate, other string, problem func(name string) *provision.Problem) error {
	for _, o := range r.matched {
		if o.Subject.ID == other {
			c.Match.Problem = problem(o.Subject.Name)
			o.Match.Problem = c.Match.Problem
			return nil
		}
	}
	clear(r.rows)
	name, err := r.engine.Store.NameOf(ctx, c.Kind, other)
	if err != nil {
		return err
	}
	c.Match.Problem = problem(name)
	return r.engine.Store.FailPlanned(ctx, r.cycle.ID, other, *c.Match.Problem)
}

func identity(kind directory.Kind, path, value string) string {
	return string(kind) + " " + path + " " + directory.Key(value)
}

// makes notes that a row is about to create an account with these matching values.
func (r *run) makes(row *store.Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, path := range r.matching(row.Kind) {
		if v, _ := row.Want[path].(string); v != "" {
			key := identity(row.Kind, path, v)
			r.making[key] = append(r.making[key], row.Source)
		}
	}
}

// maker returns who else of this pass makes an account that has the same value of an attribute: an
// account that is found may be theirs, although nothing says so yet.
func (r *run) maker(w *work, account *provision.Candidate, by string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, path := range r.matching(w.Kind) {
		if v, _ := account.Values[path].(string); v != "" && (by == path || !slices.Contains(r.matching(w.Kind), by)) {
			for _, s := range r.making[identity(w.Kind, path, v)] {
				if s.ID != w.Source.ID {
					return s.Name
				}
			}
		}
	}
	return ""
}

// claimOrphan links the account of a create that ended without an answer to an object that has left
// the scope since, so that it is switched off like that of any other leaver.
func (r *run) claimOrphan(c *candidate, m provision.Match) error {
	if m.Problem != nil {
		c.fail(provision.Ambiguous, m.Problem)
		return nil
	}
	if m.Account == nil {
		return nil
	}
	l := &store.Link{AppID: r.app.ID, Kind: c.Kind, ObjectID: c.Subject.ID, Name: c.Subject.Name, Sent: c.Sent[len(c.Sent)-1]}
	l.Account, l.Origin, l.Enabled = provision.Subject{ID: m.Account.ID, Name: m.Account.Name}, provision.Created, m.Account.Active
	l.Wanted, l.Answered = attr.Set{}, m.Account.Values
	c.take(l)
	c.link, c.adopts = l, l
	return nil
}

// present splits the members to add to an adopted group into those who are there already and those
// who are not.
func (r *run) present(ctx context.Context, c *candidate) (found, add []provision.Subject, err error) {
	if c.Match.Account == nil || !c.Match.Account.MembersKnown {
		return nil, c.Members.Add, nil
	}
	there := make(map[string]bool, len(c.Match.Account.Members))
	claimed := map[string]bool{} // users whose account, which a plan would adopt and nothing links yet, is there
	for _, id := range c.Match.Account.Members {
		there[id] = true
		if user := r.claims[id]; user != "" && r.preview {
			claimed[user] = true
		}
	}
	ids := make([]string, len(c.Members.Add))
	for i, m := range c.Members.Add {
		ids[i] = m.ID
	}
	accounts, err := r.engine.Store.AccountsOf(ctx, r.app.ID, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range c.Members.Add {
		if id := accounts[m.ID]; id != "" && there[id] || claimed[m.ID] {
			found = append(found, m)
		} else {
			add = append(add, m)
		}
	}
	return found, add, nil
}
