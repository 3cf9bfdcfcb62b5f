package interop_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/muster-id/muster/internal/interop"
)

// client speaks SCIM as plainly as possible: what is tested here is the servers, so nothing of Muster's takes part.
type client struct {
	t               *testing.T
	endpoint, token string
}

// object is any SCIM resource or message.
type object = map[string]any

// do sends one request, checks the status and returns the answer, nil when it has no body.
func (c client) do(method, path string, body object, wantStatus int) object {
	c.t.Helper()
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			c.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.endpoint+path, bytes.NewReader(sent))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/scim+json")
	req.Header.Set("Accept", "application/scim+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got object
	if resp.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			c.t.Fatalf("%s %s: status %d, and the answer is not JSON: %v", method, path, resp.StatusCode, err)
		}
	}
	if resp.StatusCode != wantStatus {
		c.t.Fatalf("%s %s: status %d, want %d: %v", method, path, resp.StatusCode, wantStatus, got)
	}
	return got
}

func ada() object {
	return object{
		"schemas": []string{
			"urn:ietf:params:scim:schemas:core:2.0:User",
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
		},
		"userName": "ada@example.org",
		"name":     object{"givenName": "Ada", "familyName": "Lovelace"},
		"emails":   []object{{"value": "ada@example.org", "type": "work", "primary": true}},
		"active":   true,
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": object{"department": "Engines"},
	}
}

func patch(operation object) object {
	return object{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": []object{operation},
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	servers := map[string]func(testing.TB) (string, string){
		"SCIMMY":     interop.SCIMMY,
		"BetterAuth": interop.BetterAuth,
	}
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint, token := server(t)
			c := client{t, endpoint, token}
			stranger := client{t, endpoint, "not-" + token}
			stranger.do("GET", "/Users", nil, http.StatusUnauthorized)

			created := c.do("POST", "/Users", ada(), http.StatusCreated)
			id, _ := created["id"].(string)
			if id == "" {
				t.Fatalf("the created user has no id: %v", created)
			}
			if e, _ := created["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].(object); e["department"] != "Engines" {
				t.Errorf("the enterprise extension was not kept: %v", created)
			}
			refused := c.do("POST", "/Users", ada(), http.StatusConflict)
			if refused["scimType"] != "uniqueness" {
				t.Errorf("a second user of that name is refused with %v, want scimType uniqueness", refused)
			}

			filter := "?filter=" + url.QueryEscape(`userName eq "ada@example.org"`)
			if found := c.do("GET", "/Users"+filter, nil, http.StatusOK); found["totalResults"] != 1.0 {
				t.Errorf("the filter finds %v users, want 1", found["totalResults"])
			}

			title := patch(object{"op": "replace", "path": "title", "value": "Countess"})
			c.do("PATCH", "/Users/"+id, title, http.StatusOK)
			if got := c.do("GET", "/Users/"+id, nil, http.StatusOK); got["title"] != "Countess" {
				t.Errorf("title is %v after the PATCH, want Countess", got["title"])
			}

			group := c.do("POST", "/Groups", object{
				"schemas":     []string{"urn:ietf:params:scim:schemas:core:2.0:Group"},
				"displayName": "Engineering",
				"members":     []object{{"value": id}},
			}, http.StatusCreated)
			at := "/Groups/" + group["id"].(string)
			if members, _ := group["members"].([]any); len(members) != 1 {
				t.Errorf("the group was created with %d members, want 1: %v", len(members), group)
			}
			c.do("PATCH", at, patch(object{"op": "remove", "path": `members[value eq "` + id + `"]`}), http.StatusOK)
			if members, _ := c.do("GET", at, nil, http.StatusOK)["members"].([]any); len(members) != 0 {
				t.Errorf("the group has %d members after the removal, want none", len(members))
			}

			c.do("DELETE", at, nil, http.StatusNoContent)
			c.do("DELETE", "/Users/"+id, nil, http.StatusNoContent)
			c.do("GET", "/Users/"+id, nil, http.StatusNotFound)
		})
	}
}

func TestSCIMMYRefusesMembersThatDoNotExist(t *testing.T) {
	t.Parallel()
	endpoint, token := interop.SCIMMY(t)
	refused := client{t, endpoint, token}.do("POST", "/Groups", object{
		"schemas":     []string{"urn:ietf:params:scim:schemas:core:2.0:Group"},
		"displayName": "Engineering",
		"members":     []object{{"value": "nobody"}},
	}, http.StatusBadRequest)
	if refused["scimType"] != "invalidValue" {
		t.Errorf("refused with %v, want scimType invalidValue", refused)
	}
}

func TestSCIMMYAnswers204WhenAPatchChangesNothing(t *testing.T) {
	t.Parallel()
	endpoint, token := interop.SCIMMY(t)
	c := client{t, endpoint, token}
	id := c.do("POST", "/Users", ada(), http.StatusCreated)["id"].(string)
	c.do("PATCH", "/Users/"+id, patch(object{"op": "replace", "path": "active", "value": true}), http.StatusNoContent)
}
