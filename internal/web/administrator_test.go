package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/admin"
)

// Administrators over the API: the link is shown once and lets in, another role and removal end
// sessions, and the last owner stays.
func TestAdministratorsOverTheAPI(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	made := h.as(admin.Owner, http.MethodPost, "/api/v1/administrators", `{"name":"grace@example.org","role":"operator"}`).want(t, http.StatusCreated)
	_, token, _ := strings.Cut(made.doc["link"].(string), "/link/")
	b := h.browser()
	b.visit("/link/"+token, url.Values{"password": {password}, "again": {password}}).sent(t, "/")
	if r := h.as(admin.Owner, http.MethodGet, "/api/v1/administrators/grace@example.org", "").want(t, 200); strings.Contains(r.text, token) || r.doc["password"] != true {
		t.Errorf("it shows %s", r.text)
	}
	if r := h.as(admin.Owner, http.MethodGet, "/api/v1/administrators/grace@example.org/sessions", "").want(t, 200); len(r.doc["sessions"].([]any)) != 1 {
		t.Errorf("the sessions are %s", r.text)
	}
	h.as(admin.Owner, http.MethodPatch, "/api/v1/administrators/grace@example.org", `{"role":"reader"}`).want(t, 200)
	b.visit("/users", nil).sent(t, "/signin?next=%2Fusers")
	b.enter("grace@example.org")
	if r := h.as(admin.Owner, http.MethodDelete, "/api/v1/administrators/grace@example.org/sessions", "").want(t, 200); r.doc["ended"] != 1.0 {
		t.Errorf("ended: %s", r.text)
	}
	b.visit("/users", nil).sent(t, "/signin?next=%2Fusers")
	h.as(admin.Owner, http.MethodPost, "/api/v1/administrators", `{"name":"GRACE@example.org","role":"reader"}`).want(t, http.StatusConflict, "exists")
	h.as(admin.Owner, http.MethodPatch, "/api/v1/administrators/ada", `{"role":"admin"}`).want(t, http.StatusUnprocessableEntity, "invalid")
	h.as(admin.Owner, http.MethodDelete, "/api/v1/administrators/ada", "").want(t, http.StatusUnprocessableEntity, "invalid")
	h.as(admin.Owner, http.MethodDelete, "/api/v1/administrators/grace@example.org", "").want(t, 200)
	h.as(admin.Owner, http.MethodGet, "/api/v1/administrators/grace@example.org", "").want(t, http.StatusNotFound, "not_found")
}

// Two owners who look at the same rights do not overwrite each other: the second one is told, over the API and in the console.
func TestTwoOwnersGiveRights(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	const path = "/api/v1/administrators/grace@example.org"
	made := h.as(admin.Owner, http.MethodPost, "/api/v1/administrators", `{"name":"grace@example.org","role":"operator"}`).want(t, http.StatusCreated)
	id := made.doc["id"].(string)
	read := h.as(admin.Owner, http.MethodGet, path, "").want(t, 200).header.Get("ETag")
	next := h.as(admin.Owner, http.MethodPatch, path, `{"role":"admin"}`, "If-Match", read).want(t, 200).header.Get("ETag")
	h.as(admin.Owner, http.MethodPatch, path, `{"role":"reader"}`, "If-Match", read).want(t, 412, "changed")
	if role := h.as(admin.Owner, http.MethodGet, path, "").want(t, 200).doc["role"]; role != "admin" {
		t.Errorf("the second one made them a %s", role)
	}
	b := h.browser()
	b.enter("ada")
	if text := b.visit("/administrators/"+id+"/role", url.Values{"role": {"reader"}, "version": {read}}).text; !strings.Contains(text, "changed by somebody else") {
		t.Errorf("the console says %s", text)
	}
	h.as(admin.Owner, http.MethodPost, path+"/disable", "").want(t, 200)
	h.as(admin.Owner, http.MethodPatch, path, `{"role":"reader"}`, "If-Match", next).want(t, 412, "changed")
	h.as(admin.Owner, http.MethodPatch, path, `{"role":"reader"}`).want(t, 200)
}
