package admin

import (
	"context"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Held is a list of held operations.
type Held struct {
	Operations []Operation `json:"operations"`
}

// Selection picks held operations: all of them, or those of users, groups and ids.
type Selection struct {
	All                bool
	Users, Groups, IDs []string
}

// Held returns what waits for a person in an application, the oldest first.
func (d *Desk) Held(ctx context.Context, name string) (Held, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Held{}, err
	}
	ops, err := d.store.HeldOperations(ctx, app.ID)
	return heldOf(ops), err
}

// HeldPage returns a page of what waits for a person, the oldest first, and where the next one begins, ""
// after the last.
func (d *Desk) HeldPage(ctx context.Context, name, after string, limit int) (Held, string, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Held{}, "", err
	}
	ops, err := d.store.HeldPage(ctx, app.ID, after, limit)
	next := ""
	if len(ops) == limit {
		next = ops[limit-1].ID
	}
	return heldOf(ops), next, err
}

func heldOf(ops []*store.Operation) Held {
	h := Held{Operations: []Operation{}}
	for _, o := range ops {
		h.Operations = append(h.Operations, operationOf(o))
	}
	return h
}

// Approve lets held operations through; the next cycle carries them out.
func (d *Desk) Approve(ctx context.Context, name string, pick Selection) (Held, error) {
	return d.judge(ctx, name, pick, "approve", d.store.Approve)
}

// Reject turns held operations down: they are not proposed again until what speaks for them changes.
func (d *Desk) Reject(ctx context.Context, name string, pick Selection) (Held, error) {
	return d.judge(ctx, name, pick, "reject", d.store.Reject)
}

func (d *Desk) judge(ctx context.Context, name string, pick Selection, verb string, do func(context.Context, string, []*store.Operation, string) error) (Held, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Held{}, err
	}
	held, err := d.store.HeldOperations(ctx, app.ID)
	if err != nil {
		return Held{}, err
	}
	chosen, err := d.choose(ctx, app, held, pick, verb)
	if err != nil || len(chosen) == 0 {
		return heldOf(nil), err
	}
	if err := do(ctx, app.ID, chosen, d.by.Name); err != nil {
		return Held{}, err
	}
	ids := make([]any, len(chosen))
	for i, o := range chosen {
		ids[i] = string(o.Action) + " " + string(o.Kind) + " " + o.Source.ID
	}
	entry := store.Entry{Action: verb, Type: "application", Object: app.ID, Name: app.Name, After: map[string]any{"operations": ids}}
	return heldOf(chosen), d.store.Audit(ctx, d.by, entry)
}

// choose returns the operations that a selection means. A name with nothing held is refused: it would
// look as if it had been dealt with.
func (d *Desk) choose(ctx context.Context, app *provision.Application, held []*store.Operation, pick Selection, verb string) ([]*store.Operation, error) {
	if pick.All {
		return held, nil
	}
	if len(pick.Users)+len(pick.Groups)+len(pick.IDs) == 0 {
		return nil, usage("usage", "name them with --user, --group or --id, or take --all", "which operations of %s are to be %sed?", app.Name, strings.TrimSuffix(verb, "e"))
	}
	var out []*store.Operation
	taken := map[string]bool{}
	take := func(what string, is func(*store.Operation) bool) error {
		found := false
		for _, o := range held {
			if is(o) {
				found = true
				if !taken[o.ID] {
					taken[o.ID] = true
					out = append(out, o)
				}
			}
		}
		if !found {
			return usage(string(store.ErrNotFound), "`muster held "+app.Name+" list` shows what is held", "nothing is held in %s for %s", app.Name, what)
		}
		return nil
	}
	for _, id := range pick.IDs {
		if err := take("the id "+id, func(o *store.Operation) bool { return o.ID == id }); err != nil {
			return nil, err
		}
	}
	for kind, names := range map[directory.Kind][]string{directory.KindUser: pick.Users, directory.KindGroup: pick.Groups} {
		for _, name := range names {
			id, err := d.object(ctx, kind, name)
			if err != nil && Explain(err).Code != string(store.ErrNotFound) {
				return nil, err
			}
			// Whoever is gone from the directory is still held, under the name that they had.
			err = take(string(kind)+" "+name, func(o *store.Operation) bool {
				return o.Kind == kind && (o.Source.ID == id || directory.Key(o.Source.Name) == directory.Key(name))
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
