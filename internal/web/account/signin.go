package account

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/a-h/templ"

	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
)

// shell is what stands around every page.
type shell struct {
	Title   string
	Refused *signin.Refusal
	Done    string // what has just been done, or was not
	Asset   func(string) string
	Frame   templ.Component // the console around the page, nil before somebody has signed in
}

func (rq *request) shell(title string, refused *signin.Refusal) shell {
	s := shell{Title: title, Refused: refused, Asset: rq.pages.Asset}
	if rq.visitor.Admin.ID != "" {
		s.Frame = rq.pages.Frame(rq.Request, rq.visitor, title)
	}
	return s
}

// signInPage is what the sign-in page shows.
type signInPage struct {
	shell
	Name, Next, SSO string
	Passkeys        bool
	Local           bool // names and passwords let people in
}

func signInForm(rq *request) error {
	if _, err := rq.pages.Visitor(rq.Request); err == nil {
		return rq.to(onward(rq.FormValue("next")))
	}
	page, err := signInAgain(rq, nil)
	if err != nil {
		return err
	}
	return rq.ok(page)
}

func signInAgain(rq *request, refused *signin.Refusal) (templ.Component, error) {
	sso, err := rq.gate.SingleSignOn(rq.Context())
	p := signInPage{shell: rq.shell("Sign in", refused), Name: rq.FormValue("name"), Next: onward(rq.FormValue("next")), SSO: sso, Passkeys: rq.gate.PasskeysWork()}
	if err == nil {
		p.Local, err = rq.gate.Local(rq.Context())
	}
	p.Passkeys = p.Passkeys && p.Local
	if rq.FormValue("done") != "" {
		p.Done = done[rq.FormValue("done")]
	}
	return signInView(p), err
}

func byPassword(rq *request) error {
	in, err := rq.gate.Password(rq.Context(), rq.client(), rq.PostFormValue("name"), rq.PostFormValue("password"))
	if err != nil {
		return err
	}
	return rq.admitted(in, onward(rq.PostFormValue("next")))
}

// admitted goes on where somebody has proved something.
func (rq *request) admitted(in signin.Admission, next string) error {
	if in.Pending != "" {
		rq.keep(codeCookie, in.Pending, ceremony)
		return rq.to("/signin/code?next=" + escaped(next))
	}
	rq.keepSession(in.Session, in.Expires)
	rq.forget(codeCookie)
	return rq.to(next)
}

type codePage struct {
	shell
	Next string
}

func codeForm(rq *request) error {
	if rq.held(codeCookie) == "" {
		return rq.to("/signin")
	}
	page, err := codeAgain(rq, nil)
	if err != nil {
		return err
	}
	return rq.ok(page)
}

func codeAgain(rq *request, refused *signin.Refusal) (templ.Component, error) {
	return codeView(codePage{shell: rq.shell("Second factor", refused), Next: onward(rq.FormValue("next"))}), nil
}

func byCode(rq *request) error {
	in, err := rq.gate.SecondFactor(rq.Context(), rq.client(), rq.held(codeCookie), rq.PostFormValue("code"))
	if err != nil {
		return err
	}
	return rq.admitted(in, onward(rq.PostFormValue("next")))
}

// said is what the script for passkeys sends.
type said struct {
	Next       string          `json:"next"`
	Name       string          `json:"name"`
	Credential json.RawMessage `json:"credential"`
}

func (rq *request) said() (said, error) {
	var s said
	b, err := io.ReadAll(rq.Body)
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, &signin.Refusal{Reason: "The browser's answer cannot be read", Next: "Try again.", Err: err}
	}
	return s, nil
}

func beginPasskey(rq *request) error {
	options, token, err := rq.gate.BeginPasskey(rq.Context())
	if err != nil {
		return err
	}
	rq.keep(passkeyCookie, token, ceremony)
	rq.json(http.StatusOK, options)
	return nil
}

func byPasskey(rq *request) error {
	s, err := rq.said()
	if err != nil {
		return err
	}
	in, err := rq.gate.Passkey(rq.Context(), rq.client(), rq.held(passkeyCookie), s.Credential)
	if err != nil {
		return err
	}
	rq.forget(passkeyCookie)
	rq.keepSession(in.Session, in.Expires)
	rq.json(http.StatusOK, map[string]string{"to": onward(s.Next)})
	return nil
}

// goToProvider sends the browser to the identity provider.
func (rq *request) goToProvider(purpose signin.Purpose, next string) error {
	address, token, err := rq.gate.BeginSingleSignOn(rq.Context(), purpose, rq.visitor, next)
	if err != nil {
		return err
	}
	rq.keep(ssoCookie, token, ceremony)
	return rq.to(address)
}

func beginSSO(rq *request) error {
	return rq.goToProvider(signin.ToSignIn, onward(rq.FormValue("next")))
}

func finishSSO(rq *request) error {
	rq.visitor, _ = rq.pages.Visitor(rq.Request) // nobody, when somebody signs in
	back, err := rq.gate.SingleSignOnAnswer(rq.Context(), rq.client(), rq.visitor, rq.held(ssoCookie), rq.URL.Query())
	if err != nil {
		return err
	}
	rq.forget(ssoCookie)
	switch back.Purpose {
	case signin.ToSignIn:
		rq.keepSession(back.Admission.Session, back.Admission.Expires)
	case signin.ToConfirm:
		rq.keepSession(back.Session, rq.visitor.Session.Expires)
	case signin.ToLink:
		return rq.to("/profile?done=linked")
	}
	return rq.to(onward(back.Page))
}

func signOut(rq *request) error {
	v, err := rq.pages.Visitor(rq.Request)
	if err == nil {
		if err := rq.gate.SignOut(rq.Context(), v); err != nil {
			return err
		}
	}
	rq.forget(sessionCookie)
	return rq.to("/signin?done=out")
}

// linkPage is what a one-time link shows.
type linkPage struct {
	shell
	store.OneTimeLink
	Name string
}

func linkForm(rq *request) error {
	l, err := rq.gate.Link(rq.Context(), rq.PathValue("token"))
	if err != nil {
		return err
	}
	return rq.ok(linkView(linkPage{shell: rq.shell(linkTitles[l.Kind], nil), OneTimeLink: l, Name: l.Admin.Name}))
}

var linkTitles = map[store.LinkKind]string{
	store.LinkSetUp: "Set Muster up", store.LinkInvitation: "Welcome to Muster", store.LinkReset: "Set a new password",
}

func linkAgain(rq *request, refused *signin.Refusal) (templ.Component, error) {
	l, err := rq.gate.Link(rq.Context(), rq.PathValue("token"))
	if err != nil {
		return plainPage(rq.shell("Link", refused)), nil
	}
	name := l.Admin.Name
	if l.Kind == store.LinkSetUp {
		name = rq.PostFormValue("name")
	}
	return linkView(linkPage{shell: rq.shell(linkTitles[l.Kind], refused), OneTimeLink: l, Name: name}), nil
}

func followLink(rq *request) error {
	password := rq.PostFormValue("password")
	if password != rq.PostFormValue("again") {
		return errDiffer
	}
	in, err := rq.gate.FollowLink(rq.Context(), rq.client(), rq.PathValue("token"), rq.PostFormValue("name"), password)
	if err != nil {
		return err
	}
	return rq.admitted(in, "/")
}

var errDiffer = &signin.Refusal{Reason: "The two passwords differ", Next: "Write the same one twice."}

func asset(rq *request) error {
	rq.w.Header().Set("Cache-Control", "public, max-age=300")
	http.ServeFileFS(rq.w, rq.Request, assets, "assets/"+rq.PathValue("name"))
	return nil
}
