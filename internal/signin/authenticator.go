package signin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"image"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/muster-id/muster/internal/store"
)

// step is how long a code of an authenticator app is shown (RFC 6238); the one before and the one
// after are taken too, because clocks differ.
const step = 30 * time.Second

// checkCode reports whether a code of the administrator's app, or a recovery code, is right and new,
// and otherwise why not.
func (g *Gate) checkCode(ctx context.Context, a store.Administrator, code string) (ok bool, why string, err error) {
	if code = bare(code); len(code) != int(otp.DigitsSix) {
		ok, err = g.store.UseRecoveryCode(ctx, store.Actor{Name: a.Name, Via: via}, a, code)
		return ok, "wrong recovery code", err
	}
	secret, err := g.store.AuthenticatorSecret(ctx, a)
	if err != nil {
		return false, "", err
	}
	at, ok := stepOf(code, secret, g.store.Now())
	if !ok {
		return false, "wrong code", nil
	}
	ok, err = g.store.UseStep(ctx, a.ID, at)
	return ok, "code used before", err
}

// bare takes away what people put between the characters of a code.
func bare(code string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\t' || r == '\u00a0' {
			return -1
		}
		return r
	}, strings.ToUpper(strings.TrimSpace(code)))
}

// stepOf returns the step that a code belongs to.
func stepOf(code, secret string, now time.Time) (int64, bool) {
	at := now.Unix() / int64(step/time.Second)
	for _, counter := range []int64{at, at - 1, at + 1} {
		ok, err := hotp.ValidateCustom(code, uint64(counter), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && ok {
			return counter, true
		}
	}
	return 0, false
}

// Enrolment is an authenticator app that is being added.
type Enrolment struct {
	Token  string // what the browser holds until the first code is right
	Secret string // for whoever cannot take a picture
	key    *otp.Key
}

// Image returns the picture that the app takes.
func (e Enrolment) Image(size int) (image.Image, error) { return e.key.Image(size, size) }

// enrolling is what is kept of an enrolment.
type enrolling struct{ AdminID, URL string }

// BeginAuthenticator makes the secret of a new app. Nothing changes until the app has shown a code.
func (g *Gate) BeginAuthenticator(ctx context.Context, v Visitor) (Enrolment, error) {
	if !g.Fresh(v) {
		return Enrolment{}, errStale
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Muster", AccountName: strings.ReplaceAll(v.Admin.Name, ":", " ")})
	if err != nil {
		return Enrolment{}, fmt.Errorf("making an authenticator app's secret: %w", err)
	}
	token, err := g.store.BeginChallenge(ctx, kindAuthenticator, enrolling{v.Admin.ID, key.String()}, ceremony)
	return Enrolment{Token: token, Secret: key.Secret(), key: key}, err
}

// Enrolment returns the one that the browser holds.
func (g *Gate) Enrolment(ctx context.Context, v Visitor, token string) (Enrolment, error) {
	var e enrolling
	err := g.store.Challenge(ctx, kindAuthenticator, token, &e, false)
	if errors.Is(err, store.ErrNotFound) || err == nil && e.AdminID != v.Admin.ID {
		return Enrolment{}, &Refusal{Reason: "Adding the app took too long", Next: "Begin again.", Err: err}
	}
	if err != nil {
		return Enrolment{}, err
	}
	key, err := otp.NewKeyFromURL(e.URL)
	if err != nil {
		return Enrolment{}, fmt.Errorf("reading an authenticator app's secret: %w", err)
	}
	return Enrolment{Token: token, Secret: key.Secret(), key: key}, nil
}

// FinishAuthenticator adds the app when its code is right, and returns the recovery codes, which
// nobody can read again, and the session's new token. The other sessions end: they were begun
// without it.
func (g *Gate) FinishAuthenticator(ctx context.Context, v Visitor, token, code string) (codes []string, session string, err error) {
	if !g.Fresh(v) {
		return nil, "", errStale
	}
	e, err := g.Enrolment(ctx, v, token)
	if err != nil {
		return nil, "", err
	}
	at, ok := stepOf(bare(code), e.Secret, g.store.Now())
	if !ok {
		return nil, "", &Refusal{Reason: "The code is not right", Next: "Take the one that the app shows now. If it stays wrong, the clock of the telephone or of this server is off."}
	}
	var taken enrolling
	if err := g.store.Challenge(ctx, kindAuthenticator, token, &taken, true); err != nil {
		return nil, "", &Refusal{Reason: "This app has been added already", Err: err}
	}
	codes, kept := recoveryCodes()
	if err := g.store.SetAuthenticator(ctx, v.By(), v.Admin, e.Secret, at, kept); err != nil {
		return nil, "", err
	}
	if _, err := g.EndOthers(ctx, v); err != nil {
		return nil, "", err
	}
	session, err = g.store.RenewSession(ctx, v.Session.ID, false)
	return codes, session, err
}

// RemoveAuthenticator takes the visitor's app and recovery codes away.
func (g *Gate) RemoveAuthenticator(ctx context.Context, v Visitor) error {
	if !g.Fresh(v) {
		return errStale
	}
	return g.store.RemoveAuthenticator(ctx, v.By(), v.Admin)
}

// NewRecoveryCodes returns new recovery codes, in place of those the visitor had.
func (g *Gate) NewRecoveryCodes(ctx context.Context, v Visitor) ([]string, error) {
	if !g.Fresh(v) {
		return nil, errStale
	}
	if !v.Admin.Authenticator {
		return nil, &Refusal{Reason: "Recovery codes go with an authenticator app", Next: "Add one first."}
	}
	codes, kept := recoveryCodes()
	return codes, g.store.SetRecoveryCodes(ctx, v.By(), v.Admin, kept)
}

// recoveryCodes returns ten codes of 80 bits, as people read them and as they are kept.
func recoveryCodes() (shown, kept []string) {
	for range 10 {
		code := rand.Text()[:16]
		kept = append(kept, code)
		shown = append(shown, code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:])
	}
	return shown, kept
}
