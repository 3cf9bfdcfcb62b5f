package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

// CallbackPath is where the identity provider sends people back to; its whole URL is what is
// registered there.
const CallbackPath = admin.CallbackPath

// providerCache remembers what the identity provider said about itself, for a while: signing in is to
// cost it two requests and not four.
type providerCache struct {
	http *http.Client

	mu       sync.Mutex
	issuer   string
	until    time.Time
	provider *oidc.Provider
}

const providerKept = 10 * time.Minute

func (c *providerCache) get(ctx context.Context, issuer string, now time.Time) (*oidc.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provider != nil && c.issuer == issuer && now.Before(c.until) {
		return c.provider, nil
	}
	// Its keys are fetched long after this request has ended.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), c.http), issuer)
	if err != nil {
		return nil, err
	}
	c.provider, c.issuer, c.until = p, issuer, now.Add(providerKept)
	return p, nil
}

// SingleSignOn returns what stands on the button, "" when there is no single sign-on.
func (g *Gate) SingleSignOn(ctx context.Context) (string, error) {
	o, err := g.store.SingleSignOn(ctx)
	if err != nil || o == nil || g.url == "" {
		return "", err
	}
	return o.Name, nil
}

// Purpose is what somebody is sent to the identity provider for.
type Purpose string

// The purposes.
const (
	ToSignIn  Purpose = "sign in"
	ToConfirm Purpose = "confirm" // that it is them, again
	ToLink    Purpose = "link"    // their administrator to who they are there
)

// errand is what is kept while somebody is at the identity provider.
type errand struct {
	Purpose                Purpose
	Admin                  string // of the visitor, unless they sign in
	State, Nonce, Verifier string
	Back                   string // the page to go on with
}

// BeginSingleSignOn returns the address at the identity provider that the browser goes to, and what
// it holds meanwhile. The visitor is who confirms or links, and nobody who signs in. The page is
// where they go on afterwards.
func (g *Gate) BeginSingleSignOn(ctx context.Context, purpose Purpose, v Visitor, page string) (address, token string, err error) {
	if purpose == ToLink && !g.Fresh(v) {
		return "", "", errStale
	}
	client, _, _, err := g.client(ctx)
	if err != nil {
		return "", "", err
	}
	e := errand{Purpose: purpose, Admin: v.Admin.ID, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Back: page}
	options := []oauth2.AuthCodeOption{oidc.Nonce(e.Nonce), oauth2.S256ChallengeOption(e.Verifier)}
	if purpose == ToConfirm {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	token, err = g.store.BeginChallenge(ctx, kindSingleSignOn, e, ceremony)
	return client.AuthCodeURL(e.State, options...), token, err
}

var errNoSingleSignOn = &Refusal{Reason: "Single sign-on is not set up", Next: "An owner sets it up with `muster signin oidc set`."}

// client returns Muster as the identity provider's client.
func (g *Gate) client(ctx context.Context) (*oauth2.Config, *oidc.Provider, *store.SingleSignOn, error) {
	o, err := g.store.SingleSignOn(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if o == nil || g.url == "" {
		return nil, nil, nil, errNoSingleSignOn
	}
	p, err := g.provider.get(ctx, o.Issuer, g.store.Now())
	if err != nil {
		return nil, nil, nil, unreachable(o, err)
	}
	secret, err := g.store.ClientSecret(ctx, o)
	if err != nil {
		return nil, nil, nil, err
	}
	return &oauth2.Config{ClientID: o.ClientID, ClientSecret: secret, Endpoint: p.Endpoint(), RedirectURL: g.url + CallbackPath, Scopes: o.Scopes}, p, o, nil
}

func unreachable(o *store.SingleSignOn, err error) error {
	next := "Try again, or sign in another way."
	var wait net.Error
	if errors.As(err, &wait) && wait.Timeout() {
		next = "It took too long to answer. " + next
	}
	return &Refusal{Reason: o.Name + " cannot be asked at the moment", Next: next, Err: err}
}

// Return is where somebody who was at the identity provider goes on.
type Return struct {
	Admission // of who signed in
	Purpose   Purpose
	Session   string // the new token of who confirmed, or ""
	Page      string
}

// SingleSignOnAnswer takes what the browser brings back from the identity provider. The visitor is
// who the browser's session says, if anybody.
func (g *Gate) SingleSignOnAnswer(ctx context.Context, c Client, v Visitor, token string, answer url.Values) (Return, error) {
	var e errand
	err := g.store.Challenge(ctx, kindSingleSignOn, token, &e, true)
	if errors.Is(err, store.ErrNotFound) || err == nil && subtle.ConstantTimeCompare([]byte(e.State), []byte(answer.Get("state"))) != 1 {
		return Return{}, &Refusal{Reason: "This answer does not belong to a sign-in that was begun in this browser", Next: "Begin again.", Err: err}
	}
	if err != nil {
		return Return{}, err
	}
	back := Return{Purpose: e.Purpose, Page: e.Back}
	if e.Purpose != ToSignIn && e.Admin != v.Admin.ID {
		return back, &Refusal{Reason: "Somebody else is signed in by now", Next: "Begin again."}
	}
	who, o, err := g.identity(ctx, e, answer)
	if err != nil {
		var r *Refusal
		if errors.As(err, &r) {
			err = errors.Join(g.failed(ctx, c, store.Administrator{}, bySingleSignOn, r.Reason), err)
		}
		return back, err
	}
	switch e.Purpose {
	case ToLink:
		return back, said(g.store.SetIdentity(ctx, v.By(), v.Admin, who.issuer, who.subject))
	case ToConfirm:
		if v.Admin.Issuer != who.issuer || v.Admin.Subject != who.subject {
			return back, &Refusal{Reason: "That is another account at " + o.Name, Next: "Take the one that you are linked to."}
		}
		back.Session, err = g.store.RenewSession(ctx, v.Session.ID, true)
		return back, err
	}
	a, err := g.mapped(ctx, who, o)
	if err != nil {
		var r *Refusal
		if errors.As(err, &r) {
			err = errors.Join(g.failed(ctx, c, a, bySingleSignOn, r.Reason), err)
		}
		return back, err
	}
	back.Admission, err = g.admit(ctx, c, a, bySingleSignOn)
	return back, err
}

// said puts a store's refusal into words for the page.
func said(err error) error {
	var known *store.Error
	if !errors.As(err, &known) {
		return err
	}
	return &Refusal{Reason: sentence(known.Reason), Next: sentence(known.Next), Err: err}
}

// person is who somebody is at the identity provider.
type person struct {
	issuer, subject, name string
	groups                []string
}

// identity exchanges the code for the ID token and reads who it names. What anybody could have
// written is believed in nothing: signature, issuer, audience, nonce and expiry are checked first.
func (g *Gate) identity(ctx context.Context, e errand, answer url.Values) (p person, o *store.SingleSignOn, err error) {
	client, provider, o, err := g.client(ctx)
	if err != nil {
		return p, o, err
	}
	if code := answer.Get("error"); code != "" {
		return p, o, &Refusal{Reason: o.Name + " did not let you in", Next: "It says: " + shortened(strings.TrimSpace(code+" "+answer.Get("error_description")), 300)}
	}
	if iss := answer.Get("iss"); iss != "" && iss != o.Issuer { // RFC 9207
		return p, o, &Refusal{Reason: "The answer is of another identity provider", Next: "Begin again."}
	}
	bad := func(err error) error {
		return &Refusal{Reason: "The answer of " + o.Name + " was not accepted", Next: "Begin again; if it stays so, an owner looks at what `muster serve --log-level info` says.", Err: err}
	}
	ctx = oidc.ClientContext(ctx, g.provider.http)
	tokens, err := client.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(e.Verifier))
	if err != nil {
		g.log.WarnContext(ctx, "the identity provider refused the code", "error", withoutBody(err))
		return p, o, bad(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: o.ClientID, Now: g.store.Now}).Verify(ctx, raw)
	if err != nil {
		g.log.WarnContext(ctx, "the ID token was not accepted", "error", err)
		return p, o, bad(err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(e.Nonce)) != 1 {
		return p, o, bad(errors.New("the nonce is another"))
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return p, o, bad(err)
	}
	if claims[o.GroupsClaim] == nil || claims[o.NameClaim] == nil { // many keep the ID token short
		if info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens)); err == nil && info.Subject == id.Subject {
			more := map[string]any{}
			if err := info.Claims(&more); err != nil {
				return p, o, bad(err)
			}
			for name, value := range more {
				if claims[name] == nil {
					claims[name] = value
				}
			}
		}
	}
	if e.Purpose == ToConfirm && !recent(claims["auth_time"], g.store.Now()) {
		return p, o, &Refusal{Reason: o.Name + " did not ask you again", Next: "Sign out there, or confirm another way."}
	}
	if claims[o.GroupsClaim] == nil && overage(claims, o.GroupsClaim) {
		return p, o, &Refusal{Reason: "You are in more groups than " + o.Name + " tells", Next: "An owner lets it send only the groups that are assigned to Muster, or app roles: see the documentation on signing in."}
	}
	p = person{issuer: o.Issuer, subject: id.Subject, groups: texts(claims[o.GroupsClaim])}
	for _, claim := range []string{o.NameClaim, "preferred_username", "email", "sub"} {
		if p.name, _ = claims[claim].(string); p.name != "" {
			break
		}
	}
	return p, o, nil
}

// withoutBody tells of a refused exchange only what holds no secret.
func withoutBody(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return fmt.Sprintf("%d %s %s", refused.Response.StatusCode, refused.ErrorCode, refused.ErrorDescription)
	}
	return err.Error()
}

// recent reports whether a claim auth_time is of just now. Not everybody sends it.
func recent(claim any, now time.Time) bool {
	at, ok := claim.(float64)
	return !ok || now.Sub(time.Unix(int64(at), 0)) < freshness
}

// overage reports whether Entra ID left the groups out because there are too many.
func overage(claims map[string]any, groups string) bool {
	names, _ := claims["_claim_names"].(map[string]any)
	return names[groups] != nil || claims["hasgroups"] == true
}

// texts reads a claim that is a text or a list of them.
func texts(claim any) (list []string) {
	switch claim := claim.(type) {
	case string:
		return []string{claim}
	case []any:
		for _, v := range claim {
			if s, ok := v.(string); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

// mapped returns the administrator that a person is, with the role that their groups give them now.
// Whom no group gives one does not get in, whatever role they had.
func (g *Gate) mapped(ctx context.Context, p person, o *store.SingleSignOn) (store.Administrator, error) {
	var role admin.Role
	for _, group := range p.groups {
		if r := admin.Role(o.Roles[group]); slices.Index(admin.Roles, r) > slices.Index(admin.Roles, role) {
			role = r
		}
	}
	a, err := g.store.AdministratorOf(ctx, p.issuer, p.subject)
	known := err == nil
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return a, err
	case role == "":
		return a, &Refusal{Reason: "None of your groups lets you into Muster", Next: "Ask whoever manages Muster to add you to one that does."}
	case !known:
		a, err = g.store.AddAdministrator(ctx, store.Actor{Via: via}, store.Administrator{Name: p.name, Role: string(role), Issuer: p.issuer, Subject: p.subject})
		if errors.Is(err, store.ErrExists) {
			return a, &Refusal{Reason: "There is an administrator " + p.name + " already, who is not linked to " + o.Name, Next: "If that is you, sign in the way you did before, and link them under Account. Otherwise ask an owner.", Err: err}
		}
		return a, said(err)
	case a.Role != string(role):
		a, err = g.store.SetAdministratorRole(ctx, store.Actor{Name: a.Name, Via: via}, a.ID, string(role))
		return a, said(err)
	}
	return a, nil
}
