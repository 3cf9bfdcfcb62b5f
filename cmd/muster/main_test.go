package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/slackemulator"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web"
)

func TestMain(m *testing.M) {
	// The race detector has each process that ends well sleep for a second, in case another thread still finds something: of the
	// commands here, which are a thousand, all have ended what they began.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	testscript.Main(m, map[string]func(){"muster": main})
}

// muster is the command as a process of its own: this very binary, so that the race detector watches it where it watches the test.
func muster(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Args[0] = "muster" // testscript looks at it
	return c
}

// TestScripts runs the commands as people do: processes of their own, files, an emulated Slack
// ($SLACK) and a SCIM target that nobody of it shares code with ($SCIM) over HTTP.
func TestScripts(t *testing.T) {
	t.Parallel()
	p := scripts(false)
	p.Dir, p.Setup = "testdata", setup
	testscript.Run(t, p)
}

// local are the scripts that are about this machine and its data directory: the others say the same
// whether the commands work there or over a server.
var local = []string{"admin", "demo", "emulator", "health", "operations", "singlesignon", "usage"}

// TestScriptsOverServer runs the scripts with --server: the same commands get the same answers, errors
// and exit statuses from the API of a server as from a data directory.
func TestScriptsOverServer(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	p := scripts(true)
	p.Files = slices.DeleteFunc(files, func(name string) bool {
		return slices.Contains(local, strings.TrimSuffix(filepath.Base(name), ".txtar"))
	})
	p.Setup = func(env *testscript.Env) error {
		if err := setup(env); err != nil {
			return err
		}
		url, token, err := serveAPI(env)
		env.Setenv("MUSTER_SERVER", url)
		env.Setenv("MUSTER_TOKEN", token)
		return err
	}
	testscript.Run(t, p)
}

// scripts are what all scripts are run with. The condition [server] tells them which way they run.
func scripts(server bool) testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true, RequireUniqueNames: true,
		Condition: func(name string) (bool, error) {
			if name != "server" {
				return false, fmt.Errorf("there is no condition %s", name)
			}
			return server, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "json": jsonCommand, "writes": writes, "slack": slackCommand, "narrow": narrow, "keep": keep,
		},
	}
}

// serveAPI serves the API over a new data directory of a script, and returns its address and a token
// of an owner.
func serveAPI(env *testscript.Env) (url, token string, err error) {
	st, err := store.Open(context.Background(), store.Config{Data: filepath.Join(env.WorkDir, "server-data")})
	if err != nil {
		return "", "", err
	}
	desk := admin.New(st, admin.Options{By: store.Actor{Name: "test", Via: "test"}, Protocols: protocols, Version: "test"})
	made, err := desk.CreateToken(context.Background(), admin.TokenRequest{Role: string(admin.Owner), Name: "script"})
	if err != nil {
		return "", "", errors.Join(err, st.Close())
	}
	handler, err := web.New(web.Options{Desk: desk, Version: "test"})
	if err != nil {
		return "", "", errors.Join(err, st.Close())
	}
	server := httptest.NewServer(handler)
	env.Defer(func() {
		server.CloseClientConnections()
		server.Close()
		_ = st.Close() // the directory goes with the script
	})
	return server.URL, made.Secret, nil
}

// targets are the targets of one script.
type targets struct {
	slack *slackemulator.Emulator
	scim  *connectortest.Target
	seen  int // writes that a script has been told of
	mu    sync.Mutex
}

type targetsKey struct{}

func setup(env *testscript.Env) error {
	w := &targets{slack: slackemulator.New(slackemulator.Options{
		TimeScale: 60,
		Tokens:    []slackemulator.Token{{Value: slackemulator.DefaultToken}, {Value: "xoxp-noscope", Scopes: []string{"users:read"}}},
	})}
	slack := httptest.NewServer(w.slack)
	env.Defer(slack.Close)
	w.scim = connectortest.NewTarget(connectortest.Token, connectortest.Behaviour{})
	scim := httptest.NewServer(w.scim)
	env.Defer(scim.Close)
	env.Values[targetsKey{}] = w
	// A receiver of webhooks that looks at no more than that they are signed; package notify looks closer.
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("webhook-signature"), "v1,") {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	env.Defer(hook.Close)
	env.Setenv("HOOK", hook.URL)
	env.Setenv("GORACE", os.Getenv("GORACE"))
	env.Setenv("HOOKADDR", strings.TrimPrefix(hook.URL, "http://"))
	env.Setenv("SLACK", slack.URL)
	env.Setenv("SLACK_TOKEN", slackemulator.DefaultToken)
	env.Setenv("SCIM", scim.URL+"/scim/v2/")
	env.Setenv("SCIM_TOKEN", connectortest.Token)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("TZ", "UTC")
	return nil
}

func of(ts *testscript.TestScript) *targets { return ts.Value(targetsKey{}).(*targets) }

// exits runs a command and expects its exit status: exits STATUS COMMAND [ARG]…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND [ARG]…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
	if strings.Contains(ts.ReadFile("stderr"), "goroutine ") {
		ts.Fatalf("a stack trace on stderr")
	}
}

// jsonCommand looks into the one JSON document on stdout, or in a file:
//
//	json PATH VALUE       the value at PATH is VALUE (JSON, or text that is none)
//	json PATH len N       the list at PATH has N elements
//	json PATH keys A,B    the object at PATH has exactly these keys
//	json -f FILE …        of a file instead
//
// PATH is .a.b[0].c; "." is the whole.
func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	from := "stdout"
	if args[0] == "-f" {
		from, args = args[1], args[2:]
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(from)))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		ts.Fatalf("%s is no JSON: %v", from, err)
	}
	if d.More() {
		ts.Fatalf("%s holds more than one document", from)
	}
	v, err := at(doc, args[0])
	ts.Check(err)
	shown, _ := json.Marshal(v)
	var ok bool
	switch {
	case len(args) == 3 && args[1] == "keys":
		m, _ := v.(map[string]any)
		var keys []string
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		want := strings.Split(args[2], ",")
		slices.Sort(want)
		ok = slices.Equal(keys, want)
		shown = []byte(strings.Join(keys, ","))
	case len(args) == 3 && args[1] == "len":
		list, isList := v.([]any)
		ok = isList && fmt.Sprint(len(list)) == args[2]
	default:
		want := json.NewDecoder(strings.NewReader(args[1]))
		want.UseNumber()
		var value any
		if want.Decode(&value) != nil || want.More() {
			value = args[1]
		}
		ok = reflect.DeepEqual(v, value)
	}
	if ok == neg {
		ts.Fatalf("%s at %s is %.300s; wanted %v %s", from, args[0], shown, !neg, strings.Join(args[1:], " "))
	}
}

// at follows a path into a document.
func at(v any, path string) (any, error) {
	for _, step := range strings.FieldsFunc(strings.ReplaceAll(path, "[", ".["), func(r rune) bool { return r == '.' }) {
		if index, ok := strings.CutPrefix(step, "["); ok {
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			list, isList := v.([]any)
			if err != nil || !isList || i >= len(list) {
				return nil, fmt.Errorf("%s: there is no element %s", path, step)
			}
			v = list[i]
			continue
		}
		m, isObject := v.(map[string]any)
		next, there := m[step]
		if !isObject || !there {
			return nil, fmt.Errorf("%s: there is no %s", path, step)
		}
		v = next
	}
	return v, nil
}

// writes expects so many writing requests at Slack since it was last asked.
func writes(ts *testscript.TestScript, _ bool, args []string) {
	w := of(ts)
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for pattern, count := range w.slack.Requests() {
		if !strings.HasPrefix(pattern, "GET ") && strings.Contains(pattern, "/scim/") {
			n += count
		}
	}
	got := n - w.seen
	w.seen = n
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("%d writes reached Slack, want %s", got, args[0])
	}
}

// slackCommand changes the emulated Slack behind Muster's back, or looks at it:
//
//	slack fault FAULT · slack clear · slack revoke TOKEN
//	slack active EMAIL true|false · slack name EMAIL NAME · slack title EMAIL TITLE · slack people N · slack add EMAIL
func slackCommand(ts *testscript.TestScript, _ bool, args []string) {
	slack := of(ts).slack
	find := func() slackemulator.User {
		u, ok := slack.User(args[1])
		if !ok {
			ts.Fatalf("Slack has nobody with the address %s", args[1])
		}
		return u
	}
	check := func(got, want string) {
		if got != want {
			ts.Fatalf("%s: %q, want %q", strings.Join(args[:len(args)-1], " "), got, want)
		}
	}
	switch args[0] {
	case "fault":
		f, err := slackemulator.ParseFault(args[1])
		ts.Check(err)
		slack.Inject(f)
	case "clear":
		slack.ClearFaults("")
	case "revoke":
		slack.RevokeToken(args[1])
	case "add":
		_, err := slack.AddUser(slackemulator.User{UserName: "was.here", Email: args[1], GivenName: "Was", FamilyName: "Here", Active: true})
		ts.Check(err)
	case "active":
		check(fmt.Sprint(find().Active), args[2])
	case "name":
		check(find().UserName, args[2])
	case "title":
		check(find().Title, args[2])
	case "people":
		n := 0
		for _, u := range slack.Users() {
			if u.Role == slackemulator.RoleMember && !u.Bot {
				n++
			}
		}
		check(fmt.Sprint(n), args[1])
	default:
		ts.Fatalf("unknown: slack %s", args[0])
	}
}

// TestEmulatorEnds starts the emulator as a process of its own, asks it something once it says where
// it listens, and ends it with Ctrl-C.
func TestEmulatorEnds(t *testing.T) {
	t.Parallel()
	c := muster(t, "slack-emulator", "--listen", "127.0.0.1:0", "--accept-token", "xoxp-1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("the first line is %q, %v", line, err)
	}
	for token, want := range map[string]int{"xoxp-1": 200, "xoxp-2": 401} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/scim/v2/Users", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("token %s: %d, want %d", token, res.StatusCode, want)
		}
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// keep sets a variable to a value of a JSON file: keep NAME FILE PATH
func keep(ts *testscript.TestScript, _ bool, args []string) {
	var doc any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &doc))
	v, err := at(doc, args[2])
	ts.Check(err)
	ts.Setenv(args[0], fmt.Sprint(v))
}

// narrow expects stdout to fit 80 columns.
func narrow(ts *testscript.TestScript, _ bool, _ []string) {
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if line = strings.TrimRight(line, "\n"); width(line) > 80 {
			ts.Fatalf("%d columns: %s", width(line), line)
		}
	}
}
