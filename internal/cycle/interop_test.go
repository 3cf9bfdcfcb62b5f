package cycle_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/interop"
	"github.com/muster-id/muster/internal/store"
)

// foreign is a SCIM server that nobody here wrote, seen past Muster, and a proxy before it that counts and can
// keep back answers.
type foreign struct {
	t               *testing.T
	endpoint, token string

	mu     sync.Mutex
	log    []string // requests that came through, without reads
	reads  int
	drop   int // so many answers to writes are lost after the server has carried them out
	client http.Client
}

// do sends one request past Muster.
func (f *foreign) do(method, path string, body map[string]any) map[string]any {
	f.t.Helper()
	var sent []byte
	if body != nil {
		sent, _ = json.Marshal(body)
	}
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.endpoint+path, bytes.NewReader(sent))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+f.token)
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	var doc map[string]any
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || res.StatusCode >= 300 {
		f.t.Fatalf("%s %s: %d %v %v", method, path, res.StatusCode, doc, err)
	}
	return doc
}

// all is everything of one kind, by the name that is unique, as the server shows it.
func (f *foreign) all(kind, name string) map[string]map[string]any {
	f.t.Helper()
	found := map[string]map[string]any{}
	for start := 1; ; {
		page := f.do(http.MethodGet, fmt.Sprintf("/%s?startIndex=%d&count=100", kind, start), nil)
		list, _ := page["Resources"].([]any)
		for _, r := range list {
			doc, _ := r.(map[string]any)
			found[strings.ToLower(fmt.Sprint(doc[name]))] = doc
		}
		start += len(list)
		if total, _ := page["totalResults"].(float64); len(list) == 0 || start > int(total) {
			return found
		}
	}
}

func (f *foreign) user(name string) map[string]any { return f.all("Users", "userName")[name] }

// members are the userNames in a group.
func (f *foreign) members(group string) []string {
	f.t.Helper()
	names := map[string]string{}
	for name, doc := range f.all("Users", "userName") {
		names[fmt.Sprint(doc["id"])] = name
	}
	out := []string{}
	list, _ := f.all("Groups", "displayName")[strings.ToLower(group)]["members"].([]any)
	for _, m := range list {
		out = append(out, names[fmt.Sprint(m.(map[string]any)["value"])])
	}
	slices.Sort(out)
	return slices.Compact(out) // some add a member twice that is there already
}

// ServeHTTP is the proxy: what it drops has been carried out.
func (f *foreign) proxy() http.Handler {
	at, err := url.Parse(f.endpoint)
	if err != nil {
		f.t.Fatal(err)
	}
	to := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: at.Scheme, Host: at.Host})
			r.Out.URL.Path = at.Path + strings.TrimPrefix(r.In.URL.Path, "/scim/v2")
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		to.ServeHTTP(answer, r)
		f.mu.Lock()
		lost := false
		if r.Method == http.MethodGet {
			f.reads++
		} else {
			f.log = append(f.log, r.Method+" "+r.URL.Path)
			if lost = f.drop > 0; lost {
				f.drop--
			}
		}
		f.mu.Unlock()
		if lost {
			panic(http.ErrAbortHandler)
		}
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// since returns the writes that something caused, and how many reads.
func (f *foreign) since(do func()) ([]string, int) {
	f.mu.Lock()
	f.log, f.reads = nil, 0
	f.mu.Unlock()
	do()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log), f.reads
}

// TestEngineAtForeignServers has the whole engine keep a company's accounts at servers that nobody here wrote,
// and judges by what the servers hold.
func TestEngineAtForeignServers(t *testing.T) {
	for name, server := range map[string]struct {
		start   func(testing.TB) (string, string)
		options map[string]string
	}{
		"SCIMMY":     {interop.SCIMMY, nil},
		"BetterAuth": {interop.BetterAuth, nil},
		"Elimity":    {interop.Elimity, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			f := &foreign{t: t}
			f.endpoint, f.token = server.start(t)
			proxy := httptest.NewServer(f.proxy())
			t.Cleanup(proxy.Close)
			w.token, w.app.Connection.Endpoint, w.app.Connection.Options = f.token, proxy.URL+"/scim/v2/", server.options
			atForeign(w, f)
		})
	}
}

func atForeign(w *world, f *foreign) {
	t := w.t
	there := func(name, mail string, active bool) map[string]any {
		return f.do(http.MethodPost, "/Users", map[string]any{
			"schemas":  []string{"urn:ietf:params:scim:schemas:core:2.0:User"},
			"userName": name, "active": active, "title": "Before", "name": map[string]any{"givenName": name, "familyName": "Before"},
			"emails": []any{map[string]any{"value": mail, "type": "work", "primary": true}},
		})
	}
	stranger := there("stranger", "stranger@elsewhere.example", true)
	adopted := there("p001", "p001@example.org", true)
	renamed := there("other.p002", "p002@example.org", true)
	f.drop = 3 // answers of the first load are lost

	names := w.people("p", 60)
	for i, n := range names {
		if i > 0 {
			boss := names[(i-1)/6]
			id := w.members([]string{n})[0].ID
			if _, _, err := w.store.UpdateUser(t.Context(), by, id, managed(boss)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.group("Inner", names[:10]...)
	w.group("All", names...)
	w.group("Club", "Inner", names[20])
	w.assign("All", "Club")
	for range 3 {
		if _, err := w.trySync(); err != nil {
			t.Fatal(err)
		}
	}
	everybody := f.all("Users", "userName")
	if len(everybody) != 61 {
		t.Errorf("%d accounts, want 60 and a stranger", len(everybody))
	}
	for i, n := range names {
		doc := everybody[n]
		if doc == nil || doc["active"] != true {
			t.Fatalf("%s: %v; left: %v", n, doc, f.left(w))
		}
		if ext, _ := doc[directory.Enterprise].(map[string]any); i > 0 {
			m, _ := ext["manager"].(map[string]any)
			if m["value"] != everybody[names[(i-1)/6]]["id"] {
				t.Errorf("%s has manager %v", n, m)
			}
		}
	}
	if everybody["p001"]["id"] != adopted["id"] || everybody["p002"]["id"] != renamed["id"] {
		t.Error("accounts that were there were not adopted")
	}
	f.inGroups(map[string][]string{"All": names, "Club": append(slices.Clone(names[:10]), names[20])})
	f.quiet(w)

	writes, _ := f.since(func() { w.set(names[5], "title", "Head"); w.sync() })
	if len(writes) != 1 || f.user(names[5])["title"] != "Head" {
		t.Errorf("one title: %v, %v", writes, f.user(names[5])["title"])
	}
	w.set(names[5], "title", "")
	w.sync()
	if title := f.user(names[5])["title"]; title != nil && title != "" {
		t.Errorf("the title that the directory lost is still %v", title)
	}

	// A leaver, and back.
	w.off(names[6], names[20])
	w.sync()
	if f.user(names[6])["active"] != false || f.user(names[20])["active"] != false {
		t.Error("a leaver is still active")
	}
	w.set(names[6], "active", true)
	w.sync()
	if f.user(names[6])["active"] != true {
		t.Error("whoever came back is not active")
	}

	// Moves between groups, and a rename.
	w.leave("Inner", names[0], names[1])
	w.join("Club", names[30], names[31])
	w.set(names[40], "userName", "renamed")
	w.sync()
	if f.user("renamed") == nil || f.user(names[40]) != nil {
		t.Error("the rename did not arrive")
	}
	club := append(slices.Clone(names[2:10]), names[30], names[31])
	all := append(slices.Clone(names), "renamed")
	all = slices.DeleteFunc(all, func(n string) bool { return n == names[40] })
	f.inGroups(map[string][]string{"All": all, "Club": club})
	f.quiet(w)

	// Everything goes: whom Muster never linked is as before.
	w.app.Assignments = nil
	w.save()
	w.sync()
	for n, doc := range f.all("Users", "userName") {
		if active := n == "stranger"; doc["active"] != active {
			t.Errorf("%s is active: %v", n, doc["active"])
		}
	}
	if doc := f.user("stranger"); doc["id"] != stranger["id"] || doc["title"] != "Before" {
		t.Errorf("the stranger was touched: %v", doc)
	}
	if groups := f.all("Groups", "displayName"); len(groups) != 0 {
		t.Errorf("%d groups are left", len(groups))
	}
	f.quiet(w)
}

// inGroups compares memberships; accounts that are off may be left in a group.
func (f *foreign) inGroups(want map[string][]string) {
	f.t.Helper()
	users := f.all("Users", "userName")
	for group, names := range want {
		on := func(n string) bool { return users[n]["active"] == true }
		got := slices.DeleteFunc(f.members(group), func(n string) bool { return !on(n) })
		names = slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !on(n) })))
		if !slices.Equal(got, names) {
			f.t.Errorf("members of %s: %v, want %v", group, got, names)
		}
	}
}

// quiet is the first law: another cycle asks nothing, and a reconcile finds nothing to mend.
func (f *foreign) quiet(w *world) {
	f.t.Helper()
	if writes, reads := f.since(func() { w.sync() }); len(writes)+reads > 0 {
		f.t.Errorf("running again: %v and %d reads", writes, reads)
	}
	if writes, _ := f.since(func() { w.sync(reconciling) }); len(writes) > 0 {
		f.t.Errorf("a reconcile wrote %v", writes)
	}
	if p := w.stands(); p.Escrow+p.Parked+p.Held > 0 {
		f.t.Errorf("something is left: %+v", p)
		for _, e := range f.left(w) {
			f.t.Error(e)
		}
	}
}

func (f *foreign) left(w *world) (out []string) {
	list, err := w.store.Escrows(f.t.Context(), w.app.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Name+": "+e.Problem.Code+": "+e.Problem.Reason)
	}
	return out
}

func managed(by string) store.UserEdit { return store.UserEdit{Manager: &by} }
