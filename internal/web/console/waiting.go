package console

import (
	"slices"

	"github.com/muster-id/muster/internal/admin"
)

// wait is something that waits for a person, and the page where it is dealt with.
type wait struct {
	app, what, to string
	urgent        bool // accounts do not follow the directory until somebody does it
}

// places are the pages where what waits is dealt with, by its kind.
var places = map[string]string{
	"token": "provisioning", "assignments": "assignments", "restored": "plan",
	"held": "plan", "parked": "failures", "first": "plan", "off": "provisioning",
}

// waiting lists what only a person can move on, in all applications, what is urgent first.
func waiting(status admin.Status) []wait {
	var all []wait
	for _, a := range status.Applications {
		for _, w := range a.Waiting {
			one := wait{app: a.Name, what: w.What, to: at("applications", a.Name)}
			if place := places[w.Kind]; place != "" {
				one.to = at("applications", a.Name, place)
			}
			switch {
			case w.Kind == "quarantine":
				one.urgent, one.what = true, one.what+": "+a.Quarantine.Reason
			case w.Kind == "trouble":
				one.urgent, one.what = true, one.what+": "+a.Trouble.Reason
			}
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b wait) int {
		switch {
		case a.urgent == b.urgent:
			return 0
		case a.urgent:
			return -1
		}
		return 1
	})
	return all
}
