package slackemulator_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/slackemulator"
)

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

// drain sends requests until one is refused and says how many got through.
func drain(t *testing.T, most int, send func(i int) answer) (passed int, refused answer) {
	t.Helper()
	for i := range most {
		a := send(i)
		if a.status == http.StatusTooManyRequests {
			return i, a
		}
	}
	t.Fatalf("nothing was refused in %d requests", most)
	return 0, answer{}
}

func TestLimitBursts(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		burst int
		send  func(s *slack, user, group string, i int) answer
	}{
		{"create user", 20, func(s *slack, _, _ string, i int) answer {
			return s.do("POST", "/scim/v2/Users", person(fmt.Sprintf("n%d", i), nil))
		}},
		{"update user, PUT and PATCH, v1 and v2", 20, func(s *slack, user, _ string, i int) answer {
			switch i % 3 {
			case 0:
				return s.do("PATCH", "/scim/v2/Users/"+user, ops(op("replace", "title", "x")))
			case 1:
				return s.do("PATCH", "/scim/v1/Users/"+user, m{"schemas": l{coreV1}, "title": "y"})
			}
			return s.do("PUT", "/scim/v2/Users/"+user, person("ada", m{"active": true}))
		}},
		{"delete user", 20, func(s *slack, user, _ string, _ int) answer { return s.do("DELETE", "/scim/v2/Users/"+user, nil) }},
		{"get user", 300, func(s *slack, user, _ string, _ int) answer { return s.do("GET", "/scim/v2/Users/"+user, nil) }},
		{"list users", 1000, func(s *slack, _, _ string, _ int) answer { return s.do("GET", "/scim/v1/Users?count=1", nil) }},
		{"create group", 20, func(s *slack, _, _ string, i int) answer {
			return s.do("POST", "/scim/v1/Groups", m{"schemas": l{coreV1}, "displayName": fmt.Sprint(i)})
		}},
		{"update group", 80, func(s *slack, _, group string, i int) answer {
			return s.do("PATCH", "/scim/v2/Groups/"+group, ops(op("replace", "displayName", fmt.Sprint(i))))
		}},
		{"delete group", 20, func(s *slack, _, group string, i int) answer {
			return s.do("DELETE", fmt.Sprintf("/scim/v2/Groups/S%d", i), nil) // a missing one counts as well
		}},
		{"get group", 300, func(s *slack, _, group string, _ int) answer { return s.do("GET", "/scim/v2/Groups/"+group, nil) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clock := newWatch()
			s := start(t, slackemulator.Options{Clock: clock.time, Tokens: []slackemulator.Token{{Value: slackemulator.DefaultToken}, {Value: "xoxp-second"}}})
			user, err := s.AddUser(slackemulator.User{UserName: "ada", Email: "ada@example.org", Active: true})
			if err != nil {
				t.Fatal(err)
			}
			group, err := s.AddGroup(slackemulator.Group{DisplayName: "Team"})
			if err != nil {
				t.Fatal(err)
			}
			passed, refused := drain(t, c.burst+1, func(i int) answer {
				s.token = []string{slackemulator.DefaultToken, "xoxp-second"}[i%2] // tokens share the limits
				return c.send(s, user.ID, group.ID, i)
			})
			equal(t, "passed", passed, c.burst)
			refused.want(429, "too_many_requests")
			equal(t, "Retry-After", refused.header.Get("Retry-After"), "1")
			// After the wait that it names, it works.
			clock.pass(time.Second)
			if a := c.send(s, user.ID, group.ID, 10000); a.status == 429 {
				t.Error("still refused after Retry-After")
			}
		})
	}
}

func TestLimitPoolsAndRefill(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	s := start(t, slackemulator.Options{Clock: clock.time})
	// Writes of all kinds share one pool of 180: 20 POST and 20 DELETE of each resource, 80 group
	// updates and 20 user updates are exactly that.
	user, err := s.AddUser(slackemulator.User{UserName: "ada", Email: "ada@example.org", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	group, err := s.AddGroup(slackemulator.Group{DisplayName: "Team"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 80 {
		s.do("PATCH", "/scim/v2/Groups/"+group.ID, ops(op("replace", "displayName", fmt.Sprint("T", i)))).want(200, "")
	}
	for i := range 20 {
		s.do("POST", "/scim/v2/Groups", m{"schemas": l{groupV2}, "displayName": fmt.Sprint("G", i)}).want(201, "")
		s.do("DELETE", "/scim/v2/Groups/S404", nil).want(404, "no_such_group")
		s.do("POST", "/scim/v2/Users", person(fmt.Sprint("u", i), nil)).want(201, "")
		s.do("PATCH", "/scim/v2/Users/"+user.ID, ops(op("replace", "title", "x"))).want(200, "")
	}
	for range 20 {
		s.do("DELETE", "/scim/v2/Users/"+user.ID, nil).want(204, "")
	}
	// 180 writes are gone. A tenth of a second gives one back to the pool (600 a minute), none to
	// the DELETE row (180 a minute: one in a third of a second).
	clock.pass(100 * time.Millisecond)
	s.do("DELETE", "/scim/v2/Users/"+user.ID, nil).want(429, "too_many_requests")
	clock.pass(234 * time.Millisecond)
	s.do("DELETE", "/scim/v2/Users/"+user.ID, nil).want(204, "")
	s.do("DELETE", "/scim/v2/Users/"+user.ID, nil).want(429, "too_many_requests")

	// In a minute of steady asking exactly the rate gets through: 180 after the burst.
	clock.pass(time.Minute)
	passed := 0
	for range 600 {
		if s.do("DELETE", "/scim/v2/Users/"+user.ID, nil).status == 204 {
			passed++
		}
		clock.pass(100 * time.Millisecond)
	}
	if passed < 199 || passed > 200 {
		t.Errorf("%d of 600 in a minute, want the burst of 20 and 180 more", passed)
	}
	// What needs no token or is refused one costs nothing.
	s.token = "dummy"
	for range 1100 {
		s.do("GET", "/scim/v2/ServiceProviderConfig", nil).want(200, "")
		s.do("GET", "/scim/v2/Users", nil).want(401, "invalid_authentication")
	}
	s.token = slackemulator.DefaultToken
	s.do("GET", "/scim/v2/Users", nil).want(200, "")
}

func TestLimitTimeScale(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	s := start(t, slackemulator.Options{Clock: clock.time, TimeScale: 60})
	send := func(i int) answer { return s.do("DELETE", fmt.Sprintf("/scim/v2/Users/U%d", i), nil) }
	passed, refused := drain(t, 21, send)
	equal(t, "passed", passed, 20)
	if n, err := strconv.Atoi(refused.header.Get("Retry-After")); err != nil || n != 1 {
		t.Errorf("Retry-After %q, want 1", refused.header.Get("Retry-After"))
	}
	clock.pass(6 * time.Millisecond) // 0.36 emulated seconds
	if send(0).status == 429 {
		t.Error("the scaled minute did not refill the bucket")
	}
	s.SetLimits(false)
	for i := range 30 {
		send(i).want(404, "no_such_user")
	}
}

func TestLimitRetryAfterRoundsUp(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	s := start(t, slackemulator.Options{Clock: clock.time, Policies: slackemulator.Policies{LockHold: slackemulator.Duration(2500 * time.Millisecond)}})
	user, err := s.AddUser(slackemulator.User{UserName: "ada", Email: "ada@example.org", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	path := "/scim/v2/Users/" + user.ID
	title := ops(op("replace", "title", "x"))
	s.do("PATCH", path, title).want(200, "")
	locked := s.do("PATCH", path, title).want(429, "resource_locked")
	equal(t, "2.5 s", locked.header.Get("Retry-After"), "3")
	s.do("GET", path, nil).want(200, "") // reads are free
	clock.pass(1600 * time.Millisecond)
	equal(t, "0.9 s", s.do("DELETE", path, nil).want(429, "resource_locked").header.Get("Retry-After"), "1")
	clock.pass(900 * time.Millisecond)
	s.do("DELETE", path, nil).want(204, "")
}

func TestOverlappingWritesAreLockedOut(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Faults: []slackemulator.Fault{{Name: "latency", Arg: "10s", Method: "PUT"}}})
	ada, bob := s.add("ada", nil), s.add("bob", nil)
	go func() { // one of the others may be there before it; once inside it is cut off at the end of the test
		for {
			if a, err := s.try("PUT", "/scim/v2/Users/"+ada, person("ada", m{"active": true})); err != nil || a.status != 429 {
				return
			}
		}
	}()
	for { // the slow write has the lock as soon as another one is refused
		a := s.do("PATCH", "/scim/v2/Users/"+ada, ops(op("replace", "title", "x")))
		if a.status == 429 {
			a.want(429, "resource_locked")
			equal(t, "Retry-After", a.header.Get("Retry-After"), "1")
			break
		}
	}
	s.do("PATCH", "/scim/v2/Users/"+bob, ops(op("replace", "title", "x"))).want(200, "")
	s.do("GET", "/scim/v2/Users/"+ada, nil).want(200, "")
}
