package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/muster-id/muster/internal/directory"
)

// finish does what can be done only when all records are in.
func (im *importer) finish(ctx context.Context) error {
	for _, step := range []func(context.Context) error{im.retry, im.lateManagers, im.movedManagers, im.lateMembers, im.absent, im.waiting} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for _, what := range []string{"managers", "members"} {
		if n := im.dangling[what]; n > 0 {
			im.warn(fmt.Sprintf("%d %s are named that are neither in this input nor in the directory", n, what))
		}
	}
	im.tellTaken()
	return nil
}

// take counts somebody or something that was another source's.
func (im *importer) take(t foreign) {
	if im.taken == nil {
		im.taken = map[foreign]*takenOver{}
	}
	of := foreign{kind: t.kind, from: t.from}
	if im.taken[of] == nil {
		im.taken[of] = &takenOver{first: t.name}
	}
	im.taken[of].n++
}

// tellTaken warns of what was another source's: two sources that take turns with a group make people leave and return, and
// a full import deactivates whom its source brought last.
func (im *importer) tellTaken() {
	to := im.opts.Source
	for _, of := range slices.SortedFunc(maps.Keys(im.taken), func(a, b foreign) int {
		return cmp.Or(strings.Compare(string(b.kind), string(a.kind)), strings.Compare(a.from, b.from))
	}) {
		switch t := im.taken[of]; of.kind {
		case directory.KindUser:
			im.warn(fmt.Sprintf("people whom source %s brought and who are %s's from now on: %d, first %s; a full import of %s that lacks them deactivates them", of.from, to, t.n, t.first, to))
		case directory.KindGroup:
			im.warn(fmt.Sprintf("groups of source %s that are %s's from now on: %d, first %s; an input that names their members replaces them, so let one source have each group", of.from, to, t.n, t.first))
		}
	}
}

// waiting warns of people whose manager the directory does not have: they get the manager when somebody
// of that name comes, and none until then.
func (im *importer) waiting(ctx context.Context) error {
	type wait struct{ id, name, manager string }
	var all []wait
	err := im.in(ctx, func(tx *Tx) (err error) {
		all, err = rowsOf(ctx, tx, func(row scanner) (w wait, err error) { return w, row.Scan(&w.id, &w.name, &w.manager) },
			"select id, user_name, manager_key from users where manager_key is not null and source = $1 and deleted_at is null order by user_name_key", im.opts.Source)
		return err
	})
	if err != nil {
		return fmt.Errorf("looking for people who wait for a manager: %w", err)
	}
	all = slices.DeleteFunc(all, func(w wait) bool {
		_, here := im.seen[uuid.MustParse(w.id)]
		return !here
	})
	switch n := len(all); {
	case n == 1:
		im.warn(fmt.Sprintf("the manager of %s, %s, is not in the directory; import that person, or correct the name", all[0].name, all[0].manager))
	case n > 1:
		im.warn(fmt.Sprintf("%d people name a manager who is not in the directory, first %s (%s); import these people, or correct the names", n, all[0].name, all[0].manager))
	}
	return nil
}

func (im *importer) dangle(what string, n int) {
	if im.dangling == nil {
		im.dangling = map[string]int{}
	}
	im.dangling[what] += n
}

// lateManagers sets the managers who came after their reports.
func (im *importer) lateManagers(ctx context.Context) error {
	for chunk := range slices.Chunk(im.managers, importSlice) {
		var rows []ImportRow
		var lost int
		err := im.in(ctx, func(tx *Tx) error {
			rows, lost = rows[:0], 0
			ids, refs := make([]string, len(chunk)), make([]string, len(chunk))
			for i, m := range chunk {
				ids[i], refs[i] = m.id.String(), m.manager
			}
			// A manager outside the input may be told by the directory's id.
			outside, err := collect(one[string])(tx.Query(ctx, "select id from users where deleted_at is null and id in "+tx.in("$1"), list(refs)))
			if err != nil {
				return err
			}
			found, err := tx.users(ctx, "where id in "+tx.in("$1")+tx.s.dialect.lockRow, list(ids))
			if err != nil {
				return err
			}
			by := map[string]*userRow{}
			for _, u := range found {
				by[u.ID] = u
			}
			var save []*userRow
			for _, m := range chunk {
				u, boss, row := by[m.id.String()], "", m.row
				if t, ok := im.refs[keyOf(m.manager)]; ok {
					boss = t.id.String()
				} else if slices.Contains(outside, m.manager) {
					boss = m.manager
				}
				switch {
				case boss == "":
					lost++
				case u != nil && u.ManagerID != boss:
					u.ManagerID, u.managerKey, u.Modified = boss, "", tx.s.Now()
					save = append(save, u)
					if row.Status == unchanged {
						row.Status = updated
					}
				}
				rows = append(rows, row)
			}
			if err := tx.saveUsers(ctx, save); err != nil {
				return err
			}
			in := im.standing(im.managers[len(chunk):], im.groups)
			in.add(rows...)
			return im.note(ctx, tx, in)
		})
		if err != nil {
			return fmt.Errorf("setting managers: %w", err)
		}
		im.count(rows...)
		im.managers = im.managers[len(chunk):]
		im.dangle("managers", lost)
	}
	return nil
}

// movedManagers looks again at managers whose userName somebody gave up in this input: who has it now is meant, also by
// those who came before.
func (im *importer) movedManagers(ctx context.Context) error {
	again := slices.DeleteFunc(im.bosses, func(b boss) bool { _, moved := im.vacated[b.name]; return !moved })
	for chunk := range slices.Chunk(again, importSlice) {
		var changed []boss
		err := im.in(ctx, func(tx *Tx) error {
			changed = nil
			ids, names, by := make([]string, len(chunk)), make([]string, len(chunk)), map[string]boss{}
			for i, b := range chunk {
				ids[i], names[i] = b.id.String(), im.vacated[b.name]
				by[ids[i]] = b
			}
			managers, err := tx.userKeys(ctx, names)
			if err != nil {
				return err
			}
			people, err := tx.users(ctx, "where id in "+tx.in("$1")+tx.s.dialect.lockRow, list(ids))
			if err != nil {
				return err
			}
			var save []*userRow
			for _, u := range people {
				key := im.vacated[by[u.ID].name]
				id := managers[key]
				if id != "" {
					key = ""
				}
				if u.ManagerID != id || u.managerKey != key {
					u.ManagerID, u.managerKey, u.Modified = id, key, tx.s.Now()
					save, changed = append(save, u), append(changed, by[u.ID])
				}
			}
			return tx.saveUsers(ctx, save)
		})
		if err != nil {
			return fmt.Errorf("setting managers whose names have moved: %w", err)
		}
		for _, b := range changed {
			im.changedAfterAll(b)
		}
	}
	return nil
}

// changedAfterAll counts somebody as updated who was counted as unchanged.
func (im *importer) changedAfterAll(b boss) {
	if !b.same {
		return
	}
	im.result.Unchanged--
	im.result.Updated++
	for i := range im.result.Rows {
		if r := &im.result.Rows[i]; r.Line == b.row && r.Status == unchanged {
			r.Status = updated
		}
	}
}

// The guard of a full import.
const (
	guardShare = 10 // per cent of the source's active people
	guardMin   = 5
)

// absent deactivates the people whom the source brought before and now lacks, unless that is likely
// to be a mistake.
func (im *importer) absent(ctx context.Context) error {
	if !im.opts.Full {
		return nil
	}
	var all int
	var gone []string
	err := im.in(ctx, func(tx *Tx) error {
		ids, err := collect(one[string])(tx.Query(ctx, "select id from users where source = $1 and active and deleted_at is null", im.opts.Source))
		all, gone = len(ids), gone[:0]
		for _, id := range ids {
			key := uuid.MustParse(id)
			if _, here := im.seen[key]; !here && !im.mentioned[key] {
				gone = append(gone, id)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("looking for people who are gone: %w", err)
	}
	if im.result.Guard = im.guard(all, len(gone)); im.result.Guard != "" {
		return nil
	}
	for chunk := range slices.Chunk(gone, importSlice) {
		n := 0
		err := im.in(ctx, func(tx *Tx) error {
			leavers, err := tx.users(ctx, "where active and deleted_at is null and id in "+tx.in("$1")+tx.s.dialect.lockRow, list(chunk))
			for _, u := range leavers {
				u.Active, u.absent, u.Modified = false, true, tx.s.Now()
			}
			n = len(leavers)
			if err := errors.Join(err, tx.saveUsers(ctx, leavers)); err != nil {
				return err
			}
			in := im.standing(im.managers, im.groups)
			in.Deactivated += n
			return im.note(ctx, tx, in)
		})
		if err != nil {
			return fmt.Errorf("deactivating people who are gone: %w", err)
		}
		im.result.Deactivated += n
	}
	return nil
}

// guard says why nobody may be deactivated, "" when they may.
func (im *importer) guard(all, gone int) string {
	failures := im.result.Failed
	switch {
	case im.result.Incomplete != "":
		return "nobody was deactivated, because the input could not be read to its end"
	case im.opts.AllowRemovals, gone == 0:
		return ""
	case failures > 0:
		return fmt.Sprintf("nobody was deactivated, because %d records could not be used; mend them, or allow it with --allow-removals", failures)
	case im.done == 0:
		return "nobody was deactivated, because the input is empty; if that is right, allow it with --allow-removals"
	case gone >= guardMin && gone*100 > all*guardShare:
		return fmt.Sprintf("nobody was deactivated, because %d of %d people of this source would be (more than %d%%); if that is right, allow it with --allow-removals", gone, all, guardShare)
	}
	return ""
}
