package connectortest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Target is a SCIM 2.0 service provider in memory. It is an [http.Handler] below any path that ends
// in /scim/v2; Serve puts it on loopback. Safe for concurrent use.
type Target struct {
	token string

	mu     sync.Mutex
	does   Behaviour
	faults []*Fault
	users  *collection
	groups *collection
	nextID int
	log    []Logged
	counts map[string]int
}

// Logged is one request as the target saw it.
type Logged struct {
	Method string
	Path   string // below the endpoint
	Query  string
	Header http.Header
	Body   string
	Status int // 0 when the connection was dropped
}

// maxLog bounds the log; the counts go on.
const maxLog = 20_000

// Token is the bearer token that targets of [Serve] accept.
const Token = "target-token-5f1c"

// NewTarget makes a target that accepts one bearer token.
func NewTarget(token string, does Behaviour) *Target {
	return &Target{token: token, does: does, users: newCollection("U"), groups: newCollection("G"), counts: map[string]int{}}
}

// Serve starts a target on loopback for the time of a test and returns its endpoint.
func Serve(t testing.TB, does Behaviour) (target *Target, endpoint string) {
	t.Helper()
	target = NewTarget(Token, does)
	server := httptest.NewServer(target)
	t.Cleanup(func() {
		server.CloseClientConnections() // an endless answer would keep it open
		server.Close()
	})
	return target, server.URL + "/scim/v2/"
}

// Behave changes the behaviour.
func (t *Target) Behave(change func(*Behaviour)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.does)
}

// Fail adds a fault. Faults are looked through in the order in which they were added.
func (t *Target) Fail(f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, &f)
}

// Heal takes all faults away.
func (t *Target) Heal() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = nil
}

// Log returns the requests since the start or since Forget.
func (t *Target) Log() []Logged {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.log)
}

// Forget empties the log and the counts.
func (t *Target) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log, t.counts = nil, map[string]int{}
}

// Count returns how many requests had a method ("" for all) on a path below a prefix.
func (t *Target) Count(method, prefix string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for key, c := range t.counts {
		m, p, _ := strings.Cut(key, " ")
		if (method == "" || m == method) && strings.HasPrefix(p, prefix) {
			n += c
		}
	}
	return n
}

// Writes returns how many requests could have changed something.
func (t *Target) Writes() int {
	return t.Count("POST", "") + t.Count("PATCH", "") + t.Count("PUT", "") + t.Count("DELETE", "")
}

// recorder keeps the right answer of a request whose fault comes after it.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.body.Write(b)
}
func (r *recorder) WriteHeader(status int) { r.status = status }

// ServeHTTP implements [http.Handler].
func (t *Target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, path, ok := strings.Cut(r.URL.Path, "/scim/v2/")
	if !ok {
		refuse(w, http.StatusNotFound, "", "no such path")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		return
	}
	fault := t.arrived(r, path, body)
	if fault != nil && fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return
		}
	}
	right := &recorder{header: http.Header{}}
	done := fault == nil || fault.Committed || fault.Drop == AfterWrite || fault.Truncate || fault.harmless()
	if done {
		t.handle(right, r, path, body)
	}
	if fault != nil && fault.Committed && fault.Status/100 == 2 && right.status >= 400 {
		fault = nil // nothing was carried out that the fault could hide
	}
	status := right.status
	if fault == nil || !fault.answer(w, r, right) {
		for name, v := range right.header {
			w.Header()[name] = v
		}
		if right.status == 0 {
			right.status = http.StatusOK
		}
		w.WriteHeader(right.status)
		_, _ = w.Write(right.body.Bytes())
		status = right.status
	} else if fault.Status != 0 {
		status = fault.Status
	}
	t.answered(r, path, body, status)
}

// arrived counts a request and finds its fault.
func (t *Target) arrived(r *http.Request, path string, body []byte) *Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	first, _, _ := strings.Cut(strings.TrimSuffix(path, "/"), "/")
	if strings.Contains(strings.TrimSuffix(path, "/"), "/") {
		first += "/{id}"
	}
	t.counts[r.Method+" "+first]++
	for _, f := range t.faults {
		if f.fits(r.Method, path, body) && f.hit() {
			return new(*f)
		}
	}
	return nil
}

func (t *Target) answered(r *http.Request, path string, body []byte, status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.log) < maxLog {
		t.log = append(t.log, Logged{r.Method, path, r.URL.RawQuery, r.Header.Clone(), string(body), status})
	}
}

// handle answers as the behaviour says.
func (t *Target) handle(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+t.token {
		refuse(w, http.StatusUnauthorized, "", "the token is not valid")
		return
	}
	if t.does.NeedUserAgent && (r.UserAgent() == "" || strings.HasPrefix(r.UserAgent(), "Go-http-client")) {
		refuse(w, http.StatusForbidden, "", "a User-Agent is required")
		return
	}
	name, id, one := strings.Cut(path, "/")
	if t.does.TrailingSlash && !one {
		w.Header().Set("Location", r.URL.Path+"/?"+r.URL.RawQuery)
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	in := map[string]*collection{"Users": t.users, "Groups": t.groups}[name]
	if in == nil {
		refuse(w, http.StatusNotFound, "", "no such resource type")
		return
	}
	var doc map[string]any
	if len(body) > 0 {
		if err := json.Unmarshal(body, &doc); err != nil {
			refuse(w, http.StatusBadRequest, "invalidSyntax", "the body is not a JSON object")
			return
		}
	}
	switch {
	case id == "" && r.Method == http.MethodGet:
		t.list(w, r, in)
	case id == "" && r.Method == http.MethodPost:
		t.create(w, r, in, doc)
	case id != "" && r.Method == http.MethodGet:
		t.read(w, r, in, id)
	case id != "" && r.Method == http.MethodPatch:
		t.patch(w, in, id, doc)
	case id != "" && r.Method == http.MethodPut:
		t.replace(w, in, id, doc)
	case id != "" && r.Method == http.MethodDelete:
		t.remove(w, in, id)
	default:
		refuse(w, http.StatusMethodNotAllowed, "", "no such method here")
	}
}

// refuse writes a SCIM error (RFC 7644 §3.12).
func refuse(w http.ResponseWriter, status int, scimType, detail string) {
	doc := map[string]any{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": strconv.Itoa(status), "detail": detail,
	}
	if scimType != "" {
		doc["scimType"] = scimType
	}
	reply(w, status, doc)
}

func reply(w http.ResponseWriter, status int, doc any) {
	b, err := json.Marshal(doc)
	if err != nil {
		panic(fmt.Sprintf("a target's answer cannot be written: %v", err))
	}
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
