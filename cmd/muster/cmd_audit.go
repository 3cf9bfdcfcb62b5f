package main

import (
	"encoding/json"
	"time"

	"github.com/muster-id/muster/internal/store"
)

type auditCmd struct {
	Since  string `placeholder:"AGE|TIME" help:"Only what is younger: 24h, 7d, 2026-11-22, or RFC 3339."`
	Until  string `placeholder:"AGE|TIME" help:"Only what is older, written as --since."`
	By     string `placeholder:"NAME" help:"Only what this one did."`
	Action string `placeholder:"ACTION" help:"Only this action: create, update, delete, sync, …"`
	Type   string `placeholder:"TYPE" help:"Only what was done to this: user, group, application, administrator, token, …"`
	Object string `placeholder:"NAME" help:"Only what was done to whom or what is called so: name or id."`
	Limit  int    `placeholder:"N" default:"100" help:"Only the newest so many (100)."`
}

// Run implements the verb.
func (c *auditCmd) Run(s *session) error {
	q := store.AuditQuery{Actor: c.By, Action: c.Action, Type: c.Type, Object: c.Object, Limit: c.Limit}
	var err error
	if c.Since != "" {
		if q.Since, err = since(c.Since, time.Now()); err != nil {
			return err
		}
	}
	if c.Until != "" {
		if q.Until, err = since(c.Until, time.Now()); err != nil {
			return err
		}
	}
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	entries, err := desk.AuditPage(s, q)
	if err != nil {
		return err
	}
	s.show(map[string]any{"entries": entries}, func() {
		for i := len(entries) - 1; i >= 0; i-- {
			e := entries[i]
			s.say("%s  %s (%s)  %s %s %s", when(e.At), plain(e.Actor), plain(e.Via), plain(e.Action), plain(e.Type), plain(e.Name))
			document(s, "before", e.Before)
			document(s, "after", e.After)
		}
	})
	return nil
}

// document prints what something was, or became.
func document(s *session, label string, doc map[string]any) {
	if len(doc) == 0 {
		return
	}
	b, _ := json.Marshal(doc) // it has been read from JSON
	s.say("%s", s.wrapped("  "+pad(label, 7), 9, plain(string(b))))
}
