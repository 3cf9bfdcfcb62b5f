package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/muster-id/muster/internal/store"
)

// relyingParty is Muster as passkeys know it: bound to one host name and one origin.
type relyingParty = webauthn.WebAuthn

// reachedAt reads the URL that people reach the console at. Browsers make passkeys for host names
// alone, over https or on localhost; for other URLs there is no relying party.
func reachedAt(text string) (base string, rp *relyingParty, err error) {
	if text == "" {
		return "", nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", nil, &Refusal{Reason: fmt.Sprintf("The public URL %q is not a scheme and a host alone", text), Next: "Write it as in https://muster.example.org."}
	}
	origin := strings.ToLower(u.Scheme) + "://" + strings.ToLower(u.Host)
	host := strings.ToLower(u.Hostname())
	if net.ParseIP(host) != nil || u.Scheme != "https" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		return origin, nil, nil
	}
	limit := webauthn.TimeoutConfig{Enforce: true, Timeout: ceremony, TimeoutUVD: ceremony}
	rp, err = webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "Muster", RPOrigins: []string{origin},
		AttestationPreference:  protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(), UserVerification: protocol.VerificationRequired},
		Timeouts:               webauthn.TimeoutsConfig{Login: limit, Registration: limit},
	})
	if err != nil {
		return "", nil, fmt.Errorf("preparing passkeys for %s: %w", text, err)
	}
	return origin, rp, nil
}

// PasskeysWork reports whether browsers make passkeys for the URL that the console is reached at.
func (g *Gate) PasskeysWork() bool { return g.passkeys != nil }

var errNoPasskeys = &Refusal{Reason: "Passkeys do not work at this address", Next: "They need https and a host name: start `muster serve` with --public-url."}

// holder is an administrator as the library asks for one.
type holder struct {
	admin store.Administrator
	keys  []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return []byte(h.admin.ID) }
func (h holder) WebAuthnName() string                       { return h.admin.Name }
func (h holder) WebAuthnDisplayName() string                { return h.admin.Name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

func (g *Gate) holder(ctx context.Context, a store.Administrator) (holder, error) {
	list, err := g.store.Passkeys(ctx, a.ID)
	if err != nil {
		return holder{}, err
	}
	h := holder{admin: a}
	for _, p := range list {
		var c webauthn.Credential
		if err := json.Unmarshal(p.Credential, &c); err != nil {
			return h, fmt.Errorf("reading passkey %s of %s: %w", p.Name, a.Name, err)
		}
		h.keys = append(h.keys, c)
	}
	return h, nil
}

// Passkeys returns the visitor's passkeys, the oldest first.
func (g *Gate) Passkeys(ctx context.Context, v Visitor) ([]store.Passkey, error) {
	return g.store.Passkeys(ctx, v.Admin.ID)
}

// registering is what is kept while a browser makes a passkey.
type registering struct {
	AdminID string
	Data    webauthn.SessionData
}

// BeginRegistration returns what the browser makes a passkey from, and what it holds meanwhile.
func (g *Gate) BeginRegistration(ctx context.Context, v Visitor) (options any, token string, err error) {
	if g.passkeys == nil {
		return nil, "", errNoPasskeys
	}
	if !g.Fresh(v) {
		return nil, "", errStale
	}
	h, err := g.holder(ctx, v.Admin)
	if err != nil {
		return nil, "", err
	}
	have := make([]protocol.CredentialDescriptor, len(h.keys))
	for i := range h.keys {
		have[i] = h.keys[i].Descriptor()
	}
	creation, data, err := g.passkeys.BeginRegistration(h, webauthn.WithExclusions(have))
	if err != nil {
		return nil, "", fmt.Errorf("beginning to register a passkey: %w", err)
	}
	token, err = g.store.BeginChallenge(ctx, kindRegister, registering{v.Admin.ID, *data}, ceremony)
	return creation, token, err
}

// FinishRegistration keeps the passkey that the browser made, under a name of the visitor's choice.
func (g *Gate) FinishRegistration(ctx context.Context, v Visitor, token, name string, answer []byte) error {
	if g.passkeys == nil {
		return errNoPasskeys
	}
	if !g.Fresh(v) {
		return errStale
	}
	var r registering
	err := g.store.Challenge(ctx, kindRegister, token, &r, true)
	if errors.Is(err, store.ErrNotFound) || err == nil && r.AdminID != v.Admin.ID {
		return &Refusal{Reason: "Adding the passkey took too long", Next: "Begin again.", Err: err}
	}
	if err != nil {
		return err
	}
	h, err := g.holder(ctx, v.Admin)
	if err != nil {
		return err
	}
	made, err := protocol.ParseCredentialCreationResponseBytes(answer)
	var c *webauthn.Credential
	if err == nil {
		c, err = g.passkeys.CreateCredential(h, r.Data, made)
	}
	if err != nil {
		return &Refusal{Reason: "The passkey was not accepted", Next: "Try again, or use another device.", Err: err}
	}
	kept, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("keeping a passkey: %w", err)
	}
	if name = shortened(strings.TrimSpace(name), 100); name == "" {
		name = "Passkey of " + g.store.Now().Format(time.DateOnly)
	}
	err = g.store.AddPasskey(ctx, v.By(), v.Admin, store.Passkey{ID: base64.RawURLEncoding.EncodeToString(c.ID), Name: name, Credential: kept})
	if errors.Is(err, store.ErrExists) {
		return &Refusal{Reason: "This passkey is registered already", Next: "Use another device.", Err: err}
	}
	return err
}

// RemovePasskey takes a passkey of the visitor away.
func (g *Gate) RemovePasskey(ctx context.Context, v Visitor, id string) error {
	if !g.Fresh(v) {
		return errStale
	}
	return g.store.RemovePasskey(ctx, v.By(), v.Admin, id)
}

// BeginPasskey returns what the browser asks for a passkey's signature with, and what it holds
// meanwhile. It says nothing of who has one.
func (g *Gate) BeginPasskey(ctx context.Context) (options any, token string, err error) {
	if g.passkeys == nil {
		return nil, "", errNoPasskeys
	}
	assertion, data, err := g.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", fmt.Errorf("asking for a passkey: %w", err)
	}
	token, err = g.store.BeginChallenge(ctx, kindPasskey, *data, ceremony)
	return assertion, token, err
}

// Passkey lets somebody in by a passkey's signature. The device has asked them for a finger, face or
// PIN, so that nothing else is.
func (g *Gate) Passkey(ctx context.Context, c Client, token string, answer []byte) (Admission, error) {
	a, err := g.signed(ctx, c, token, answer)
	if err != nil {
		return Admission{}, err
	}
	return g.admit(ctx, c, a, byPasskey)
}

// ConfirmByPasskey proves again who the visitor is. The session gets another token.
func (g *Gate) ConfirmByPasskey(ctx context.Context, c Client, v Visitor, token string, answer []byte) (string, error) {
	a, err := g.signed(ctx, c, token, answer)
	if err != nil {
		return "", err
	}
	if a.ID != v.Admin.ID {
		return "", &Refusal{Reason: "That is the passkey of another administrator", Next: "Take one of yours."}
	}
	return g.store.RenewSession(ctx, v.Session.ID, true)
}

// signed returns whose passkey made a signature.
func (g *Gate) signed(ctx context.Context, c Client, token string, answer []byte) (store.Administrator, error) {
	if g.passkeys == nil {
		return store.Administrator{}, errNoPasskeys
	}
	var data webauthn.SessionData
	err := g.store.Challenge(ctx, kindPasskey, token, &data, true)
	if errors.Is(err, store.ErrNotFound) {
		return store.Administrator{}, &Refusal{Reason: "Signing in took too long", Next: "Begin again.", Err: err}
	}
	if err != nil {
		return store.Administrator{}, err
	}
	var found holder
	signature, err := protocol.ParseCredentialRequestResponseBytes(answer)
	var key *webauthn.Credential
	if err == nil {
		key, err = g.passkeys.ValidateDiscoverableLogin(func(_, user []byte) (webauthn.User, error) {
			a, err := g.store.Administrator(ctx, string(user))
			if err == nil && a.ID != string(user) { // by id alone, never by name
				err = store.ErrNotFound
			}
			if err != nil {
				return nil, err
			}
			found, err = g.holder(ctx, a)
			return found, err
		}, data, signature)
	}
	if err != nil {
		return found.admin, errors.Join(g.failed(ctx, c, found.admin, byPasskey, "not accepted"), &Refusal{Reason: "The passkey was not accepted", Next: "Try again, or sign in another way.", Err: err})
	}
	if key.Authenticator.CloneWarning {
		return found.admin, errors.Join(g.failed(ctx, c, found.admin, byPasskey, "passkey may have been copied"),
			&Refusal{Reason: "This passkey was refused, because a copy of it seems to be in use", Next: "Sign in another way, remove the passkey under Account, and tell an owner."})
	}
	kept, err := json.Marshal(key)
	if err != nil {
		return found.admin, fmt.Errorf("keeping a passkey: %w", err)
	}
	return found.admin, g.store.UsePasskey(ctx, base64.RawURLEncoding.EncodeToString(key.ID), kept)
}
