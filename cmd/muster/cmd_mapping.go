package main

import (
	"github.com/muster-id/muster/internal/admin"
)

type mappingCmd struct {
	Test mappingTestCmd `cmd:"" help:"Run the tests that are kept with the mappings."`
}

type mappingTestCmd struct {
	App string `arg:"" help:"Name or id of the application."`
}

// Help implements [kong.HelpProvider].
func (mappingTestCmd) Help() string {
	return `A mapping keeps its tests beside it, in the console and in the YAML:

  - target: title
    expression: user.title.upper()
    tests:
      - {given: {title: Analyst}, expect: ANALYST}
      - {person: ada@example.org, expect: COUNTESS}

Every change of the mappings runs them, too, and is not saved where one fails.
Nothing is sent to the target.`
}

// Run implements the verb.
func (c *mappingTestCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	tests, err := desk.TestMappings(s, c.App)
	if err != nil {
		return err
	}
	s.show(tests, func() { printMappingTests(s, tests) })
	if tests.Failed > 0 {
		return exit(admin.ExitPartly)
	}
	return nil
}

func printMappingTests(s *session, tests admin.MappingTests) {
	if len(tests.Tests) == 0 {
		s.say("no mapping of %s has a test", plain(tests.Application))
		return
	}
	for _, t := range tests.Tests {
		s.say("%s", plain(t.Says()))
	}
	s.say("%s, %d failed", count(len(tests.Tests), "test", "tests"), tests.Failed)
}
