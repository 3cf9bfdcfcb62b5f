package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/slackemulator"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// TestKilledBinary kills the binary with SIGKILL, while it imports and while it provisions, at moments
// that a printed seed chooses: at a write of the target, before or after it is carried out, or after a
// while. After each round, in which people join, move, leave and return, the target must be as the file
// says: nobody twice, nobody lost, nobody else touched, and hardly anything sent twice.
//
// MUSTER_CRASH_ROUNDS is how many rounds each database gets (default 20), MUSTER_CRASH_SEED repeats a run.
func TestKilledBinary(t *testing.T) {
	crash(t, 20, "off", (*crashCompany).round)
}

// crash plays rounds of a company on each database, half of them with either target.
func crash(t *testing.T, rounds int, status string, round func(c *crashCompany, n int)) {
	t.Parallel()
	if n, err := strconv.Atoi(os.Getenv("MUSTER_CRASH_ROUNDS")); err == nil {
		rounds = n
	}
	seed := rand.Uint64()
	if n, err := strconv.ParseUint(os.Getenv("MUSTER_CRASH_SEED"), 10, 64); err == nil {
		seed = n
	}
	for name, target := range map[string]func() crashTarget{"slack": newSlackTarget, "scim": newScimTarget} {
		t.Run(name, func(t *testing.T) {
			storetest.Configs(t, func(t *testing.T, config store.Config) {
				c := newCrashCompany(t, config, target(), rand.New(rand.NewPCG(seed, uint64(len(name)))), status)
				repeat := fmt.Sprintf("MUSTER_CRASH_SEED=%d MUSTER_CRASH_ROUNDS=%d go test ./cmd/muster -run '%s$' -count=1", seed, rounds, strings.Split(t.Name(), "/")[0])
				played := 0
				t.Cleanup(func() {
					t.Logf("%d rounds, %d processes killed, %d writes, %d of them repeated", played, c.kills, c.writes, c.repeats)
					if t.Failed() {
						t.Log("repeat with " + repeat)
					}
				})
				for ; played < (rounds+1)/2 && !t.Failed(); played++ {
					round(c, played)
				}
			})
		})
	}
}

// crashTarget is a target that lives on while the process that talks to it dies.
type crashTarget interface {
	http.Handler
	application(url string) map[string]any // of the declarative form
	people() map[string][]crashAccount     // by e-mail address
	members(group string) []string         // e-mail addresses
	foreign() string                       // everything that nobody may touch
}

type crashAccount struct {
	active bool
	title  string
}

// crashPerson is a row of the file.
type crashPerson struct {
	name, title, manager string
	listed, active       bool
	groups               []string
	had                  bool // was in scope at the end of a round: has an account
}

type crashCompany struct {
	t      *testing.T
	rnd    *rand.Rand
	dir    string
	env    []string
	pg     string
	target crashTarget
	before string // what nobody may touch

	people []*crashPerson

	mu     sync.Mutex
	victim *os.Process
	left   int  // writes until the victim is killed; 0 is never
	after  bool // the write is carried out first
	seen   map[string]int

	kills, writes, repeats int

	token       string // for a server's API
	corrections uint64 // seed of what is changed one by one in a round
}

func newCrashCompany(t *testing.T, config store.Config, target crashTarget, rnd *rand.Rand, status string) *crashCompany {
	c := &crashCompany{t: t, rnd: rnd, dir: t.TempDir(), pg: config.Database, target: target, seen: map[string]int{}}
	c.env = append(os.Environ(), "MUSTER_DATA="+config.Data, "MUSTER_DATABASE="+config.Database, "HOME="+c.dir, "MUSTER_SERVER=", "MUSTER_TOKEN=")
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	for i := range 40 {
		c.people = append(c.people, &crashPerson{name: fmt.Sprintf("person%02d", i)})
	}
	app := target.application(server.URL)
	app["name"] = "app"
	app["connection"].(map[string]any)["limits"] = map[string]any{"concurrency": crashConcurrency, "requests_per_second": 100_000, "burst": 100_000}
	app["assignments"] = []any{map[string]any{"group": "Staff"}, map[string]any{"group": "Club"}}
	app["provisioning"] = map[string]any{
		"status": status,
		"groups": map[string]any{"enabled": true, "actions": []string{"create", "update", "delete"}}, "hold": map[string]any{"removals": "off", "max": 100_000},
	}
	text, err := json.Marshal(map[string]any{"applications": []any{app}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "app.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	c.before = target.foreign()
	for _, g := range []string{"Staff", "Club"} {
		c.muster("group", "add", g)
	}
	c.muster("config", "apply", filepath.Join(c.dir, "app.yaml"))
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(c.muster("token", "create", "--role", "owner", "-o", "json")), &made); err != nil {
		t.Fatal(err)
	}
	c.token = made.Token
	return c
}

// crashConcurrency bounds the requests in flight; a few more are kept for removals.
const crashConcurrency = 8

// ServeHTTP is the target, and kills who talks to it when it is time.
func (c *crashCompany) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/api/") {
		c.target.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	c.left--
	kill, after, victim := c.left == 0, c.after, c.victim
	c.mu.Unlock()
	if kill && !after {
		c.kill(victim)
		return
	}
	answer := httptest.NewRecorder()
	c.target.ServeHTTP(answer, r)
	c.mu.Lock()
	if answer.Code < 400 {
		c.writes++
		if key := r.Method + r.URL.Path + string(body); c.seen[key] > 0 {
			c.repeats++
		} else {
			c.seen[key]++
		}
	}
	c.mu.Unlock()
	if kill {
		c.kill(victim)
	}
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// kill kills a process that is still the one to be killed.
func (c *crashCompany) kill(p *os.Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p != nil && c.victim == p && p.Kill() == nil {
		c.kills++
		c.victim = nil
	}
}

// run runs a command; when it is to be killed, at the n-th write or after a time, whichever comes first.
func (c *crashCompany) run(writes int, wait time.Duration, args ...string) (string, error) {
	c.t.Helper()
	cmd := muster(c.t, args...)
	cmd.Env = c.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	c.mu.Lock()
	if err := cmd.Start(); err != nil {
		c.mu.Unlock()
		c.t.Fatal(err)
	}
	c.victim, c.left, c.after = cmd.Process, writes, c.rnd.IntN(2) == 0
	c.mu.Unlock()
	if wait > 0 {
		defer time.AfterFunc(wait, func() { c.kill(cmd.Process) }).Stop()
	}
	err := cmd.Wait()
	c.mu.Lock()
	c.victim, c.left = nil, 0
	c.mu.Unlock()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() >= 0 {
		c.t.Fatalf("muster %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), err
}

// muster runs a command that nobody kills.
func (c *crashCompany) muster(args ...string) string {
	c.t.Helper()
	out, err := c.run(0, 0, args...)
	if err != nil {
		c.t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// round changes the company, has it imported and provisioned by processes that die, and compares.
func (c *crashCompany) round(n int) {
	c.change(n)
	clear(c.seen)
	file := c.file()
	imported := []string{"import", file, "--source", "hr", "--full", "--allow-removals"}
	kills, repeats := c.kills, c.repeats
	if c.rnd.IntN(2) == 0 {
		_, _ = c.run(0, time.Duration(20+c.rnd.IntN(250))*time.Millisecond, imported...)
	}
	c.muster(imported...)
	for range 1 + c.rnd.IntN(2) {
		wait := time.Duration(0)
		writes := 1 + c.rnd.IntN(12)
		if c.rnd.IntN(4) == 0 {
			wait, writes = time.Duration(20+c.rnd.IntN(400))*time.Millisecond, 0
		}
		_, _ = c.run(writes, wait, "sync", "app")
		c.leaseEnds()
	}
	c.muster("sync", "app")
	c.muster("sync", "app") // whom a killed one left half done
	c.over(n, kills, repeats)
}

// over compares what a round came to, which had begun with so many kills and repetitions.
func (c *crashCompany) over(n, kills, repeats int) {
	c.t.Helper()
	c.mu.Lock()
	repeated, killed := c.repeats-repeats, c.kills-kills
	c.mu.Unlock()
	if most := killed * (crashConcurrency + 4); repeated > most {
		c.t.Errorf("round %d: %d writes were repeated after %d kills with %d in flight", n, repeated, killed, crashConcurrency)
	}
	for _, wrong := range c.wrong() {
		c.t.Errorf("round %d: %s", n, wrong)
	}
	for _, p := range c.people {
		p.had = p.had || p.in()
	}
	var report struct{ Requests int }
	if err := json.Unmarshal([]byte(c.muster("sync", "app", "-o", "json")), &report); err != nil || report.Requests != 0 {
		c.t.Errorf("round %d: running again sent %d requests (%v)", n, report.Requests, err)
	}
}

// leaseEnds lets the lease of a killed process run out at once: nothing of the waiting is tested here.
// A data directory's one process needs no such thing.
func (c *crashCompany) leaseEnds() {
	if c.pg == "" {
		return
	}
	db, err := pgx.Connect(c.t.Context(), c.pg)
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close(c.t.Context())
	if _, err := db.Exec(c.t.Context(), `update leases set expires_at = 0`); err != nil {
		c.t.Fatal(err)
	}
}

// change lets people join, move, leave and return.
func (c *crashCompany) change(round int) {
	for i, p := range c.people {
		switch roll := c.rnd.IntN(12); {
		case round == 0:
			p.listed, p.active, p.groups = i < 25, true, []string{"Staff"}
		case roll == 0:
			p.listed = !p.listed
		case roll == 1:
			p.active = !p.active
		case roll <= 3:
			p.title = fmt.Sprintf("Title %d", round)
		case roll == 4:
			p.manager = c.people[c.rnd.IntN(i+1)].name
		case roll == 5:
			p.groups = [][]string{{"Staff"}, {"Club"}, {"Staff", "Club"}, {}}[c.rnd.IntN(4)]
		}
		if p.manager == p.name {
			p.manager = ""
		}
	}
}

func (p *crashPerson) mail() string { return p.name + "@example.org" }

func (p *crashPerson) in() bool { return p.listed && p.active && len(p.groups) > 0 }

func (c *crashCompany) file() string {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"userName", "name.givenName", "name.familyName", "displayName", "emails", "title", "manager", "active", "groups"})
	listed := map[string]bool{}
	for _, p := range c.people {
		listed[p.name] = p.listed
	}
	for _, p := range c.people {
		if !p.listed {
			continue
		}
		manager := p.manager
		if !listed[manager] {
			manager = ""
		}
		_ = w.Write([]string{p.name, p.name, "Test", p.name + " Test", p.mail(), p.title, manager, strconv.FormatBool(p.active), strings.Join(p.groups, ";")})
	}
	w.Flush()
	path := filepath.Join(c.dir, "people.csv")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// wrong says what of the target is not as the file says.
func (c *crashCompany) wrong() (all []string) {
	wrong := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if now := c.target.foreign(); now != c.before {
		wrong("somebody else was touched:\n%s\nwas\n%s", now, c.before)
	}
	there := c.target.people()
	want := map[string][]string{}
	for _, p := range c.people {
		accounts := there[p.mail()]
		switch in := p.in(); {
		case len(accounts) > 1:
			wrong("%s has %d accounts", p.name, len(accounts))
		case in && len(accounts) == 0, p.had && len(accounts) == 0:
			wrong("%s has no account", p.name)
		case len(accounts) == 1 && accounts[0].active != in:
			wrong("%s is active: %t, in scope: %t", p.name, accounts[0].active, in)
		case in && accounts[0].title != p.title:
			wrong("%s has title %q, want %q", p.name, accounts[0].title, p.title)
		}
		if p.in() {
			for _, g := range p.groups {
				want[g] = append(want[g], p.mail())
			}
		}
	}
	for _, g := range []string{"Staff", "Club"} {
		active := slices.DeleteFunc(c.target.members(g), func(mail string) bool { return len(there[mail]) == 1 && !there[mail][0].active })
		slices.Sort(active)
		slices.Sort(want[g])
		if !slices.Equal(active, want[g]) {
			wrong("members of %s: %v, want %v", g, active, want[g])
		}
	}
	return all
}

// scimTarget is connectortest's.
type scimTarget struct{ *connectortest.Target }

func newScimTarget() crashTarget {
	s := scimTarget{connectortest.NewTarget(connectortest.Token, connectortest.Behaviour{})}
	for i := range 5 {
		s.AddUser(map[string]any{"userName": fmt.Sprintf("stranger%d", i), "active": i%2 == 0, "title": "Not ours"})
	}
	return s
}

func (s scimTarget) application(url string) map[string]any {
	return map[string]any{"template": "scim2", "connection": map[string]any{"endpoint": url + "/scim/v2/", "auth": map[string]any{"type": "bearer", "token": connectortest.Token}}}
}

func mailOf(doc map[string]any) string {
	if list, _ := doc["emails"].([]any); len(list) > 0 {
		one, _ := list[0].(map[string]any)
		mail, _ := one["value"].(string)
		return mail
	}
	return ""
}

func (s scimTarget) people() map[string][]crashAccount {
	all := map[string][]crashAccount{}
	for _, id := range s.UserIDs() {
		doc := s.User(id)
		if mail := mailOf(doc); mail != "" {
			title, _ := doc["title"].(string)
			all[mail] = append(all[mail], crashAccount{doc["active"] == true, title})
		}
	}
	return all
}

func (s scimTarget) members(group string) (mails []string) {
	for _, id := range s.Members(s.GroupID(group)) {
		mails = append(mails, mailOf(s.User(id)))
	}
	return mails
}

func (s scimTarget) foreign() (all string) {
	for i := range 5 {
		all += fmt.Sprint(s.User(s.UserID(fmt.Sprintf("stranger%d", i))), "\n")
	}
	return all
}

// slackTarget is an emulated Slack.
type slackTarget struct{ *slackemulator.Emulator }

func newSlackTarget() crashTarget {
	s := slackTarget{slackemulator.New(slackemulator.Options{TimeScale: 600, LimitsOff: true})}
	for i := range 5 {
		if _, err := s.AddUser(slackemulator.User{UserName: fmt.Sprintf("stranger%d", i), Email: fmt.Sprintf("stranger%d@elsewhere.example", i), Active: i%2 == 0}); err != nil {
			panic(err)
		}
	}
	return s
}

func (s slackTarget) application(url string) map[string]any {
	return map[string]any{"template": "slack", "connection": map[string]any{
		"endpoint": url + "/scim/v2/", "auth": map[string]any{"type": "bearer", "token": slackemulator.DefaultToken},
	}}
}

func (s slackTarget) people() map[string][]crashAccount {
	all := map[string][]crashAccount{}
	for _, u := range s.Users() {
		all[u.Email] = append(all[u.Email], crashAccount{u.Active, u.Title})
	}
	return all
}

func (s slackTarget) members(group string) (mails []string) {
	for _, g := range s.Groups() {
		if g.DisplayName == group {
			for _, id := range g.Members {
				u, _ := s.User(id)
				mails = append(mails, u.Email)
			}
		}
	}
	return mails
}

func (s slackTarget) foreign() (all string) {
	for _, u := range s.Users() {
		if !strings.HasSuffix(u.Email, "@example.org") || u.Role == slackemulator.RolePrimaryOwner {
			all += fmt.Sprintf("%s %s %t %s\n", u.ID, u.Email, u.Active, u.Title)
		}
	}
	return all
}
