package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// arrival is one person's record on its way into the directory.
type arrival struct {
	rec     source.Record
	u       *userRow
	before  userRow
	status  string
	rename  bool
	silent  bool     // only what nobody sees changed: which source brought the person
	groups  []string // keys of display names
	manager string   // to be found at the end
	err     error
}

// people brings users in. final is set for records that were kept back before.
func (im *importer) people(ctx context.Context, tx *Tx, out *outcome, records []source.Record, final bool) error {
	if len(records) == 0 {
		return nil
	}
	b := &batch{im: im, tx: tx, out: out, final: final, now: tx.s.Now()}
	if err := b.lookUp(ctx, records); err != nil {
		return fmt.Errorf("looking people up: %w", err)
	}
	for _, rec := range b.order(records) {
		b.take(rec)
	}
	if final {
		b.settle()
	}
	if err := b.save(ctx); err != nil {
		return err
	}
	for _, a := range b.arrivals {
		b.tellMoves(a)
		switch {
		case a.err != nil:
			out.fail(a.rec, a.err)
		case a.manager != "":
			out.managers = append(out.managers, lateManager{row: a.row(), id: uuid.MustParse(a.u.ID), manager: a.manager})
		default:
			out.rows = append(out.rows, a.row())
		}
	}
	return nil
}

// tellMoves notes whom a person named as manager, the name that a person gave up, and the source that a person was of.
func (b *batch) tellMoves(a *arrival) {
	if a.err != nil {
		return
	}
	if before := directory.Key(a.before.UserName); a.rename && before != "" && before != directory.Key(a.u.UserName) {
		b.out.vacated = append(b.out.vacated, before)
	}
	if from := a.before.Source; from != "" && from != a.u.Source {
		b.out.taken = append(b.out.taken, foreign{directory.KindUser, from, a.u.UserName})
	}
	if m := a.rec.Manager; m != nil && !a.rec.ManagerByRef && directory.Key(*m) != "" {
		b.out.bosses = append(b.out.bosses, boss{row: a.rec.Line, id: uuid.MustParse(a.u.ID), name: keyOf(directory.Key(*m)), same: a.status == unchanged})
	}
}

func (a *arrival) row() ImportRow {
	return ImportRow{Line: a.rec.Line, Name: a.u.UserName, Status: a.status}
}

// batch is the people of one transaction.
type batch struct {
	im    *importer
	tx    *Tx
	out   *outcome
	final bool
	now   time.Time

	byID                 map[string]*userRow
	byExternal, byName   map[string]*userRow // of people who are there
	oldExternal, oldName map[string]*userRow // of people who were deleted
	managers             map[string]string   // folded name or e-mail address → id
	groups               map[string][]string // folded display name → ids
	arrivals             []*arrival
}

// lookUp reads all that the records may mean, in a few queries for all of them.
func (b *batch) lookUp(ctx context.Context, records []source.Record) error {
	var ids, externals, names, managers, groups []string
	for _, rec := range records {
		ids = append(ids, rec.ID)
		externals = append(externals, rec.ExternalID)
		names = append(names, nameKey(rec))
		if rec.Manager != nil && !rec.ManagerByRef {
			managers = append(managers, directory.Key(*rec.Manager))
		}
		if rec.Groups != nil {
			for _, g := range *rec.Groups {
				groups = append(groups, directory.Key(g))
			}
		}
	}
	tx := b.tx
	// Each part takes its own index; a condition with "or" takes none.
	hits, err := collect(one[string])(tx.Query(ctx, `select id from users where id in `+tx.in("$1")+`
			union select id from users where deleted_at is null     and source = $4 and external_id in `+tx.in("$2")+`
			union select id from users where deleted_at is not null and source = $4 and external_id in `+tx.in("$2")+`
			union select id from users where deleted_at is null     and user_name_key in `+tx.in("$3")+`
			union select id from users where deleted_at is not null and user_name_key in `+tx.in("$3"),
		list(ids), list(externals), list(names), b.im.opts.Source))
	if err != nil {
		return err
	}
	found, err := tx.users(ctx, "where id in "+tx.in("$1")+" order by deleted_at"+tx.s.dialect.lockRow, list(hits))
	if err != nil {
		return err
	}
	b.byID, b.byExternal, b.byName = map[string]*userRow{}, map[string]*userRow{}, map[string]*userRow{}
	b.oldExternal, b.oldName = map[string]*userRow{}, map[string]*userRow{}
	for _, u := range found {
		b.byID[u.ID] = u
		external, name := b.byExternal, b.byName
		if !u.Deleted.IsZero() {
			external, name = b.oldExternal, b.oldName // the last to be deleted wins
		}
		name[directory.Key(u.UserName)] = u
		if u.Source == b.im.opts.Source && u.ExternalID != "" {
			external[u.ExternalID] = u
		}
	}
	if b.managers, err = tx.userKeys(ctx, managers); err != nil {
		return err
	}
	if len(groups) > 0 {
		if err := tx.lockMembership(ctx, true); err != nil {
			return err
		}
	}
	b.groups, err = tx.groupKeys(ctx, groups)
	return err
}

// nameKey returns the folded userName that a record gives, "" when it gives none.
func nameKey(rec source.Record) string {
	name, _ := rec.Attributes["userName"].(string)
	return directory.Key(name)
}

// userKeys finds people by folded userName or e-mail address or by id; the userName wins.
func (tx *Tx) userKeys(ctx context.Context, keys []string) (map[string]string, error) {
	by := map[string]string{}
	if len(keys) == 0 {
		return by, nil
	}
	type hit struct {
		key, id string
		rank    int
	}
	hits, err := collect(func(row scanner) (h hit, err error) { return h, row.Scan(&h.key, &h.id, &h.rank) })(tx.Query(ctx,
		`select email_key, id, 1 as rank from users where deleted_at is null and email_key in `+tx.in("$1")+`
		union all select id, id, 2 from users where deleted_at is null and id in `+tx.in("$1")+`
		union all select user_name_key, id, 3 from users where deleted_at is null and user_name_key in `+tx.in("$1")+` order by rank`, list(keys)))
	for _, h := range hits {
		by[h.key] = h.id
	}
	return by, err
}

// order puts, of records that were kept back, those first whose persons are known by a key: they
// free the names that others are waiting for.
func (b *batch) order(records []source.Record) []source.Record {
	if !b.final {
		return records
	}
	keyed := func(rec source.Record) int {
		if b.byID[rec.ID] != nil || b.byExternal[rec.ExternalID] != nil {
			return 0
		}
		return 1
	}
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(x, y source.Record) int { return keyed(x) - keyed(y) })
	return records
}

// errLater says that a record must wait for the end of the input.
var errLater = errors.New("later")

// take finds out whom a record is about and what it makes of that person.
func (b *batch) take(rec source.Record) {
	a := &arrival{rec: rec, status: unchanged}
	a.err = b.arrive(a)
	if errors.Is(a.err, errLater) {
		b.out.late = append(b.out.late, rec)
		return
	}
	b.arrivals = append(b.arrivals, a)
}

func (b *batch) arrive(a *arrival) error {
	rec := a.rec
	u, err := b.identify(rec)
	if err != nil {
		return err
	}
	if u == nil {
		u = &userRow{User: directory.User{Active: true}}
		a.status = created
	} else if at, again := b.seenAt(u.ID); again {
		return fmt.Errorf("this is the same person as in %s", at)
	}
	a.u, a.before = u, *u
	after, err := b.edited(a, *u)
	if err == nil {
		a.groups, err = b.groupsOf(rec)
	}
	if err != nil {
		b.note(u.ID, rec) // a person whose record is bad is not gone
		return err
	}
	if directory.Key(after.UserName) != directory.Key(u.UserName) || a.status == created || !u.Deleted.IsZero() {
		if holder := b.byName[directory.Key(after.UserName)]; holder != nil && holder != u && !b.final {
			if _, done := b.seenAt(holder.ID); !done {
				return errLater
			}
			b.note(u.ID, rec)
			return taken(holder)
		}
		a.rename = true
	}
	if a.status == created {
		after.ID, after.Created = newID(), b.now
	}
	b.accept(a, after)
	return nil
}

func taken(holder *userRow) error {
	return fmt.Errorf("the userName %s belongs to another person already", holder.UserName)
}

// accept makes the edited person the one that later records of this batch see.
func (b *batch) accept(a *arrival, after userRow) {
	u := a.u
	if !b.final && a.rename {
		if b.byName[directory.Key(u.UserName)] == u {
			delete(b.byName, directory.Key(u.UserName))
		}
		b.byName[directory.Key(after.UserName)] = u
	}
	*u = after
	b.byID[u.ID] = u
	if u.ExternalID != "" {
		b.byExternal[u.ExternalID] = u
	}
	b.note(u.ID, a.rec)
}

// note remembers that a record of this input was about a person, and what others may call it.
func (b *batch) note(id string, rec source.Record) {
	if id == "" {
		return
	}
	b.out.seen[uuid.MustParse(id)] = spotOf(rec)
	if rec.Ref != "" {
		b.out.refs[keyOf(rec.Ref)] = target{uuid.MustParse(id), directory.KindUser}
	}
}

// forget takes back what was noted of somebody who is not added after all.
func (b *batch) forget(id string, rec source.Record) {
	delete(b.out.seen, uuid.MustParse(id))
	delete(b.out.refs, keyOf(rec.Ref))
}

func (b *batch) seenAt(id string) (spot, bool) {
	key := uuid.MustParse(id)
	if at, ok := b.out.seen[key]; ok {
		return at, true
	}
	at, ok := b.im.seen[key]
	return at, ok
}

// identify returns the person that a record is about, nil for somebody new.
func (b *batch) identify(rec source.Record) (*userRow, error) {
	if u := b.byID[rec.ID]; u != nil {
		return u, nil
	}
	if u := b.byExternal[rec.ExternalID]; u != nil {
		return u, nil
	}
	name := nameKey(rec)
	if u := b.byName[name]; u != nil {
		// The source has told this person apart from the record's before: the name may be about to
		// move from one to the other. Who nobody else's record claims by the end is the same after all,
		// with a new key.
		if u.Source == b.im.opts.Source && !sameKey(u.ExternalID, rec.ExternalID) {
			if !b.final {
				return nil, errLater
			}
			if _, claimed := b.seenAt(u.ID); claimed {
				return nil, nil
			}
		}
		return u, nil
	}
	if u := b.oldExternal[rec.ExternalID]; u != nil {
		return u, nil
	}
	if u := b.oldName[name]; u != nil && sameKey(u.ExternalID, rec.ExternalID) {
		return u, nil
	}
	return nil, nil
}

// edited returns the person as the record makes them.
func (b *batch) edited(a *arrival, u userRow) (userRow, error) {
	edit := directory.Edit(maps.Clone(a.rec.Attributes))
	if edit == nil {
		edit = directory.Edit{}
	}
	if a.rec.ExternalID != "" {
		edit["externalId"] = a.rec.ExternalID
	}
	changed := false
	switch {
	case a.rec.Active != nil:
		edit["active"] = *a.rec.Active
		u.absent = false
	case u.absent || !u.Deleted.IsZero():
		// The person was switched off only for being absent, and is back.
		u.Active, u.absent, changed = true, false, true
	}
	if !u.Deleted.IsZero() {
		u.Deleted, changed = time.Time{}, true
	}
	merged, differs, err := u.Merge(edit)
	if err != nil {
		return u, err
	}
	if err := merged.Check(); err != nil {
		return u, err
	}
	u.User = merged
	if a.status == unchanged && (changed || differs) {
		a.status = updated
	}
	if a.silent = a.status == unchanged && (u.Source != b.im.opts.Source || u.absent != a.before.absent); a.silent || a.status != unchanged {
		u.Source = b.im.opts.Source
	}
	return u, nil
}

// groupsOf returns the keys of the groups that a record names. A name that several groups have
// means none of them.
func (b *batch) groupsOf(rec source.Record) ([]string, error) {
	if rec.Groups == nil {
		return nil, nil
	}
	keys := []string{}
	for _, name := range *rec.Groups {
		key := directory.Key(name)
		switch {
		case key == "":
			continue
		case !storable(name) || strings.ContainsAny(name, "\r\n\t"):
			return nil, fmt.Errorf("the name of a group holds characters that no name can have")
		case len(b.groups[key]) > 1:
			return nil, fmt.Errorf("%d groups are called %s", len(b.groups[key]), name)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// settle decides, when all records are known, who gets which name: a name is free when nobody has
// it, or when who has it gets another one now. Whoever does not get their name keeps the old one,
// which may in turn be waited for, so this goes on until nothing moves.
func (b *batch) settle() {
	for again := true; again; {
		again = false
		leaving := map[string]bool{}
		for _, a := range b.arrivals {
			if a.err == nil && a.rename && a.status != created {
				leaving[a.u.ID] = true
			}
		}
		claimed := map[string]*arrival{}
		for _, a := range b.arrivals {
			if a.err != nil || !a.rename {
				continue
			}
			key := directory.Key(a.u.UserName)
			holder, rival := b.byName[key], claimed[key]
			switch {
			case rival != nil:
				a.err = fmt.Errorf("%s gives the same userName to another person", spotOf(rival.rec))
			case holder != nil && holder.ID != a.u.ID && !leaving[holder.ID]:
				a.err = taken(holder)
			default:
				claimed[key] = a
				continue
			}
			if a.status == created {
				b.forget(a.u.ID, a.rec)
			}
			*a.u = a.before
			again = true
		}
	}
}

// save writes what the records changed.
func (b *batch) save(ctx context.Context) error {
	var write, silent, named []*userRow
	var moved []string
	b.nameManagers()
	for _, a := range b.arrivals {
		if a.err != nil {
			continue
		}
		b.setManager(a)
		switch {
		case a.status != unchanged:
			a.u.Modified = b.now
			write = append(write, a.u)
		case a.silent:
			silent = append(silent, a.u)
		}
		if a.rename {
			named = append(named, a.u)
			if b.final && a.status != created {
				moved = append(moved, a.u.ID)
			}
		}
	}
	if len(moved) > 0 {
		// People who swap names get out of each other's way first.
		if _, err := b.tx.Exec(ctx, "update users set user_name_key = id where id in "+b.tx.in("$1"), list(moved)); err != nil {
			return fmt.Errorf("freeing names: %w", err)
		}
	}
	if err := b.tx.saveUsers(ctx, write); err != nil {
		return err
	}
	if err := b.tx.insertUsers(ctx, silent); err != nil {
		return err
	}
	if err := b.tx.joinReports(ctx, named); err != nil {
		return fmt.Errorf("finding the reports of new people: %w", err)
	}
	var managers []string // who are there again, or have another name
	for _, a := range b.arrivals {
		if a.err != nil || a.status == created {
			continue
		}
		back := !a.before.Deleted.IsZero()
		if back {
			if err := b.tx.membershipsOf(ctx, a.u.ID); err != nil {
				return err
			}
		}
		if back || a.u.UserName != a.before.UserName {
			managers = append(managers, a.u.ID)
		}
	}
	if err := b.tx.reportsOf(ctx, managers...); err != nil {
		return err
	}
	return b.saveGroups(ctx)
}

// nameManagers lets the people of this batch be found as managers: those who are brought in, by the names that they get.
func (b *batch) nameManagers() {
	for _, a := range b.arrivals {
		if a.err != nil {
			continue
		}
		for _, key := range []string{directory.Key(a.u.Email()), directory.Key(a.u.UserName)} {
			if key != "" && (b.managers[key] == "" || key == directory.Key(a.u.UserName)) {
				b.managers[key] = a.u.ID
			}
		}
	}
}

// setManager resolves what a record says of the manager.
func (b *batch) setManager(a *arrival) {
	if a.rec.Manager == nil {
		return
	}
	id, key := "", ""
	switch name := *a.rec.Manager; {
	case directory.Key(name) == "":
	case a.rec.ManagerByRef:
		ref := keyOf(name)
		boss, known := b.out.refs[ref]
		if !known {
			boss, known = b.im.refs[ref]
		}
		if !known {
			a.manager = name
			return
		}
		id = boss.id.String()
	default:
		if id = b.managers[directory.Key(name)]; id == "" && storable(name) {
			key = directory.Key(name)
		}
	}
	if a.u.ManagerID != id || a.u.managerKey != key {
		a.u.ManagerID, a.u.managerKey = id, key
		if a.status == unchanged {
			a.status, a.u.Source = updated, b.im.opts.Source
		}
	}
}

// saveGroups makes the memberships of people those that their records name, and adds groups that
// the directory lacks.
func (b *batch) saveGroups(ctx context.Context) error {
	var ids []string
	for _, a := range b.arrivals {
		if a.err == nil && a.groups != nil {
			ids = append(ids, a.u.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if err := b.addGroups(ctx); err != nil {
		return err
	}
	have, err := collect(scanEdge)(b.tx.Query(ctx, "select group_id, member_id, member_type from members where member_id in "+b.tx.in("$1"), list(ids)))
	if err != nil {
		return fmt.Errorf("reading memberships: %w", err)
	}
	leave, there := map[edge]bool{}, map[edge]bool{}
	for _, e := range have {
		leave[e], there[e] = true, true
	}
	var join []edge
	moved := map[string]bool{}
	for _, a := range b.arrivals {
		if a.err != nil || a.groups == nil {
			continue
		}
		for _, key := range a.groups {
			e := edge{Group: b.groups[key][0], Member: a.u.ID, Kind: directory.KindUser}
			delete(leave, e)
			if !there[e] {
				join, there[e] = append(join, e), true
				moved[a.u.ID] = true
			}
		}
	}
	for e := range leave {
		moved[e.Member] = true
	}
	for _, a := range b.arrivals {
		if a.err == nil && a.status == unchanged && moved[a.u.ID] {
			a.status = updated
		}
	}
	return b.tx.moveUsers(ctx, join, slices.Collect(maps.Keys(leave)))
}
