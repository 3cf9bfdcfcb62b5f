package main

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

type planCmd struct {
	App       string `arg:"" help:"Name or id of the application."`
	Reconcile bool   `help:"Also read the target completely and find what changed there."`
	Verbose   bool   `short:"v" help:"Show also all attributes of new accounts, and what needs nothing."`
}

// Help implements [kong.HelpProvider].
func (planCmd) Help() string {
	return `  muster plan slack                 what the next cycle would do
  muster sync slack --plan ID       do exactly that`
}

// Run implements the verb.
func (c *planCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	bar := s.progress("objects")
	plan, err := desk.Plan(s, c.App, c.Reconcile, bar.cycle)
	bar.end()
	if err != nil {
		return err
	}
	return s.showPlan(plan, desk.Operations(s, plan.ID), c.Verbose)
}

// showPlan prints a plan, and how to run it.
func (s *session) showPlan(plan admin.Plan, ops iter.Seq2[admin.Operation, error], verbose bool) error {
	if s.json {
		return streamJSON(s.out, plan, "operations", ops)
	}
	p := &planPrinter{session: s, verbose: verbose}
	if err := p.print(ops); err != nil {
		return err
	}
	s.say("%s", s.bold(planned(plan.Summary)))
	if plan.Summary.Writes() > 0 {
		s.note("next: muster sync %s --plan %s", plan.Application, plan.ID)
	}
	return nil
}

// planned is a plan in one line.
func planned(sum admin.Summary) string {
	var parts []string
	for _, a := range []struct {
		n    int
		verb provision.Action
	}{{sum.Create, provision.Create}, {sum.Update, provision.Update}, {sum.Enable, provision.Enable}, {sum.Disable, provision.Disable}, {sum.Delete, provision.Delete}} {
		if a.n > 0 {
			parts = append(parts, fmt.Sprintf("%s to %s", number(a.n), a.verb))
		}
	}
	line := strings.Join(parts, ", ")
	if line == "" {
		line = "nothing to do"
	}
	if sum.Held > 0 {
		line += fmt.Sprintf(" (%s held)", number(sum.Held))
	}
	if sum.Skip > 0 {
		line += fmt.Sprintf(", %s to skip", number(sum.Skip))
	}
	return line + "; nothing has been sent"
}

// marks are how a plan tells its actions apart, with the heading of each group.
var marks = map[provision.Action]struct{ sign, heading string }{
	provision.Create:  {"+", "create"},
	provision.Enable:  {"^", "enable"},
	provision.Update:  {"~", "update"},
	provision.Disable: {"!", "disable"},
	provision.Delete:  {"-", "delete"},
	provision.Skip:    {"=", "skip"},
}

func (p paint) action(a provision.Action, s string) string {
	switch a {
	case provision.Create, provision.Enable:
		return p.green(s)
	case provision.Update:
		return p.yellow(s)
	case provision.Disable, provision.Delete:
		return p.red(s)
	}
	return p.dim(s)
}

// planPrinter prints operations like a diff, in groups, as they come.
type planPrinter struct {
	*session
	verbose bool
	group   string
	skipped int
	holds   []string // why operations are held, each told once
}

// shownSkips is how many operations that need nothing are told without --verbose.
const shownSkips = 10

func (p *planPrinter) print(ops iter.Seq2[admin.Operation, error]) error {
	for o, err := range ops {
		if err != nil {
			return err
		}
		p.operation(o)
		if p.broken != nil {
			return p.broken
		}
	}
	if p.skipped > shownSkips && !p.verbose {
		p.say("  … and %s; --verbose shows them", count(p.skipped-shownSkips, "other", "others"))
	}
	if p.skipped > 0 && len(p.holds) > 0 {
		p.say("") // it is not about those who are skipped
	}
	for _, why := range p.holds {
		p.say("%s", p.yellow(p.wrapped("  HELD because ", 15, why)))
	}
	if p.group != "" {
		p.say("")
	}
	return nil
}

func (p *planPrinter) operation(o admin.Operation) {
	mark := marks[o.Action]
	if group := mark.heading; group != p.group {
		if p.group != "" {
			p.say("")
		}
		p.group = group
		p.say("%s", p.bold(group))
	}
	if o.Action == provision.Skip {
		if p.skipped++; p.skipped > shownSkips && !p.verbose && o.Problem == nil {
			return
		}
	}
	p.say("%s", p.headline(o, mark.sign))
	if o.Held && !slices.Contains(p.holds, o.Hold) {
		p.holds = append(p.holds, o.Hold)
	}
	for _, c := range o.Changes {
		p.change(o, c)
	}
}

// headline names whom an operation is about, the account, and why.
func (p *planPrinter) headline(o admin.Operation, sign string) string {
	name := plain(o.Source.Name)
	if o.Type == directory.KindGroup {
		name = "group " + name
	}
	if t := plain(o.Target.Name); t != "" && o.Target.ID != nil && directory.Key(t) != directory.Key(o.Source.Name) {
		name += " (account " + t + ")"
	}
	held := ""
	why := plain(o.Reason)
	if o.Held {
		held = " HELD"
		why = strings.TrimSuffix(why, "; held: "+plain(o.Hold))
	}
	room := p.session.width - width(name) - 7 - len(held)
	if room < 12 {
		return "  " + p.action(o.Action, cut(sign+" "+name, p.session.width-2-len(held))) + p.yellow(held)
	}
	return "  " + p.action(o.Action, sign+" "+name) + p.yellow(held) + "  " + p.dim(cut(why, room))
}

func (p *planPrinter) change(o admin.Operation, c provision.Change) {
	switch {
	case c.Attribute == provision.MembersAttribute:
		p.members("+", c.New)
		p.members("-", c.Old)
	case o.Action == provision.Disable || o.Action == provision.Delete || o.Action == provision.Enable && c.Attribute == "active":
	case o.Action == provision.Create && !p.verbose:
	case o.Action == provision.Create:
		label := "      " + short(c.Attribute) + ": "
		p.say("%s", p.wrapped(label, width(label), value(c.New)))
	default:
		printChange(p.session, "      ", short(c.Attribute), c.Old, c.New)
	}
}

// shownMembers is how many members of one change are named.
const shownMembers = 8

func (p *planPrinter) members(sign string, v any) {
	list, _ := v.([]provision.Subject)
	if len(list) == 0 {
		return
	}
	// As many names as the line has room for, and how many more there are.
	line, shown := "      members "+sign, 0
	for _, m := range list[:min(len(list), shownMembers)] {
		more := ""
		if left := len(list) - shown - 1; left > 0 {
			more = fmt.Sprintf(" and %s more", number(left))
		}
		next := line + ", " + plain(m.Name)
		if shown == 0 {
			next = cut(line+" "+plain(m.Name), p.session.width-width(more))
		}
		if shown > 0 && width(next)+width(more) > p.session.width {
			break
		}
		line, shown = next, shown+1
	}
	if n := len(list) - shown; n > 0 {
		line += fmt.Sprintf(" and %s more", number(n))
	}
	p.say("%s", line)
}

// short drops the schema that an attribute of an extension begins with.
func short(path string) string {
	if i := strings.LastIndex(path, ":"); strings.HasPrefix(path, "urn:") && i >= 0 {
		return path[i+1:]
	}
	return path
}
