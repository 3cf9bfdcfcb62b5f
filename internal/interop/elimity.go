package interop

import (
	"crypto/rand"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	elimity "github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
	filter "github.com/scim2/filter-parser/v2"
)

// Elimity starts an empty SCIM 2.0 server on github.com/elimity-com/scim, which checks every body, path and filter strictly
// against the schemas of RFC 7643 and leaves storing and patching to its user. userName and displayName are unique (409
// uniqueness), members must exist. endpoint has no slash at its end; token is the bearer token it accepts. The server ends with
// the test.
func Elimity(t testing.TB) (endpoint, token string) {
	t.Helper()
	mu := &sync.Mutex{}
	users, groups := newShelf(mu, "U", "userName"), newShelf(mu, "G", "displayName")
	groups.resolves = func(id string) bool { return users.byID[id] != nil }
	server, err := elimity.NewServer(&elimity.ServerArgs{
		ServiceProviderConfig: &elimity.ServiceProviderConfig{SupportPatch: true, SupportFiltering: true},
		ResourceTypes: []elimity.ResourceType{
			{
				Name: "User", Endpoint: "/Users", Schema: schema.CoreUserSchema(), Handler: users,
				SchemaExtensions: []elimity.SchemaExtension{{Schema: schema.ExtensionEnterpriseUser()}},
			},
			{Name: "Group", Endpoint: "/Groups", Schema: schema.CoreGroupSchema(), Handler: groups},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	token = rand.Text()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.StripPrefix("/scim", server).ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	return web.URL + "/scim/v2", token
}

// shelf keeps the resources of one type.
type shelf struct {
	mu       *sync.Mutex
	prefix   string
	unique   string
	byID     map[string]elimity.ResourceAttributes
	order    []string
	resolves func(id string) bool // members must exist
}

func newShelf(mu *sync.Mutex, prefix, unique string) *shelf {
	return &shelf{mu: mu, prefix: prefix, unique: unique, byID: map[string]elimity.ResourceAttributes{}}
}

func (s *shelf) answer(id string) elimity.Resource {
	attributes := maps.Clone(s.byID[id])
	ext, _ := attributes["externalId"].(string)
	delete(attributes, "externalId")
	return elimity.Resource{ID: id, ExternalID: optional.NewString(ext), Attributes: attributes}
}

func (s *shelf) accept(id string, a elimity.ResourceAttributes) error {
	for other, have := range s.byID {
		x, _ := have[s.unique].(string)
		y, _ := a[s.unique].(string)
		if other != id && strings.EqualFold(x, y) {
			return scimerrors.ScimErrorUniqueness
		}
	}
	members, _ := a["members"].([]any)
	for _, m := range members {
		if v, _ := m.(map[string]any)["value"].(string); !s.resolves(v) {
			return scimerrors.ScimErrorInvalidValue
		}
	}
	return nil
}

func (s *shelf) Create(_ *http.Request, a elimity.ResourceAttributes) (elimity.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.accept("", a); err != nil {
		return elimity.Resource{}, err
	}
	id := s.prefix + strconv.Itoa(len(s.order)+1)
	s.byID[id], s.order = a, append(s.order, id)
	return s.answer(id), nil
}

func (s *shelf) Get(_ *http.Request, id string) (elimity.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[id] == nil {
		return elimity.Resource{}, scimerrors.ScimErrorResourceNotFound(id)
	}
	return s.answer(id), nil
}

func (s *shelf) GetAll(_ *http.Request, p elimity.ListRequestParams) (elimity.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hits := []elimity.Resource{}
	for _, id := range s.order {
		if s.byID[id] == nil || p.FilterValidator != nil && p.FilterValidator.PassesFilter(s.byID[id]) != nil {
			continue
		}
		hits = append(hits, s.answer(id))
	}
	from := min(max(p.StartIndex, 1)-1, len(hits))
	return elimity.Page{TotalResults: len(hits), Resources: hits[from:min(from+p.Count, len(hits))]}, nil
}

func (s *shelf) Replace(_ *http.Request, id string, a elimity.ResourceAttributes) (elimity.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[id] == nil {
		return elimity.Resource{}, scimerrors.ScimErrorResourceNotFound(id)
	}
	s.byID[id] = a
	return s.answer(id), nil
}

func (s *shelf) Delete(_ *http.Request, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[id] == nil {
		return scimerrors.ScimErrorResourceNotFound(id)
	}
	delete(s.byID, id)
	return nil
}

func (s *shelf) Patch(_ *http.Request, id string, ops []elimity.PatchOperation) (elimity.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[id] == nil {
		return elimity.Resource{}, scimerrors.ScimErrorResourceNotFound(id)
	}
	next := maps.Clone(s.byID[id])
	for _, op := range ops {
		if err := patch(next, op); err != nil {
			return elimity.Resource{}, err
		}
	}
	if err := s.accept(id, next); err != nil {
		return elimity.Resource{}, err
	}
	s.byID[id] = next
	return s.answer(id), nil
}

// patch applies one operation whose path elimity has parsed and validated.
func patch(doc map[string]any, op elimity.PatchOperation) error {
	if op.Path == nil {
		for k, v := range op.Value.(map[string]any) {
			if outer, inner, dotted := strings.Cut(k, "."); dotted && !strings.Contains(k, ":") {
				sub, _ := doc[outer].(map[string]any)
				sub = maps.Clone(sub)
				sub[inner] = v
				doc[outer] = sub
				continue
			}
			doc[k] = v
		}
		return nil
	}
	at := op.Path.AttributePath
	if uri := at.URI(); uri != "" && !strings.Contains(uri, "core") {
		inner, _ := doc[uri].(map[string]any)
		inner = maps.Clone(inner)
		if inner == nil {
			inner = map[string]any{}
		}
		doc[uri], doc = inner, inner
	}
	name, sub := at.AttributeName, at.SubAttributeName()
	switch {
	case op.Path.ValueExpression != nil:
		return patchEntries(doc, name, op)
	case sub != "":
		inner, _ := doc[name].(map[string]any)
		inner = maps.Clone(inner)
		if inner == nil {
			inner = map[string]any{}
		}
		inner[sub] = op.Value
		if op.Op == elimity.PatchOperationRemove {
			delete(inner, sub)
		}
		doc[name] = inner
	case op.Op == elimity.PatchOperationRemove:
		delete(doc, name)
	default:
		if list, ok := op.Value.([]any); ok && op.Op == elimity.PatchOperationAdd {
			have, _ := doc[name].([]any)
			doc[name] = added(have, list)
			return nil
		}
		doc[name] = op.Value
	}
	return nil
}

// added is a list with more entries; one that is there already changes nothing (RFC 7644 §3.5.2.1).
func added(have, more []any) []any {
	all := slices.Clone(have)
	for _, v := range more {
		entry, _ := v.(map[string]any)
		if !slices.ContainsFunc(all, func(h any) bool { m, _ := h.(map[string]any); return m["value"] == entry["value"] }) {
			all = append(all, v)
		}
	}
	return all
}

func patchEntries(doc map[string]any, name string, op elimity.PatchOperation) error {
	e, ok := op.Path.ValueExpression.(*filter.AttributeExpression)
	if !ok {
		return scimerrors.ScimErrorInvalidFilter
	}
	list, _ := doc[name].([]any)
	var kept []any
	hits := 0
	for _, v := range list {
		m := maps.Clone(v.(map[string]any))
		if m[e.AttributePath.AttributeName] != e.CompareValue {
			kept = append(kept, m)
			continue
		}
		hits++
		sub := op.Path.SubAttributeName()
		switch {
		case sub == "" && op.Op == elimity.PatchOperationRemove:
			continue
		case op.Op == elimity.PatchOperationRemove:
			delete(m, sub)
		case sub == "":
			maps.Copy(m, op.Value.(map[string]any))
		default:
			m[sub] = op.Value
		}
		kept = append(kept, m)
	}
	if hits == 0 {
		return scimerrors.ScimErrorNoTarget
	}
	doc[name] = kept
	return nil
}
