package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
)

// another is a second process over the same database.
func (o *office) another() *admin.Desk {
	return admin.New(o.store, admin.Options{By: by, Protocols: protocols, Version: "test"})
}

// applyTwo configures two applications at one endpoint with one token, and a limit of which four requests
// are there at the beginning, one of them for removals.
func (o *office) applyTwo() {
	o.t.Helper()
	text := "applications:\n"
	for _, name := range []string{"target", "twin"} {
		text += fmt.Sprintf("- name: %s\n  template: scim2\n  connection:\n    endpoint: %q\n    auth: {type: bearer, token: %s}\n    limits: {requests_per_second: 0.001, burst: 4}\n", name, o.url, connectortest.Token)
	}
	_, err := o.Apply(o.t.Context(), []config.File{{Name: "t.yaml", Data: []byte(text)}}, admin.Source{})
	o.must(err)
}

// TestNobodyUsesTheLimitTwice: commands one after the other, in one process or in several, and several
// applications with the same credentials use no more than the target allows, together.
func TestNobodyUsesTheLimitTwice(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.applyTwo()
	tries := 0
	try := func(d *admin.Desk, app string, patience time.Duration) bool {
		t.Helper()
		tries++
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		got, err := d.Test(ctx, app)
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		return got.OK
	}
	for i, is := range []struct {
		desk *admin.Desk
		app  string
	}{{o.Desk, "target"}, {o.another(), "target"}, {o.another(), "twin"}} {
		if !try(is.desk, is.app, time.Minute) {
			t.Fatalf("request %d was not let go", i+1)
		}
	}
	if try(o.another(), "target", time.Second) || try(o.Desk, "twin", time.Second) {
		t.Error("a process used again what others had used")
	}
	if n := len(o.target.Log()); n != 3 {
		t.Errorf("the target got %d requests, want 3", n)
	}
}

// TestPauseIsTheConnections: a pause that the target asked for holds every application that uses the same
// credentials there, in the next process too.
func TestPauseIsTheConnections(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.applyTwo()
	o.target.Fail(connectortest.Fault{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "3600"}})
	if _, err := o.Test(t.Context(), "target"); err != nil {
		t.Fatal(err)
	}
	o.target.Forget()
	for _, d := range []*admin.Desk{o.Desk, o.another()} {
		if got, err := d.Test(t.Context(), "twin"); err != nil || got.Code != connector.DiagnosisRateLimited {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if n := len(o.target.Log()); n != 0 {
		t.Errorf("%d requests were sent during the pause", n)
	}
}
