package cycle

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// slice is how many objects are decided about between two visits to the database.
const slice = 500

// look has everything decided that a piece of work asks for, and stores the operations.
func (r *run) look(ctx context.Context, w *store.Work) (err error) {
	defer func() {
		if serr := r.stored(); err == nil {
			err = serr
		}
	}()
	if w.All {
		r.everything = true
		defer func() { r.everything = false }()
		return r.lookAtAll(ctx, w)
	}
	if err := r.users(ctx, byRank(w.Users), 0); err != nil {
		return err
	}
	return r.groups(ctx, w.Groups)
}

func (r *run) lookAtAll(ctx context.Context, w *store.Work) error {
	all, err := r.engine.Store.Everyone(ctx, r.app.ID, r.app.Provisioning.Scope == "all")
	if err != nil {
		return err
	}
	// What the feed said up to here is part of everything; what it says later comes again.
	w.Until = max(w.Until, all.Until)
	linked, err := r.engine.Store.LinkedObjects(ctx, r.app.ID, directory.KindUser)
	if err != nil {
		return err
	}
	strangers := len(all.Users) - len(linked)
	people := byRank(all.Users)
	all.Users, linked = nil, nil // of a hundred thousand the order is enough to remember
	if err := r.users(ctx, people, strangers); err != nil {
		return err
	}
	return r.groups(ctx, all.Groups)
}

// ranked is a user with the length of the chain of managers above them, as far as it goes through
// the same piece of work.
type ranked struct {
	id   string
	rank int
}

// byRank puts managers before their reports, so that a report finds the manager's account when its
// turn comes and no second pass is due. A circle of managers is broken where it is met.
func byRank(users []store.Placed) []ranked {
	if !slices.ContainsFunc(users, func(u store.Placed) bool { return u.ManagerID != "" }) {
		out := make([]ranked, len(users))
		for i, u := range users {
			out[i].id = u.ID
		}
		slices.SortStableFunc(out, func(a, b ranked) int { return cmp.Compare(a.id, b.id) })
		return out
	}
	manager := make(map[string]string, len(users))
	for _, u := range users {
		manager[u.ID] = u.ManagerID
	}
	rank := make(map[string]int, len(users))
	for _, u := range users {
		var chain []string
		id, depth := u.ID, 0
		for {
			if known, ok := rank[id]; ok {
				depth = known
				break
			}
			above, here := manager[id]
			if !here {
				depth = -1
				break
			}
			rank[id] = 0 // seen: a chain that comes back here ends
			chain = append(chain, id)
			id = above
		}
		for i := len(chain) - 1; i >= 0; i-- {
			depth++
			rank[chain[i]] = depth
		}
	}
	out := make([]ranked, len(users))
	for i, u := range users {
		out[i] = ranked{u.ID, rank[u.ID]}
	}
	slices.SortStableFunc(out, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.id, b.id)) })
	return out
}

// users has people decided about, slice by slice; while one slice is decided about, the next one is
// read. expected is how many of all of them are likely to have no account yet.
func (r *run) users(ctx context.Context, people []ranked, expected int) error {
	reading, cancel := context.WithCancel(ctx)
	var ahead chan known
	defer func() {
		cancel()
		if ahead != nil {
			<-ahead
		}
	}()
	read := func(chunk []ranked) chan known {
		c := make(chan known, 1)
		go func() {
			ids := make([]string, len(chunk))
			for i, p := range chunk {
				ids[i] = p.id
			}
			objects, err := r.engine.Store.UserObjects(reading, r.app.ID, ids, r.app.usesGroups)
			c <- known{objects, err}
		}()
		return c
	}
	chunks := slices.Collect(slices.Chunk(people, slice))
	for i, chunk := range chunks {
		if ahead == nil {
			ahead = read(chunk)
		}
		k := <-ahead
		if ahead = nil; k.err != nil {
			return k.err
		}
		if i+1 < len(chunks) {
			ahead = read(chunks[i+1])
		}
		if err := r.decideUsers(ctx, chunk, k.objects, expected); err != nil {
			return err
		}
		r.progress("planning", len(chunk))
		if i+1 < len(chunks) {
			if err := r.leaversAhead(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// known is what the database knows of a slice of people.
type known struct {
	objects map[string]*store.UserObject
	err     error
}

func (r *run) decideUsers(ctx context.Context, chunk []ranked, objects map[string]*store.UserObject, expected int) error {
	var work []*candidate
	for _, c := range chunk {
		if r.left(c.id) {
			// What was read of them is older than that. They are looked at once more: whoever has come back since
			// may be behind what this pass has read of the feed.
			r.later = append(r.later, store.Later{Kind: directory.KindUser, ID: c.id})
			continue
		}
		u, err := r.user(objects[c.id])
		if err != nil {
			return err
		}
		if u != nil {
			u.rank = c.rank
			work = append(work, u)
		}
	}
	if err := r.ask(ctx, directory.KindUser, work, expected); err != nil {
		return err
	}
	return r.plan(ctx, work)
}

// ask has the target, or what was read of it, say how the accounts of candidates stand.
func (r *run) ask(ctx context.Context, kind directory.Kind, work []*candidate, expected int) error {
	if err := r.seen(ctx, kind, work); err != nil {
		return err
	}
	if err := r.match(ctx, kind, work, expected); err != nil {
		return err
	}
	if err := r.uncertain(ctx, work); err != nil {
		return err
	}
	return r.byName(ctx, work)
}

// user prepares one user for a decision; nil when the person is none of the application's business.
func (r *run) user(o *store.UserObject) (*candidate, error) {
	if o.User == nil && o.Link == nil && len(o.Open) == 0 && o.Escrow == nil && o.Rejected == nil {
		return nil, nil
	}
	c, err := r.prepare(o)
	if err != nil || c.none() {
		return nil, err
	}
	return c, nil
}

func (r *run) groups(ctx context.Context, work map[string][]string) error {
	ids := slices.Sorted(maps.Keys(work))
	for chunk := range slices.Chunk(ids, slice) {
		objects, err := r.engine.Store.GroupObjects(ctx, r.app.ID, chunk)
		if err != nil {
			return err
		}
		var found []*candidate
		for _, id := range chunk {
			if c := r.group(objects[id]); c != nil {
				found = append(found, c)
			}
		}
		if err := r.ask(ctx, directory.KindGroup, found, len(found)); err != nil {
			return err
		}
		// Who is about to get an account belongs to the members.
		if err := r.stored(); err != nil {
			return err
		}
		differing, err := r.memberDiffs(ctx, found, work)
		if err != nil {
			return err
		}
		for i, c := range found {
			if err := r.members(ctx, c, differing[i]); err != nil {
				return err
			}
			if err := r.memberDrift(ctx, c); err != nil {
				return err
			}
		}
		if err := r.plan(ctx, found); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) group(o *store.GroupObject) *candidate {
	g := o.Group
	if g == nil {
		if o.Link == nil && o.Rejected == nil {
			return nil
		}
		g = &directory.Group{ID: o.ID, Deleted: r.now}
		if o.Link != nil {
			g.DisplayName = o.Link.Name
		}
	}
	c := &candidate{link: o.Link, open: o.Open, escrowed: o.Escrow != nil}
	c.Kind, c.Now, c.Rejected, c.Asked = directory.KindGroup, r.now, o.Rejected, r.demanded(directory.KindGroup, o.ID)
	c.Subject = provision.Subject{ID: o.ID, Name: g.DisplayName}
	c.facts = r.groupFacts(g)
	c.Verdict = provision.ScopeGroup(&r.app.Application, g, o.Via)
	if c.none() {
		return nil
	}
	c.take(o.Link)
	r.want(c)
	return c
}

func (r *run) groupFacts(g *directory.Group) mapping.Facts {
	return mapping.Facts{Group: g, App: r.app.Name, Now: r.now, Rand: r.engine.RandN}
}

// comparing is how many groups' members are compared at a time: each is a question of its own.
const comparing = 2

// memberDiffs returns how the memberships of groups differ from what Muster keeps, nil where that is not asked. A new group
// and one that is looked at anew are compared whole, otherwise only the members that the feed named.
func (r *run) memberDiffs(ctx context.Context, found []*candidate, work map[string][]string) ([]*store.MemberDiff, error) {
	diffs, failed := make([]*store.MemberDiff, len(found)), make([]error, len(found))
	turns := make(chan struct{}, comparing)
	var all sync.WaitGroup
	for i, c := range found {
		if c.failure != nil {
			continue
		}
		if c.Link != nil && !c.escrowed {
			c.only = work[c.Subject.ID] // else a success ends what is in escrow: whoever was refused before must be in it
		}
		if !c.Verdict.In || c.only != nil && len(c.only) == 0 {
			continue // the group itself changed, not its members
		}
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			diff, err := r.engine.Store.MemberDiff(ctx, r.app.ID, r.cycle.ID, c.Subject.ID, c.only)
			if diffs[i] = &diff; err != nil {
				failed[i] = fmt.Errorf("compare the members of %s: %w", c.Subject.Name, err)
			}
		})
	}
	all.Wait()
	return diffs, cmp.Or(failed...)
}

// members fills in how the membership differs from what Muster keeps.
func (r *run) members(ctx context.Context, c *candidate, diff *store.MemberDiff) (err error) {
	if c.failure != nil {
		return nil
	}
	if c.Link != nil && !c.Verdict.In {
		c.Members.Remove, err = r.engine.Store.KeptMembers(ctx, r.app.ID, c.Subject.ID)
		return err
	}
	if diff == nil {
		return nil
	}
	c.Members = provision.Members{Add: diff.Add, Remove: diff.Remove}
	if c.Link != nil {
		if extra, _ := provision.MemberDrift(&r.app.Application, c.Link.Origin); extra == provision.Repair {
			c.Members.Remove = append(c.Members.Remove, diff.Extra...)
		}
	}
	if c.Vanished(&r.app.Application) {
		if c.Members, err = r.anew(ctx, c, *diff); err != nil {
			return err
		}
	}
	if len(diff.Forget)+len(diff.Back) > 0 && !r.preview {
		if err := r.engine.Store.ForgetMembers(ctx, r.app.ID, c.Subject.ID, diff.Forget, diff.Back); err != nil {
			return err
		}
	}
	if len(diff.Missing) > 0 && !r.preview {
		for _, id := range diff.Missing {
			r.waiting = append(r.waiting, store.Waiting{Kind: directory.KindGroup, ObjectID: c.Subject.ID, MissingID: id})
		}
	}
	return r.withoutHeld(ctx, c)
}

// anew is the whole membership of a group that is to be made again.
func (r *run) anew(ctx context.Context, c *candidate, diff store.MemberDiff) (provision.Members, error) {
	kept, err := r.engine.Store.KeptMembers(ctx, r.app.ID, c.Subject.ID)
	kept = slices.DeleteFunc(kept, func(m provision.Subject) bool { return slices.Contains(diff.Remove, m) || hasSubject(diff.Add, m) })
	return provision.Members{Add: append(kept, diff.Add...)}, err
}

// withoutHeld leaves out of the members to remove those whose removal is held already, and drops
// from what is held whoever belongs to the group again.
func (r *run) withoutHeld(ctx context.Context, c *candidate) error {
	for _, o := range c.open {
		if o.State != store.Held || o.Removals == 0 || o.Cause == provision.Undone {
			continue
		}
		still, err := r.engine.Store.RefreshHeldMembers(ctx, r.app.ID, r.cycle.ID, o.ID, r.preview)
		if err != nil {
			return err
		}
		c.Members.Remove = slices.DeleteFunc(c.Members.Remove, func(s provision.Subject) bool { return still[s.ID] })
	}
	return nil
}
