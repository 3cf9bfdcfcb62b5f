package slackemulator

import (
	"net/http"
	"strconv"
	"strings"
)

const (
	defaultCount = 10
	maxCount     = 1000
)

// page is what startIndex and count ask for. A count above the maximum silently means the maximum.
type page struct{ start, count int }

func readPage(c *call) (page, error) {
	order := c.query.Get("sortOrder")
	if order != "" && !strings.EqualFold(order, "ascending") && !strings.EqualFold(order, "descending") {
		return page{}, refuse("invalid_sort_order")
	}
	p := page{start: 1, count: defaultCount}
	if n, err := strconv.Atoi(c.query.Get("startIndex")); err == nil {
		p.start = max(1, n)
	}
	if n, err := strconv.Atoi(c.query.Get("count")); err == nil {
		p.count = min(max(0, n), maxCount)
	}
	return p, nil
}

// cut returns the page of ids that p asks for. Its cost is the page's.
func (p page) cut(ids []string) []string {
	if p.start > len(ids) {
		return nil
	}
	return ids[p.start-1 : min(len(ids), p.start-1+p.count)]
}

type listV1JSON struct {
	TotalResults int      `json:"totalResults"`
	ItemsPerPage int      `json:"itemsPerPage"` // what is on this page, not what was asked for
	StartIndex   int      `json:"startIndex"`
	Schemas      []string `json:"schemas"`
	Resources    []any    `json:"Resources"`
}

type listV2JSON struct {
	Schemas      []string `json:"schemas"`
	Resources    []any    `json:"Resources"`
	TotalResults int      `json:"totalResults"`
	ItemsPerPage int      `json:"itemsPerPage"`
	StartIndex   int      `json:"startIndex"`
}

// list answers with the page of ids; resource renders one of them.
func list(c *call, p page, ids []string, resource func(id string) any) *reply {
	total := len(ids)
	cut := c.effects.paging.apply(p, ids, &total)
	resources := make([]any, 0, len(cut))
	for _, id := range cut {
		resources = append(resources, resource(id))
	}
	var value any = listV2JSON{[]string{listV2}, resources, total, len(resources), p.start}
	if c.version == v1 {
		value = listV1JSON{total, len(resources), p.start, []string{coreV1}, resources}
	}
	return &reply{status: http.StatusOK, value: value}
}

// userAttributes are what people can be filtered by, with the names seen in the field.
var userAttributes = map[string]string{
	"id": "id", "username": "username",
	"email": "email", "emails": "email", "emails.value": "email", `emails[type eq "work"].value`: "email",
	"restricted": "restricted", "ultra_restricted": "ultra_restricted",
}

var groupAttributes = map[string]string{"id": "id", "displayname": "displayname"}

func (u *User) lookup(attribute string) []string {
	switch attribute {
	case "id":
		return []string{u.ID}
	case "username":
		return []string{u.UserName}
	case "email":
		return []string{u.Email, u.SecondEmail}
	case "restricted":
		return []string{bit(u.Guest != nil && u.Guest.Type == "multi")}
	case "ultra_restricted":
		return []string{bit(u.Guest != nil && u.Guest.Type == "single")}
	}
	return nil
}

func bit(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}

func (g *Group) lookup(attribute string) []string {
	switch attribute {
	case "id":
		return []string{g.ID}
	case "displayname":
		return []string{g.DisplayName}
	}
	return nil
}

func (e *Emulator) listUsers(c *call) (*reply, error) {
	p, filter, err := readQuery(c, userAttributes)
	if err != nil {
		return nil, err
	}
	e.ws.mu.RLock()
	defer e.ws.mu.RUnlock()
	index := func(attribute, value string) (string, bool) {
		switch attribute {
		case "id":
			id := strings.ToUpper(value)
			if e.ws.users[id] == nil {
				id = ""
			}
			return id, true
		case "username":
			return e.ws.byUserName[value], true
		case "email":
			return e.ws.byEmail[value], value != ""
		}
		return "", false
	}
	ids := match(filter, e.ws.userOrder, index, func(id string) lookup { return e.ws.user(id).lookup })
	f := e.frame(c)
	return list(c, p, ids, func(id string) any {
		u := e.ws.users[id].seen(f.now, c.effects.staleRead)
		return renderUser(u, e.ws.groupsOf(id), f)
	}), nil
}

func (e *Emulator) listGroups(c *call) (*reply, error) {
	p, filter, err := readQuery(c, groupAttributes)
	if err != nil {
		return nil, err
	}
	e.ws.mu.RLock()
	defer e.ws.mu.RUnlock()
	index := func(attribute, value string) (string, bool) {
		if attribute == "displayname" {
			return e.ws.byGroup[value], true
		}
		id := strings.ToUpper(value)
		if e.ws.groups[id] == nil {
			id = ""
		}
		return id, true
	}
	ids := match(filter, e.ws.groupOrder, index, func(id string) lookup { return e.ws.group(id).lookup })
	f := e.frame(c)
	return list(c, p, ids, func(id string) any {
		g := e.ws.groups[id].seen(f.now, c.effects.staleRead)
		return renderGroup(g, e.ws.membersOf(g), f)
	}), nil
}

// readQuery reads startIndex, count and filter. Other parameters (attributes, sortBy) do nothing.
func readQuery(c *call, known map[string]string) (page, *condition, error) {
	p, err := readPage(c)
	if err != nil || !c.query.Has("filter") || c.effects.ignoreFilter {
		return p, nil, err
	}
	filter, err := parseFilter(c.query.Get("filter"))
	if err != nil {
		return p, nil, err
	}
	return p, filter, filter.check(known)
}

// lookup gives an object's values of an attribute.
type lookup = func(attribute string) []string

// match returns the ids that filter holds for, all of them when there is none. An equality that an
// index knows costs one look-up, whatever the workspace's size.
func match(filter *condition, all []string, index func(attribute, value string) (string, bool), object func(id string) lookup) []string {
	if filter == nil {
		return all
	}
	candidates, narrowed := filter.candidates(index)
	if !narrowed {
		candidates = all
	}
	out := []string{}
	taken := map[string]bool{}
	for _, id := range candidates {
		if !taken[id] && filter.holds(object(id)) {
			out = append(out, id)
			if narrowed {
				taken[id] = true
			}
		}
	}
	return out
}
