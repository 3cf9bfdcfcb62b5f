package web

import (
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// schemaName names a type in the document. Types of package api and of the desk keep their names; those
// of other packages get the package's before it, for several packages have, say, a Problem. The desk's
// types that package api has in its own form are told apart too.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	from := path.Base(t.PkgPath())
	switch {
	case t.Name() == "" || from == "api" || from == "web" || from == "time" || from == ".":
		return name
	case from == "admin" && !ofBoth[name]:
		return name
	case from == "admin":
		from = "desk"
	}
	return strings.ToUpper(from[:1]) + from[1:] + name
}

// ofBoth are the types that package api has in a form of its own.
var ofBoth = map[string]bool{"Operation": true, "Explanation": true, "Held": true, "Problem": true, "Selection": true, "Drift": true}
