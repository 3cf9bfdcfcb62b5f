package web

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/a-h/templ"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/web/account"
	"github.com/muster-id/muster/internal/web/console"
)

// SignIn is how people get in, beside the programs that show a token.
type SignIn struct {
	Gate    *signin.Gate
	Secure  bool           // browsers reach Muster over https, whatever a proxy in front speaks to it
	Proxies []netip.Prefix // in front of Muster: whom X-Forwarded-For is believed of
}

// doors mounts the pages of signing in and lets their sessions in everywhere.
func (s *Server) doors(o SignIn) {
	if o.Gate == nil {
		return
	}
	pages := account.New(account.Options{Gate: o.Gate, Secure: o.Secure, Proxies: o.Proxies, Asset: console.Asset, Frame: frame, Log: s.log})
	s.authenticate = append(s.authenticate, bySession(pages))
	for pattern, role := range account.Routes() {
		s.mux.Handle(pattern, s.page(role, pages))
	}
}

// frame is the console around the pages about oneself.
func frame(r *http.Request, v signin.Visitor, title string) templ.Component {
	return console.Frame(r, console.Visitor{Name: v.Admin.Name, Role: admin.Role(v.Admin.Role), Actor: v.By()}, title)
}

// bySession lets in who is signed in in a browser. A session that has ended is as none.
func bySession(pages *account.Pages) Authenticator {
	return func(r *http.Request) (*Principal, error) {
		v, err := pages.Visitor(r)
		var refused *signin.Refusal
		if errors.As(err, &refused) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &Principal{ID: v.Admin.ID, Name: v.Admin.Name, Role: admin.Role(v.Admin.Role), Via: "console"}, nil
	}
}
