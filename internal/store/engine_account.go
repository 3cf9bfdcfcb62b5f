package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// BeginWalk forgets what an earlier walk over the accounts of a target saw. What is seen is kept on
// disk, so that matching and comparing a hundred thousand accounts needs an index and no memory.
func (s *Store) BeginWalk(ctx context.Context, appID string, kind directory.Kind) error {
	return s.Write(ctx, func(tx *Tx) error {
		for _, q := range []string{`delete from accounts where app_id = $1 and type = $2`, `delete from account_keys where app_id = $1 and type = $2`} {
			if _, err := tx.Exec(ctx, q, appID, string(kind)); err != nil {
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
			if v, ok := a.Values[path].(string); ok && v != "" {
				keys = append(keys, []any{appID, string(a.Kind), path, directory.Key(v), a.ID})
			}
		}
	}
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.insert(ctx, "accounts", columnNames(`app_id, type, account_id, walk, name, active, protected, answered, members`), rows,
			`on conflict (app_id, type, account_id) do update set walk = excluded.walk, name = excluded.name, active = excluded.active,
			protected = excluded.protected, answered = excluded.answered, members = excluded.members`); err != nil {
			return err
		}
		if len(keys) == 0 {
			return nil
		}
		return tx.insert(ctx, "account_keys", columnNames(`app_id, type, path, value_key, account_id`), keys, "on conflict do nothing")
	})
}

// Seen returns the accounts of the last walk that have one of the values for an attribute, by
// folded value. Each says to whom it is linked.
func (s *Store) Seen(ctx context.Context, appID string, kind directory.Kind, path string, values []string) (map[string][]provision.Candidate, error) {
	return read(ctx, s, func(tx *Tx) (map[string][]provision.Candidate, error) {
		by := map[string][]provision.Candidate{}
		keys := make([]string, len(values))
		for i, v := range values {
			keys[i] = directory.Key(v)
		}
		rows, err := tx.Query(ctx, `select k.value_key, a.account_id, a.name, a.active, a.protected, a.answered, coalesce(l.object_name, ''), a.members
			from account_keys k join accounts a on a.app_id = k.app_id and a.type = k.type and a.account_id = k.account_id
			left join links l on l.app_id = a.app_id and l.type = a.type and l.account_id = a.account_id
			where k.app_id = $1 and k.type = $2 and k.path = $3 and k.value_key in `+tx.in("$4")+` order by a.account_id`, appID, string(kind), path, list(keys))
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

// SeenByID returns accounts of the last walk by their id.
func (s *Store) SeenByID(ctx context.Context, appID string, kind directory.Kind, ids []string) (map[string]provision.Candidate, error) {
	return read(ctx, s, func(tx *Tx) (map[string]provision.Candidate, error) {
		by := map[string]provision.Candidate{}
		rows, err := tx.Query(ctx, `select a.account_id, a.account_id, a.name, a.active, a.protected, a.answered, coalesce(l.object_name, ''), a.members
			from accounts a left join links l on l.app_id = a.app_id and l.type = a.type and l.account_id = a.account_id
			where a.app_id = $1 and a.type = $2 and a.account_id in `+tx.in("$3"), appID, string(kind), list(ids))
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
		rows, err := tx.Query(ctx, `select account_id, object_id, object_name from links where app_id = $1 and type = $2 and account_id in `+tx.in("$3"), appID, string(kind), list(accounts))
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

// MemberAccounts returns the account ids under which users are members of a target's group.
func (s *Store) MemberAccounts(ctx context.Context, appID, groupID string, users []string) (map[string]string, error) {
	return read(ctx, s, func(tx *Tx) (map[string]string, error) {
		found, err := rowsOf(ctx, tx, func(row scanner) (v provision.Subject, err error) { return v, row.Scan(&v.ID, &v.Name) },
			`select user_id, account_id from link_members where app_id = $1 and group_id = $2 and user_id in `+tx.in("$3"), appID, groupID, list(users))
		by := make(map[string]string, len(found))
		for _, v := range found {
			by[v.ID] = v.Name
		}
		return by, err
	})
}

// Strangers returns how many accounts of the last walk are linked to nobody, and some of them.
func (s *Store) Strangers(ctx context.Context, appID string, kind directory.Kind, limit int) (int, []provision.Subject, error) {
	var n int
	some, err := read(ctx, s, func(tx *Tx) ([]provision.Subject, error) {
		const from = ` from accounts a where app_id = $1 and type = $2 and not exists
			(select 1 from links l where l.app_id = a.app_id and l.type = a.type and l.account_id = a.account_id)`
		if err := tx.QueryRow(ctx, `select count(*)`+from, appID, string(kind)).Scan(&n); err != nil {
			return nil, err
		}
		return rowsOf(ctx, tx, func(row scanner) (v provision.Subject, err error) { return v, row.Scan(&v.ID, &v.Name) },
			`select account_id, name`+from+` order by name limit $3`, appID, string(kind), limit)
	})
	return n, some, err
}
