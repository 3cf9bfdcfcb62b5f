package console

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// differences compares what an audit record says of before and after, down to the single value.
func differences(e store.Entry) []provision.Change { return differing(nil, "", e.Before, e.After) }

func differing(out []provision.Change, path string, before, after map[string]any) []provision.Change {
	keys := map[string]any{}
	maps.Copy(keys, before)
	maps.Copy(keys, after)
	for _, k := range sorted(keys) {
		old, now := before[k], after[k]
		if reflect.DeepEqual(old, now) {
			continue
		}
		deeper, wasDocument := old.(map[string]any)
		further, isDocument := now.(map[string]any)
		if (wasDocument || old == nil) && (isDocument || now == nil) {
			out = differing(out, path+k+".", deeper, further)
			continue
		}
		was, wasList := entriesOf(old)
		is, isList := entriesOf(now)
		if wasList && isList {
			out = listed(out, path+k, was, is)
			continue
		}
		out = append(out, provision.Change{Attribute: path + k, Old: old, New: now})
	}
	return out
}

// listEntry is one document of a list, with what tells it from the others and what it is called.
type listEntry struct {
	key, name string
	doc       map[string]any
}

// entriesOf takes a list of documents apart, such as assignments and mappings; false for any other value.
func entriesOf(v any) ([]listEntry, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, v == nil
	}
	var out []listEntry
	for _, e := range list {
		doc, _ := e.(map[string]any)
		key := cmp.Or(text(doc["id"]), text(doc["target"]))
		if key == "" || slices.ContainsFunc(out, func(o listEntry) bool { return o.key == key }) {
			return nil, false
		}
		out = append(out, listEntry{key, cmp.Or(text(doc["name"]), key), doc})
	}
	return out, true
}

// listed compares two lists: who came and who went by name, and what became of those that stayed.
func listed(out []provision.Change, path string, was, is []listEntry) []provision.Change {
	if len(was)+len(is) == 0 {
		return out
	}
	had := len(out)
	var gone, come []provision.Subject
	for _, o := range was {
		i := slices.IndexFunc(is, func(n listEntry) bool { return n.key == o.key })
		if i < 0 {
			gone = append(gone, provision.Subject{ID: o.key, Name: o.name})
			continue
		}
		out = differing(out, path+"["+o.name+"].", o.doc, is[i].doc)
	}
	for _, n := range is {
		if !slices.ContainsFunc(was, func(o listEntry) bool { return o.key == n.key }) {
			come = append(come, provision.Subject{ID: n.key, Name: n.name})
		}
	}
	if len(gone)+len(come) > 0 || len(out) == had { // else their order alone is another
		if len(gone)+len(come) == 0 {
			gone, come = subjects(was), subjects(is)
		}
		out = append(out, provision.Change{Attribute: path, Old: gone, New: come})
	}
	return out
}

func subjects(list []listEntry) []provision.Subject {
	out := make([]provision.Subject, len(list))
	for i, e := range list {
		out[i] = provision.Subject{ID: e.key, Name: e.name}
	}
	return out
}
