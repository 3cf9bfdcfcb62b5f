package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// TestEndDuringImport ends the server while it imports what somebody uploaded in the console, or sent to the API. What came in until then
// stays, and stands in the audit log with its number.
func TestEndDuringImport(t *testing.T) {
	t.Parallel()
	for way, many := range map[string]int{"console": 20_000, "API": 60_000} { // a request has a second longer
		t.Run(way, func(t *testing.T) {
			data := t.TempDir()
			st := storetest.Open(t, store.Config{Data: data})
			c := newCaller(t, st)
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			said, stop := started(t, "--data", data)
			defer func() { stop() }()
			kind, body := userFile(t, many)
			gone := make(chan struct{})
			if way == "API" {
				go func() {
					defer close(gone)
					_, _, _ = c.ask(http.MethodPost, said["listening"]+"/api/v1/imports?source=hr", kind, body) // nobody answers any more
				}()
			} else {
				close(gone)
				page := said["listening"] + c.post(said["listening"]+"/import", kind, body)
				comesTo(t, 20*time.Second, "the rehearsal is through", func() bool { return !strings.Contains(c.see(page), "read so far") })
				c.wishes(page)
			}
			comesTo(t, 10*time.Second, "the first people are in", func() bool {
				res, _, err := c.ask(http.MethodGet, said["listening"]+"/api/v1/users/user0", "", nil)
				return err == nil && res.StatusCode == http.StatusOK
			})
			stop()
			stop = func() {}
			<-gone
			st = storetest.Open(t, store.Config{Data: data})
			people, _, err := st.Users(t.Context(), store.UserQuery{Limit: many})
			total := len(people)
			if err != nil {
				t.Fatal(err)
			}
			list, err := st.AuditLog(t.Context(), store.AuditQuery{Action: "import"})
			if err != nil || len(list) != 1 || list[0].After["created"] != float64(total) {
				t.Fatalf("%d people came in, and the audit log says %v, %v", total, list, err)
			}
			t.Logf("%d people are in", total)
		})
	}
}
