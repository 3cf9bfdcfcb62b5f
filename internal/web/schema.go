package web

import (
	"encoding"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// described are the routes that take or return a document whose keys stand in a table of the program
// instead of a type: what it is called in the OpenAPI document. There the code says map, and here it is
// told what is in it. What is sent is checked by whoever reads it, who knows more than a schema can say.
var described = map[string]string{
	"GET /api/v1/users/{user}": "User", "POST /api/v1/users": "User", "PATCH /api/v1/users/{user}": "User",
	"GET /api/v1/groups/{group}": "Group", "POST /api/v1/groups": "Group", "PATCH /api/v1/groups/{group}": "Group",
	"GET /api/v1/applications/{app}": "Application", "POST /api/v1/applications": "Application", "PUT /api/v1/applications/{app}": "Application", "PATCH /api/v1/applications/{app}": "Application",
}

// pages are the lists of such documents, by the list's name and the key of the list.
var pages = map[[2]string]string{{"Users", "users"}: "User", {"Groups", "groups"}: "Group"}

// typed writes the schemas of these documents into the OpenAPI document. A row that fits nothing is a
// mistake of whoever wrote it.
func (s *Server) typed() {
	doc := s.api.OpenAPI()
	known := doc.Components.Schemas.Map()
	known["User"] = resourceSchema(directory.UserSchema)
	known["Group"] = resourceSchema(directory.GroupSchema)
	applicationSchema(doc.Components.Schemas)
	for list, name := range pages {
		known[list[0]].Properties[list[1]].Items = refTo(name)
	}
	for route, name := range described {
		method, path, _ := strings.Cut(route, " ")
		item := doc.Paths[path]
		op := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch}[method]
		found := false
		bodies := []map[string]*huma.MediaType{}
		if op.RequestBody != nil {
			bodies = append(bodies, op.RequestBody.Content)
		}
		for _, response := range op.Responses {
			bodies = append(bodies, response.Content)
		}
		for _, body := range bodies {
			for _, media := range body {
				if free(media.Schema) {
					media.Schema, found = refTo(name), true
				}
			}
		}
		if !found {
			panic("web: " + route + " has no document to describe")
		}
	}
}

func refTo(name string) *huma.Schema { return &huma.Schema{Ref: "#/components/schemas/" + name} }

// free reports whether a schema says nothing of the keys of an object.
func free(s *huma.Schema) bool {
	return s != nil && s.Type == huma.TypeObject && len(s.Properties) == 0
}

// resourceSchema describes a SCIM resource by the table of its attributes. Custom attributes come on top.
func resourceSchema(attributes directory.Schema) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Properties: map[string]*huma.Schema{
		"schemas": {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}, ReadOnly: true},
		"meta":    {Type: huma.TypeObject, AdditionalProperties: true, ReadOnly: true, Description: "When it came and changed, and its version."},
	}}
	for _, a := range attributes {
		at := s.Properties
		if a.URN != "" {
			if at[a.URN] == nil {
				at[a.URN] = &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Properties: map[string]*huma.Schema{}}
			}
			at = at[a.URN].Properties
		}
		at[a.Name] = attributeSchema(a)
	}
	return s
}

func attributeSchema(a directory.Attribute) *huma.Schema {
	s := &huma.Schema{ReadOnly: a.ReadOnly}
	switch {
	case len(a.Sub) > 0:
		s.Type, s.Properties, s.AdditionalProperties = huma.TypeObject, map[string]*huma.Schema{}, true
		for _, sub := range a.Sub {
			s.Properties[sub.Name] = attributeSchema(sub)
		}
	case a.Type == directory.TypeBoolean:
		s.Type = huma.TypeBoolean
	case a.Type == directory.TypeString:
		s.Type = huma.TypeString
	}
	if a.MultiValued {
		s = &huma.Schema{Type: huma.TypeArray, Items: s, ReadOnly: a.ReadOnly}
	}
	return s
}

// applicationSchema describes an entry of the declarative form, by the types that it is read into and by
// what their keys take beside.
func applicationSchema(r huma.Registry) {
	s := formSchema(r, reflect.TypeFor[provision.Application](), "")
	known := r.Map()[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	known.Description = "An entry of the declarative form, see docs/configuration.md. What is left out comes from the template; a secret that is left out keeps the sealed one, and none is ever returned."
}

func formSchema(r huma.Registry, t reflect.Type, path string) *huma.Schema {
	set, secret := config.Key(path)
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return &huma.Schema{Type: huma.TypeString, WriteOnly: secret}
	}
	switch t.Kind() {
	case reflect.Struct:
		return formObject(r, t, path)
	case reflect.Slice:
		return &huma.Schema{Type: huma.TypeArray, Items: formSchema(r, t.Elem(), path+"[]")}
	case reflect.Map:
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: formSchema(r, t.Elem(), path)}
	case reflect.Bool:
		return &huma.Schema{Type: huma.TypeBoolean}
	case reflect.Int:
		return &huma.Schema{Type: huma.TypeInteger, Format: "int64"}
	case reflect.Float64:
		return &huma.Schema{Type: huma.TypeNumber, Format: "double"}
	case reflect.String:
		s := &huma.Schema{Type: huma.TypeString, WriteOnly: secret}
		var names []string
		for _, word := range set {
			s.Enum = append(s.Enum, word)
			names = append(names, camel(lastOf(path)+" "+word))
		}
		if names != nil { // generators make constants of the words, and several keys take the same ones
			s.Extensions = map[string]any{"x-enum-varnames": names}
		}
		return s
	}
	return &huma.Schema{} // whatever JSON can say
}

// lastOf is the last key of a path, without indices.
func lastOf(path string) string {
	path = strings.ReplaceAll(path, "[]", "")
	return path[strings.LastIndexByte(path, '.')+1:]
}

// camel writes words as one name: "on_unassign disable" is OnUnassignDisable.
func camel(words string) string {
	var b strings.Builder
	for _, w := range strings.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == '_' || r == '-' }) {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

// formObject describes a mapping of the declarative form as a schema of its own.
func formObject(r huma.Registry, t reflect.Type, path string) *huma.Schema {
	name := "Application"
	if path != "" {
		name += strings.TrimPrefix(t.Name(), "Application")
	}
	if r.Map()[name] == nil {
		s := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}, AdditionalProperties: false}
		r.Map()[name] = s
		for i := range t.NumField() {
			key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if key == "" || key == "-" {
				continue
			}
			s.Properties[key] = formSchema(r, t.Field(i).Type, strings.TrimPrefix(path+"."+key, "."))
		}
	}
	if t == reflect.TypeFor[provision.Limits]() { // off is no mapping
		return &huma.Schema{OneOf: []*huma.Schema{refTo(name), {Type: huma.TypeString, Enum: []any{"off"}}}}
	}
	return refTo(name)
}
