package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
)

type logsCmd struct {
	App     string `placeholder:"NAME" help:"Only this application."`
	User    string `xor:"whom" placeholder:"NAME" help:"Only this user: userName, e-mail address or id."`
	Group   string `xor:"whom" placeholder:"NAME" help:"Only this group: display name or id."`
	Status  string `enum:",success,failure,skipped,warning,tried" default:"" placeholder:"STATUS" help:"success, failure, skipped, warning, or tried: all but skipped."`
	Action  string `enum:",create,update,disable,enable,delete,skip" default:"" placeholder:"ACTION" help:"create, update, disable, enable, delete or skip."`
	Cycle   string `placeholder:"ID" help:"Only this cycle."`
	Since   string `placeholder:"AGE|TIME" help:"Only what is younger: 24h, 7d, 2026-11-22, or RFC 3339."`
	Until   string `placeholder:"AGE|TIME" help:"Only what is older, written as --since."`
	Follow  bool   `short:"f" help:"Go on as records come; JSON is then one record a line."`
	Limit   int    `placeholder:"N" help:"Only the newest so many; without it 100, and all as JSON."`
	Verbose bool   `short:"v" help:"Show steps, changes and the exchange of failures."`
}

// look is the pause between two looks for new records.
const look = 500 * time.Millisecond

// Run implements the verb.
func (c *logsCmd) Run(s *session) error {
	f := admin.LogFilter{Application: c.App, User: c.User, Group: c.Group, Status: c.Status, Action: c.Action, Cycle: c.Cycle, Last: c.Limit}
	if f.Last == 0 && !s.json {
		f.Last = 100
	}
	var err error
	if c.Since != "" {
		if f.Since, err = since(c.Since, time.Now()); err != nil {
			return err
		}
		if c.Limit == 0 {
			f.Last = 0
		}
	}
	if c.Until != "" {
		if f.Until, err = since(c.Until, time.Now()); err != nil {
			return err
		}
	}
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	if c.Follow {
		return c.follow(s, desk.Follow(s, f, s.pause))
	}
	records := desk.Log(s, f)
	if s.json {
		return streamJSON(s.out, nil, "", records)
	}
	n := 0
	for r, err := range records {
		if err != nil {
			return err
		}
		n++
		c.print(s, r)
	}
	s.note("%s", count(n, "record", "records"))
	return nil
}

// pause waits until it is time to look again, and reports whether anybody still wants to know.
func (s *session) pause() bool {
	t := time.NewTimer(look)
	defer t.Stop()
	select {
	case <-s.Done():
		return false
	case <-t.C:
		return s.broken == nil
	}
}

func (c *logsCmd) follow(s *session, records iter.Seq2[admin.Record, error]) error {
	for r, err := range records {
		if err != nil {
			return err
		}
		if !s.json {
			c.print(s, r)
			continue
		}
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("writing a record: %w", err)
		}
		s.say("%s", line)
		if s.broken != nil {
			return s.broken
		}
	}
	return nil
}

func (c *logsCmd) print(s *session, r admin.Record) {
	name := plain(cmp.Or(r.Source.Name, r.Target.Name)) // a stranger is nobody in the directory
	if r.Type == directory.KindGroup {
		name = "group " + name
	}
	head := fmt.Sprintf("%s  %s  %s  %s", when(r.Time), plain(r.Application), r.Action, name)
	room := s.width - 10
	s.say("%s  %s", cut(head, room), s.status(r.Status))
	if c.Verbose {
		printSteps(s, r)
	} else if e := r.Error; e != nil {
		s.say("%s", s.wrapped("  "+s.red("why")+"   ", 8, fmt.Sprintf("%s (%s)", e.Reason, e.Code)))
		if e.Recommendation != "" {
			s.say("%s", s.wrapped("  "+s.yellow("do")+"    ", 8, e.Recommendation))
		}
	} else if r.Reason != "" {
		s.say("  %s", s.dim(cut(plain(r.Reason), s.width-2)))
	}
	if x := r.Exchange; x != nil && c.Verbose {
		s.say("  %s %s → %d in %s", x.Method, plain(x.URL), x.Status, took(time.Duration(x.TookMS)*time.Millisecond))
		for _, part := range []struct{ label, body string }{{"sent", x.Request}, {"answered", x.Response}} {
			if part.body != "" {
				s.say("%s", s.wrapped("  "+pad(part.label, 9), 11, part.body))
			}
		}
	}
}

// since reads a time, or an age before now.
func since(text string, now time.Time) (time.Time, error) {
	if n := len(text) - 1; n > 0 && text[n] == 'd' {
		var days int
		if _, err := fmt.Sscanf(text, "%dd", &days); err == nil && fmt.Sprintf("%dd", days) == text && days >= 0 {
			return now.AddDate(0, 0, -days), nil
		}
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return now.Add(-age), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	return now, &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: fmt.Sprintf("%q is neither an age nor a time", text), Next: "write an age such as 90m, 24h or 7d, or a time such as 2026-11-22T15:04:05Z"}
}
