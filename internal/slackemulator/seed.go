package slackemulator

import (
	"fmt"
	"slices"
	"strings"
)

// The functions of this file are what a person does in Slack's own pages: they know no token, no
// limits, no lock, no delay and few rules. Tests make fixtures and drift with them; over HTTP the
// same is at /_emulator/people and /_emulator/groups.

// AddUser adds a person, bot or guest. An empty ID, Role, Timezone or Created is filled in. userName
// and e-mail addresses must be free.
func (e *Emulator) AddUser(u User) (User, error) {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	u.UserName = strings.ToLower(u.UserName)
	if u.Role == "" {
		u.Role = RoleMember
	}
	if u.Timezone == "" {
		u.Timezone = defaultZone
	}
	if u.DisplayName == "" {
		u.DisplayName = u.UserName
	}
	if u.Created.IsZero() {
		u.Created = e.clock.real()
	}
	if err := e.ws.admits(&u, ""); err != nil {
		return User{}, err
	}
	if u.ID == "" {
		u.ID = e.ws.newID("U")
	} else if e.ws.users[u.ID] != nil {
		return User{}, fmt.Errorf("adding %s: id %s is taken", u.UserName, u.ID)
	}
	e.ws.putUser(&u, e.clock.now())
	return e.ws.snapshot(&u), nil
}

// admits says why u cannot be stored beside the others; id is u's own.
func (ws *workspace) admits(u *User, id string) error {
	if u.UserName == "" || u.Email == "" {
		return fmt.Errorf("a person needs a userName and an e-mail address")
	}
	if !slices.Contains(roles, u.Role) {
		return fmt.Errorf("role %q is none of %q", u.Role, roles)
	}
	if holder, taken := ws.byUserName[u.UserName]; taken && holder != id {
		return fmt.Errorf("userName %s is taken by %s", u.UserName, holder)
	}
	for _, address := range []string{u.Email, u.SecondEmail} {
		if holder, taken := ws.byEmail[strings.ToLower(address)]; taken && address != "" && holder != id {
			return fmt.Errorf("e-mail address %s is taken by %s", address, holder)
		}
	}
	return nil
}

// ChangeUser changes the person whom ref (id, e-mail address or userName) names. Their id stays.
func (e *Emulator) ChangeUser(ref string, change func(*User)) (User, error) {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	before := e.ws.findUser(ref)
	if before == nil {
		return User{}, fmt.Errorf("there is no person %q", ref)
	}
	after := before.copied()
	change(&after)
	after.ID, after.UserName = before.ID, strings.ToLower(after.UserName)
	if err := e.ws.admits(&after, before.ID); err != nil {
		return User{}, err
	}
	e.ws.putUser(&after, e.clock.now())
	return e.ws.snapshot(&after), nil
}

// copied returns u with Profile and Guest of its own.
func (u *User) copied() User {
	out := *u
	if u.Profile != nil {
		profile := *u.Profile
		out.Profile = &profile
	}
	if u.Guest != nil {
		guest := *u.Guest
		guest.Channels = slices.Clone(guest.Channels)
		out.Guest = &guest
	}
	return out
}

// RemoveUser makes a person vanish, which Slack does only on a customer's request to support.
func (e *Emulator) RemoveUser(ref string) error {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	u := e.ws.findUser(ref)
	if u == nil {
		return fmt.Errorf("there is no person %q", ref)
	}
	e.ws.dropUser(u.ID)
	return nil
}

// AddGroup adds a group. Members are ids, e-mail addresses or userNames.
func (e *Emulator) AddGroup(g Group) (Group, error) {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	if g.Created.IsZero() {
		g.Created = e.clock.real()
	}
	if err := e.ws.admitsGroup(&g, ""); err != nil {
		return Group{}, err
	}
	if g.ID == "" {
		g.ID = e.ws.newID("S")
	} else if e.ws.groups[g.ID] != nil {
		return Group{}, fmt.Errorf("adding group %s: id %s is taken", g.DisplayName, g.ID)
	}
	e.ws.putGroup(&g, e.clock.now())
	return g.copied(), nil
}

// admitsGroup checks g's name and turns its members into ids.
func (ws *workspace) admitsGroup(g *Group, id string) error {
	if g.DisplayName == "" {
		return fmt.Errorf("a group needs a displayName")
	}
	if holder, taken := ws.byGroup[strings.ToLower(g.DisplayName)]; taken && holder != id {
		return fmt.Errorf("group name %s is taken by %s", g.DisplayName, holder)
	}
	ids, seen := make([]string, 0, len(g.Members)), map[string]bool{}
	for _, ref := range g.Members {
		u := ws.findUser(ref)
		if u == nil {
			return fmt.Errorf("group %s: there is no person %q", g.DisplayName, ref)
		}
		if !seen[u.ID] {
			seen[u.ID] = true
			ids = append(ids, u.ID)
		}
	}
	g.Members = ids
	return nil
}

// ChangeGroup changes the group whom ref (id or name) names. Its id stays.
func (e *Emulator) ChangeGroup(ref string, change func(*Group)) (Group, error) {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	before := e.ws.findGroup(ref)
	if before == nil {
		return Group{}, fmt.Errorf("there is no group %q", ref)
	}
	after := before.copied()
	change(&after)
	after.ID = before.ID
	if err := e.ws.admitsGroup(&after, before.ID); err != nil {
		return Group{}, err
	}
	e.ws.putGroup(&after, e.clock.now())
	return after.copied(), nil
}

// RemoveGroup deletes a group, linked channels or not.
func (e *Emulator) RemoveGroup(ref string) error {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	g := e.ws.findGroup(ref)
	if g == nil {
		return fmt.Errorf("there is no group %q", ref)
	}
	e.ws.dropGroup(g.ID)
	return nil
}

func (ws *workspace) findGroup(ref string) *Group {
	if g := ws.group(ref); g != nil {
		return g
	}
	return ws.group(ws.byGroup[strings.ToLower(ref)])
}

func (g *Group) copied() Group {
	out := *g
	out.Members = append([]string{}, g.Members...)
	out.LinkedChannels = slices.Clone(g.LinkedChannels)
	return out
}

// AddChannel makes a channel, whose name no userName can have from then on, and returns its id.
func (e *Emulator) AddChannel(name string) string {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	name = strings.ToLower(name)
	if e.ws.channels[name] == "" {
		e.ws.channels[name] = e.ws.newID("C")
	}
	return e.ws.channels[name]
}

// snapshot is u as the read functions give it out, with its groups. The lock is held.
func (ws *workspace) snapshot(u *User) User {
	out := u.copied()
	out.Groups = append([]string{}, ws.memberOf[u.ID]...)
	return out
}

// Users returns everybody in the order of their creation, the workspace's owner and bots too. It
// sees changes at once, whatever the delays.
func (e *Emulator) Users() []User {
	e.ws.mu.RLock()
	defer e.ws.mu.RUnlock()
	out := make([]User, 0, len(e.ws.userOrder))
	for _, id := range e.ws.userOrder {
		out = append(out, e.ws.snapshot(e.ws.user(id)))
	}
	return out
}

// User finds one person by id, e-mail address or userName.
func (e *Emulator) User(ref string) (User, bool) {
	e.ws.mu.RLock()
	defer e.ws.mu.RUnlock()
	u := e.ws.findUser(ref)
	if u == nil {
		return User{}, false
	}
	return e.ws.snapshot(u), true
}

// Groups returns all groups in the order of their creation.
func (e *Emulator) Groups() []Group {
	e.ws.mu.RLock()
	defer e.ws.mu.RUnlock()
	out := make([]Group, 0, len(e.ws.groupOrder))
	for _, id := range e.ws.groupOrder {
		out = append(out, e.ws.group(id).copied())
	}
	return out
}

// Group finds one group by id or name.
func (e *Emulator) Group(ref string) (Group, bool) {
	e.ws.mu.RLock()
	defer e.ws.mu.RUnlock()
	g := e.ws.findGroup(ref)
	if g == nil {
		return Group{}, false
	}
	return g.copied(), true
}
