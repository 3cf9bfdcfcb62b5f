package admin_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector/slack"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/slackemulator"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// slackProtocols speaks Slack's SCIM, as the command's table does.
var slackProtocols = map[string]admin.Protocol{"slack": {
	CheckToken: slack.CheckToken,
	Open: func(c admin.Connection) (cycle.Target, error) {
		made, err := slack.New(slack.Options{Connection: c.Application.Connection, Token: c.Token, Credentials: c.Credentials, Users: c.Users, Groups: c.Groups, Limiter: c.Limiter})
		return cycle.Target{Connector: made}, err
	},
}}

// TestAuthorizeSlack walks through Slack's authorisation as a browser does, with rotating tokens: the token is
// that of the person, it is renewed when it has ended, by one of two processes, and nothing of it lies readable.
func TestAuthorizeSlack(t *testing.T) {
	t.Parallel()
	em := slackemulator.New(slackemulator.Options{OAuth: slackemulator.OAuthApp{AutoApprove: true, Rotation: true}})
	em.SetLimits(false)
	var refreshes, used sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "oauth.v2.access") {
			body := new(bytes.Buffer)
			_, _ = body.ReadFrom(r.Body)
			form, _ := url.ParseQuery(body.String())
			if token := form.Get("refresh_token"); token != "" {
				if _, twice := refreshes.LoadOrStore(token, true); twice {
					t.Errorf("a refresh token was used twice")
				}
			}
			r.Body = readCloser{body}
		}
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			used.Store(token, true)
		}
		em.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)

	data := t.TempDir()
	s := storetest.Open(t, store.Config{Data: data})
	desk := func() *admin.Desk {
		return admin.New(s, admin.Options{By: by, Protocols: slackProtocols, Version: "test"})
	}
	first := desk()
	text := fmt.Sprintf(`applications:
- name: slack
  template: slack
  connection:
    endpoint: %[1]s/scim/v2/
    auth: {type: oauth2_authorization_code, client_id: %[2]q, client_secret: %[3]q, authorize_url: "%[1]s/oauth/v2/authorize", token_url: "%[1]s/api/oauth.v2.access", scopes: [admin]}
`, server.URL, slackemulator.DefaultClientID, slackemulator.DefaultClientSecret)
	apply := func() {
		t.Helper()
		if _, err := first.Apply(t.Context(), []config.File{{Name: "s.yaml", Data: []byte(text)}}, admin.Source{}); err != nil {
			t.Fatal(err)
		}
	}
	apply()

	// Before anybody has allowed it there is nothing to connect with, and that is said.
	if got, err := first.Test(t.Context(), "slack"); err != nil || got.OK || !strings.Contains(got.Message, "authorised") {
		t.Fatalf("%+v, %v", got, err)
	}
	status := func() admin.ApplicationStatus {
		t.Helper()
		all, err := first.Status(t.Context(), "slack")
		if err != nil {
			t.Fatal(err)
		}
		return all.Applications[0]
	}
	if c := status().Credentials; c.Given || !c.Renews || c.Expires != nil {
		t.Errorf("before: %+v", c)
	}

	const redirect = "http://127.0.0.1:1/callback"
	h, err := first.Handover(t.Context(), "slack", redirect)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.Get(h.Address)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatalf("%s: %v", res.Status, err)
	}
	if back.Query().Get("state") != h.State || h.State == "" {
		t.Errorf("the state came back as %q", back.Query().Get("state"))
	}
	code := back.Query().Get("code")
	if err := desk().Authorize(t.Context(), "slack", redirect, code, "another verifier"); err == nil || strings.Contains(err.Error(), code) {
		t.Errorf("a code with another's verifier: %v", err)
	}
	res, _ = browser.Get(h.Address) // the code was used up
	res.Body.Close()
	back, _ = res.Location()
	app, err := s.Application(t.Context(), "slack")
	if err == nil {
		err = s.SetQuarantine(t.Context(), app.ID, &store.Quarantine{Since: s.Now(), Code: "token_wrong", NextProbe: s.Now().Add(time.Hour)})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Authorize(t.Context(), "slack", redirect, back.Query().Get("code"), h.Verifier); err != nil {
		t.Fatal(err)
	}
	if got, err := desk().Test(t.Context(), "slack"); err != nil || !got.OK {
		t.Fatalf("after the authorisation: %+v, %v", got, err)
	}
	if got, err := s.Standing(t.Context(), app.ID); err != nil || got.Quarantine == nil || got.Quarantine.NextProbe.After(s.Now()) {
		t.Errorf("after the authorisation the quarantine is %+v, %v; want to be probed at once", got.Quarantine, err)
	}
	c := status().Credentials
	if !c.Given || c.Expires == nil || time.Until(*c.Expires) < 11*time.Hour {
		t.Errorf("after: %+v", c)
	}

	// Two processes find the token ended at the same time.
	used.Range(func(token, _ any) bool { return em.RevokeToken(token.(string)) })
	var wait sync.WaitGroup
	for range 2 {
		d := desk()
		for range 5 {
			wait.Go(func() {
				if got, err := d.Test(t.Context(), "slack"); err != nil || !got.OK {
					t.Errorf("after the end of the token: %+v, %v", got, err)
				}
			})
		}
	}
	wait.Wait()
	// Applying the same again takes nothing away.
	apply()
	if got, err := desk().Test(t.Context(), "slack"); err != nil || !got.OK {
		t.Errorf("after applying again: %+v, %v", got, err)
	}
	// Another client's tokens are not this one's.
	text = strings.ReplaceAll(text, slackemulator.DefaultClientID, "another")
	apply()
	if c := status().Credentials; c.Given {
		t.Errorf("with another client: %+v", c)
	}
	readable(t, data, "xoxe", slackemulator.DefaultClientSecret)
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// readable fails when a file below a directory holds one of the texts.
func readable(t *testing.T, dir string, texts ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(content, []byte(text)) {
				t.Errorf("%s holds %s…", filepath.Base(path), text[:4])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
