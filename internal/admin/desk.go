package admin

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
)

// Desk is where an administrator's wishes arrive. It is safe for concurrent use.
type Desk struct {
	*office
	by store.Actor
}

// office is what the desks of all administrators share.
type office struct {
	store     *store.Store
	engine    *cycle.Engine
	protocols map[string]Protocol
	version   string
	log       *slog.Logger

	standing store.Counted[ApplicationStatus] // by application
	advances store.Counted[Advance]           // by cycle

	mu         sync.Mutex
	schedule   *cycle.Schedule                   // of a process that stays, nil of others
	renewables map[string]*connector.Credentials // by [Desk.renewable]
	limiters   map[string]*connector.Limiter     // by connection: all its cycles and applications share one
	connected  map[string]string                 // the connection that an application has used last, by its name
}

// Options are what a [Desk] is made from.
type Options struct {
	By        store.Actor         // who asks, for the audit log and the initiator of cycles
	Protocols map[string]Protocol // by the protocol that a template names
	Version   string              // Muster's, for the User-Agent
	Log       *slog.Logger        // nil logs nothing
	Tracer    trace.Tracer        // whose spans cycles are; nil makes none
}

// New returns the desk over an open store. A store that was opened for reading only serves the
// methods that read.
func New(s *store.Store, o Options) *Desk {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{by: o.By, office: &office{
		store: s, protocols: o.Protocols, version: o.Version, log: o.Log,
		renewables: map[string]*connector.Credentials{}, limiters: map[string]*connector.Limiter{}, connected: map[string]string{},
	}}
	d.engine = &cycle.Engine{Store: s, Open: d.target, Log: o.Log, Node: node(), Rand: mathrand.Float64, RandN: randN, Tracer: o.Tracer}
	return d
}

// As returns the desk for another administrator. It shares everything with this one, the pace at
// which targets are asked too; only what is recorded differs.
func (d *Desk) As(by store.Actor) *Desk { return &Desk{office: d.office, by: by} }

// node names this process where another one waits for it.
func node() string {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	return fmt.Sprintf("%s (pid %d)", host, os.Getpid())
}

// Schedule makes what runs the applications by themselves; one for a process that stays.
func (d *Desk) Schedule() *cycle.Schedule {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.schedule = cycle.NewSchedule(d.engine, func(err error) (reason, next string) {
		p := Explain(err)
		return p.Message, p.Next
	})
	return d.schedule
}

// randN is chance for expressions, which may make initial passwords of it: it cannot be guessed.
func randN(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	var b [8]byte
	for limit := ^uint64(0) - ^uint64(0)%n; ; { // values past the limit would make small ones likelier
		_, _ = rand.Read(b[:]) // never fails
		if v := binary.LittleEndian.Uint64(b[:]); v < limit {
			return v % n
		}
	}
}
