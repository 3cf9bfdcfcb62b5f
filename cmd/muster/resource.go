package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
)

// first are the attributes that a person looks for first.
var first = []string{"id", "externalId", "userName", "displayName", "active", "name", "title", "emails"}

// printResource prints a SCIM resource as lines of attribute and value.
func printResource(s *session, resource map[string]any) {
	keys := slices.Concat(first, slices.Sorted(maps.Keys(resource)))
	seen := map[string]bool{"schemas": true}
	var rows [][2]string
	for _, k := range keys {
		v, there := resource[k]
		if !there || seen[k] {
			continue
		}
		seen[k] = true
		rows = append(rows, lines(k, v)...)
	}
	left := 0
	for _, r := range rows {
		left = max(left, min(width(r[0]), 28))
	}
	for _, r := range rows {
		label := pad(r[0], left) + "  "
		s.say("%s", s.wrapped(s.dim(label), width(label), r[1]))
	}
}

// lines are an attribute's value, one line for each value of several.
func lines(name string, v any) [][2]string {
	switch v := v.(type) {
	case map[string]any:
		var rows [][2]string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			under := name + "." + k
			if name == directory.Enterprise || name == "meta" {
				under = k
			} else if name == directory.Custom {
				under = "custom." + k
			}
			rows = append(rows, lines(under, v[k])...)
		}
		return rows
	case []any:
		var rows [][2]string
		for i, e := range v {
			label := name
			if i > 0 {
				label = ""
			}
			rows = append(rows, [2]string{label, element(e)})
		}
		return rows
	}
	return [][2]string{{name, fmt.Sprint(v)}}
}

// element is one of several values: its value, then what else is said of it.
func element(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Sprint(v)
	}
	head := ""
	for _, k := range []string{"display", "displayName", "value", "formatted"} {
		if text, ok := m[k].(string); ok && head == "" {
			head = text
		}
	}
	var more []string
	if t, ok := m["type"].(string); ok {
		more = append(more, strings.ToLower(t))
	}
	if m["primary"] == true {
		more = append(more, "primary")
	}
	if head == "" {
		b, _ := json.Marshal(m) // it came from JSON
		return string(b)
	}
	if len(more) > 0 {
		head += " (" + strings.Join(more, ", ") + ")"
	}
	return head
}
