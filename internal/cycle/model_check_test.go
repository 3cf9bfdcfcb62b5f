package cycle_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

// accounts are the target's accounts by e-mail address, which no step changes.
func (m *model) accounts() map[string][]string {
	all := map[string][]string{}
	for _, id := range m.target.UserIDs() {
		mail, _ := m.target.User(id)["emails"].([]any)
		for _, e := range mail {
			if one, ok := e.(map[string]any); ok {
				key := strings.ToLower(fmt.Sprint(one["value"]))
				if !slices.Contains(all[key], id) {
					all[key] = append(all[key], id)
				}
			}
		}
	}
	return all
}

func (m *model) accountOf(p *person) string {
	if ids := m.accounts()[p.mail]; len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// named is the target's account with a name, whatever the case it is written in, "" for none.
func (m *model) named(name string) string {
	for _, id := range m.target.UserIDs() {
		if strings.EqualFold(fmt.Sprint(m.target.User(id)["userName"]), name) {
			return id
		}
	}
	return ""
}

// holder is the name that the account of another has at the target and somebody is to have.
func (m *model) holder(p *person) string {
	if id := m.named(p.name); id != "" && id != m.accountOf(p) {
		return id
	}
	return ""
}

// takenNames finds those who are to have a name that the account of another has and keeps: of a leaver, whom Muster does not
// rename, or of somebody who cannot have their own name either. People who only exchange theirs are none of them.
func (m *model) takenNames() {
	owner := map[string]*person{}
	for _, p := range m.people {
		owner[m.accountOf(p)] = p
	}
	m.blocked = map[*person]bool{}
	for more := true; more; {
		more = false
		for _, p := range m.people {
			id := m.holder(p)
			if in, _ := m.in(p); !in || id == "" || m.blocked[p] || p.turns("userName") && m.accountOf(p) != "" {
				continue
			}
			if by := owner[id]; by != nil && !m.blocked[by] && !by.turns("userName") && !by.turned.KeepsOut() {
				if in, _ := m.in(by); in && !m.reported(by) {
					continue // gives it up
				}
			}
			m.blocked[p], more = true, true
		}
	}
}

// reported says that the target acknowledged the name that somebody is to have and kept another, where it should have
// said that it is taken: that is told, and not sent again until it takes a name. What it refused meanwhile changes nothing.
func (m *model) reported(p *person) bool {
	cycles, err := m.store.Cycles(m.t.Context(), m.app.ID, "", 1000)
	m.must(err)
	for _, c := range cycles {
		for _, o := range m.operations(c.ID) {
			if o.Source.ID != p.id {
				continue
			}
			i := slices.IndexFunc(o.Edits, func(e attr.Edit) bool { return e.Path == "userName" })
			if i >= 0 && (o.State == store.Applied || attr.Similar(o.Edits[i].New, p.name)) {
				return o.Error != nil && o.Error.Code == "not_accepted"
			}
		}
	}
	return false
}

// turns reports whether the value of a target's attribute that somebody is to have was turned down.
func (p *person) turns(path string) bool {
	if p.turned == nil {
		return false
	}
	_, is := p.turned.Wanted[path]
	return is
}

// at is where a group is at the target, "" when it is not there: the one that names it as its own, else
// the one that was there before.
func (m *model) at(g *team) string {
	var ids []string
	for _, id := range m.target.GroupIDs() {
		if m.target.Group(id)["externalId"] == g.id {
			ids = append(ids, id)
		}
	}
	if len(ids) > 1 && g.renamed {
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == g.foreign })
	}
	switch {
	case len(ids) > 1:
		m.t.Errorf("group %s is there %d times", g.name, len(ids))
	case len(ids) == 0 && m.target.Group(g.foreign) != nil:
		return g.foreign
	case len(ids) == 0:
		return ""
	}
	return ids[0]
}

// check compares the target with the model: what holds after every pass, and, when everything is said to
// be done, what holds then.
func (m *model) check(done bool) {
	m.t.Helper()
	accounts := m.accounts()
	for id, want := range m.strangers {
		doc := m.target.User(id)
		if doc == nil || doc["title"] != want["title"] || doc["active"] != want["active"] || doc["userName"] != want["userName"] {
			m.t.Errorf("a stranger was touched: %v, was %v", doc, want)
		}
	}
	for _, p := range m.people {
		ids := accounts[p.mail]
		if len(ids) > 1 {
			m.t.Errorf("%s has %d accounts", p.name, len(ids))
		}
		var is state = none | vanished
		if len(ids) > 0 {
			doc := m.target.User(ids[0])
			if is = off | foreignOff | offThere; doc["active"] == true {
				is = on | foreignOn | onThere
			}
			if p.may&^(foreignOn|foreignOff) == 0 && (doc["externalId"] != nil || p.may == foreignOn && doc["title"] != "Before") {
				m.t.Errorf("the account of %s, who was never in scope, was touched: %v", p.name, doc)
			}
		}
		if is == none|vanished && m.blocked[p] {
			p.may |= is // nobody can be made by a name that another has; left looks whether that is told
		}
		if p.may&is == 0 {
			in, policy := m.in(p)
			m.t.Errorf("%s is %s, and must be %s (in scope: %t %s)", p.name, is, p.may, in, policy)
		}
		if p.may &= is; done && p.may == on {
			m.attributes(p, m.target.User(ids[0]))
		}
	}
	for _, g := range m.teams {
		m.checkTeam(g, accounts, done)
	}
}

// attributes compares the account of somebody in scope.
func (m *model) attributes(p *person, doc map[string]any) {
	m.t.Helper()
	if in, _ := m.in(p); !in || m.blocked[p] {
		return
	}
	if name := fmt.Sprint(doc["userName"]); !strings.EqualFold(name, p.name) && !p.turns("userName") && !m.reported(p) {
		m.t.Errorf("%s is called %s", p.name, name)
	}
	title, _ := doc["title"].(string)
	if want, known := titles[m.titles].makes(p.title); known && title != want && !p.turns("title") && (p.title != "" || title != "Before" && title != "Entered there") {
		// What was there, or came, before Muster knew the account for certain is nothing that the directory lost.
		m.t.Errorf("%s has title %q, want %q", p.name, title, want)
	}
	ext, _ := doc[directory.Enterprise].(map[string]any)
	if ext["department"] != p.department && !p.turns(directory.Enterprise+":department") {
		m.t.Errorf("%s has department %v, want %s", p.name, ext["department"], p.department)
	}
	if boss := p.manager; boss != nil && boss.may == on && !p.turns(directory.Enterprise+":manager.value") {
		if in, _ := m.in(boss); in {
			manager, _ := ext["manager"].(map[string]any)
			if manager["value"] != m.accountOf(boss) {
				m.t.Errorf("%s has manager %v, want %s (%s)", p.name, manager["value"], boss.name, m.accountOf(boss))
			}
		}
	}
}

func (m *model) checkTeam(g *team, accounts map[string][]string, done bool) {
	m.t.Helper()
	id := m.at(g)
	is := none | vanished
	if id != "" {
		is = on | foreignOn
	}
	if g.may&is == 0 {
		m.t.Errorf("group %s is %s, and must be %s", g.name, is, g.may)
	}
	if g.may &= is; !done || g.may != on || g.role != "User" || g.gone {
		return
	}
	if name := m.target.Group(id)["displayName"]; name != g.name && (g.turned == nil || g.turned.Wanted["displayName"] == nil) {
		m.t.Errorf("group %s is called %v", g.name, name)
	}
	there := m.target.Members(id)
	belongs := map[string]bool{}
	for p := range g.aside {
		id := m.accountOf(p)
		in, _ := m.in(p)
		if in, is := in && slices.Contains(g.flat(), p), slices.Contains(there, id); in && is || !in && !is && p.may == off || id == "" {
			delete(g.aside, p) // as if nothing had been; who leaves and keeps an account is not let back by their return
		}
		belongs[id] = true
	}
	for _, p := range m.people {
		if in, _ := m.in(p); !in && p.turned != nil && p.turned.Action != "" {
			belongs[m.accountOf(p)] = true // is on because somebody undid the end of it, and in what they were in then
		}
	}
	for _, p := range g.flat() {
		ids := accounts[p.mail]
		if len(ids) == 0 {
			continue
		}
		belongs[ids[0]] = true
		if in, _ := m.in(p); in && p.may == on && !g.aside[p] && !p.turned.KeepsOut() && !slices.Contains(there, ids[0]) {
			m.t.Errorf("%s is missing in %s", p.name, g.name)
		}
	}
	for _, account := range there {
		doc := m.target.User(account)
		if _, stranger := m.strangers[account]; !stranger && !belongs[account] && doc["active"] == true && !g.adopted && !g.loose {
			m.t.Errorf("%v does not belong to %s", doc["userName"], g.name)
		}
	}
}

// show tells what the cycles did to some people and groups.
func (m *model) show(names string) {
	if names == "" {
		return
	}
	cycles, err := m.store.Cycles(m.t.Context(), m.app.ID, "", 1000)
	m.must(err)
	slices.Reverse(cycles)
	for _, c := range cycles {
		for _, o := range m.operations(c.ID) {
			if slices.Contains(strings.Split(names, ","), o.Source.Name) {
				m.t.Logf("%s: %s %s %s (%s), account %s %s: %s %v +%v -%v %v", c.Type, o.State, o.Action, o.Source.Name, o.Source.ID, o.Target.ID, o.Target.Name, o.Reason, o.Edits, o.Add, o.Remove, o.Error)
			}
		}
	}
}
