package store

import (
	"context"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
)

// AccountQuery picks accounts that an application keeps, for browsing.
type AccountQuery struct {
	Kind   directory.Kind
	Search string // as for [UserQuery], or an account's id or name; of groups in their names; "" for all
	State  string // active, disabled; "" for all
	After  string // where the page before ended, "" for the first
	Limit  int    // 0 is 100
}

// AccountRow is a linked account with what is wrong with it.
type AccountRow struct {
	Link   *Link
	Escrow *Escrow // nil when nothing failed
}

// accountStates are the conditions of the states that accounts are picked by, of links l of the application $1 and the
// kind $2.
var accountStates = map[string]string{
	"":         "",
	"active":   " and l.enabled",
	"disabled": " and not l.enabled",
}

// Accounts returns a page of the accounts that an application is linked to, by the names of their
// people, and where the next one begins.
func (s *Store) Accounts(ctx context.Context, appID string, q AccountQuery) (page []AccountRow, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	state, known := accountStates[q.State]
	if !known {
		return nil, "", refuse(ErrInvalid, "", "accounts have no state %q", q.State)
	}
	err = s.Read(ctx, func(tx *Tx) error {
		var links []*Link
		terms, err := termsOf(q.Search)
		if err != nil {
			return err
		}
		switch {
		case len(terms) > 0 && q.Kind == directory.KindUser:
			links, next, err = tx.searchedLinks(ctx, appID, q, terms, state)
		default:
			links, next, err = tx.listedLinks(ctx, appID, q, state)
		}
		if err != nil {
			return err
		}
		ids := make([]string, len(links))
		for i, l := range links {
			ids[i] = l.ObjectID
		}
		page = make([]AccountRow, len(links))
		entries, err := rowsOf(ctx, tx, scanEscrow, `select `+escrowColumns+` from escrow where app_id = $1 and type = $2 and object_id in `+tx.in("$3"), appID, string(q.Kind), list(ids))
		by := map[string]*Escrow{}
		for _, e := range entries {
			by[e.ObjectID] = e
		}
		for i, l := range links {
			page[i] = AccountRow{Link: l, Escrow: by[l.ObjectID]}
		}
		return err
	})
	return page, next, err
}

// listedLinks reads a page of links by the names of their objects; of groups, which are few, also those that
// have a text in their names.
func (tx *Tx) listedLinks(ctx context.Context, appID string, q AccountQuery, state string) (links []*Link, next string, err error) {
	name, id, err := cursor(q.After)
	if err != nil {
		return nil, "", err
	}
	where, args := "app_id = $1 and type = $2 and (object_name, object_id) > ($3, $4)"+state, []any{appID, string(q.Kind), name, id, q.Limit + 1}
	if q.Search != "" {
		search, err := pattern(q.Search)
		if err != nil {
			return nil, "", err
		}
		args = append(args, search)
		where += ` and (lower(object_name) like $6 escape '\' or lower(account_name) like $6 escape '\')`
	}
	links, err = rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links l where `+where+` order by object_name, object_id limit $5`, args...)
	if len(links) > q.Limit {
		links = links[:q.Limit]
		last := links[q.Limit-1]
		next = place(last.Name, last.ObjectID)
	}
	return links, next, err
}

// searchedLinks reads a page of links of people whom a search finds, as for [Store.Users]; before them those
// whose account has exactly this id or, where it is called otherwise than its person, this name.
func (tx *Tx) searchedLinks(ctx context.Context, appID string, q AccountQuery, terms []string, state string) (links []*Link, next string, err error) {
	typed := strings.TrimSpace(q.Search)
	for _, called := range []string{"account_id in ($3, $4)", "account_name in ($3, $4) and account_name <> object_name"} {
		if q.After != "" {
			break
		}
		some, err := rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links l where app_id = $1 and type = $2 and `+called+state, appID, string(q.Kind), typed, strings.ToLower(typed))
		if err != nil {
			return nil, "", err
		}
		for _, l := range some {
			if !slices.ContainsFunc(links, func(o *Link) bool { return o.ObjectID == l.ObjectID }) {
				links = append(links, l)
			}
		}
	}
	page, next, err := tx.findPeople(ctx, finding{
		terms: terms, table: "cross join links l",
		where: "and l.app_id = $1 and l.type = $2 and l.object_id = w.object_id" + state, args: []any{appID, string(q.Kind)}, after: q.After, limit: q.Limit,
	})
	if err != nil {
		return nil, "", err
	}
	var ids []string
	for _, id := range idsOf(page) {
		if !slices.ContainsFunc(links, func(l *Link) bool { return l.ObjectID == id }) {
			ids = append(ids, id)
		}
	}
	more, err := rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where app_id = $1 and type = $2 and object_id in `+tx.in("$3"), appID, string(q.Kind), list(ids))
	slices.SortFunc(more, func(a, b *Link) int { return slices.Index(ids, a.ObjectID) - slices.Index(ids, b.ObjectID) })
	return append(links, more...), next, err
}

// FailureQuery picks objects of an application whose last operation failed.
type FailureQuery struct {
	State  string // waiting: it is tried again by itself; parked: only a person can mend it; "" for all
	Search string // a part of the name; "" for all
	After  string // where the page before ended, "" for the first
	Limit  int    // 0 is 100
}

// Failure is an object whose last operation failed, whether it has an account or not.
type Failure struct {
	*Escrow
	Link *Link // nil without an account
}

// failureStates are the conditions of the states that failures are picked by.
var failureStates = map[string]string{"": "", "waiting": " and not parked", "parked": " and parked"}

// Failures returns a page of what fails in an application, by name, and where the next one begins.
func (s *Store) Failures(ctx context.Context, appID string, q FailureQuery) (page []Failure, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	state, known := failureStates[q.State]
	if !known {
		return nil, "", refuse(ErrInvalid, "", "failures have no state %q", q.State)
	}
	name, id, err := cursor(q.After)
	if err != nil {
		return nil, "", err
	}
	search, err := pattern(q.Search)
	if err != nil {
		return nil, "", err
	}
	err = s.Read(ctx, func(tx *Tx) error {
		failed, err := rowsOf(ctx, tx, scanEscrow, `select `+escrowColumns+` from escrow where app_id = $1 and (object_name, object_id) > ($2, $3) and lower(object_name) like $4 escape '\'`+
			state+` order by object_name, object_id limit $5`, appID, name, id, search, q.Limit+1)
		if err != nil {
			return err
		}
		next = ""
		if len(failed) > q.Limit {
			failed = failed[:q.Limit]
			last := failed[q.Limit-1]
			next = place(last.Name, last.ObjectID)
		}
		ids := make([]string, len(failed))
		for i, e := range failed {
			ids[i] = e.ObjectID
		}
		links, err := rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where app_id = $1 and type in ('user','group') and object_id in `+tx.in("$2"), appID, list(ids))
		by := map[string]*Link{}
		for _, l := range links {
			by[l.ObjectID] = l
		}
		page = make([]Failure, len(failed))
		for i, e := range failed {
			page[i] = Failure{e, by[e.ObjectID]}
		}
		return err
	})
	return page, next, err
}

// OperationsOn returns what a cycle or a plan has for one object of the directory, in the order in which it was planned.
func (s *Store) OperationsOn(ctx context.Context, cycleID, objectID string) ([]*Operation, error) {
	return read(ctx, s, func(tx *Tx) ([]*Operation, error) {
		return rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations where cycle_id = $1 and object_id = $2 and state <> 'dropped' order by id`, cycleID, objectID)
	})
}

// ApplicationNames returns the names of all applications, without the rest of them.
func (s *Store) ApplicationNames(ctx context.Context) ([]string, error) {
	return read(ctx, s, func(tx *Tx) ([]string, error) {
		return collect(one[string])(tx.Query(ctx, "select name from applications order by name_key"))
	})
}

// Assigned is an application that an object is assigned to.
type Assigned struct{ Application, Role string }

// AssignedTo returns the applications that a user or a group is assigned to by itself, by name.
func (s *Store) AssignedTo(ctx context.Context, kind directory.Kind, objectID string) ([]Assigned, error) {
	return read(ctx, s, func(tx *Tx) ([]Assigned, error) {
		return collect(func(r scanner) (a Assigned, err error) { return a, r.Scan(&a.Application, &a.Role) })(tx.Query(ctx,
			`select a.name, s.role from applications a join assignments s on s.app_id = a.id where s.subject_type = $1 and s.subject_id = $2 order by a.name_key`, string(kind), objectID))
	})
}

// LinksOf returns the accounts of one directory object in all applications.
func (s *Store) LinksOf(ctx context.Context, objectID string) ([]*Link, error) {
	return read(ctx, s, func(tx *Tx) ([]*Link, error) {
		return rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where object_id = $1 order by app_id`, objectID)
	})
}

// Cycles returns the cycles of an application that ran, the newest first, from after an id on.
func (s *Store) Cycles(ctx context.Context, appID, after string, limit int) ([]*Cycle, error) {
	return read(ctx, s, func(tx *Tx) ([]*Cycle, error) {
		return rowsOf(ctx, tx, scanCycle, `select `+cycleColumns+` from cycles where app_id = $1 and state <> 'planned' and ($2 = '' or id < $2) order by created_at desc, id desc limit $3`, appID, after, limit)
	})
}
