package cycle_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/provision"
)

// person is what the model knows of somebody: the directory as the test made it.
type person struct {
	id, name, title string
	active, gone    bool
}

// model is a company that changes by chance, and the simplest account of where that must end: whoever is
// active and in an assigned group has one account that is on, whoever had one and is not has one that
// is off, assigned groups have just those members, and strangers are as they were.
type model struct {
	*world
	rnd       *rand.Rand
	people    []*person
	groups    []string
	members   map[string][]*person
	assigned  map[string]bool
	strangers map[string]string
}

// TestChance takes a company through changes and faults that a printed seed chooses, and holds it to the
// three laws: running again changes nothing, a pass that was stopped is made good by the next, and no
// account without a link is touched.
func TestChance(t *testing.T) {
	steps := 150
	if more, err := strconv.Atoi(os.Getenv("MUSTER_MODEL_STEPS")); err == nil {
		steps = more
	}
	seed := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("MUSTER_MODEL_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("repeat with MUSTER_MODEL_SEED=%d", seed)
	for part := range uint64(2) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			m := &model{
				world: onSQLite(t), rnd: rand.New(rand.NewPCG(seed, part)), groups: []string{"red", "green", "blue"},
				members: map[string][]*person{}, assigned: map[string]bool{}, strangers: map[string]string{},
			}
			for i := range 3 {
				name := fmt.Sprintf("stranger%d", i)
				m.strangers[name] = m.target.AddUser(map[string]any{"userName": name, "active": i > 0, "title": "Not ours"})
			}
			for _, g := range m.groups {
				m.group(g)
			}
			for range 8 {
				m.hire()
			}
			m.save()
			m.toggle("red")
			for step := range steps {
				what := m.step()
				if m.rnd.IntN(3) > 0 {
					continue
				}
				m.misbehave()
				if _, err := m.trySync(func(o *cycle.Options) { o.Reconcile = m.rnd.IntN(6) == 0 }); err != nil {
					t.Fatalf("step %d (%s): %v", step, what, err)
				}
				m.target.Heal()
				if m.rnd.IntN(3) > 0 {
					continue
				}
				for range 4 {
					m.sync()
				}
				if m.check(); t.Failed() {
					t.Fatalf("after step %d (%s)", step, what)
				}
			}
		})
	}
}

func (m *model) anybody() *person {
	for {
		if p := m.people[m.rnd.IntN(len(m.people))]; !p.gone {
			return p
		}
	}
}

func (m *model) hire() *person {
	p := &person{name: fmt.Sprintf("m%03d", len(m.people)), active: true}
	p.id = m.user(p.name).ID
	m.people = append(m.people, p)
	return p
}

// step changes one thing in the directory or the configuration.
func (m *model) step() string {
	p, g := m.anybody(), m.groups[m.rnd.IntN(len(m.groups))]
	switch n := m.rnd.IntN(20); {
	case n < 6:
		if slices.Contains(m.members[g], p) {
			m.leave(g, p.name)
			m.members[g] = slices.DeleteFunc(m.members[g], func(x *person) bool { return x == p })
			return p.name + " leaves " + g
		}
		m.join(g, p.name)
		m.members[g] = append(m.members[g], p)
		return p.name + " joins " + g
	case n < 10:
		p.active = !p.active
		m.set(p.name, "active", p.active)
		return fmt.Sprintf("%s is active: %t", p.name, p.active)
	case n < 14:
		p.title = fmt.Sprintf("Title %d", m.rnd.IntN(1000))
		m.set(p.name, "title", p.title)
		return p.name + " is " + p.title
	case n < 16:
		old := p.name
		p.name = fmt.Sprintf("r%d.%s", m.rnd.IntN(1_000_000), old[len(old)-4:])
		m.set(old, "userName", p.name)
		return old + " is renamed " + p.name
	case n < 17 && len(m.people) < 40:
		return m.hire().name + " is hired"
	case n < 18 && len(m.people) > 4:
		if err := m.store.DeleteUser(m.t.Context(), by, p.id); err != nil {
			m.t.Fatal(err)
		}
		p.gone = true
		if !slices.ContainsFunc(m.people, func(x *person) bool { return !x.gone }) {
			m.hire()
		}
		return p.name + " is deleted"
	default:
		m.toggle(g)
		return "assignment of " + g
	}
}

func (m *model) toggle(group string) {
	m.assigned[group] = !m.assigned[group]
	m.app.Assignments = nil
	for _, g := range m.groups {
		if m.assigned[g] {
			m.app.Assignments = append(m.app.Assignments, provision.Assignment{Group: g})
		}
	}
	m.save()
}

// misbehave lets the target fail at some writes of the next pass, in ways that leave open whether they
// were carried out.
func (m *model) misbehave() {
	faults := []connectortest.Fault{
		{Drop: connectortest.AfterWrite},
		{Drop: connectortest.BeforeWrite},
		{Status: 400},
		{Status: 500, Committed: true},
		{Truncate: true},
		{Committed: true, Status: 200, Body: "<html>busy</html>"},
		{Status: 401, Times: -1},
		{Status: 403},
	}
	for range m.rnd.IntN(3) {
		f := faults[m.rnd.IntN(len(faults))]
		f.Method = []string{"POST", "PATCH", "DELETE", ""}[m.rnd.IntN(4)]
		f.After = m.rnd.IntN(4)
		if f.Times == 0 {
			f.Times = 1 + m.rnd.IntN(3)
		}
		m.target.Fail(f)
	}
}

// check compares the target with the model.
func (m *model) check() {
	m.t.Helper()
	in := map[*person]bool{}
	for g, on := range m.assigned {
		for _, p := range m.members[g] {
			if on && p.active && !p.gone {
				in[p] = true
			}
		}
	}
	byMail := map[string]int{}
	for _, id := range m.target.UserIDs() {
		doc := m.target.User(id)
		if list, _ := doc["emails"].([]any); len(list) > 0 {
			mail, _ := list[0].(map[string]any)
			byMail[fmt.Sprint(mail["value"])]++
		}
	}
	for i, p := range m.people {
		mail := fmt.Sprintf("m%03d@example.org", i)
		if byMail[mail] > 1 {
			m.t.Errorf("%s has %d accounts", p.name, byMail[mail])
		}
		if in[p] {
			doc := m.account(p.name)
			title, _ := doc["title"].(string)
			if doc["active"] != true || title != p.title {
				m.t.Errorf("%s: active %v, title %q, want %q", p.name, doc["active"], title, p.title)
			}
		} else if id := m.target.UserID(p.name); id != "" && m.target.User(id)["active"] == true {
			m.t.Errorf("%s, who is out of scope, has an account that is on", p.name)
		}
	}
	active := 0
	for _, id := range m.target.UserIDs() {
		if m.target.User(id)["active"] == true {
			active++
		}
	}
	if want := len(in) + 2; active != want { // two strangers are active
		m.t.Errorf("%d accounts are on, want %d", active, want)
	}
	for name, id := range m.strangers {
		doc := m.target.User(id)
		if doc == nil || doc["title"] != "Not ours" || doc["active"] != (name != "stranger0") {
			m.t.Errorf("%s was touched: %v", name, doc)
		}
	}
	for _, g := range m.groups {
		id := m.target.GroupID(g)
		if !m.assigned[g] {
			if id != "" {
				m.t.Errorf("group %s, which is not assigned, is there", g)
			}
			continue
		}
		var want []string
		for _, p := range m.members[g] {
			if in[p] {
				want = append(want, p.name)
			}
		}
		there := m.target.Members(id)
		for _, n := range want {
			if !slices.Contains(there, m.target.UserID(n)) {
				m.t.Errorf("%s is missing in %s", n, g)
			}
		}
		for _, account := range there {
			if doc := m.target.User(account); doc["active"] == true && !slices.Contains(want, fmt.Sprint(doc["userName"])) {
				m.t.Errorf("%v does not belong to %s", doc["userName"], g)
			}
		}
	}
	if p := m.stands(); p.Escrow+p.Parked+p.Held != 0 || p.Quarantine != nil {
		m.t.Errorf("something is left: %+v", p)
	}
	m.again()
}
