package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// groupKeys finds groups by folded display name.
func (tx *Tx) groupKeys(ctx context.Context, keys []string) (map[string][]string, error) {
	by := map[string][]string{}
	if len(keys) == 0 {
		return by, nil
	}
	hits, err := collect(func(row scanner) (h [2]string, err error) { return h, row.Scan(&h[0], &h[1]) })(tx.Query(ctx,
		"select display_key, id from groups where deleted_at is null and display_key in "+tx.in("$1"), list(keys)))
	for _, h := range hits {
		by[h[0]] = append(by[h[0]], h[1])
	}
	if err != nil {
		return nil, fmt.Errorf("looking groups up: %w", err)
	}
	return by, nil
}

// addGroups adds the groups that records of people name and the directory lacks.
func (b *batch) addGroups(ctx context.Context) error {
	var add []*groupRow
	for _, a := range b.arrivals {
		if a.err != nil || a.rec.Groups == nil {
			continue
		}
		for _, name := range *a.rec.Groups {
			key := directory.Key(name)
			if key == "" || len(b.groups[key]) > 0 {
				continue
			}
			g, _, err := directory.Group{}.Merge(directory.Edit{"displayName": name})
			if err != nil {
				return err
			}
			g.ID, g.Source, g.Created, g.Modified = newID(), b.im.opts.Source, b.now, b.now
			add = append(add, &groupRow{Group: g})
			b.groups[key] = []string{g.ID}
		}
	}
	return b.tx.saveGroups(ctx, add)
}

// moveUsers adds and removes direct memberships of users, in bulk, and tells the feed.
func (tx *Tx) moveUsers(ctx context.Context, join, leave []edge) error {
	byGroup := map[string][]string{}
	for _, e := range leave {
		byGroup[e.Group] = append(byGroup[e.Group], e.Member)
	}
	rows := make([][]any, len(join))
	groups := slices.Collect(maps.Keys(byGroup))
	for i, e := range join {
		rows[i] = []any{e.Group, e.Member, string(e.Kind), tx.now()}
		groups = append(groups, e.Group)
	}
	if len(groups) == 0 {
		return nil
	}
	above, err := tx.groupsAbove(ctx, list(groups))
	if err != nil {
		return err
	}
	for _, e := range append(slices.Clone(join), leave...) {
		tx.changed(ChangedMembers, e.Group, e.Member)
		for _, g := range above[e.Group] {
			tx.changed(ChangedMembers, g, e.Member)
		}
		tx.changed(ChangedUser, e.Member, "")
	}
	for group, members := range byGroup {
		if _, err := tx.Exec(ctx, "delete from members where group_id = $1 and member_id in "+tx.in("$2"), group, list(members)); err != nil {
			return fmt.Errorf("removing members: %w", err)
		}
	}
	return tx.insert(ctx, "members", memberColumns, rows, "on conflict (group_id, member_id) do nothing")
}

// teams brings groups in; their members are set at the end.
func (im *importer) teams(ctx context.Context, tx *Tx, out *outcome, records []source.Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := tx.lockMembership(ctx, true); err != nil {
		return err
	}
	known, err := im.lookUpGroups(ctx, tx, records)
	if err != nil {
		return err
	}
	var save []*groupRow
	var renamed []string
	for _, rec := range records {
		g, status, err := im.team(known, out, rec)
		if err != nil {
			out.fail(rec, err)
			continue
		}
		if status != unchanged {
			before := known.names[g.ID]
			if g.Modified = tx.s.Now(); before != "" && before != g.DisplayName {
				renamed = append(renamed, g.ID)
			}
			save = append(save, g)
		}
		row := ImportRow{Line: rec.Line, Name: g.DisplayName, Status: status}
		if rec.Members == nil {
			out.rows = append(out.rows, row)
		} else {
			out.groups = append(out.groups, lateGroup{row: row, at: spotOf(rec), id: uuid.MustParse(g.ID), unknown: *rec.Members})
		}
	}
	if err := tx.saveGroups(ctx, save); err != nil {
		return err
	}
	for _, id := range renamed {
		if err := tx.everybodyIn(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// knownGroups are the groups that records may mean.
type knownGroups struct {
	id, external map[string]*groupRow
	name         map[string][]*groupRow
	names        map[string]string // id → display name before the import
}

func (im *importer) lookUpGroups(ctx context.Context, tx *Tx, records []source.Record) (knownGroups, error) {
	var ids, externals, names []string
	for _, rec := range records {
		ids, externals = append(ids, rec.ID), append(externals, rec.ExternalID)
		names = append(names, groupKey(rec))
	}
	k := knownGroups{map[string]*groupRow{}, map[string]*groupRow{}, map[string][]*groupRow{}, map[string]string{}}
	found, err := tx.groups(ctx, `where id in `+tx.in("$1")+` or (source = $4 and external_id in `+tx.in("$2")+`) or display_key in `+tx.in("$3")+`
		order by case when deleted_at is null then 0 else 1 end, deleted_at desc`+tx.s.dialect.lockRow, list(ids), list(externals), list(names), im.opts.Source)
	for _, g := range found {
		k.id[g.ID], k.names[g.ID] = g, g.DisplayName
		if g.Source == im.opts.Source && g.ExternalID != "" && k.external[g.ExternalID] == nil {
			k.external[g.ExternalID] = g
		}
		key := directory.Key(g.DisplayName)
		if len(k.name[key]) == 0 || g.Deleted.IsZero() { // a deleted one counts only when there is no other
			k.name[key] = append(k.name[key], g)
		}
	}
	if err != nil {
		return k, fmt.Errorf("looking groups up: %w", err)
	}
	return k, nil
}

func groupKey(rec source.Record) string {
	name, _ := rec.Attributes["displayName"].(string)
	return directory.Key(name)
}

// team finds out which group a record is about and what it makes of it.
func (im *importer) team(known knownGroups, out *outcome, rec source.Record) (*groupRow, string, error) {
	g, err := im.identifyGroup(known, rec)
	if err != nil {
		return nil, "", err
	}
	status := unchanged
	if g == nil {
		g, status = &groupRow{}, created
	} else {
		id := uuid.MustParse(g.ID)
		for _, seen := range []map[uuid.UUID]spot{out.seen, im.seen} {
			if at, again := seen[id]; again {
				return nil, "", fmt.Errorf("this is the same group as in %s", at)
			}
		}
	}
	edit := directory.Edit(maps.Clone(rec.Attributes))
	if edit == nil {
		edit = directory.Edit{}
	}
	if rec.ExternalID != "" {
		edit["externalId"] = rec.ExternalID
	}
	after, changed, err := g.Merge(edit)
	if err == nil {
		err = after.Check()
	}
	if err != nil {
		return nil, "", err
	}
	if !after.Deleted.IsZero() {
		after.Deleted, changed = time.Time{}, true
	}
	if status == created {
		after.ID, after.Created = newID(), im.s.Now()
	} else if changed || after.Source != im.opts.Source {
		status = updated
	}
	if from := after.Source; status != created && from != "" && from != im.opts.Source {
		out.taken = append(out.taken, foreign{directory.KindGroup, from, after.DisplayName})
	}
	after.Source = im.opts.Source
	g.Group, g.parted = after, nil
	known.id[g.ID] = g
	if key := directory.Key(g.DisplayName); !slices.Contains(known.name[key], g) {
		known.name[key] = append(known.name[key], g)
	}
	if g.ExternalID != "" {
		known.external[g.ExternalID] = g
	}
	out.seen[uuid.MustParse(g.ID)] = spotOf(rec)
	if rec.Ref != "" {
		out.refs[keyOf(rec.Ref)] = target{uuid.MustParse(g.ID), directory.KindGroup}
	}
	return g, status, nil
}

// identifyGroup returns the group that a record is about, nil for a new one. A source that tells its
// groups apart by keys may have several of one name.
func (im *importer) identifyGroup(known knownGroups, rec source.Record) (*groupRow, error) {
	if g := known.id[rec.ID]; g != nil {
		return g, nil
	}
	if g := known.external[rec.ExternalID]; g != nil {
		return g, nil
	}
	var fits []*groupRow
	for _, g := range known.name[groupKey(rec)] {
		if g.Source != im.opts.Source || sameKey(g.ExternalID, rec.ExternalID) {
			fits = append(fits, g)
		}
	}
	switch len(fits) {
	case 0:
		return nil, nil
	case 1:
		return fits[0], nil
	}
	return nil, fmt.Errorf("%d groups are called %s", len(fits), rec.Name)
}

// shrink replaces the members that are known by now with their ids, which take a tenth of the room.
func (im *importer) shrink(g lateGroup) lateGroup {
	var unknown []source.MemberRef
	for _, ref := range g.unknown {
		if t, ok := im.refs[keyOf(ref.Ref)]; ok && ref.Ref != "" {
			g.known = append(g.known, t)
		} else {
			unknown = append(unknown, ref)
		}
	}
	g.known, g.unknown = slices.Clip(g.known), slices.Clip(unknown)
	return g
}

// membersSlice bounds the members that one transaction sets.
const membersSlice = 20_000

// lateMembers makes the membership of each group of the input what the input says.
func (im *importer) lateMembers(ctx context.Context) error {
	for len(im.groups) > 0 {
		end, size := 0, 0
		for end < len(im.groups) && (end == 0 || size < membersSlice && end < 500) {
			size += len(im.groups[end].known) + len(im.groups[end].unknown) + 10
			end++
		}
		var rows []ImportRow
		var warnings []string
		var lost int
		err := im.in(ctx, func(tx *Tx) error {
			rows, warnings, lost = nil, nil, 0
			if err := tx.lockMembership(ctx, true); err != nil {
				return err
			}
			for _, g := range im.groups[:end] {
				row, told, missing, err := im.setMembers(ctx, tx, g)
				if err != nil {
					return fmt.Errorf("setting the members of %s: %w", g.row.Name, err)
				}
				rows, lost, warnings = append(rows, row), lost+missing, append(warnings, told...)
			}
			in := im.standing(im.managers, im.groups[end:])
			in.add(rows...)
			return im.note(ctx, tx, in)
		})
		if err != nil {
			return err
		}
		im.count(rows...)
		im.dangle("members", lost)
		for _, w := range warnings {
			im.warn(w)
		}
		im.groups = im.groups[end:]
	}
	return nil
}

// setMembers makes the direct members of one group those of its record. Members who are nowhere are
// counted; a group that would come to contain itself is left out with a warning. Who may be one of those
// that were not found stays.
func (im *importer) setMembers(ctx context.Context, tx *Tx, g lateGroup) (row ImportRow, warnings []string, missing int, err error) {
	want, lost, err := im.resolveMembers(ctx, tx, g)
	if err != nil {
		return row, nil, 0, err
	}
	id := g.id.String()
	have, err := collect(scanEdge)(tx.Query(ctx, "select group_id, member_id, member_type from members where group_id = $1", id))
	if err != nil {
		return row, nil, 0, err
	}
	var join, leave []edge
	var nest, unnest []directory.Member
	kept := 0
	for _, e := range have {
		if _, stays := want[e.Member]; stays {
			delete(want, e.Member)
		} else if im.mayBe(e.Member, lost) {
			kept++
		} else if e.Kind == directory.KindUser {
			leave = append(leave, e)
		} else {
			unnest = append(unnest, directory.Member{Kind: e.Kind, ID: e.Member})
		}
	}
	for member, kind := range want {
		if kind == directory.KindUser {
			join = append(join, edge{Group: id, Member: member, Kind: kind})
		} else {
			nest = append(nest, directory.Member{Kind: kind, ID: member})
		}
	}
	slices.SortFunc(join, func(a, b edge) int { return cmp.Compare(a.Member, b.Member) })
	if err := tx.moveUsers(ctx, join, leave); err != nil {
		return row, nil, 0, err
	}
	n := len(join) + len(leave)
	changed, err := tx.editEdges(ctx, id, nil, unnest)
	if err != nil {
		return row, nil, 0, err
	}
	n += changed
	for _, m := range nest {
		changed, err := tx.editEdges(ctx, id, []directory.Member{m}, nil)
		if errors.Is(err, ErrInvalid) {
			warnings = append(warnings, fmt.Sprintf("%s: %s", g.at, err))
			continue
		} else if err != nil {
			return row, nil, 0, err
		}
		n += changed
	}
	if kept > 0 {
		warnings = append(warnings, fmt.Sprintf("%s: members kept whom the input does not name: %d; members named who were not found: %d; they may be the same people, so import people and groups together",
			g.row.Name, kept, lost.refs+lost.names))
	}
	row = g.row
	if row.Status == unchanged && n > 0 {
		row.Status = updated
	}
	return row, warnings, lost.refs + lost.names, nil
}

// lostMembers counts the members of a group who were not found: those whom another record of the input was to
// explain, and those who are named by userName.
type lostMembers struct{ refs, names int }

// mayBe reports whether a member whom a group's record does not seem to name may be one of those that were not found: whose own
// record was not in this input or could not be read, nobody knows as what they are called there. A userName is known
// without the record, as long as all records could be read.
func (im *importer) mayBe(member string, lost lostMembers) bool {
	id := uuid.MustParse(member)
	if lost.refs > 0 {
		if im.named == nil {
			im.named = make(map[uuid.UUID]bool, len(im.refs))
			for _, t := range im.refs {
				im.named[t.id] = true
			}
		}
		return !im.named[id]
	}
	_, here := im.seen[id]
	return lost.names > 0 && !here && (im.unreadable > 0 || im.result.Incomplete != "")
}

func (im *importer) resolveMembers(ctx context.Context, tx *Tx, g lateGroup) (map[string]directory.Kind, lostMembers, error) {
	want := make(map[string]directory.Kind, len(g.known)+len(g.unknown))
	for _, t := range g.known {
		want[t.id.String()] = t.kind
	}
	var open []source.MemberRef
	var names, ids []string
	for _, ref := range g.unknown {
		if t, ok := im.refs[keyOf(ref.Ref)]; ok && ref.Ref != "" {
			want[t.id.String()] = t.kind
			continue
		}
		open = append(open, ref)
		names, ids = append(names, directory.Key(ref.UserName)), append(ids, ref.ID)
	}
	var lost lostMembers
	if len(open) == 0 {
		return want, lost, nil
	}
	type hit struct {
		kind    directory.Kind
		id, key string
	}
	hits, err := collect(func(row scanner) (h hit, err error) { return h, row.Scan(&h.kind, &h.id, &h.key) })(tx.Query(ctx,
		`select 'user', id, user_name_key from users where deleted_at is null and user_name_key in `+tx.in("$1")+`
		union all select 'user', id, id from users where deleted_at is null and id in `+tx.in("$2")+`
		union all select 'group', id, id from groups where deleted_at is null and id in `+tx.in("$2"), list(names), list(ids)))
	found := map[string]hit{}
	for _, h := range hits {
		found[h.key] = h
	}
	for _, ref := range open {
		if h, ok := found[directory.Key(ref.UserName)]; ok {
			want[h.id] = h.kind
		} else if h, ok := found[ref.ID]; ok {
			want[h.id] = h.kind
		} else if ref.Ref != "" {
			lost.refs++
		} else {
			lost.names++
		}
	}
	return want, lost, err
}
