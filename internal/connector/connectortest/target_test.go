package connectortest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// ask sends one request to a target as plainly as can be, and returns status and body.
func ask(t *testing.T, endpoint, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, endpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+Token)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, err.Error()
	}
	return res.StatusCode, string(b)
}

const patchOp = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[%]}`

// TestRFCExamples has the target answer the examples of RFC 7644 §3 as the RFC says: it judges clients, so
// it is judged itself.
func TestRFCExamples(t *testing.T) {
	t.Parallel()
	babs := map[string]any{
		"userName": "bjensen", "title": "Tour Guide",
		"emails":    []any{map[string]any{"type": "work", "value": "b@example.com", "primary": true}, map[string]any{"type": "home", "value": "b@home.org"}},
		"addresses": []any{map[string]any{"type": "work", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood"}},
	}
	for name, c := range map[string]struct {
		op     string
		status int
		want   string // in the resource, flat JSON
		not    string
	}{
		"add without a path":           {`{"op":"add","value":{"emails":[{"value":"babs@jensen.org","type":"other"}],"nickname":"Babs"}}`, 200, `"nickname":"Babs"`, ""},
		"add keeps what is there":      {`{"op":"add","path":"emails","value":[{"value":"x@y","type":"other"}]}`, 200, `"b@home.org"`, ""},
		"remove a value":               {`{"op":"remove","path":"emails[type eq \"work\" and value eq \"b@example.com\"]"}`, 200, `"b@home.org"`, "b@example.com"},
		"remove all values":            {`{"op":"remove","path":"emails"}`, 200, `"bjensen"`, "b@home.org"},
		"replace all values":           {`{"op":"replace","path":"emails","value":[{"value":"new@x","type":"work"}]}`, 200, `"new@x"`, "b@home.org"},
		"replace a value":              {`{"op":"replace","path":"addresses[type eq \"work\"]","value":{"locality":"Rome"}}`, 200, `"locality":"Rome"`, "Hollywood"},
		"replace a part of it":         {`{"op":"replace","path":"addresses[type eq \"work\"].streetAddress","value":"1010 Broadway Ave"}`, 200, `"1010 Broadway Ave"`, "Universal"},
		"replace what is not there":    {`{"op":"replace","path":"addresses[type eq \"home\"].locality","value":"x"}`, 400, "", ""},
		"remove without a path":        {`{"op":"remove"}`, 400, "", ""},
		"an operation nobody knows":    {`{"op":"move","path":"title"}`, 400, "", ""},
		"operations in capitals":       {`{"op":"Replace","path":"title","value":"Chief"}`, 200, `"title":"Chief"`, "Tour"},
		"an extension by its path":     {`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"R&D"}`, 200, `:User":{"department":"R\u0026D"}`, ""},
		"a bad one undoes a good one":  {`{"op":"replace","path":"title","value":"Chief"},{"op":"remove"}`, 400, `"Tour Guide"`, "Chief"},
		"a name without case":          {`{"op":"replace","path":"TITLE","value":"Chief"}`, 200, `"title":"Chief"`, "Tour"},
		"a sub-attribute that is new":  {`{"op":"replace","path":"name.givenName","value":"Barbara"}`, 200, `"name":{"givenName":"Barbara"}`, ""},
		"a reference within extension": {`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value","value":"U1"}`, 200, `"manager":{"value":"U1"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, endpoint := Serve(t, Behaviour{})
			id := target.AddUser(babs)
			status, body := ask(t, endpoint, "PATCH", "Users/"+id, strings.Replace(patchOp, "%", c.op, 1))
			if status != c.status {
				t.Fatalf("%d %s, want %d", status, body, c.status)
			}
			kept, _ := json.Marshal(target.User(id))
			if !strings.Contains(string(kept), c.want) || c.not != "" && strings.Contains(string(kept), c.not) {
				t.Errorf("it keeps %s", kept)
			}
		})
	}
}

// TestFaults checks that each fault does to a request what it says, and to so many.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  Fault
		status int // 0 for no answer
		body   string
		there  bool // the user was created
	}{
		"dropped before": {Fault{Drop: BeforeWrite}, 0, "", false},
		"dropped after":  {Fault{Drop: AfterWrite}, 0, "", true},
		"status":         {Fault{Status: 500}, 500, "told to fail", false},
		"committed":      {Fault{Status: 500, Committed: true}, 500, "", true},
		"a body":         {Fault{Body: "<html>"}, 200, "<html>", false},
		"truncated":      {Fault{Truncate: true}, 201, `"`, true},
		"deep":           {Fault{Deep: 100}, 200, strings.Repeat(`{"a":`, 100), false},
		"after one":      {Fault{After: 1, Status: 500}, 201, "", true},
		"another path":   {Fault{Path: "Groups", Status: 500}, 201, "", true},
		"another method": {Fault{Method: "GET", Status: 500}, 201, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, endpoint := Serve(t, Behaviour{})
			target.Fail(c.fault)
			status, body := ask(t, endpoint, "POST", "Users", `{"userName":"ada"}`)
			if status != c.status || c.status != 0 && !strings.Contains(body, c.body) {
				t.Errorf("%d %.80s", status, body)
			}
			if (target.UserID("ada") != "") != c.there {
				t.Errorf("the user is there: %v", !c.there)
			}
			if c.fault.After == 0 && c.fault.Path == "" && c.fault.Method == "" {
				if status, body := ask(t, endpoint, "GET", "Users?count=1", ""); status != 200 {
					t.Errorf("the next request: %d %s", status, body)
				}
			}
			if n := target.Count("POST", "Users"); n != 1 || len(target.Log()) == 0 {
				t.Errorf("%d requests counted", n)
			}
		})
	}
}
