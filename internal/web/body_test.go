package web_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector/connectortest"
)

// Nobody holds a connection by sending a body that does not come: neither with a token nor without anything.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	h := openWith(t, 100*time.Millisecond)
	for name, head := range map[string]string{
		"a form of nobody":             "POST /signin HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n",
		"a page of nobody":             "POST /theme HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n",
		"a passkey of nobody":          "POST /signin/passkey HTTP/1.1\r\nContent-Type: application/json\r\nSec-Fetch-Site: same-origin\r\n",
		"a route that there is not":    "POST /nowhere HTTP/1.1\r\n",
		"a route that takes no body":   "GET /docs HTTP/1.1\r\n",
		"the API, by nobody":           "POST /api/v1/users HTTP/1.1\r\nContent-Type: application/json\r\n",
		"the API":                      "POST /api/v1/users HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: Bearer " + h.tokens[admin.Admin] + "\r\n",
		"a route that others may take": "POST /api/v1/tokens HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: Bearer " + h.tokens[admin.Reader] + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "%sHost: muster\r\nContent-Length: 60000\r\n\r\n{", head)
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			for in, buf := bufio.NewReader(c), make([]byte, 1<<10); err == nil; {
				_, err = in.Read(buf)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays open")
			}
		})
	}
}

// What a body asks for may take longer than the body may take to come.
func TestLongWorkAfterABody(t *testing.T) {
	t.Parallel()
	h := openWith(t, 6*time.Second)
	target := h.target(t, "  provisioning: {scope: all}\n")
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada","attributes":{"name.familyName":"Test","emails":"ada@example.org"}}`).want(t, 201)
	target.Fail(connectortest.Fault{Method: "POST", Path: "Users", Delay: 9 * time.Second})
	r := h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", "{}").want(t, 200)
	if r.doc["failed"] != float64(0) {
		t.Errorf("the cycle ended with %s", r.text)
	}
}

// What people search for is not too much for the database, and no fault of Muster.
func TestLongSearches(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, path := range []string{"/api/v1/users?search=", "/api/v1/groups?search="} {
		h.as(admin.Reader, http.MethodGet, path+strings.Repeat("a", 60_000), "").want(t, 422, "invalid")
		h.as(admin.Reader, http.MethodGet, path+"a%00", "").want(t, 422, "invalid")
		h.as(admin.Reader, http.MethodGet, path+strings.Repeat("a", 1000), "").want(t, 200)
	}
}

// A list of people whom nobody knows is not looked for to its end: whoever writes keeps others from writing.
func TestManyUnknownPeople(t *testing.T) {
	t.Parallel()
	h := open(t)
	var list strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&list, `,{"user":"nobody%d"}`, i)
	}
	before := h.store.Queries()
	h.as(admin.Admin, http.MethodPost, "/api/v1/applications", `{"name":"target","template":"scim2","connection":{"endpoint":"https://127.0.0.1:1/","auth":{"token":"t"}},"assignments":[`+list.String()[1:]+`]}`).want(t, 422, "configuration")
	if n := h.store.Queries() - before; n > 1500 {
		t.Errorf("%d queries", n)
	}
}

// A person has a bounded number of attributes: a million bytes of them kept everybody from writing for a minute.
func TestManyAttributes(t *testing.T) {
	t.Parallel()
	h := open(t)
	many := func(from, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"custom.k%d":"v"`, from+i)
		}
		return b.String()[1:]
	}
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada","attributes":{`+many(0, 40_000)+`}}`).want(t, 422, "invalid")
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada","attributes":{`+many(0, 900)+`}}`).want(t, 201)
	h.as(admin.Admin, http.MethodPatch, "/api/v1/users/ada", `{"attributes":{`+many(900, 200)+`}}`).want(t, 422, "invalid")
	h.as(admin.Admin, http.MethodPatch, "/api/v1/users/ada", `{"attributes":{`+many(900, 100)+`}}`).want(t, 200)
}
