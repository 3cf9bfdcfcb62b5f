package mapping

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

var listFunctions = []function{
	{"join", takes(textsType, textType), textType, func(a []ref.Val) (ref.Val, error) { return join(a[0], str(a[1])) }},
	{"item", takes(textsType, cel.IntType), textType, func(a []ref.Val) (ref.Val, error) {
		list, n := a[0].(traits.Lister), a[1].(types.Int)
		if n < 0 || n >= list.Size().(types.Int) {
			return types.String(""), nil
		}
		return list.Get(n), nil
	}},
	{"removeDuplicates", takes(textsType), textsType, func(a []ref.Val) (ref.Val, error) { return removeDuplicates(a[0]) }},
}

var valueFunctions = []function{
	{"coalesce", takes(cel.ListType(anyOf)), anyOf, func(a []ref.Val) (ref.Val, error) { return coalesce(a[0].(traits.Lister)), nil }},
	{"switch", takes(keyOf, cel.MapType(keyOf, anyOf), anyOf), anyOf, func(a []ref.Val) (ref.Val, error) {
		if v, ok := a[1].(traits.Mapper).Find(a[0]); ok {
			return v, nil
		}
		return a[2], nil
	}},
	{"isEmpty", takes(cel.DynType), cel.BoolType, func(a []ref.Val) (ref.Val, error) { return types.Bool(empty(a[0])), nil }},
	{"isPresent", takes(cel.DynType), cel.BoolType, func(a []ref.Val) (ref.Val, error) { return types.Bool(!empty(a[0])), nil }},
	{"ignoreIfEmpty", takes(anyOf), anyOf, func(a []ref.Val) (ref.Val, error) {
		if empty(a[0]) {
			return nil, errLeave
		}
		return a[0], nil
	}},
	{"toText", takes(cel.DynType), textType, func(a []ref.Val) (ref.Val, error) { return toText(a[0]) }},
	{"toInt", takes(cel.DynType), cel.IntType, func(a []ref.Val) (ref.Val, error) { return toInt(a[0]) }},
	{"toBool", takes(cel.DynType), cel.BoolType, func(a []ref.Val) (ref.Val, error) { return toBool(a[0]) }},
	text1("base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }),
	text1("base64UTF16", func(s string) string {
		units := utf16.Encode([]rune(s))
		b := make([]byte, 0, 2*len(units))
		for _, u := range units {
			b = append(b, byte(u), byte(u>>8))
		}
		return base64.StdEncoding.EncodeToString(b)
	}),
	text1("hex", func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }),
}

// join leaves empty elements out, so that an absent middle name makes no doubled separator.
func join(v ref.Val, separator string) (ref.Val, error) {
	parts, err := texts(v)
	if err != nil {
		return nil, err
	}
	kept, size := parts[:0], 0
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
			size += len(p) + len(separator)
		}
	}
	if size > maxText+len(separator) {
		return nil, faultf("join makes a text that is longer than 64 KiB")
	}
	return types.String(strings.Join(kept, separator)), nil
}

func removeDuplicates(v ref.Val) (ref.Val, error) {
	all, err := texts(v)
	if err != nil {
		return nil, err
	}
	seen, kept := make(map[string]bool, len(all)), all[:0]
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			kept = append(kept, s)
		}
	}
	return types.NewStringList(adapt, kept), nil
}

// coalesce returns the first element that is not empty, the last when all are, null without elements.
func coalesce(list traits.Lister) ref.Val {
	var v ref.Val = types.NullValue
	for it := list.Iterator(); it.HasNext() == types.True; {
		if v = it.Next(); !empty(v) {
			break
		}
	}
	return v
}

// empty is [attr.Empty] for values of expressions: null, "", and lists and maps without elements.
// false and 0 are values.
func empty(v ref.Val) bool {
	switch v := v.(type) {
	case types.Null:
		return true
	case types.String:
		return v == ""
	case *subject:
		return false
	case traits.Sizer:
		return v.Size() == types.IntZero
	}
	return false
}

func toText(v ref.Val) (ref.Val, error) {
	switch v := v.(type) {
	case types.Null:
		return types.String(""), nil
	case types.String:
		return v, nil
	case types.Bool, types.Int, types.Uint:
		return types.String(fmt.Sprint(v.Value())), nil
	case types.Double:
		return types.String(plainText(float64(v))), nil
	case types.Timestamp:
		return types.String(stamp(v.Time)), nil
	}
	return nil, faultf("toText takes a text, a number, true or false")
}

func toInt(v ref.Val) (ref.Val, error) {
	switch v := v.(type) {
	case types.Null:
		return types.IntZero, nil
	case types.Int:
		return v, nil
	case types.Double:
		if math.Abs(float64(v)) <= exact {
			return types.Int(v), nil
		}
	case types.String:
		s := strings.TrimSpace(string(v))
		if s == "" {
			return types.IntZero, nil
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return types.Int(n), nil
		}
	}
	return nil, faultf("toInt is given something that is not a whole number")
}

func toBool(v ref.Val) (ref.Val, error) {
	switch v := v.(type) {
	case types.Null:
		return types.False, nil
	case types.Bool:
		return v, nil
	case types.Int:
		return types.Bool(v != 0), nil
	case types.Double:
		return types.Bool(v != 0), nil
	case types.String:
		switch strings.ToLower(strings.TrimSpace(string(v))) {
		case "true", "1", "yes":
			return types.True, nil
		case "false", "0", "no", "":
			return types.False, nil
		}
	}
	return nil, faultf("toBool is given something other than true, false, 1, 0, yes or no")
}

// randomUUID returns a version 4 UUID (RFC 9562 §5.4).
func randomUUID(f *Facts, _ []ref.Val) ref.Val {
	if f.Rand == nil {
		return types.WrapErr(faultf("uuid needs chance, which is there only while an account is created"))
	}
	var b [16]byte
	for i := range b {
		b[i] = byte(f.Rand(256))
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return types.String(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}

// readable leaves out the letters and digits that people take for one another.
const readable = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

func randomString(f *Facts, args []ref.Val) ref.Val {
	if f.Rand == nil {
		return types.WrapErr(faultf("randomString needs chance, which is there only while an account is created"))
	}
	alphabet := []rune(readable)
	if len(args) > 1 {
		alphabet = []rune(str(args[1]))
	}
	n := num(args[0])
	if n < 1 || n > 256 || len(alphabet) == 0 || len(alphabet) > 1000 {
		return types.WrapErr(faultf("randomString takes a length from 1 to 256 and an alphabet of 1 to 1000 characters"))
	}
	out := make([]rune, n)
	for i := range out {
		out[i] = alphabet[f.Rand(uint64(len(alphabet)))]
	}
	if s := string(out); utf8.ValidString(s) {
		return types.String(s)
	}
	return types.WrapErr(faultf("randomString is given an alphabet that is not text"))
}

func now(f *Facts, _ []ref.Val) ref.Val {
	if f.Now.IsZero() {
		return types.WrapErr(faultf("now needs the time, which is there only while an account is created"))
	}
	return types.String(stamp(f.Now))
}
