package provision

import (
	"fmt"
	"strings"

	"github.com/muster-id/muster/internal/attr"
)

// Candidate is an account at the target that a matching attribute found.
type Candidate struct {
	ID, Name     string
	Active       bool
	Values       attr.Set
	Refers       attr.Set // references among Values that are known to mean what is wanted, as directory ids
	Protected    string
	LinkedTo     string // name of the directory object that the account is linked to, "" for none
	Members      []string
	MembersKnown bool
}

// Match is what looking for an object's account came to.
type Match struct {
	Account *Candidate // nil: there is none
	By      string     // the matching attribute that found it
	Problem *Problem   // set: nothing may be written
	Steps   []Step
}

// ChooseMatch goes through the matching attributes in order; found holds, per attribute, the
// accounts that have the object's value. The first attribute that finds exactly one free account
// decides. Two free accounts for one object are a problem that names both. An account that is
// linked to another object is never matched.
func ChooseMatch(order []string, found map[string][]Candidate) Match {
	var m Match
	for _, path := range order {
		var free []Candidate
		taken := ""
		for _, c := range found[path] {
			if c.LinkedTo != "" {
				taken = fmt.Sprintf("account %s (%s) belongs to %s", c.Name, c.ID, c.LinkedTo)
				continue
			}
			free = append(free, c)
		}
		switch len(free) {
		case 0:
			said := "no account has this " + path
			if taken != "" {
				said = taken + " and is not matched"
			}
			m.step("success", said)
		case 1:
			m.Account, m.By = &free[0], path
			m.step("success", fmt.Sprintf("account %s (%s) has the same %s", free[0].Name, free[0].ID, path))
			return m
		default:
			names := make([]string, len(free))
			for i, c := range free {
				names[i] = fmt.Sprintf("%s (%s)", c.Name, c.ID)
			}
			m.Problem = &Problem{
				Code:           "duplicate_target_entries",
				Reason:         fmt.Sprintf("several accounts have the same %s: %s", path, strings.Join(names, ", ")),
				Recommendation: "Change or remove the surplus account at the target, or match by an attribute that is unique there, then provision again.",
			}
			m.step("failure", m.Problem.Reason)
			return m
		}
	}
	return m
}

func (m *Match) step(status, description string) {
	m.Steps = append(m.Steps, Step{Name: "matching", Status: status, Description: description})
}

// SameIdentity is the problem of two people without an account who have the same value of the first
// matching attribute: the account of one would be taken for that of the other.
func SameIdentity(path, one, other string) *Problem {
	return &Problem{
		Code:           "duplicate_source_entries",
		Reason:         fmt.Sprintf("%s and %s have the same %s, by which accounts are told apart", one, other, path),
		Recommendation: "Give one of the two another value in the directory, or unassign one, then provision again.",
	}
}

// TwoForOne is the problem of an account that two people claim.
func TwoForOne(account string, one, other string) *Problem {
	return &Problem{
		Code:           "duplicate_source_entries",
		Reason:         fmt.Sprintf("both %s and %s match account %s", one, other, account),
		Recommendation: "Only one of the two can have this account: give the other another e-mail address or userName in the directory, then provision again. The account of somebody who was purged from the directory stays theirs: remove it at the target, or rename it there, and this person gets one.",
	}
}

// Taken is the problem of an update whose name or address another account has. Muster changes the accounts of those who
// are to have one, and leaves a leaver's and a stranger's as it is.
func Taken(path string, by Candidate) *Problem {
	p := &Problem{Code: "taken", Reason: fmt.Sprintf("%s is taken by account %s (%s), a stranger's", path, by.Name, by.ID)}
	p.Recommendation = "It is tried again by itself. Change that account at the target, or give this one another value in the directory."
	if by.LinkedTo != "" {
		p.Reason = fmt.Sprintf("%s is taken by account %s (%s), that of %s", path, by.Name, by.ID, by.LinkedTo)
		p.Recommendation = "It is tried again by itself. Muster does not rename whoever has left: change or remove such an account at the target, or give one of the two another value in the directory."
	}
	return p
}
