package signin_test

import (
	"encoding/json"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/muster-id/muster/internal/signin"
)

// device is an authenticator by another author, with one passkey.
type device struct {
	w    *world
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

func newDevice(w *world) *device {
	return &device{
		w: w, rp: virtualwebauthn.RelyingParty{Name: "Muster", ID: "muster.example.org", Origin: "https://muster.example.org"},
		auth: virtualwebauthn.NewAuthenticator(), key: virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2),
	}
}

// answer makes what the browser sends for registration options.
func (d *device) answer(options any) []byte {
	d.w.Helper()
	text, err := json.Marshal(options)
	d.w.ok(err)
	parsed, err := virtualwebauthn.ParseAttestationOptions(string(text))
	d.w.ok(err)
	d.auth.Options.UserHandle = []byte(parsed.UserID)
	return []byte(virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.key, *parsed))
}

// sign makes what the browser sends for assertion options.
func (d *device) sign(options any) []byte {
	d.w.Helper()
	text, err := json.Marshal(options)
	d.w.ok(err)
	parsed, err := virtualwebauthn.ParseAssertionOptions(string(text))
	d.w.ok(err)
	return []byte(virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.key, *parsed))
}

// register adds the device's passkey.
func (d *device) register(v signin.Visitor) error {
	d.w.Helper()
	options, token, err := d.w.gate.BeginRegistration(d.w.ctx, v)
	d.w.ok(err)
	return d.w.gate.FinishRegistration(d.w.ctx, v, token, "Key", d.answer(options))
}

// enter signs in with the device's passkey.
func (d *device) enter() (signin.Admission, error) {
	d.w.Helper()
	options, token, err := d.w.gate.BeginPasskey(d.w.ctx)
	d.w.ok(err)
	return d.w.gate.Passkey(d.w.ctx, d.w.here, token, d.sign(options))
}

func TestPasskey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	_, recovery := w.app("ada")
	d := newDevice(w)
	_, err := d.enter()
	w.refused(err, "not accepted") // registered with nobody

	first, err := w.gate.Password(w.ctx, w.here, "ada", good)
	w.ok(err)
	first, err = w.gate.SecondFactor(w.ctx, w.here, first.Pending, recovery[0])
	w.ok(err)
	ada := w.visitor(first)
	w.ok(d.register(ada))
	w.refused(d.register(ada), "registered already")
	d.key.Counter++
	in, err := d.enter()
	w.ok(err)
	if v := w.visitor(in); v.Admin.Name != "ada" || v.Session.Method != "passkey" || v.Admin.Passkeys != 1 {
		t.Errorf("%+v came in by %s", v.Admin, v.Session.Method)
	}

	// The answer is good once, for the challenge it was made for.
	options, token, err := w.gate.BeginPasskey(w.ctx)
	w.ok(err)
	d.key.Counter++
	answer := d.sign(options)
	_, err = w.gate.Passkey(w.ctx, w.here, token, answer)
	w.ok(err)
	_, err = w.gate.Passkey(w.ctx, w.here, token, answer)
	w.refused(err, "too long")
	_, other, err := w.gate.BeginPasskey(w.ctx)
	w.ok(err)
	_, err = w.gate.Passkey(w.ctx, w.here, other, answer)
	w.refused(err, "not accepted")

	// A counter that stands still is that of a copy.
	_, err = d.enter()
	w.refused(err, "copy")
	d.key.Counter++
	_, err = d.enter()
	w.ok(err)

	// Another site's, one without a finger on it, and one that was removed.
	d.key.Counter++
	elsewhere := *d
	elsewhere.rp.Origin = "https://muster.example.org.evil.example"
	_, err = elsewhere.enter()
	w.refused(err, "not accepted")
	unverified := *d
	unverified.auth.Options.UserNotVerified = true
	_, err = unverified.enter()
	w.refused(err, "not accepted")
	keys, err := w.gate.Passkeys(w.ctx, ada)
	w.ok(err)
	w.ok(w.gate.RemovePasskey(w.ctx, ada, keys[0].ID))
	_, err = d.enter()
	w.refused(err, "not accepted")
}

// A passkey registered for one administrator cannot be added to another, and does not confirm another.
func TestPasskeyBelongsToOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	w.join("eve", "reader")
	ada, eve := w.enter("ada"), w.enter("eve")
	d := newDevice(w)
	options, token, err := w.gate.BeginRegistration(w.ctx, ada)
	w.ok(err)
	w.refused(w.gate.FinishRegistration(w.ctx, eve, token, "Key", d.answer(options)), "too long")
	w.ok(d.register(ada))
	w.refused(d.register(eve), "registered already")
	d.auth.Options.UserHandle = []byte(ada.Admin.ID)
	confirm := func(v signin.Visitor) error {
		d.key.Counter++
		options, token, err := w.gate.BeginPasskey(w.ctx)
		w.ok(err)
		_, err = w.gate.ConfirmByPasskey(w.ctx, w.here, v, token, d.sign(options))
		return err
	}
	w.refused(confirm(eve), "another administrator")
	w.ok(confirm(ada))
	// Who says to be eve with ada's key is nobody.
	d.auth.Options.UserHandle = []byte(eve.Admin.ID)
	_, err = d.enter()
	w.refused(err, "not accepted")
}

func TestPasskeysNeedAHostName(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"https://muster.example.org": true, "https://muster.example.org:8443/": true, "http://localhost:8080": true,
		"http://127.0.0.1:8080": false, "https://192.0.2.1": false, "http://muster.example.org": false,
	} {
		w := newWorld(t, signin.Options{URL: url})
		if w.gate.PasskeysWork() != want {
			t.Errorf("%s: %v", url, !want)
		}
		if _, _, err := w.gate.BeginPasskey(w.ctx); (err == nil) != want {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"muster.example.org", "https://", "https://muster.example.org/path", "https://user@muster.example.org", "ftp://muster.example.org"} {
		if _, err := signin.New(nil, signin.Options{URL: url, Hashing: cheap}); err == nil {
			t.Errorf("%s was taken", url)
		}
	}
}
