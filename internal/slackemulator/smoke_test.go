package slackemulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/slackemulator"
)

func TestSmoke(t *testing.T) {
	e := slackemulator.New(slackemulator.Options{})
	s := httptest.NewServer(e)
	defer s.Close()
	do := func(method, path, body string) (int, string) {
		req, _ := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+slackemulator.DefaultToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	st, b := do("POST", "/scim/v2/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"Ada@x.org","emails":[{"value":"ada@x.org","primary":true}],"phoneNumbers":[{"type":"mobile","value":"1"},{"type":"work","value":"2"}]}`)
	t.Log(st, b)
	var u struct{ ID string }
	json.Unmarshal([]byte(b), &u)
	t.Log(do("POST", "/scim/v2/Users", `{"schemas":["x"],"userName":"Ada2","emails":[{"value":"ada@x.org","primary":true}]}`))
	t.Log(do("POST", "/scim/v1/Groups", `{"schemas":["x"],"displayName":"Eng","members":[{"value":"`+u.ID+`"}]}`))
	t.Log(do("GET", "/scim/v1/Users?filter=userName+eq+%22ADA%22", ""))
	t.Log(do("PATCH", "/scim/v2/Users/"+u.ID, `{"schemas":["x"],"Operations":[{"op":"Replace","value":{"title":"Boss","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"R"}}]}`))
	t.Log(do("DELETE", "/scim/v2/Users/"+u.ID, ``))
	t.Log(do("GET", "/scim/v2/Users", ""))
	t.Log(do("POST", "/api/auth.test", ""))
	t.Log(e.Requests())
}
