package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/admin"
)

// The access log tells the route and who asked by id, and nothing of people or tokens.
func TestAccessLogKeepsPeopleOut(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada@example.org"}`, "X-Request-Id", "from-the-proxy").want(t, 201)
	h.as(admin.Reader, http.MethodGet, "/api/v1/users/ada@example.org", "").want(t, 200)
	h.as(admin.Reader, http.MethodGet, "/api/v1/users?search=ada", "").want(t, 200)
	h.ask("muster_guessed", http.MethodGet, "/api/v1/users/ada@example.org", "").want(t, 401)
	h.ask("", http.MethodGet, "/api/v1/users/x%0Alevel=ERROR%20msg=forged", "", "X-Request-Id", "a\tlevel=ERROR", "User-Agent", "level=ERROR")
	log := h.log.String()
	if strings.Contains(log, "level=ERROR") {
		t.Errorf("whoever asks writes the log:\n%s", log)
	}
	for _, secret := range []string{"ada", "guessed", h.tokens[admin.Admin], h.tokens[admin.Reader]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
	for _, want := range []string{`route="GET /api/v1/users/{user}"`, "request=from-the-proxy", "status=401", "principal="} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada"}`, "Sec-Fetch-Site", "cross-site").want(t, 403, "forbidden")
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada"}`, "Origin", "https://evil.example.org").want(t, 403, "forbidden")
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"`+strings.Repeat("a", 2<<20)+`"}`).want(t, 413, "too_large")
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"`+strings.Repeat("a", 2<<20)+`"}`, "Idempotency-Key", "k").want(t, 413, "too_large")
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":`).want(t, 400, "usage")
	r := h.as(admin.Reader, http.MethodGet, "/api/v1/status", "").want(t, 200)
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if r.header.Get("X-Request-Id") == "" {
		t.Error("the request has no name")
	}
	if r := h.as(admin.Reader, http.MethodGet, "/api/v1/status", "", "X-Request-Id", "a b\tc"); r.header.Get("X-Request-Id") == "a b\tc" {
		t.Error("any name of a request is believed")
	}
}
