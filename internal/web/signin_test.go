package web_test

import (
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web"
	"github.com/muster-id/muster/internal/web/account"
)

const password = "seven otters juggle plums"

// browser holds cookies and follows no redirect by itself.
type browser struct {
	*house
	http *http.Client
}

func (h *house) browser() *browser {
	jar, _ := cookiejar.New(nil) // never fails
	return &browser{h, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// visit sends a form, or without one looks at a page.
func (b *browser) visit(path string, form url.Values, header ...string) reply {
	b.t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return reply{status: res.StatusCode, header: res.Header, text: string(text)}
}

// sent expects to be sent to a page.
func (r reply) sent(t *testing.T, to string) reply {
	t.Helper()
	if r.status != http.StatusSeeOther || r.header.Get("Location") != to {
		t.Fatalf("%d to %q, want 303 to %q:\n%s", r.status, r.header.Get("Location"), to, r.text)
	}
	return r
}

// says expects a page with a text.
func (r reply) says(t *testing.T, status int, text string) reply {
	t.Helper()
	if r.status != status || !strings.Contains(r.text, text) {
		t.Fatalf("%d, want %d and %q:\n%s", r.status, status, text, r.text)
	}
	return r
}

// join adds an administrator whose password is [password].
func (h *house) join(name string, role admin.Role) {
	h.t.Helper()
	in, err := h.desk.AddAdministrator(h.t.Context(), name, role)
	if err != nil {
		h.t.Fatal(err)
	}
	_, path, _ := strings.Cut(in.Link, "/link/")
	h.browser().visit("/link/"+path, url.Values{"password": {password}, "again": {password}}).sent(h.t, "/")
}

// enter signs in.
func (b *browser) enter(name string) *browser {
	b.t.Helper()
	b.visit("/signin", url.Values{"name": {name}, "password": {password}}).sent(b.t, "/")
	return b
}

func TestSetUpInABrowser(t *testing.T) {
	t.Parallel()
	h := open(t)
	token, _, err := h.store.SetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	b.visit("/users", nil).sent(t, "/signin?next=%2Fusers")
	link := "/link/" + token
	b.visit(link, nil).says(t, 200, "You will be the first owner")
	b.visit(link, nil).says(t, 200, "You will be the first owner") // looking at it uses nothing up
	form := url.Values{"name": {"ada@example.org"}, "password": {"short"}, "again": {"short"}}
	b.visit(link, form).says(t, 422, "needs at least 12")
	form.Set("password", password)
	b.visit(link, form).says(t, 422, "The two passwords differ")
	form.Set("again", password)
	b.visit(link, form).sent(t, "/")
	b.visit("/users", nil).says(t, 200, "ada@example.org")
	b.visit("/profile", nil).says(t, 200, "owner")
	h.browser().visit(link, nil).says(t, 422, "This link has been used")
	h.browser().visit(link, form).says(t, 422, "This link has been used")
	b.visit("/signout", url.Values{}).sent(t, "/signin?done=out")
	b.visit("/users", nil).sent(t, "/signin?next=%2Fusers")
}

// Nobody is led elsewhere after signing in, whatever stands in the address.
func TestSignInLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	for next, want := range map[string]string{
		"/applications": "/applications", "https://evil.example": "/", "//evil.example": "/", "/\\evil.example": "/", "/\t/evil.example": "/", "javascript:alert(1)": "/",
	} {
		h.browser().visit("/signin", url.Values{"name": {"ada"}, "password": {password}, "next": {next}}).sent(t, want)
		b := h.browser().enter("ada")
		b.visit("/signin?next="+url.QueryEscape(next), nil).sent(t, want)
		b.visit("/profile/confirm", url.Values{"password": {password}, "next": {next}}).sent(t, want)
	}
}

// A form on another site does nothing here, on any route that changes something.
func TestOtherSitesSendNothing(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	b := h.browser().enter("ada")
	tried := 0
	for route := range web.Roles() {
		method, pattern, _ := strings.Cut(route, " ")
		if method == http.MethodGet {
			continue
		}
		path := strings.NewReplacer("{", "x-", "}", "").Replace(pattern)
		for _, from := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, {"Sec-Fetch-Site", "", "Origin", "null"}} {
			req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(from); i += 2 {
				req.Header.Set(from[i], from[i+1])
			}
			if from[1] == "" {
				req.Header.Del("Sec-Fetch-Site")
			}
			res, err := b.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("%s from elsewhere (%v): %d, want 403", route, from, res.StatusCode)
			}
			tried++
		}
	}
	if tried < 40 {
		t.Errorf("only %d were tried", tried)
	}
	b.visit("/profile", nil).says(t, 200, "ada") // still signed in
}

// The answer tells nobody which names there are, not even when it refuses to go on.
func TestNamesDoNotShow(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	for range 7 {
		known := h.browser().visit("/signin", url.Values{"name": {"ada"}, "password": {"wrong"}})
		unknown := h.browser().visit("/signin", url.Values{"name": {"eve"}, "password": {"wrong"}})
		if a, b := strings.ReplaceAll(known.text, `value="ada"`, ""), strings.ReplaceAll(unknown.text, `value="eve"`, ""); known.status != unknown.status || a != b {
			t.Fatalf("%d and %d:\n%s\n%s", known.status, unknown.status, a, b)
		}
	}
	r := h.browser().visit("/signin", url.Values{"name": {"ada"}, "password": {password}}).says(t, http.StatusTooManyRequests, "Too many attempts")
	if r.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	h.clock.advance(time.Hour)
	h.browser().enter("ada")
}

// A cookie that somebody took is worth nothing after its owner signed out, was removed, or got another
// role.
func TestStolenCookie(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("root", admin.Owner)
	ends := map[string]func(b *browser, name string){
		"sign-out": func(b *browser, _ string) { b.visit("/signout", url.Values{}).sent(t, "/signin?done=out") },
		"removal": func(_ *browser, name string) {
			if _, err := h.desk.RemoveAdministrator(t.Context(), name); err != nil {
				t.Error(err)
			}
		},
		"demotion": func(_ *browser, name string) {
			if _, err := h.desk.SetAdministratorRole(t.Context(), name, admin.Reader); err != nil {
				t.Error(err)
			}
		},
		"reset": func(_ *browser, name string) {
			if _, err := h.desk.ResetAdministrator(t.Context(), name, false); err != nil {
				t.Error(err)
			}
		},
		"another password": func(b *browser, _ string) {
			b.visit("/profile/password", url.Values{"password": {password + "!"}, "again": {password + "!"}}).sent(t, "/profile?done=password")
			b.visit("/profile", nil).says(t, 200, "Your profile") // whoever changed it stays
		},
	}
	for name, end := range ends {
		h.join(name, admin.Admin)
		b, thief := h.browser().enter(name), h.browser()
		at, _ := url.Parse(h.url)
		thief.http.Jar.SetCookies(at, b.http.Jar.Cookies(at))
		thief.visit("/users", nil).says(t, 200, "")
		end(b, name)
		thief.visit("/users", nil).sent(t, "/signin?next=%2Fusers")
		if r := thief.visit("/api/v1/users", nil); r.status != http.StatusUnauthorized {
			t.Errorf("after %s the API answers %d", name, r.status)
		}
	}
}

// A session that somebody planted in the browser is not the one that is signed in.
func TestPlantedSession(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	h.join("eve", admin.Reader)
	at, _ := url.Parse(h.url)
	for _, planted := range []string{"chosen-by-eve", h.browser().enter("eve").http.Jar.Cookies(at)[0].Value} {
		b := h.browser()
		b.http.Jar.SetCookies(at, []*http.Cookie{{Name: "muster", Value: planted, Path: "/"}})
		b.enter("ada")
		if got := b.http.Jar.Cookies(at)[0].Value; got == planted {
			t.Error("the planted session went on")
		}
		thief := h.browser()
		thief.http.Jar.SetCookies(at, []*http.Cookie{{Name: "muster", Value: planted, Path: "/"}})
		thief.visit("/users", nil).sent(t, "/signin?next=%2Fusers")
	}
}

// What a role may do with a token it may do in a browser, and no more.
func TestSessionHasItsRole(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, role := range admin.Roles {
		h.join("the-"+string(role), role)
		b := h.browser().enter("the-" + string(role))
		for path, need := range map[string]admin.Role{"/api/v1/users": admin.Reader, "/api/v1/tokens": admin.Owner} {
			if got := b.visit(path, nil).status; (got == 200) != role.May(need) {
				t.Errorf("%s as %s: %d", path, role, got)
			}
		}
	}
}

// Changing what lets one in wants proof that is not old.
func TestProfileWantsFreshProof(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	b := h.browser().enter("ada")
	b.visit("/profile", nil).says(t, 200, "Change the password")
	h.clock.advance(11 * time.Minute)
	if r := b.visit("/profile", nil).says(t, 200, "Confirm that it is you"); strings.Contains(r.text, "Change the password") {
		t.Error("the forms are still there")
	}
	b.visit("/profile/password", url.Values{"password": {password + "!"}, "again": {password + "!"}}).says(t, 422, "Confirm that it is you")
	b.visit("/profile/confirm", url.Values{"password": {"wrong"}}).says(t, 422, "The password is not right")
	b.visit("/profile/confirm", url.Values{"password": {password}, "next": {"/profile"}}).sent(t, "/profile")
	b.visit("/profile/password", url.Values{"password": {password + "!"}, "again": {password + "!"}}).sent(t, "/profile?done=password")
}

// Over https the session cookie is closed to scripts, to other hosts and to http.
func TestCookies(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	for _, secure := range []bool{false, true} {
		gate, err := signin.New(h.store, signin.Options{Hashing: signin.Hashing{MemoryKiB: 8, Passes: 1, Threads: 1}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := web.New(web.Options{Desk: h.desk, SignIn: web.SignIn{Gate: gate, Secure: secure}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/signin", strings.NewReader(url.Values{"name": {"ada"}, "password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.ServeHTTP(w, r)
		c := w.Result().Cookies()[0]
		want := map[bool]string{false: "muster", true: "__Host-muster"}[secure]
		if c.Name != want || !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("secure %v: %s", secure, c)
		}
		if c.MaxAge < 6*24*3600 || c.MaxAge > 7*24*3600 {
			t.Errorf("it is kept for %d s", c.MaxAge)
		}
	}
}

var inline = regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:`)

// The pages have nothing inline, forbid it, are kept by no cache, and show hostile names as text.
func TestPagesAreClosed(t *testing.T) {
	t.Parallel()
	h := open(t)
	const name = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	h.join(name, admin.Owner)
	if err := h.store.SetSingleSignOn(t.Context(), store.Actor{}, &store.SingleSignOn{Name: name, Issuer: "https://id.example.org", ClientID: "x"}, nil); err != nil {
		t.Fatal(err)
	}
	_, token, _, err := h.store.IssueLink(t.Context(), store.Actor{}, name, false)
	if err != nil {
		t.Fatal(err)
	}
	stranger := h.browser()
	pages := []reply{
		stranger.visit("/signin?next="+url.QueryEscape(`"><script>alert(3)</script>`), nil),
		stranger.visit("/signin", url.Values{"name": {name}, "password": {"x"}, "next": {`"><script>alert(3)</script>`}}),
		stranger.visit("/link/"+token, nil),
		stranger.visit("/link/"+token, url.Values{"password": {"x"}, "again": {"x"}}),
		stranger.visit("/signin/callback?error="+url.QueryEscape(name), nil),
	}
	stranger.visit("/link/"+token, url.Values{"password": {password}, "again": {password}}).sent(t, "/")
	b := stranger
	for _, path := range []string{"/profile", "/profile?done=" + url.QueryEscape(name), "/profile/confirm"} {
		pages = append(pages, b.visit(path, nil))
	}
	b.visit("/profile/app/begin", url.Values{}).sent(t, "/profile/app")
	pages = append(pages, b.visit("/profile/app", nil), b.visit("/profile/app", url.Values{"code": {"000000"}}))
	for i, r := range pages {
		if found := inline.FindString(strings.ReplaceAll(r.text, html.EscapeString(name), "")); found != "" || strings.Contains(r.text, "<img src=x") {
			t.Errorf("page %d has %q", i, found)
		}
		policy := r.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			if !strings.Contains(policy, part) || strings.Contains(policy, "unsafe") {
				t.Errorf("page %d: %s", i, policy)
			}
		}
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Referrer-Policy") != "same-origin" || r.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("page %d: %v", i, r.header)
		}
	}
	if picture := b.visit("/profile/app/picture", nil); picture.header.Get("Content-Type") != "image/png" || picture.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the picture: %v", picture.header)
	}
}

// Every page about oneself asks who it is; every other one of the table is for anybody.
func TestAccountPagesAskWhoItIs(t *testing.T) {
	t.Parallel()
	h := open(t)
	for route, role := range account.Routes() {
		method, path, _ := strings.Cut(route, " ")
		path = strings.ReplaceAll(path, "{token}", "x")
		var form url.Values
		if method == http.MethodPost {
			form = url.Values{}
		}
		r := h.browser().visit(path, form)
		asked := r.status == http.StatusSeeOther && strings.HasPrefix(r.header.Get("Location"), "/signin")
		if strings.HasPrefix(path, "/profile") != (role == admin.Reader) || (role == admin.Reader) && !asked {
			t.Errorf("%s (%q): %d to %q", route, role, r.status, r.header.Get("Location"))
		}
	}
}
