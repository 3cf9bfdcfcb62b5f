package slackemulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/slackemulator"
)

// full is an emulator with that many people in it and one group that holds up to 10,000 of them.
func full(b *testing.B, people int) (*slackemulator.Emulator, []string, string) {
	b.Helper()
	e := slackemulator.New(slackemulator.Options{LimitsOff: true, Plan: slackemulator.PlanEnterprise})
	ids := make([]string, 0, people)
	for i := range people {
		u, err := e.AddUser(slackemulator.User{UserName: fmt.Sprintf("p%d", i), Email: fmt.Sprintf("p%d@example.org", i), Active: true})
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	g, err := e.AddGroup(slackemulator.Group{DisplayName: "All", Members: ids[:min(people-1, 10000)]})
	if err != nil {
		b.Fatal(err)
	}
	return e, ids, g.ID
}

func hit(b *testing.B, e *slackemulator.Emulator, method, path, body string, want int) {
	b.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+slackemulator.DefaultToken)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Code != want {
		b.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
}

// The cost of a request must not grow with the workspace: compare 1,000 with 20,000 people.
func BenchmarkRequests(b *testing.B) {
	for _, people := range []int{1000, 20000} {
		e, ids, _ := full(b, people)
		n := 0
		for _, c := range []struct {
			name string
			do   func(b *testing.B)
		}{
			{"create", func(b *testing.B) {
				n++
				hit(b, e, http.MethodPost, "/scim/v2/Users", fmt.Sprintf(`{"schemas":["x"],"userName":"n%d","emails":["n%d@example.org"]}`, n, n), 201)
			}},
			{"patch", func(b *testing.B) {
				n++
				hit(b, e, http.MethodPatch, "/scim/v2/Users/"+ids[n%people], fmt.Sprintf(`{"schemas":["x"],"Operations":[{"op":"replace","path":"title","value":"%d"}]}`, n), 200)
			}},
			{"filter", func(b *testing.B) {
				hit(b, e, http.MethodGet, "/scim/v2/Users?filter=userName%20eq%20%22p7%22", "", 200)
			}},
			{"filter or", func(b *testing.B) {
				hit(b, e, http.MethodGet, "/scim/v2/Users?filter=userName%20eq%20%22p7%22%20or%20email%20eq%20%22p8@example.org%22", "", 200)
			}},
			{"get", func(b *testing.B) { n++; hit(b, e, http.MethodGet, "/scim/v2/Users/"+ids[n%people], "", 200) }},
			{"last page", func(b *testing.B) {
				hit(b, e, http.MethodGet, fmt.Sprintf("/scim/v2/Users?count=100&startIndex=%d", people-100), "", 200)
			}},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, people), func(b *testing.B) {
				for b.Loop() {
					c.do(b)
				}
			})
		}
	}
}

func BenchmarkAddMemberToGroupOf10000(b *testing.B) {
	e, ids, group := full(b, 10001)
	last := ids[10000]
	add := fmt.Sprintf(`{"schemas":["x"],"Operations":[{"op":"add","path":"members","value":[{"value":%q}]}]}`, last)
	remove := fmt.Sprintf(`{"schemas":["x"],"Operations":[{"op":"remove","path":"members","value":[{"value":%q}]}]}`, last)
	e.ChangePolicies(func(p *slackemulator.Policies) { p.GroupPatch = "empty" })
	for b.Loop() {
		hit(b, e, http.MethodPatch, "/scim/v2/Groups/"+group, add, 204)
		hit(b, e, http.MethodPatch, "/scim/v2/Groups/"+group, remove, 204)
	}
}
