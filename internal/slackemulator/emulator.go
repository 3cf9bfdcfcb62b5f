// Package slackemulator is Slack as a provisioning client sees it: SCIM v1 and v2 over one
// workspace, OAuth, auth.test, Slack's rate limits, and faults that can be switched on to see what
// a client makes of a target that misbehaves. It is an http.Handler, so a test hands it to
// httptest.NewServer; people start it with `muster slack-emulator`.
//
// What it never does: it imports nothing of Muster, so that a client tested against it shares none
// of its mistakes; it writes nothing to disk; it sends no request anywhere; and it keeps no token
// in its request log.
//
// Where to start: New and Options here; the people and groups are in workspace.go; a request's way
// through authentication, limits, lock and handler is (*Emulator).scim in scim.go; draft.go turns
// the three ways of writing a person (POST/PUT, v1 PATCH, v2 PATCH) into one record and judges it;
// policy.go lists every switch and fault.go every fault. docs/slack-emulator.md says of each
// behaviour whether Slack documents it, somebody has seen it, or it is assumed.
package slackemulator

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultToken is accepted when Options.Tokens is empty: a user token of the workspace's primary
// owner with the scope admin.
const DefaultToken = "xoxp-slack-emulator"

// Options says what kind of workspace to emulate. The zero value is a Business+ workspace with
// limits on, no delays, and DefaultToken.
type Options struct {
	// Tokens that are accepted. Empty means DefaultToken alone.
	Tokens []Token
	// Plan of the workspace; empty means PlanBusinessPlus.
	Plan Plan
	// Name and Domain of the workspace; empty means "Emulated Workspace" and "emulated".
	Name, Domain string
	// TimeScale makes a minute of limits and delays last 60/TimeScale seconds. Below or at zero
	// means 1. Latency faults are not scaled: they are said in real time.
	TimeScale float64
	// LimitsOff switches the rate limits off. The per-object write lock stays.
	LimitsOff bool
	// Policies are the switches for what Slack leaves open or lets a workspace choose.
	Policies Policies
	// Faults that are active from the start.
	Faults []Fault
	// OAuth is the app that /oauth/v2/authorize and /api/oauth.v2.access know.
	OAuth OAuthApp
	// Clock is the real time; nil means time.Now.
	Clock func() time.Time
}

// Emulator is one Slack workspace (or Enterprise organisation). Its methods may be called at any
// time from any goroutine.
type Emulator struct {
	options  Options
	clock    clock
	policies atomic.Pointer[Policies]
	limitsOn atomic.Bool
	ws       *workspace
	tokens   *tokens
	limits   *limits
	locks    *locks
	faults   *faults
	journal  *journal
	oauth    *oauth
	admin    http.Handler

	resetting sync.Mutex
}

// New returns an emulator whose workspace holds its primary owner and Slackbot, as every real
// workspace does; both show up in lists.
func New(options Options) *Emulator {
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.TimeScale <= 0 {
		options.TimeScale = 1
	}
	if options.Plan == "" {
		options.Plan = PlanBusinessPlus
	}
	if options.Name == "" {
		options.Name = "Emulated Workspace"
	}
	if options.Domain == "" {
		options.Domain = "emulated"
	}
	if len(options.Tokens) == 0 {
		options.Tokens = []Token{{Value: DefaultToken}}
	}
	e := &Emulator{
		options: options,
		clock:   clock{real: options.Clock, start: options.Clock(), scale: options.TimeScale},
	}
	e.ws = newWorkspace(e.clock)
	e.tokens = newTokens()
	e.limits = newLimits()
	e.locks = newLocks()
	e.faults = newFaults()
	e.journal = newJournal()
	e.oauth = newOAuth(options.OAuth)
	e.admin = e.adminHandler()
	e.Reset()
	return e
}

// Reset returns to the state after New: people, groups, tokens, limits, policies, faults and
// request counts.
func (e *Emulator) Reset() {
	e.resetting.Lock()
	defer e.resetting.Unlock()
	policies := e.options.Policies
	if policies.Plan == "" {
		policies.Plan = e.options.Plan
	}
	e.policies.Store(&policies)
	e.limitsOn.Store(!e.options.LimitsOff)
	e.ws.clear()
	e.tokens.clear()
	e.limits.clear()
	e.locks.clear()
	e.faults.clear("")
	e.journal.clear()
	e.oauth.clear()

	owner := User{
		UserName: "workspace.owner", DisplayName: "Workspace Owner", GivenName: "Workspace", FamilyName: "Owner",
		Email: "workspace.owner@" + e.options.Domain + ".example", Active: true, Role: RolePrimaryOwner,
	}
	bot := User{
		UserName: "slackbot", DisplayName: "Slackbot", GivenName: "Slackbot",
		Email: "botuser-T0EMULATED-slackbot@slack-bots.com", Active: true, Role: RoleMember, Bot: true,
	}
	for _, u := range []User{owner, bot} {
		if _, err := e.AddUser(u); err != nil {
			panic(fmt.Sprintf("slackemulator: seeding %s: %v", u.UserName, err)) // an empty workspace takes both
		}
	}
	for _, t := range e.options.Tokens {
		e.AddToken(t)
	}
	for _, f := range e.options.Faults {
		e.Inject(f)
	}
}

// SetLimits switches the rate limits on or off.
func (e *Emulator) SetLimits(on bool) { e.limitsOn.Store(on) }

// Policies returns the switches as they stand.
func (e *Emulator) Policies() Policies { return *e.policies.Load() }

// ChangePolicies applies change to the switches; requests under way keep the ones they began with.
func (e *Emulator) ChangePolicies(change func(*Policies)) {
	for {
		before := e.policies.Load()
		after := before.clone()
		change(&after)
		if e.policies.CompareAndSwap(before, &after) {
			return
		}
	}
}

// ServeHTTP serves Slack's paths (/scim/v1, /scim/v2, /oauth, /api) and the emulator's own
// (/_emulator/).
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/scim/"):
		e.serve(w, r, e.scim)
	case strings.HasPrefix(path, "/api/"), strings.HasPrefix(path, "/oauth/"):
		e.serve(w, r, e.web)
	case path == "/":
		http.Redirect(w, r, "/_emulator/", http.StatusFound)
	default:
		e.admin.ServeHTTP(w, r)
	}
}

// clock tells the emulated time, which runs scale times as fast as the real one.
type clock struct {
	real  func() time.Time
	start time.Time
	scale float64
}

func (c clock) now() time.Time {
	return c.start.Add(time.Duration(float64(c.real().Sub(c.start)) * c.scale))
}

// realSeconds is how long an emulated wait lasts for the client, in whole seconds, rounded up and
// at least 1: Retry-After has no smaller unit.
func (c clock) realSeconds(emulated time.Duration) int {
	real := time.Duration(float64(emulated) / c.scale)
	return max(1, int((real+time.Second-1)/time.Second))
}
