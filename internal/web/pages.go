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

func askToSignIn(w http.ResponseWriter, r *http.Request) {
	to := signInPath
	part := r.Header.Get("HX-Request") != ""
	if r.Method == http.MethodGet && !part && r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
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
