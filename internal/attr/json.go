package attr

import (
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// Appender is a value that appends its own JSON to b.
type Appender interface {
	AppendJSON(b []byte) ([]byte, error)
}

// AppendJSON appends a value as JSON. For what sets are made of (text, booleans, lists, objects) it
// is several times as fast as package json, and a person is encoded half a dozen times on the way to
// a target; anything else is left to that package. Members are sorted, and text that is no UTF-8 is
// mended, as there. The error says that a value has no JSON form.
func AppendJSON(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendText(b, v), nil
	case bool:
		if v {
			return append(b, "true"...), nil
		}
		return append(b, "false"...), nil
	case Set:
		return appendObject(b, v)
	case map[string]any:
		return appendObject(b, v)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = AppendJSON(b, e); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case Appender:
		return v.AppendJSON(b)
	}
	other, err := json.Marshal(v)
	return append(b, other...), err
}

func appendObject(b []byte, members map[string]any) ([]byte, error) {
	if members == nil {
		return append(b, "null"...), nil
	}
	var few [16]string // most objects, without an allocation
	names := few[:0]
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		var err error
		if b, err = AppendJSON(b, members[name]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// AppendJSON implements [Appender].
func (e Edit) AppendJSON(b []byte) ([]byte, error) {
	b = appendText(append(b, `{"attribute":`...), e.Path)
	b, err := AppendJSON(append(b, `,"old":`...), e.Old)
	if err != nil {
		return nil, err
	}
	b, err = AppendJSON(append(b, `,"new":`...), e.New)
	return append(b, '}'), err
}

// appendText appends a JSON string (RFC 8259 §7).
func appendText(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	if !utf8.ValidString(s) {
		s = string([]rune(s)) // each byte by itself
	}
	b = append(b, '"')
	clean := 0 // what stands before it is in b
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[clean:i]...)
		clean = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(b, s[clean:]...), '"')
}
