package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector/connectortest"
)

// What is read of an application can be sent back: nothing changes. Whoever has read an older version
// is refused, and whoever says none is asked for it.
func TestReplaceApplication(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.target(t, "  provisioning: {scope: all}\n")
	const path = "/api/v1/applications/target"
	read := h.as(admin.Admin, http.MethodGet, path, "").want(t, 200)
	first := read.header.Get("ETag")
	h.as(admin.Admin, http.MethodPut, path, read.text).want(t, 428, "condition_missing")
	same := h.as(admin.Admin, http.MethodPut, path, read.text, "If-Match", first).want(t, 200)
	if !strings.Contains(same.text, `"status":"unchanged"`) {
		t.Errorf("what was read is a change: %s", same.text)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(read.text), &doc); err != nil {
		t.Fatal(err)
	}
	doc["provisioning"].(map[string]any)["interval"] = "20m"
	edit, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	h.as(admin.Admin, http.MethodPut, path, string(edit), "If-Match", first).want(t, 200)
	h.as(admin.Admin, http.MethodPut, path, read.text, "If-Match", first).want(t, 412, "changed")
	now := h.as(admin.Reader, http.MethodGet, path, "").want(t, 200)
	if now.doc["provisioning"].(map[string]any)["interval"] != "20m" || now.header.Get("ETag") == first {
		t.Errorf("it is now %s", now.text)
	}
	h.as(admin.Admin, http.MethodPut, path, string(edit), "If-Match", "*").want(t, 200)

	// A secret that somebody gave is a change, although nobody can read it.
	before := h.as(admin.Reader, http.MethodGet, path, "").header.Get("ETag")
	doc["connection"].(map[string]any)["auth"].(map[string]any)["token"] = "another"
	secret, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	h.as(admin.Admin, http.MethodPut, path, string(secret), "If-Match", before).want(t, 200)
	h.as(admin.Admin, http.MethodPut, path, string(edit), "If-Match", before).want(t, 412, "changed")
	h.as(admin.Admin, http.MethodPut, path, `{"name":"other","template":"scim2"}`, "If-Match", "*").want(t, 422, "invalid")
	h.as(admin.Admin, http.MethodPut, "/api/v1/applications/nothere", `{"template":"scim2"}`, "If-Match", "*").want(t, 404, "not_found")
	h.as(admin.Admin, http.MethodPost, "/api/v1/applications", `{"name":"Target","template":"scim2","connection":{"endpoint":"http://127.0.0.1:1/"}}`).want(t, 409, "exists")
	h.as(admin.Admin, http.MethodPost, "/api/v1/applications", `{"name":"other","template":"scim2","connexion":{}}`).want(t, 422, "configuration")
	h.as(admin.Admin, http.MethodPost, "/api/v1/applications", `{"name":"other","template":"scim2","connection":{"endpoint":"http://127.0.0.1:1/"}}`).want(t, 201)
}

// The server resolves no variable and no file of its own, whoever asks, and shows no secret again.
func TestConfigurationKeepsItsSecrets(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.target(t, "  assignments: []\n")
	for reference, want := range map[string]string{"${PATH}": "PATH", "file:/etc/hostname": "sent along"} {
		b, err := json.Marshal(map[string]any{"files": []any{map[string]any{"name": "x.yaml", "text": `applications: [{name: x, template: scim2, connection: {endpoint: "http://127.0.0.1:1/", auth: {type: bearer, token: "` + reference + `"}}}]`}}})
		if err != nil {
			t.Fatal(err)
		}
		if r := h.as(admin.Admin, http.MethodPost, "/api/v1/config/apply", string(b)).want(t, 422, "configuration"); !strings.Contains(r.text, want) {
			t.Errorf("%s: %s", reference, r.text)
		}
	}
	for _, path := range []string{"/api/v1/config", "/api/v1/applications", "/api/v1/applications/target", "/api/v1/status", "/api/v1/audit", "/api/v1/doctor"} {
		if r := h.as(admin.Owner, http.MethodGet, path, "").want(t, 200); strings.Contains(r.text, connectortest.Token) {
			t.Errorf("%s shows the token: %s", path, r.text)
		}
	}
	// A wrong request is not echoed: its values may be secrets.
	r := h.as(admin.Admin, http.MethodPost, "/api/v1/config/apply", `{"files":[],"variables":{"TOKEN":["hush-hush"]}}`).want(t, 422, "usage")
	if strings.Contains(r.text, "hush-hush") || !strings.Contains(r.text, "body.") {
		t.Errorf("answered %s", r.text)
	}
}

// A part of an application is changed by a merge patch: the rest stays, null gives the template's value
// back, and whoever has read an older version is refused.
func TestPatchApplication(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.target(t, "  provisioning: {scope: all, interval: 20m}\n")
	const path = "/api/v1/applications/target"
	first := h.as(admin.Reader, http.MethodGet, path, "").want(t, 200)
	version := first.header.Get("ETag")
	h.as(admin.Admin, http.MethodPatch, path, `{"provisioning":{"grace":"1h"}}`).want(t, 428, "condition_missing")
	h.as(admin.Operator, http.MethodPatch, path, `{"provisioning":{"grace":"1h"}}`, "If-Match", version).want(t, 403)
	h.as(admin.Admin, http.MethodPatch, path, `{"provisioning":{"graze":"1h"}}`, "If-Match", version).want(t, 422, "configuration")
	h.as(admin.Admin, http.MethodPatch, path, `{"name":"other"}`, "If-Match", version).want(t, 422, "invalid")
	done := h.as(admin.Admin, http.MethodPatch, path, `{"provisioning":{"grace":"1h","interval":null,"filters":["user.title != \"${TITLE}\""]}}`, "If-Match", version).want(t, 200)
	now := h.as(admin.Reader, http.MethodGet, path, "").want(t, 200)
	if got := now.header.Get("ETag"); got == version || got != done.header.Get("ETag") {
		t.Errorf("the version was %s, the edit answers %s, and it is %s", version, done.header.Get("ETag"), got)
	}
	p := now.doc["provisioning"].(map[string]any)
	if p["grace"] != "1h" || p["interval"] != "10m" || p["scope"] != "all" || p["filters"].([]any)[0] != `user.title != "${TITLE}"` {
		t.Errorf("it is now %v", p)
	}
	h.as(admin.Admin, http.MethodPatch, path, `{"provisioning":{"grace":"2h"}}`, "If-Match", version).want(t, 412, "changed")
	h.as(admin.Admin, http.MethodPatch, path, `{"provisioning":{"grace":"2h"}}`, "If-Match", "*").want(t, 200)
	// What was read goes back as it is, whatever its texts look like, and moves no token to another host.
	again := h.as(admin.Reader, http.MethodGet, path, "").want(t, 200)
	if r := h.as(admin.Admin, http.MethodPut, path, again.text, "If-Match", "*").want(t, 200); !strings.Contains(r.text, `"status":"unchanged"`) {
		t.Errorf("what was read is a change: %s", r.text)
	}
	h.as(admin.Admin, http.MethodPatch, path, `{"connection":{"endpoint":"https://elsewhere.example.org/scim/v2/"}}`, "If-Match", "*").want(t, 422, "configuration")
}

// Mappings that fail the tests which are kept with them are refused by every route that declares an
// application, unless it is said that they are to be applied all the same.
func TestApplicationsObeyTheTestsOfMappings(t *testing.T) {
	t.Parallel()
	h := open(t)
	entry := func(expect string) string {
		return `{"name":"wiki","template":"scim2","connection":{"endpoint":"http://127.0.0.1:1/"},"mappings":{"users":[
			{"target":"userName","source":"userName","match":1},
			{"target":"title","expression":"user.title.upper()","tests":[{"given":{"title":"Analyst"},"expect":"` + expect + `"}]}]}}`
	}
	const path = "/api/v1/applications"
	h.as(admin.Admin, http.MethodPost, path, entry("Analyst")).want(t, 422, "mapping_tests")
	h.as(admin.Reader, http.MethodGet, path+"/wiki", "").want(t, 404)
	made := h.as(admin.Admin, http.MethodPost, path+"?ignore_tests=true", entry("Analyst"), "Idempotency-Key", "k").want(t, 201)
	read := h.as(admin.Reader, http.MethodGet, path+"/wiki", "").want(t, 200)
	if made.header.Get("ETag") != read.header.Get("ETag") || made.header.Get("Location") != path+"/"+read.doc["id"].(string) {
		t.Errorf("made with %v, and read with %v", made.header, read.header)
	}
	if again := h.as(admin.Admin, http.MethodPost, path+"?ignore_tests=true", entry("Analyst"), "Idempotency-Key", "k").want(t, 201); again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("the same request is done twice")
	}
	h.as(admin.Admin, http.MethodPut, path+"/wiki", entry("ANALYST"), "If-Match", "*").want(t, 200)
	h.as(admin.Admin, http.MethodPut, path+"/wiki", entry("analyst"), "If-Match", "*").want(t, 422, "mapping_tests")
	h.as(admin.Admin, http.MethodPut, path+"/wiki?ignore_tests=true", entry("analyst"), "If-Match", "*").want(t, 200)
	rows := `{"mappings":{"users":[{"target":"userName","source":"userName","match":1},{"target":"title","source":"title","tests":[{"given":{"title":"Analyst"},"expect":"x"}]}]}}`
	h.as(admin.Admin, http.MethodPatch, path+"/wiki", rows, "If-Match", "*").want(t, 422, "mapping_tests")
	h.as(admin.Admin, http.MethodPatch, path+"/wiki?ignore_tests=true", rows, "If-Match", "*").want(t, 200)
}
