package directory

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/attr"
)

// maxDepth bounds the nesting of a custom attribute's value.
const maxDepth = 10

// Value returns v as the attribute keeps it, nil when it is empty: text trimmed of surrounding
// white space, booleans also from "true" and "no", numbers as text where text is wanted, and for a
// multi-valued attribute a list of objects also from a single value or from plain values. The error
// says in a sentence what is wrong and never repeats the value.
func (a Attribute) Value(v any) (any, error) {
	if attr.Empty(v) {
		return nil, nil
	}
	if a.MultiValued && a.Type != TypeAny {
		return a.list(v)
	}
	switch a.Type {
	case TypeComplex, TypeReference:
		return a.object(v)
	case TypeBoolean:
		b, err := Bool(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		return b, nil
	case TypeAny:
		return plain(a.Name, v, 0)
	}
	return a.text(v)
}

// Bool reads a boolean as people and programs write it: true/false, 1/0, yes/no, in any case.
func Bool(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case float64:
		if v == 0 || v == 1 {
			return v == 1, nil
		}
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "1", "yes":
			return true, nil
		case "false", "0", "no":
			return false, nil
		}
	}
	return false, fmt.Errorf("wants true or false (or 1/0, yes/no)")
}

func (a Attribute) text(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if !CleanText(v) {
			return nil, fmt.Errorf("%s holds bytes that are no text", a.Name)
		}
		if v = strings.TrimSpace(v); v == "" {
			return nil, nil
		}
		return v, nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return nil, fmt.Errorf("%s wants text, not %s", a.Name, kindOf(v))
}

// object takes an object, or a plain value for its "value".
func (a Attribute) object(v any) (any, error) {
	doc, ok := v.(map[string]any)
	if !ok {
		if _, isList := v.([]any); isList || !a.hasSub("value") {
			return nil, fmt.Errorf("%s wants an object with %s, not %s", a.Name, strings.Join(names(a.Sub), ", "), kindOf(v))
		}
		doc = map[string]any{"value": v}
	}
	out := make(map[string]any, len(doc))
	for key, value := range doc {
		sub, err := a.sub(key)
		if err != nil {
			return nil, err
		}
		value, err = sub.Value(value)
		if err != nil {
			return nil, fmt.Errorf("%s.%w", a.Name, err)
		}
		if value != nil {
			out[sub.Name] = value
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func (a Attribute) hasSub(name string) bool { _, err := a.sub(name); return err == nil }

func (a Attribute) sub(name string) (Attribute, error) {
	for _, s := range a.Sub {
		if strings.EqualFold(s.Name, name) {
			return s, nil
		}
	}
	return Attribute{}, fmt.Errorf("%s has no part %s%s", a.Name, name, mean(name, names(a.Sub)))
}

func (a Attribute) list(v any) (any, error) {
	entries, ok := v.([]any)
	if !ok {
		entries = []any{v}
	}
	one := a
	one.MultiValued = false
	out := make([]any, 0, len(entries))
	primary := -1
	for _, e := range entries {
		_, isObject := e.(map[string]any)
		value, err := one.object(e)
		if err != nil {
			return nil, err
		}
		doc, ok := value.(map[string]any)
		if !ok {
			continue // an empty one
		}
		if !isObject && a.OnePrimary {
			doc["type"] = "work" // what a bare value of a company's directory is
		}
		if doc["primary"] == true {
			if primary >= 0 {
				delete(doc, "primary") // there is at most one (RFC 7643 §2.4): the first
			} else {
				primary = len(out)
			}
		}
		out = append(out, doc)
	}
	if len(out) == 0 {
		return nil, nil
	}
	if a.OnePrimary && primary < 0 {
		markPrimary(out)
	}
	return out, nil
}

func markPrimary(list []any) {
	best := list[0].(map[string]any)
	for _, e := range list {
		doc := e.(map[string]any)
		if kind, _ := doc["type"].(string); strings.EqualFold(kind, "work") {
			best = doc
			break
		}
	}
	best["primary"] = true
}

// plain checks a custom value: what JSON can say, not nested without end.
func plain(name string, v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s is nested deeper than %d", name, maxDepth)
	}
	switch v := v.(type) {
	case nil, bool, float64:
		return v, nil
	case int:
		return float64(v), nil
	case json.Number:
		f, err := v.Float64()
		return f, err
	case string:
		if !CleanText(v) {
			return nil, fmt.Errorf("%s holds bytes that are no text", name)
		}
		return strings.TrimSpace(v), nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			value, err := plain(name, e, depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			value, err := plain(name, e, depth+1)
			if err != nil {
				return nil, err
			}
			if !CleanText(k) {
				return nil, fmt.Errorf("%s holds bytes that are no text", name)
			}
			out[k] = value
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s is %s, which no attribute can hold", name, kindOf(v))
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case float64, int, json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("%T", v)
}
