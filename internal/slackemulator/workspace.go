package slackemulator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// User is a person (or bot) of the workspace, as Slack keeps them: two e-mail addresses, two phone
// numbers, one address, one role. Empty means not set.
type User struct {
	ID          string    `json:"id"`
	UserName    string    `json:"user_name"` // lower case, at most 21 characters; nickName is the same value
	DisplayName string    `json:"display_name"`
	GivenName   string    `json:"given_name"`
	FamilyName  string    `json:"family_name"`
	Email       string    `json:"email"`
	SecondEmail string    `json:"second_email,omitempty"`
	Title       string    `json:"title,omitempty"`
	Timezone    string    `json:"timezone,omitempty"`
	Photo       string    `json:"photo,omitempty"` // address of the picture as sent; Slack shows its own copy
	Active      bool      `json:"active"`
	Role        Role      `json:"role"`
	Bot         bool      `json:"bot,omitempty"`
	Forgotten   bool      `json:"forgotten,omitempty"` // erased under GDPR: frozen
	Guest       *Guest    `json:"guest,omitempty"`
	Profile     *Profile  `json:"profile,omitempty"` // nil: no custom profile, and SCIM shows the short form
	Created     time.Time `json:"created"`
	Groups      []string  `json:"groups"` // ids, filled in when read

	photoSeen time.Time // emulated; until then the old picture is shown
}

// Guest marks a person as a guest. Channels are what the person may see.
type Guest struct {
	Type       string    `json:"type"` // "multi", or "single", which SCIM can neither make nor show
	Expiration string    `json:"expiration,omitempty"`
	Channels   []Channel `json:"channels,omitempty"`
}

// Channel is a channel's id and name.
type Channel struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Profile holds what Slack keeps in custom profile fields.
type Profile struct {
	HonorificPrefix   string `json:"honorific_prefix,omitempty"`
	StreetAddress     string `json:"street_address,omitempty"`
	Locality          string `json:"locality,omitempty"`
	Region            string `json:"region,omitempty"`
	PostalCode        string `json:"postal_code,omitempty"`
	Country           string `json:"country,omitempty"`
	PrimaryPhone      string `json:"primary_phone,omitempty"`
	MobilePhone       string `json:"mobile_phone,omitempty"`
	UserType          string `json:"user_type,omitempty"`
	Role              string `json:"role,omitempty"` // SCIM's roles, a text; not the workspace role
	PreferredLanguage string `json:"preferred_language,omitempty"`
	Locale            string `json:"locale,omitempty"`
	EmployeeNumber    string `json:"employee_number,omitempty"`
	CostCenter        string `json:"cost_center,omitempty"`
	Organization      string `json:"organization,omitempty"`
	Division          string `json:"division,omitempty"`
	Department        string `json:"department,omitempty"`
	ManagerID         string `json:"manager_id,omitempty"`
	StartDate         string `json:"start_date,omitempty"`
}

// Group is a user group (Business+) or an IDP group (Enterprise).
type Group struct {
	ID             string    `json:"id"`
	DisplayName    string    `json:"display_name"`
	Members        []string  `json:"members"`                   // user ids in order of joining
	LinkedChannels []string  `json:"linked_channels,omitempty"` // channel ids; while there are any the group cannot be deleted
	Protected      bool      `json:"protected,omitempty"`       // made by Slack itself (Team Admins): no write is allowed
	Created        time.Time `json:"created"`
}

// history is what an object is now and what it was before its last write. Records are never
// changed in place: a write puts a new one, so readers may keep what they were given.
type history[T any] struct {
	now, before *T
	visible     time.Time // emulated; until then readers see before
}

func (h *history[T]) put(next *T, at, visible time.Time) {
	if h.before == nil || !at.Before(h.visible) {
		h.before = h.now // a second write while the first is still unseen leaves the oldest view up
	}
	h.now, h.visible = next, visible
}

func (h *history[T]) seen(at time.Time, stale bool) *T {
	if h.before != nil && (stale || at.Before(h.visible)) {
		return h.before
	}
	return h.now
}

// workspace is the state: people and groups with the indices that keep every look-up by id, name
// and e-mail address, and every membership test, independent of the workspace's size.
type workspace struct {
	clock clock

	mu         sync.RWMutex
	seq        int
	users      map[string]*history[User]
	userOrder  []string
	byUserName map[string]string // lower case → id
	byEmail    map[string]string // lower case, either address → id
	groups     map[string]*history[Group]
	groupOrder []string
	byGroup    map[string]string   // lower-case displayName → id
	memberOf   map[string][]string // user id → group ids
	channels   map[string]string   // name → id; names share userName's namespace
	fields     map[string]bool     // custom profile fields that SCIM has made
}

func newWorkspace(c clock) *workspace {
	ws := &workspace{clock: c}
	ws.clear()
	return ws
}

func (ws *workspace) clear() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.seq = 0
	ws.users, ws.userOrder = map[string]*history[User]{}, nil
	ws.byUserName, ws.byEmail = map[string]string{}, map[string]string{}
	ws.groups, ws.groupOrder, ws.byGroup = map[string]*history[Group]{}, nil, map[string]string{}
	ws.memberOf = map[string][]string{}
	ws.channels = map[string]string{"general": "C0GENERAL", "random": "C0RANDOM"}
	ws.fields = map[string]bool{}
}

// newID makes the next id: prefix, then digits and capitals as Slack's.
func (ws *workspace) newID(prefix string) string {
	ws.seq++
	return fmt.Sprintf("%s0%08s", prefix, strings.ToUpper(strconv.FormatInt(100_000_000_000+int64(ws.seq), 36)))
}

func (ws *workspace) user(id string) *User {
	if h := ws.users[id]; h != nil {
		return h.now
	}
	return nil
}

func (ws *workspace) group(id string) *Group {
	if h := ws.groups[id]; h != nil {
		return h.now
	}
	return nil
}

// findUser takes an id, a primary or secondary e-mail address, or a userName.
func (ws *workspace) findUser(ref string) *User {
	if u := ws.user(ref); u != nil {
		return u
	}
	key := strings.ToLower(ref)
	if id, ok := ws.byEmail[key]; ok {
		return ws.user(id)
	}
	return ws.user(ws.byUserName[key])
}

// putUser stores u, new or changed, and keeps the indices. The caller has checked that names and
// addresses are free. visible is when readers may see it.
func (ws *workspace) putUser(u *User, visible time.Time) {
	u.Groups = nil
	h := ws.users[u.ID]
	if h == nil {
		h = &history[User]{}
		ws.users[u.ID] = h
		ws.userOrder = append(ws.userOrder, u.ID)
	} else {
		ws.unindex(h.now)
	}
	h.put(u, ws.clock.now(), visible)
	ws.byUserName[u.UserName] = u.ID
	for _, address := range []string{u.Email, u.SecondEmail} {
		if address != "" {
			ws.byEmail[strings.ToLower(address)] = u.ID
		}
	}
}

func (ws *workspace) unindex(u *User) {
	delete(ws.byUserName, u.UserName)
	delete(ws.byEmail, strings.ToLower(u.Email))
	delete(ws.byEmail, strings.ToLower(u.SecondEmail))
}

func (ws *workspace) dropUser(id string) {
	u := ws.user(id)
	ws.leaveAll(id)
	ws.unindex(u)
	delete(ws.users, id)
	delete(ws.memberOf, id)
	ws.userOrder = slices.DeleteFunc(ws.userOrder, func(other string) bool { return other == id })
}

// leaveAll takes a person out of every group.
func (ws *workspace) leaveAll(id string) {
	for _, groupID := range slices.Clone(ws.memberOf[id]) {
		g := *ws.group(groupID)
		g.Members = without(g.Members, map[string]bool{id: true})
		ws.putGroup(&g, ws.clock.now())
	}
}

// putGroup stores g, new or changed. The caller has checked name and members. It costs what the
// group's size and the change cost, not the workspace's size.
func (ws *workspace) putGroup(g *Group, visible time.Time) {
	h := ws.groups[g.ID]
	if h == nil {
		h = &history[Group]{}
		ws.groups[g.ID] = h
		ws.groupOrder = append(ws.groupOrder, g.ID)
		for _, id := range g.Members {
			ws.memberOf[id] = append(ws.memberOf[id], g.ID)
		}
	} else {
		delete(ws.byGroup, strings.ToLower(h.now.DisplayName))
		ws.reindexMembers(g.ID, h.now.Members, g.Members)
	}
	h.put(g, ws.clock.now(), visible)
	ws.byGroup[strings.ToLower(g.DisplayName)] = g.ID
}

func (ws *workspace) reindexMembers(groupID string, before, after []string) {
	common := 0
	for common < len(before) && common < len(after) && before[common] == after[common] {
		common++ // appending one member to a large group is the usual change
	}
	for _, id := range before[common:] {
		ws.memberOf[id] = slices.DeleteFunc(ws.memberOf[id], func(g string) bool { return g == groupID })
	}
	for _, id := range after[common:] {
		ws.memberOf[id] = append(ws.memberOf[id], groupID)
	}
}

func (ws *workspace) dropGroup(id string) {
	g := ws.group(id)
	ws.reindexMembers(id, g.Members, nil)
	delete(ws.byGroup, strings.ToLower(g.DisplayName))
	delete(ws.groups, id)
	ws.groupOrder = slices.DeleteFunc(ws.groupOrder, func(other string) bool { return other == id })
}

func (ws *workspace) isMember(userID, groupID string) bool {
	return slices.Contains(ws.memberOf[userID], groupID)
}

// without returns ids less those in gone, in a new slice.
func without(ids []string, gone map[string]bool) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if !gone[id] {
			out = append(out, id)
		}
	}
	return out
}
