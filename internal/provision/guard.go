package provision

import "fmt"

// Tally is what the guard counts over the window, for people's accounts and groups together or for
// the members of one group.
type Tally struct {
	Enabled  int // linked enabled accounts, or members that Muster keeps in the group, as they stand
	Done     int // removals done within the window that nobody approved
	Proposed int // removals that the cycle would do, approved ones left out
}

// Exceeds reports whether the proposed removals go past the threshold, and says how. The base of
// the percentage are the accounts as they were before the removals of the window.
func (h Hold) Exceeds(t Tally) (string, bool) {
	if t.Proposed == 0 {
		return "", false
	}
	total := t.Done + t.Proposed
	if h.Max > 0 && total > h.Max {
		return fmt.Sprintf("%d removals within %s are more than the %d allowed (hold.max)", total, h.window(), h.Max), true
	}
	if h.Removals >= 0 && total >= h.Min {
		base := t.Enabled + t.Done
		if float64(total)*100 > float64(h.Removals)*float64(base) {
			return fmt.Sprintf("%d removals within %s are more than %s of %d accounts (hold.removals)", total, h.window(), text(h.Removals), base), true
		}
	}
	return "", false
}

// ExceedsUpdates is the same for updates, where a threshold is set.
func (h Hold) ExceedsUpdates(t Tally) (string, bool) {
	total := t.Done + t.Proposed
	switch {
	case h.Updates.Off() || t.Proposed == 0:
	case h.Updates.Count > 0 && total > h.Updates.Count:
		return fmt.Sprintf("%d updates within %s are more than the %d allowed (hold.updates)", total, h.window(), h.Updates.Count), true
	case h.Updates.Share >= 0 && total >= h.Min && float64(total)*100 > float64(h.Updates.Share)*float64(t.Enabled):
		return fmt.Sprintf("%d updates within %s are more than %s of %d accounts (hold.updates)", total, h.window(), text(h.Updates.Share), t.Enabled), true
	}
	return "", false
}

func (h Hold) window() string { return text(h.Window) }

func text(v interface{ MarshalText() ([]byte, error) }) string {
	b, err := v.MarshalText()
	if err != nil {
		return err.Error()
	}
	return string(b)
}
