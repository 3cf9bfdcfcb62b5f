package attr

import (
	"fmt"
	"strings"
)

// Path names one attribute of a SCIM resource (RFC 7644 §3.5.2, figure 7):
//
//	userName
//	name.givenName
//	emails[type eq "work"].value
//	urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value
//
// The zero Path names the resource itself. Attribute names are case-blind (RFC 7643 §2.1); the
// spelling given is kept.
type Path struct {
	URN    string  // schema of an extension attribute, "" for the core schema
	Name   string  // the attribute; "" together with a URN names the whole extension
	Filter *Filter // picks values of a multi-valued attribute, nil for none
	Sub    string  // sub-attribute, "" for none
}

// ParsePath reads a path. The error says where and what is wrong.
func ParsePath(s string) (Path, error) {
	var p Path
	rest := strings.TrimSpace(s)
	if rest == "" {
		return p, fmt.Errorf("an attribute path is empty")
	}
	if len(rest) >= 4 && strings.EqualFold(rest[:4], "urn:") {
		end := len(rest)
		if i := strings.IndexByte(rest, '['); i >= 0 {
			end = i
		}
		colon := strings.LastIndexByte(rest[:end], ':')
		// The last part of a bare schema URN ("…:2.0:User") is the resource's name, not an attribute.
		last := rest[colon+1 : end]
		if _, _, dotted := afterVersion(last); !dotted && end == len(rest) && bareSchema(rest[:colon], last) {
			p.URN = rest
			return p, nil
		}
		p.URN, rest = rest[:colon], rest[colon+1:]
		if version, name, ok := afterVersion(rest); ok {
			p.URN, rest = p.URN+":"+version, name
		}
	}
	name := rest
	if i := strings.IndexByte(rest, '['); i >= 0 {
		j := closing(rest, i)
		if j < 0 {
			return p, fmt.Errorf("path %q: the bracket is not closed", s)
		}
		f, err := ParseFilter(rest[i+1 : j])
		if err != nil {
			return p, fmt.Errorf("path %q: %w", s, err)
		}
		p.Filter, name = f, rest[:i]
		switch tail := rest[j+1:]; {
		case tail == "":
		case strings.HasPrefix(tail, ".") && plainName(tail[1:]):
			p.Sub = tail[1:]
		default:
			return p, fmt.Errorf("path %q: %q after the bracket is not a sub-attribute", s, tail)
		}
	} else if a, sub, dotted := strings.Cut(rest, "."); dotted {
		if !plainName(sub) {
			return p, fmt.Errorf("path %q: %q is not a sub-attribute's name", s, sub)
		}
		name, p.Sub = a, sub
	}
	if !plainName(name) {
		return p, fmt.Errorf("path %q: %q is not an attribute's name", s, name)
	}
	p.Name = name
	return p, nil
}

// MustPath is [ParsePath] for paths that are part of the program; it panics on a bad one.
func MustPath(s string) Path {
	p, err := ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// bareSchema reports whether the last segment of a URN names a resource type after a version, as
// schema URNs end: "…:core:2.0" + "User", "…:enterprise:1.0" alone is handled by its version.
func bareSchema(before, last string) bool {
	version := before[strings.LastIndexByte(before, ':')+1:]
	isVersion := func(s string) bool {
		return s != "" && strings.Trim(s, "0123456789.") == "" && !strings.HasSuffix(s, ".")
	}
	return isVersion(last) || isVersion(version) && (strings.EqualFold(last, "User") || strings.EqualFold(last, "Group"))
}

// afterVersion cuts the last part of a URN of SCIM 1, where a dot stands between schema and attribute:
// "urn:scim:schemas:extension:enterprise:1.0.department" is how Microsoft's and Slack's documents
// write it.
func afterVersion(last string) (version, name string, ok bool) {
	i := 0
	for i < len(last) && (last[i] >= '0' && last[i] <= '9' || last[i] == '.') {
		i++
	}
	if i < 2 || i == len(last) || last[0] == '.' || last[i-1] != '.' || last[i-2] == '.' {
		return "", "", false
	}
	return last[:i-1], last[i:], true
}

// plainName reports whether s is an attribute name of RFC 7643 §2.1, `$ref` included.
func plainName(s string) bool {
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '$' && i == 0:
		case i > 0 && (r >= '0' && r <= '9' || r == '-' || r == '_'):
		default:
			return false
		}
	}
	return s != ""
}

// closing returns the index of the bracket that closes the one at i, minding quoted strings.
func closing(s string, i int) int {
	quoted := false
	for j := i + 1; j < len(s); j++ {
		switch {
		case quoted && s[j] == '\\':
			j++
		case s[j] == '"':
			quoted = !quoted
		case !quoted && s[j] == ']':
			return j
		}
	}
	return -1
}

// String returns the canonical text of the path, which [ParsePath] reads back to the same path.
func (p Path) String() string {
	var b strings.Builder
	b.WriteString(p.URN)
	if p.URN != "" && p.Name != "" {
		b.WriteByte(':')
	}
	b.WriteString(p.Name)
	if p.Filter != nil {
		b.WriteString("[" + p.Filter.String() + "]")
	}
	if p.Sub != "" {
		b.WriteString("." + p.Sub)
	}
	return b.String()
}

// Of returns the value that the path names in a resource, nil when there is none. A path with a
// filter or a sub-attribute of a multi-valued attribute that hits one value returns it alone, and
// the list of them when it hits several.
func (p Path) Of(doc map[string]any) any {
	if p.URN != "" && !coreURN(p.URN) {
		ext, _ := Member(doc, p.URN).(map[string]any)
		if p.Name == "" {
			return Member(doc, p.URN)
		}
		doc = ext
	}
	v := Member(doc, p.Name)
	if list, ok := v.([]any); ok {
		if p.Filter == nil && p.Sub == "" {
			return list
		}
		var hits []any
		for _, e := range list {
			if p.Filter != nil && !p.Filter.Match(e) {
				continue
			}
			if e = sub(e, p.Sub); !Empty(e) {
				hits = append(hits, e)
			}
		}
		switch len(hits) {
		case 0:
			return nil
		case 1:
			return hits[0]
		}
		return hits
	}
	if p.Filter != nil && !p.Filter.Match(v) {
		return nil
	}
	return sub(v, p.Sub)
}

func sub(v any, name string) any {
	if name == "" {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		return Member(v, name)
	case string, float64, bool:
		// A multi-valued attribute of plain values stands for its "value" (RFC 7643 §2.4).
		if strings.EqualFold(name, "value") {
			return v
		}
	}
	return nil
}

// Put sets the value that the path names in doc, making the objects and list entries on the way. A
// filter made of equalities joined by "and" describes the entry that is made when none matches.
// An empty value removes the attribute; of a list's entry it removes the part that the path names, and the entry with its last part.
func (p Path) Put(doc map[string]any, value any) {
	if p.URN != "" && !coreURN(p.URN) {
		if p.Name == "" {
			put(doc, p.URN, value)
			return
		}
		ext, ok := Member(doc, p.URN).(map[string]any)
		if !ok {
			if Empty(value) {
				return
			}
			ext = map[string]any{}
			put(doc, p.URN, ext)
		}
		doc = ext
	}
	switch {
	case p.Filter != nil:
		p.putEntry(doc, value)
	case p.Sub != "":
		obj, ok := Member(doc, p.Name).(map[string]any)
		if !ok {
			if Empty(value) {
				return
			}
			obj = map[string]any{}
			put(doc, p.Name, obj)
		}
		put(obj, p.Sub, value)
		if len(obj) == 0 {
			put(doc, p.Name, nil)
		}
	default:
		put(doc, p.Name, value)
	}
}

func (p Path) putEntry(doc map[string]any, value any) {
	list, _ := Member(doc, p.Name).([]any)
	kept := make([]any, 0, len(list)+1)
	found := false
	for _, e := range list {
		if !p.Filter.Match(e) {
			kept = append(kept, e)
			continue
		}
		if obj, ok := e.(map[string]any); ok && p.Sub != "" {
			put(obj, p.Sub, value)
			if found = found || !Empty(value); !Empty(value) || !p.onlyLabels(obj) {
				kept = append(kept, obj)
			}
		}
	}
	if !found && !Empty(value) {
		obj, ok := value.(map[string]any)
		if p.Sub != "" || !ok {
			obj = map[string]any{}
			name := p.Sub
			if name == "" {
				name = "value"
			}
			obj[name] = value
		}
		for name, v := range p.Filter.equalities() {
			obj[name] = v
		}
		kept = append(kept, obj)
	}
	if len(kept) == 0 {
		put(doc, p.Name, nil)
		return
	}
	put(doc, p.Name, kept)
}

// onlyLabels reports whether an entry, from which a part was taken, has nothing left but what says which entry it is: an address
// without its postal code is still one, an e-mail without its value is none.
func (p Path) onlyLabels(entry map[string]any) bool {
	picked := p.Filter.equalities()
	for name, v := range entry {
		_, label := picked[name]
		switch strings.ToLower(name) {
		case "type", "primary", "display":
			label = true
		}
		if !label && !Empty(v) {
			return false
		}
	}
	return true
}

// Member returns the member of an object by its case-blind name, nil when it has none.
func Member(doc map[string]any, name string) any {
	if v, ok := doc[name]; ok {
		return v
	}
	for k, v := range doc {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

func put(doc map[string]any, name string, value any) {
	for k := range doc {
		if k != name && strings.EqualFold(k, name) {
			delete(doc, k)
		}
	}
	if Empty(value) {
		if obj, ok := value.(map[string]any); !ok || obj == nil {
			delete(doc, name)
			return
		}
	}
	doc[name] = value
}

func coreURN(urn string) bool {
	const core = "urn:ietf:params:scim:schemas:core:2.0"
	return len(urn) >= len(core) && strings.EqualFold(urn[:len(core)], core)
}
