package slackemulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/slackemulator"
)

const (
	coreV1       = "urn:scim:schemas:core:1.0"
	enterpriseV1 = "urn:scim:schemas:extension:enterprise:1.0"
	profileV1    = "urn:scim:schemas:extension:slack:profile:1.0"
	guestV1      = "urn:scim:schemas:extension:slack:guest:1.0"
	userV2       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupV2      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseV2 = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	guestV2      = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User"
	profileV2    = "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User"
	patchOp      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// slack is an emulator behind real HTTP, and a client of it.
type slack struct {
	*slackemulator.Emulator
	t     *testing.T
	url   string
	token string
}

func start(t *testing.T, options slackemulator.Options) *slack {
	t.Helper()
	options.LimitsOff = !strings.HasPrefix(t.Name(), "TestLimit")
	e := slackemulator.New(options)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return &slack{e, t, server.URL, slackemulator.DefaultToken}
}

type (
	m = map[string]any
	l = []any
)

// answer is a response, read whole.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
	json   m
}

func (s *slack) do(method, path string, body any) answer {
	s.t.Helper()
	a, err := s.try(method, path, body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *slack) try(method, path string, body any) (answer, error) {
	s.t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = strings.NewReader(string(encoded))
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	request.Header.Set("Content-Type", "application/json")
	return s.send(request)
}

func (s *slack) send(request *http.Request) (answer, error) {
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	a := answer{t: s.t, status: response.StatusCode, header: response.Header, body: string(text)}
	_ = json.Unmarshal(text, &a.json) // not every answer is JSON
	return a, err
}

// want checks the status and, for a refusal, the code at the start of its text.
func (a answer) want(status int, code string) answer {
	a.t.Helper()
	if got := a.code(); a.status != status || got != code {
		a.t.Errorf("got %d %q, want %d %q; body %.300s", a.status, got, status, code, a.body)
	}
	return a
}

func (a answer) code() string {
	text := a.text()
	code, _, _ := strings.Cut(text, " ")
	return code
}

// text is a refusal's text in either shape.
func (a answer) text() string {
	if errors, ok := a.json["Errors"].(m); ok {
		text, _ := errors["description"].(string)
		return text
	}
	text, _ := a.json["detail"].(string)
	return text
}

// at walks into the JSON: names are members, numbers are indices.
func (a answer) at(path ...any) any { return walk(a.json, path...) }

func walk(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, _ := v.(m)
			v = o[step]
		case int:
			list, _ := v.(l)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

func (a answer) id() string {
	a.t.Helper()
	id, _ := a.json["id"].(string)
	if id == "" {
		a.t.Fatalf("no id: %d %.300s", a.status, a.body)
	}
	return id
}

// person is the smallest body that creates somebody, with more members in it.
func person(name string, more m) m {
	out := m{
		"schemas": l{userV2, coreV1}, "userName": name,
		"emails": l{m{"value": name + "@example.org", "primary": true}},
		"name":   m{"givenName": strings.ToUpper(name[:1]) + name[1:], "familyName": "Example"},
	}
	for key, value := range more {
		out[key] = value
	}
	return out
}

// add creates a person over v2 and returns the id.
func (s *slack) add(name string, more m) string {
	s.t.Helper()
	return s.do("POST", "/scim/v2/Users", person(name, more)).want(201, "").id()
}

func ops(operations ...m) m {
	list := l{}
	for _, o := range operations {
		list = append(list, o)
	}
	return m{"schemas": l{patchOp}, "Operations": list}
}

func op(name, path string, value any) m {
	out := m{"op": name}
	if path != "" {
		out["path"] = path
	}
	if value != nil {
		out["value"] = value
	}
	return out
}

// group creates a group over v2 and returns the id.
func (s *slack) group(name string, members ...string) string {
	s.t.Helper()
	return s.do("POST", "/scim/v2/Groups", m{"schemas": l{groupV2}, "displayName": name, "members": refs(members...)}).want(201, "").id()
}

func refs(ids ...string) l {
	out := l{}
	for _, id := range ids {
		out = append(out, m{"value": id})
	}
	return out
}

// watch is a clock that a test moves.
type watch struct {
	mu  sync.Mutex
	now time.Time
}

func newWatch() *watch { return &watch{now: time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)} }

func (w *watch) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *watch) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	g, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(g) != string(w) {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}
