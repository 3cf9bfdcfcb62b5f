package web_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

func TestRequestWithAKeyIsDoneOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	const ada, path = `{"userName":"ada","attributes":{"title":"Analyst"}}`, "/api/v1/users"
	first := h.as(admin.Admin, http.MethodPost, path, ada, "Idempotency-Key", "k1").want(t, 201)
	again := h.as(admin.Admin, http.MethodPost, path, ada, "Idempotency-Key", "k1").want(t, 201)
	if again.text != first.text || again.header.Get("ETag") != first.header.Get("ETag") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("answered %s, and then %s %v", first.text, again.text, again.header)
	}
	h.as(admin.Admin, http.MethodPost, path, `{"userName":"grace"}`, "Idempotency-Key", "k1").want(t, 422, "key_reused")
	h.as(admin.Admin, http.MethodPost, path, ada, "Idempotency-Key", "k2").want(t, 409, "exists")
	h.as(admin.Admin, http.MethodPost, path, ada, "Idempotency-Key", strings.Repeat("k", 256)).want(t, 400, "usage")
	h.as(admin.Reader, http.MethodPost, path, ada, "Idempotency-Key", "k1").want(t, 403, "forbidden")
	// Two who choose the same key do not meet.
	h.as(admin.Owner, http.MethodPost, path, `{"userName":"grace"}`, "Idempotency-Key", "k1").want(t, 201)
	// What came to nothing may be sent again.
	h.as(admin.Admin, http.MethodPost, path, `{"userName":"joan","attributes":{"manager":7}}`, "Idempotency-Key", "k3").want(t, 422)
	h.as(admin.Admin, http.MethodPost, path, `{"userName":"joan"}`, "Idempotency-Key", "k3").want(t, 201)
	// Erasing somebody leaves no answer that tells of them.
	h.as(admin.Admin, http.MethodDelete, path+"/ada?how=erase", "").want(t, 200)
	h.as(admin.Admin, http.MethodPost, path, ada, "Idempotency-Key", "k1").want(t, 201)
}

// Of many that send the same at once exactly one is done; the others are told to wait, or get its answer.
func TestOneOfManySameRequestsIsDone(t *testing.T) {
	t.Parallel()
	h := open(t)
	var done sync.WaitGroup
	answers := make([]reply, 8)
	for i := range answers {
		done.Go(func() {
			answers[i] = h.as(admin.Owner, http.MethodPost, "/api/v1/groups", `{"displayName":"Team"}`, "Idempotency-Key", "same")
		})
	}
	done.Wait()
	fresh := 0
	for _, a := range answers {
		switch {
		case a.status == 201 && a.header.Get("Idempotency-Replayed") == "":
			fresh++
		case a.status == 201, a.doc["code"] == "key_in_use":
		default:
			t.Errorf("%d %s", a.status, a.text)
		}
	}
	if fresh != 1 {
		t.Errorf("%d were done", fresh)
	}
}

// A token is shown once, also to whoever repeats the request, and its secret stands nowhere.
func TestTokenIsShownOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	made := h.as(admin.Owner, http.MethodPost, "/api/v1/tokens", `{"role":"reader","name":"ci"}`, "Idempotency-Key", "k").want(t, 201)
	secret, _ := made.doc["token"].(string)
	if !strings.HasPrefix(secret, "muster_") {
		t.Fatalf("made %s", made.text)
	}
	h.as(admin.Owner, http.MethodPost, "/api/v1/tokens", `{"role":"reader","name":"ci"}`, "Idempotency-Key", "k").want(t, 409, "shown_once")
	h.ask(secret, http.MethodGet, "/api/v1/status", "").want(t, 200)
	list := h.as(admin.Owner, http.MethodGet, "/api/v1/tokens", "").want(t, 200)
	if strings.Contains(list.text, secret) || !strings.Contains(list.text, `"last_used":"`) {
		t.Errorf("the list is %s", list.text)
	}
	for _, table := range []string{"answers", "tokens", "audit"} {
		if rows := h.rows("select * from " + table); strings.Contains(rows, secret) {
			t.Errorf("table %s holds the token", table)
		}
	}
	h.as(admin.Owner, http.MethodDelete, "/api/v1/tokens/ci", "").want(t, 200)
	h.ask(secret, http.MethodGet, "/api/v1/status", "").want(t, 401, "unauthorized")
	h.as(admin.Owner, http.MethodPost, "/api/v1/tokens", `{"role":"king"}`).want(t, 400, "usage")
	if strings.Contains(h.log.String(), secret) {
		t.Error("the log holds the token")
	}
}

// rows returns what a query yields, as text.
func (h *house) rows(query string) string {
	h.t.Helper()
	var out strings.Builder
	err := h.store.Read(h.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(h.t.Context(), query)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			for _, v := range values {
				if text, ok := v.(string); ok {
					out.WriteString(text + "\n")
				}
			}
		}
		return rows.Err()
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out.String()
}
