package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/web"
)

// An endpoint cannot be pointed at where a cloud keeps the credentials of this machine: not when it is saved with a name for it, and not
// by a redirect of a target that can be had.
func TestEndpointsLeadToNoMetadata(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, endpoint := range []string{"http://169.254.169.254/latest/", "https://[fd00:ec2::254]/scim/", "https://[::ffff:169.254.169.254]/", "https://100.100.100.200/"} {
		body, err := json.Marshal(map[string]any{"name": "target", "template": "scim2", "connection": map[string]any{"endpoint": endpoint, "allow_http": true, "auth": map[string]any{"token": "t"}}})
		if err != nil {
			t.Fatal(err)
		}
		made := h.as(admin.Admin, http.MethodPost, "/api/v1/applications", string(body))
		if made.status == http.StatusCreated {
			r := h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/test", "")
			if r.doc["ok"] == true || !strings.Contains(r.text, "credentials, and is not allowed") || !strings.Contains(r.text, "allow_link_local") {
				t.Errorf("%s: %d %s", endpoint, r.status, r.text)
			}
			h.as(admin.Admin, http.MethodDelete, "/api/v1/applications/target", "").want(t, 200)
		}
	}
	away := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect))
	t.Cleanup(away.Close)
	h.as(admin.Admin, http.MethodPost, "/api/v1/applications", `{"name":"target","template":"scim2","connection":{"endpoint":"`+away.URL+`/","auth":{"token":"t"}}}`).want(t, 201)
	if r := h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/test", ""); r.doc["ok"] == true || r.doc["code"] != "endpoint_wrong" {
		t.Errorf("a redirect: %d %s", r.status, r.text)
	}
}

// Whoever may change an endpoint gets no secret sent there: by no way in, and whichever address of the connection it is.
func TestSealedTokenStaysAtItsOrigin(t *testing.T) {
	t.Parallel()
	h := open(t)
	var asked atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if strings.Contains(r.Header.Get("Authorization"), connectortest.Token) {
			t.Error("the thief has the token")
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(thief.Close)
	h.target(t, "  provisioning: {scope: all}\n")
	h.join("ada", admin.Admin)
	b := h.browser().enter("ada")
	const path = "/api/v1/applications/target"
	doc := h.as(admin.Admin, http.MethodGet, path, "").want(t, 200).doc
	doc["connection"].(map[string]any)["endpoint"] = thief.URL + "/scim/"
	moved, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]func() reply{
		"the API": func() reply { return h.as(admin.Admin, http.MethodPut, path, string(moved), "If-Match", "*") },
		"a configuration file": func() reply {
			file, _ := json.Marshal(map[string]any{"files": []any{map[string]any{"name": "x.yaml", "text": `applications: [{name: target, template: scim2, connection: {endpoint: "` + thief.URL + `/scim/"}}]`}}})
			return h.as(admin.Admin, http.MethodPost, "/api/v1/config/apply", string(file))
		},
		"the console": func() reply {
			return b.visit("/applications/target/provisioning", url.Values{"has endpoint": {"1"}, "endpoint": {thief.URL + "/scim/"}, "then": {"test"}})
		},
	}
	for name, way := range ways {
		if r := way(); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.text, "again") {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
		h.as(admin.Operator, http.MethodPost, path+"/test", "").want(t, 200)
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the thief was asked %d times", n)
	}
	if r := h.as(admin.Operator, http.MethodPost, path+"/test", ""); r.doc["ok"] != true {
		t.Errorf("the connection does not work any more: %s", r.text)
	}
}

// No route takes a body without end: what is too large is refused, and what is read of it is bounded.
func TestOversizeBodies(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	b := h.browser().enter("ada")
	at, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	const most = 64 << 20 // several times what any route but the imports takes, and what lies in buffers between
	tried := 0
	for route := range web.Roles() {
		method, pattern, _ := strings.Cut(route, " ")
		if method == http.MethodGet || strings.Contains(pattern, "import") || strings.Contains(pattern, "signout") {
			continue
		}
		kind := "application/json"
		if !strings.HasPrefix(pattern, "/api/") {
			kind = "application/x-www-form-urlencoded"
		}
		body := &counting{}
		body.left.Store(most)
		path := strings.NewReplacer("{", "x-", "}", "").Replace(pattern)
		req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("If-Match", "*")
		for _, c := range b.http.Jar.Cookies(at) {
			req.AddCookie(c)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil { // it hung up: that is a refusal too
			tried++
			continue
		}
		res.Body.Close()
		if left := int(body.left.Load()); left == 0 || res.StatusCode >= 500 {
			t.Errorf("%s takes %d bytes and answers %d", route, most-left, res.StatusCode)
		}
		tried++
	}
	if tried < 60 {
		t.Errorf("only %d were tried", tried)
	}
}

// counting is a body of many bytes; the answer may come while it is still being sent.
type counting struct{ left atomic.Int64 }

func (c *counting) Read(p []byte) (int, error) {
	n := min(len(p), int(c.left.Load()))
	for i := range p[:n] {
		p[i] = 'a'
	}
	c.left.Add(-int64(n))
	if n == 0 {
		return 0, http.ErrBodyReadAfterClose
	}
	return n, nil
}

// Who may not listen any more is told nothing more, also by what began before: a token that was revoked, a session that was ended.
func TestStreamsEndWithTheRight(t *testing.T) {
	t.Parallel()
	h := openWith(t, 8*time.Second)
	h.target(t, "")
	h.join("ada", admin.Owner)
	b := h.browser().enter("ada")
	made, err := h.desk.CreateToken(t.Context(), admin.TokenRequest{Role: string(admin.Reader), Name: "listener"})
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	cookie := ""
	for _, c := range b.http.Jar.Cookies(at) {
		cookie += c.Name + "=" + c.Value + "; "
	}
	var streams []*http.Response
	for _, path := range []string{"/api/v1/logs/follow", "/api/v1/applications/target/events"} {
		streams = append(streams, h.send(made.Secret, http.MethodGet, path, ""), h.send("", http.MethodGet, path, "", "Cookie", cookie))
	}
	if _, err := h.desk.RevokeToken(t.Context(), "listener"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.desk.EndAdministratorSessions(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	for _, res := range streams {
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", res.Request.URL, res.StatusCode)
		}
		tooLong := time.AfterFunc(time.Minute, func() { res.Body.Close() })
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Errorf("%s goes on: %v", res.Request.URL, err)
		}
		tooLong.Stop()
		res.Body.Close()
	}
	h.as(admin.Reader, http.MethodGet, "/api/v1/status", "").want(t, 200)
}

// A configuration that is sent reads no file and no variable of the server.
func TestConfigurationReadsNothingOfTheServer(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, token := range []string{"file:/etc/passwd", "file:security_test.go", "${PATH}"} {
		file, err := json.Marshal(map[string]any{"files": []any{map[string]any{"name": "x.yaml", "text": `applications: [{name: target, template: scim2, connection: {endpoint: "https://127.0.0.1:1/", auth: {type: bearer, token: "` + token + `"}}}]`}}})
		if err != nil {
			t.Fatal(err)
		}
		h.as(admin.Admin, http.MethodPost, "/api/v1/config/apply", string(file)).want(t, 422, "configuration")
	}
}
