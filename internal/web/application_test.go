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
