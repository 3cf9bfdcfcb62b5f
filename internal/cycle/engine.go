package cycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Engine runs cycles. It is safe for concurrent use; one application has one cycle at a time.
type Engine struct {
	Store *store.Store
	// Open makes the connector of an application with its credentials.
	Open func(ctx context.Context, app *provision.Application) (Target, error)
	Log  *slog.Logger
	Node string         // names this process in leases and messages
	Rand func() float64 // uniform in [0,1), spreads retries
	// LeaseTime is how long a node that died keeps the others from an application; 0 is 9 s, which is
	// less than a second sync waits for the first, and 30 s on an embedded database, where there are no others.
	LeaseTime time.Duration
	RandN     func(n uint64) uint64 // uniform in [0,n), for expressions that need chance
	Watch     Watch                 // who counts along
	Tracer    trace.Tracer          // whose spans cycles are; nil makes none
}

// Watch is told of what has been recorded, for measuring. What is nil is not told; what is called must
// not wait for anything.
type Watch struct {
	Recorded func(app string, results []store.Result) // a batch of operations
	Ended    func(app string, c *store.Cycle)
}

// Target is an application's connector with what the engine must know of the target.
type Target struct {
	Connector connector.Connector
	// Concurrency bounds how many operations are under way at once; 0 is 8.
	Concurrency int
	// Settle is how long the target may go on showing old values after it has accepted new ones. What
	// does not match is read again until then, and only then called refused.
	Settle time.Duration
	// Limiter paces the connection, and Connection names it. What is left of its limits outlives the
	// process under that name, see [Engine.Pace]; without either nothing is kept.
	Limiter    *connector.Limiter
	Connection string
}

// Types of cycles, as plans and logs name them.
const (
	Initial     = "initial"
	Incremental = "incremental"
	Reconcile   = "reconcile"
	OnDemand    = "on-demand"
	Undo        = "undo"
)

// Options say what one pass is to do.
type Options struct {
	Reconcile   bool           // also read the target completely and find drift
	ApproveHeld bool           // let everything through that is held or would be held
	PlanID      string         // run exactly this plan
	Kind        directory.Kind // with Object: on demand, for this object alone
	Object      string         // directory id
	Undo        string         // only for a plan: take back what this cycle did
	UndoObject  string         // of an undo: only for this user, by directory id
	ByHand      bool           // somebody asked: escrow and parked objects are tried at once, quarantine is probed
	Scheduled   bool           // nobody asked: the pass does not wait for another one, and ends when the application is switched off or paused
	Initiator   string         // who asked, for the log
	Progress    func(Progress) // told now and then how far the pass has come; nil for nobody
}

// Progress is how far a pass has come.
type Progress struct {
	Stage   string // reading, planning, applying, verifying
	Done    int
	Planned int
	Failed  int
}

// Report is what a pass did.
type Report struct {
	Cycle   *store.Cycle
	Summary map[string]int // by action, of what was done; "held" as it stands
	Failed  int
	// Operations are those of one object that a cycle which ran already provisioned on demand: that cycle is
	// the one named, of everybody else's work it tells nothing here. nil for a pass of one's own.
	Operations []*store.Operation
	// Stopped is why the pass ended before its work was done (credentials, target), nil otherwise.
	Stopped *connector.Error
}

// application is an application ready to be worked on.
type application struct {
	provision.Application
	users, groups *mapping.Program
	filters       []provision.Filter
	hidden        map[directory.Kind][]string // target paths whose values are sensitive
	usesGroups    bool                        // whether a mapping or a filter looks at the groups of people
	target        Target
	basis         string // fingerprint of the configuration
}

func (e *Engine) open(ctx context.Context, app *provision.Application) (*application, error) {
	a := &application{Application: *app}
	var err error
	if a.users, err = mapping.Compile(directory.KindUser, app.Mappings.Users); err != nil {
		return nil, fmt.Errorf("user mappings of %s: %w", app.Name, err)
	}
	if a.groups, err = mapping.Compile(directory.KindGroup, app.Mappings.Groups); err != nil {
		return nil, fmt.Errorf("group mappings of %s: %w", app.Name, err)
	}
	a.hidden = map[directory.Kind][]string{directory.KindUser: sensitive(a.users), directory.KindGroup: sensitive(a.groups)}
	a.usesGroups = a.users.UsesGroups()
	for i, text := range app.Provisioning.Filters {
		f, err := mapping.CompileFilter(directory.KindUser, text)
		if err != nil {
			return nil, fmt.Errorf("scoping filter %d of %s: %w", i+1, app.Name, err)
		}
		a.filters = append(a.filters, f)
		a.usesGroups = a.usesGroups || f.UsesGroups()
	}
	if a.target, err = e.Open(ctx, app); err != nil {
		return nil, err
	}
	if a.target.Concurrency <= 0 {
		a.target.Concurrency = 8
	}
	deciding := *app
	deciding.Mappings = provision.Mappings{Users: mapping.WithoutTests(app.Mappings.Users), Groups: mapping.WithoutTests(app.Mappings.Groups)}
	text, err := json.Marshal(deciding)
	if err != nil {
		return nil, fmt.Errorf("fingerprint of %s: %w", app.Name, err)
	}
	sum := sha256.Sum256(text)
	a.basis = hex.EncodeToString(sum[:8])
	return a, nil
}

// sensitive returns the target paths whose values are sensitive. Nothing is appended to what it returns without a copy.
func sensitive(p *mapping.Program) (paths []string) {
	for _, path := range p.Targets() {
		if p.Sensitive(path) {
			paths = append(paths, path)
		}
	}
	return slices.Clip(paths)
}

func (a *application) program(kind directory.Kind) *mapping.Program {
	if kind == directory.KindGroup {
		return a.groups
	}
	return a.users
}
