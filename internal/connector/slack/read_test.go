package slack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/slack"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/slackemulator"
)

func (s *stage) people(n int) {
	s.t.Helper()
	for i := range n {
		if _, err := s.em.AddUser(slackemulator.User{UserName: fmt.Sprintf("p%05d", i), Email: fmt.Sprintf("p%05d@example.org", i), Active: i%3 > 0}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// all reads everybody and says whether the walk was complete.
func (s *stage) all(kind directory.Kind) (ids map[string]bool, err error) {
	ids = map[string]bool{}
	for a, err := range s.Read(s.t.Context(), connector.Query{Kind: kind, Urgency: connector.ReconcileRead}) {
		if err != nil {
			return ids, err
		}
		if ids[a.ID] {
			s.t.Errorf("%s came twice", a.ID)
		}
		ids[a.ID] = true
	}
	return ids, nil
}

func TestWalk(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		s.people(2500)
		before := s.Requests()
		ids, err := s.all(directory.KindUser)
		if err != nil || len(ids) != 2502 {
			t.Errorf("%d people, %v", len(ids), err)
		}
		if n := s.Requests() - before; n != 3 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestWalkFaults: a list that is not what it says is never taken for complete, and never walked for ever.
func TestWalkFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]struct {
		complete bool
		seen     int
	}{
		"total-too-big=7":                {false, 32},
		"repeated-page":                  {false, 10},
		"empty-page":                     {false, 10},
		"short-page=4":                   {true, 32},
		"ignore-filter":                  {true, 32},
		"server-error=503,count=2":       {true, 32},
		"drop-before-commit,after=1":     {true, 32},
		"html-200,after=1,count=always":  {false, 10},
		"truncated-json,count=always":    {false, 0},
		"unauthorized,after=2":           {false, 20},
		"endless-body,after=1,count=9":   {false, 10},
		"redirect,after=1,count=always":  {false, 10},
		"empty-object,after=1,count=100": {false, 10},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "v2", func(_ *slackemulator.Options, o *slack.Options) { o.Quirks.UsersPage = 10 })
			s.people(30)
			f, err := slackemulator.ParseFault(fault)
			if err != nil {
				t.Fatal(err)
			}
			s.em.Inject(f)
			ids, err := s.all(directory.KindUser)
			if len(ids) != want.seen || (err == nil) != want.complete {
				t.Errorf("%d people, %v", len(ids), err)
			}
			var e *connector.Error
			if err != nil && !errors.Is(err, connector.ErrIncomplete) && !errors.As(err, &e) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestWalkOfGroups asks for fewer groups when a page of them is larger than is read.
func TestWalkOfGroups(t *testing.T) {
	t.Parallel()
	const groups, pad = 24, 1 << 20
	sizes := []string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, _ := strconv.Atoi(r.URL.Query().Get("startIndex"))
		count, _ := strconv.Atoi(r.URL.Query().Get("count"))
		sizes = append(sizes, r.URL.Query().Get("count"))
		var list []any
		for i := start; i < start+count && i <= groups; i++ {
			list = append(list, map[string]any{"id": fmt.Sprintf("S%d", i), "displayName": "g", "members": []any{map[string]any{"value": "U1", "display": strings.Repeat("x", pad)}}})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"totalResults": groups, "Resources": list})
	}))
	t.Cleanup(server.Close)
	c, err := slack.New(slack.Options{
		Connection: provision.Connection{Endpoint: server.URL + "/scim/v2/"}, Token: wireToken, Groups: []string{"displayName"},
		Quirks: slack.Quirks{GroupsPage: 20, UsersPage: 20, MemberBatch: 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for a, err := range c.Read(t.Context(), connector.Query{Kind: directory.KindGroup, Members: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; len(a.Members) != 1 || !a.MembersKnown {
			t.Errorf("%+v", a)
		}
	}
	if n != groups || strings.Join(sizes, " ") != "20 5 5 5 5 5" {
		t.Errorf("%d groups by pages of %v", n, sizes)
	}
}

// TestSearchPassedOver: where filters are passed over, people are found all the same, and nobody else is.
func TestSearchPassedOver(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		s.people(25)
		s.em.Inject(slackemulator.Fault{Name: "ignore-filter"})
		for path, value := range map[string]string{"userName": "P00017", work: "p00017@EXAMPLE.org"} {
			found := s.read(connector.Query{Kind: directory.KindUser, Path: path, Value: value})
			if len(found) != 1 || found[0].Name != "p00017" {
				t.Errorf("%s: %+v", path, found)
			}
			if found := s.read(connector.Query{Kind: directory.KindUser, Path: path, Value: "nobody"}); len(found) != 0 {
				t.Errorf("%s: nobody is %+v", path, found)
			}
		}
	})
}

// TestSearchByAnything reads all where Slack has no filter.
func TestSearchByAnything(t *testing.T) {
	t.Parallel()
	s := newStage(t, "v2")
	id := s.create("ada", map[string]any{enterprise + "employeeNumber": "4711", home: "a@home.example"}).Account.ID
	s.create("grace", nil)
	for path, value := range map[string]string{enterprise + "employeeNumber": "4711", "name.givenName": "ada", home: "A@home.example"} {
		found := s.read(connector.Query{Kind: directory.KindUser, Path: path, Value: value})
		if len(found) != 1 || found[0].ID != id {
			t.Errorf("%s: %+v", path, found)
		}
	}
}

// TestStrangeLists reads whatever stands where a list should be.
func TestStrangeLists(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"totalResults":0}`:                               "",
		`{"totalResults":0,"Resources":null}`:              "",
		`{"Resources":[]}`:                                 "",
		`{"totalResults":1,"Resources":[{"id":"U1"}]}`:     "U1",
		`{"totalResults":0,"Resources":[{"id":"U1"}]}`:     "U1",
		`{"totalResults":-5,"Resources":[{"id":"U1"}]}`:    "U1",
		`{"totalResults":2,"Resources":[{"id":"U1"},{}]}`:  "U1 incomplete",
		`{"totalResults":2,"Resources":[{"id":"U1"},"x"]}`: "U1 incomplete",
		`{"totalResults":1,"Resources":[{"id":""}]}`:       "incomplete",
		`{"totalResults":1e300,"Resources":[{"id":"U1"}]}`: "U1 incomplete",
		`{"totalResults":"1","Resources":[{"id":"U1"}]}`:   "U1",
		`{}`:          "not_scim",
		`[]`:          "not_scim",
		`"Users"`:     "not_scim",
		`{"ok":true}`: "not_scim",
		``:            "not_scim",
		`{"id":"U1"}`: "not_scim",
		`<html>`:      "not_json",
		`{"totalResults":3,"Resources":{"id":"U1"}}`:              "incomplete",
		`{"totalResults":1,"Resources":[{"id":"U1","emails":7}]}`: "U1",
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			var got []string
			for a, err := range answering(t, answer).Read(t.Context(), connector.Query{Kind: directory.KindUser}) {
				var e *connector.Error
				switch {
				case errors.Is(err, connector.ErrIncomplete):
					got = append(got, "incomplete")
				case errors.As(err, &e):
					got = append(got, e.Code)
				default:
					got = append(got, a.ID)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("got %v, want %s", got, want)
			}
		})
	}
}

// answering is a connector to a server that answers one thing, and to the second page nothing new.
func answering(t testing.TB, answer string) *slack.Connector {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	t.Cleanup(server.Close)
	users, groups := mapped(t)
	quirks, err := slack.ParseQuirks(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := slack.New(slack.Options{Connection: provision.Connection{Endpoint: server.URL + "/scim/v2/"}, Token: wireToken, Users: users, Groups: groups, Quirks: quirks})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
