package main

import (
	"bytes"
	"fmt"

	"github.com/muster-id/muster/internal/provision"
)

type appCmd struct {
	List     appListCmd     `cmd:"" help:"List applications."`
	Show     appShowCmd     `cmd:"" help:"Show the whole configuration of an application."`
	Delete   appDeleteCmd   `cmd:"" help:"Remove an application; its accounts stay at the target."`
	Start    appStartCmd    `cmd:"" help:"Switch provisioning on: a server runs it by itself."`
	Stop     appStopCmd     `cmd:"" help:"Switch provisioning off; a cycle that runs ends at the next object."`
	Pause    appPauseCmd    `cmd:"" help:"Let no server run it for a while; the position is kept."`
	Resume   appResumeCmd   `cmd:"" help:"End a pause."`
	Assign   appAssignCmd   `cmd:"" help:"Give a user or a group to an application."`
	Unassign appUnassignCmd `cmd:"" help:"Take a user or a group away from an application."`
}

type appListCmd struct{}

// Run implements the verb.
func (c *appListCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	list, err := desk.List(s)
	if err != nil {
		return err
	}
	t := &table{head: []string{"*APPLICATION", "TEMPLATE", "!STATUS", "ENDPOINT", "!ASSIGNED"}}
	for _, a := range list {
		assigned := fmt.Sprint(len(a.Assignments))
		if a.Scope == "all" {
			assigned = "everyone"
		}
		t.add(a.Name, a.Template, a.Status, a.Endpoint, assigned)
	}
	s.show(map[string]any{"applications": list}, func() {
		if len(list) == 0 {
			s.say("there are no applications; `muster config apply FILE` makes one")
			return
		}
		t.write(s.out, s.width, s.paint)
	})
	return nil
}

type appShowCmd struct {
	App string `arg:"" help:"Name or id of the application."`
}

// Run implements the verb.
func (c *appShowCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	doc, err := desk.Configuration(s, c.App)
	if err != nil {
		return err
	}
	if s.json {
		printJSON(s.out, doc)
		return nil
	}
	text, err := desk.Export(s, fmt.Sprint(doc["id"]))
	if err != nil {
		return err
	}
	_, err = s.out.Write(bytes.TrimLeft(text, "\n"))
	return err
}

type appDeleteCmd struct {
	App string `arg:"" help:"Name or id of the application."`
}

// Run implements the verb.
func (c *appDeleteCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	app, err := desk.DeleteApplication(s, c.App)
	if err != nil {
		return err
	}
	s.show(app, func() { s.say("deleted %s; its accounts stay as they are", plain(app.Name)) })
	return nil
}

// whom names one user or one group.
type whom struct {
	User  string `xor:"whom" required:"" placeholder:"NAME" help:"A user: userName, e-mail address or id."`
	Group string `xor:"whom" required:"" placeholder:"NAME" help:"A group: display name or id."`
}

type appAssignCmd struct {
	App  string `arg:"" help:"Name or id of the application."`
	Whom whom   `embed:""`
	Role string `default:"User" placeholder:"ROLE" help:"User, Group or Default Access, which gives no account (${default})."`
}

// assigned is what assigning and unassigning did.
type assigned struct {
	Application string `json:"application"`
	User        string `json:"user,omitempty"`
	Group       string `json:"group,omitempty"`
	Role        string `json:"role,omitempty"`
	Changed     bool   `json:"changed"`
}

// Run implements the verb.
func (c *appAssignCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	changed, err := desk.Assign(s, c.App, provision.Assignment{User: c.Whom.User, Group: c.Whom.Group, Role: c.Role})
	if err != nil {
		return err
	}
	out := assigned{Application: c.App, User: c.Whom.User, Group: c.Whom.Group, Role: c.Role, Changed: changed}
	s.show(out, func() {
		who := plain(c.Whom.User + c.Whom.Group)
		switch {
		case !changed:
			s.say("%s is assigned to %s already", who, c.App)
		case c.Role == provision.RoleDefaultAccess:
			s.say("assigned %s to %s with %s: that role gives no account", who, c.App, c.Role)
		default:
			s.say("assigned %s to %s; `muster plan %s` shows what that does", who, c.App, c.App)
		}
	})
	return nil
}

type appUnassignCmd struct {
	App  string `arg:"" help:"Name or id of the application."`
	Whom whom   `embed:""`
}

// Run implements the verb.
func (c *appUnassignCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	changed, err := desk.Unassign(s, c.App, provision.Assignment{User: c.Whom.User, Group: c.Whom.Group})
	if err != nil {
		return err
	}
	s.show(assigned{Application: c.App, User: c.Whom.User, Group: c.Whom.Group, Changed: changed}, func() {
		who := plain(c.Whom.User + c.Whom.Group)
		if !changed {
			s.say("%s was not assigned to %s", who, c.App)
			return
		}
		s.say("unassigned %s from %s; `muster plan %s` shows what that does", who, c.App, c.App)
	})
	return nil
}
