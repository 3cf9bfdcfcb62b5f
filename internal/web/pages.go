package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/web/console"
)

// signInPath is where browsers that nobody has signed in with are sent.
const signInPath = "/signin"

// pages mounts the console. Its routes stand in the table of roles as all others do.
func (s *Server) pages(secure bool) {
	pages, end := console.New(console.Options{Desk: s.desk, Log: s.log, Secure: secure, Who: func(r *http.Request) console.Visitor {
		p := PrincipalOf(r.Context())
		return console.Visitor{Name: p.Name, Role: p.Role, Actor: p.Actor()}
	}})
	s.end = end
	for pattern, role := range console.Routes() {
		s.mux.Handle(pattern, s.page(role, pages))
	}
	s.mux.HandleFunc("/", s.elsewhere(s.page(admin.Reader, pages)))
}

// elsewhere answers for addresses that show no page. Whoever looks again at what a button led to, by reloading it or by
// coming back to it after signing in, gets the page that has the button; anything else is not there.
func (s *Server) elsewhere(pages http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !byBrowser(r) {
			fail(w, refused(http.StatusNotFound, "there is no such page"))
			return
		}
		if s.answers(r, http.MethodPost, r.URL.Path) {
			for at := r.URL.Path; at != ""; at = at[:strings.LastIndexByte(at, '/')] {
				if s.answers(r, http.MethodGet, at) {
					http.Redirect(w, r, at, http.StatusSeeOther)
					return
				}
			}
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		pages.ServeHTTP(w, r)
	}
}

// answers reports whether a route of its own answers a method at a path.
func (s *Server) answers(r *http.Request, method, path string) bool {
	asked := r.Clone(r.Context())
	asked.Method, asked.URL.Path, asked.URL.RawPath = method, path, ""
	_, pattern := s.mux.Handler(asked)
	return strings.HasPrefix(pattern, method+" ")
}

// page lets whoever is signed in see a page; others are asked to sign in, and come back afterwards.
// That a role does not suffice is told by the page itself.
func (s *Server) page(need admin.Role, inner http.Handler) http.Handler {
	if need == Anyone {
		return inner
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, err := s.admit(r, admin.Reader)
		if p := admin.Explain(err); p != nil && p.Code == "unauthorized" && r.Header.Get("Authorization") == "" && byBrowser(r) {
			askToSignIn(w, r)
			return
		} else if err != nil {
			fail(w, err)
			return
		}
		inner.ServeHTTP(w, admitted)
	})
}

// askToSignIn sends a browser to the sign-in page, and from there back to the page that it was on. That what was sent
// without a session was not done is said there.
func askToSignIn(w http.ResponseWriter, r *http.Request) {
	q := url.Values{}
	part := r.Header.Get("HX-Request") != ""
	back := console.From(r)
	if r.Method == http.MethodGet && !part {
		back = r.URL.RequestURI()
	}
	if back != "" && back != "/" {
		q.Set("next", back)
	}
	if r.Method != http.MethodGet {
		q.Set("done", "lost")
	}
	to := signInPath
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	if part {
		w.Header().Set("HX-Redirect", to) // the page as a whole has to go there
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// byBrowser reports whether a person looks at the answer, and not a program.
func byBrowser(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") || r.Header.Get("HX-Request") != ""
}
