package mapping

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// maxText is the longest text, in bytes, that an expression may read or yield.
const maxText = 64 << 10

// record holds the fields that an expression may select on a value: those of user and group, and
// those of complex attributes. Its name cannot be written in CEL, so that nobody can construct one;
// people meet it in error messages.
type record struct {
	typ    *cel.Type
	fields map[string]*types.FieldType
	names  []string // in the order of the schema, for hints
}

// records are all of them by type name; userRecord and groupRecord are what user and group are.
var (
	records     = map[string]*record{}
	userRecord  = rootRecord("<user>", directory.UserSchema, userOwn)
	groupRecord = rootRecord("<group>", directory.GroupSchema, groupOwn)
)

func newRecord(name string) *record {
	r := &record{typ: cel.ObjectType(name), fields: map[string]*types.FieldType{}}
	records[name] = r
	return r
}

// add declares a field. The reader may return nil for an absent value: the field then has the empty
// value of its type, so that no expression needs to ask before it reads.
func (r *record) add(name string, typ *cel.Type, read func(obj any) any) {
	zero := zeroOf(typ)
	r.names = append(r.names, name)
	r.fields[name] = &types.FieldType{
		Type:  typ,
		IsSet: func(obj any) bool { return !attr.Empty(read(obj)) },
		GetFrom: func(obj any) (any, error) {
			v := read(obj)
			if !fits(typ, v) {
				return zero, nil
			}
			if s, ok := v.(string); ok && len(s) > maxText {
				return nil, faultf("%s is longer than 64 KiB", name)
			}
			return v, nil
		},
	}
}

func zeroOf(typ *cel.Type) any {
	switch typ.Kind() {
	case types.StringKind:
		return types.String("")
	case types.BoolKind:
		return types.False
	case types.ListKind:
		return types.NewStringList(adapt, nil)
	}
	return map[string]any(nil)
}

// fits reports whether a value is of the declared type. The directory sees to it; one that slipped
// through counts as absent, because the expression was checked against the type.
func fits(typ *cel.Type, v any) bool {
	ok := false
	switch typ.Kind() {
	case types.StringKind:
		_, ok = v.(string)
	case types.BoolKind:
		_, ok = v.(bool)
	case types.ListKind:
		if _, ok = v.([]any); !ok {
			_, ok = v.([]string)
		}
	case types.StructKind:
		_, ok = v.(map[string]any)
	default:
		return true
	}
	return ok
}

// own are the attributes that are not in the document of a user or group but beside it.
type own map[string]struct {
	typ  *cel.Type
	read func(f *Facts) any
}

var (
	userOwn = own{
		"id":         {cel.StringType, func(f *Facts) any { return f.User.ID }},
		"externalId": {cel.StringType, func(f *Facts) any { return f.User.ExternalID }},
		"userName":   {cel.StringType, func(f *Facts) any { return f.User.UserName }},
		"active":     {cel.BoolType, func(f *Facts) any { return f.User.Active }},
		"groups":     {cel.ListType(cel.StringType), func(f *Facts) any { return f.Groups }},
		"manager":    {cel.StringType, func(f *Facts) any { return f.Manager }},
	}
	groupOwn = own{
		"id":          {cel.StringType, func(f *Facts) any { return f.Group.ID }},
		"externalId":  {cel.StringType, func(f *Facts) any { return f.Group.ExternalID }},
		"displayName": {cel.StringType, func(f *Facts) any { return f.Group.DisplayName }},
	}
)

// attributes returns the document of the user or group.
func (f *Facts) attributes() map[string]any {
	if f.Group != nil {
		return f.Group.Attributes
	}
	return f.User.Attributes
}

// rootRecord makes the record of user or group from the schema of the directory, so that an
// attribute added there is one that expressions know.
func rootRecord(name string, schema directory.Schema, beside own) *record {
	r := newRecord(name)
	for _, a := range schema {
		if o, ok := beside[a.Name]; ok {
			r.add(a.Name, o.typ, func(obj any) any { return o.read(obj.(*subject).facts) })
			continue
		}
		if a.Type == directory.TypeReference {
			continue // a group's members, which mappings do not see
		}
		r.add(a.Name, typeOf(a), func(obj any) any {
			doc := obj.(*subject).facts.attributes()
			if a.URN != "" {
				doc, _ = doc[a.URN].(map[string]any)
			}
			return doc[a.Name]
		})
	}
	r.add("custom", customType, func(obj any) any { return customOf(obj.(*subject).facts.attributes()) })
	return r
}

func typeOf(a directory.Attribute) *cel.Type {
	typ := cel.StringType
	switch a.Type {
	case directory.TypeBoolean:
		typ = cel.BoolType
	case directory.TypeComplex:
		typ = entryRecord(a).typ
	}
	if a.MultiValued {
		return cel.ListType(typ)
	}
	return typ
}

// entryRecord makes the record of a complex attribute; of a multi-valued one, that of each value.
func entryRecord(a directory.Attribute) *record {
	r := newRecord("<" + a.Name + ">")
	for _, sub := range a.Sub {
		if strings.HasPrefix(sub.Name, "$") {
			continue // cannot be written in an expression
		}
		r.add(sub.Name, typeOf(sub), func(obj any) any {
			doc, _ := obj.(map[string]any)
			return doc[sub.Name]
		})
	}
	return r
}

// provider adds the records to CEL's own types.
type provider struct{ types.Provider }

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if r, ok := records[name]; ok {
		return types.NewTypeTypeWithParam(r.typ), true
	}
	return p.Provider.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if r, ok := records[name]; ok {
		return r.names, true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if r, ok := records[name]; ok {
		f, ok := r.fields[field]
		return f, ok
	}
	return p.Provider.FindStructFieldType(name, field)
}
