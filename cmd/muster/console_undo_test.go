package main

import (
	"testing"

	"github.com/muster-id/muster/internal/admin"
)

// TestUndoInTheConsole takes back what a cycle did: of one person, and then of everybody else.
func TestUndoInTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	w.connect("Everyone")
	sync := func() admin.Run {
		t.Helper()
		run, err := w.desk.Sync(t.Context(), "slack", admin.SyncOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	sync()
	title := func(email string) string { u, _ := w.slack.User(email); return u.Title }
	const aase = "aase.kjaergaard@example.org"
	before := map[string]string{}
	for _, who := range []string{"ada@example.org", aase} {
		before[who] = title(who)
		if _, _, err := w.desk.SetUser(t.Context(), who, []string{"title=Mistake"}); err != nil {
			t.Fatal(err)
		}
	}
	mistake := sync()
	if title("ada@example.org") != "Mistake" {
		t.Fatalf("the mistake did not reach Slack: %q", title("ada@example.org"))
	}

	v := visit(t, w.base)
	v.open("/applications/slack")
	v.click("This cycle, and how to undo it")
	v.sees("2 updated")
	v.fill("Only what it did to one person: userName, e-mail or id", "nobody@example.org")
	v.click("Plan the undo")
	v.sees("there is no user nobody@example.org")
	v.fill("Only what it did to one person: userName, e-mail or id", "ada@example.org")
	v.click("Plan the undo")
	v.sees("1 to update")
	v.sees("takes back a cycle")
	if title("ada@example.org") != "Mistake" {
		t.Fatal("planning the undo has sent something")
	}
	v.click("Run exactly this plan")
	eventually(t, "ada's title is back", func() bool { return title("ada@example.org") == before["ada@example.org"] })
	if title(aase) != "Mistake" {
		t.Error("the undo of one person took another's back")
	}

	v.open("/applications/slack/cycles/" + mistake.CycleID)
	v.click("Plan the undo")
	v.sees("1 to update") // ada's is taken back already
	v.click("Run exactly this plan")
	eventually(t, "the other title is back", func() bool { return title(aase) == before[aase] })
	v.open("/applications/slack/plan")
	v.sees("What would the next cycle do?") // and no longer what has been run
}
