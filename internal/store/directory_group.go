package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

var groupColumns = []string{
	"id", "source", "display_name", "display_key", "external_id", "attributes", "created_at", "modified_at", "deleted_at", "parted",
}

const selectGroups = `select id, source, display_name, external_id, attributes, created_at, modified_at, deleted_at, parted from groups `

// groupRow is a group with what the table keeps beside.
type groupRow struct {
	directory.Group
	parted []edge // of a deleted group
}

// edge is one row of table members.
type edge struct {
	Group  string         `json:"group"`
	Member string         `json:"member"`
	Kind   directory.Kind `json:"type"`
}

func scanGroup(row scanner) (*groupRow, error) {
	g := &groupRow{}
	var external, parted sql.NullString
	var attributes string
	var created, modified, deleted sql.NullInt64
	err := row.Scan(&g.ID, &g.Source, &g.DisplayName, &external, &attributes, &created, &modified, &deleted, &parted)
	if err != nil {
		return nil, err
	}
	g.ExternalID = external.String
	g.Created, g.Modified, g.Deleted = fromMillis(created), fromMillis(modified), fromMillis(deleted)
	if g.Attributes, err = attr.ParseJSON(attributes); err != nil {
		return nil, fmt.Errorf("reading the attributes of group %s: %w", g.ID, err)
	}
	if parted.Valid {
		if err := json.Unmarshal([]byte(parted.String), &g.parted); err != nil {
			return nil, fmt.Errorf("reading the members of deleted group %s: %w", g.ID, err)
		}
	}
	return g, nil
}

func (g *groupRow) values() []any {
	attributes, _ := json.Marshal(g.Attributes) // what Merge lets in always marshals
	var parted sql.NullString
	if !g.Deleted.IsZero() {
		b, _ := json.Marshal(g.parted)
		parted = sql.NullString{String: string(b), Valid: true}
	}
	return []any{
		g.ID, g.Source, g.DisplayName, directory.Key(g.DisplayName), null(g.ExternalID), string(attributes),
		g.Created.UnixMilli(), g.Modified.UnixMilli(), millis(g.Deleted), parted,
	}
}

func (tx *Tx) saveGroups(ctx context.Context, groups []*groupRow) error {
	rows := make([][]any, len(groups))
	for i, g := range groups {
		rows[i] = g.values()
		tx.changed(ChangedGroup, g.ID, "")
	}
	return tx.insert(ctx, "groups", groupColumns, rows, replacing("id", groupColumns))
}

func (tx *Tx) groups(ctx context.Context, where string, args ...any) ([]*groupRow, error) {
	return collect(scanGroup)(tx.Query(ctx, selectGroups+where, args...))
}

// groupsIn reads groups by a list of ids (see [list]), deleted ones too, in no order.
func (tx *Tx) groupsIn(ctx context.Context, ids string) ([]*directory.Group, error) {
	rows, err := tx.groups(ctx, "where id in "+tx.in("$1"), ids)
	groups := make([]*directory.Group, len(rows))
	for i, g := range rows {
		groups[i] = &g.Group
	}
	return groups, err
}

// group reads one row by id for writing.
func (tx *Tx) group(ctx context.Context, id string) (*groupRow, error) {
	g, err := scanGroup(tx.QueryRow(ctx, selectGroups+"where id = $1"+tx.s.dialect.lockRow, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, refuse(ErrNotFound, "", "there is no group with the id %s", id)
	}
	return g, err
}

// Group returns a group by id, a deleted one too.
func (s *Store) Group(ctx context.Context, id string) (directory.Group, error) {
	return read(ctx, s, func(tx *Tx) (directory.Group, error) {
		list, err := tx.groupsIn(ctx, list([]string{id}))
		if err == nil && len(list) == 0 {
			err = refuse(ErrNotFound, "", "there is no group with the id %s", id)
		}
		if err != nil {
			return directory.Group{}, err
		}
		return *list[0], nil
	})
}

// GroupByName returns the group that somebody means by a display name or an id.
func (s *Store) GroupByName(ctx context.Context, name string) (directory.Group, error) {
	return read(ctx, s, func(tx *Tx) (directory.Group, error) {
		g, err := tx.findGroup(ctx, name)
		if err != nil {
			return directory.Group{}, err
		}
		return g.Group, nil
	})
}

func (tx *Tx) findGroup(ctx context.Context, name string) (*groupRow, error) {
	if !storable(name) {
		return nil, refuse(ErrNotFound, "", "there is no group so called")
	}
	found, err := tx.groups(ctx, "where id = $1 or (display_key = $2 and deleted_at is null)", strings.TrimSpace(name), directory.Key(name))
	switch {
	case err != nil:
		return nil, fmt.Errorf("looking for a group: %w", err)
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		var ids []string
		for _, g := range found {
			ids = append(ids, g.ID)
		}
		return nil, refuse(ErrAmbiguous, "use one of their ids: "+strings.Join(ids, ", "), "%d groups are called %s", len(found), name)
	}
	names, err := collect(one[string])(tx.Query(ctx, "select display_name from groups where deleted_at is null limit 10000"))
	if err != nil {
		return nil, fmt.Errorf("looking for similar names: %w", err)
	}
	return nil, refuse(ErrNotFound, didYouMean(directory.Nearest(name, names, 3)), "there is no group %s", strings.TrimSpace(name))
}

// GroupEdit is what is to change of a group.
type GroupEdit struct {
	Attributes directory.Edit
	Source     string
	Match      string // as that of [UserEdit]
}

// CreateGroup adds a group without members. Two groups of one name are refused here; only sources
// that tell their groups apart by externalId can bring them.
func (s *Store) CreateGroup(ctx context.Context, by Actor, e GroupEdit) (directory.Group, error) {
	return write(ctx, s, func(tx *Tx) (directory.Group, error) {
		g, _, err := directory.Group{}.Merge(e.Attributes)
		if err == nil {
			err = g.Check()
		}
		if err != nil {
			return g, invalid(err)
		}
		g.ID, g.Source, g.Created, g.Modified = newID(), e.Source, tx.s.Now(), tx.s.Now()
		if err := tx.groupNameFree(ctx, &g); err != nil {
			return g, err
		}
		if err := tx.saveGroups(ctx, []*groupRow{{Group: g}}); err != nil {
			return g, err
		}
		return g, tx.audit(ctx, by, "create", groupSubject(&g), nil, g.Resource())
	})
}

// groupNameFree refuses a name or a key that another group has. The lock makes two who create a
// group of one name at once see each other, for names of groups have no unique index.
func (tx *Tx) groupNameFree(ctx context.Context, g *directory.Group) error {
	if err := tx.lockMembership(ctx, true); err != nil {
		return err
	}
	rivals, err := tx.groups(ctx, "where deleted_at is null and id <> $1 and (display_key = $2 or (source = $3 and external_id = $4))",
		g.ID, directory.Key(g.DisplayName), g.Source, null(g.ExternalID))
	if err != nil || len(rivals) == 0 {
		return err
	}
	return refuse(ErrExists, "", "there is already a group %s", rivals[0].DisplayName)
}

// UpdateGroup carries out an edit and reports whether it changed anything. A new name concerns all
// its members: expressions may ask for the names of a person's groups.
func (s *Store) UpdateGroup(ctx context.Context, by Actor, id string, e GroupEdit) (g directory.Group, changed bool, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		if err := tx.lockMembership(ctx, true); err != nil {
			return err
		}
		row, err := tx.group(ctx, id)
		if err != nil {
			return err
		}
		g = row.Group
		if !row.Deleted.IsZero() {
			return refuse(ErrNotFound, "", "group %s is deleted", row.DisplayName)
		}
		if err := sameVersion(e.Match, row.Version(), "group "+row.DisplayName); err != nil {
			return err
		}
		before := row.Group
		if row.Group, changed, err = row.Merge(e.Attributes); err == nil {
			err = row.Check()
		}
		if err != nil {
			return invalid(err)
		}
		if !changed {
			return nil
		}
		row.Modified = tx.s.Now()
		if err := tx.groupNameFree(ctx, &row.Group); err != nil {
			return err
		}
		if err := tx.saveGroups(ctx, []*groupRow{row}); err != nil {
			return err
		}
		if row.DisplayName != before.DisplayName {
			if err := tx.everybodyIn(ctx, id); err != nil {
				return err
			}
		}
		g = row.Group
		return tx.audit(ctx, by, "update", groupSubject(&g), before.Resource(), g.Resource())
	})
	return g, changed, err
}

// DeleteGroup takes a group out of the directory; its memberships are remembered for
// [Store.RestoreGroup].
func (s *Store) DeleteGroup(ctx context.Context, by Actor, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.lockMembership(ctx, true); err != nil {
			return err
		}
		g, err := tx.group(ctx, id)
		if err != nil || !g.Deleted.IsZero() {
			return err
		}
		if err := tx.cutOff(ctx, g); err != nil {
			return err
		}
		g.Deleted, g.Modified = tx.s.Now(), tx.s.Now()
		if err := tx.saveGroups(ctx, []*groupRow{g}); err != nil {
			return err
		}
		return tx.audit(ctx, by, "delete", groupSubject(&g.Group), nil, nil)
	})
}

// cutOff tells the feed whom a group's going concerns and removes its memberships.
func (tx *Tx) cutOff(ctx context.Context, g *groupRow) error {
	if err := tx.wholeGroup(ctx, g.ID); err != nil {
		return err
	}
	var err error
	g.parted, err = collect(scanEdge)(tx.Query(ctx, "select group_id, member_id, member_type from members where group_id = $1 or member_id = $1", g.ID))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "delete from members where group_id = $1 or member_id = $1", g.ID)
	return err
}

func scanEdge(row scanner) (e edge, err error) { return e, row.Scan(&e.Group, &e.Member, &e.Kind) }

// RestoreGroup brings a deleted group back with the memberships it had, as far as the other ends
// are still there and no cycle would come of it.
func (s *Store) RestoreGroup(ctx context.Context, by Actor, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.lockMembership(ctx, true); err != nil {
			return err
		}
		g, err := tx.group(ctx, id)
		if err != nil || g.Deleted.IsZero() {
			return err
		}
		if err := tx.groupNameFree(ctx, &g.Group); err != nil {
			return err
		}
		parted := g.parted
		g.Deleted, g.Modified, g.parted = fromMillis(sql.NullInt64{}), tx.s.Now(), nil
		if err := tx.saveGroups(ctx, []*groupRow{g}); err != nil {
			return err
		}
		for _, e := range parted {
			err := tx.addEdges(ctx, e.Group, []directory.Member{{Kind: e.Kind, ID: e.Member}})
			if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrInvalid) {
				return err
			}
		}
		if err := tx.wholeGroup(ctx, id); err != nil {
			return err
		}
		return tx.audit(ctx, by, "restore", groupSubject(&g.Group), nil, nil)
	})
}

// PurgeGroup removes a group for good. Links stay, so that the target's group is still dealt with.
func (s *Store) PurgeGroup(ctx context.Context, by Actor, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.lockMembership(ctx, true); err != nil {
			return err
		}
		g, err := tx.group(ctx, id)
		if err != nil {
			return err
		}
		if err := tx.cutOff(ctx, g); err != nil {
			return err
		}
		tx.changed(ChangedGroup, id, "")
		if _, err := tx.Exec(ctx, "delete from assignments where subject_type = 'group' and subject_id = $1", id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "delete from groups where id = $1", id); err != nil {
			return err
		}
		return tx.audit(ctx, by, "purge", groupSubject(&g.Group), nil, nil)
	})
}

// GroupQuery picks groups of a list.
type GroupQuery struct {
	Search  string // in display names, case-blind
	Deleted bool
	After   string
	Limit   int // 0 is 100
}

// Groups returns a page of groups in the order of their display names, and where the next begins.
func (s *Store) Groups(ctx context.Context, q GroupQuery) (page []directory.Group, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	key, id, err := cursor(q.After)
	if err != nil {
		return nil, "", err
	}
	search, err := pattern(q.Search)
	if err != nil {
		return nil, "", err
	}
	where := "where deleted_at is null"
	if q.Deleted {
		where = "where deleted_at is not null"
	}
	rows, err := read(ctx, s, func(tx *Tx) ([]*groupRow, error) {
		return tx.groups(ctx, where+` and display_key like $4 escape '\' and (display_key, id) > ($1, $2) order by display_key, id limit $3`,
			key, id, q.Limit+1, search)
	})
	if err != nil {
		return nil, "", fmt.Errorf("listing groups: %w", err)
	}
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = place(directory.Key(rows[q.Limit-1].DisplayName), rows[q.Limit-1].ID)
	}
	page = make([]directory.Group, len(rows))
	for i, g := range rows {
		page[i] = g.Group
	}
	return page, next, nil
}

func groupSubject(g *directory.Group) subject {
	return subject{kind: "group", id: g.ID, name: g.DisplayName}
}
