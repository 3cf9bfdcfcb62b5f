package connectortest

import (
	"encoding/json"
	"slices"
	"strings"
)

// collection is the users or the groups, in the order of their creation, with indexes for what is
// looked up at speed.
type collection struct {
	prefix string
	byID   map[string]*entry
	order  []string
	byName map[string]string          // lower-case userName or displayName → id
	byMail map[string]map[string]bool // lower-case address → ids
	byExt  map[string]map[string]bool // externalId → ids
}

// entry is one resource. A group's members are kept apart, as they may be many.
type entry struct {
	id      string
	doc     map[string]any // without id and members
	members []string
	in      map[string]bool // members
	before  []byte          // as it was shown before the last write
	stale   int             // reads that still see it so
	secret  map[string]any  // what an obfuscated person had
}

func newCollection(prefix string) *collection {
	return &collection{prefix, map[string]*entry{}, nil, map[string]string{}, map[string]map[string]bool{}, map[string]map[string]bool{}}
}

func (c *collection) named() string {
	if c.prefix == "G" {
		return "displayName"
	}
	return "userName"
}

// index adds or takes away an entry's names.
func (c *collection) index(e *entry, add bool) {
	if name, ok := look(e.doc, c.named()).(string); ok && name != "" {
		key := strings.ToLower(name)
		if add {
			c.byName[key] = e.id
		} else if c.byName[key] == e.id {
			delete(c.byName, key)
		}
	}
	note := func(in map[string]map[string]bool, key string) {
		if !add {
			delete(in[key], e.id)
			return
		}
		if in[key] == nil {
			in[key] = map[string]bool{}
		}
		in[key][e.id] = true
	}
	if ext, ok := look(e.doc, "externalId").(string); ok {
		note(c.byExt, ext)
	}
	mails, _ := look(e.doc, "emails").([]any)
	for _, m := range mails {
		if mail, ok := m.(map[string]any); ok {
			if v, ok := look(mail, "value").(string); ok {
				note(c.byMail, strings.ToLower(v))
			}
		}
	}
}

func (c *collection) insert(e *entry) {
	c.byID[e.id] = e
	c.order = append(c.order, e.id)
	c.index(e, true)
}

func (c *collection) drop(e *entry) {
	c.index(e, false)
	delete(c.byID, e.id)
	if i := slices.Index(c.order, e.id); i >= 0 {
		c.order = slices.Delete(c.order, i, i+1)
	}
}

// look finds a member by its case-blind name.
func look(doc map[string]any, name string) any {
	if v, ok := doc[name]; ok {
		return v
	}
	for k, v := range doc {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// spelled returns the name under which a document has a member, else the name itself.
func spelled(doc map[string]any, name string) string {
	for k := range doc {
		if strings.EqualFold(k, name) {
			return k
		}
	}
	return name
}

func copyOf(doc map[string]any) map[string]any {
	out := make(map[string]any, len(doc))
	for name, v := range doc {
		out[name] = copyOfValue(v)
	}
	return out
}

// copyOfValue copies a value of a document. Tests look at accounts by the million: what has come from JSON needs no JSON for that.
func copyOfValue(v any) any {
	switch v := v.(type) {
	case nil, string, bool, float64:
		return v
	case map[string]any:
		return copyOf(v)
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = copyOfValue(one)
		}
		return out
	}
	b, _ := json.Marshal(v) // a test put it there
	var out any
	_ = json.Unmarshal(b, &out)
	return out
}
