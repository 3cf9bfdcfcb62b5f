package mapping

import (
	"fmt"
	"math"
	"reflect"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// adapter turns what the directory holds into CEL values.
type adapter struct{ types.Adapter }

func (a adapter) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case string:
		return types.String(v)
	case ref.Val:
		return v
	case []string:
		return types.NewStringList(a, v)
	case []any:
		return types.NewDynamicList(a, v)
	case map[string]any:
		return types.NewStringInterfaceMap(a, v)
	}
	return a.Adapter.NativeToValue(v)
}

// subject is the value of the variable user, or group. As a value of its own it can be compared and
// selected on, and nothing else.
type subject struct {
	record *record
	facts  *Facts
}

func (s *subject) Type() ref.Type { return s.record.typ }
func (s *subject) Value() any     { return s }

func (s *subject) Equal(other ref.Val) ref.Val {
	o, ok := other.(*subject)
	return types.Bool(ok && o == s)
}

func (s *subject) ConvertToNative(reflect.Type) (any, error) {
	return nil, faultf("%s is no value, only its attributes are", s.record.typ.TypeName())
}

func (s *subject) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return s.record.typ
	}
	return types.WrapErr(faultf("%s is no value, only its attributes are", s.record.typ.TypeName()))
}

// AggregateSize implements [types.AggregateSizeVisitor]: the person is there before the expression is.
func (s *subject) AggregateSize(types.AggregateSizer) uint32 { return 1 }

// customType is how the checker sees user.custom: names are the source's own, so any may be selected.
var customType = cel.MapType(cel.StringType, cel.DynType)

// custom is the value of user.custom. Unlike CEL's maps it has an empty text for a name that it lacks:
// a custom attribute that a person does not have is absent, and no mistake.
type custom struct{ attributes map[string]any }

// customOf returns the custom attributes of a user or group.
func customOf(attributes map[string]any) any {
	m, _ := attributes[directory.Custom].(map[string]any)
	return custom{m}
}

func (c custom) Type() ref.Type { return types.MapType }
func (c custom) Value() any     { return c.attributes }
func (c custom) Size() ref.Val  { return types.Int(len(c.attributes)) }

// AggregateSize implements [types.AggregateSizeVisitor].
func (c custom) AggregateSize(sizer types.AggregateSizer) uint32 {
	return sizer.AggregateSize(c.mapper())
}

func (c custom) Equal(other ref.Val) ref.Val { return c.mapper().Equal(other) }

func (c custom) ConvertToNative(t reflect.Type) (any, error) { return c.mapper().ConvertToNative(t) }

func (c custom) ConvertToType(t ref.Type) ref.Val { return c.mapper().ConvertToType(t) }

func (c custom) Iterator() traits.Iterator { return c.mapper().Iterator() }

func (c custom) Contains(key ref.Val) ref.Val { return c.IsSet(key) }

func (c custom) Get(key ref.Val) ref.Val {
	name, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key)
	}
	switch v := attr.Member(c.attributes, string(name)).(type) {
	case nil:
		return types.String("")
	case string:
		if len(v) > maxText {
			return types.WrapErr(faultf("custom.%s is longer than 64 KiB", name))
		}
		return types.String(v)
	default:
		return adapt.NativeToValue(v)
	}
}

func (c custom) IsSet(key ref.Val) ref.Val {
	name, ok := key.(types.String)
	return types.Bool(ok && !attr.Empty(attr.Member(c.attributes, string(name))))
}

func (c custom) mapper() traits.Mapper { return types.NewStringInterfaceMap(adapt, c.attributes) }

// plainText writes a bool or a number the way people write it: no exponent, no trailing zeros.
func plainText(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// exact is the largest whole number up to which every whole number has a place in JSON (RFC 8259 §6).
const exact = 1<<53 - 1

// maxResult bounds a whole result, in bytes: a list may hold one long text many times.
const maxResult = 1 << 20

// native turns the result of an expression into what an [attr.Set] holds. Left is how much of
// maxResult is left.
func native(v ref.Val, left *int) (any, error) {
	if *left -= 16; *left < 0 {
		return nil, faultf("the result is larger than 1 MiB")
	}
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.String:
		if len(v) > maxText {
			return nil, faultf("the result is longer than 64 KiB")
		}
		if *left -= len(v); *left < 0 {
			return nil, faultf("the result is larger than 1 MiB")
		}
		return string(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		if v > exact || v < -exact {
			return nil, faultf("the result is a whole number beyond 2^53, make it text with toText")
		}
		return float64(v), nil
	case types.Uint:
		if v > exact {
			return nil, faultf("the result is a whole number beyond 2^53, make it text with toText")
		}
		return float64(v), nil
	case types.Double:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, faultf("the result is not a number")
		}
		return float64(v), nil
	case types.Timestamp:
		return stamp(v.Time), nil
	case custom:
		return native(v.mapper(), left)
	case traits.Lister:
		return nativeList(v, left)
	case traits.Mapper:
		return nativeMap(v, left)
	}
	return nil, faultf("the result is a %s, which is no attribute's value", v.Type().TypeName())
}

func nativeList(list traits.Lister, left *int) (any, error) {
	var out []any
	for it := list.Iterator(); it.HasNext() == types.True; {
		e, err := native(it.Next(), left)
		if err != nil {
			return nil, err
		}
		if !attr.Empty(e) {
			out = append(out, e)
		}
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

func nativeMap(m traits.Mapper, left *int) (any, error) {
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, faultf("the result has a key that is not text")
		}
		v, err := native(m.Get(key), left)
		if err != nil {
			return nil, err
		}
		if !attr.Empty(v) {
			out[string(name)] = v
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}
