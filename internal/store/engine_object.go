package store

import (
	"context"
	"database/sql"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// UserObject is what decisions need to know of one user for one application.
type UserObject struct {
	ID            string
	User          *directory.User // nil when the person is gone from the directory for good
	Manager       string          // userName of the manager
	ManagerLinked bool            // whether the manager has an enabled account
	Link          *Link
	Via           []provision.Via
	Groups        []string // display names, nested ones included; only when asked for
	Open          []OpenOperation
	Escrow        *Escrow
	Rejected      *provision.Rejection // nil for nothing
}

// UserObjects gathers what is known of users, in a number of queries that does not depend on how
// many there are.
func (s *Store) UserObjects(ctx context.Context, appID string, ids []string, withGroups bool) (map[string]*UserObject, error) {
	return read(ctx, s, func(tx *Tx) (map[string]*UserObject, error) {
		in := list(ids)
		by := make(map[string]*UserObject, len(ids))
		for _, id := range ids {
			by[id] = &UserObject{ID: id}
		}
		users, err := tx.usersIn(ctx, in)
		if err != nil {
			return nil, err
		}
		managers := map[string]bool{}
		for _, u := range users {
			by[u.ID].User = u
			if u.ManagerID != "" {
				managers[u.ManagerID] = true
			}
		}
		if len(managers) > 0 {
			names, linked, err := tx.managers(ctx, appID, managers)
			if err != nil {
				return nil, err
			}
			for _, u := range users {
				by[u.ID].Manager, by[u.ID].ManagerLinked = names[u.ManagerID], linked[u.ManagerID]
			}
		}
		linked, err := links(ctx, tx, appID, directory.KindUser, in)
		if err != nil {
			return nil, err
		}
		for id, l := range linked {
			by[id].Link = l
		}
		if err := tx.via(ctx, appID, in, by, withGroups); err != nil {
			return nil, err
		}
		return by, tx.open(ctx, appID, in, directory.KindUser, func(id string) (*[]OpenOperation, **Escrow, **provision.Rejection) {
			return &by[id].Open, &by[id].Escrow, &by[id].Rejected
		})
	})
}

// managers returns the userNames of users who are there, and who of them has an enabled account.
func (tx *Tx) managers(ctx context.Context, appID string, ids map[string]bool) (map[string]string, map[string]bool, error) {
	wanted := make([]string, 0, len(ids))
	for id := range ids {
		wanted = append(wanted, id)
	}
	names, linked := make(map[string]string, len(ids)), make(map[string]bool, len(ids))
	rows, err := tx.Query(ctx, `select u.id, u.user_name, l.object_id is not null from users u
		left join links l on l.app_id = $1 and l.type = 'user' and l.object_id = u.id and l.enabled
		where u.id in `+tx.in("$2")+` and u.deleted_at is null`, appID, list(wanted))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, name string
		var has bool
		if err := rows.Scan(&id, &name, &has); err != nil {
			return nil, nil, err
		}
		names[id], linked[id] = name, has
	}
	return names, linked, rows.Err()
}

// via fills in the assignments that reach each user and, when asked for, the names of the groups.
func (tx *Tx) via(ctx context.Context, appID, in string, by map[string]*UserObject, withGroups bool) error {
	only := "where a.role is not null"
	if withGroups {
		only = ""
	}
	rows, err := tx.Query(ctx, `with recursive up(user_id, group_id) as (
			select m.member_id, m.group_id from members m where m.member_id in `+tx.in("$1")+`
			union
			select up.user_id, m.group_id from up join members m on m.member_id = up.group_id
		)
		select up.user_id, g.display_name, a.role from up join groups g on g.id = up.group_id and g.deleted_at is null
		left join assignments a on a.app_id = $2 and a.subject_type = 'group' and a.subject_id = g.id `+only+`
		union all
		select subject_id, '', role from assignments where app_id = $2 and subject_type = 'user' and subject_id in `+tx.in("$1")+`
		order by 1, 2`, in, appID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var user, group string
		var role sql.NullString
		if err := rows.Scan(&user, &group, &role); err != nil {
			return err
		}
		o := by[user]
		if group != "" && withGroups {
			o.Groups = append(o.Groups, group)
		}
		if role.Valid {
			o.Via = append(o.Via, provision.Via{Role: role.String, Group: group})
		}
	}
	return rows.Err()
}

// open fills in the operations, the escrow entries and the rejections that a new decision must take into account.
func (tx *Tx) open(ctx context.Context, appID, in string, kind directory.Kind, at func(id string) (*[]OpenOperation, **Escrow, **provision.Rejection)) error {
	open, err := openOperations(ctx, tx, appID, in)
	if err != nil {
		return err
	}
	for id, ops := range open {
		into, _, _ := at(id)
		*into = ops
	}
	entries, err := rowsOf(ctx, tx, scanEscrow, `select `+escrowColumns+` from escrow where app_id = $1 and type = $2 and object_id in `+tx.in("$3"), appID, string(kind), in)
	if err != nil {
		return err
	}
	for _, e := range entries {
		_, into, _ := at(e.ObjectID)
		*into = e
	}
	rejected, err := tx.rejections(ctx, appID, kind, in)
	for id, r := range rejected {
		_, _, into := at(id)
		*into = r
	}
	return err
}

// GroupObject is what decisions need to know of one group for one application.
type GroupObject struct {
	ID       string
	Group    *directory.Group // nil when it is gone for good
	Link     *Link
	Via      []provision.Via
	Open     []OpenOperation
	Escrow   *Escrow
	Rejected *provision.Rejection
}

// GroupObjects gathers what is known of groups.
func (s *Store) GroupObjects(ctx context.Context, appID string, ids []string) (map[string]*GroupObject, error) {
	return read(ctx, s, func(tx *Tx) (map[string]*GroupObject, error) {
		in := list(ids)
		by := make(map[string]*GroupObject, len(ids))
		for _, id := range ids {
			by[id] = &GroupObject{ID: id}
		}
		groups, err := tx.groupsIn(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			by[g.ID].Group = g
		}
		linked, err := links(ctx, tx, appID, directory.KindGroup, in)
		if err != nil {
			return nil, err
		}
		for id, l := range linked {
			by[id].Link = l
		}
		roles, err := rowsOf(ctx, tx, func(row scanner) (s provision.Subject, err error) { return s, row.Scan(&s.ID, &s.Name) },
			`select subject_id, role from assignments where app_id = $1 and subject_type = 'group' and subject_id in `+tx.in("$2"), appID, in)
		if err != nil {
			return nil, err
		}
		for _, r := range roles {
			by[r.ID].Via = append(by[r.ID].Via, provision.Via{Role: r.Name})
		}
		return by, tx.open(ctx, appID, in, directory.KindGroup, func(id string) (*[]OpenOperation, **Escrow, **provision.Rejection) {
			return &by[id].Open, &by[id].Escrow, &by[id].Rejected
		})
	})
}

// Membership differences of a group, see [Store.MemberDiff].
type MemberDiff struct {
	Add     []provision.Subject // are to be members, and have or will have an account
	Remove  []provision.Subject // Muster added them, and they do not belong there any more
	Extra   []provision.Subject // somebody else put them there, and they do not belong there
	Missing []string            // belong there and have no account that is on: the group waits for them
	Forget  []string            // were members before Muster came and left the directory's group: no longer of interest
	Back    []string            // belong there again after a person rejected their removal, or somebody else put them there
}

// MemberDiff compares the membership that a group is to have, nested groups flattened, with the one
// that Muster keeps at the target. only restricts it to these users; nil compares everything.
// Users count as having an account when their link is enabled and not about to be removed by the
// cycle, or when the cycle is about to link them.
func (s *Store) MemberDiff(ctx context.Context, appID, cycleID, groupID string, only []string) (MemberDiff, error) {
	return read(ctx, s, func(tx *Tx) (MemberDiff, error) {
		var d MemberDiff
		belongs := `with recursive down(id, type) as (
				select member_id, member_type from members where group_id = $1
				union
				select m.member_id, m.member_type from down join members m on m.group_id = down.id and down.type = 'group'
			), belongs(id) as (select id from down where type = 'user')`
		restrict := ""
		args := []any{groupID, appID, cycleID}
		if only != nil {
			// From the few users upwards: the cost is theirs, not the group's.
			belongs = `with recursive up(user_id, group_id) as (
				select m.member_id, m.group_id from members m where m.member_id in ` + tx.in("$4") + `
				union
				select up.user_id, m.group_id from up join members m on m.member_id = up.group_id
			), belongs(id) as (select user_id from up where group_id = $1)`
			restrict = ` and lm.user_id in ` + tx.in("$4")
			args = append(args, list(only))
		}
		type row struct {
			id, name, origin               string
			enabled, kept, stale, rejected bool
			coming, going                  bool
		}
		// The concatenation keeps the planner from reading the whole cycle for each member.
		planned := `exists (select 1 from operations o where o.object_id = u.id and o.app_id = $2 and o.cycle_id || '' = $3 and ` + openOf("o") + ` and o.state in ('planned','applying') and o.action in `
		// One after the other: in a first load everybody is one of them.
		err := each(ctx, tx, func(rows scanner) error {
			var r row
			if err := rows.Scan(&r.id, &r.name, &r.enabled, &r.kept, &r.stale, &r.rejected, &r.origin, &r.coming, &r.going); err != nil {
				return err
			}
			if r.rejected || r.origin == "extra" {
				d.Back = append(d.Back, r.id)
			}
			switch {
			case r.kept && !r.stale:
			case r.enabled && !r.going, r.coming:
				d.Add = append(d.Add, provision.Subject{ID: r.id, Name: r.name})
			default:
				d.Missing = append(d.Missing, r.id)
			}
			return nil
		}, belongs+`
			select u.id, u.user_name, coalesce(l.enabled, false), lm.user_id is not null, coalesce(lm.stale, false), coalesce(lm.rejected, false), coalesce(lm.origin, ''),
				not coalesce(l.enabled, false) and `+planned+`('create','enable','update','skip')), coalesce(l.enabled, false) and `+planned+`('disable','delete'))
			from belongs b join users u on u.id = b.id and u.deleted_at is null
			left join links l on l.app_id = $2 and l.type = 'user' and l.object_id = u.id
			left join link_members lm on lm.app_id = $2 and lm.group_id = $1 and lm.user_id = u.id
			where lm.user_id is null or (lm.stale or lm.rejected or lm.origin = 'extra') and lm.origin <> 'out' order by u.user_name`, args...)
		if err != nil {
			return d, err
		}
		type gone struct {
			provision.Subject
			origin            string
			rejected, claimed bool
		}
		leavers, err := rowsOf(ctx, tx, func(r scanner) (x gone, err error) {
			return x, r.Scan(&x.ID, &x.Name, &x.origin, &x.rejected, &x.claimed)
		}, belongs+`
			select lm.user_id, coalesce(l.object_name, u.user_name, nullif(lm.name, ''), lm.user_id), lm.origin, lm.rejected,
				lm.origin = 'extra' and exists (select 1 from links x where x.app_id = lm.app_id and x.type = 'user' and x.account_id = lm.account_id and x.object_id <> lm.user_id)
			from link_members lm left join links l on l.app_id = lm.app_id and l.type = 'user' and l.object_id = lm.user_id
			left join users u on u.id = lm.user_id
			where lm.app_id = $2 and lm.group_id = $1 and $3 <> '' and (lm.account_id <> '' or l.account_id is not null)`+restrict+`
			and not exists (select 1 from belongs b where b.id = lm.user_id) order by 2`, args...)
		for _, g := range leavers {
			switch {
			case g.origin == "found", g.origin == "out", g.claimed:
				d.Forget = append(d.Forget, g.ID)
			case g.rejected:
			case g.origin == "extra":
				d.Extra = append(d.Extra, g.Subject)
			default:
				d.Remove = append(d.Remove, g.Subject)
			}
		}
		return d, err
	})
}

// KeptMembers returns the members that Muster added to a target's group.
func (s *Store) KeptMembers(ctx context.Context, appID, groupID string) ([]provision.Subject, error) {
	return read(ctx, s, func(tx *Tx) ([]provision.Subject, error) {
		return rowsOf(ctx, tx, func(row scanner) (v provision.Subject, err error) { return v, row.Scan(&v.ID, &v.Name) },
			`select m.user_id, coalesce(l.object_name, m.user_id) from link_members m left join links l on l.app_id = m.app_id and l.type = 'user' and l.object_id = m.user_id
			where m.app_id = $1 and m.group_id = $2 and m.origin = 'added' and not m.rejected order by 2`, appID, groupID)
	})
}

// ForgetMembers drops members that were in a target's group before Muster came and that do not
// belong to it any more: they stay there, and are no longer of interest. Of those who are back it
// forgets that their removal was rejected once, or that somebody else put them there.
func (s *Store) ForgetMembers(ctx context.Context, appID, groupID string, users, back []string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `update link_members set rejected = $1, origin = case when origin = 'extra' then 'added' else origin end where app_id = $2 and group_id = $3 and user_id in `+tx.in("$4"), false, appID, groupID, list(back)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `delete from link_members where app_id = $1 and group_id = $2 and origin in ('found','out','extra') and user_id in `+tx.in("$3"), appID, groupID, list(users))
		return err
	})
}
