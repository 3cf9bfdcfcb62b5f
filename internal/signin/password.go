package signin

import (
	"context"
	"errors"
	"time"

	"github.com/muster-id/muster/internal/store"
)

// errWrong is what everybody hears whose name or password is not right, whichever it is.
func errWrong() error {
	return &Refusal{Reason: "The name or the password is not right", Next: "Try again, or ask an owner for a link to set a new password."}
}

// Password lets somebody in by name and password, or up to the question for a second factor where
// they have one.
func (g *Gate) Password(ctx context.Context, c Client, name, password string) (Admission, error) {
	if err := g.local(ctx); err != nil { // before the password is looked at, which nobody is to find out here
		return Admission{}, err
	}
	tried := attemptOn(name, c)
	if err := g.begin(ctx, tried); err != nil {
		return Admission{}, err
	}
	a, err := g.checkPassword(ctx, name, password)
	if errors.Is(err, errNoMatch) {
		return Admission{}, errors.Join(g.failed(ctx, c, a, byPassword, "wrong name or password"), errWrong())
	}
	if err != nil {
		return Admission{}, err
	}
	if err := g.succeeded(ctx, tried, !a.Authenticator); err != nil {
		return Admission{}, err
	}
	return g.proved(ctx, c, a, byPassword)
}

// errNoMatch is a password that is not the one, or a name that nobody has.
var errNoMatch = errors.New("no match")

// checkPassword returns who has a name and a password. It takes the same time whether there is such
// a name or not, and whether it has a password or not.
func (g *Gate) checkPassword(ctx context.Context, name, password string) (store.Administrator, error) {
	if len(password) > passwordMost {
		password = ""
	}
	a, hash, err := g.store.PasswordOf(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return a, err
	}
	ok, better, err := g.verify(ctx, password, hash)
	if err != nil {
		return a, err
	}
	if !ok {
		return a, errNoMatch
	}
	if better != "" {
		if err := g.store.Rehash(ctx, a.ID, hash, better); err != nil {
			return a, err
		}
	}
	return a, nil
}

// proved goes on where a password or a link has been proved: to the session, or to the question for
// a second factor.
func (g *Gate) proved(ctx context.Context, c Client, a store.Administrator, method string) (Admission, error) {
	if !a.Authenticator {
		return g.admit(ctx, c, a, method)
	}
	token, err := g.store.BeginChallenge(ctx, kindSecondFactor, waiting{AdminID: a.ID, Method: method}, ceremony)
	return Admission{Admin: a, Pending: token}, err
}

// ceremony is how long a step of signing in waits for the next one.
const ceremony = 10 * time.Minute

// The kinds of challenges.
const (
	kindSecondFactor  = "second factor"
	kindAuthenticator = "authenticator app"
	kindRegister      = "passkey registration"
	kindPasskey       = "passkey"
	kindSingleSignOn  = "single sign-on"
)

// waiting is somebody whose second factor is asked for.
type waiting struct{ AdminID, Method string }

// SecondFactor lets somebody in whose password was right, by a code of their authenticator app or a
// recovery code. After a wrong one the same pending step may be tried again, as often as the account
// may be tried at all.
func (g *Gate) SecondFactor(ctx context.Context, c Client, pending, code string) (Admission, error) {
	var w waiting
	err := g.store.Challenge(ctx, kindSecondFactor, pending, &w, false)
	if errors.Is(err, store.ErrNotFound) {
		return Admission{}, &Refusal{Reason: "Signing in took too long", Next: "Begin again with your name and password.", Err: err}
	}
	if err != nil {
		return Admission{}, err
	}
	a, err := g.store.Administrator(ctx, w.AdminID)
	if err != nil {
		return Admission{}, err
	}
	if err := g.proveCode(ctx, c, a, code); err != nil {
		return Admission{}, err
	}
	// Taken: the step leads to one session.
	if err := g.store.Challenge(ctx, kindSecondFactor, pending, &w, true); err != nil {
		return Admission{}, &Refusal{Reason: "Signing in was finished already", Next: "Begin again with your name and password.", Err: err}
	}
	return g.admit(ctx, c, a, w.Method)
}

// proveCode takes a code as proof, slowing down whoever guesses.
func (g *Gate) proveCode(ctx context.Context, c Client, a store.Administrator, code string) error {
	tried := attemptOn(a.Name, c)
	if err := g.begin(ctx, tried); err != nil {
		return err
	}
	ok, why, err := g.checkCode(ctx, a, code)
	if err != nil {
		return err
	}
	if !ok {
		return errors.Join(g.failed(ctx, c, a, "second factor", why), &Refusal{Reason: "The code is not right", Next: "Wait for the next code of your app: each one is taken once. Or use a recovery code."})
	}
	return g.succeeded(ctx, tried, true)
}

// Confirm proves again who the visitor is, by password and, where they have an app, its code. The
// session gets another token, which the browser is to hold from then on.
func (g *Gate) Confirm(ctx context.Context, c Client, v Visitor, password, code string) (string, error) {
	tried := attemptOn(v.Admin.Name, c)
	if err := g.begin(ctx, tried); err != nil {
		return "", err
	}
	if _, err := g.checkPassword(ctx, v.Admin.Name, password); errors.Is(err, errNoMatch) {
		return "", errors.Join(g.failed(ctx, c, v.Admin, byPassword, "wrong password"), &Refusal{Reason: "The password is not right", Next: "Try again."})
	} else if err != nil {
		return "", err
	}
	if err := g.succeeded(ctx, tried, !v.Admin.Authenticator); err != nil {
		return "", err
	}
	if v.Admin.Authenticator {
		if err := g.proveCode(ctx, c, v.Admin, code); err != nil {
			return "", err
		}
	}
	return g.store.RenewSession(ctx, v.Session.ID, true)
}

// ChangePassword gives the visitor another password. Their other sessions end, and this one gets
// another token.
func (g *Gate) ChangePassword(ctx context.Context, v Visitor, password string) (string, error) {
	if !g.Fresh(v) {
		return "", errStale
	}
	if err := CheckPassword(password, v.Admin.Name); err != nil {
		return "", err
	}
	hash, err := g.hashOf(ctx, password)
	if err != nil {
		return "", err
	}
	if err := g.store.SetPassword(ctx, v.By(), v.Admin, hash, v.Session.ID); err != nil {
		return "", err
	}
	return g.store.RenewSession(ctx, v.Session.ID, false)
}

// Link returns what a one-time link is for, without using it.
func (g *Gate) Link(ctx context.Context, token string) (store.OneTimeLink, error) {
	l, err := g.store.LinkOf(ctx, token)
	if errors.Is(err, store.ErrNotFound) {
		err = &Refusal{Reason: "This link has been used, has expired, or never was one", Next: "Ask an owner for a new one, or start `muster serve` again while Muster has no owner.", Err: err}
	}
	return l, err
}

// FollowLink uses a one-time link: it sets the administrator's password, for a set-up under a name of
// their choice, and lets them in.
func (g *Gate) FollowLink(ctx context.Context, c Client, token, name, password string) (Admission, error) {
	l, err := g.Link(ctx, token)
	if err != nil {
		return Admission{}, err
	}
	if l.Kind != store.LinkSetUp {
		name = l.Admin.Name
	}
	if err := g.local(ctx); err != nil { // the link is kept for when it leads somewhere again
		return Admission{}, err
	}
	if err := CheckPassword(password, name); err != nil {
		return Admission{}, err
	}
	hash, err := g.hashOf(ctx, password)
	if err != nil {
		return Admission{}, err
	}
	a, err := g.store.FollowLink(ctx, via, token, name, hash)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) {
		var known *store.Error
		errors.As(err, &known)
		return Admission{}, &Refusal{Reason: sentence(known.Reason), Next: sentence(known.Next), Err: err}
	}
	if err != nil {
		return Admission{}, err
	}
	// Whoever locked the account by guessing is not to keep its owner out.
	if err := g.store.ForgetFailures(ctx, attemptOn(a.Name, c).account); err != nil {
		return Admission{}, err
	}
	return g.proved(ctx, c, a, byLink)
}
