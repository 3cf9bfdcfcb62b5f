package connectortest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// conditions reads equalities joined by "and": the filters that targets have in common.
func conditions(filter string) map[string]any {
	out := map[string]any{}
	rest := strings.TrimSpace(filter)
	for {
		name, after, ok := strings.Cut(rest, " ")
		if !ok || len(after) < 4 || !strings.EqualFold(after[:3], "eq ") {
			return nil
		}
		after = strings.TrimSpace(after[3:])
		d := json.NewDecoder(strings.NewReader(after))
		var v any
		if d.Decode(&v) != nil {
			return nil
		}
		out[name] = v
		rest = strings.TrimSpace(after[d.InputOffset():])
		if rest == "" {
			return out
		}
		if len(rest) < 5 || !strings.EqualFold(rest[:4], "and ") {
			return nil
		}
		rest = strings.TrimSpace(rest[4:])
	}
}

func picks(where map[string]any, doc map[string]any) bool {
	for name, want := range where {
		have := look(doc, name)
		a, okA := have.(string)
		b, okB := want.(string)
		if okA && okB && strings.EqualFold(a, b) {
			continue
		}
		if have != want {
			return false
		}
	}
	return true
}

// hits returns the ids that a filter picks, in order; ok is false when it cannot be understood.
func (c *collection) hits(filter string) (ids []string, ok bool) {
	where := conditions(filter)
	if where == nil {
		return nil, false
	}
	for name, v := range where {
		text, _ := v.(string)
		var found []string
		switch strings.ToLower(name) {
		case "id":
			if c.byID[text] != nil {
				found = []string{text}
			}
		case strings.ToLower(c.named()):
			if id, ok := c.byName[strings.ToLower(text)]; ok {
				found = []string{id}
			}
		case "emails", "emails.value":
			for id := range c.byMail[strings.ToLower(text)] {
				found = append(found, id)
			}
		case "externalid":
			for id := range c.byExt[text] {
				found = append(found, id)
			}
		default:
			at, ok := locate(name)
			if !ok || at.where != nil {
				return nil, false
			}
			for _, id := range c.order {
				doc, field := c.byID[id].doc, at.name
				if at.urn != "" {
					doc, _ = look(doc, at.urn).(map[string]any)
				}
				if at.sub != "" {
					doc, _ = look(doc, at.name).(map[string]any)
					field = at.sub
				}
				if picks(map[string]any{field: v}, doc) {
					found = append(found, id)
				}
			}
		}
		if ids == nil {
			ids = found
		} else {
			ids = slices.DeleteFunc(ids, func(id string) bool { return !slices.Contains(found, id) })
		}
		if len(ids) == 0 {
			return nil, true
		}
	}
	slices.Sort(ids)
	return ids, true
}

// list answers a query (RFC 7644 §3.4.2), as faulty as the behaviour says.
func (t *Target) list(w http.ResponseWriter, r *http.Request, in *collection) {
	q := r.URL.Query()
	ids := in.order
	if f := q.Get("filter"); f != "" && !t.does.IgnoreFilter {
		found, ok := in.hits(f)
		if !ok || t.does.NoFilter {
			refuse(w, http.StatusBadRequest, "invalidFilter", "the filter is not understood")
			return
		}
		ids = found
	}
	if t.does.HideDisabled {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return t.find(in, id) == nil })
	}
	count, start := 100, 1
	if n, err := strconv.Atoi(q.Get("count")); err == nil {
		count = max(0, n)
	}
	limit := 1000
	if t.does.PageCap > 0 {
		limit = t.does.PageCap
	}
	count = min(count, limit)
	if n, err := strconv.Atoi(q.Get("startIndex")); err == nil && !t.does.IgnoreStartIndex {
		start = max(1, n)
	}
	if t.does.Cursor {
		start = 1
		if c := q.Get("cursor"); c != "" {
			n, err := strconv.Atoi(strings.TrimPrefix(c, "after-"))
			if err != nil {
				refuse(w, http.StatusBadRequest, "invalidCursor", "the cursor is not ours")
				return
			}
			start = n + 1
		}
	}
	if t.does.IgnoreCount {
		start, count = 1, len(ids)
	}
	number := (start-1)/max(1, count) + 1
	if t.does.RepeatPage > 1 && number == t.does.RepeatPage {
		start -= count
	}
	from := min(start-1, len(ids))
	shown := ids[from:min(from+count, len(ids))]
	if t.does.EmptyPage > 0 && number == t.does.EmptyPage {
		shown = nil
	}
	total := len(ids)
	if t.does.Endless && q.Get("filter") == "" {
		if total = start + 2*count; len(shown) == 0 {
			t.invent(w, start, count, total)
			return
		}
	}
	t.page(w, q["excludedAttributes"], in, total, shown, start)
}

// invent answers with a page of accounts that are not there.
func (t *Target) invent(w http.ResponseWriter, start, count, total int) {
	var resources []any
	for i := range count {
		id := strconv.Itoa(start + i)
		resources = append(resources, map[string]any{"id": "invented-" + id, "userName": "invented" + id, "displayName": "Invented " + id, "active": true})
	}
	reply(w, http.StatusOK, map[string]any{
		"schemas":      []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"},
		"totalResults": total, "itemsPerPage": count, "startIndex": start, "Resources": resources,
	})
}

func (t *Target) page(w http.ResponseWriter, without []string, in *collection, total int, shown []string, start int) {
	resources := make([]any, 0, len(shown))
	for _, id := range shown {
		doc := t.show(in, in.byID[id], without)
		if t.does.DropID {
			delete(doc, "id")
		}
		resources = append(resources, doc)
	}
	doc := map[string]any{
		"schemas":      []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"},
		"totalResults": total + t.does.TotalOff, "itemsPerPage": len(shown), "startIndex": start, "Resources": resources,
	}
	if t.does.TotalIsPage {
		doc["totalResults"] = len(shown)
	}
	if t.does.NoTotal {
		delete(doc, "totalResults")
	}
	if end := start - 1 + len(shown); t.does.Cursor && end < total {
		doc["nextCursor"] = "after-" + strconv.Itoa(end)
	}
	if t.does.LowerCaseNames {
		doc["resources"], doc["totalresults"] = doc["Resources"], doc["totalResults"]
		delete(doc, "Resources")
		delete(doc, "totalResults")
	}
	reply(w, http.StatusOK, doc)
}
