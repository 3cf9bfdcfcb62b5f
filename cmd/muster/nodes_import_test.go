package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/pgtest"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// caller asks servers with a token, for pages as well as for the API.
type caller struct {
	t      *testing.T
	secret string
	client http.Client
}

func newCaller(t *testing.T, st *store.Store) *caller {
	t.Helper()
	token, err := admin.New(st, admin.Options{}).CreateToken(t.Context(), admin.TokenRequest{Role: string(admin.Admin), Name: "hr"})
	if err != nil {
		t.Fatal(err)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &caller{t: t, secret: token.Secret, client: http.Client{CheckRedirect: stay}}
}

func (c *caller) ask(method, address, kind string, body io.Reader) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, address, body)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Authorization", "Bearer "+c.secret)
	r.Header.Set("Content-Type", kind)
	res, err := c.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, string(text), err
}

// see asks for a page.
func (c *caller) see(address string) string {
	c.t.Helper()
	res, text, err := c.ask(http.MethodGet, address, "", nil)
	if err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %v, %v: %s", address, res, err, text)
	}
	return text
}

// post sends a form, and returns the page that it leads to.
func (c *caller) post(address, kind string, body io.Reader) string {
	c.t.Helper()
	res, text, err := c.ask(http.MethodPost, address, kind, body)
	if err != nil || res.StatusCode != http.StatusSeeOther {
		c.t.Fatalf("%s: %v, %v: %s", address, res, err, text)
	}
	return res.Header.Get("Location")
}

// wishes asks for the import of an upload.
func (c *caller) wishes(address string) {
	c.t.Helper()
	wish := url.Values{"column userName": {"userName"}, "source": {"hr"}, "do": {"import"}}
	c.post(address, "application/x-www-form-urlencoded", strings.NewReader(wish.Encode()))
}

// userFile is a form with a file of so many people.
func userFile(t *testing.T, many int) (kind string, body *bytes.Buffer) {
	t.Helper()
	body = &bytes.Buffer{}
	form := multipart.NewWriter(body)
	part, err := form.CreateFormFile("file", "people.csv")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(part, "userName")
	for i := range many {
		fmt.Fprintf(part, "user%d\n", i)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return form.FormDataContentType(), body
}

// TestImportOverTwoNodes sends a file to one node, has it imported by another, and asks the first one how far that is. The
// other is killed: the first one says so, in the audit log too, and does the rest.
func TestImportOverTwoNodes(t *testing.T) {
	t.Parallel()
	const many = 30_000
	database := pgtest.Database(t)
	first, second := startNode(t, "first", "--database", database), startNode(t, "second", "--database", database)
	st := storetest.Open(t, store.Config{Database: database, Data: t.TempDir(), Key: []byte(strings.Repeat("\xab", 32))})
	c := newCaller(t, st)

	kind, body := userFile(t, many)
	page := c.post(first.url+"/import", kind, body)
	comesTo(t, 20*time.Second, "the second node shows the rehearsal of the first", func() bool {
		text := c.see(second.url + page)
		return strings.Contains(text, "What would be done") && !strings.Contains(text, "read so far")
	})
	c.wishes(second.url + page)
	comesTo(t, 20*time.Second, "the first node shows how far the import of the second is", func() bool {
		text := c.see(first.url + page)
		return strings.Contains(text, "Importing") && strings.Contains(text, ",000 records read so far")
	})
	second.signal(syscall.SIGKILL)
	<-second.gone

	audit := func() []store.Entry {
		list, err := st.AuditLog(t.Context(), store.AuditQuery{Action: "import"})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	people := func() int {
		list, _, err := st.Users(t.Context(), store.UserQuery{Limit: many})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	comesTo(t, 20*time.Second, "the first node says that the import was interrupted", func() bool {
		return len(audit()) == 1 && strings.Contains(c.see(first.url+page), "ended before it was done")
	})
	in, said := people(), audit()[0]
	if in == 0 || in == many || said.After["created"] != float64(in) || said.After["interrupted"] != true || said.Actor != "hr (admin)" && said.Actor != "hr" {
		t.Fatalf("%d of %d people are in, and the audit log says %+v", in, many, said)
	}

	c.wishes(first.url + page)
	comesTo(t, 60*time.Second, "the first node does the rest", func() bool {
		return strings.Contains(c.see(first.url+page), "What was done")
	})
	if in := people(); in != many || len(audit()) != 2 {
		t.Errorf("%d of %d people are in, and the audit log has %d entries", in, many, len(audit()))
	}
	c.wishes(first.url + page) // once more changes nothing
	if text := c.see(first.url + page); !strings.Contains(text, "What was done") {
		t.Errorf("after another press the page says %s", text)
	}
}
