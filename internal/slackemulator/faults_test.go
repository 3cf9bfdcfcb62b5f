package slackemulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/muster-id/muster/internal/slackemulator"
)

func (s *slack) inject(text string) {
	s.t.Helper()
	f, err := slackemulator.ParseFault(text)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Inject(f)
}

func TestParseFault(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want slackemulator.Fault
		bad  string // part of the complaint
	}{
		{"html-502", slackemulator.Fault{Name: "html-502"}, ""},
		{"latency=20ms", slackemulator.Fault{Name: "latency", Arg: "20ms"}, ""},
		{"rate-limited=date:30,method=post,count=5", slackemulator.Fault{Name: "rate-limited", Arg: "date:30", Method: "POST", Count: 5}, ""},
		{"drop-after-commit,path=/Users$,body=ada,after=3,count=always", slackemulator.Fault{Name: "drop-after-commit", Path: "/Users$", Body: "ada", After: 3, Count: -1}, ""},
		{"nonsense", slackemulator.Fault{}, "none of latency"},
		{"", slackemulator.Fault{}, "none of latency"},
		{"latency=soon", slackemulator.Fault{}, "duration"},
		{"html-502=1", slackemulator.Fault{}, "no argument"},
		{"server-error=200", slackemulator.Fault{}, "400 to 599"},
		{"redirect=nowhere", slackemulator.Fault{}, "absolute"},
		{"rate-limited=soon", slackemulator.Fault{}, "seconds"},
		{"deep-json=0", slackemulator.Fault{}, "from 1"},
		{"hang,often=yes", slackemulator.Fault{}, "method="},
		{"hang,count=many", slackemulator.Fault{}, "method="},
		{"hang,after=-1", slackemulator.Fault{}, "negative"},
	}
	for _, c := range cases {
		got, err := slackemulator.ParseFault(c.text)
		if c.bad != "" {
			if err == nil || !strings.Contains(err.Error(), c.bad) {
				t.Errorf("%q: error %v, want one with %q", c.text, err, c.bad)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", c.text, diff)
		}
	}
	for _, known := range slackemulator.FaultNames() {
		if _, err := slackemulator.ParseFault(known.Name); err != nil || known.Help == "" {
			t.Errorf("%s does not work with its own default: %v", known.Name, err)
		}
	}
}

// TestFaults creates a person under each fault that acts once: what the client gets, and whether
// the work was done behind its back.
func TestFaults(t *testing.T) {
	t.Parallel()
	cases := []struct {
		fault     string
		committed bool
		dropped   bool
		status    int
		code      string
		check     func(*testing.T, answer)
	}{
		{"drop-before-commit", false, true, 0, "", nil},
		{"server-error", false, false, 500, "internal_error", nil},
		{"server-error=503", false, false, 503, "internal_error", nil},
		{"invited-user-not-created", false, false, 400, "invited_user_not_created", nil},
		{"html-502", false, false, 502, "", isHTML},
		{"html-200", false, false, 200, "", isHTML},
		{"rate-limited", false, false, 429, "too_many_requests", retryAfter("1")},
		{"rate-limited=30", false, false, 429, "too_many_requests", retryAfter("30")},
		{"rate-limited=none", false, false, 429, "too_many_requests", retryAfter("")},
		{"rate-limited=date:90", false, false, 429, "too_many_requests", retryAfter("Wed, 01 Apr 2026 12:01:30 GMT")},
		{"redirect=https://evil.example/", false, false, 307, "", func(t *testing.T, a answer) {
			equal(t, "Location", a.header.Get("Location"), "https://evil.example/scim/v2/Users?x=1")
		}},
		{"drop-after-commit", true, true, 0, "", nil},
		{"error-after-commit", true, false, 500, "", nil},
		{"error-after-commit=504", true, false, 504, "", nil},
		{"empty-body", true, false, 201, "", bodyIs("")},
		{"empty-object", true, false, 201, "", bodyIs("{}")},
		{"truncated-json", true, false, 201, "", func(t *testing.T, a answer) {
			if a.json != nil || !strings.HasPrefix(a.body, `{"schemas"`) {
				t.Errorf("body %q", a.body)
			}
		}},
		{"cut-body", true, true, 0, "", nil},
		{"deep-json=2000", true, false, 201, "", func(t *testing.T, a answer) { equal(t, "depth", strings.Count(a.body, "{"), 2000) }},
		{"huge-body=3", true, false, 201, "", func(t *testing.T, a answer) {
			if len(a.body) < 3<<20 || len(a.json) != 1 {
				t.Errorf("%d bytes", len(a.body))
			}
		}},
		{"discard-write", false, false, 201, "", func(t *testing.T, a answer) { equal(t, "claimed", a.json["userName"], "ada") }},
		{"ignore-attribute", true, false, 201, "", func(t *testing.T, a answer) { equal(t, "title", a.json["title"], "") }},
		{"pretend-attribute=name.givenName", true, false, 201, "", func(t *testing.T, a answer) { equal(t, "given", a.at("name", "givenName"), "Ada") }},
	}
	for _, c := range cases {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			clock := newWatch()
			s := start(t, slackemulator.Options{Clock: clock.time})
			s.inject(c.fault)
			a, err := s.try("POST", "/scim/v2/Users?x=1", person("ada", m{"title": "Countess"}))
			if (err != nil) != c.dropped {
				t.Fatalf("error %v, want dropped %v", err, c.dropped)
			}
			if !c.dropped {
				a.t = t
				a.want(c.status, c.code)
				if c.check != nil {
					c.check(t, a)
				}
			}
			if _, there := s.User("ada"); there != c.committed {
				t.Errorf("committed %v, want %v", there, c.committed)
			}
			hit := s.Log()[0].Faults
			if len(hit) != 1 || !strings.HasPrefix(c.fault, hit[0]) {
				t.Errorf("the log names faults %v", hit)
			}
			if strings.HasSuffix(c.fault, "-attribute") || strings.Contains(c.fault, "-attribute=") {
				return // they stay
			}
			// It was for once: the next request is served well.
			s.do("GET", "/scim/v2/Users", nil).want(200, "")
			equal(t, "active", len(s.ActiveFaults()), 0)
		})
	}
}

func isHTML(t *testing.T, a answer) {
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, "<html>") {
		t.Errorf("no HTML: %s", a.body)
	}
}

func retryAfter(want string) func(*testing.T, answer) {
	return func(t *testing.T, a answer) { equal(t, "Retry-After", a.header.Get("Retry-After"), want) }
}

func bodyIs(want string) func(*testing.T, answer) {
	return func(t *testing.T, a answer) { equal(t, "body", a.body, want) }
}

func TestFaultsThatHang(t *testing.T) {
	t.Parallel()
	for fault, committed := range map[string]bool{"hang": false, "hang-after-commit": true} {
		s := start(t, slackemulator.Options{})
		s.inject(fault)
		ctx, cancel := context.WithCancel(t.Context())
		request, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/scim/v2/Users", strings.NewReader(`{"schemas":["x"],"userName":"ada","emails":["ada@x.org"]}`))
		request.Header.Set("Authorization", "Bearer "+s.token)
		done := make(chan error, 1)
		go func() { _, err := s.send(request); done <- err }()
		if committed {
			for there := false; !there; _, there = s.User("ada") {
				runtime.Gosched()
			}
		} else {
			for len(s.ActiveFaults()) > 0 {
				runtime.Gosched()
			}
		}
		select {
		case err := <-done:
			t.Errorf("%s: answered (%v) before the client gave up", fault, err)
		default:
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", fault, err)
		}
		if _, there := s.User("ada"); there != committed {
			t.Errorf("%s: committed %v", fault, there)
		}
	}
}

func TestEndlessBody(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	s.inject("endless-body")
	request, _ := http.NewRequestWithContext(t.Context(), "GET", s.url+"/scim/v2/Users", nil)
	request.Header.Set("Authorization", "Bearer "+s.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if n, err := io.CopyN(io.Discard, response.Body, 20<<20); err != nil {
		t.Errorf("it ended after %d bytes: %v", n, err)
	}
}

func TestFaultsThatStay(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	ada := s.add("ada", m{"title": "Countess"})
	team := s.group("Team", ada)
	user, group := "/scim/v2/Users/"+ada, "/scim/v2/Groups/"+team
	title := func(value string) m { return ops(op("replace", "title", value)) }

	s.inject("group-patch-500")
	for range 3 {
		s.do("PATCH", group, ops(op("replace", "displayName", "New"))).want(500, "internal_error")
	}
	s.do("PUT", group, m{"schemas": l{groupV2}, "displayName": "New"}).want(200, "")
	s.do("PATCH", user, title("Lady")).want(200, "")
	s.ClearFaults("group-patch-500")
	s.do("PATCH", group, ops(op("replace", "displayName", "Newer"))).want(200, "")

	s.inject("stale-read,count=2")
	equal(t, "stale person", s.do("GET", user, nil).json["title"], "Countess")
	equal(t, "stale group", s.do("GET", group, nil).json["displayName"], "New")
	equal(t, "fresh again", s.do("GET", user, nil).json["title"], "Lady")

	s.inject("v1-error")
	equal(t, "v1 shape on v2", s.do("GET", "/scim/v2/Users/U404", nil).want(404, "no_such_user").at("Errors", "code"), 404)
	s.ClearFaults("")

	s.inject("ignore-attribute=title")
	equal(t, "honest answer", s.do("PATCH", user, title("Queen")).want(200, "").json["title"], "Lady")
	s.ClearFaults("")
	s.inject("pretend-attribute=title")
	equal(t, "lying answer", s.do("PATCH", user, title("Queen")).want(200, "").json["title"], "Queen")
	equal(t, "the truth", s.do("GET", user, nil).json["title"], "Lady")
	s.ClearFaults("")
	s.inject("ignore-attribute=members")
	s.do("PATCH", group, ops(op("add", "members", refs(ada)))).want(200, "")
	if g, _ := s.Group(team); len(g.Members) != 0 {
		t.Error("members were kept")
	}
	s.ClearFaults("")

	s.inject("discard-write,count=2")
	equal(t, "claimed", s.do("PATCH", user, title("Queen")).want(200, "").json["title"], "Queen")
	s.do("DELETE", user, nil).want(204, "")
	equal(t, "still there", s.do("GET", user, nil).json["active"], true)

	s.inject("ignore-filter")
	equal(t, "everybody", s.do("GET", "/scim/v2/Users?filter=userName%20eq%20%22nobody%22", nil).json["totalResults"], 3)
	s.ClearFaults("")

	s.inject("unauthorized")
	s.do("GET", user, nil).want(401, "invalid_authentication")
	equal(t, "auth.test", s.do("POST", "/api/auth.test", nil).json["error"], "invalid_auth")
	s.ClearFaults("")
	s.inject("unsupported-version")
	s.do("GET", user, nil).want(400, "unsupported_version")
	s.do("GET", "/scim/v1/Users/"+ada, nil).want(200, "")
}

func TestIgnoredAttributesOnPut(t *testing.T) {
	t.Parallel()
	before := m{
		"title": "Countess", "emails": l{"ada@example.org", "two@example.org"}, "phoneNumbers": l{m{"value": "1"}, m{"type": "work", "value": "2"}},
		enterpriseV2: m{"department": "R&D", "manager": m{"managerId": "slackbot"}}, profileV2: m{"startDate": "2024-04-10"}, "schemas": l{userV2, profileV2},
	}
	for _, attribute := range []string{
		"title", "name", "name.givenName", "userName", "active", "emails", "phoneNumbers", "enterprise", "enterprise.department",
		"enterprise.manager", "profile.startDate",
	} {
		s := start(t, slackemulator.Options{})
		path := "/scim/v2/Users/" + s.add("ada", before)
		was := s.do("GET", path, nil).json
		s.inject("ignore-attribute=" + attribute)
		now := s.do("PUT", path, person("other", m{"title": "Lady", "active": false, "phoneNumbers": l{"9"}})).want(200, "").json
		top, sub, _ := strings.Cut(attribute, ".")
		at := []any{map[string]string{"enterprise": enterpriseV2, "profile": profileV2}[top]}
		if at[0] == "" {
			at[0] = top
		}
		if sub != "" {
			at = append(at, sub)
		}
		equal(t, attribute, walk(now, at...), walk(was, at...))
		if attribute != "title" {
			equal(t, attribute+" alone", now["title"], "Lady")
		}
	}
	for attribute, member := range map[string]string{"members": "members", "displayName": "displayName"} {
		s := start(t, slackemulator.Options{})
		ada := s.add("ada", nil)
		path := "/scim/v2/Groups/" + s.group("Team", ada)
		was := s.do("GET", path, nil).json
		s.inject("ignore-attribute=" + attribute)
		now := s.do("PUT", path, m{"schemas": l{groupV2}, "displayName": "Crew"}).want(200, "").json
		equal(t, attribute, now[member], was[member])
	}
}

func TestPagingFaults(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	for _, name := range []string{"a1", "b1", "c1", "d1"} {
		s.add(name, nil)
	}
	ids := func(a answer) (out []any) {
		for _, r := range a.json["Resources"].(l) {
			out = append(out, walk(r, "id"))
		}
		return out
	}
	first, second := s.do("GET", "/scim/v2/Users?count=2", nil), s.do("GET", "/scim/v2/Users?count=2&startIndex=3", nil)

	s.inject("total-too-big=5")
	equal(t, "total", s.do("GET", "/scim/v2/Users?count=2", nil).json["totalResults"], 11)
	s.ClearFaults("")
	s.inject("repeated-page")
	equal(t, "repeated", ids(s.do("GET", "/scim/v2/Users?count=2&startIndex=3", nil)), ids(first))
	s.ClearFaults("")
	s.inject("empty-page")
	equal(t, "the first page is whole", ids(s.do("GET", "/scim/v2/Users?count=2", nil)), ids(first))
	equal(t, "empty", len(ids(s.do("GET", "/scim/v2/Users?count=2&startIndex=3", nil))), 0)
	equal(t, "once", ids(s.do("GET", "/scim/v2/Users?count=2&startIndex=3", nil)), ids(second))
	s.inject("short-page=1")
	equal(t, "short", len(ids(s.do("GET", "/scim/v2/Users?count=5", nil))), 1)
}

func TestFaultMatchers(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	s.inject("server-error,method=POST,path=/Users$,body=bob,after=1,count=1")
	s.add("ada", nil)
	s.do("POST", "/scim/v2/Users", person("bob", nil)).want(201, "") // the first one passes
	s.do("GET", "/scim/v2/Users", nil).want(200, "")
	s.do("POST", "/scim/v2/Users", person("bob2", nil)).want(500, "internal_error")
	s.do("POST", "/scim/v2/Users", person("bob3", nil)).want(201, "")

	// A latency beside another fault: both work.
	s.inject("latency=1ms,method=PUT")
	s.inject("html-502,method=PUT")
	began := time.Now()
	s.do("PUT", "/scim/v2/Users/U1", person("x", nil)).want(502, "")
	if took := time.Since(began); took < time.Millisecond {
		t.Errorf("took %v", took)
	}
	equal(t, "faults", s.Log()[0].Faults, []string{"latency", "html-502"})
}
