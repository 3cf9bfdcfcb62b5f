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
	Person   string           // userName of whom they were tried on, "" for nobody
	Values   []provision.Change
	Failed   string // why they fail for that person
	Impact   cycle.Impact
}

// trying is how long the impact of mappings is looked for before what was found has to do.
const trying = 8 * time.Second

// TryMappings says what the mappings of users would do: to one person, by name, and to how many
// accounts. Nothing is saved, and the target is not asked.
func (d *Desk) TryMappings(ctx context.Context, name string, rows []mapping.Mapping, person string) (Tried, error) {
	var out Tried
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return out, err
	}
	if _, err := mapping.Compile(directory.KindUser, rows); err != nil {
		if problems, ok := err.(mapping.Problems); ok {
			out.Problems = problems
			return out, nil
		}
		return out, err
	}
	changed := *app
	changed.Mappings.Users = rows
	engine := *d.engine
	engine.Open = d.silent
	if person != "" {
		if err := d.tryOn(ctx, &engine, app, &changed, person, &out); err != nil {
			return out, err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, trying)
	defer cancel()
	out.Impact, err = engine.Impact(bounded, app, &changed)
	return out, err
}

// tryOn shows what mappings give one person, beside what the saved ones give.
func (d *Desk) tryOn(ctx context.Context, engine *cycle.Engine, app, changed *provision.Application, person string, out *Tried) error {
	u, err := d.store.UserByName(ctx, person)
	if err != nil {
		return err
	}
	out.Person = u.UserName
	before, _, err := engine.Mapped(ctx, app, u.ID)
	if err != nil {
		before = attr.Set{} // the saved ones fail for this person, too
	}
	after, hidden, err := engine.Mapped(ctx, changed, u.ID)
	if err != nil {
		out.Failed = err.Error()
		return nil
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		c := provision.Change{Attribute: path, Old: before[path], New: after[path]}
		if slices.Contains(hidden, path) {
			c.Old, c.New = nil, "(hidden)"
		}
		out.Values = append(out.Values, c)
	}
	return nil
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
