package cycle_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
)

// faults is every kind of fault that the engine steers by, and what targets are known to do wrong. Each is met
// during a first load, an incremental cycle, a group change and a removal.
var faults = map[string]trouble{
	// Kinds of failure (see provision.Failure).
	"throttled":                 {hits: []connectortest.Fault{{Status: 429, Header: map[string]string{"Retry-After": "1"}, Times: 2}}},
	"500":                       {hits: writes(connectortest.Fault{Status: 500, Times: 2})},
	"503 once for reads":        {hits: []connectortest.Fault{{Method: "GET", Status: 503}}},
	"reset before":              {hits: writes(connectortest.Fault{Drop: connectortest.BeforeWrite, Times: 2})},
	"reset after":               {hits: writes(connectortest.Fault{Drop: connectortest.AfterWrite, Times: 2})},
	"500 after":                 {hits: writes(connectortest.Fault{Status: 500, Committed: true, Times: 2})},
	"HTML after":                {hits: writes(connectortest.Fault{Status: 200, Committed: true, Body: "<html>busy</html>", Times: 2})},
	"half an answer":            {hits: writes(connectortest.Fault{Truncate: true, Times: 2})},
	"answers nested too deep":   {hits: writes(connectortest.Fault{Deep: 50_000, Committed: true, Times: 1})},
	"down, the breaker opens":   {hits: []connectortest.Fault{{Status: 503, Method: "POST", Times: -1}, {Status: 503, Method: "PATCH", Times: -1}}},
	"credentials refused":       {hits: []connectortest.Fault{{Status: 401, Times: -1}}},
	"credentials end midway":    {hits: []connectortest.Fault{{Status: 401, After: 1, Times: -1}}},
	"forbidden for one":         {hits: writes(connectortest.Fault{Status: 403, Times: 1})},
	"forbidden for all":         {hits: []connectortest.Fault{{Status: 403, Times: -1}}},
	"404 that is a lie":         {hits: writes(connectortest.Fault{Status: 404, Times: 1})},
	"409":                       {hits: writes(connectortest.Fault{Status: 409, Times: 1})},
	"409 without scimType":      {hits: writes(connectortest.Fault{Status: 409, Body: `{"detail":"exists"}`, Times: 1})},
	"409 after it was done":     {hits: writes(connectortest.Fault{Status: 409, Committed: true, Times: 1})},
	"rejected":                  {hits: writes(connectortest.Fault{Status: 400, Times: 1})},
	"members refused in groups": {hits: []connectortest.Fault{{Method: "PATCH", Path: "Groups", Status: 400, Times: 1}, {Method: "POST", Path: "Groups", Status: 400, Times: 1}}},
	"payload too large":         {hits: []connectortest.Fault{{Method: "PATCH", Path: "Groups", Status: 413, Times: 1}}},

	// What targets do as a habit.
	"create without an answer":    {does: func(b *connectortest.Behaviour) { b.EmptyCreate, b.NoLocation = true, true }},
	"answers {}":                  {does: func(b *connectortest.Behaviour) { b.ObjectUpdate = true }},
	"answers 204":                 {does: func(b *connectortest.Behaviour) { b.EmptyUpdate = true }},
	"booleans as strings":         {does: func(b *connectortest.Behaviour) { b.StringBooleans = true }},
	"names in lower case":         {does: func(b *connectortest.Behaviour) { b.LowerCaseNames, b.LowerCaseUserName = true, true }},
	"ids as numbers":              {does: func(b *connectortest.Behaviour) { b.NumericIDs = true }},
	"members never shown":         {does: func(b *connectortest.Behaviour) { b.HideMembers = true }},
	"one removal a request":       {does: func(b *connectortest.Behaviour) { b.OneRemoval, b.MaxMembers = true, 1 }, options: map[string]string{"member_batch": "1", "mix_members": "false", "create_members": "false"}},
	"reads come late":             {does: func(b *connectortest.Behaviour) { b.StaleReads = 1 }},
	"the disabled are hidden":     {does: func(b *connectortest.Behaviour) { b.HideDisabled = true }, visible: true},
	"the disabled are renamed":    {does: func(b *connectortest.Behaviour) { b.ObfuscateDisabled = true }},
	"the disabled are frozen":     {does: func(b *connectortest.Behaviour) { b.FreezeDisabled = true }},
	"every page is the first":     {does: func(b *connectortest.Behaviour) { b.IgnoreStartIndex, b.PageCap = true, 2 }},
	"a page is empty":             {does: func(b *connectortest.Behaviour) { b.EmptyPage, b.PageCap = 2, 2 }},
	"a page comes twice":          {does: func(b *connectortest.Behaviour) { b.RepeatPage, b.PageCap = 2, 2 }},
	"the total is wrong":          {does: func(b *connectortest.Behaviour) { b.TotalOff = 7 }},
	"the total is the page's":     {does: func(b *connectortest.Behaviour) { b.TotalIsPage, b.PageCap = true, 2 }},
	"no total":                    {does: func(b *connectortest.Behaviour) { b.NoTotal = true }},
	"filters are ignored":         {does: func(b *connectortest.Behaviour) { b.IgnoreFilter = true }},
	"conflicts answer 200":        {does: func(b *connectortest.Behaviour) { b.ConflictOpen = true }},
	"conflicts answer 400":        {does: func(b *connectortest.Behaviour) { b.ConflictStatus = 400 }},
	"a removal of members is not": {hits: []connectortest.Fault{{Method: "PATCH", Path: "Groups", Status: 200, Body: "{}", Times: 1}}},
	"a removal is not":            {hits: []connectortest.Fault{{Method: "PATCH", Path: "Users", Status: 200, Body: "{}", When: onlyActive}}},
}

// trouble is what is wrong with a target: for some requests, or always.
type trouble struct {
	hits    []connectortest.Fault
	does    func(*connectortest.Behaviour)
	options map[string]string
	visible bool // the account that is there already is on: it could not be found
}

func writes(f connectortest.Fault) []connectortest.Fault {
	var all []connectortest.Fault
	for _, method := range []string{"POST", "PATCH", "DELETE"} {
		f.Method = method
		all = append(all, f)
	}
	return all
}

func onlyActive(_, _, body string) bool { return !valueChange.MatchString(body) }

// most is how many requests a phase of four people may take with everything that goes wrong in it.
const most = 90

// oneIn is how many faults there are for each that is met in a run, chosen by chance: 1 is all of them.
var oneIn = 1

// TestFaults takes a company through every kind of trouble, and holds each phase to the three laws.
func TestFaults(t *testing.T) {
	for name, x := range faults {
		if rand.IntN(oneIn) > 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			w.app.Connection.Options = x.options
			if x.does != nil {
				w.target.Behave(x.does)
			}
			stranger := w.target.AddUser(map[string]any{"userName": "stranger", "active": true, "title": "Not ours"})
			w.target.AddUser(map[string]any{"userName": "CLEO", "active": x.visible, "emails": mailsOf("cleo@example.org")})
			for _, p := range phases {
				p.change(w)
				w.target.Forget()
				for _, f := range x.hits {
					w.target.Fail(f)
				}
				for range 2 {
					if _, err := w.trySync(); err != nil {
						t.Fatalf("%s: %v", p.name, err)
					}
				}
				w.target.Heal()
				for range 2 {
					w.sync()
				}
				if n := w.target.Count("", ""); n > most {
					t.Errorf("%s: %d requests", p.name, n)
				}
				w.standsLike(p)
				if doc := w.target.User(stranger); doc["title"] != "Not ours" || doc["active"] != true {
					t.Errorf("%s: the stranger was touched: %v", p.name, doc)
				}
				w.again()
				if t.Failed() {
					t.Fatalf("in phase %q", p.name)
				}
			}
			w.sync(reconciling)
			w.standsLike(phases[len(phases)-1])
		})
	}
}

// phase is one step of a company's life, and how the target is to stand after it.
type phase struct {
	name    string
	change  func(w *world)
	on, off []string
	members []string
	title   string // of ada
}

var phases = []phase{
	{"first load", func(w *world) {
		w.user("ada", "title", "Engineer")
		w.user("bob", "manager", "ada")
		w.user("cleo")
		w.user("dora")
		w.group("Engineering", "ada", "bob", "cleo")
		w.assign("Engineering")
	}, []string{"ada", "bob", "cleo"}, nil, []string{"ada", "bob", "cleo"}, "Engineer"},
	{"incremental", func(w *world) { w.set("ada", "title", "Countess") }, []string{"ada", "bob", "cleo"}, nil, []string{"ada", "bob", "cleo"}, "Countess"},
	{"group change", func(w *world) { w.join("Engineering", "dora"); w.leave("Engineering", "cleo") }, []string{"ada", "bob", "dora"}, []string{"cleo"}, []string{"ada", "bob", "dora"}, "Countess"},
	{"removal", func(w *world) { w.off("bob") }, []string{"ada", "dora"}, []string{"bob", "cleo"}, []string{"ada", "dora"}, "Countess"},
	{"return", func(w *world) { w.set("bob", "active", true); w.join("Engineering", "cleo") }, []string{"ada", "bob", "cleo", "dora"}, nil, []string{"ada", "bob", "cleo", "dora"}, "Countess"},
}

// standsLike compares the target with what a phase is to leave behind. People are known by their accounts'
// externalId: a target may hide the names of those who are off.
func (w *world) standsLike(p phase) {
	w.t.Helper()
	accounts := map[string]string{}
	active := 0
	for _, id := range w.target.UserIDs() {
		doc := w.target.User(id)
		for _, name := range slices.Concat(p.on, p.off) {
			if u, err := w.store.UserByName(w.t.Context(), name); err == nil && doc["externalId"] == u.ID {
				if accounts[name] != "" {
					w.t.Errorf("%s: %s has two accounts", p.name, name)
				}
				accounts[name] = id
			}
		}
		if doc["active"] == true {
			active++
		}
	}
	if n := len(w.target.UserIDs()); n != len(p.on)+len(p.off)+1 {
		w.t.Errorf("%s: %d accounts, want %d and a stranger", p.name, n, len(p.on)+len(p.off))
	}
	for _, name := range slices.Concat(p.on, p.off) {
		if accounts[name] == "" {
			w.t.Errorf("%s: %s has no account", p.name, name)
			continue
		}
		if got := w.target.User(accounts[name])["active"]; got != slices.Contains(p.on, name) {
			w.t.Errorf("%s: %s is active: %v", p.name, name, got)
		}
	}
	if active != len(p.on)+1 {
		w.t.Errorf("%s: %d accounts are on, want %d and the stranger's", p.name, active, len(p.on))
	}
	if got := w.target.User(accounts["ada"])["title"]; got != p.title {
		w.t.Errorf("%s: ada's title is %v", p.name, got)
	}
	var want []string
	for _, name := range p.members {
		want = append(want, accounts[name])
	}
	slices.Sort(want)
	there := slices.DeleteFunc(w.target.Members(w.target.GroupID("Engineering")), func(id string) bool { return w.target.User(id)["active"] != true })
	if !slices.Equal(there, want) {
		w.t.Errorf("%s: members %v, want %v", p.name, there, want)
	}
}

// TestStoppedAfterAnyStep ends the pass of each phase at its first request, the next one at its second and so on,
// until one goes through.
func TestStoppedAfterAnyStep(t *testing.T) {
	w := onSQLite(t)
	var stop atomic.Pointer[countdown]
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if c := stop.Load(); c != nil && c.left.Add(-1) == 0 {
			c.end()
		}
		next.ServeHTTP(rw, r)
	})
	stranger := w.target.AddUser(map[string]any{"userName": "stranger", "active": true, "title": "Not ours"})
	for _, p := range phases {
		p.change(w)
		for step := int64(1); ; step++ {
			ctx, cancel := context.WithCancel(t.Context())
			c := &countdown{end: cancel}
			c.left.Store(step)
			stop.Store(c)
			app, err := w.store.Application(t.Context(), "target")
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.engine.Run(ctx, app, cycle.Options{ByHand: true, Initiator: "tester"})
			cancel()
			if err == nil && c.left.Load() > 0 {
				break
			}
			if step == most {
				t.Fatalf("%s: no end: %v", p.name, err)
			}
		}
		w.standsLike(p)
		w.again()
		if doc := w.target.User(stranger); doc["title"] != "Not ours" || doc["active"] != true {
			t.Errorf("%s: the stranger was touched: %v", p.name, doc)
		}
	}
}

// A group whose creation went through is Muster's own with those who came with it, whatever became of the requests for its
// other members: else it would be found again by its name and be taken for one that was there before, whose members stay
// in it when they leave and which is never deleted.
func TestBegunGroup(t *testing.T) {
	for name, fault := range map[string]connectortest.Fault{
		"401":   {Status: 401},
		"403":   {Status: 403},
		"429":   {Status: 429, Header: map[string]string{"Retry-After": "3000"}},
		"500":   {Status: 500},
		"reset": {Drop: connectortest.AfterWrite},
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			names := w.people("p", 5)
			w.app.Provisioning.Groups.Enabled = true
			w.app.Connection.Options = map[string]string{"member_batch": "2"}
			group := w.group("Team", names...)
			w.assign("Team")
			w.save()
			fault.Method, fault.Path, fault.Times = http.MethodPatch, "Groups", -1
			w.target.Fail(fault)
			r, err := w.trySync()
			if err != nil || r.Failed == 0 && r.Stopped == nil {
				t.Fatalf("nobody is told of the members that are missing: %+v, %v", r, err)
			}
			w.target.Heal()
			w.sync()
			w.groupMembers("Team", names...)
			w.leave("Team", names[0], names[1], names[2])
			w.app.Provisioning.Scope = "all"
			w.save()
			w.sync()
			w.groupMembers("Team", names[3], names[4])
			if err := w.store.DeleteGroup(t.Context(), by, group.ID); err != nil {
				t.Fatal(err)
			}
			w.sync()
			if left := w.target.GroupIDs(); len(left) != 0 {
				t.Errorf("the group stayed at the target: %v", left)
			}
			w.again()
		})
	}
}
