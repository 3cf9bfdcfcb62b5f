package console

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

// Visitor is who looks at the console.
type Visitor struct {
	Name  string
	Role  admin.Role
	Actor store.Actor // as the audit log names them
}

// Options are what the console is made from.
type Options struct {
	Desk *admin.Desk
	Who  func(*http.Request) Visitor // says who looks: only requests of visitors come here
	Log  *slog.Logger
	// Secure says that browsers reach Muster over https, whatever a proxy in front speaks to it.
	Secure bool
}

type console struct {
	Options
	work *work
	charts
}

// New returns the handler of every page, which wants to be mounted at /, and what ends the work that
// pages have begun: it returns when all of that has ended.
func New(o Options) (pages http.Handler, end func()) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &console{Options: o, work: newWork(o.Log)}
	mux := http.NewServeMux()
	mux.HandleFunc(assetsPattern, serveAsset)
	for _, r := range routes {
		mux.Handle(r.pattern, c.page(r))
	}
	mux.Handle("/", c.page(route{role: admin.Reader, do: (*console).nowhere}))
	return mux, c.work.end
}

const assetsPattern = "GET /assets/{name}"

// Routes returns the patterns of all pages and the role that each needs, "" for anybody.
func Routes() map[string]admin.Role {
	out := map[string]admin.Role{assetsPattern: ""}
	for _, r := range routes {
		out[r.pattern] = r.role
	}
	return out
}

// request is one visit: the page that it ends in and the way to the desk, as the visitor.
type request struct {
	*http.Request
	w    http.ResponseWriter
	desk *admin.Desk
	page page
}

// page runs one route: who may, what happens, and what is shown when it goes wrong.
func (c *console) page(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		visitor := c.Who(hr)
		hr.Body = http.MaxBytesReader(w, hr.Body, r.body())
		if r.upload {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadTime)) // a directory takes its time
		}
		rq := &request{Request: hr, w: w, desk: c.Desk.As(visitor.Actor)}
		rq.page = page{Visitor: visitor, Theme: theme(hr), Nav: r.nav, From: From(hr), Flash: takeFlash(w, hr)}
		if !visitor.Role.May(r.role) {
			_ = rq.forbidden(r.role) // it is shown
			return
		}
		if err := r.do(c, rq); err != nil {
			c.failed(rq, err)
		}
	})
}

// forbidden says that a role is needed that the visitor has not.
func (rq *request) forbidden(need admin.Role) error {
	rq.show(http.StatusForbidden, problemPage(rq.page, &admin.Problem{Message: "Your role, " + string(rq.page.Visitor.Role) + ", may not do this", Next: "ask an owner for the role " + string(need)}))
	return nil
}

// failed shows what went wrong, in the words of the command line, and what to do.
func (c *console) failed(rq *request, err error) {
	var large *http.MaxBytesError
	p := admin.Explain(err)
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &large):
		p = &admin.Problem{Code: "too_large", Message: "What was sent is too large", Next: "send less at once, or use the command line"}
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, context.Canceled):
		return // nobody waits for it
	case gone(err):
		status = http.StatusNotFound
	case p.Exit == admin.ExitUsage:
		status = http.StatusUnprocessableEntity
	case p.Exit == admin.ExitTarget:
		status = http.StatusBadGateway
	default:
		c.Log.Error("a page failed", "route", rq.Pattern, "error", err)
	}
	rq.show(status, problemPage(rq.page, p))
}

// nowhere tells whoever followed an old link, or typed one, that nothing is there.
func (c *console) nowhere(rq *request) error {
	rq.show(http.StatusNotFound, problemPage(rq.page, &admin.Problem{Message: "There is no such page", Next: "choose one of the menu; what it was about may have been removed or called otherwise since"}))
	return nil
}

// gone reports whether something was not found.
func gone(err error) bool {
	p := admin.Explain(err)
	return p != nil && p.Code == string(store.ErrNotFound)
}

// show writes a page.
func (rq *request) show(status int, body templ.Component) {
	h := rq.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "HX-Request")
	h.Set("Content-Security-Policy", policy)
	rq.w.WriteHeader(status)
	_ = body.Render(rq.Context(), rq.w) // the visitor has gone
}

// ok writes a page that is as it should be.
func (rq *request) ok(body templ.Component) error {
	rq.show(http.StatusOK, body)
	return nil
}

// partial reports whether only a part of the page is asked for, by its id.
func (rq *request) partial(id string) bool { return rq.Header.Get("HX-Target") == id }

// done sends the browser on after a wish was carried out, with a word about it.
func (rq *request) done(to, said string, more ...string) error {
	setFlash(rq.w, flash{Kind: "good", Text: said, Next: strings.Join(more, " ")})
	if rq.Header.Get("HX-Request") != "" {
		rq.w.Header().Set("HX-Redirect", to)
		rq.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(rq.w, rq.Request, to, http.StatusSeeOther)
	return nil
}

//go:embed assets
var assets embed.FS

// fingerprints are part of the addresses of assets, which may therefore be kept for ever.
var fingerprints = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	entries, _ := assets.ReadDir("assets") // part of the program
	for _, e := range entries {
		b, _ := assets.ReadFile("assets/" + e.Name())
		sum := sha256.Sum256(b)
		all[e.Name()] = hex.EncodeToString(sum[:6])
	}
	return all
})

// asset returns the address of a file of the console.
func asset(name string) string { return "/assets/" + name + "?v=" + fingerprints()[name] }

// Asset returns the address of a file of the console, for pages beside it.
func Asset(name string) string { return asset(name) }

func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if fingerprints()[name] == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeFileFS(w, r, assets, "assets/"+name)
}

// seeOther sends the browser to another page.
func (rq *request) seeOther(to string) error {
	http.Redirect(rq.w, rq.Request, to, http.StatusSeeOther)
	return nil
}

// policy is the Content-Security-Policy of the pages: everything is the server's own, and nothing is
// inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
