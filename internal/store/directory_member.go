package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
)

// lockMembership makes changes of the shape of nested groups (exclusive) wait for those of single
// members (not exclusive), and for each other. Both work out who belongs where from what they read;
// beside each other one would miss the other's row, and a cycle or a lost entry of the feed would
// come of it. SQLite has one writer anyway.
func (tx *Tx) lockMembership(ctx context.Context, exclusive bool) error {
	if !tx.s.Postgres() || tx.shadow {
		return nil
	}
	const number = "(7715837390)" // any, as long as nobody else takes it
	lock := "select pg_advisory_xact_lock_shared" + number
	if exclusive {
		lock = "select pg_advisory_xact_lock" + number
	}
	_, err := tx.Exec(ctx, lock)
	return err
}

// groupsAbove returns, for each user or group of a list of ids, the ids of all groups that it
// belongs to, directly or through others. A group does not belong to itself.
func (tx *Tx) groupsAbove(ctx context.Context, ids string) (map[string][]string, error) {
	pairs, err := collect(func(row scanner) (e edge, err error) { return e, row.Scan(&e.Member, &e.Group) })(tx.Query(ctx,
		`with recursive up (start_id, group_id) as (
			select member_id, group_id from members where member_id in `+tx.in("$1")+`
			union
			select up.start_id, m.group_id from up join members m on m.member_id = up.group_id
		) select start_id, group_id from up order by group_id`, ids))
	if err != nil {
		return nil, fmt.Errorf("reading who belongs to which groups: %w", err)
	}
	above := map[string][]string{}
	for _, p := range pairs {
		above[p.Member] = append(above[p.Member], p.Group)
	}
	return above, nil
}

// usersBelow returns the ids of all users in any of the groups, nested ones included, deleted users
// too.
func (tx *Tx) usersBelow(ctx context.Context, groups string) ([]string, error) {
	users, err := collect(one[string])(tx.Query(ctx,
		`with recursive down (group_id) as (
			select id from groups where id in `+tx.in("$1")+`
			union
			select m.member_id from down join members m on m.group_id = down.group_id where m.member_type = 'group'
		) select distinct m.member_id from down join members m on m.group_id = down.group_id where m.member_type = 'user' order by 1`, groups))
	if err != nil {
		return nil, fmt.Errorf("reading the members of groups: %w", err)
	}
	return users, nil
}

// everybodyIn tells the feed to look at all users of a group, nested ones included.
func (tx *Tx) everybodyIn(ctx context.Context, group string) error {
	users, err := tx.usersBelow(ctx, list([]string{group}))
	for _, u := range users {
		tx.changed(ChangedUser, u, "")
	}
	return err
}

// wholeGroup tells the feed that a group with everybody in it came to, or went from, the groups above.
func (tx *Tx) wholeGroup(ctx context.Context, group string) error {
	above, err := tx.groupsAbove(ctx, list([]string{group}))
	if err != nil {
		return err
	}
	for _, g := range append([]string{group}, above[group]...) {
		tx.changed(ChangedMembers, g, "")
	}
	return tx.everybodyIn(ctx, group)
}

// addEdges adds members to a group and tells the feed. Those who are members already are passed
// over.
func (tx *Tx) addEdges(ctx context.Context, group string, members []directory.Member) error {
	_, err := tx.editEdges(ctx, group, members, nil)
	return err
}

// editEdges adds and removes direct members of a group, tells the feed, and returns how many rows
// changed. Users and groups that are not there are refused; to remove somebody who is no member
// changes nothing. Whoever nests groups must hold the lock on the shape, see lockMembership.
func (tx *Tx) editEdges(ctx context.Context, group string, add, remove []directory.Member) (int, error) {
	have, err := collect(scanEdge)(tx.Query(ctx, "select group_id, member_id, member_type from members where group_id = $1 and member_id in "+tx.in("$2"),
		group, list(memberIDs(append(slices.Clone(add), remove...)))))
	if err != nil {
		return 0, err
	}
	present := map[string]bool{}
	for _, e := range have {
		present[e.Member] = true
	}
	add = slices.DeleteFunc(slices.Clone(add), func(m directory.Member) bool {
		was := present[m.ID]
		present[m.ID] = true
		return was
	})
	remove = slices.DeleteFunc(slices.Clone(remove), func(m directory.Member) bool {
		was := present[m.ID]
		present[m.ID] = false
		return !was
	})
	if len(add)+len(remove) == 0 {
		return 0, nil
	}
	if err := tx.joinable(ctx, group, add); err != nil {
		return 0, err
	}
	// Below what goes is told before it goes, below what comes after it came; both see all of it.
	if err := tx.tellEdges(ctx, group, remove); err != nil {
		return 0, err
	}
	if len(remove) > 0 {
		if _, err := tx.Exec(ctx, "delete from members where group_id = $1 and member_id in "+tx.in("$2"), group, list(memberIDs(remove))); err != nil {
			return 0, fmt.Errorf("removing members: %w", err)
		}
	}
	rows := make([][]any, len(add))
	for i, m := range add {
		rows[i] = []any{group, m.ID, string(m.Kind), tx.now()}
	}
	if err := tx.insert(ctx, "members", memberColumns, rows, "on conflict (group_id, member_id) do nothing"); err != nil {
		return 0, err
	}
	return len(add) + len(remove), tx.tellEdges(ctx, group, add)
}

var memberColumns = []string{"group_id", "member_id", "member_type", "added_at"}

func memberIDs(members []directory.Member) []string {
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.ID
	}
	return ids
}

// tellEdges tells the feed of members that come or go: the users themselves, and all groups from
// the one they join upwards.
func (tx *Tx) tellEdges(ctx context.Context, group string, members []directory.Member) error {
	if len(members) == 0 {
		return nil
	}
	above, err := tx.groupsAbove(ctx, list([]string{group}))
	if err != nil {
		return err
	}
	var nested []string
	for _, g := range append([]string{group}, above[group]...) {
		for _, m := range members {
			if m.Kind == directory.KindUser {
				tx.changed(ChangedMembers, g, m.ID)
			} else {
				tx.changed(ChangedMembers, g, "")
			}
		}
	}
	for _, m := range members {
		if m.Kind == directory.KindUser {
			tx.changed(ChangedUser, m.ID, "")
		} else {
			nested = append(nested, m.ID)
		}
	}
	if len(nested) == 0 {
		return nil
	}
	users, err := tx.usersBelow(ctx, list(nested))
	for _, u := range users {
		tx.changed(ChangedUser, u, "")
	}
	return err
}

// joinable refuses members that are not there, and groups that would contain themselves.
func (tx *Tx) joinable(ctx context.Context, group string, members []directory.Member) error {
	wanted := map[directory.Kind]map[string]bool{directory.KindUser: {}, directory.KindGroup: {}}
	for _, m := range members {
		wanted[m.Kind][m.ID] = true
	}
	ids := list(append(memberIDs(members), group))
	there, err := collect(one[string])(tx.Query(ctx,
		"select id from users where deleted_at is null and id in "+tx.in("$1")+" union all select id from groups where deleted_at is null and id in "+tx.in("$1"), ids))
	if err != nil {
		return err
	}
	for _, m := range append([]directory.Member{{Kind: directory.KindGroup, ID: group}}, members...) {
		if !slices.Contains(there, m.ID) {
			return refuse(ErrNotFound, "", "there is no %s with the id %s", m.Kind, m.ID)
		}
	}
	if len(wanted[directory.KindGroup]) == 0 {
		return nil
	}
	path, err := tx.pathUp(ctx, group, wanted[directory.KindGroup])
	if err != nil || path == nil {
		return err
	}
	return refuse(ErrInvalid, "", "a group cannot contain itself: %s", strings.Join(path, " is in "))
}

// pathUp returns the names on the way from a group up to the first of the others, and on to the
// group again; nil when none of them is above it (or it itself).
func (tx *Tx) pathUp(ctx context.Context, group string, others map[string]bool) ([]string, error) {
	edges, err := collect(scanEdge)(tx.Query(ctx,
		`with recursive up (group_id, member_id) as (
			select group_id, member_id from members where member_id = $1
			union
			select m.group_id, m.member_id from up join members m on m.member_id = up.group_id
		) select group_id, member_id, 'group' from up`, group))
	if err != nil {
		return nil, err
	}
	from := map[string]string{} // group → the one below it, on the shortest way
	reached := []string{group}
	seen := map[string]bool{group: true}
	for i := 0; i < len(reached); i++ {
		if at := reached[i]; others[at] {
			way := []string{group, at}
			for at != group {
				at = from[at]
				way = slices.Insert(way, 1, at)
			}
			if way[0] == way[1] {
				way = way[1:]
			}
			return tx.groupNames(ctx, append(way, group))
		}
		for _, e := range edges {
			if e.Member == reached[i] && !seen[e.Group] {
				seen[e.Group], from[e.Group] = true, reached[i]
				reached = append(reached, e.Group)
			}
		}
	}
	return nil, nil
}

func (tx *Tx) groupNames(ctx context.Context, ids []string) ([]string, error) {
	groups, err := tx.groupsIn(ctx, list(ids))
	names := make([]string, len(ids))
	for i, id := range ids {
		for _, g := range groups {
			if g.ID == id {
				names[i] = g.DisplayName
			}
		}
	}
	return names, err
}

// EditMembers adds members to a group and removes others, users and nested groups alike, and
// returns how many that changed. A group that would come to contain itself is refused with the path.
func (s *Store) EditMembers(ctx context.Context, by Actor, group string, add, remove []directory.Member) (int, error) {
	return write(ctx, s, func(tx *Tx) (int, error) {
		nests := slices.ContainsFunc(append(slices.Clone(add), remove...), func(m directory.Member) bool { return m.Kind == directory.KindGroup })
		if err := tx.lockMembership(ctx, nests); err != nil {
			return 0, err
		}
		g, err := tx.group(ctx, group)
		if err == nil && !g.Deleted.IsZero() {
			err = refuse(ErrNotFound, "", "group %s is deleted", g.DisplayName)
		}
		if err != nil {
			return 0, err
		}
		n, err := tx.editEdges(ctx, group, add, remove)
		if err != nil || n == 0 {
			return n, err
		}
		return n, tx.audit(ctx, by, "update members", groupSubject(&g.Group), map[string]any{"removed": memberIDs(remove)}, map[string]any{"added": memberIDs(add)})
	})
}

// MemberQuery picks members of a group.
type MemberQuery struct {
	Group string
	After string
	Limit int // 0 is all
}

const (
	// largeGroup is from how many members on it is asked how many belong to a group of all.
	largeGroup = 2000
	// largeShare is of how many people one belongs to a group whose page is found by walking over everybody by
	// name. Where fewer do, all members are sorted: a walk past those who do not belong would cost more.
	largeShare = 20
)

// walked reports whether a page of a group's members is found by walking over everybody by name.
func (tx *Tx) walked(ctx context.Context, group string) (bool, error) {
	var members, people int
	err := tx.QueryRow(ctx, "select count(*) from members where group_id = $1", group).Scan(&members)
	if err != nil || members < largeGroup {
		return false, err
	}
	err = tx.QueryRow(ctx, "select count(*) from (select 1 from users where deleted_at is null limit $1) x", largeShare*members+1).Scan(&people)
	return people <= largeShare*members, err
}

// Members returns the direct members of a group that are there, by name, and where the next page
// begins.
func (s *Store) Members(ctx context.Context, q MemberQuery) (page []directory.Member, next string, err error) {
	key, id, err := cursor(q.After)
	if err != nil {
		return nil, "", err
	}
	err = s.Read(ctx, func(tx *Tx) error {
		users := `select 'user' as type, u.id as id, u.user_name as name, u.user_name_key as k from members m join users u on u.id = m.member_id and u.deleted_at is null where m.group_id = $1 and (u.user_name_key, u.id) > ($2, $3)`
		groups := `select 'group', g.id, g.display_name, g.display_key from members m join groups g on g.id = m.member_id where m.group_id = $1 and (g.display_key, g.id) > ($2, $3)`
		limit := ""
		if q.Limit > 0 {
			limit = fmt.Sprintf(" limit %d", q.Limit+1)
			walked, err := tx.walked(ctx, q.Group)
			if err != nil {
				return err
			}
			if walked {
				const belongs = ` and exists (select 1 from members m where m.group_id = $1 and m.member_id = `
				users = `select * from (select 'user' as type, u.id as id, u.user_name as name, u.user_name_key as k from users u
					where u.deleted_at is null and (u.user_name_key, u.id) > ($2, $3)` + belongs + `u.id) order by u.user_name_key, u.id` + limit + `) u`
				groups = `select * from (select 'group', g.id, g.display_name, g.display_key from groups g
					where (g.display_key, g.id) > ($2, $3)` + belongs + `g.id) order by g.display_key, g.id` + limit + `) g`
			}
		}
		page, err = collect(scanMember)(tx.Query(ctx, `select type, id, name from (`+users+` union all `+groups+`) x order by k, id`+limit, q.Group, key, id))
		return err
	})
	if q.Limit > 0 && len(page) > q.Limit {
		page = page[:q.Limit]
		last := page[q.Limit-1]
		next = place(directory.Key(last.Name), last.ID)
	}
	return page, next, err
}

func scanMember(row scanner) (m directory.Member, err error) {
	return m, row.Scan(&m.Kind, &m.ID, &m.Name)
}

// GroupsOf returns the groups of a user by name: only those that the user was put into, or with
// nested also those that these belong to.
func (s *Store) GroupsOf(ctx context.Context, user string, nested bool) ([]directory.Member, error) {
	return read(ctx, s, func(tx *Tx) ([]directory.Member, error) { return tx.groupsOf(ctx, user, nested) })
}

func (tx *Tx) groupsOf(ctx context.Context, user string, nested bool) ([]directory.Member, error) {
	in, args := "(select group_id from members where member_id = $1)", []any{user}
	if nested {
		above, err := tx.groupsAbove(ctx, list([]string{user}))
		if err != nil {
			return nil, err
		}
		in, args = tx.in("$1"), []any{list(above[user])}
	}
	return collect(scanMember)(tx.Query(ctx, "select 'group', id, display_name from groups where id in "+in+" order by display_name, id", args...))
}

// UserResource returns a user as a SCIM resource with manager and groups.
func (s *Store) UserResource(ctx context.Context, id string) (map[string]any, error) {
	return read(ctx, s, func(tx *Tx) (map[string]any, error) {
		found, err := tx.users(ctx, "where id = $1", id)
		if err == nil && len(found) == 0 {
			err = refuse(ErrNotFound, "", "there is no user with the id %s", id)
		}
		if err != nil {
			return nil, err
		}
		u := found[0]
		var manager *directory.Member
		if u.ManagerID != "" {
			managers, err := tx.users(ctx, "where id = $1 and deleted_at is null", u.ManagerID)
			if err != nil {
				return nil, err
			}
			for _, m := range managers {
				manager = &directory.Member{Kind: directory.KindUser, ID: m.ID, Name: m.UserName}
			}
		}
		groups, err := tx.groupsOf(ctx, id, false)
		if err != nil {
			return nil, err
		}
		return u.SCIM(manager, groups), nil
	})
}

// GroupResource returns a group as a SCIM resource with its direct members.
func (s *Store) GroupResource(ctx context.Context, id string) (map[string]any, error) {
	g, err := s.Group(ctx, id)
	if err != nil {
		return nil, err
	}
	members, _, err := s.Members(ctx, MemberQuery{Group: id})
	if err != nil {
		return nil, errors.Join(err)
	}
	return g.SCIM(members), nil
}
