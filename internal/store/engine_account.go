package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// planning is how long a plan may take: what it has seen is not forgotten by others before.
const planning = time.Hour

// BeginWalk begins a walk over the accounts of a target, named by the id of the cycle or the plan that
// makes it, and forgets what earlier ones saw that nobody works with any more. What is seen is kept on
// disk, so that matching and comparing a hundred thousand accounts needs an index and no memory.
func (s *Store) BeginWalk(ctx context.Context, appID, walk string, kind directory.Kind) error {
	return s.Write(ctx, func(tx *Tx) error {
		for _, table := range []string{"accounts", "account_keys"} {
			if _, err := tx.Exec(ctx, `delete from `+table+` where app_id = $1 and type = $2 and (walk = $3 or walk not in (select id from cycles
				where app_id = $1 and (state = 'running' or state = 'planned' and created_at > $4)))`, appID, string(kind), walk, tx.now()-planning.Milliseconds()); err != nil {
				return err
			}
		}
		return nil
	})
}

// AddSeen stores a page of accounts that a walk saw, with their keys for the matching attributes.
func (s *Store) AddSeen(ctx context.Context, appID, walk string, accounts []connector.Account, matching []string) error {
	if len(accounts) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(accounts))
	var keys [][]any
	for _, a := range accounts {
		members := sql.NullString{}
		if a.MembersKnown {
			members = sql.NullString{String: jsonText(a.Members), Valid: true}
		}
		rows = append(rows, []any{appID, string(a.Kind), a.ID, walk, a.Name, a.Active, a.Protected, jsonText(a.Values), members})
		for _, path := range matching {
			v, _ := a.Values[path].(string)
			for _, v := range append([]string{v}, a.Also[path]...) {
				if v != "" {
					keys = append(keys, []any{appID, string(a.Kind), path, directory.Key(v), a.ID, walk})
				}
			}
		}
	}
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.insert(ctx, "accounts", columnNames(`app_id, type, account_id, walk, name, active, protected, answered, members`), rows,
			`on conflict (app_id, type, walk, account_id) do update set name = excluded.name, active = excluded.active,
			protected = excluded.protected, answered = excluded.answered, members = excluded.members`); err != nil {
			return err
		}
		if len(keys) == 0 {
			return nil
		}
		return tx.insert(ctx, "account_keys", columnNames(`app_id, type, path, value_key, account_id, walk`), keys, "on conflict do nothing")
	})
}

// Seen returns the accounts of a walk that have one of the values for an attribute, by
// folded value. Each says to whom it is linked.
func (s *Store) Seen(ctx context.Context, appID, walk string, kind directory.Kind, path string, values []string) (map[string][]provision.Candidate, error) {
	return read(ctx, s, func(tx *Tx) (map[string][]provision.Candidate, error) {
		by := map[string][]provision.Candidate{}
		keys := make([]string, len(values))
		for i, v := range values {
			keys[i] = directory.Key(v)
		}
		rows, err := tx.Query(ctx, `select k.value_key, a.account_id, a.name, a.active, a.protected, a.answered, coalesce(l.object_name, ''), a.members
			from account_keys k join accounts a on a.app_id = k.app_id and a.type = k.type and a.walk = k.walk and a.account_id = k.account_id
			left join links l on l.app_id = a.app_id and l.type = a.type and l.account_id = a.account_id
			where k.app_id = $1 and k.type = $2 and k.path = $3 and k.value_key in `+tx.in("$4")+` and k.walk = $5 order by a.account_id`, appID, string(kind), path, list(keys), walk)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			var c provision.Candidate
			if err := scanCandidate(rows, &key, &c); err != nil {
				return nil, err
			}
			by[key] = append(by[key], c)
		}
		return by, rows.Err()
	})
}

func scanCandidate(row scanner, key *string, c *provision.Candidate) error {
	var values string
	var members sql.NullString
	if err := row.Scan(key, &c.ID, &c.Name, &c.Active, &c.Protected, &values, &c.LinkedTo, &members); err != nil {
		return err
	}
	if members.Valid {
		c.MembersKnown = true
		if err := json.Unmarshal([]byte(members.String), &c.Members); err != nil {
			return fmt.Errorf("read account %s: %w", c.ID, err)
		}
	}
	c.Values = attr.Set{}
	return json.Unmarshal([]byte(values), &c.Values)
}

// SeenByID returns accounts of a walk by their id.
func (s *Store) SeenByID(ctx context.Context, appID, walk string, kind directory.Kind, ids []string) (map[string]provision.Candidate, error) {
	return read(ctx, s, func(tx *Tx) (map[string]provision.Candidate, error) {
		by := map[string]provision.Candidate{}
		rows, err := tx.Query(ctx, `select a.account_id, a.account_id, a.name, a.active, a.protected, a.answered, coalesce(l.object_name, ''), a.members
			from accounts a left join links l on l.app_id = a.app_id and l.type = a.type and l.account_id = a.account_id
			where a.app_id = $1 and a.type = $2 and a.account_id in `+tx.in("$3")+` and a.walk = $4`, appID, string(kind), list(ids), walk)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			var c provision.Candidate
			if err := scanCandidate(rows, &key, &c); err != nil {
				return nil, err
			}
			by[key] = c
		}
		return by, rows.Err()
	})
}

// LinkedTo returns, for account ids, the object that each is linked to.
func (s *Store) LinkedTo(ctx context.Context, appID string, kind directory.Kind, accounts []string) (map[string]provision.Subject, error) {
	return read(ctx, s, func(tx *Tx) (map[string]provision.Subject, error) {
		by := make(map[string]provision.Subject, len(accounts))
		rows, err := tx.Query(ctx, `select l.account_id, l.object_id, coalesce(u.user_name, g.display_name, l.object_name) from links l
			left join users u on l.type = 'user' and u.id = l.object_id left join groups g on l.type = 'group' and g.id = l.object_id
			where l.app_id = $1 and l.type = $2 and l.account_id in `+tx.in("$3"), appID, string(kind), list(accounts))
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var account string
			var v provision.Subject
			if err := rows.Scan(&account, &v.ID, &v.Name); err != nil {
				return nil, err
			}
			by[account] = v
		}
		return by, rows.Err()
	})
}

// AccountsOf returns the enabled accounts of directory users, by user id.
func (s *Store) AccountsOf(ctx context.Context, appID string, users []string) (map[string]string, error) {
	if len(users) == 0 {
		return nil, nil
	}
	return read(ctx, s, func(tx *Tx) (map[string]string, error) {
		found, err := rowsOf(ctx, tx, func(row scanner) (v provision.Subject, err error) { return v, row.Scan(&v.ID, &v.Name) },
			`select object_id, account_id from links where app_id = $1 and type = 'user' and enabled and object_id in `+tx.in("$2"), appID, list(users))
		by := make(map[string]string, len(found))
		for _, v := range found {
			by[v.ID] = v.Name
		}
		return by, err
	})
}

// memberAccount is the account of a member m with the link l, if any: one that was sent by a process that died may
// have been recorded by its link alone, see [Tx.doubtMembers].
const memberAccount = `coalesce(nullif(m.account_id, ''), l.account_id, '')`

// MemberAccounts returns the account ids under which users are members of a target's group.
func (s *Store) MemberAccounts(ctx context.Context, appID, groupID string, users []string) (map[string]string, error) {
	return read(ctx, s, func(tx *Tx) (map[string]string, error) {
		found, err := rowsOf(ctx, tx, func(row scanner) (v provision.Subject, err error) { return v, row.Scan(&v.ID, &v.Name) },
			`select m.user_id, `+memberAccount+` from link_members m left join links l on l.app_id = m.app_id and l.type = 'user' and l.object_id = m.user_id
			where m.app_id = $1 and m.group_id = $2 and m.user_id in `+tx.in("$3"), appID, groupID, list(users))
		by := make(map[string]string, len(found))
		for _, v := range found {
			by[v.ID] = v.Name
		}
		return by, err
	})
}
