package main

import (
	"fmt"
	"iter"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

type userCmd struct {
	List       userListCmd       `cmd:"" help:"List users by userName."`
	Show       userShowCmd       `cmd:"" help:"Show one user with all attributes."`
	Add        userAddCmd        `cmd:"" help:"Add a user."`
	Set        userSetCmd        `cmd:"" help:"Change attributes of a user."`
	Deactivate userDeactivateCmd `cmd:"" help:"Deactivate a user; accounts follow with the next cycle."`
	Delete     userDeleteCmd     `cmd:"" help:"Take a user out of the directory."`
}

type userListCmd struct {
	Search   string `placeholder:"TEXT" help:"Only those with names or addresses that have parts which begin so."`
	Inactive bool   `help:"Only those who are inactive."`
	Deleted  bool   `help:"Those who were deleted, instead of those who are there; commands know them by their ids."`
	Limit    int    `placeholder:"N" help:"At most so many."`
}

// Run implements the verb.
func (c *userListCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	q := store.UserQuery{Search: c.Search, Deleted: c.Deleted}
	if c.Inactive {
		q.Inactive = &c.Inactive
	}
	users := limited(desk.Users(s, q), c.Limit)
	if s.json {
		return streamJSON(s.out, struct{}{}, "users", resources(users))
	}
	head := []string{"*USERNAME", "NAME", "E-MAIL", "!ACTIVE"}
	if c.Deleted {
		head[3] = "!ID"
	}
	return listed(s, users, head, "user", "users", func(u directory.User) []string {
		last := "yes"
		switch {
		case c.Deleted:
			last = u.ID
		case !u.Active:
			last = "no"
		}
		return []string{u.UserName, displayed(u), u.Email(), last}
	})
}

// resources turns users into SCIM resources.
func resources(users iter.Seq2[directory.User, error]) iter.Seq2[map[string]any, error] {
	return func(yield func(map[string]any, error) bool) {
		for u, err := range users {
			if !yield(u.Resource(), err) || err != nil {
				return
			}
		}
	}
}

// displayed is the name of a person as a list shows it.
func displayed(u directory.User) string {
	if name, ok := u.Attributes["displayName"].(string); ok {
		return name
	}
	name, _ := u.Attributes["name"].(map[string]any)
	given, _ := name["givenName"].(string)
	family, _ := name["familyName"].(string)
	return strings.TrimSpace(given + " " + family)
}

// limited ends a list after n, 0 for never.
func limited[T any](list iter.Seq2[T, error], n int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		i := 0
		for v, err := range list {
			if i++; n > 0 && i > n || !yield(v, err) {
				return
			}
		}
	}
}

// tablePage is how many rows of a long list are laid out together.
const tablePage = 200

// listed prints a list that may be long, as tables of a page each, with the number at the end.
func listed[T any](s *session, list iter.Seq2[T, error], head []string, one, many string, row func(T) []string) error {
	t := &table{head: head}
	n := 0
	for v, err := range list {
		if err != nil {
			return err
		}
		t.add(row(v)...)
		if n++; len(t.rows) == tablePage {
			t.write(s.out, s.width, s.paint)
			t.rows = nil
		}
	}
	if len(t.rows) > 0 {
		t.write(s.out, s.width, s.paint)
	}
	s.note("%s", count(n, one, many))
	return nil
}

type userShowCmd struct {
	Name string `arg:"" help:"userName, e-mail address or id."`
}

// Run implements the verb.
func (c *userShowCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	resource, err := desk.User(s, c.Name)
	if err != nil {
		return err
	}
	s.show(resource, func() { printResource(s, resource) })
	return nil
}

type userAddCmd struct {
	Name       string   `arg:"" placeholder:"USERNAME" help:"The new userName."`
	Attributes []string `arg:"" optional:"" placeholder:"ATTRIBUTE=VALUE" help:"SCIM paths and their values."`
}

// Help implements [kong.HelpProvider].
func (userAddCmd) Help() string {
	return `  muster user add ada@example.org name.givenName=Ada name.familyName=Lovelace \
      emails=ada@example.org title=Analyst manager=babbage@example.org`
}

// Run implements the verb.
func (c *userAddCmd) Run(s *session) error {
	if path, name, is := strings.Cut(c.Name, "="); is {
		if _, _, err := directory.Canonical(path); err == nil { // else a user of that name would be provisioned
			next := "the userName stands alone in front: muster user add ada@example.org title=Analyst"
			if strings.EqualFold(path, "userName") {
				next = "leave out \"" + path + "=\": muster user add " + plain(name) + " …"
			}
			return &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: fmt.Sprintf("%q is an attribute and no userName", plain(c.Name)), Next: next}
		}
	}
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	resource, err := desk.AddUser(s, c.Name, c.Attributes)
	if err != nil {
		return err
	}
	s.show(resource, func() { s.say("added %s (%s)", plain(c.Name), resource["id"]) })
	return nil
}

type userSetCmd struct {
	Name       string   `arg:"" help:"userName, e-mail address or id."`
	Attributes []string `arg:"" placeholder:"ATTRIBUTE=VALUE" help:"SCIM paths and their values; an empty value clears."`
}

// Help implements [kong.HelpProvider].
func (userSetCmd) Help() string {
	return `  muster user set ada@example.org title="Head of Analysis" active=true
  muster user set ada@example.org custom.badge=1815 manager=`
}

// Run implements the verb.
func (c *userSetCmd) Run(s *session) error { return setUser(s, c.Name, c.Attributes) }

func setUser(s *session, name string, attributes []string) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	resource, changed, err := desk.SetUser(s, name, attributes)
	if err != nil {
		return err
	}
	s.show(resource, func() {
		if changed {
			s.say("changed %s", plain(fmt.Sprint(resource["userName"])))
			return
		}
		s.say("%s is as wished already", plain(fmt.Sprint(resource["userName"])))
	})
	return nil
}

type userDeactivateCmd struct {
	Name string `arg:"" help:"userName, e-mail address or id."`
}

// Run implements the verb.
func (c *userDeactivateCmd) Run(s *session) error {
	return setUser(s, c.Name, []string{"active=false"})
}

type userDeleteCmd struct {
	Name  string `arg:"" help:"userName, e-mail address or id."`
	Purge bool   `xor:"how" help:"Remove the row for good; the logs stay."`
	Erase bool   `xor:"how" help:"Remove the person also from all logs (GDPR); a pseudonym stays."`
	Force bool   `help:"With --erase: also while the person still has an active account."`
}

// Run implements the verb.
func (c *userDeleteCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	how := admin.Delete
	switch {
	case c.Erase:
		how = admin.Erase
	case c.Purge:
		how = admin.Purge
	}
	out, err := desk.RemoveUser(s, c.Name, how, c.Force)
	if err != nil {
		return err
	}
	s.show(out, func() { s.say("%s %s; accounts follow with the next cycle", out.How, plain(out.Name)) })
	return nil
}
