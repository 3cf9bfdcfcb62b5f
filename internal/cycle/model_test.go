package cycle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// The model test takes companies through changes and faults that a seed chooses, and holds the engine
// to the simplest account of where that must end. The model keeps, for each person and each group,
// the set of states that their account may be in. A pass that may have been disturbed adds what it
// would have done to the set; a pass that was not leaves nothing else in it. After every pass, however
// it ended, the target must show one of these states.

// state is what the model knows of an account, or of a group at the target.
type state uint16

const (
	none       state = 1 << iota // there is none
	on                           // linked and active
	off                          // linked and inactive, as Muster left it
	foreignOn                    // there before Muster, active, not linked
	foreignOff                   // the same, inactive
	vanished                     // linked, and deleted at the target by hand
	offThere                     // linked, and switched off at the target by hand
	onThere                      // linked, switched off by Muster, and on again at the target by hand

	states = 8
)

// each calls a function for every state of a set and joins the results.
func (s state) each(f func(state) state) (all state) {
	for i := range states {
		if one := s & (1 << i); one != 0 {
			all |= f(one)
		}
	}
	return all
}

func (s state) String() string {
	var words []string
	for i, w := range []string{"none", "on", "off", "foreign, on", "foreign, off", "vanished", "off there", "on there"} {
		if s&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return strings.Join(words, " or ")
}

// person is the model's view of somebody in the directory.
type person struct {
	id, name, mail    string
	title, department string
	manager           *person
	active, gone      bool
	purged            bool
	direct            bool // assigned by name
	may               state
	rejected          bool // a removal was rejected: it may be missing
	undone            bool // what was done for them was taken back, and nobody has asked since what of it is turned down
	turned            *provision.Rejection
	another           bool // gets another account in the place of one that vanished, whatever the policy
}

// team is the model's view of a group.
type team struct {
	id, name string
	people   []*person
	teams    []*team
	role     string // "" is not assigned
	gone     bool
	may      state
	foreign  string // its id at the target, where it was there before Muster
	adopted  bool   // it was there before Muster: others may be members of it
	loose    bool   // a removal was rejected: others may be left in it
	undone   bool   // as of a person
	turned   *provision.Rejection
	aside    map[*person]bool // whose joining or leaving was taken back
	renamed  bool             // was there before Muster, and may still have, or have back, its old name: let go, it is not found again
	another  bool             // is made again in the place of one that vanished, whatever the policy
}

// model is a company, its application and its target.
type model struct {
	*world
	clock     *clock
	config    store.Config
	rnd       *rand.Rand
	seed      uint64
	people    []*person
	teams     []*team
	strangers map[string]map[string]any // what a person entered there, by id
	filtered  bool                      // only the department R&D is in scope
	titles    int                       // which mapping the title has
	passes    int
	rematch   bool // the links are to be matched again, and not all may have been
	approved  bool // held removals were approved and may not have been carried out
	steps     []string
	cancel    atomic.Pointer[countdown]
	behaviour string
	serial    int
	blocked   map[*person]bool // whose name is another's at the target, see takenNames
}

// countdown ends a pass at its n-th request.
type countdown struct {
	left atomic.Int64
	end  context.CancelFunc
}

var companies = 24

// TestModel runs companies of MUSTER_MODEL_STEPS steps each (default 120), MUSTER_MODEL_COMPANIES of them
// (default 24, fewer under the race detector), from MUSTER_MODEL_SEED on (default: by chance). A company depends on its seed alone. Of a failing one, what was done to those who are named
// in MUSTER_MODEL_SHOW, by names with commas between them, is told too.
func TestModel(t *testing.T) {
	steps, total := number("MUSTER_MODEL_STEPS", 120), number("MUSTER_MODEL_COMPANIES", companies)
	seed := uint64(number("MUSTER_MODEL_SEED", int(rand.Uint32())))
	next := atomic.Int64{}
	var all sync.WaitGroup
	// The companies wait for the pauses of disturbed requests, not for the processor: many at a time.
	for range min(total, 32) {
		all.Go(func() {
			for i := next.Add(1); i <= int64(total); i = next.Add(1) {
				company(t, seed+uint64(i)-1, steps)
			}
		})
	}
	all.Wait()
}

// company takes one company through its steps.
func company(t *testing.T, seed uint64, steps int) {
	t.Run(fmt.Sprint(seed), func(t *testing.T) {
		m := newModel(t, seed)
		defer m.close()
		for range steps {
			m.step()
			if t.Failed() {
				m.show(os.Getenv("MUSTER_MODEL_SHOW"))
				t.Errorf("after %d steps at a target that %s:\n%s", len(m.steps), m.behaviour, strings.Join(m.steps[max(0, len(m.steps)-60):], "\n"))
				t.Fatalf("repeat with: MUSTER_MODEL_SEED=%d MUSTER_MODEL_COMPANIES=1 MUSTER_MODEL_STEPS=%d go test ./internal/cycle -run 'TestModel$' -count=1", seed, steps)
			}
		}
	})
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// oddities are what targets do that must make no difference.
var oddities = map[string]func(*connectortest.Behaviour){
	"lower-cases userName": func(b *connectortest.Behaviour) { b.LowerCaseUserName = true },
	"hides members":        func(b *connectortest.Behaviour) { b.HideMembers = true },
	"answers 204":          func(b *connectortest.Behaviour) { b.EmptyUpdate = true },
	"answers {}":           func(b *connectortest.Behaviour) { b.ObjectUpdate = true },
	"writes True":          func(b *connectortest.Behaviour) { b.StringBooleans = true },
	"pages by seven":       func(b *connectortest.Behaviour) { b.PageCap = 7 },
	"shows changes late":   func(b *connectortest.Behaviour) { b.StaleReads = 1 },
	"creates silently":     func(b *connectortest.Behaviour) { b.EmptyCreate, b.NoLocation = true, true },
	"shuffles names":       func(b *connectortest.Behaviour) { b.ShuffledNames = true },
	"numbers its ids":      func(b *connectortest.Behaviour) { b.NumericIDs = true },
	"conflicts silently":   func(b *connectortest.Behaviour) { b.ConflictSilent = true },
	"drops types":          func(b *connectortest.Behaviour) { b.DropTypes = true },
	"is strict":            func(b *connectortest.Behaviour) { b.Strict = true },
	"has lower-case names": func(b *connectortest.Behaviour) { b.LowerCaseNames = true },
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{rnd: rand.New(rand.NewPCG(seed, 7)), seed: seed, strangers: map[string]map[string]any{}, clock: &clock{}}
	m.clock.ms.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).UnixMilli())
	m.config = store.Config{Data: t.TempDir(), Clock: m.clock.now}
	storetest.Prepare(t, m.config)
	s, err := store.Open(context.Background(), m.config)
	if err != nil {
		t.Fatal(err)
	}
	m.world = newWorld(t, s)
	m.engine.LeaseTime = time.Hour // it is renewed on a real clock, which a starved process misses
	m.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if c := m.cancel.Load(); c != nil && c.left.Add(-1) == 0 {
			c.end()
		}
		next.ServeHTTP(rw, r)
	})
	if m.rnd.IntN(2) == 0 {
		m.concurrency = 1
	}
	m.misfit()
	if !m.behaves("hides members") {
		// Else a group that shows no members may have some, and nothing can be concluded from it.
		m.app.Connection.Options = map[string]string{"members": "always"}
	}
	p := &m.app.Provisioning
	p.Users.Actions = []string{"create", "update", "disable", "delete"}
	p.Groups.Actions = []string{"create", "update", "delete"}
	p.Drift.Accounts = m.pick("repair", "report")
	if m.rnd.IntN(3) == 0 {
		p.Hold.Removals, p.Hold.Min = 10, 3
	}
	for i := range 3 {
		m.stranger(fmt.Sprintf("stranger%d", i))
	}
	for i := range 4 {
		m.found(fmt.Sprintf("team%d", i))
	}
	for range 8 + m.rnd.IntN(12) {
		m.hire()
	}
	m.save()
	return m
}

func (m *model) close() {
	if err := m.store.Close(); err != nil {
		m.t.Error(err)
	}
}

// reopen is a restart of the process between two passes.
func (m *model) reopen() {
	m.close()
	s, err := store.Open(context.Background(), m.config)
	if err != nil {
		m.t.Fatal(err)
	}
	m.store = s
	e := *m.engine
	e.Store, e.Log = s, slog.New(slog.NewTextHandler(io.Discard, nil))
	m.engine = &e
}

func (m *model) pick(words ...string) string { return words[m.rnd.IntN(len(words))] }

// misfit chooses how the target departs from an obedient one.
func (m *model) misfit() {
	names := []string{}
	for name := range oddities {
		names = append(names, name)
	}
	slices.Sort(names)
	var chosen []string
	for range m.rnd.IntN(4) {
		name := names[m.rnd.IntN(len(names))]
		chosen = append(chosen, name)
		m.target.Behave(oddities[name])
	}
	m.behaviour = strings.Join(chosen, ", ")
}

func (m *model) behaves(what string) bool { return strings.Contains(m.behaviour, what) }

// Decisions: what a pass makes of a state, once the object is looked at.

// in reports whether somebody is to have an account, and names the policy of the cause if not.
func (m *model) in(p *person) (in bool, policy string) {
	switch {
	case p.gone:
		return false, m.app.Provisioning.OnDelete
	case !p.active:
		return false, m.app.Provisioning.OnDisable
	case !m.assigned(p), m.filtered && p.department != "R&D":
		return false, m.app.Provisioning.OnUnassign
	}
	return true, ""
}

func (m *model) assigned(p *person) bool {
	if p.direct {
		return true
	}
	for _, g := range m.teams {
		if g.role == "User" && !g.gone && slices.Contains(g.flat(), p) {
			return true
		}
	}
	return false
}

// flat is everybody in a group, also through groups within it.
func (g *team) flat() []*person {
	all := slices.Clone(g.people)
	for _, inner := range g.teams {
		if !inner.gone {
			all = append(all, inner.flat()...)
		}
	}
	return all
}

// becomes is what a pass that looks at a person makes of their account; whole is a pass that reads the
// target.
func (m *model) becomes(p *person, whole bool) func(state) state {
	in, policy := m.in(p)
	repair := m.app.Provisioning.Drift.Accounts == "repair"
	return func(s state) state {
		switch {
		case in && s == vanished && !repair && !p.another:
			return s // reported, and nothing else
		case in && (s == vanished || s == offThere):
			if repair && whole {
				return on
			}
			return on | s // a change, or a question about the account, may bring it up
		case in && m.blocked[p]:
			return on | s // what is due for them is refused with the name
		case in:
			return on
		case s == none, s == foreignOn, s == foreignOff, policy == "keep":
			return s
		case policy == "delete", s == vanished:
			return none
		case s == onThere && !whole:
			return off | onThere
		}
		return off
	}
}

// teamBecomes is the same for a group.
func (m *model) teamBecomes(g *team, whole bool) func(state) state {
	policy := m.app.Provisioning.OnUnassign
	if g.gone {
		policy = m.app.Provisioning.OnDelete
	}
	repair := m.app.Provisioning.Drift.Accounts == "repair"
	return func(s state) state {
		in := g.role == "User" && !g.gone
		switch {
		case in && s == vanished && !repair && !g.another:
			return s
		case in && s == vanished:
			if repair && whole {
				return on
			}
			return on | s
		case in:
			return on
		case s == none, s == foreignOn, policy == "keep":
			return s
		case s == vanished && g.foreign != "":
			return none | s // was there before Muster, who keeps the link of such a one where there is nobody to take out of it
		case g.adopted && s == on:
			return foreignOn
		}
		return none
	}
}

// passed takes a pass into the model. sure is one that went through its work.
func (m *model) passed(sure, whole bool) {
	m.takenNames()
	for _, p := range m.people {
		next := p.may.each(m.becomes(p, whole))
		if !sure || p.rejected {
			next |= p.may
		}
		in, _ := m.in(p)
		if in && p.may&foreignOff != 0 && (!sure || m.blocked[p]) {
			next |= off // it is theirs, and switching it on failed: whoever leaves now leaves it like any other
		}
		if p.undone {
			next |= none | on | off | foreignOn | foreignOff
		} else {
			next |= may(p.turned, in, none|off)
		}
		p.may = next
	}
	for _, g := range m.teams {
		next := g.may.each(m.teamBecomes(g, whole))
		if !sure || g.loose {
			next |= g.may
		}
		if g.undone {
			next |= none | on | foreignOn
		} else {
			next |= may(g.turned, g.role == "User" && !g.gone, none)
		}
		g.may = next
	}
}

// may is what an object may be because a person turned down what would be done for it.
func may(turned *provision.Rejection, in bool, without state) state {
	switch {
	case turned == nil, in != turned.KeepsOut():
		return 0
	case in:
		return without
	case turned.Action == "":
		return 0
	}
	return on
}

// run is one pass with what may be in its way.
func (m *model) run(opts cycle.Options) *cycle.Report {
	m.passes++
	app, err := m.store.Application(m.t.Context(), "target")
	if err != nil {
		m.t.Fatal(err)
	}
	ctx := m.t.Context()
	if c := m.cancel.Load(); c != nil {
		var end context.CancelFunc
		ctx, end = context.WithCancel(ctx)
		defer end()
		c.end = end
	}
	before := m.enabled()
	m.target.Forget()
	opts.Initiator = "model"
	r, err := m.engine.Run(ctx, app, opts)
	var stale *cycle.ErrPlanStale
	if err != nil && ctx.Err() == nil && !errors.As(err, &stale) {
		m.t.Fatalf("the pass failed: %v", err)
	}
	if gone := before - m.enabled(); m.app.Provisioning.Hold.Removals == 10 && !opts.ApproveHeld && !m.approved {
		if h := m.app.Provisioning.Hold; gone >= h.Min && float64(gone)*100 > float64(h.Removals)*float64(before) {
			m.t.Errorf("%d of %d accounts went in one pass, and nobody approved that", gone, before)
		}
	}
	return r
}

// quiet runs passes until nothing is left to do, and compares the target with the model.
func (m *model) quiet() {
	m.target.Heal()
	m.cancel.Store(nil)
	if m.app.Provisioning.Drift.Accounts == "report" {
		m.touch()
		m.run(cycle.Options{ByHand: true, ApproveHeld: true}) // a reconcile would report them once more
		m.passed(false, false)
	}
	for pass := 0; ; pass++ {
		m.clock.add(80 * time.Hour) // past every grace period and pause
		r := m.run(cycle.Options{ByHand: true, ApproveHeld: true, Reconcile: pass == 0})
		if r.Stopped != nil {
			m.t.Fatalf("the pass was stopped: %v", r.Stopped)
		}
		m.passed(pass > 1, pass == 0)
		if pass > 1 && m.target.Writes() == m.refused() {
			break
		}
		if pass == 8 {
			for _, l := range m.target.Log() {
				if l.Method != http.MethodGet {
					m.t.Errorf("after %d passes there is still something to send: %s %s %s: %d", pass, l.Method, l.Path, l.Body, l.Status)
				}
			}
			for _, o := range m.operations(r.Cycle.ID) {
				m.t.Errorf("%s %s: %s", o.Action, o.Source.Name, o.Reason)
			}
			return
		}
	}
	m.ask()
	// Drift that is to be repaired was read in the first pass.
	m.passed(true, true)
	m.approved, m.rematch = false, false
	m.check(true)
	m.left()
	if len(m.blocked) == 0 {
		m.again()
	}
	for _, p := range m.people {
		if in, _ := m.in(p); in {
			p.rejected = false
		}
	}
}

// refused counts the writes of the last pass that the target refused. Nothing disturbs it: a name is another's there.
func (m *model) refused() (n int) {
	for _, l := range m.target.Log() {
		if l.Method != http.MethodGet && l.Status >= 400 {
			n++
		}
	}
	return n
}

// left expects that nothing is left to do, but for those whose name is another's at the target: of them Muster says
// who has it.
func (m *model) left() {
	p := m.stands()
	if p.Held != 0 || p.Quarantine != nil {
		m.t.Errorf("something is left: %+v", p)
	}
	told := map[string]bool{}
	for _, e := range m.escrows() {
		told[e.ObjectID] = true
		i := slices.IndexFunc(m.people, func(p *person) bool { return p.id == e.ObjectID })
		if i < 0 || !m.blocked[m.people[i]] || !strings.Contains(e.Problem.Reason, m.holder(m.people[i])) {
			m.t.Errorf("%s: %s: %s", e.Name, e.Problem.Code, e.Problem.Reason)
		}
	}
	for p := range m.blocked {
		if !told[p.id] && p.may&vanished == 0 && !p.turned.KeepsOut() && !m.reported(p) {
			m.t.Errorf("%s cannot have that name, and nobody is told", p.name)
		}
	}
}

// touch changes whoever may have lost their account at the target, which is only reported: what notices that with
// the next write for them must not make another.
func (m *model) touch() {
	for _, p := range m.there() {
		if p.may&vanished != 0 {
			m.serial++
			p.title, p.department = fmt.Sprintf("Touched %d", m.serial), "R&D"
			m.set(p.name, "title", p.title, "department", p.department)
			m.set(p.name, "displayName", p.title)
		}
	}
	for _, g := range m.teams {
		if g.may&vanished != 0 && !g.gone {
			m.renameTeam(g)
		}
	}
}

// ask learns what is still turned down of what was undone, as an administrator does: the rest is as if nothing had been.
func (m *model) ask() {
	app, err := m.store.Application(m.t.Context(), "target")
	m.must(err)
	for _, p := range m.people {
		if p.undone || p.turned != nil {
			x, err := m.engine.Explain(m.t.Context(), app, p.id)
			m.must(err)
			p.undone, p.turned = false, x.Rejected
		}
	}
	for _, g := range m.teams {
		if g.undone || g.turned != nil {
			objects, err := m.store.GroupObjects(m.t.Context(), m.app.ID, []string{g.id})
			m.must(err)
			g.undone, g.turned = false, objects[g.id].Rejected
		}
	}
}

// anew notes that somebody asked for all links to be matched again: whoever lost their account gets another.
func (m *model) anew() {
	m.rematch = true
	for _, p := range m.people {
		p.another = p.another || p.may&vanished != 0
	}
	for _, g := range m.teams {
		g.another = g.another || g.may&vanished != 0
	}
}

func (m *model) renameTeam(g *team) {
	m.serial++
	g.name = fmt.Sprintf("team%d", 100+m.serial)
	g.renamed = g.renamed || g.adopted
	_, _, err := m.store.UpdateGroup(m.t.Context(), by, g.id, store.GroupEdit{Attributes: directory.Edit{"displayName": g.name}})
	m.must(err)
}

func (m *model) escrows() []*store.Escrow {
	list, err := m.store.Escrows(m.t.Context(), m.app.ID)
	if err != nil {
		m.t.Fatal(err)
	}
	return list
}
