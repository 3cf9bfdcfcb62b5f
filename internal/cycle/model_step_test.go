package cycle_test

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// move is one kind of step and how often it comes. It returns what it did, "" for nothing.
type move struct {
	weight int
	name   string
	do     func(m *model) string
}

var moves = []move{
	// The directory.
	{5, "hire", func(m *model) string {
		if len(m.people) > 40 {
			return ""
		}
		return m.hire().name
	}},
	{14, "join or leave", (*model).joinOrLeave},
	{5, "nest", (*model).nest},
	{10, "active", func(m *model) string {
		p := m.anybody()
		p.active = !p.active
		m.set(p.name, "active", p.active)
		return fmt.Sprintf("%s: %t", p.name, p.active)
	}},
	{12, "title", func(m *model) string {
		p := m.anybody()
		p.title = m.pick("", "Engineer", "Head of Sales", "Zoë's deputy", "日本語", fmt.Sprintf("Title %d", m.rnd.IntN(1000)))
		m.set(p.name, "title", p.title)
		return p.name + " is " + p.title
	}},
	{5, "department", func(m *model) string {
		p := m.anybody()
		p.department = m.pick("R&D", "Sales")
		m.set(p.name, "department", p.department)
		return p.name + " is in " + p.department
	}},
	{6, "rename", func(m *model) string {
		p := m.anybody()
		old := p.name
		m.serial++
		p.name = fmt.Sprintf("Ren%d", m.serial)
		if free := m.freed(); free != "" && m.rnd.IntN(2) == 0 {
			p.name = free
		}
		m.set(old, "userName", p.name)
		return old + " is " + p.name
	}},
	{6, "swap names", (*model).swap},
	{6, "manager", func(m *model) string {
		p, boss := m.anybody(), m.anybody()
		for b := boss; b != nil; b = b.manager {
			if b == p {
				return ""
			}
		}
		p.manager = boss
		if _, _, err := m.store.UpdateUser(m.t.Context(), by, p.id, store.UserEdit{Manager: &boss.name}); err != nil {
			m.t.Fatal(err)
		}
		return p.name + " reports to " + boss.name
	}},
	{3, "delete", func(m *model) string {
		if len(m.there()) < 6 {
			return ""
		}
		p := m.anybody()
		m.must(m.store.DeleteUser(m.t.Context(), by, p.id))
		p.gone = true
		return p.name
	}},
	{3, "undelete", func(m *model) string {
		for _, p := range m.people {
			if p.gone && !p.purged {
				m.must(m.store.RestoreUser(m.t.Context(), by, p.id))
				p.gone = false
				return p.name
			}
		}
		return ""
	}},
	{2, "purge", func(m *model) string {
		for _, p := range m.people {
			if p.gone && !p.purged {
				m.must(m.store.PurgeUser(m.t.Context(), by, p.id))
				p.purged, p.direct = true, false
				for _, g := range m.teams {
					g.people = slices.DeleteFunc(g.people, func(x *person) bool { return x == p })
				}
				return p.name
			}
		}
		return ""
	}},
	{2, "new group", func(m *model) string {
		if len(m.teams) > 9 {
			return ""
		}
		m.serial++
		return m.found(fmt.Sprintf("team%d", 100+m.serial)).name
	}},
	{2, "rename group", func(m *model) string {
		g := m.team()
		if g.may&^(none|on) != 0 {
			return "" // which of two groups of other hands is it then
		}
		old := g.name
		m.renameTeam(g)
		return old + " is " + g.name
	}},
	{1, "delete group", func(m *model) string {
		if len(slices.DeleteFunc(slices.Clone(m.teams), func(g *team) bool { return g.gone })) < 4 {
			return ""
		}
		g := m.team()
		m.must(m.store.DeleteGroup(m.t.Context(), by, g.id))
		g.gone, g.role = true, ""
		for _, outer := range m.teams {
			outer.teams = slices.DeleteFunc(outer.teams, func(x *team) bool { return x == g })
		}
		m.configure()
		return g.name
	}},

	// The configuration.
	{9, "assign group", func(m *model) string {
		g := m.team()
		g.role = m.pick("", "User", "User", provision.RoleDefaultAccess)
		m.configure()
		return g.name + " as " + g.role
	}},
	{4, "assign person", func(m *model) string {
		p := m.anybody()
		p.direct = !p.direct
		m.configure()
		return fmt.Sprintf("%s: %t", p.name, p.direct)
	}},
	{2, "filter", func(m *model) string {
		m.filtered = !m.filtered
		m.configure()
		return fmt.Sprint(m.filtered)
	}},
	{2, "mapping", func(m *model) string {
		m.titles = m.rnd.IntN(len(titles))
		m.configure()
		return titles[m.titles].name
	}},
	{3, "policy", func(m *model) string {
		p := &m.app.Provisioning
		key := m.pick("on_unassign", "on_disable", "on_delete", "drift.accounts", "grace")
		value := m.pick("disable", "disable", "delete", "keep")
		switch key {
		case "on_unassign":
			p.OnUnassign = value
		case "on_disable":
			p.OnDisable = value
		case "on_delete":
			p.OnDelete = value
		case "drift.accounts":
			value = m.pick("repair", "report")
			p.Drift.Accounts = value
		case "grace":
			p.Grace = provision.Duration(time.Duration(m.rnd.IntN(2)) * 48 * time.Hour)
			value = fmt.Sprint(time.Duration(p.Grace))
		}
		m.configure()
		return key + " " + value
	}},

	// The target, by other hands.
	{2, "stranger", func(m *model) string {
		m.serial++
		name := fmt.Sprintf("stranger%d", 100+m.serial)
		m.stranger(name)
		return name
	}},
	{8, "drift", (*model).drift},

	// Passes.
	{22, "sync", func(m *model) string { return m.disturbed(cycle.Options{ByHand: true}) }},
	{8, "by itself", func(m *model) string { return m.disturbed(cycle.Options{}) }},
	{6, "reconcile", func(m *model) string { return m.disturbed(cycle.Options{ByHand: true, Reconcile: true}) }},
	{5, "on demand", func(m *model) string {
		p := m.people[m.rnd.IntN(len(m.people))]
		p.another = p.another || p.may&vanished != 0
		return p.name + " " + m.disturbed(cycle.Options{ByHand: true, Kind: directory.KindUser, Object: p.id})
	}},
	{3, "plan", (*model).plan},
	{4, "held", (*model).held1},
	{5, "undo", (*model).undo1},
	{2, "restart", func(m *model) string {
		scope := m.pick("escrow", "watermark", "links", "all")
		m.must(m.store.Restart(m.t.Context(), m.app.ID, scope))
		if scope == "links" || scope == "all" {
			m.anew()
		}
		return scope
	}},
	{2, "new process", func(m *model) string { m.reopen(); return "restarted" }},
	{4, "time", func(m *model) string {
		d := time.Duration(m.rnd.IntN(40*60)) * time.Minute
		m.clock.add(d)
		return d.String()
	}},
	{10, "quiet", func(m *model) string { m.quiet(); return "compared" }},
}

// step makes one move.
func (m *model) step() {
	all := 0
	for _, v := range moves {
		all += v.weight
	}
	n := m.rnd.IntN(all)
	for _, v := range moves {
		if n -= v.weight; n >= 0 {
			continue
		}
		at := len(m.steps)
		m.steps = append(m.steps, fmt.Sprintf("%4d %s …", at, v.name))
		m.steps[at] = fmt.Sprintf("%4d %s: %s", at, v.name, v.do(m))
		return
	}
}

func (m *model) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) there() []*person {
	return slices.DeleteFunc(slices.Clone(m.people), func(p *person) bool { return p.gone })
}

func (m *model) anybody() *person {
	list := m.there()
	if len(list) == 0 {
		return m.hire()
	}
	return list[m.rnd.IntN(len(list))]
}

func (m *model) team() *team {
	list := slices.DeleteFunc(slices.Clone(m.teams), func(g *team) bool { return g.gone })
	return list[m.rnd.IntN(len(list))]
}

// hire adds somebody, who may have an account at the target already.
func (m *model) hire() *person {
	m.serial++
	p := &person{name: fmt.Sprintf("Per%d", m.serial), active: m.rnd.IntN(8) > 0, may: none, department: m.pick("R&D", "R&D", "Sales")}
	p.mail = strings.ToLower(p.name) + "@example.org"
	switch m.rnd.IntN(8) {
	case 0:
		m.target.AddUser(map[string]any{"userName": strings.ToUpper(p.name), "active": true, "title": "Before", "emails": mailsOf(p.mail)})
		p.may = foreignOn
	case 1:
		m.target.AddUser(map[string]any{"userName": "other-" + p.name, "active": false, "emails": mailsOf(p.mail)})
		p.may = foreignOff
	}
	p.id = m.user(p.name, "active", p.active, "department", p.department, "emails", mailsOf(p.mail)).ID
	m.people = append(m.people, p)
	return p
}

func mailsOf(mail string) []any {
	return []any{map[string]any{"value": mail, "type": "work", "primary": true}}
}

// found makes a group, which may be at the target already.
func (m *model) found(name string) *team {
	g := &team{name: name, id: m.group(name).ID, may: none}
	if m.rnd.IntN(5) == 0 {
		var members []string
		for id := range m.strangers {
			members = append(members, id)
		}
		slices.Sort(members)
		g.foreign = m.target.AddGroup(name, members...)
		g.may, g.adopted = foreignOn, true
	}
	m.teams = append(m.teams, g)
	return g
}

func (m *model) stranger(name string) {
	doc := map[string]any{"userName": name, "active": m.rnd.IntN(3) > 0, "title": "Not ours", "emails": mailsOf(name + "@elsewhere.example")}
	m.strangers[m.target.AddUser(doc)] = doc
}

func (m *model) joinOrLeave() string {
	p, g := m.anybody(), m.team()
	if slices.Contains(g.people, p) {
		m.leave(g.name, p.name)
		g.people = slices.DeleteFunc(g.people, func(x *person) bool { return x == p })
		return p.name + " leaves " + g.name
	}
	m.join(g.name, p.name)
	g.people = append(g.people, p)
	return p.name + " joins " + g.name
}

func (m *model) nest() string {
	outer, inner := m.team(), m.team()
	if slices.Contains(outer.teams, inner) {
		m.leave(outer.name, inner.name)
		outer.teams = slices.DeleteFunc(outer.teams, func(x *team) bool { return x == inner })
		return inner.name + " leaves " + outer.name
	}
	members := []directory.Member{{Kind: directory.KindGroup, ID: inner.id}}
	if _, err := m.store.EditMembers(m.t.Context(), by, outer.id, members, nil); err != nil {
		return inner.name + " cannot be in " + outer.name
	}
	outer.teams = append(outer.teams, inner)
	return inner.name + " joins " + outer.name
}

// titles are the mappings that the title may have, and what they make of it.
var titles = []struct {
	name, expression, fallback string
	makes                      func(title string) (want string, known bool)
}{
	{"direct", "", "", func(s string) (string, bool) { return s, true }},
	{"default", "", "Colleague", func(s string) (string, bool) {
		if s == "" {
			return "Colleague", true
		}
		return s, true
	}},
	{"expression", `user.title + "!"`, "", func(s string) (string, bool) { return s + "!", true }},
	{"none", "-", "", func(string) (string, bool) { return "", false }},
}

// configure stores the application as the model has it.
func (m *model) configure() {
	m.app.Assignments = nil
	for _, g := range m.teams {
		if g.role != "" && !g.gone {
			m.app.Assignments = append(m.app.Assignments, provision.Assignment{Group: g.id, Role: g.role})
		}
	}
	for _, p := range m.people {
		if p.direct && !p.gone {
			m.app.Assignments = append(m.app.Assignments, provision.Assignment{User: p.id})
		}
		p.direct = p.direct && !p.gone
	}
	m.app.Provisioning.Filters = nil
	if m.filtered {
		m.app.Provisioning.Filters = []string{`user.department == "R&D"`}
	}
	rows := m.template().Application().Mappings.Users
	for i := range rows {
		if rows[i].Target != "title" {
			continue
		}
		switch way := titles[m.titles]; way.expression {
		case "":
			rows[i].Default = way.fallback
		case "-":
			rows = slices.Delete(rows, i, i+1)
		default:
			rows[i].Source, rows[i].Expression = "", way.expression
		}
		break
	}
	m.app.Mappings.Users = rows
	m.save()
}

// drift is what somebody does at the target's own pages.
func (m *model) drift() string {
	p := m.people[m.rnd.IntN(len(m.people))]
	id := m.accountOf(p)
	switch n := m.rnd.IntN(6); {
	case n == 0:
		g := m.team()
		gid := m.at(g)
		if gid == "" || g.may != on || m.behaves("hides members") {
			return ""
		}
		if there := m.target.Members(gid); len(there) > 0 {
			m.target.SetMembers(gid, there[1:]...)
			return "a member of " + g.name + " is taken out"
		}
	case n == 1:
		g := m.team()
		gid := m.at(g)
		if gid == "" {
			return ""
		}
		for id := range m.strangers {
			m.target.SetMembers(gid, append(m.target.Members(gid), id)...)
			return "a stranger joins " + g.name
		}
	case n == 2:
		g := m.team()
		if gid := m.at(g); gid != "" && g.may == on {
			m.target.RemoveGroup(gid)
			g.may, g.adopted, g.another = vanished, false, m.rematch
			return g.name + " vanishes"
		}
	case id == "" || p.may&(foreignOn|foreignOff) != 0:
		return ""
	case n == 3 && p.may&^(on|off) == 0:
		m.target.RemoveUser(id)
		// Whoever was off when that happened is a newcomer when they come back.
		again := slices.ContainsFunc(m.escrows(), func(e *store.Escrow) bool { return e.ObjectID == p.id }) // may be off as far as Muster knows
		p.another, p.may = m.rematch || p.may != on || again, vanished
		return p.name + " vanishes"
	case n == 4 && p.may == on:
		m.target.EditUser(id, func(doc map[string]any) { doc["active"] = false })
		p.may = offThere
		return p.name + " is switched off there"
	case n == 4 && p.may == off:
		m.target.EditUser(id, func(doc map[string]any) { doc["active"] = true })
		p.may = onThere
		return p.name + " is switched on there"
	case n == 5:
		m.target.EditUser(id, func(doc map[string]any) { doc["title"] = "Entered there" })
		return p.name + " gets a title there"
	}
	return ""
}

// kinds are the faults of a disturbed pass.
var kinds = []struct {
	name  string
	fault connectortest.Fault
}{
	{"drop after", connectortest.Fault{Drop: connectortest.AfterWrite}},
	{"drop before", connectortest.Fault{Drop: connectortest.BeforeWrite}},
	{"400", connectortest.Fault{Status: 400}},
	{"403", connectortest.Fault{Status: 403}},
	{"404", connectortest.Fault{Status: 404}},
	{"409", connectortest.Fault{Status: 409}},
	{"500", connectortest.Fault{Status: 500}},
	{"500 after", connectortest.Fault{Status: 500, Committed: true}},
	{"half", connectortest.Fault{Truncate: true}},
	{"html", connectortest.Fault{Committed: true, Status: 200, Body: "<html>busy</html>"}},
	{"{}", connectortest.Fault{Committed: true, Status: 200, Body: "{}"}},
	{lie, connectortest.Fault{Status: 200, Body: "{}"}},
	{"429", connectortest.Fault{Status: 429, Header: map[string]string{"Retry-After": "0"}}},
}

const lie = "ok and nothing done"

var (
	nameIn      = regexp.MustCompile(`"(?:userName|displayName)":"[^"]*"`)
	valueChange = regexp.MustCompile(`"path":"(?:[^am]|addresses)`) // of more than active and members
)

// disturbed is a pass during which requests fail, chosen by the seed and by what they are, whatever the
// order in which they come; or that is stopped in the middle.
func (m *model) disturbed(o cycle.Options) string {
	var in []string
	for range m.rnd.IntN(3) {
		kind, rate, salt := kinds[m.rnd.IntN(len(kinds))], []uint64{5, 20, 60}[m.rnd.IntN(3)], m.rnd.Uint64()
		f, times := kind.fault, map[string]uint64{}
		method := m.pick("", "POST", "PATCH", "PATCH", "GET")
		if method == "" || method == "GET" || kind.name == "429" {
			rate = 5 // reads and what was throttled are repeated after pauses
		}
		f.Method, f.Times = method, -1
		f.When = func(method, path, body string) bool {
			if kind.name == lie && method == "PATCH" && (valueChange.MatchString(body) || m.behaves("hides members") || m.behaves("shows changes late")) {
				return false // reported, and not sent again until the value changes; or not to be noticed
			}
			key := method + path + strings.Join(nameIn.FindStringSubmatch(body), "")
			times[key]++
			h := fnv.New64a()
			_, _ = fmt.Fprint(h, salt, key, times[key])
			return h.Sum64()>>8%100 < rate
		}
		m.target.Fail(f)
		in = append(in, fmt.Sprintf("%d%% of %s %s", rate, method, kind.name))
	}
	switch m.rnd.IntN(10) {
	case 0:
		m.target.Fail(connectortest.Fault{Status: 401, After: m.rnd.IntN(12), Times: -1})
		in = append(in, "the credentials end")
	case 1:
		c := &countdown{}
		c.left.Store(int64(1 + m.rnd.IntN(20)))
		m.cancel.Store(c)
		in = append(in, "stopped")
	}
	r := m.run(o)
	m.target.Heal()
	m.cancel.Store(nil)
	m.passed(false, o.Reconcile)
	m.check(false)
	sum := "stopped"
	if r != nil {
		sum = fmt.Sprintf("%v, %d failed", r.Summary, r.Failed)
	}
	return fmt.Sprintf("%s, with %s", sum, strings.Join(in, ", "))
}

// plan asks for a plan, which must send nothing, and sometimes runs it.
func (m *model) plan() string {
	app, err := m.store.Application(m.t.Context(), "target")
	m.must(err)
	m.target.Forget()
	plan, err := m.engine.Plan(m.t.Context(), app, cycle.Options{ByHand: true, Reconcile: m.rnd.IntN(3) == 0})
	m.must(err)
	if n := m.target.Writes(); n != 0 {
		m.t.Errorf("a plan sent %d writes", n)
	}
	return fmt.Sprint(plan.Summary)
}
