package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Protocol is how one kind of target is spoken to. The table of them is handed in by the command,
// which alone knows which connectors there are.
type Protocol struct {
	// Check judges the options of a connection when it is saved; the error begins with the key that it
	// concerns.
	Check func(t gallery.Template, app provision.Application) error
	// CheckToken refuses a token that can be no credential of this target, before it is sent anywhere.
	CheckToken func(token string) error
	// Open makes the target of an application; it sends nothing.
	Open func(c Connection) (cycle.Target, error)
}

// Connection is all that a [Protocol] opens a target with.
type Connection struct {
	Application *provision.Application
	Template    gallery.Template
	Token       string                 // of bearer, for connectors that judge it
	Credentials *connector.Credentials // nil is none, for what sends nothing
	Limiter     *connector.Limiter
	Users       []string // mapped target paths
	Groups      []string
	Version     string
}

// protocol finds how an application's target is spoken to.
func (d *Desk) protocol(app *provision.Application) (gallery.Template, Protocol, error) {
	t, err := gallery.Lookup(app.Template)
	if err != nil {
		return t, Protocol{}, usage("no_template", "apply a configuration that names a template of the gallery", "%s cannot be opened: %v", app.Name, err)
	}
	p, ok := d.protocols[t.Protocol]
	if !ok {
		return t, p, fmt.Errorf("template %s speaks %s, and there are connectors for %s only", t.Name, t.Protocol, strings.Join(slices.Sorted(maps.Keys(d.protocols)), ", "))
	}
	return t, p, nil
}

// target opens the connector of an application with its sealed credentials. It is what the engine
// calls for every cycle.
func (d *Desk) target(ctx context.Context, app *provision.Application) (cycle.Target, error) {
	_, protocol, err := d.protocol(app)
	if err != nil {
		return cycle.Target{}, err
	}
	credentials, secrets, err := d.credentials(ctx, app)
	if err != nil {
		return cycle.Target{}, err
	}
	token := ""
	if app.Connection.Auth.Type == "" || app.Connection.Auth.Type == provision.Bearer {
		token = secrets[provision.SecretToken]
	}
	if token != "" && protocol.CheckToken != nil {
		if err := protocol.CheckToken(token); err != nil {
			return cycle.Target{}, &Problem{Exit: ExitUsage, Code: "token_wrong", Message: fmt.Sprintf("the token of %s cannot work: %v", app.Name, err), Next: "give the right token with `muster config apply`", Err: err}
		}
	}
	connection, err := d.connection(app, secrets)
	if err != nil {
		return cycle.Target{}, err
	}
	return d.open(app, token, credentials, connection)
}

// connection names the place and the credentials of an application: whoever uses the same ones shares one
// limit there. What is renewed is no part of the name.
func (d *Desk) connection(app *provision.Application, secrets map[string]string) (string, error) {
	origin, err := store.Origin(app.Connection.Endpoint)
	if err != nil {
		return "", err
	}
	auth := app.Connection.Auth
	parts := []string{origin, auth.Type, auth.Username, auth.ClientID, auth.Issuer, auth.Subject}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		parts = append(parts, name, secrets[name])
	}
	if auth.Type == provision.AuthorizationCode {
		parts = append(parts, app.ID) // one client, several organisations
	}
	return d.store.Pseudonym(parts...)
}

// pausedUntil returns when the pause ends that the target of an application asked for, nil when it wants none. Where
// the credentials cannot be opened nothing is known.
func (d *Desk) pausedUntil(ctx context.Context, app *provision.Application) (*time.Time, error) {
	secrets, err := d.secrets(ctx, app)
	if err != nil {
		return nil, nil // a status is told without them, too
	}
	connection, err := d.connection(app, secrets)
	if err != nil {
		return nil, err
	}
	level, ago, err := d.store.Pacing(ctx, connection)
	if err != nil || level == nil {
		return nil, err
	}
	left := time.Duration(level.PausedMS)*time.Millisecond - ago
	if left <= 0 {
		return nil, nil
	}
	until := d.store.Now().Add(left)
	return &until, nil
}

// silent opens the connector of an application without credentials, for what asks only how the target
// wants values shaped: a person can be explained before there is a token.
func (d *Desk) silent(_ context.Context, app *provision.Application) (cycle.Target, error) {
	none, err := connector.NewCredentials(connector.CredentialOptions{})
	if err != nil {
		return cycle.Target{}, err
	}
	return d.open(app, "", none, "")
}

func (d *Desk) open(app *provision.Application, token string, credentials *connector.Credentials, connection string) (cycle.Target, error) {
	t, protocol, err := d.protocol(app)
	if err != nil {
		return cycle.Target{}, err
	}
	limits := t.Limits.With(app.Connection.Limits)
	c := Connection{Application: app, Template: t, Token: token, Credentials: credentials, Limiter: d.limiter(app.Name, connection, limits), Version: d.version}
	if c.Users, err = targets(directory.KindUser, app.Mappings.Users); err != nil {
		return cycle.Target{}, err
	}
	if c.Groups, err = targets(directory.KindGroup, app.Mappings.Groups); err != nil {
		return cycle.Target{}, err
	}
	target, err := protocol.Open(c)
	if err != nil {
		var refused *connector.Error
		if errors.As(err, &refused) {
			return target, err
		}
		return target, &Problem{Exit: ExitUsage, Code: "connection", Message: fmt.Sprintf("the connection of %s cannot be used: %v", app.Name, err), Next: "correct it and run `muster config apply`", Err: err}
	}
	if target.Concurrency == 0 {
		target.Concurrency = limits.Concurrency
	}
	target.Limiter, target.Connection = c.Limiter, connection
	return target, nil
}

func targets(kind directory.Kind, rows []mapping.Mapping) ([]string, error) {
	program, err := mapping.Compile(kind, rows)
	if err != nil {
		return nil, err
	}
	return program.Targets(), nil
}

// limiter returns the limiter of a connection, one for all applications and cycles that use it, with the
// limits as they are configured now.
func (d *Desk) limiter(app, connection string, limits connector.Limits) *connector.Limiter {
	if connection == "" {
		return connector.NewLimiter(limits)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.limiters[connection]
	if l == nil {
		l = connector.NewLimiter(limits)
		d.limiters[connection] = l
	}
	l.Reconfigure(limits)
	d.connected[app] = connection
	return l
}

// Test tries the connection of an application: credentials, endpoint, rights. It writes nothing.
func (d *Desk) Test(ctx context.Context, name string) (connector.Diagnosis, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return connector.Diagnosis{}, err
	}
	target, err := d.target(ctx, app)
	if err != nil {
		return connector.Diagnosis{}, err
	}
	rest, err := d.engine.Pace(ctx, target)
	defer rest()
	if err != nil {
		return connector.Diagnosis{}, err
	}
	diagnosis := target.Connector.Test(ctx)
	if ctx.Err() != nil {
		return diagnosis, ctx.Err()
	}
	return diagnosis, nil
}
