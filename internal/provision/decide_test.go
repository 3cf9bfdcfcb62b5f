package provision

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

var now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func application(change ...func(*Application)) *Application {
	app := &Application{Name: "target", Provisioning: Provisioning{
		Scope: "assigned", OnUnassign: "disable", OnDisable: "disable", OnDelete: "disable",
		Users:  Objects{Enabled: true, Actions: []string{"create", "update", "disable", "delete"}},
		Groups: Objects{Enabled: true, Actions: []string{"create", "update", "delete"}},
		Drift:  Drift{Attributes: "repair", Members: "repair", Accounts: "report"},
	}}
	for _, f := range change {
		f(app)
	}
	return app
}

var (
	in   = Verdict{In: true, Rules: []Rule{{Rule: "assigned", Result: true, Detail: "assigned directly, role User"}}}
	want = attr.Set{"userName": "ada", "title": "Engineer"}
)

func out(c Cause) Verdict {
	return Verdict{Cause: c, Rules: []Rule{{Rule: "assigned", Detail: "not assigned"}}}
}

func linked(enabled bool, change ...func(*Link)) *Link {
	l := &Link{Account: Subject{ID: "U1", Name: "ada"}, Origin: Created, Enabled: enabled, Wanted: want, Answered: want}
	for _, f := range change {
		f(l)
	}
	return l
}

func account(active bool, values attr.Set) *Candidate {
	return &Candidate{ID: "U1", Name: "ada", Active: active, Values: values}
}

// TestDecide goes through the table of [Decide], and through what configuration and drift make of it.
func TestDecide(t *testing.T) {
	t.Parallel()
	listed := func(actions ...string) func(*Application) {
		return func(a *Application) { a.Provisioning.Users.Actions, a.Provisioning.Groups.Actions = actions, actions }
	}
	policy := func(p string) func(*Application) {
		return func(a *Application) {
			a.Provisioning.OnUnassign, a.Provisioning.OnDisable, a.Provisioning.OnDelete = p, p, p
		}
	}
	drift := func(attributes, accounts string) func(*Application) {
		return func(a *Application) {
			a.Provisioning.Drift = Drift{Attributes: attributes, Members: "repair", Accounts: accounts}
		}
	}
	two := []Subject{{ID: "1", Name: "bob"}, {ID: "2", Name: "cleo"}}
	changed := attr.Set{"userName": "ada", "title": "Chief"}
	for name, c := range map[string]struct {
		app  *Application
		o    Object
		want string // action cause urgency origin target edits -removed +added, or "nothing"
	}{
		"out, none":                        {application(), Object{Verdict: out(Unassigned)}, "nothing"},
		"in, none":                         {application(), Object{Verdict: in, Want: want}, "create joined 3 created"},
		"in, found alike":                  {application(), Object{Verdict: in, Want: want, Match: Match{Account: account(true, attr.Set{"userName": "ADA", "title": "Engineer"})}}, "skip matched 3 adopted U1"},
		"in, found different":              {application(), Object{Verdict: in, Want: changed, Match: Match{Account: account(true, want)}}, "update matched 3 adopted U1 title"},
		"in, found off":                    {application(), Object{Verdict: in, Want: changed, Match: Match{Account: account(false, want)}}, "enable matched 3 adopted U1 title"},
		"in, found after a lost create":    {application(), Object{Verdict: in, Want: changed, Sent: []attr.Set{want}, Match: Match{Account: account(true, want)}}, "update matched 3 created U1 title"},
		"in, what a lost create sent":      {application(), Object{Verdict: in, Want: attr.Set{"userName": "ada", "title": nil}, Sent: []attr.Set{want}, Match: Match{Account: account(true, want)}}, "update matched 3 created U1 title"},
		"in, sent with the create alone":   {application(), Object{Verdict: in, Want: attr.Set{"userName": "ada"}, Sent: []attr.Set{want}, Match: Match{Account: account(true, want)}}, "skip matched 3 created U1"},
		"in, entered there":                {application(), Object{Verdict: in, Want: attr.Set{"userName": "ada", "title": nil}, Match: Match{Account: account(true, want)}}, "skip matched 3 adopted U1"},
		"in, found protected":              {application(), Object{Verdict: in, Want: changed, Match: Match{Account: &Candidate{ID: "U1", Name: "ada", Active: true, Protected: "an owner"}}}, "update matched 3 adopted U1 title userName protected_account"},
		"in, two found":                    {application(), Object{Verdict: in, Want: want, Match: Match{Problem: &Problem{Code: "duplicate_target_entries", Reason: "two accounts"}}}, "create ambiguous 3 duplicate_target_entries"},
		"in, unchanged":                    {application(), Object{Verdict: in, Want: want, Link: linked(true)}, "skip unchanged 3 created U1"},
		"in, changed":                      {application(), Object{Verdict: in, Want: changed, Link: linked(true)}, "update changed 3 created U1 title"},
		"in, switched off":                 {application(), Object{Verdict: in, Want: changed, Link: linked(false)}, "enable returned 3 created U1 title"},
		"out, enabled":                     {application(), Object{Verdict: out(Unassigned), Link: linked(true)}, "disable unassigned 0 created U1"},
		"out, disabled":                    {application(), Object{Verdict: out(Removed), Link: linked(false)}, "skip unchanged 3 created U1"},
		"out, kept":                        {application(policy("keep")), Object{Verdict: out(Unassigned), Link: linked(true)}, "skip not_allowed 3 created U1"},
		"out, delete":                      {application(policy("delete")), Object{Verdict: out(Removed), Link: linked(true)}, "delete removed 0 created U1"},
		"out, delete, disabled":            {application(policy("delete")), Object{Verdict: out(Removed), Link: linked(false)}, "delete removed 0 created U1"},
		"delete not listed":                {application(policy("delete"), listed("create", "update", "disable")), Object{Verdict: out(Removed), Link: linked(true)}, "disable removed 0 created U1"},
		"delete not listed, disabled":      {application(policy("delete"), listed("create", "update", "disable")), Object{Verdict: out(Removed), Link: linked(false)}, "skip unchanged 3 created U1"},
		"no removal listed":                {application(policy("delete"), listed("create", "update")), Object{Verdict: out(Removed), Link: linked(true)}, "skip not_allowed 0 created U1"},
		"create not listed":                {application(listed("update")), Object{Verdict: in, Want: want}, "skip not_allowed 3 created"},
		"update not listed":                {application(listed("create")), Object{Verdict: in, Want: changed, Link: linked(true)}, "skip not_allowed 3 created U1"},
		"enable goes with disable":         {application(listed("create", "disable")), Object{Verdict: in, Want: want, Link: linked(false)}, "enable returned 3 created U1"},
		"rejected":                         {application(), Object{Verdict: out(Unassigned), Link: linked(true), Rejected: &Rejection{Action: Disable}}, "skip rejected 3 created U1"},
		"another rejected":                 {application(policy("delete")), Object{Verdict: out(Unassigned), Link: linked(true), Rejected: &Rejection{Action: Disable}}, "delete unassigned 0 created U1"},
		"rejected, delete not listed":      {application(policy("delete"), listed("disable")), Object{Verdict: out(Unassigned), Link: linked(true), Rejected: &Rejection{Action: Disable}}, "skip rejected 3 created U1"},
		"grace begins":                     {application(func(a *Application) { a.Provisioning.Grace = Duration(time.Hour) }), Object{Verdict: out(Unassigned), Link: linked(true)}, "skip leaving 3 created U1"},
		"grace is over":                    {application(func(a *Application) { a.Provisioning.Grace = Duration(time.Hour) }), Object{Verdict: out(Unassigned), Link: linked(true, func(l *Link) { l.Leaving = now.Add(-time.Hour) })}, "disable unassigned 0 created U1"},
		"seen as left":                     {application(), Object{Verdict: in, Want: want, Link: linked(true), Looked: true, Seen: account(true, want)}, "skip unchanged 3 created U1"},
		"drifted, repaired":                {application(), Object{Verdict: in, Want: want, Link: linked(true), Looked: true, Seen: account(true, changed)}, "update drifted 3 created U1 title"},
		"drifted, reported":                {application(drift("report", "report")), Object{Verdict: in, Want: want, Link: linked(true), Looked: true, Seen: account(true, changed)}, "skip drifted 3 created U1"},
		"drifted, ignored":                 {application(drift("ignore", "ignore")), Object{Verdict: in, Want: want, Link: linked(true), Looked: true, Seen: account(true, changed)}, "skip unchanged 3 created U1"},
		"drifted to what is wanted":        {application(), Object{Verdict: in, Want: want, Link: linked(true, func(l *Link) { l.Answered = changed }), Looked: true, Seen: account(true, want)}, "skip unchanged 3 created U1"},
		"the target's own way":             {application(), Object{Verdict: in, Want: want, Link: linked(true, func(l *Link) { l.Answered = attr.Set{"userName": "ada", "title": "ENG."} }), Looked: true, Seen: account(true, attr.Set{"userName": "ada", "title": "ENG."})}, "skip unchanged 3 created U1"},
		"off there, reported":              {application(), Object{Verdict: in, Want: want, Link: linked(true), Looked: true, Seen: account(false, want)}, "skip drifted 3 created U1"},
		"off there, changed here":          {application(), Object{Verdict: in, Want: changed, Link: linked(true), Looked: true, Seen: account(false, want)}, "update changed 3 created U1 title"},
		"off there, repaired":              {application(drift("repair", "repair")), Object{Verdict: in, Want: changed, Link: linked(true), Looked: true, Seen: account(false, want)}, "enable drifted 3 created U1 title"},
		"vanished, reported":               {application(), Object{Verdict: in, Want: want, Link: linked(true), Looked: true}, "skip drifted 3 created U1"},
		"vanished, repaired":               {application(drift("repair", "repair")), Object{Verdict: in, Want: want, Link: linked(true), Looked: true}, "create joined 3 created"},
		"vanished, there again":            {application(drift("repair", "repair")), Object{Verdict: in, Want: want, Link: linked(true), Looked: true, Match: Match{Account: &Candidate{ID: "U2", Name: "ada", Active: true, Values: want}}}, "skip matched 3 adopted U2"},
		"leaver switched on there":         {application(), Object{Verdict: out(Unassigned), Want: want, Link: linked(false), Looked: true, Seen: account(true, want)}, "disable drifted 0 created U1"},
		"leaver on there, kept":            {application(policy("keep")), Object{Verdict: out(Unassigned), Want: want, Link: linked(false), Looked: true, Seen: account(true, want)}, "skip not_allowed 3 created U1"},
		"group, none":                      {application(), Object{Kind: directory.KindGroup, Verdict: in, Want: want, Members: Members{Add: two}}, "create joined 4 created +bob +cleo"},
		"group, some come and go":          {application(), Object{Kind: directory.KindGroup, Verdict: in, Want: want, Link: linked(true), Members: Members{Add: two[:1], Remove: two[1:]}}, "update changed 4 created U1 -cleo +bob"},
		"group, some only go":              {application(), Object{Kind: directory.KindGroup, Verdict: in, Want: want, Link: linked(true), Members: Members{Remove: two}}, "update changed 0 created U1 -bob -cleo"},
		"group of Muster's leaves":         {application(), Object{Kind: directory.KindGroup, Verdict: out(Unassigned), Link: linked(true)}, "delete unassigned 0 created U1"},
		"adopted group leaves":             {application(), Object{Kind: directory.KindGroup, Verdict: out(Unassigned), Link: linked(true, func(l *Link) { l.Origin = Adopted }), Members: Members{Remove: two}}, "update unassigned 0 adopted U1 -bob -cleo"},
		"adopted group without its own":    {application(), Object{Kind: directory.KindGroup, Verdict: out(Unassigned), Link: linked(true, func(l *Link) { l.Origin = Adopted })}, "skip not_allowed 4 adopted U1"},
		"group whose deletion was refused": {application(), Object{Kind: directory.KindGroup, Verdict: out(Unassigned), Link: linked(true), Rejected: &Rejection{Action: Delete}}, "skip rejected 4 created U1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.o.Kind == "" {
				c.o.Kind = directory.KindUser
			}
			c.o.Subject, c.o.Now = Subject{ID: "1", Name: "ada"}, now
			op := Decide(c.app, c.o)
			if got := outline(op); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if op != nil && (op.Reason == "" || len(op.Steps) < 2) {
				t.Errorf("nothing is explained: %q, %v", op.Reason, op.Steps)
			}
		})
	}
}

func outline(op *Operation) string {
	if op == nil {
		return "nothing"
	}
	parts := []string{string(op.Action), string(op.Cause), fmt.Sprint(int(op.Urgency))}
	if op.Origin != "" {
		parts = append(parts, string(op.Origin))
	}
	if op.Target.ID != "" {
		parts = append(parts, op.Target.ID)
	}
	for _, e := range op.Edits {
		if op.Action != Skip {
			parts = append(parts, e.Path)
		}
	}
	for _, m := range op.Remove {
		parts = append(parts, "-"+m.Name)
	}
	for _, m := range op.Add {
		parts = append(parts, "+"+m.Name)
	}
	if op.Failure != nil {
		parts = append(parts, op.Failure.Code)
	}
	return strings.Join(parts, " ")
}

type filter struct {
	admits bool
	err    error
}

func (f filter) Admits(mapping.Facts) (bool, string, error) { return f.admits, "the filter", f.err }

func TestScopeUser(t *testing.T) {
	t.Parallel()
	direct := []Via{{Role: "User"}}
	for name, c := range map[string]struct {
		app     *Application
		user    directory.User
		via     []Via
		filters []Filter
		in      bool
		cause   Cause
		why     string
	}{
		"assigned":          {application(), directory.User{Active: true}, direct, nil, true, "", "assigned directly, role User"},
		"through a group":   {application(), directory.User{Active: true}, []Via{{Group: "Engineering"}}, nil, true, "", `assigned through group "Engineering", role User`},
		"not assigned":      {application(), directory.User{Active: true}, nil, nil, false, Unassigned, "not assigned to the application, neither directly nor through a group"},
		"default access":    {application(), directory.User{Active: true}, []Via{{Role: RoleDefaultAccess}}, nil, false, Unassigned, "assigned only directly, role Default Access: that role gives access and no account; assign with role User"},
		"both roles":        {application(), directory.User{Active: true}, []Via{{Role: RoleDefaultAccess}, {Role: "Owner"}}, nil, true, "", "assigned directly, role Owner"},
		"everyone":          {application(func(a *Application) { a.Provisioning.Scope = "all" }), directory.User{Active: true}, nil, nil, true, "", "everyone is in scope (provisioning.scope: all)"},
		"inactive":          {application(), directory.User{}, direct, nil, false, Deactivated, "is deactivated in the directory"},
		"deleted":           {application(), directory.User{Active: true, Deleted: now}, direct, nil, false, Removed, "was deleted from the directory"},
		"deleted, inactive": {application(), directory.User{Deleted: now}, nil, nil, false, Removed, "was deleted from the directory"},
		"filtered":          {application(), directory.User{Active: true}, direct, []Filter{filter{true, nil}, filter{false, nil}}, false, Unassigned, "the filter"},
		"users off":         {application(func(a *Application) { a.Provisioning.Users.Enabled = false }), directory.User{Active: true}, direct, nil, false, Unassigned, "provisioning of users is switched off for this application (provisioning.users.enabled)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := ScopeUser(c.app, c.filters, mapping.Facts{User: &c.user}, c.via)
			if err != nil || v.In != c.in || v.Cause != c.cause || v.Why() != c.why {
				t.Errorf("in %t, cause %q, because %q; %v", v.In, v.Cause, v.Why(), err)
			}
		})
	}
	if _, err := ScopeUser(application(), []Filter{filter{false, fmt.Errorf("no such key")}}, mapping.Facts{User: &directory.User{Active: true}}, direct); err == nil || err.Error() != "scoping filter 1: no such key" {
		t.Errorf("a filter that fails: %v", err)
	}
}

func TestChooseMatch(t *testing.T) {
	t.Parallel()
	a, b, taken := Candidate{ID: "U1", Name: "a"}, Candidate{ID: "U2", Name: "b"}, Candidate{ID: "U3", Name: "c", LinkedTo: "cleo"}
	for name, c := range map[string]struct {
		found   map[string][]Candidate
		account string
		by      string
		problem string
	}{
		"none":                       {nil, "", "", ""},
		"by the first":               {map[string][]Candidate{"userName": {a}, "emails": {b}}, "U1", "userName", ""},
		"by the second":              {map[string][]Candidate{"emails": {b}}, "U2", "emails", ""},
		"linked ones are passed by":  {map[string][]Candidate{"userName": {taken}, "emails": {b}}, "U2", "emails", ""},
		"one of two is linked":       {map[string][]Candidate{"userName": {taken, a}}, "U1", "userName", ""},
		"only linked":                {map[string][]Candidate{"userName": {taken}}, "", "", ""},
		"two by the first":           {map[string][]Candidate{"userName": {a, b}}, "", "", "several accounts have the same userName: a (U1), b (U2)"},
		"two by the second after no": {map[string][]Candidate{"userName": {taken}, "emails": {a, b}}, "", "", "several accounts have the same emails: a (U1), b (U2)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := ChooseMatch([]string{"userName", "emails"}, c.found)
			account, problem := "", ""
			if m.Account != nil {
				account = m.Account.ID
			}
			if m.Problem != nil {
				problem = m.Problem.Reason
			}
			if account != c.account || m.By != c.by || problem != c.problem {
				t.Errorf("account %q by %q, problem %q", account, m.By, problem)
			}
			if len(m.Steps) == 0 {
				t.Error("no steps")
			}
		})
	}
}

func TestHoldExceeds(t *testing.T) {
	t.Parallel()
	standard := Hold{Removals: 10, Min: 5, Max: 100, Window: Duration(24 * time.Hour), Updates: NoThreshold}
	for name, c := range map[string]struct {
		hold  Hold
		tally Tally
		want  bool
	}{
		"nothing proposed":          {standard, Tally{Enabled: 10, Done: 50}, false},
		"below the minimum":         {standard, Tally{Enabled: 4, Proposed: 4}, false},
		"at the minimum, all":       {standard, Tally{Enabled: 5, Proposed: 5}, true},
		"exactly the percentage":    {standard, Tally{Enabled: 50, Proposed: 5}, false},
		"one more":                  {standard, Tally{Enabled: 50, Proposed: 6}, true},
		"together with the window":  {standard, Tally{Enabled: 47, Done: 3, Proposed: 3}, true},
		"the base is as it was":     {standard, Tally{Enabled: 55, Done: 5, Proposed: 1}, false},
		"the maximum":               {standard, Tally{Enabled: 100_000, Proposed: 100}, false},
		"past the maximum":          {standard, Tally{Enabled: 100_000, Done: 60, Proposed: 41}, true},
		"off, below the maximum":    {Hold{Removals: Off, Min: 5, Max: 100}, Tally{Enabled: 100, Proposed: 100}, false},
		"off, past the maximum":     {Hold{Removals: Off, Min: 5, Max: 100}, Tally{Enabled: 100, Proposed: 101}, true},
		"no maximum":                {Hold{Removals: Off}, Tally{Enabled: 1000, Proposed: 1000}, false},
		"zero per cent, no minimum": {Hold{Removals: 0}, Tally{Enabled: 1000, Proposed: 1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			why, over := c.hold.Exceeds(c.tally)
			if over != c.want || over == (why == "") {
				t.Errorf("%t, %q", over, why)
			}
		})
	}
	if _, over := standard.ExceedsUpdates(Tally{Enabled: 10, Proposed: 10}); over {
		t.Error("updates are held although their threshold is off")
	}
	if why, over := (Hold{Updates: Threshold{Share: 50}, Min: 5}).ExceedsUpdates(Tally{Enabled: 10, Proposed: 6}); !over || why == "" {
		t.Error("updates past their threshold are not held")
	}
}

func TestChangesAndRedaction(t *testing.T) {
	t.Parallel()
	op := Operation{
		Action: Update, Want: attr.Set{"title": "Boss", "pin": "4711", "manager": "7"}, Have: attr.Set{"pin": "0815"},
		Edits:      []attr.Edit{{Path: "manager", Old: nil, New: "7"}, {Path: "pin", Old: "0815", New: "4711"}, {Path: "title", Old: "x", New: "Boss"}},
		Add:        []Subject{{ID: "1", Name: "bob"}},
		References: []string{"manager"}, Names: map[string]string{"7": "ada"}, Hidden: []string{"pin"},
	}
	want := []Change{{"manager", nil, "ada"}, {"pin", "(hidden)", "(hidden)"}, {"title", "x", "Boss"}, {"members", []Subject{}, []Subject{{ID: "1", Name: "bob"}}}}
	if d := cmp.Diff(want, op.Changes()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, op.Redacted().Changes()); d != "" {
		t.Errorf("redacted, it says something else: %s", d)
	}
	if text := fmt.Sprint(op.Redacted()); strings.Contains(text, "4711") || strings.Contains(text, "0815") {
		t.Errorf("redacted: %s", text)
	}
	if got := op.Conceal(`{"detail":"4711 was 0815"}`); strings.Contains(got, "4711") || strings.Contains(got, "0815") || !strings.Contains(got, "detail") {
		t.Errorf("concealed: %s", got)
	}
	op.Want["pin"] = "7"
	if got := op.Conceal(`{"pin":"7"}`); strings.Contains(got, "7") {
		t.Errorf("a short value: %s", got)
	}
}

func TestPausesGrowAndEnd(t *testing.T) {
	t.Parallel()
	for n := range 20 {
		if a, b := RetryAfter(n, 0), RetryAfter(n+1, 0); b < a || a <= 0 || RetryAfter(n, 0.999) > a+a/10 {
			t.Errorf("attempt %d: %s, then %s", n, a, b)
		}
	}
}
