package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
	"github.com/muster-id/muster/internal/web"
)

// A passkey is made, signs in and confirms in a browser, with an authenticator of the browser's own.
func TestPasskeyInABrowser(t *testing.T) {
	st := storetest.Open(t, store.Config{Data: t.TempDir()})
	server := httptest.NewUnstartedServer(nil)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	base := "http://localhost:" + port
	gate, err := signin.New(st, signin.Options{URL: base, Hashing: signin.Hashing{MemoryKiB: 8, Passes: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	link, _, err := gate.SetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	site, err := web.New(web.Options{Desk: admin.New(st, admin.Options{}), SignIn: web.SignIn{Gate: gate}})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = http.HandlerFunc(site.ServeHTTP)
	server.Start()
	t.Cleanup(server.Close)

	v := visit(t, base)
	key := v.authenticator()
	v.open(strings.TrimPrefix(link, base))
	v.fill("Name", "ada@example.org")
	v.fill("New password", "seven otters juggle plums")
	v.fill("The same again", "seven otters juggle plums")
	v.click("Set Muster up")
	v.sees("Begin here")
	v.open("/profile")
	v.fill("Name of the new passkey", "Laptop")
	v.click("Add a passkey")
	v.sees("The passkey is added.")
	v.sees("Laptop")
	v.click("Add a passkey")
	v.sees("This device has a passkey for you already.")

	v.click("Account")
	v.clickIn("//header", "Sign out")
	v.sees("You are signed out.")
	v.click("Sign in with a passkey")
	v.sees("Begin here")
	v.open("/profile/confirm?next=/profile")
	v.click("Confirm with a passkey")
	v.sees("Where you are signed in")

	// Another finger: nothing is signed, and the page says so.
	v.click("Account")
	v.clickIn("//header", "Sign out")
	v.sees("You are signed out.")
	v.run("the wrong finger", webauthn.SetUserVerified(key, false))
	v.click("Sign in with a passkey")
	v.sees("Nothing was done")
	log, err := st.AuditLog(t.Context(), store.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	ways := map[any]int{}
	for _, e := range log {
		if e.Action == "sign in" {
			ways[e.After["method"]]++
		}
	}
	if ways["passkey"] != 1 || ways["link"] != 1 || len(ways) != 2 {
		t.Errorf("the audit log has sign-ins by %v", ways)
	}
}

// authenticator gives the browser a device that makes passkeys.
func (v *visitor) authenticator() (id webauthn.AuthenticatorID) {
	v.t.Helper()
	v.run("adding an authenticator", webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}).Do(ctx)
		return err
	}))
	return id
}
