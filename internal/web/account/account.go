package account

import (
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/muster-id/muster/internal/signin"
)

// Options are what the pages are made from.
type Options struct {
	Gate    *signin.Gate
	Secure  bool                     // browsers reach Muster over https, whatever a proxy in front speaks to it
	Proxies []netip.Prefix           // in front of Muster: whom X-Forwarded-For is believed of
	Asset   func(name string) string // the address of a file of the console
	// Frame is the console around a page of somebody who is signed in; the page is its children.
	Frame func(r *http.Request, v signin.Visitor, title string) templ.Component
	Log   *slog.Logger // nil logs nothing
}

// Pages serves the pages and tells who is signed in. It is safe for concurrent use.
type Pages struct {
	Options
	mux *http.ServeMux
}

// New returns the pages. Their patterns are those of [Routes].
func New(o Options) *Pages {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pages{Options: o, mux: http.NewServeMux()}
	for _, r := range routes {
		p.mux.HandleFunc(r.pattern, func(w http.ResponseWriter, hr *http.Request) { p.serve(r, w, hr) })
	}
	return p
}

// ServeHTTP implements [http.Handler].
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Visitor returns who is signed in in the browser that sends a request. Nobody is a
// [*signin.Refusal].
func (p *Pages) Visitor(r *http.Request) (signin.Visitor, error) {
	if r.Header.Get(AgainHeader) != "" {
		return p.Gate.Watcher(r.Context(), p.cookie(r, sessionCookie))
	}
	return p.Gate.Visitor(r.Context(), p.cookie(r, sessionCookie))
}

// AgainHeader is on requests that a page sends again and again by itself: they keep no session alive.
const AgainHeader = "Muster-Again"

// request is one visit.
type request struct {
	*http.Request
	w       http.ResponseWriter
	pages   *Pages
	gate    *signin.Gate
	visitor signin.Visitor // of pages about themselves
}

// bodyLimit bounds what a form or a passkey's answer may be.
const bodyLimit = 64 << 10

// policy is the Content-Security-Policy of the pages: everything is the server's own, nothing is
// inline, and no form goes elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// serve runs one route. What is refused is shown in the page's own words, on the page that it
// belongs to.
func (p *Pages) serve(r route, w http.ResponseWriter, hr *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	// Not no-referrer: without an origin, browsers that do not send Sec-Fetch-Site could not show that a
	// form is ours.
	h.Set("Referrer-Policy", "same-origin")
	hr.Body = http.MaxBytesReader(w, hr.Body, bodyLimit)
	rq := &request{Request: hr, w: w, pages: p, gate: p.Gate}
	var err error
	if r.role != "" {
		if rq.visitor, err = p.Visitor(hr); err != nil {
			rq.fail(r, err)
			return
		}
	}
	if hr.Method == http.MethodPost && !r.json {
		if err = hr.ParseForm(); err != nil {
			err = &signin.Refusal{Reason: "The form cannot be read", Next: "Send it again.", Err: err}
		}
	}
	if err == nil {
		err = r.do(rq)
	}
	if err != nil {
		rq.fail(r, err)
	}
}

// fail shows why something did not go on.
func (rq *request) fail(r route, err error) {
	var refused *signin.Refusal
	status := http.StatusUnprocessableEntity
	if !errors.As(err, &refused) {
		rq.pages.Log.ErrorContext(rq.Context(), "a page failed", "route", r.pattern, "error", err)
		refused, status = &signin.Refusal{Reason: "This is a fault of Muster", Next: "Try again; the server's log says more."}, http.StatusInternalServerError
	}
	if refused.Retry > 0 {
		rq.w.Header().Set("Retry-After", strconv.Itoa(int((refused.Retry+time.Second-1)/time.Second)))
		status = http.StatusTooManyRequests
	}
	if r.json {
		rq.json(status, map[string]string{"reason": refused.Reason, "next": refused.Next})
		return
	}
	again := r.again
	if again == nil {
		again = func(rq *request, refused *signin.Refusal) (templ.Component, error) {
			return plainPage(rq.shell("Signing in", refused)), nil
		}
	}
	page, err := again(rq, refused)
	if err != nil {
		rq.pages.Log.ErrorContext(rq.Context(), "a page failed", "route", r.pattern, "error", err)
		page = plainPage(rq.shell("Signing in", refused))
	}
	rq.show(status, page)
}

// show writes a page.
func (rq *request) show(status int, page templ.Component) {
	rq.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	rq.w.WriteHeader(status)
	_ = page.Render(rq.Context(), rq.w) // the visitor has gone
}

// ok writes a page that is as it should be.
func (rq *request) ok(page templ.Component) error {
	rq.show(http.StatusOK, page)
	return nil
}

// to sends the browser on.
func (rq *request) to(path string) error {
	http.Redirect(rq.w, rq.Request, path, http.StatusSeeOther)
	return nil
}

// client is who stands outside.
func (rq *request) client() signin.Client {
	return signin.Client{Address: rq.pages.address(rq.Request), Agent: rq.UserAgent(), Session: rq.pages.cookie(rq.Request, sessionCookie)}
}

// address is where a request comes from: what the last proxy that is believed says, and otherwise
// whoever holds the connection.
func (p *Pages) address(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := from.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.believed(address); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = next.Unmap()
	}
	return address
}

func (p *Pages) believed(a netip.Addr) bool {
	for _, prefix := range p.Proxies {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// The cookies, by what they hold.
const (
	sessionCookie = "muster"
	codeCookie    = "muster-code"    // the question for a second factor
	passkeyCookie = "muster-passkey" // a passkey's signature
	ssoCookie     = "muster-sso"     // the identity provider's answer
	appCookie     = "muster-app"     // an authenticator app that is being added
	newKeyCookie  = "muster-newkey"  // a passkey that is being made
)

// ceremony is how long the browser keeps what belongs to one step.
const ceremony = 10 * time.Minute

// secure reports whether cookies go over https alone.
func (p *Pages) secure(r *http.Request) bool { return p.Secure || r.TLS != nil }

// named is a cookie's name. Over https no other host of the domain can set it (__Host-).
func (p *Pages) named(r *http.Request, name string) string {
	if p.secure(r) {
		return "__Host-" + name
	}
	return name
}

func (p *Pages) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(p.named(r, name))
	if err != nil {
		return ""
	}
	return c.Value
}

// keep lets the browser hold something until a time.
func (rq *request) keep(name, value string, until time.Duration) {
	http.SetCookie(rq.w, &http.Cookie{
		Name: rq.pages.named(rq.Request, name), Value: value, Path: "/", MaxAge: int(until / time.Second), HttpOnly: true, Secure: rq.pages.secure(rq.Request),
		SameSite: http.SameSiteLaxMode, // the identity provider's answer comes from its site
	})
}

// forget takes something from the browser.
func (rq *request) forget(name string) { rq.keep(name, "", -time.Second) }

// held is what the browser holds under a name.
func (rq *request) held(name string) string { return rq.pages.cookie(rq.Request, name) }

// keepSession lets the browser hold a session until it ends.
func (rq *request) keepSession(token string, expires time.Time) {
	rq.keep(sessionCookie, token, max(time.Second, rq.gate.Until(expires)))
}

// onward is where somebody who signed in goes on: a page of this console, and never elsewhere.
func onward(next string) string {
	u, err := url.Parse(next)
	odd := strings.ContainsFunc(next, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f })
	if err != nil || odd || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") {
		return "/"
	}
	for _, loop := range []string{"/signin", "/signout", "/link/"} {
		if strings.HasPrefix(u.Path, loop) {
			return "/"
		}
	}
	return next
}

//go:embed assets
var assets embed.FS
