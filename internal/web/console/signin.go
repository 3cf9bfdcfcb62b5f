package console

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

// signInView is how people get in: the settings as they are, or as they were sent.
type signInView struct {
	admin.SignIn
	Given   store.SingleSignOn
	Version string // of what the form was filled from
	Tested  *admin.SignInTest
	Problem *admin.Problem
}

// groupRole is a group of the identity provider with the role that it gives.
type groupRole struct{ Group, Role string }

// spareRows are for groups that are to come.
const spareRows = 3

// groups are the groups that give roles, with empty ones to fill in.
func (v signInView) groups() []groupRole {
	var rows []groupRole
	for _, group := range slices.Sorted(maps.Keys(v.Given.Roles)) {
		rows = append(rows, groupRole{group, v.Given.Roles[group]})
	}
	return append(rows, make([]groupRole, spareRows)...)
}

func (c *console) signIn(rq *request) error {
	return c.showSignIn(rq, http.StatusOK, signInView{}, nil)
}

func (c *console) showSignIn(rq *request, status int, v signInView, given *store.SingleSignOn) error {
	var err error
	if v.SignIn, err = rq.desk.SignIn(rq.Context()); err != nil {
		return err
	}
	now, err := rq.desk.SettingVersion(rq.Context(), store.SingleSignOnSetting)
	if err != nil {
		return err
	}
	if v.Version == "" || changedMeanwhile(v.Problem) {
		v.Version = now
	}
	switch {
	case given != nil:
		v.Given = *given
	case v.SingleSignOn != nil:
		v.Given = *v.SingleSignOn
	default:
		v.Given = store.SingleSignOn{Scopes: []string{"openid", "profile", "email"}, GroupsClaim: "groups", NameClaim: "preferred_username"}
	}
	rq.show(status, signInPage(rq.page.titled("Sign-in"), v))
	return nil
}

// providerOf reads an identity provider out of its form.
func providerOf(form url.Values) store.SingleSignOn {
	o := store.SingleSignOn{
		Name: form.Get("name"), Issuer: form.Get("issuer"), ClientID: form.Get("client_id"), Scopes: strings.Fields(form.Get("scopes")),
		GroupsClaim: strings.TrimSpace(form.Get("groups_claim")), NameClaim: strings.TrimSpace(form.Get("name_claim")), Roles: map[string]string{},
	}
	for i, group := range form["group"] {
		if group = strings.TrimSpace(group); group != "" && i < len(form["role"]) {
			o.Roles[group] = form["role"][i]
		}
	}
	return o
}

// saveSignIn saves single sign-on, after it was asked whether it answers; or only asks; or ends it.
func (c *console) saveSignIn(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	if get("remove") != "" {
		if err := rq.desk.RemoveSingleSignOn(rq.Context()); err != nil {
			return c.showSignIn(rq, http.StatusUnprocessableEntity, signInView{Problem: admin.Explain(err)}, nil)
		}
		return rq.done("/sign-in", "Single sign-on has ended.", "Whoever came in by it needs a link: Administrators, Reset.")
	}
	given := providerOf(rq.PostForm)
	again := func(err error, tested *admin.SignInTest) error {
		status := http.StatusOK
		if err != nil {
			status = http.StatusUnprocessableEntity
		}
		return c.showSignIn(rq, status, signInView{Problem: admin.Explain(err), Tested: tested, Version: get("version")}, &given)
	}
	o, err := admin.CompleteSingleSignOn(given)
	if err != nil {
		return again(err, nil)
	}
	if get("test") != "" || get("unchecked") == "" {
		tested, err := rq.desk.TestSingleSignOn(rq.Context(), &o)
		if err != nil || get("test") != "" {
			if err == nil {
				return again(nil, &tested)
			}
			return again(err, nil)
		}
	}
	if _, err := rq.desk.SetSingleSignOnIf(rq.Context(), get("version"), o, clientSecret(get)); err != nil {
		return again(err, nil)
	}
	return rq.done("/sign-in", "Saved.", "Next: sign in by it in another browser, before you sign out here.")
}

// clientSecret is what the form says of the secret: nil keeps the sealed one, "" is for a public client.
func clientSecret(get func(string) string) *string {
	secret := strings.TrimSpace(get("client_secret"))
	if secret == "" && get("public") == "" {
		return nil
	}
	if get("public") != "" {
		secret = ""
	}
	return &secret
}

func (c *console) setLocalSignIn(rq *request) error {
	in, err := rq.desk.SetLocalSignIn(rq.Context(), rq.PostFormValue("local") == "on")
	if err != nil {
		return c.showSignIn(rq, http.StatusUnprocessableEntity, signInView{Problem: admin.Explain(err)}, nil)
	}
	if in.Local {
		return rq.done("/sign-in", "Passwords and passkeys let people in again.")
	}
	return rq.done("/sign-in", "Single sign-on alone lets people in. Whoever signed in otherwise is signed out.")
}
