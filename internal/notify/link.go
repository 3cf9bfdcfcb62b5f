package notify

import (
	"net/netip"
	"net/url"
	"slices"

	"github.com/muster-id/muster/internal/store"
)

// pages are where in the console what a notice tells of is dealt with, below its application.
var pages = map[store.NoticeKind]string{
	store.InQuarantine: "", store.HeldBack: "/plan", store.Failing: "/failures", store.ManyFailures: "/failures", store.Expiring: "/provisioning#connection",
}

// linked adds to events the pages where they are dealt with. Without a console that others reach there are none.
func linked(events []store.Event, console string) []store.Event {
	if console == "" {
		return events
	}
	out := slices.Clone(events)
	for i, e := range out {
		out[i].Link = console + Page(e.Kind, e.Application)
	}
	return out
}

// Page is the path of the console's page where what a notice tells of is dealt with; the application is "" for what is about
// Muster itself.
func Page(kind store.NoticeKind, application string) string {
	if application == "" {
		return "/tokens"
	}
	return "/applications/" + url.PathEscape(application) + pages[kind]
}

// reachable returns the address of the console, "" for one that leads whoever reads a message to their own machine.
func reachable(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" || u.Hostname() == "localhost" {
		return ""
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.Unmap().IsLoopback() {
		return ""
	}
	return base
}
