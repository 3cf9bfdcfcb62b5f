package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// TestEndDuringImport ends the server while it imports what somebody uploaded in the console, or sent to the API. What came in until then
// stays, and stands in the audit log with its number.
func TestEndDuringImport(t *testing.T) {
	t.Parallel()
	for way, many := range map[string]int{"console": 20_000, "API": 60_000} { // a request has a second longer
		t.Run(way, func(t *testing.T) {
			var csv bytes.Buffer
			csv.WriteString("userName\n")
			for i := range many {
				fmt.Fprintf(&csv, "user%d\n", i)
			}
			data := t.TempDir()
			st := storetest.Open(t, store.Config{Data: data})
			token, err := admin.New(st, admin.Options{}).CreateToken(t.Context(), admin.TokenRequest{Role: string(admin.Admin), Name: "hr"})
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			said, stop := started(t, "--data", data)
			defer func() { stop() }()
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			ask := func(method, path, kind string, body io.Reader) (*http.Response, string, error) {
				r, err := http.NewRequestWithContext(t.Context(), method, said["listening"]+path, body)
				if err != nil {
					return nil, "", err
				}
				r.Header.Set("Authorization", "Bearer "+token.Secret)
				r.Header.Set("Content-Type", kind)
				res, err := client.Do(r)
				if err != nil {
					return nil, "", err
				}
				defer res.Body.Close()
				text, err := io.ReadAll(res.Body)
				return res, string(text), err
			}
			var b bytes.Buffer
			form := multipart.NewWriter(&b)
			part, err := form.CreateFormFile("file", "people.csv")
			if err == nil {
				_, err = part.Write(csv.Bytes())
			}
			if err != nil || form.Close() != nil {
				t.Fatal(err)
			}
			gone := make(chan struct{})
			if way == "API" {
				go func() {
					defer close(gone)
					_, _, _ = ask(http.MethodPost, "/api/v1/imports?source=hr", form.FormDataContentType(), &b) // nobody answers any more
				}()
			} else {
				close(gone)
				res, text, err := ask(http.MethodPost, "/import", form.FormDataContentType(), &b)
				if err != nil || res.StatusCode != http.StatusSeeOther {
					t.Fatalf("uploading: %v, %v: %s", res, err, text)
				}
				page := res.Header.Get("Location")
				comesTo(t, 20*time.Second, "the rehearsal is through", func() bool {
					_, text, err := ask(http.MethodGet, page, "", nil)
					return err == nil && !strings.Contains(text, "read so far")
				})
				wish := url.Values{"column userName": {"userName"}, "source": {"hr"}, "do": {"import"}}
				if res, text, err := ask(http.MethodPost, page, "application/x-www-form-urlencoded", strings.NewReader(wish.Encode())); err != nil || res.StatusCode != http.StatusSeeOther {
					t.Fatalf("importing: %v, %v: %s", res, err, text)
				}
			}
			comesTo(t, 10*time.Second, "the first people are in", func() bool {
				res, _, err := ask(http.MethodGet, "/api/v1/users/user0", "", nil)
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
