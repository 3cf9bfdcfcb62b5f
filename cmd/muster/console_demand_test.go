package main

import "testing"

// TestOnDemandInTheConsole provisions one person, and shows the steps and what came of them.
func TestOnDemandInTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	w.connect("Everyone")
	v := visit(t, w.base)
	v.open("/applications/slack/on-demand")
	v.fill("User: userName, e-mail or id", "nobody@example.org")
	v.click("Provision")
	v.sees("there is no user nobody@example.org")
	v.open("/applications/slack/on-demand?user=ada@example.org")
	v.click("Only look")
	v.sees("nothing was sent")
	if w.inSlack("ada@example.org") {
		t.Fatal("looking made an account")
	}
	v.click("Provision")
	v.sees("The record")
	if !w.inSlack("ada@example.org") {
		t.Error("ada has no account in Slack")
	}
}
