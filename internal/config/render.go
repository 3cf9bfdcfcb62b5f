package config

import (
	"bytes"
	"encoding"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/muster-id/muster/internal/provision"
)

// inline are the parts that are written on one line, by path without indices, as people write them.
var inline = map[string]bool{
	"connection.limits": true, "connection.auth.scopes": true, "connection.auth.params": true, "assignments[]": true, "mappings.users[]": true, "mappings.groups[]": true,
	"provisioning.users": true, "provisioning.groups": true, "provisioning.hold": true, "provisioning.quarantine": true, "provisioning.drift": true, "provisioning.notify": true,
	"provisioning.users.actions": true, "provisioning.groups.actions": true,
}

// render writes applications in the declarative form, every value that the application has: a file
// that left out what the template says today would mean something else when the template changes.
// A value that is absent while the template has one is written too, empty. Secrets says by
// name which an application has sealed.
func render(apps []provision.Application, secrets map[string]map[string]string) ([]byte, error) {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	if len(apps) == 0 {
		list.Style = yaml.FlowStyle
	}
	for i := range apps {
		app, base := normal(apps[i]), templateOf(apps[i])
		n := writer{}.object(reflect.ValueOf(app), reflect.ValueOf(base), "")
		if auth := member(member(n, "connection"), "auth"); auth != nil && len(auth.Content) > 0 {
			auth.Content[len(auth.Content)-2].FootComment = secretComment(app.Connection.Auth, secrets[app.Name])
		}
		list.Content = append(list.Content, n)
	}
	root := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{word("applications"), list}}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	return b.Bytes(), nil
}

// secretComment stands where the secrets would.
func secretComment(auth provision.Auth, sealed map[string]string) string {
	var lines []string
	optional := auth.Secrets()
	for _, name := range slices.Sorted(maps.Keys(optional)) {
		switch _, is := sealed[name]; {
		case is:
			lines = append(lines, "# "+name+": is sealed, and stays as it is while it is left out here")
		case !optional[name]:
			lines = append(lines, "# "+name+": there is none yet")
		}
	}
	return strings.Join(lines, "\n")
}

// member returns the value of a key, nil when there is none.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// normal brings what means the same into one form, so that it compares equal.
func normal(app provision.Application) provision.Application {
	if app.Connection.Limits.Off {
		app.Connection.Limits = provision.Limits{Off: true}
	}
	app.Connection.Auth = app.Connection.Auth.Bare()
	app.Assignments = slices.Clone(app.Assignments)
	for i := range app.Assignments {
		if app.Assignments[i].Role == "" {
			app.Assignments[i].Role = "User"
		}
	}
	return app
}

// writer turns Go values into YAML, the inverse of decoder.
type writer struct{}

func (w writer) node(v, base reflect.Value, path string) *yaml.Node {
	if t, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := t.MarshalText()
		if err != nil {
			panic("config: " + err.Error()) // durations and percentages always marshal
		}
		return word(string(b))
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == limitsType && v.Interface().(provision.Limits).Off {
			return word("off")
		}
		return w.object(v, base, path)
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: style(path)}
		if v.Len() == 0 {
			n.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			n.Content = append(n.Content, w.node(v.Index(i), reflect.Zero(v.Type().Elem()), path+"[]"))
		}
		return n
	case reflect.Map:
		if v.Type() != reflect.TypeFor[map[string]string]() {
			return anyNode(v.Interface())
		}
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, k := range slices.Sorted(maps.Keys(v.Interface().(map[string]string))) {
			n.Content = append(n.Content, text(k), text(v.MapIndex(reflect.ValueOf(k)).String()))
		}
		return n
	case reflect.String:
		if isWord(path) {
			return word(v.String())
		}
		return text(escape(v.String()))
	}
	return anyNode(v.Interface())
}

// object writes the fields of a struct in their order. A field that may be left out is, when it has
// no value; but not when the template would put one in its place.
func (w writer) object(v, base reflect.Value, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: style(path)}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := keyOf(f)
		if key == "" || isSecret(join(path, key)) {
			continue
		}
		if mayLeaveOut(f) && v.Field(i).IsZero() && (!base.IsValid() || base.Field(i).IsZero()) {
			continue
		}
		n.Content = append(n.Content, word(key), w.node(v.Field(i), base.Field(i), join(path, key)))
	}
	return n
}

func mayLeaveOut(f reflect.StructField) bool {
	return strings.Contains(f.Tag.Get("json"), ",omit")
}

func style(path string) yaml.Style {
	if inline[path] {
		return yaml.FlowStyle
	}
	return 0
}

// word writes what is read as a word: a key, a word of a closed set, a duration.
func word(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// text writes a text so that every YAML reader takes it for one.
func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off": // booleans to YAML 1.1
		n.Style = yaml.DoubleQuotedStyle
	}
	if strings.ContainsAny(s, "\n\t") || strings.TrimSpace(s) != s || strings.ContainsFunc(s, odd) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// odd are the letters that some YAML writers and readers disagree about in plain text.
func odd(r rune) bool {
	return r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r < ' ' || r == 0x7f
}

// anyNode writes a value of encoding/json's types.
func anyNode(v any) *yaml.Node {
	switch v := v.(type) {
	case string:
		return text(escape(v))
	case bool:
		return word(strconv.FormatBool(v))
	case int:
		return word(strconv.Itoa(v))
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return word(strconv.FormatFloat(v, 'f', -1, 64))
		}
		return word(strconv.FormatFloat(v, 'g', -1, 64))
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, e := range v {
			n.Content = append(n.Content, anyNode(e))
		}
		return n
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, text(k), anyNode(v[k]))
		}
		return n
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
}
