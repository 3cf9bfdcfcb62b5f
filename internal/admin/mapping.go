package admin

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

// Tried is what mappings would do that have not been saved.
type Tried struct {
	Problems mapping.Problems // what is wrong with them; nothing else is set then
	Name     string           // of whom they were tried on, "" for nobody
	Values   []provision.Change
	Failed   string // why they fail for that one
	Impact   cycle.Impact
}

// trying is how long the impact of mappings is looked for before what was found has to do.
const trying = 8 * time.Second

// TryMappings says what the mappings of one kind would do: to one user or group, by name, and to how many
// accounts. Nothing is saved, and the target is not asked.
func (d *Desk) TryMappings(ctx context.Context, name string, kind directory.Kind, rows []mapping.Mapping, on string) (Tried, error) {
	var out Tried
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return out, err
	}
	if out.Problems, err = wrongWith(kind, rows); err != nil || len(out.Problems) > 0 {
		return out, err
	}
	changed := *app
	if kind == directory.KindGroup {
		changed.Mappings.Groups = rows
	} else {
		changed.Mappings.Users = rows
	}
	engine := *d.engine
	engine.Open = d.silent
	if on != "" {
		if err := d.tryOn(ctx, &engine, app, &changed, kind, on, &out); err != nil {
			return out, err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, trying)
	defer cancel()
	out.Impact, err = engine.Impact(bounded, kind, app, &changed)
	return out, err
}

// wrongWith is what is wrong with mappings. The error is one that has nothing to do with them.
func wrongWith(kind directory.Kind, rows []mapping.Mapping) (mapping.Problems, error) {
	_, err := mapping.Compile(kind, rows)
	if problems, ok := err.(mapping.Problems); ok {
		return problems, nil
	}
	return nil, err
}

// tryOn shows what mappings give one user or group, beside what the saved ones give.
func (d *Desk) tryOn(ctx context.Context, engine *cycle.Engine, app, changed *provision.Application, kind directory.Kind, on string, out *Tried) error {
	id, name, err := d.named(ctx, kind, on)
	if err != nil {
		return err
	}
	out.Name = name
	before, _, err := engine.Mapped(ctx, app, kind, id)
	if err != nil {
		before = attr.Set{} // the saved ones fail for this one, too
	}
	after, hidden, err := engine.Mapped(ctx, changed, kind, id)
	if err != nil {
		out.Failed = err.Error()
		return nil
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		c := provision.Change{Attribute: path, Old: before[path], New: after[path]}
		if slices.Contains(hidden, path) {
			c.Old, c.New = nil, hiddenValue
		}
		out.Values = append(out.Values, c)
	}
	return nil
}

// named finds a user or a group by what a person calls them.
func (d *Desk) named(ctx context.Context, kind directory.Kind, on string) (id, name string, err error) {
	if kind == directory.KindGroup {
		g, err := d.store.GroupByName(ctx, on)
		return g.ID, g.DisplayName, err
	}
	u, err := d.store.UserByName(ctx, on)
	return u.ID, u.UserName, err
}

// Checked is what is to be said of a mapping while somebody types it.
type Checked struct {
	Problems mapping.Problems // of all rows: an edit of one may be another's mistake
	Tried    bool             // there is a value
	Value    any              // what the mapping gives for whom it is tried on
	Failed   string           // why it gives none
}

// CheckMapping says what is wrong with mappings, and what one of them gives for a user or a group, "" for
// nobody. It is cheap enough for every key that is pressed: the accounts are not looked at.
func (d *Desk) CheckMapping(ctx context.Context, name string, kind directory.Kind, rows []mapping.Mapping, row int, on string) (Checked, error) {
	var out Checked
	var err error
	if out.Problems, err = wrongWith(kind, rows); err != nil || on == "" || row >= len(rows) {
		return out, err
	}
	if slices.ContainsFunc(out.Problems, func(p mapping.Problem) bool { return p.Row == row }) {
		return out, nil
	}
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return out, err
	}
	t := mapping.Test{Person: on}
	f, err := d.factsOf(ctx, app, kind, t)
	if err == nil {
		out.Value, _, err = t.Run(rows[row], f)
	}
	if out.Tried = err == nil; err != nil {
		out.Failed = Explain(err).Message
		if Explain(err).Exit == ExitInternal {
			out.Failed = err.Error() // what a mapping says of itself holds no value
		}
	}
	if rows[row].Sensitive && out.Tried {
		out.Value = hiddenValue
	}
	return out, ctx.Err()
}

// DefaultMappings returns the mappings of the template that an application is made from.
func (d *Desk) DefaultMappings(ctx context.Context, name string) (provision.Mappings, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return provision.Mappings{}, err
	}
	t, err := gallery.Lookup(app.Template)
	if err != nil {
		return provision.Mappings{}, usage("no_template", "", "%v", err)
	}
	return t.Application().Mappings, nil
}
