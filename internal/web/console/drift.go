package console

import (
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
)

type driftView struct {
	appPage
	admin.Drift
	Kind        string
	Findings    []admin.DriftFinding
	After, Next string
}

// drift shows what the last complete reading of the target found.
func (c *console) drift(rq *request) error {
	a, err := rq.app("drift", "Drift")
	if err != nil {
		return err
	}
	v := driftView{appPage: a, Kind: rq.FormValue("kind"), After: rq.FormValue("after")}
	if v.Drift, err = rq.desk.Drift(rq.Context(), a.App.ID); err != nil {
		return err
	}
	if v.Findings, v.Next, err = rq.desk.FindingsPage(rq.Context(), a.App.ID, provision.DriftKind(v.Kind), v.After, pageSize); err != nil {
		return err
	}
	return rq.ok(driftPage(v))
}

// driftKind is how many findings of a kind there are.
type driftKind struct {
	key, text string
	n         int
}

// kinds are the totals in the order in which they are told.
func (v driftView) kinds() []driftKind {
	t := v.Totals
	n := map[provision.DriftKind]int{
		provision.DriftStranger: t.Stranger, provision.DriftVanished: t.Vanished, provision.DriftDeactivated: t.Deactivated, provision.DriftReactivated: t.Reactivated,
		provision.DriftChanged: t.Changed, provision.DriftExtra: t.ExtraMember, provision.DriftMissing: t.MissingMember,
	}
	var out []driftKind
	for _, k := range provision.DriftKinds {
		out = append(out, driftKind{string(k), driftWord(string(k)), n[k]})
	}
	return out
}

// driftWord is a kind of drift in words.
func driftWord(kind string) string {
	return map[string]string{
		"stranger": "strangers", "vanished": "vanished", "deactivated": "switched off there", "reactivated": "switched on there",
		"changed": "attributes changed", "extra_member": "extra members", "missing_member": "missing members",
	}[kind]
}

func joined(list []string) string { return strings.Join(list, ", ") }

// moment writes a time that may not have come.
func moment(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return stamp(*t)
}

// lastMessage tells what came of a message.
func lastMessage(m *admin.MessageStatus) string {
	if m == nil {
		return "none yet"
	}
	return strings.TrimSpace(m.State + " " + stamp(m.Time) + " " + m.Error)
}
