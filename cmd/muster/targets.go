package main

import (
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/scim"
	"github.com/muster-id/muster/internal/connector/slack"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
)

// protocols is the list of connectors, by the protocol that a template of the gallery names. A new
// kind of target that speaks neither gets a row here.
var protocols = map[string]admin.Protocol{
	"scim": {
		Check: func(t gallery.Template, app provision.Application) error {
			_, err := scim.ParseQuirks(t.Quirks, app.Connection.Options)
			return err
		},
		Open: openSCIM,
	},
	"slack": {
		Check: func(t gallery.Template, app provision.Application) error {
			_, err := slack.ParseQuirks(t.Quirks, app.Connection.Options)
			return err
		},
		CheckToken: slack.CheckToken,
		Open:       openSlack,
	},
}

func openSCIM(c admin.Connection) (cycle.Target, error) {
	quirks, err := scim.ParseQuirks(c.Template.Quirks, c.Application.Connection.Options)
	if err != nil {
		return cycle.Target{}, err
	}
	client, err := connector.NewClient(connector.Options{
		Connection: c.Application.Connection, Credentials: c.Credentials, Limiter: c.Limiter, Version: c.Version,
	})
	if err != nil {
		return cycle.Target{}, err
	}
	made, err := scim.New(scim.Options{Client: client, Users: c.Users, Groups: c.Groups, Quirks: quirks})
	return cycle.Target{Connector: made}, err
}

func openSlack(c admin.Connection) (cycle.Target, error) {
	quirks, err := slack.ParseQuirks(c.Template.Quirks, c.Application.Connection.Options)
	if err != nil {
		return cycle.Target{}, err
	}
	made, err := slack.New(slack.Options{
		Connection: c.Application.Connection, Token: c.Token, Credentials: c.Credentials, Users: c.Users, Groups: c.Groups, Quirks: quirks, Limiter: c.Limiter, Version: c.Version,
	})
	// Where time is scaled, as by an emulator, the target's own delays are.
	settle := time.Duration(quirks.Settle)
	if scale := c.Application.Connection.Limits.TimeScale; scale > 0 {
		settle = time.Duration(float64(settle) / scale)
	}
	return cycle.Target{Connector: made, Settle: settle}, err
}
