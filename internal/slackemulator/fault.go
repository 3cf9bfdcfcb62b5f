package slackemulator

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is a misbehaviour that is switched on for the requests it matches.
type Fault struct {
	// Name is one of FaultNames.
	Name string `json:"name"`
	// Arg is the fault's own parameter; empty means the default that FaultNames tells.
	Arg string `json:"arg,omitempty"`
	// Method it is for; empty means the fault's default, "*" every method.
	Method string `json:"method,omitempty"`
	// Path is a part of the request's path, or its end when it ends with "$" ("/Users$" is the
	// collection alone); empty means the fault's default.
	Path string `json:"path,omitempty"`
	// Body is a part of the request's body: a fault for one person.
	Body string `json:"body,omitempty"`
	// After lets that many matching requests pass first.
	After int `json:"after,omitempty"`
	// Count is how many requests it hits before it is gone; 0 means the fault's default, and below
	// 0 until it is removed.
	Count int `json:"count,omitempty"`
	// Hits is how many it has hit so far.
	Hits int `json:"hits"`
}

// FaultName describes one kind of fault.
type FaultName struct {
	Name   string `json:"name"`
	Help   string `json:"help"`
	Arg    string `json:"arg,omitempty"`    // the default of Fault.Arg
	Method string `json:"method,omitempty"` // the default of Fault.Method, if not every one
	Path   string `json:"path"`             // the default of Fault.Path
	Count  int    `json:"count"`            // the default of Fault.Count; -1: until removed
}

// FaultNames lists every kind of fault in the order in which they are documented.
func FaultNames() []FaultName {
	out := make([]FaultName, 0, len(faultKinds))
	for _, k := range faultKinds {
		out = append(out, k.FaultName)
	}
	return out
}

func kindOf(name string) *faultKind {
	for i := range faultKinds {
		if faultKinds[i].Name == name {
			return &faultKinds[i]
		}
	}
	return nil
}

// ParseFault reads a fault as the command line takes it: NAME[=ARG][,key=value]… with the keys
// method, path, body, after and count (a number, or "always").
//
//	invited-user-not-created
//	latency=20ms
//	rate-limited=30,method=POST,count=5
//	drop-after-commit,path=/Users$,after=3,count=1
func ParseFault(text string) (Fault, error) {
	head, rest, more := strings.Cut(text, ",")
	name, arg, _ := strings.Cut(head, "=")
	f := Fault{Name: strings.TrimSpace(name), Arg: arg}
	for more {
		var pair string
		pair, rest, more = strings.Cut(rest, ",")
		key, value, _ := strings.Cut(pair, "=")
		var err error
		switch key {
		case "method":
			f.Method = strings.ToUpper(value)
		case "path":
			f.Path = value
		case "body":
			f.Body = value
		case "after":
			f.After, err = strconv.Atoi(value)
		case "count":
			if f.Count = -1; value != "always" {
				f.Count, err = strconv.Atoi(value)
			}
		default:
			err = fmt.Errorf("unknown option")
		}
		if err != nil {
			return Fault{}, fmt.Errorf("fault %s: %q: say method=, path=, body=, after=NUMBER or count=NUMBER|always", f.Name, pair)
		}
	}
	return f, f.check()
}

func (f Fault) check() error {
	k := kindOf(f.Name)
	if k == nil {
		names := []string{}
		for _, known := range faultKinds {
			names = append(names, known.Name)
		}
		return fmt.Errorf("fault %q is none of %s", f.Name, strings.Join(names, ", "))
	}
	arg := f.Arg
	if arg == "" {
		arg = k.Arg
	}
	if k.check != nil {
		if err := k.check(arg); err != nil {
			return fmt.Errorf("fault %s: %q: %w", f.Name, arg, err)
		}
	}
	if f.After < 0 {
		return fmt.Errorf("fault %s: after=%d is negative", f.Name, f.After)
	}
	return nil
}

// effects is what the faults that hit a request do to it.
type effects struct {
	names   []string
	latency time.Duration // real time, before the handler

	// instead answers without running the handler; onAnswer sends (or does not send) its answer.
	instead  func(e *Emulator, c *call, w http.ResponseWriter)
	onAnswer func(c *call, w http.ResponseWriter, out *reply, body []byte)

	staleRead    bool
	ignoreFilter bool
	v1Errors     bool
	discard      bool   // answer as if kept, keep nothing
	ignore       string // an attribute, lower case, that is not kept
	pretend      bool   // the answer shows it all the same
	paging       paging
}

type faults struct {
	mu     sync.Mutex
	active []*Fault
}

func newFaults() *faults { return &faults{} }

// clear removes the faults of that name, all when it is empty, and says how many.
func (f *faults) clear(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.active)
	f.active = slices.DeleteFunc(f.active, func(a *Fault) bool { return name == "" || a.Name == name })
	return before - len(f.active)
}

func (f *faults) list() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []Fault{}
	for _, a := range f.active {
		out = append(out, *a)
	}
	return out
}

// hit counts the request against every fault that it matches and gathers what they do. Where two
// want the answer for themselves, the one switched on first has it.
func (f *faults) hit(r *http.Request, body []byte) effects {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out effects
	if len(f.active) == 0 {
		return out
	}
	left := make([]*Fault, 0, len(f.active))
	for _, a := range f.active {
		switch {
		case !a.matches(r, body):
		case a.After > 0:
			a.After--
		default:
			a.Hits++
			a.Count = max(a.Count-1, -1) // -1 stays: until removed
			out.names = append(out.names, a.Name)
			kindOf(a.Name).apply(&out, a.Arg)
			if a.Count == 0 {
				continue
			}
		}
		left = append(left, a)
	}
	f.active = left
	return out
}

func (f *Fault) matches(r *http.Request, body []byte) bool {
	path := r.URL.Path
	if f.Method != "*" && f.Method != r.Method {
		return false
	}
	if end, ok := strings.CutSuffix(f.Path, "$"); ok && !strings.HasSuffix(strings.TrimSuffix(path, "/"), end) || !ok && !strings.Contains(path, f.Path) {
		return false
	}
	if when := onlyWhen[f.Name]; when != nil && !when(r) {
		return false
	}
	return f.Body == "" || strings.Contains(string(body), f.Body)
}

// Inject switches a fault on. A fault that ParseFault would refuse is a mistake in the program and
// panics.
func (e *Emulator) Inject(f Fault) {
	if err := f.check(); err != nil {
		panic("slackemulator: " + err.Error())
	}
	k := kindOf(f.Name)
	if f.Arg == "" {
		f.Arg = k.Arg
	}
	if f.Method == "" {
		f.Method = k.Method
	}
	if f.Method == "" {
		f.Method = "*"
	}
	if f.Path == "" {
		f.Path = k.Path
	}
	if f.Count == 0 {
		f.Count = k.Count
	}
	f.Count = max(f.Count, -1)
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	e.faults.active = append(e.faults.active, &f)
}

// ActiveFaults lists the faults that are switched on, with what is left of their counts.
func (e *Emulator) ActiveFaults() []Fault { return e.faults.list() }

// ClearFaults switches the faults of that name off, all of them when it is empty.
func (e *Emulator) ClearFaults(name string) { e.faults.clear(name) }
