package account

import (
	"image/png"
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"

	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
)

// done are what pages say was done, by what stands in their address: whoever makes an address cannot
// choose the words.
var done = map[string]string{
	"password":  "The password is changed, and every other browser signed out.",
	"app":       "The authenticator app is removed.",
	"passkey":   "The passkey is added.",
	"nopasskey": "The passkey is removed.",
	"linked":    "Your account at the identity provider is linked.",
	"ended":     "Signed out there.",
	"out":       "You are signed out.",
	"lost":      "Your session had ended: what you sent was not done. Sign in, and do it again.",
}

// escaped is a text as a value in an address.
func escaped(s string) string { return url.QueryEscape(s) }

// profilePage is what the page about oneself shows.
type profilePage struct {
	shell
	signin.Visitor
	Fresh        bool
	PasskeysWork bool
	SSO          string
	Passkeys     []store.Passkey
	Sessions     []store.Session
}

func profile(rq *request) error {
	page, err := profileAgain(rq, nil)
	if err != nil {
		return err
	}
	return rq.ok(page)
}

func profileAgain(rq *request, refused *signin.Refusal) (templ.Component, error) {
	p := profilePage{shell: rq.shell("Your profile", refused), Visitor: rq.visitor, Fresh: rq.gate.Fresh(rq.visitor), PasskeysWork: rq.gate.PasskeysWork()}
	if refused == nil {
		p.Done = done[rq.FormValue("done")]
	}
	var err error
	if p.SSO, err = rq.gate.SingleSignOn(rq.Context()); err != nil {
		return nil, err
	}
	if p.Passkeys, err = rq.gate.Passkeys(rq.Context(), rq.visitor); err != nil {
		return nil, err
	}
	p.Sessions, err = rq.gate.Sessions(rq.Context(), rq.visitor)
	return profileView(p), err
}

// confirmPage asks somebody to prove again who they are.
type confirmPage struct {
	shell
	store.Administrator
	Next, SSO string
	Passkey   bool
}

func confirmForm(rq *request) error {
	page, err := confirmAgain(rq, nil)
	if err != nil {
		return err
	}
	return rq.ok(page)
}

func confirmAgain(rq *request, refused *signin.Refusal) (templ.Component, error) {
	p := confirmPage{shell: rq.shell("Confirm that it is you", refused), Administrator: rq.visitor.Admin, Next: onward(rq.FormValue("next"))}
	p.Passkey = rq.gate.PasskeysWork() && p.Passkeys > 0
	var err error
	if p.Issuer != "" {
		p.SSO, err = rq.gate.SingleSignOn(rq.Context())
	}
	return confirmView(p), err
}

// renewed lets the browser hold the new token of the same session.
func (rq *request) renewed(token string) { rq.keepSession(token, rq.visitor.Session.Expires) }

func confirm(rq *request) error {
	token, err := rq.gate.Confirm(rq.Context(), rq.client(), rq.visitor, rq.PostFormValue("password"), rq.PostFormValue("code"))
	if err != nil {
		return err
	}
	rq.renewed(token)
	return rq.to(onward(rq.PostFormValue("next")))
}

func confirmByPasskey(rq *request) error {
	s, err := rq.said()
	if err != nil {
		return err
	}
	token, err := rq.gate.ConfirmByPasskey(rq.Context(), rq.client(), rq.visitor, rq.held(passkeyCookie), s.Credential)
	if err != nil {
		return err
	}
	rq.forget(passkeyCookie)
	rq.renewed(token)
	rq.json(http.StatusOK, map[string]string{"to": onward(s.Next)})
	return nil
}

func confirmBySSO(rq *request) error {
	return rq.goToProvider(signin.ToConfirm, onward(rq.FormValue("next")))
}

func linkSSO(rq *request) error { return rq.goToProvider(signin.ToLink, "/profile") }

func changePassword(rq *request) error {
	password := rq.PostFormValue("password")
	if password != rq.PostFormValue("again") {
		return errDiffer
	}
	token, err := rq.gate.ChangePassword(rq.Context(), rq.visitor, password)
	if err != nil {
		return err
	}
	rq.renewed(token)
	return rq.to("/profile?done=password")
}

// appPage adds an authenticator app.
type appPage struct {
	shell
	Secret string
}

func beginApp(rq *request) error {
	e, err := rq.gate.BeginAuthenticator(rq.Context(), rq.visitor)
	if err != nil {
		return err
	}
	rq.keep(appCookie, e.Token, ceremony)
	return rq.to("/profile/app")
}

func appForm(rq *request) error {
	page, err := appAgain(rq, nil)
	if err != nil {
		return err
	}
	return rq.ok(page)
}

func appAgain(rq *request, refused *signin.Refusal) (templ.Component, error) {
	e, err := rq.gate.Enrolment(rq.Context(), rq.visitor, rq.held(appCookie))
	if err != nil {
		return nil, err
	}
	return appView(appPage{shell: rq.shell("Add an authenticator app", refused), Secret: inFours(e.Secret)}), nil
}

// inFours writes a secret as people can copy it.
func inFours(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func appPicture(rq *request) error {
	e, err := rq.gate.Enrolment(rq.Context(), rq.visitor, rq.held(appCookie))
	if err != nil {
		return err
	}
	picture, err := e.Image(220)
	if err != nil {
		return err
	}
	rq.w.Header().Set("Content-Type", "image/png")
	return png.Encode(rq.w, picture)
}

func addApp(rq *request) error {
	codes, token, err := rq.gate.FinishAuthenticator(rq.Context(), rq.visitor, rq.held(appCookie), rq.PostFormValue("code"))
	if err != nil {
		return err
	}
	rq.forget(appCookie)
	rq.renewed(token)
	return rq.ok(codesView(codesPage{rq.shell("Recovery codes", nil), codes}))
}

func removeApp(rq *request) error {
	if err := rq.gate.RemoveAuthenticator(rq.Context(), rq.visitor); err != nil {
		return err
	}
	return rq.to("/profile?done=app")
}

// codesPage shows recovery codes, once.
type codesPage struct {
	shell
	Codes []string
}

func newCodes(rq *request) error {
	codes, err := rq.gate.NewRecoveryCodes(rq.Context(), rq.visitor)
	if err != nil {
		return err
	}
	return rq.ok(codesView(codesPage{rq.shell("Recovery codes", nil), codes}))
}

func beginRegistration(rq *request) error {
	options, token, err := rq.gate.BeginRegistration(rq.Context(), rq.visitor)
	if err != nil {
		return err
	}
	rq.keep(newKeyCookie, token, ceremony)
	rq.json(http.StatusOK, options)
	return nil
}

func addPasskey(rq *request) error {
	s, err := rq.said()
	if err != nil {
		return err
	}
	if err := rq.gate.FinishRegistration(rq.Context(), rq.visitor, rq.held(newKeyCookie), s.Name, s.Credential); err != nil {
		return err
	}
	rq.forget(newKeyCookie)
	rq.json(http.StatusOK, map[string]string{"to": "/profile?done=passkey"})
	return nil
}

func removePasskey(rq *request) error {
	if err := rq.gate.RemovePasskey(rq.Context(), rq.visitor, rq.PostFormValue("id")); err != nil {
		return err
	}
	return rq.to("/profile?done=nopasskey")
}

func endSession(rq *request) error {
	if id := rq.PostFormValue("id"); id != "" {
		if err := rq.gate.EndSession(rq.Context(), rq.visitor, id); err != nil {
			return err
		}
	} else if _, err := rq.gate.EndOthers(rq.Context(), rq.visitor); err != nil {
		return err
	}
	return rq.to("/profile?done=ended")
}
