package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// secrets opens what a person gave and is sealed for an application's connection.
func (d *Desk) secrets(ctx context.Context, app *provision.Application) (map[string]string, error) {
	secrets := map[string]string{}
	for name, optional := range app.Connection.Auth.Secrets() {
		value, err := d.store.Secret(ctx, app.ID, name, app.Connection.SecretURL(name))
		switch {
		case err == nil:
			secrets[name] = value
		case !optional || !errors.Is(err, store.ErrNeedsSecret):
			return nil, err
		}
	}
	return secrets, nil
}

// credentials opens what is sealed for an application's connection. Secrets are those that a person gave.
func (d *Desk) credentials(ctx context.Context, app *provision.Application) (*connector.Credentials, map[string]string, error) {
	c, auth := app.Connection, app.Connection.Auth
	secrets, err := d.secrets(ctx, app)
	if err != nil {
		return nil, nil, err
	}
	t, err := gallery.Lookup(app.Template)
	if err != nil {
		return nil, nil, err
	}
	o := connector.CredentialOptions{Connection: c, Secrets: secrets, OAuth: t.OAuth}
	key := ""
	if auth.Renews() {
		if key, err = d.renewable(app, secrets); err != nil {
			return nil, nil, err
		}
		d.mu.Lock()
		made := d.renewables[key]
		d.mu.Unlock()
		if made != nil {
			return made, secrets, nil
		}
		if o.Token, err = d.token(ctx, app); err != nil {
			return nil, nil, err
		}
		o.Renew = d.renewing(app)
	}
	made, err := connector.NewCredentials(o)
	if key != "" && err == nil {
		d.mu.Lock()
		if other := d.renewables[key]; other != nil {
			made = other
		}
		d.renewables[key] = made
		d.mu.Unlock()
	}
	if err != nil {
		err = &Problem{Exit: ExitUsage, Code: "connection", Message: fmt.Sprintf("the credentials of %s cannot be used: %v", app.Name, err), Next: "correct them and run `muster config apply`", Err: err}
	}
	return made, secrets, err
}

// renewable names credentials that renew themselves: all that use them in this process share them, and with
// them one request for a token. Whatever is configured otherwise makes others of them.
func (d *Desk) renewable(app *provision.Application, secrets map[string]string) (string, error) {
	text, err := json.Marshal([]any{app.ID, app.Connection, secrets})
	if err != nil {
		return "", err
	}
	return d.store.Pseudonym(string(text))
}

// token returns the token that was got last for an application, the zero value for none.
func (d *Desk) token(ctx context.Context, app *provision.Application) (connector.Token, error) {
	var t connector.Token
	read := func(name string) (string, error) {
		value, err := d.store.Secret(ctx, app.ID, name, app.Connection.SecretURL(name))
		if errors.Is(err, store.ErrNeedsSecret) {
			return "", nil // none yet, or for elsewhere: another one is got
		}
		return value, err
	}
	access, err := read(provision.SecretAccessToken)
	if err != nil {
		return t, err
	}
	if text, err := base64.StdEncoding.DecodeString(access); err == nil && len(text) > 0 {
		if err := json.Unmarshal(text, &t); err != nil {
			return t, fmt.Errorf("reading the access token of %s: %w", app.Name, err)
		}
	}
	t.Refresh, err = read(provision.SecretRotatedToken)
	return t, err
}

// keepToken seals a token that was got: the access token for the target, the refresh token for the token
// endpoint alone.
func (d *Desk) keepToken(ctx context.Context, by store.Actor, app *provision.Application, t connector.Token) error {
	refresh := t.Refresh
	t.Refresh = ""
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return d.store.Write(ctx, func(tx *store.Tx) error {
		for name, value := range map[string]string{provision.SecretAccessToken: base64.StdEncoding.EncodeToString(text), provision.SecretRotatedToken: refresh} {
			if value == "" {
				if err := tx.DropSecrets(ctx, app.ID, name); err != nil {
					return err
				}
				continue
			}
			if err := tx.SetSecret(ctx, by, app.ID, name, app.Connection.SecretURL(name), value); err != nil {
				return err
			}
		}
		return nil
	})
}

// How long one process waits for another to get a token, and how long one that died keeps others from it.
const (
	renewalWait  = 45 * time.Second
	renewalLease = 40 * time.Second // more than the token endpoint is given
	renewalPause = 100 * time.Millisecond
)

// renewing lets one process, of all nodes, get a new token at a time. A refresh token that works only once
// is written down before anything else is done with what it gave.
func (d *Desk) renewing(app *provision.Application) func(context.Context, connector.Token, func(context.Context, connector.Token) (connector.Token, error)) (connector.Token, error) {
	return func(ctx context.Context, old connector.Token, fetch func(context.Context, connector.Token) (connector.Token, error)) (connector.Token, error) {
		end, err := d.alone(ctx, app)
		readOnly := errors.Is(err, store.ErrReadOnly)
		if err != nil && !readOnly {
			return old, err
		}
		defer end()
		newest, err := d.token(ctx, app)
		if err != nil {
			return old, err
		}
		if readOnly && newest.Refresh != "" {
			return old, usage("token_ended", "have the process renew it that has the data directory: name it with --server", "the access token of %s has ended, and this process could not keep the next one", app.Name)
		}
		if newest.Access != "" && newest.Access != old.Access && (newest.Expires.IsZero() || newest.Expires.After(time.Now())) {
			return newest, nil // another process was quicker
		}
		// What has been got is kept, whoever gives up waiting meanwhile.
		ctx = context.WithoutCancel(ctx)
		t, err := fetch(ctx, newest)
		if err != nil {
			return old, err
		}
		if readOnly {
			return t, nil // nothing is lost: the next one is got in the same way
		}
		if err := d.keepToken(ctx, store.Actor{Name: "muster", Via: d.by.Via}, app, t); err != nil {
			return old, fmt.Errorf("keeping the new token of %s: %w", app.Name, err)
		}
		return t, nil
	}
}

// alone takes the right to get a token for an application. End may always be called.
func (d *Desk) alone(ctx context.Context, app *provision.Application) (end func(), err error) {
	key, holder := app.ID+"/token", d.store.NewID()
	deadline := time.Now().Add(renewalWait)
	for {
		ours, who, err := d.store.Lease(ctx, key, holder, node(), renewalLease)
		switch {
		case err != nil:
			return func() {}, err
		case ours:
			return func() { _ = d.store.EndLease(context.WithoutCancel(ctx), key, holder) }, nil // else it runs out
		case time.Now().After(deadline):
			return func() {}, fmt.Errorf("%s is getting a token for %s, and does not come to an end", who, app.Name)
		}
		select {
		case <-ctx.Done():
			return func() {}, ctx.Err()
		case <-time.After(renewalPause):
		}
	}
}

// Handover is an authorisation that a person's browser is to bring.
type Handover struct {
	Address  string // where to send the browser
	State    string // comes back with the code and must be the same
	Verifier string // goes with the code; it never leaves Muster before that
}

// Handover begins the authorisation of an application's connection in a browser. Redirect is where the
// target sends the browser back to, as it is registered there. State and Verifier belong into the session of
// the person who asked: whoever comes back without that session, or with another state, is turned away.
func (d *Desk) Handover(ctx context.Context, name, redirect string) (Handover, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Handover{}, err
	}
	credentials, _, err := d.credentials(ctx, app)
	if err != nil {
		return Handover{}, err
	}
	var h Handover
	if h.Address, h.State, h.Verifier, err = credentials.Handover(redirect); err != nil {
		return h, usage("usage", "set connection.auth.type to oauth2_authorization_code", "%s is not authorised in a browser: its credentials are of type %s", app.Name, app.Connection.Auth.Type)
	}
	return h, nil
}

// Authorize ends the authorisation of an application's connection: the code that the browser brought is
// exchanged for a token, which is sealed. Redirect and verifier are those of the hand-over.
func (d *Desk) Authorize(ctx context.Context, name, redirect, code, verifier string) error {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return err
	}
	credentials, _, err := d.credentials(ctx, app)
	if err != nil {
		return err
	}
	end, err := d.alone(ctx, app)
	if err != nil {
		return err
	}
	defer end()
	t, err := credentials.Exchange(ctx, redirect, code, verifier)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := d.keepToken(ctx, d.by, app, t); err != nil {
		return err
	}
	if err := d.store.Write(ctx, func(tx *store.Tx) error { return tx.Reconnected(ctx, app.ID) }); err != nil {
		return err
	}
	d.mu.Lock()
	clear(d.renewables) // what is used from now on has the new token
	d.mu.Unlock()
	return nil
}

// CredentialStatus is how an application's credentials stand.
type CredentialStatus struct {
	Type    string     `json:"type"`
	Given   bool       `json:"given"`   // whether all is there that a person has to give
	Renews  bool       `json:"renews"`  // whether Muster gets new tokens by itself
	Expires *time.Time `json:"expires"` // of the token in use, null where it is not known
}

// credentialStatus reads how credentials stand; what cannot be opened is not known.
func (d *Desk) credentialStatus(ctx context.Context, app *provision.Application, origins map[string]string) CredentialStatus {
	auth := app.Connection.Auth
	s := CredentialStatus{Type: auth.Type, Given: complete(app, origins), Renews: auth.Renews()}
	var ends time.Time
	switch {
	case s.Renews && origins[provision.SecretAccessToken] != "":
		if t, err := d.token(ctx, app); err == nil {
			ends = t.Expires
		}
	case origins[provision.SecretToken] != "":
		if token, err := d.store.Secret(ctx, app.ID, provision.SecretToken, app.Connection.Endpoint); err == nil {
			ends = store.ExpiryOf(token)
		}
	}
	if !ends.IsZero() {
		s.Expires = &ends
	}
	return s
}
