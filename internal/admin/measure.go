package admin

import (
	"maps"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
)

// Watch lets somebody count along what cycles record. It is set before the first cycle runs.
func (d *Desk) Watch(w cycle.Watch) { d.engine.Watch = w }

// Usages returns how the connections of this process use what their targets allow, by the names of
// the applications that share one, separated by commas.
func (d *Desk) Usages() map[string]connector.Usage {
	d.mu.Lock()
	sharing := map[string][]string{}
	for _, app := range slices.Sorted(maps.Keys(d.connected)) {
		sharing[d.connected[app]] = append(sharing[d.connected[app]], app)
	}
	limiters := maps.Clone(d.limiters)
	d.mu.Unlock()
	out := map[string]connector.Usage{}
	for connection, apps := range sharing {
		if l := limiters[connection]; l != nil {
			out[strings.Join(apps, ",")] = l.Usage()
		}
	}
	return out
}
