package cycle_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A target whose answer to a create shows somebody else's account gives nobody that account: neither a stranger's, nor that of a
// colleague whose creation was answered at the same time. Once it tells the truth again, everybody has one account of
// their own, and the stranger's is as it was.
func TestCreateAnsweredWithAnotherAccount(t *testing.T) {
	old := map[string]any{"resourceType": "User", "created": "2019-05-01T08:00:00Z"}
	for name, lie := range map[string]func(stranger map[string]any) map[string]any{
		"a stranger's, whole":    func(s map[string]any) map[string]any { s["meta"] = old; return s },
		"a stranger's id, alone": func(s map[string]any) map[string]any { return map[string]any{"id": s["id"], "meta": old} },
	} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, created %t", name, done), func(t *testing.T) {
				w := onSQLite(t)
				w.app.Provisioning.Scope = "all"
				id := w.target.AddUser(map[string]any{"userName": "stranger", "active": true, "title": "Nobody's business", "emails": []any{map[string]any{"value": "s@elsewhere.example", "type": "work", "primary": true}}})
				lying := true
				var mu sync.Mutex
				w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
					mu.Lock()
					defer mu.Unlock()
					b, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(bytes.NewReader(b))
					if strings.Contains(r.URL.Path, id) {
						if r.Method != http.MethodGet {
							t.Errorf("the stranger was written to: %s %s", r.Method, b)
						}
						// Whoever is read shows when they were made.
						rec := httptest.NewRecorder()
						next.ServeHTTP(rec, r)
						var doc map[string]any
						_ = json.Unmarshal(rec.Body.Bytes(), &doc)
						doc["meta"] = old
						rw.WriteHeader(rec.Code)
						_ = json.NewEncoder(rw).Encode(doc)
						return
					}
					if lying && r.Method == http.MethodPost && bytes.Contains(b, []byte(`"ada"`)) {
						if done {
							next.ServeHTTP(httptest.NewRecorder(), r)
						}
						rw.Header().Set("Content-Type", "application/scim+json")
						rw.WriteHeader(http.StatusCreated)
						s := w.target.User(id)
						s["id"] = id
						_ = json.NewEncoder(rw).Encode(lie(s))
						return
					}
					next.ServeHTTP(rw, r)
				})
				w.user("ada")
				w.user("bob")
				w.save()
				if _, err := w.trySync(); err != nil {
					t.Fatal(err)
				}
				w.set("ada", "title", "Countess")
				if _, err := w.trySync(); err != nil {
					t.Fatal(err)
				}
				w.sync(reconciling)
				lying = false
				w.sync()
				w.sync()
				if n := len(w.target.UserIDs()); n != 3 {
					t.Errorf("%d accounts, want ada's, bob's and the stranger's", n)
				}
				w.active("ada", true)
				w.off("ada")
				w.sync()
				w.active("ada", false)
				if s := w.target.User(id); s["active"] != true || s["title"] != "Nobody's business" || s["userName"] != "stranger" {
					t.Errorf("the stranger was touched: %v", s)
				}
				w.again()
			})
		}
	}
}

// Answers to two creates that are exchanged: both accounts are there, each with the other's id.
func TestCreateAnswersExchanged(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Scope = "all"
	var posts atomic.Int64
	var met [2]chan *httptest.ResponseRecorder
	for i := range met {
		met[i] = make(chan *httptest.ResponseRecorder, 1)
	}
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		n := int64(2)
		if r.Method == http.MethodPost {
			n = posts.Add(1) - 1
		}
		if n > 1 {
			next.ServeHTTP(rw, r)
			return
		}
		own := httptest.NewRecorder()
		next.ServeHTTP(own, r)
		met[n] <- own
		other := <-met[1-n]
		rw.Header().Set("Content-Type", "application/scim+json")
		rw.WriteHeader(other.Code)
		_, _ = rw.Write(other.Body.Bytes())
	})
	w.user("ada")
	w.user("bob")
	w.save()
	if _, err := w.trySync(); err != nil {
		t.Fatal(err)
	}
	w.sync()
	w.off("ada")
	w.sync()
	if n := len(w.target.UserIDs()); n != 2 {
		t.Errorf("%d accounts for two people", n)
	}
	w.active("ada", false)
	w.active("bob", true)
	w.again()
}

// A target that answers the creation of a group with one of that name which was there already, and which it did not show when it was
// asked, has made nothing: that group is adopted. It keeps the members whom Muster did not add, and stays when it is
// assigned no more.
func TestCreateAnsweredWithAGroupThatWasThere(t *testing.T) {
	w := onSQLite(t)
	stranger := w.target.AddUser(map[string]any{"userName": "stranger", "active": true})
	team := w.target.AddGroup("Team", stranger)
	blind := true
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		list := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/Groups")
		if blind && list {
			_, _ = io.WriteString(rw, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}`)
			return
		}
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/Groups") {
			rw.Header().Set("Content-Type", "application/scim+json")
			_ = json.NewEncoder(rw).Encode(map[string]any{
				"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "id": team, "displayName": "Team",
				"members": []any{map[string]any{"value": stranger}}, "meta": map[string]any{"created": "2019-05-01T08:00:00Z"},
			})
			return
		}
		next.ServeHTTP(rw, r)
	})
	w.user("ada")
	w.group("Team", "ada")
	w.app.Provisioning.Groups.Actions = []string{"create", "update", "delete"}
	w.assign("Team")
	if _, err := w.trySync(); err != nil {
		t.Fatal(err)
	}
	blind = false
	w.sync()
	w.sync(reconciling)
	w.groupMembers("Team", "ada", "stranger")
	w.app.Assignments = nil
	w.save()
	w.sync()
	if w.target.GroupID("Team") != team {
		t.Fatal("the group was deleted")
	}
	w.groupMembers("Team", "stranger")
	w.active("stranger", true)
	w.again()
}
