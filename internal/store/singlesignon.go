package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// SingleSignOn says which identity provider lets administrators in by OpenID Connect, and as what.
// Its client secret is sealed, for the issuer's origin alone.
type SingleSignOn struct {
	Name        string            `json:"name"` // on the button: "Sign in with …"
	Issuer      string            `json:"issuer"`
	ClientID    string            `json:"client_id"`
	Scopes      []string          `json:"scopes"`
	GroupsClaim string            `json:"groups_claim"`
	NameClaim   string            `json:"name_claim"` // what a new administrator is called by
	Roles       map[string]string `json:"roles"`      // by group, as the claim writes it
}

const (
	singleSignOnOwner = "single sign-on" // of the client secret
	clientSecret      = "client secret"
)

// SingleSignOn returns the settings, nil when there are none.
func (s *Store) SingleSignOn(ctx context.Context) (*SingleSignOn, error) {
	return read(ctx, s, func(tx *Tx) (*SingleSignOn, error) { return tx.singleSignOn(ctx) })
}

func (tx *Tx) singleSignOn(ctx context.Context) (*SingleSignOn, error) {
	text, err := tx.setting(ctx, SingleSignOnSetting)
	if err != nil || text == "" {
		return nil, err
	}
	var o SingleSignOn
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return nil, fmt.Errorf("reading the settings of single sign-on: %w", err)
	}
	return &o, nil
}

// ClientSecret returns what the settings' client proves itself with, "" when it has no secret.
func (s *Store) ClientSecret(ctx context.Context, o *SingleSignOn) (string, error) {
	origins, err := s.SecretOrigins(ctx, singleSignOnOwner)
	if err != nil || origins[clientSecret] == "" {
		return "", err
	}
	return s.Secret(ctx, singleSignOnOwner, clientSecret, o.Issuer)
}

// HasClientSecret reports whether a client secret is sealed.
func (s *Store) HasClientSecret(ctx context.Context) (bool, error) {
	origins, err := s.SecretOrigins(ctx, singleSignOnOwner)
	return origins[clientSecret] != "", err
}

// SetSingleSignOn keeps the settings; nil ends single sign-on. A secret that is nil stays as it is,
// which another issuer's origin does not allow, and an empty one is forgotten: a public client.
func (s *Store) SetSingleSignOn(ctx context.Context, by Actor, o *SingleSignOn, secret *string) error {
	return s.SetSingleSignOnIf(ctx, by, "", o, secret)
}

// SetSingleSignOnIf is [Store.SetSingleSignOn] while the settings are at a version that match names; "" asks for
// nothing.
func (s *Store) SetSingleSignOnIf(ctx context.Context, by Actor, match string, o *SingleSignOn, secret *string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.settingAt(ctx, SingleSignOnSetting, match, "single sign-on"); err != nil {
			return err
		}
		before, err := tx.singleSignOn(ctx)
		if err != nil {
			return err
		}
		if err := tx.mustLeaveDoor(ctx, o); err != nil {
			return err
		}
		if o == nil {
			none := ""
			secret = &none
		}
		if err := tx.keepClientSecret(ctx, o, secret); err != nil {
			return err
		}
		on := subject{"setting", SingleSignOnSetting, "single sign-on"}
		if o == nil {
			if _, err := tx.Exec(ctx, "delete from settings where name = $1", SingleSignOnSetting); err != nil {
				return fmt.Errorf("ending single sign-on: %w", err)
			}
			return tx.audit(ctx, by, "delete", on, plainDocument(before), nil)
		}
		text, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("keeping the settings of single sign-on: %w", err)
		}
		err = tx.set(ctx, SingleSignOnSetting, string(text))
		if err != nil {
			return err
		}
		after := plainDocument(o)
		if secret != nil {
			after["client_secret"] = "set"
		}
		return tx.audit(ctx, by, "update", on, plainDocument(before), after)
	})
}

func (tx *Tx) keepClientSecret(ctx context.Context, o *SingleSignOn, secret *string) error {
	if secret == nil {
		given, err := tx.SecretOrigins(ctx, singleSignOnOwner)
		if err != nil || given[clientSecret] == "" {
			return err
		}
		origin, err := Origin(o.Issuer)
		if err == nil && origin != given[clientSecret] {
			err = refuse(ErrNeedsSecret, "give the client secret again", "the client secret was given for %s, and the issuer is now %s", given[clientSecret], origin)
		}
		return err
	}
	if *secret == "" {
		_, err := tx.Exec(ctx, "delete from secrets where app_id = $1", singleSignOnOwner)
		return err
	}
	_, err := tx.keepSecret(ctx, singleSignOnOwner, clientSecret, o.Issuer, *secret)
	return err
}

// localSignInSetting is "off" where passwords and passkeys let nobody in.
const localSignInSetting = "local_sign_in"

// LocalSignIn reports whether passwords, passkeys and links let people in, and not single sign-on alone.
func (s *Store) LocalSignIn(ctx context.Context) (bool, error) {
	return read(ctx, s, func(tx *Tx) (bool, error) { return tx.localSignIn(ctx) })
}

func (tx *Tx) localSignIn(ctx context.Context) (bool, error) {
	text, err := tx.setting(ctx, localSignInSetting)
	return text != "off", err
}

// localOnly refuses what would end in a password where passwords let nobody in.
func (tx *Tx) localOnly(ctx context.Context) error {
	local, err := tx.localSignIn(ctx)
	if err == nil && !local {
		err = refuse(ErrInvalid, "add them to a group of the identity provider that has a role, or allow local sign-in again", "single sign-on alone lets people in: a link would lead nowhere")
	}
	return err
}

// SetLocalSignIn says whether passwords, passkeys and links let people in. Before they are refused an owner
// must have come in by single sign-on or be linked to it; the sessions that were begun by them end then.
func (s *Store) SetLocalSignIn(ctx context.Context, by Actor, allowed bool) error {
	return s.Write(ctx, func(tx *Tx) error {
		before, err := tx.localSignIn(ctx)
		if err != nil || before == allowed {
			return err
		}
		value := "on"
		if !allowed {
			value = "off"
			o, err := tx.singleSignOn(ctx)
			if err != nil {
				return err
			}
			if err := tx.mustHaveOwnerAt(ctx, o); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "delete from sessions where method <> 'single sign-on'"); err != nil {
				return fmt.Errorf("ending local sessions: %w", err)
			}
		}
		err = tx.set(ctx, localSignInSetting, value)
		if err != nil {
			return err
		}
		return tx.audit(ctx, by, "update", subject{"setting", localSignInSetting, "local sign-in"}, map[string]any{"allowed": before}, map[string]any{"allowed": allowed})
	})
}

// mustLeaveDoor refuses settings of single sign-on with which nobody could get in any more.
func (tx *Tx) mustLeaveDoor(ctx context.Context, o *SingleSignOn) error {
	local, err := tx.localSignIn(ctx)
	if err != nil || local {
		return err
	}
	return tx.mustHaveOwnerAt(ctx, o)
}

// mustHaveOwnerAt refuses an identity provider that is to be the only way in, and by which no owner comes.
func (tx *Tx) mustHaveOwnerAt(ctx context.Context, o *SingleSignOn) error {
	if o == nil {
		return refuse(ErrInvalid, "set single sign-on up first, or allow local sign-in", "without single sign-on and without local sign-in nobody would get in")
	}
	list, err := tx.administrators(ctx)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.Role == ownerRole && !a.Disabled && a.Issuer == o.Issuer {
			return nil
		}
	}
	return refuse(ErrInvalid, "let an owner sign in by it first, or link one: Your profile, Single sign-on", "no owner comes by single sign-on of %s: nobody could give rights any more", o.Issuer)
}
