package console

import "github.com/muster-id/muster/internal/admin"

// wait is something that waits for a person, and the page where it is dealt with.
type wait struct{ app, what, to string }

// places are the pages where what waits is dealt with, by its kind.
var places = map[string]string{
	"token": "provisioning", "quarantine": "provisioning", "assignments": "assignments", "restored": "plan",
	"held": "plan", "parked": "failures", "first": "plan", "off": "provisioning",
}

// waiting lists what only a person can move on, in all applications.
func waiting(status admin.Status) []wait {
	var all []wait
	for _, a := range status.Applications {
		for _, w := range a.Waiting {
			to := at("applications", a.Name)
			if place := places[w.Kind]; place != "" {
				to = at("applications", a.Name, place)
			}
			all = append(all, wait{a.Name, w.What, to})
		}
	}
	return all
}
