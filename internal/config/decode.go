package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/muster-id/muster/internal/provision"
)

// decoder reads one application of a file over what its template says. The keys are the json names
// of [provision.Application]; what those types do not say (allowed words, bounds, secrets) is in the
// table of rules.go.
type decoder struct {
	*reader
	app *Application
}

// The types that the declarative form writes in a way of its own.
var (
	limitsType = reflect.TypeFor[provision.Limits]()
	anyType    = reflect.TypeFor[any]()
)

// into reads a node into v. The path names the value in messages and in the rules
// ("mappings.users[2].target").
func (d *decoder) into(v reflect.Value, n *yaml.Node, path string) {
	if n = d.follow(n); n == nil {
		return
	}
	if isNull(n) && mayBeNull[general(path)] {
		return
	}
	if v.Type() == anyType {
		if x, ok := d.value(n, path, 0); d.keep(path, ok) {
			v.Set(reflect.ValueOf(&x).Elem())
		}
		return
	}
	switch _, isText := v.Addr().Interface().(encoding.TextUnmarshaler); {
	case isText:
		d.single(v, n, path)
	case v.Kind() == reflect.Struct:
		d.object(v, n, path)
	case v.Kind() == reflect.Slice:
		d.list(v, n, path)
	case v.Kind() == reflect.Map:
		d.table(v, n, path)
	default:
		d.single(v, n, path)
	}
}

// keep remembers that a path is spoilt, so that no later check speaks of it again.
func (d *decoder) keep(path string, ok bool) bool {
	if !ok {
		d.app.spoil(path)
	}
	return ok
}

func (d *decoder) wrong(at Position, path, hint, message string, args ...any) {
	d.add(at, hint, message, args...)
	d.app.spoil(path)
}

func (d *decoder) object(v reflect.Value, n *yaml.Node, path string) {
	if v.Type() == limitsType && n.Kind == yaml.ScalarNode && n.Value == "off" {
		v.Set(reflect.ValueOf(provision.Limits{Off: true}))
		return
	}
	if n.Kind != yaml.MappingNode {
		hint := ""
		if v.Type() == limitsType {
			hint = "write off, or a mapping such as {concurrency: 16}"
		} else if isNull(n) {
			hint = "leave the key out for what the template says"
		}
		d.wrong(d.at(n), path, hint, "%s has to be a mapping, not %s", orApplication(path), kindOf(n))
		return
	}
	fields := keysOf(v.Type())
	for _, p := range d.pairs(n, 0) {
		full := join(path, p.name)
		i, known := fields[p.name]
		if !known {
			d.unknown(p, path, fields)
			continue
		}
		d.place(full, p)
		if isSecret(full) {
			d.secret(full, p.value)
			continue
		}
		d.into(v.Field(i), p.value, full)
	}
}

// place remembers where a value is: itself when it is a single value, else its key.
func (d *decoder) place(path string, p pair) {
	n := p.value
	if n.Kind != yaml.ScalarNode {
		n = p.key
	}
	d.app.places[path] = d.at(n)
	d.app.nodes[path] = p.value
}

func (d *decoder) unknown(p pair, path string, fields map[string]int) {
	d.app.spoil(join(path, p.name))
	hint := didYouMean(p.name, slices.Sorted(maps.Keys(fields)))
	if !strings.HasPrefix(hint, "did you mean") {
		if homes := homesOf(p.name); len(homes) > 0 {
			hint = "it belongs to " + either(homes)
		}
	}
	if path == "connection.limits" && p.name == "off" {
		hint = "write limits: off"
	}
	d.add(d.at(p.key), hint, "unknown key %s in %s", quote(p.name), orApplication(path))
}

func (d *decoder) list(v reflect.Value, n *yaml.Node, path string) {
	if n.Kind != yaml.SequenceNode {
		hint := "begin each entry with a dash"
		if isNull(n) {
			hint = "write [] for none, or leave the key out for what the template says"
		}
		d.wrong(d.at(n), path, hint, "%s has to be a list, not %s", path, kindOf(n))
		return
	}
	if most, bounded := longest[path]; bounded && len(n.Content) > most {
		d.wrong(d.at(n), path, "", "%s has %d entries, at most %d are allowed", path, len(n.Content), most)
		return
	}
	// A list that is given replaces the template's, so it starts empty.
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, e := range n.Content {
		full := fmt.Sprintf("%s[%d]", path, i)
		d.app.places[full], d.app.nodes[full] = d.at(e), e
		d.into(v.Index(i), e, full)
	}
}

func (d *decoder) table(v reflect.Value, n *yaml.Node, path string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(d.at(n), path, "", "%s has to be a mapping, not %s", path, kindOf(n))
		return
	}
	m := reflect.MakeMap(v.Type())
	if !v.IsNil() {
		for _, k := range v.MapKeys() {
			m.SetMapIndex(k, v.MapIndex(k))
		}
	}
	for _, p := range d.pairs(n, 0) {
		full := join(path, p.name)
		d.place(full, p)
		e := reflect.New(v.Type().Elem()).Elem()
		d.into(e, p.value, full)
		m.SetMapIndex(reflect.ValueOf(p.name), e)
	}
	v.Set(m)
}

// single reads a text, number or boolean, or what writes itself as text, and asks its rule.
func (d *decoder) single(v reflect.Value, n *yaml.Node, path string) {
	s, ok := d.scalar(n, path)
	if !d.keep(path, ok) {
		return
	}
	if message, hint := tokenElsewhere(s.text); message != "" {
		d.wrong(d.at(n), path, hint, "%s %s", path, message)
		return
	}
	if t, isText := v.Addr().Interface().(encoding.TextUnmarshaler); isText {
		if t.UnmarshalText([]byte(s.text)) != nil {
			want, hint := written(v.Type(), s)
			d.wrong(d.at(n), path, hint, "%s has to be %s, not %s", path, want, s.shown())
			return
		}
	} else if !d.keep(path, d.plain(v, s, path)) {
		return
	}
	check, found := rules[general(path)]
	if !found {
		return
	}
	if message, hint := check(v.Interface()); message != "" {
		if s.replaced {
			message += " (what " + s.shown() + " stands for is something else)"
		} else {
			message += ", not " + s.shown()
		}
		d.wrong(d.at(n), path, hint, "%s has to be %s", path, message)
	}
}

// plain reads a Go text, boolean or number.
func (d *decoder) plain(v reflect.Value, s scalar, path string) (ok bool) {
	switch v.Kind() {
	case reflect.String:
		var text string
		// A word of a closed set is taken as it is written: on and off are no booleans there. So is an
		// option, whose type the template knows.
		if isWord(general(path)) || strings.HasPrefix(path, "connection.options.") {
			text, ok = s.text, true
		} else {
			text, ok = d.str(s, path)
		}
		v.SetString(text)
	case reflect.Bool:
		var b bool
		b, ok = d.boolean(s, path)
		v.SetBool(b)
	case reflect.Int:
		var i int
		i, ok = d.integer(s, path)
		v.SetInt(int64(i))
	case reflect.Float64:
		var f float64
		f, ok = d.number(s, path)
		v.SetFloat(f)
	default:
		panic("config: no way to read a " + v.Type().String() + " at " + path)
	}
	return ok
}

// secret reads a credential: a variable, a file beside the YAML, or the text itself. No message
// shows any of it but the path of the file.
func (d *decoder) secret(path string, n *yaml.Node) {
	if n = d.follow(n); n == nil {
		return
	}
	s, ok := d.scalar(n, path)
	if !d.keep(path, ok) {
		return
	}
	if n.ShortTag() != "!!str" {
		d.wrong(d.at(n), path, "write it in quotes", "%s has to be a text, not %s", path, kindOf(n))
		return
	}
	if strings.HasPrefix(n.Value, "file:") {
		file := d.beside(strings.TrimPrefix(s.text, "file:"))
		content, err := d.read(file)
		if err != nil {
			d.wrong(d.at(n), path, "paths are relative to the YAML file", "%s: the file %s cannot be read: %s", path, quote(file), cause(err))
			return
		}
		s.text = fileSecret(content)
	}
	if len(s.text) >= 4 {
		d.hidden = append(d.hidden, s.text)
	}
	name := path[strings.LastIndexByte(path, '.')+1:]
	if message, hint := checkSecret(name, s.text); message != "" {
		d.wrong(d.at(n), path, hint, "%s: %s", path, message)
		return
	}
	d.app.Secrets[name] = Secret{s.text}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func orApplication(path string) string {
	if path == "" {
		return "an application"
	}
	return path
}

// general takes the indices out of a path: "mappings.users[2].when" becomes "mappings.users[].when".
func general(path string) string {
	var b strings.Builder
	inside := false
	for _, c := range path {
		if c == ']' {
			inside = false
		}
		if !inside {
			b.WriteRune(c)
		}
		if c == '[' {
			inside = true
		}
	}
	return b.String()
}
