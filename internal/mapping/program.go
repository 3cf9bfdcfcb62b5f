package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// Program is a list of mappings, checked and compiled. It is safe for concurrent use.
type Program struct {
	rows     []row
	matching []attr.Path
}

// row is one compiled mapping. Exactly one of value, read and expression gives its value.
type row struct {
	target     string // canonical
	path       attr.Path
	value      any              // of a constant
	read       func(*Facts) any // of a source
	expression *expression
	fallback   any // the default, nil for none
	create     bool
	sensitive  bool
	reference  bool
	groups     bool // reads the user's groups
	manager    bool // reads the manager's name
}

// Compile checks the mappings of users or groups. Its error is a [Problems] with everything that is
// wrong with them.
func Compile(kind directory.Kind, rows []Mapping) (*Program, error) {
	p := &Program{}
	var problems Problems
	for i, m := range rows {
		r, wrong := compileRow(kind, m)
		for _, w := range wrong {
			w.Row = i
			problems = append(problems, w)
		}
		p.rows = append(p.rows, r)
	}
	problems = append(problems, clashes(p.rows)...)
	problems = append(problems, p.order(rows)...)
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Row, b.Row) })
		return nil, problems
	}
	return p, nil
}

// clashes finds targets that are given twice, also once whole and once in part.
func clashes(rows []row) Problems {
	var problems Problems
	seen := map[string]int{}
	for i, r := range rows {
		if r.target == "" {
			continue
		}
		key := strings.ToLower(r.target)
		if first, twice := seen[key]; twice {
			problems = append(problems, Problem{
				Row: i, Field: "target",
				Message: fmt.Sprintf("%s is mapped twice, first by mapping %d", r.target, first+1),
			})
			continue
		}
		seen[key] = i
	}
	for i, r := range rows {
		whole := attr.Path{URN: r.path.URN, Name: r.path.Name}.String()
		if first, ok := seen[strings.ToLower(whole)]; ok && first != i && !strings.EqualFold(whole, r.target) {
			problems = append(problems, Problem{
				Row: i, Field: "target",
				Message: fmt.Sprintf("%s is part of %s, which mapping %d sets as a whole", r.target, whole, first+1),
			})
		}
	}
	return problems
}

// order sorts the matching attributes by their place, which must be unique.
func (p *Program) order(rows []Mapping) Problems {
	var problems Problems
	places := map[int]int{}
	for i, m := range rows {
		switch first, taken := places[m.Match]; {
		case m.Match == 0:
			continue
		case m.Match < 0:
			problems = append(problems, Problem{Row: i, Field: "match", Message: "the place among the matching attributes counts from 1"})
			continue
		case taken:
			problems = append(problems, Problem{
				Row: i, Field: "match",
				Message: fmt.Sprintf("place %d among the matching attributes is taken by mapping %d", m.Match, first+1),
			})
		}
		places[m.Match] = i
	}
	for _, place := range slices.Sorted(maps.Keys(places)) {
		p.matching = append(p.matching, p.rows[places[place]].path)
	}
	return problems
}

// Apply returns the attributes that the account of a user or group is to have, by canonical target
// path. Every mapping that applies has its key: nil says that the attribute is to be without a value.
// Mappings with when: create apply only when creating. At the paths of [Program.References] stand ids
// of directory objects. The error names the attribute and the cause and never holds a value.
func (p *Program) Apply(f Facts, creating bool) (attr.Set, error) {
	set := make(attr.Set, len(p.rows))
	var around *surroundings
	for i := range p.rows {
		r := &p.rows[i]
		if r.create && !creating {
			continue
		}
		var v any
		switch {
		case r.read != nil:
			v = r.read(&f)
		case r.expression != nil:
			if around == nil {
				around = newSurroundings(f)
			}
			var err error
			if v, err = r.expression.value(around); errors.Is(err, errLeave) {
				continue
			} else if err != nil {
				return nil, fmt.Errorf("the mapping of %s fails: %w", r.target, err)
			}
		default:
			v = r.value
		}
		if attr.Empty(v) {
			v = r.fallback
		}
		set[r.target] = v
	}
	return set, nil
}

// Targets returns the target paths of all mappings, in their order.
func (p *Program) Targets() []string {
	targets := make([]string, len(p.rows))
	for i, r := range p.rows {
		targets[i] = r.target
	}
	return targets
}

// Matching returns the target paths of the matching attributes, the first to be tried first. Their
// values are those that [Program.Apply] gives for the path.
func (p *Program) Matching() []attr.Path { return slices.Clone(p.matching) }

// References returns the target paths at which Apply gives the id of a directory object, which is to
// be replaced by the id of that object's account.
func (p *Program) References() []string {
	return p.targetsWhere(func(r *row) bool { return r.reference })
}

// CreateOnly returns the target paths whose mappings apply only while an account is created.
func (p *Program) CreateOnly() []string {
	return p.targetsWhere(func(r *row) bool { return r.create })
}

func (p *Program) targetsWhere(holds func(*row) bool) []string {
	var targets []string
	for i := range p.rows {
		if holds(&p.rows[i]) {
			targets = append(targets, p.rows[i].target)
		}
	}
	return targets
}

// Sensitive reports whether the values of a target attribute are to be hidden in logs and pages. It
// also holds for what contains the attribute or is part of it.
func (p *Program) Sensitive(target string) bool {
	asked, err := attr.ParsePath(target)
	return slices.ContainsFunc(p.rows, func(r row) bool {
		return r.sensitive && (strings.EqualFold(r.target, target) || err == nil && overlap(r.path, asked))
	})
}

// overlap reports whether one path is the whole of which the other is a part.
func overlap(a, b attr.Path) bool {
	if !strings.EqualFold(a.URN, b.URN) || !strings.EqualFold(a.Name, b.Name) {
		return a.Name == "" && strings.EqualFold(a.URN, b.URN) || b.Name == "" && strings.EqualFold(a.URN, b.URN)
	}
	whole := func(p attr.Path) bool { return p.Filter == nil && p.Sub == "" }
	return whole(a) || whole(b) || strings.EqualFold(a.String(), b.String())
}

// UsesGroups reports whether any mapping reads the user's groups, so that [Facts].Groups is needed.
func (p *Program) UsesGroups() bool {
	return slices.ContainsFunc(p.rows, func(r row) bool { return r.groups })
}

// UsesManager reports whether any mapping reads the manager's userName, so that [Facts].Manager is
// needed. A reference to the manager needs it not.
func (p *Program) UsesManager() bool {
	return slices.ContainsFunc(p.rows, func(r row) bool { return r.manager })
}
