package connectortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// refusal is why a request is not carried out.
type refusal struct {
	status       int
	kind, detail string
}

func (t *Target) create(w http.ResponseWriter, r *http.Request, in *collection, doc map[string]any) {
	if doc == nil || look(doc, in.named()) == nil {
		refuse(w, http.StatusBadRequest, "invalidValue", in.named()+" is required")
		return
	}
	name, _ := look(doc, in.named()).(string)
	if holder, taken := in.byName[strings.ToLower(name)]; taken {
		switch {
		case t.does.ConflictOpen:
			reply(w, http.StatusOK, t.show(in, in.byID[holder], nil))
		case t.does.ConflictSilent:
			refuse(w, t.conflict(), "", "it exists already")
		default:
			refuse(w, t.conflict(), "uniqueness", in.named()+" is in use")
		}
		return
	}
	t.nextID++
	e := &entry{id: in.prefix + strconv.Itoa(1000+t.nextID), in: map[string]bool{}}
	if t.does.NumericIDs {
		e.id = strconv.Itoa(1000 + t.nextID)
	}
	if why := t.accept(in, e, doc); why != nil {
		refuse(w, why.status, why.kind, why.detail)
		return
	}
	if t.mailTaken(in, e) {
		refuse(w, t.conflict(), "uniqueness", "emails is in use")
		return
	}
	if !t.does.CreateRefused {
		in.insert(e)
	}
	if !t.does.NoLocation && !t.does.CreateRefused {
		w.Header().Set("Location", "http://"+r.Host+strings.TrimSuffix(r.URL.Path, "/")+"/"+e.id)
	}
	if t.does.EmptyCreate {
		w.WriteHeader(http.StatusCreated)
		return
	}
	reply(w, http.StatusCreated, t.show(in, e, nil))
}

func (t *Target) conflict() int {
	if t.does.ConflictStatus != 0 {
		return t.does.ConflictStatus
	}
	return http.StatusConflict
}

// mailTaken reports whether an address of an entry is another one's.
func (t *Target) mailTaken(in *collection, e *entry) bool {
	mails, _ := look(e.doc, "emails").([]any)
	for _, m := range mails {
		mail, _ := m.(map[string]any)
		v, _ := look(mail, "value").(string)
		for id := range in.byMail[strings.ToLower(v)] {
			if t.does.UniqueMail && v != "" && id != e.id {
				return true
			}
		}
	}
	return false
}

// accept takes a whole resource into an entry.
func (t *Target) accept(in *collection, e *entry, doc map[string]any) *refusal {
	doc = copyOf(doc)
	members, _ := look(doc, "members").([]any)
	for _, name := range append([]string{"id", "meta", "members"}, t.does.Ignore...) {
		delete(doc, spelled(doc, name))
	}
	if why := t.strict(in, doc); why != nil {
		return why
	}
	var ids []string
	for _, m := range members {
		id, why := t.member(m)
		if why != nil {
			return why
		}
		ids = append(ids, id)
	}
	if t.does.MaxMembers > 0 && len(ids) > t.does.MaxMembers {
		return &refusal{400, "tooMany", fmt.Sprintf("at most %d members in a request", t.does.MaxMembers)}
	}
	e.doc, e.members, e.in = doc, nil, map[string]bool{}
	e.join(ids)
	t.normalise(e.doc)
	return nil
}

// normalise does to values what the behaviour says.
func (t *Target) normalise(doc map[string]any) {
	if name, ok := look(doc, "userName").(string); ok && t.does.LowerCaseUserName {
		doc[spelled(doc, "userName")] = strings.ToLower(name)
	}
	for _, list := range []string{"emails", "phoneNumbers", "addresses"} {
		entries, _ := look(doc, list).([]any)
		for _, v := range entries {
			m, ok := v.(map[string]any)
			if !ok {
				continue
			}
			if t.does.DropTypes {
				delete(m, "type")
			}
			if number, ok := m["value"].(string); ok && t.does.ReformatPhones && list == "phoneNumbers" {
				m["value"] = strings.Map(func(r rune) rune {
					if r < '0' || r > '9' {
						return -1
					}
					return r
				}, number)
			}
		}
	}
	for _, name := range t.does.Ignore {
		delete(doc, spelled(doc, name))
	}
}

// knownAttributes are those of RFC 7643 §4.1 and §4.2 at the top level.
var knownAttributes = map[string][]string{
	"U": {
		"schemas", "userName", "externalId", "name", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale",
		"timezone", "active", "password", "emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "groups",
	},
	"G": {"schemas", "displayName", "externalId"},
}

func (t *Target) strict(in *collection, doc map[string]any) *refusal {
	if !t.does.Strict {
		return nil
	}
	for name, v := range doc {
		if !slices.ContainsFunc(knownAttributes[in.prefix], func(k string) bool { return strings.EqualFold(k, name) }) {
			return &refusal{400, "invalidSyntax", name + " is no attribute"}
		}
		if void(v) {
			return &refusal{400, "invalidValue", name + " is empty"}
		}
	}
	if in.prefix == "U" {
		if mails, _ := look(doc, "emails").([]any); len(mails) > 0 && !slices.ContainsFunc(mails, func(m any) bool {
			mail, _ := m.(map[string]any)
			return look(mail, "primary") == true
		}) {
			return &refusal{400, "invalidValue", "no e-mail address is primary"}
		}
	}
	return nil
}

// void reports an empty string anywhere in a value.
func void(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []any:
		return slices.ContainsFunc(v, void)
	case map[string]any:
		for _, e := range v {
			if void(e) {
				return true
			}
		}
	}
	return false
}

func (t *Target) member(v any) (string, *refusal) {
	m, _ := v.(map[string]any)
	id, _ := look(m, "value").(string)
	if t.users.byID[id] == nil && t.groups.byID[id] == nil {
		return "", &refusal{400, "invalidValue", "member " + id + " does not exist"}
	}
	return id, nil
}

func (e *entry) join(ids []string) {
	for _, id := range ids {
		if !e.in[id] {
			e.in[id] = true
			e.members = append(e.members, id)
		}
	}
}

func (e *entry) leave(id string) {
	if e.in[id] {
		delete(e.in, id)
		i := slices.Index(e.members, id)
		e.members = slices.Delete(e.members, i, i+1)
	}
}

// find returns the entry of an id, nil when it is not to be seen.
func (t *Target) find(in *collection, id string) *entry {
	e := in.byID[id]
	if e != nil && t.does.HideDisabled && look(e.doc, "active") == false {
		return nil
	}
	return e
}

func (t *Target) read(w http.ResponseWriter, r *http.Request, in *collection, id string) {
	e := t.find(in, id)
	if e == nil {
		refuse(w, http.StatusNotFound, "", "no such resource")
		return
	}
	if e.stale > 0 && e.before != nil {
		e.stale--
		reply(w, http.StatusOK, json.RawMessage(e.before))
		return
	}
	reply(w, http.StatusOK, t.show(in, e, r.URL.Query()["excludedAttributes"]))
}

// show makes a resource's representation.
func (t *Target) show(in *collection, e *entry, without []string) map[string]any {
	doc := make(map[string]any, len(e.doc)+3)
	for k, v := range e.doc {
		if !strings.EqualFold(k, "password") {
			doc[k] = v
		}
	}
	doc["id"] = any(e.id)
	if n, err := strconv.Atoi(e.id); err == nil && t.does.NumericIDs {
		doc["id"] = n
	}
	if in.prefix == "G" && !t.does.HideMembers && !slices.Contains(without, "members") && len(e.members) > 0 {
		shown := e.members
		if t.does.MembersShown > 0 {
			shown = shown[:min(len(shown), t.does.MembersShown)]
		}
		list := make([]any, len(shown))
		for i, id := range shown {
			list[i] = map[string]any{"value": id}
		}
		doc["members"] = list
	}
	if active, ok := look(doc, "active").(bool); ok && t.does.StringBooleans {
		doc["active"] = map[bool]string{true: "True", false: "False"}[active]
		doc["emails"] = textPrimary(doc["emails"])
	}
	if t.does.ShuffledNames {
		for _, name := range []string{"userName", "displayName", "emails", "members"} {
			if v, ok := doc[name]; ok {
				delete(doc, name)
				doc[strings.ToUpper(name)] = v
			}
		}
	}
	return doc
}

func textPrimary(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	var out []any
	for _, e := range list {
		m, _ := e.(map[string]any)
		c := copyOf(m)
		if p, ok := c["primary"].(bool); ok {
			c["primary"] = strconv.FormatBool(p)
		}
		out = append(out, c)
	}
	return out
}

// change carries out a change of an entry as a whole or not at all, and answers.
func (t *Target) change(w http.ResponseWriter, in *collection, id string, enables bool, how func(e *entry) *refusal) {
	e := in.byID[id]
	disabled := e != nil && look(e.doc, "active") == false
	if e == nil || disabled && t.does.HideDisabled && !enables {
		refuse(w, http.StatusNotFound, "", "no such resource")
		return
	}
	if disabled && t.does.FreezeDisabled && !enables {
		refuse(w, http.StatusBadRequest, "", "a deactivated person cannot be updated")
		return
	}
	next := &entry{id: e.id, doc: copyOf(e.doc), members: slices.Clone(e.members), in: make(map[string]bool, len(e.in)), secret: e.secret}
	for m := range e.in {
		next.in[m] = true
	}
	if why := how(next); why != nil {
		refuse(w, why.status, why.kind, why.detail)
		return
	}
	if why := t.strict(in, next.doc); why != nil {
		refuse(w, why.status, why.kind, why.detail)
		return
	}
	oldName, _ := look(e.doc, in.named()).(string)
	name, _ := look(next.doc, in.named()).(string)
	if holder, taken := in.byName[strings.ToLower(name)]; taken && holder != id {
		refuse(w, t.conflict(), "uniqueness", in.named()+" is in use")
		return
	}
	if t.mailTaken(in, next) {
		refuse(w, t.conflict(), "uniqueness", "emails is in use")
		return
	}
	if t.does.Immutable && in.prefix == "U" && !strings.EqualFold(oldName, name) {
		refuse(w, http.StatusBadRequest, "mutability", "userName cannot be changed")
		return
	}
	shown := t.show(in, next, nil)
	if !t.does.LyingWrites {
		t.normalise(next.doc)
		t.obfuscate(next, disabled)
		before, _ := json.Marshal(t.show(in, e, nil))
		in.index(e, false)
		e.doc, e.members, e.in, e.secret = next.doc, next.members, next.in, next.secret
		e.before, e.stale = before, t.does.StaleReads
		in.index(e, true)
		shown = t.show(in, e, nil)
	}
	switch {
	case t.does.EmptyUpdate:
		w.WriteHeader(http.StatusNoContent)
	case t.does.ObjectUpdate:
		reply(w, http.StatusOK, map[string]any{})
	default:
		reply(w, http.StatusOK, shown)
	}
}

// obfuscate hides who a disabled person was, and restores it when they are enabled.
func (t *Target) obfuscate(e *entry, wasDisabled bool) {
	if !t.does.ObfuscateDisabled {
		return
	}
	switch disabled := look(e.doc, "active") == false; {
	case disabled && !wasDisabled:
		e.secret = map[string]any{"userName": e.doc["userName"], "emails": e.doc["emails"]}
		e.doc["userName"] = "obfuscated-" + e.id
		delete(e.doc, "emails")
	case !disabled && wasDisabled && e.secret != nil:
		for k, v := range e.secret {
			if v != nil {
				e.doc[k] = v
			}
		}
		e.secret = nil
	}
}

func (t *Target) replace(w http.ResponseWriter, in *collection, id string, doc map[string]any) {
	active, stated := look(doc, "active").(bool)
	t.change(w, in, id, active, func(e *entry) *refusal {
		if why := t.accept(in, e, doc); why != nil {
			return why
		}
		if in.prefix == "U" && !stated {
			e.doc["active"] = false // as Slack does
		}
		return nil
	})
}

func (t *Target) remove(w http.ResponseWriter, in *collection, id string) {
	e := t.find(in, id)
	if e == nil {
		refuse(w, http.StatusNotFound, "", "no such resource")
		return
	}
	if in.prefix == "U" && t.does.DeleteDisables {
		e.doc["active"] = false
	} else {
		in.drop(e)
		for _, g := range t.groups.byID {
			g.leave(id)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
