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

// TestPauseIsWrittenDownAtOnce: a pause that a running cycle waits out is there for whoever looks, and for the next
// process when this one is killed in the middle of it.
func TestPauseIsWrittenDownAtOnce(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.must(o.apply(connectortest.Token, "  provisioning: {scope: all}\n"))
	o.users("ada")
	// The answer comes when the request has been written down, and so with nothing else to write.
	o.target.Fail(connectortest.Fault{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "200"}, Delay: 300 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = o.Sync(ctx, "target", admin.SyncOptions{})
	}()
	defer func() { cancel(); <-ended }()
	told := func() bool {
		st, err := o.another().Status(t.Context(), "target")
		o.must(err)
		c := st.Applications[0].Cycle
		return c != nil && c.Progress != nil && c.Progress.PausedUntil != nil && time.Until(*c.Progress.PausedUntil) > 2*time.Minute
	}
	for until := time.Now().Add(30 * time.Second); !told(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the status does not tell of the pause")
		}
	}
	o.target.Forget()
	soon, end := context.WithTimeout(t.Context(), time.Second)
	defer end()
	if got, err := o.another().Test(soon, "target"); err == nil && got.OK {
		t.Errorf("the next process: %+v", got)
	}
	if n := len(o.target.Log()); n != 0 {
		t.Errorf("%d requests were sent during the pause", n)
	}
}
