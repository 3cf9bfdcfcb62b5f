package cycle_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// freed is a name of somebody who is no longer in the directory, whose account may still have it; "" when there is none.
func (m *model) freed() string {
	for _, p := range m.people {
		taken := func(x *person) bool { return x != p && x.name == p.name }
		if p.purged && p.may&(foreignOn|foreignOff) == 0 && !slices.ContainsFunc(m.people, taken) {
			return p.name
		}
	}
	return ""
}

// swap lets two people exchange their names, or three hand them on in a circle.
func (m *model) swap() string {
	var who []*person
	for _, p := range m.there() {
		if in, _ := m.in(p); in && p.may == on && len(who) < 2+m.serial%2 {
			who = append(who, p)
		}
	}
	if len(who) < 2 {
		return ""
	}
	m.serial++
	names := make([]string, len(who))
	between := func(i int) string { return fmt.Sprintf("Between%d-%d", m.serial, i) }
	for i, p := range who {
		names[i] = p.name
		m.set(p.name, "userName", between(i))
	}
	for i, p := range who {
		p.name = names[(i+1)%len(names)]
		m.set(between(i), "userName", p.name)
	}
	return strings.Join(names, ", ")
}

// undo1 takes back what one of the last cycles did, for all or for one. What is turned down with that and until when,
// Muster tells whoever asks: see ask.
func (m *model) undo1() string {
	cycles, err := m.store.Cycles(m.t.Context(), m.app.ID, "", 12)
	m.must(err)
	cycles = slices.DeleteFunc(cycles, func(c *store.Cycle) bool {
		return c.Summary["create"]+c.Summary["update"]+c.Summary["enable"]+c.Summary["disable"]+c.Summary["delete"] == 0
	})
	if len(cycles) == 0 {
		return ""
	}
	done := cycles[m.rnd.IntN(min(3, len(cycles)))]
	app, err := m.store.Application(m.t.Context(), "target")
	m.must(err)
	o := cycle.Options{ByHand: true, Undo: done.ID, Initiator: "model"}
	if p := m.people[m.rnd.IntN(len(m.people))]; m.rnd.IntN(3) == 0 {
		o.UndoObject = p.id
	}
	m.target.Forget()
	plan, err := m.engine.Plan(m.t.Context(), app, o)
	m.must(err)
	if n := m.target.Writes(); n != 0 {
		m.t.Errorf("planning to undo sent %d writes", n)
	}
	var what []string
	for _, o := range m.operations(plan.ID) {
		if o.State == store.Skipped {
			continue
		}
		what = append(what, fmt.Sprintf("%s %s", o.Action, o.Source.Name))
		for _, p := range m.people {
			p.undone = p.undone || p.id == o.Source.ID
		}
		for _, g := range m.teams {
			if g.id == o.Source.ID {
				g.undone = true
				g.renamed = g.renamed || g.adopted && slices.ContainsFunc(o.Edits, func(e attr.Edit) bool { return e.Path == "displayName" })
				m.setAside(g, slices.Concat(o.Add, o.Remove))
			}
		}
	}
	return fmt.Sprintf("of %s: %s: %s", done.Type, strings.Join(what, ", "), m.disturbed(cycle.Options{ByHand: true, PlanID: plan.ID}))
}

func (m *model) setAside(g *team, members []provision.Subject) {
	if g.aside == nil {
		g.aside = map[*person]bool{}
	}
	for _, p := range m.people {
		if slices.ContainsFunc(members, func(s provision.Subject) bool { return s.ID == p.id }) {
			g.aside[p] = true
		}
	}
}

// held1 approves or rejects one operation that is held.
func (m *model) held1() string {
	held := m.held()
	if len(held) == 0 {
		return ""
	}
	o := held[m.rnd.IntN(len(held))]
	if m.rnd.IntN(2) == 0 {
		m.approve(o)
		m.approved = true
		return fmt.Sprintf("approved %s %s", o.Action, o.Source.Name)
	}
	m.reject(o)
	for _, p := range m.people {
		p.rejected = p.rejected || p.id == o.Source.ID
	}
	for _, g := range m.teams {
		g.loose = g.loose || g.id == o.Source.ID
	}
	return fmt.Sprintf("rejected %s %s", o.Action, o.Source.Name)
}
