package web_test

import (
	"net/http"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	h := open(t)
	made := h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada@example.org","attributes":{"title":"Analyst","name.givenName":"Ada"}}`).want(t, 201)
	if made.doc["title"] != "Analyst" || made.header.Get("ETag") == "" {
		t.Errorf("made %s with version %s", made.text, made.header.Get("ETag"))
	}
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada@example.org"}`).want(t, 409, "exists")
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"x","attributes":{"titel":"?"}}`).want(t, 422, "invalid")
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"y","titel":"x"}`).want(t, 422, "usage")
	h.as(admin.Reader, http.MethodGet, "/api/v1/users/nobody", "").want(t, 404, "not_found")
	h.as(admin.Reader, http.MethodGet, "/api/v1/nowhere", "").want(t, 404, "not_found")
	if r := h.as(admin.Reader, http.MethodPut, "/api/v1/users", "").want(t, 405, "method_not_allowed"); r.header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow: %s", r.header.Get("Allow"))
	}
	entries, err := h.store.AuditLog(t.Context(), store.AuditQuery{Limit: 1})
	if err != nil || len(entries) != 1 || entries[0].Actor != "the admin (admin)" || entries[0].Via != "api" {
		t.Errorf("the audit log has %v, %v", entries, err)
	}
}

// Who was deleted is found in a list of their own.
func TestDeletedUsersAreListed(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, name := range []string{"ada", "bob"} {
		h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"`+name+`"}`).want(t, 201)
	}
	gone := h.as(admin.Reader, http.MethodGet, "/api/v1/users/ada", "").doc["id"]
	h.as(admin.Admin, http.MethodDelete, "/api/v1/users/ada", "").want(t, 200)
	for query, want := range map[string]int{"": 1, "?deleted=true": 1, "?deleted=true&search=ada": 1, "?deleted=true&search=bob": 0, "?deleted=true&active=true": 1, "?deleted=true&active=false": 0} {
		users := h.as(admin.Reader, http.MethodGet, "/api/v1/users"+query, "").want(t, 200).doc["users"].([]any)
		if len(users) != want || query == "?deleted=true" && users[0].(map[string]any)["id"] != gone {
			t.Errorf("%q lists %v, want %d", query, users, want)
		}
	}
	h.as(admin.Reader, http.MethodGet, "/api/v1/users?deleted=perhaps", "").want(t, 422, "usage")
}

// Two administrators who have read the same version do not overwrite each other.
func TestSecondEditOfOneVersionIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t)
	read := h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada"}`).want(t, 201).header.Get("ETag")
	edit := func(title string) string { return `{"attributes":{"title":"` + title + `"}}` }
	second := h.as(admin.Admin, http.MethodPatch, "/api/v1/users/ada", edit("First"), "If-Match", read).want(t, 200).header.Get("ETag")
	h.as(admin.Admin, http.MethodPatch, "/api/v1/users/ada", edit("Second"), "If-Match", read).want(t, 412, "changed")
	if title := h.as(admin.Reader, http.MethodGet, "/api/v1/users/ada", "").doc["title"]; title != "First" {
		t.Errorf("the title is %v", title)
	}
	h.as(admin.Admin, http.MethodPatch, "/api/v1/users/ada", edit("Third"), "If-Match", second).want(t, 200)
	h.as(admin.Admin, http.MethodPatch, "/api/v1/users/ada", edit("Fourth")).want(t, 200)
}
