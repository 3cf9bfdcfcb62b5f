package main

import (
	"fmt"
	"iter"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
)

type groupCmd struct {
	List   groupListCmd   `cmd:"" help:"List groups by name."`
	Show   groupShowCmd   `cmd:"" help:"Show a group with its direct members."`
	Add    groupAddCmd    `cmd:"" help:"Add a group."`
	Delete groupDeleteCmd `cmd:"" help:"Take a group out of the directory."`
	Member groupMemberCmd `cmd:"" help:"Add and remove members, users and groups alike."`
}

type groupListCmd struct {
	Search string `placeholder:"TEXT" help:"Only those whose names contain this."`
	Limit  int    `placeholder:"N" help:"At most so many."`
}

// Run implements the verb.
func (c *groupListCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	groups := limited(desk.Groups(s, c.Search), c.Limit)
	if s.json {
		return streamJSON(s.out, struct{}{}, "groups", groupResources(groups))
	}
	return listed(s, groups, []string{"*GROUP", "SOURCE", "!ID"}, "group", "groups", func(g directory.Group) []string {
		return []string{g.DisplayName, g.Source, g.ID}
	})
}

func groupResources(groups iter.Seq2[directory.Group, error]) iter.Seq2[map[string]any, error] {
	return func(yield func(map[string]any, error) bool) {
		for g, err := range groups {
			if !yield(g.Resource(), err) || err != nil {
				return
			}
		}
	}
}

type groupShowCmd struct {
	Name string `arg:"" help:"Display name or id."`
}

// Run implements the verb.
func (c *groupShowCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	resource, err := desk.Group(s, c.Name)
	if err != nil {
		return err
	}
	s.show(resource, func() { printResource(s, resource) })
	return nil
}

type groupAddCmd struct {
	Name    string   `arg:"" help:"The new display name."`
	Members []string `arg:"" optional:"" help:"Users (userName, e-mail address, id) and groups (name, id)."`
}

// Run implements the verb.
func (c *groupAddCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	resource, err := desk.AddGroup(s, c.Name, c.Members)
	if err != nil {
		return err
	}
	s.show(resource, func() { s.say("added %s (%s)", plain(c.Name), resource["id"]) })
	return nil
}

type groupDeleteCmd struct {
	Name string `arg:"" help:"Display name or id."`
}

// Run implements the verb.
func (c *groupDeleteCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	g, err := desk.DeleteGroup(s, c.Name)
	if err != nil {
		return err
	}
	s.show(g, func() { s.say("deleted %s; targets follow with the next cycle", plain(g.Name)) })
	return nil
}

type groupMemberCmd struct {
	Add    memberAddCmd    `cmd:"" help:"Add members to a group."`
	Remove memberRemoveCmd `cmd:"" help:"Remove members from a group."`
}

type memberAddCmd struct {
	Group   string   `arg:"" help:"Display name or id of the group."`
	Members []string `arg:"" help:"Users (userName, e-mail address, id) and groups (name, id)."`
}

// Run implements the verb.
func (c *memberAddCmd) Run(s *session) error { return editMembers(s, c.Group, c.Members, nil) }

type memberRemoveCmd struct {
	Group   string   `arg:"" help:"Display name or id of the group."`
	Members []string `arg:"" help:"Users (userName, e-mail address, id) and groups (name, id)."`
}

// Run implements the verb.
func (c *memberRemoveCmd) Run(s *session) error { return editMembers(s, c.Group, nil, c.Members) }

func editMembers(s *session, group string, add, remove []string) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	var r admin.MemberChange
	if r, err = desk.EditMembers(s, group, add, remove); err != nil {
		return err
	}
	s.show(r, func() {
		verb := "added to"
		if len(remove) > 0 {
			verb = "removed from"
		}
		s.say("%s %s %s", count(r.Changed, "member", "members"), verb, plain(r.Group))
		if same := len(add) + len(remove) - r.Changed; same > 0 {
			s.say("%s", fmt.Sprintf("%s as wished already", count(same, "was", "were")))
		}
	})
	return nil
}
