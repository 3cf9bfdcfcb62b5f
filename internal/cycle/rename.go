package cycle

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// A target lets no two accounts have one userName, and often no two one e-mail address. When people exchange
// theirs, or one takes what another gives up, the order of the requests decides whether they are refused:
//
//	ada → bob, bob → carl             bob first
//	ada → bob, bob → ada              ada → ada-x7f3k2, bob → ada, ada-x7f3k2 → bob
//
// The name in between is an operation of its own, whose link says what the account is called: whatever is
// killed and when, the next cycle goes on from there.

// rename is a planned operation that gives up, or takes, a value that the target keeps unique.
type rename struct {
	row     *store.Operation
	frees   []string  // identities
	takes   []string  // identities
	after   []*rename // must have freed what this one takes
	aside   bool      // gives its values up first, for another one in between
	visited int       // 0 not yet, 1 on the way, 2 done
	rank    int
	planned provision.Urgency // before others waited for it
}

// unique are the target attributes whose values no two accounts may share: the name, and what accounts are told
// apart by.
func (r *run) unique(kind directory.Kind) []string {
	name := "userName"
	if kind == directory.KindGroup {
		name = "displayName"
	}
	paths := r.matching(kind)
	if !slices.Contains(paths, name) {
		paths = append(paths, name)
	}
	return paths
}

// exchanges returns the identities that an operation gives up and those that it takes.
func (r *run) exchanges(o *store.Operation) (frees, takes []string) {
	if o.Error != nil {
		return nil, nil
	}
	for _, path := range r.unique(o.Kind) {
		add := func(to *[]string, v any) {
			if s, _ := v.(string); s != "" {
				*to = append(*to, identity(o.Kind, path, s))
			}
		}
		if o.Action == provision.Create {
			add(&takes, o.Want[path])
			continue
		}
		for _, e := range o.Edits {
			if e.Path == path && !attr.Similar(e.Old, e.New) {
				add(&frees, e.Old)
				add(&takes, e.New)
			}
		}
	}
	return frees, takes
}

// noteRenames remembers the rows that give something up or take something.
func (r *run) noteRenames(rows []*store.Operation) {
	for _, row := range rows {
		if row.State != store.Planned || row.Action == provision.Create {
			continue // whoever is created is found by r.making
		}
		if frees, takes := r.exchanges(row); len(frees)+len(takes) > 0 {
			r.renames = append(r.renames, &rename{row: row, frees: frees, takes: takes, planned: row.Urgency})
		}
	}
}

// orderRenames puts what was planned since it was last called into an order in which the target refuses nothing.
func (r *run) orderRenames(ctx context.Context) error {
	renames := r.renames
	r.renames = nil
	holder := map[string]*rename{}
	for _, x := range renames {
		for _, id := range x.frees {
			holder[id] = x
		}
	}
	if len(holder) == 0 {
		return nil
	}
	for _, x := range renames {
		for _, id := range x.takes {
			if h := holder[id]; h != nil && h != x {
				x.after = append(x.after, h)
			}
		}
	}
	for _, x := range renames {
		x.place()
	}
	changed := r.newcomersAfter(renames)
	var aside []*store.Operation
	for _, x := range renames {
		if x.aside {
			aside = append(aside, r.stepAside(x))
		}
		if x.aside || x.rank != x.row.Rank || x.planned != x.row.Urgency {
			x.row.Rank = x.rank
			changed = append(changed, x.row)
		}
	}
	if err := r.engine.Store.Replan(ctx, changed); err != nil {
		return err
	}
	r.planned += len(aside)
	return r.engine.Store.AddOperations(ctx, r.app.ID, r.holder, aside, nil, nil)
}

// place ranks a rename after those that it waits for. One that is met again on the way closes a circle, and steps
// aside.
func (x *rename) place() {
	if x.visited != 0 {
		return
	}
	x.visited, x.rank = 1, x.row.Rank
	for _, h := range x.after {
		h.hurry(x.row.Urgency)
		if h.visited == 1 {
			h.aside = true
		}
		h.place()
		x.rank = max(x.rank, 1)
		if !h.aside {
			x.rank = max(x.rank, h.rank+1)
		}
	}
	x.visited = 2
	if x.aside {
		// Whoever it waits for comes after it has stepped aside, and it comes back after them.
		for _, h := range x.after {
			x.rank = max(x.rank, h.rank+1)
		}
	}
}

// stepAside makes the operation by which an account gives up its values for a moment. What is left of the rename
// goes on from there.
func (r *run) stepAside(x *rename) *store.Operation {
	row := x.row
	first := *row
	first.ID, first.Rank, first.Add, first.Remove, first.Edits = r.engine.Store.NewID(), 0, nil, nil, nil
	before := row.Want.Clone()
	for _, e := range row.Edits {
		before[e.Path] = e.Old
	}
	shifted := before.Clone()
	for _, path := range r.unique(row.Kind) {
		if old, _ := before[path].(string); old != "" && slices.Contains(x.frees, identity(row.Kind, path, old)) {
			shifted[path] = besides(path, old, row.Source.ID)
		}
	}
	shifted = r.shape(row.Kind, row.Source.ID, shifted)
	row.Edits = slices.Clone(row.Edits)
	var gives []string
	for i, e := range row.Edits {
		if now, ok := shifted[e.Path]; ok && !attr.Equal(now, before[e.Path]) {
			first.Edits = append(first.Edits, attr.Edit{Path: e.Path, Old: e.Old, New: now})
			row.Edits[i].Old = now
			gives = append(gives, e.Path)
		}
	}
	first.Want = before.With(first.Edits)
	first.Reason = fmt.Sprintf("gives up %s for a moment: others take it, and have what is to be taken", strings.Join(gives, ", "))
	return &first
}

// besides is a name close to another one, and nobody's: of an address it is one that still reaches the person.
func besides(path, value, objectID string) string {
	sum := sha256.Sum256([]byte(objectID + "\x00" + value))
	mark := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:6])
	local, domain := value, ""
	if at := strings.LastIndexByte(value, '@'); at > 0 {
		local, domain = value[:at], value[at:]
	}
	if strings.HasPrefix(path, "emails") {
		return local + "+" + mark + domain
	}
	return local + "-" + mark + domain
}

// newcomersAfter lets those who are to be created with a value that somebody gives up wait for that.
func (r *run) newcomersAfter(renames []*rename) []*store.Operation {
	waits := map[string][]*rename{} // by newcomer
	r.mu.Lock()
	for _, x := range renames {
		for _, id := range x.frees {
			for _, s := range r.making[id] {
				waits[s.ID] = append(waits[s.ID], x)
			}
		}
	}
	r.mu.Unlock()
	if len(waits) == 0 {
		return nil
	}
	var rows []*store.Operation
	for _, row := range r.rows {
		if row.Action != provision.Create {
			continue
		}
		after := row.Rank
		for _, x := range waits[row.Source.ID] {
			x.hurry(row.Urgency)
			free := x.rank
			if x.aside {
				free = 0
			}
			after = max(after, free+1)
		}
		if row.Rank < after {
			row.Rank = after
			rows = append(rows, row)
		}
	}
	return rows
}

// hurry makes a rename as urgent as who waits for it, with those that it waits for itself.
func (x *rename) hurry(to provision.Urgency) {
	if x.row.Urgency <= to {
		return
	}
	x.row.Urgency = to
	for _, h := range x.after {
		h.hurry(to)
	}
}

// freeing is an operation that was taken from the queue, and not finished, and gives a value up.
type freeing struct {
	operation, object string
	rank              int
}

func (d *dispatcher) noteFrees(o *store.Operation) {
	if o.Action == provision.Create || len(o.Edits) == 0 {
		return
	}
	frees, _ := d.exchanges(o)
	for _, id := range frees {
		d.freed[id] = freeing{o.ID, o.Source.ID, o.Rank}
	}
}

// gaveUp forgets an operation that has ended, however it ended.
func (d *dispatcher) gaveUp(o *store.Operation) {
	maps.DeleteFunc(d.freed, func(_ string, f freeing) bool { return f.operation == o.ID })
}

// stillHeld reports whether an operation takes a value that another one, of those before it, has not given up yet.
// Where nothing is under way there is nobody to wait for.
func (d *dispatcher) stillHeld(w *work) bool {
	if len(d.freed) == 0 || d.inflight == 0 {
		return false
	}
	_, takes := d.exchanges(w.Operation)
	return slices.ContainsFunc(takes, func(id string) bool {
		f, pending := d.freed[id]
		return pending && f.object != w.Source.ID && f.rank < w.Rank
	})
}
