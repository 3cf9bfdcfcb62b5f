package main

type undoCmd struct {
	App     string `arg:"" help:"Name or id of the application."`
	Cycle   string `required:"" placeholder:"ID" help:"The cycle to take back."`
	User    string `placeholder:"NAME" help:"Only what it did to this user: userName, e-mail address or id."`
	Verbose bool   `short:"v" help:"Show also everything that is left out."`
}

// Help implements [kong.HelpProvider].
func (undoCmd) Help() string {
	return `Plans the reverse of what a cycle did, from the recorded old values. Nothing is
sent before you run the plan. What has changed since is left out.

  muster logs --app slack --since 1h          tells the cycles, with -o json
  muster undo slack --cycle ID
  muster sync slack --plan ID                 with the id that undo printed`
}

// Run implements the verb.
func (c *undoCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	bar := s.progress("objects")
	plan, err := desk.Undo(s, c.App, c.Cycle, c.User, bar.cycle)
	bar.end()
	if err != nil {
		return err
	}
	return s.showPlan(plan, desk.Operations(s, plan.ID), c.Verbose)
}
