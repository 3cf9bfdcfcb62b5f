package main

import (
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
)

type driftCmd struct {
	App  string `arg:"" help:"Name or id of the application."`
	Kind string `enum:",stranger,vanished,deactivated,reactivated,changed,extra_member,missing_member" default:"" placeholder:"KIND" help:"Only this kind: stranger, vanished, deactivated, reactivated, changed, extra_member or missing_member."`
}

// Help implements [kong.HelpProvider].
func (driftCmd) Help() string {
	return `The list stands until the next complete reconcile. A stranger is an account
that nobody is linked to; Muster leaves it alone.

  muster sync slack --reconcile
  muster drift slack --kind stranger`
}

// Run implements the verb.
func (c *driftCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	d, err := desk.Drift(s, c.App)
	if err != nil {
		return err
	}
	found := desk.Findings(s, c.App, provision.DriftKind(c.Kind))
	if s.json {
		return streamJSON(s.out, d, "drift", found)
	}
	if d.Totals.Reconciled == nil {
		s.say("nobody has looked yet")
		s.note("next: muster sync %s --reconcile", d.Application)
		return nil
	}
	t := &table{head: []string{"!KIND", "*ACCOUNT", "WHAT", "!STATE", "!SINCE"}}
	for f, err := range found {
		if err != nil {
			return err
		}
		t.add(string(f.Kind), f.Account.Name, what(f), f.State, f.Since.Local().Format("2006-01-02"))
	}
	if len(t.rows) == 0 {
		s.say("nothing was found")
	} else {
		t.write(s.out, s.width, s.paint)
	}
	s.note("as of the reconcile of %s: %s", when(*d.Totals.Reconciled), drifted(d.Totals))
	return nil
}

// what tells of a finding what its kind does not.
func what(f admin.DriftFinding) string {
	switch {
	case f.Member != nil:
		return f.Member.Name
	case len(f.Attributes) > 0:
		names := make([]string, len(f.Attributes))
		for i, path := range f.Attributes {
			names[i] = short(path)
		}
		return strings.Join(names, ", ")
	case f.Protected != "":
		return f.Protected
	case !f.Active:
		return "deactivated there"
	}
	return ""
}

// drifted counts findings in one phrase.
func drifted(n admin.DriftCounts) string {
	var parts []string
	for _, k := range []struct {
		n         int
		one, many string
	}{
		{n.Stranger, "stranger", "strangers"},
		{n.Vanished, "vanished", "vanished"},
		{n.Deactivated, "deactivated there", "deactivated there"},
		{n.Reactivated, "leaver reactivated there", "leavers reactivated there"},
		{n.Changed, "changed there", "changed there"},
		{n.ExtraMember, "extra member", "extra members"},
		{n.MissingMember, "missing member", "missing members"},
	} {
		if k.n > 0 {
			parts = append(parts, count(k.n, k.one, k.many))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
