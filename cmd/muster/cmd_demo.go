package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/muster-id/muster/internal/demo"
	"github.com/muster-id/muster/internal/slackemulator"
)

type demoCmd struct {
	Serve bool `help:"Stay: the console over the demo's company, and the emulated Slack, until Ctrl-C."`
}

// Help implements [kong.HelpProvider].
func (demoCmd) Help() string {
	return `It takes seconds, needs no network, and leaves nothing behind. Every command
that it shows is one that you could have typed.`
}

// demoConfig is the configuration that the demo applies.
const demoConfig = `applications:
  - name: slack
    template: slack
    connection:
      endpoint: %[1]s/scim/v2/
      web_api: %[1]s/api/
      auth: {type: bearer, token: "${SLACK_TOKEN}"}
      limits: {time_scale: %[2]d}     # an emulated minute lasts a second
    assignments:
      - {group: Everyone}
`

// demoScale lets a minute of Slack's limits last a second.
const demoScale = 60

// demoPerson is whom the demo changes.
const demoPerson = "aase.rasmussen@example.org"

// stage is what a demo plays on: an emulated Slack, a directory of files, and the steps so far.
type stage struct {
	*session
	slack *slackemulator.Emulator
	dir   string
	steps []demoStep
}

// demoStep is one command that the demo ran.
type demoStep struct {
	Command string `json:"command"`
	Exit    int    `json:"exit"`
}

// Run implements the verb.
func (c *demoCmd) Run(s *session) error {
	// A reader that has seen enough (muster demo | head) ends the demo, not the tidying up after it.
	signal.Ignore(syscall.SIGPIPE)
	st, server, err := newStage(s)
	if err != nil {
		return err
	}
	defer os.RemoveAll(st.dir)
	err = st.play()
	if err == nil {
		st.curtain(server.url, c.Serve)
		if c.Serve {
			err = st.stay()
		}
	}
	if cerr := server.close(); err == nil {
		err = cerr
	}
	return err
}

func newStage(s *session) (*stage, *served, error) {
	// The demo is a world of its own: nothing of the user's set-up reaches into it.
	for _, name := range []string{"MUSTER_DATA", "MUSTER_DATABASE", "MUSTER_KEY", "MUSTER_KEY_FILE", "MUSTER_SERVER", "MUSTER_TOKEN"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, nil, fmt.Errorf("clearing %s: %w", name, err)
		}
	}
	if err := os.Setenv("SLACK_TOKEN", slackemulator.DefaultToken); err != nil {
		return nil, nil, fmt.Errorf("setting SLACK_TOKEN: %w", err)
	}
	dir, err := os.MkdirTemp("", "muster-demo-")
	if err != nil {
		return nil, nil, fmt.Errorf("making the demo's directory: %w", err)
	}
	st := &stage{session: s, dir: dir, slack: slackemulator.New(slackemulator.Options{TimeScale: demoScale, Name: "Example", Domain: "example"})}
	server, err := serve("127.0.0.1:0", st.slack)
	if err != nil {
		return nil, nil, err
	}
	for name, data := range map[string][]byte{"company.csv": demo.CompanyCSV, "slack.yaml": fmt.Appendf(nil, demoConfig, server.url, demoScale)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, nil, fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return st, server, nil
}

// play is the main job, from a file of people to a workspace that follows them.
func (st *stage) play() error {
	st.tell("An emulated Slack runs at its own limits, sixty times as fast. A company of 200 people is a CSV file.")
	for _, step := range []struct {
		before string
		line   []string
		exit   int
		lines  int // how many to show, 0 for all
	}{
		{"", words("import company.csv"), 0, 0},
		{"Slack is added from the gallery; the group Everyone is linked to it.", words("config apply slack.yaml"), 0, 0},
		{"", words("test slack"), 0, 0},
		{"Before anything is sent, the plan.", words("plan slack"), 0, 6},
		{"", words("sync slack"), 0, 0},
		{"Again: nothing has changed, so nothing is sent.", words("sync slack"), 0, 0},
		{"Somebody is promoted. One change, one request.", append(words("user set"), demoPerson, "title=Chief Technology Officer"), 0, 0},
		{"", words("sync slack"), 0, 0},
	} {
		if err := st.step(step.before, step.line, step.exit, step.lines); err != nil {
			return err
		}
	}
	if err := st.leaveAndReturn(); err != nil {
		return err
	}
	return st.mistake()
}

func words(line string) []string { return strings.Fields(line) }

// leaveAndReturn shows that whoever comes back has the same account as before.
func (st *stage) leaveAndReturn() error {
	before, _ := st.slack.User(demoPerson)
	if err := st.step("She leaves: the account is switched off, not deleted.", words("user deactivate "+demoPerson), 0, 0); err != nil {
		return err
	}
	if err := st.step("", words("sync slack"), 0, 0); err != nil {
		return err
	}
	if gone, _ := st.slack.User(demoPerson); gone.Active {
		return fmt.Errorf("the demo went wrong: %s is still active in Slack", demoPerson)
	}
	if err := st.step("She comes back.", words("user set "+demoPerson+" active=true"), 0, 0); err != nil {
		return err
	}
	if err := st.step("", words("sync slack"), 0, 0); err != nil {
		return err
	}
	after, _ := st.slack.User(demoPerson)
	if before.ID != after.ID || !after.Active {
		return fmt.Errorf("the demo went wrong: %s had account %s and now has %s, active: %v", demoPerson, before.ID, after.ID, after.Active)
	}
	st.tell(fmt.Sprintf("It is the same account as before: %s.", after.ID))
	return nil
}

// mistake shows that a mass removal waits for a person, and goes away with its cause.
func (st *stage) mistake() error {
	active := st.active()
	for _, step := range []struct {
		before string
		line   string
		exit   int
		lines  int
	}{
		{"Now a mistake: the group is unlinked, and everybody in it would lose their account.", "app unassign slack --group Everyone", 0, 0},
		{"", "sync slack", 5, 0},
		{"Nobody was touched. A person decides: `held slack approve`, or `reject`.", "held slack list", 0, 4},
		{"The mistake is undone, and what was held is gone with it.", "app assign slack --group Everyone", 0, 0},
		{"", "sync slack", 0, 0},
		{"", "status", 0, 0},
	} {
		if err := st.step(step.before, words(step.line), step.exit, step.lines); err != nil {
			return err
		}
	}
	if now := st.active(); now != active {
		return fmt.Errorf("the demo went wrong: %d people were active in Slack before the mistake, and %d are now", active, now)
	}
	return nil
}

func (st *stage) active() int {
	n := 0
	for _, u := range st.slack.Users() {
		if u.Active {
			n++
		}
	}
	return n
}

// stay serves the demo's company until somebody ends it: the console, and changes that reach the
// emulated Slack by themselves.
func (st *stage) stay() error {
	status := run(st, []string{"--data", filepath.Join(st.dir, "muster-data"), "--log-level", "warn", "serve", "--listen", "127.0.0.1:0"}, streams{in: strings.NewReader(""), out: st.stdout(), err: st.err})
	return ended(status)
}

// tell says a sentence between the commands.
func (st *stage) tell(text string) {
	fmt.Fprintf(st.stdout(), "\n%s", wrap(text, 0, st.width))
}

// stdout is where the play is seen: a script that asked for JSON gets that alone on stdout.
func (st *stage) stdout() io.Writer {
	if st.json {
		return st.err
	}
	return st.out
}

// step runs a command as if it had been typed in the demo's directory, and expects how it ends.
func (st *stage) step(before string, line []string, want, lines int) error {
	if before != "" {
		st.tell(before)
	}
	out := st.stdout()
	fmt.Fprintf(out, "\n%s\n", st.bold("$ muster "+typed(line)))
	args := []string{"--data", filepath.Join(st.dir, "muster-data")}
	for _, w := range line {
		if w == "company.csv" || w == "slack.yaml" {
			w = filepath.Join(st.dir, w)
		}
		args = append(args, w)
	}
	var whole, notes bytes.Buffer
	std := streams{in: strings.NewReader(""), out: out, err: st.err}
	if lines > 0 {
		std.out, std.err = &whole, &notes
	}
	got := run(st, args, std)
	if lines > 0 {
		shorten(out, whole.String(), lines)
		fmt.Fprint(st.err, notes.String())
	}
	st.steps = append(st.steps, demoStep{Command: "muster " + typed(line), Exit: got})
	if err := cmp.Or(st.Err(), st.broken); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the demo went wrong: muster %s ended with %d, not %d", typed(line), got, want)
	}
	return nil
}

// typed is a command as a person types it.
func typed(line []string) string {
	quoted := make([]string, len(line))
	for i, w := range line {
		if quoted[i] = w; strings.Contains(w, " ") {
			name, value, _ := strings.Cut(w, "=")
			quoted[i] = name + `="` + value + `"`
		}
	}
	return strings.Join(quoted, " ")
}

// shorten shows the beginning of an answer and its last lines.
func shorten(w io.Writer, text string, lines int) {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	const tail = 2
	if len(all) <= lines+tail {
		fmt.Fprint(w, text)
		return
	}
	fmt.Fprintln(w, strings.Join(all[:lines], "\n"))
	fmt.Fprintf(w, "  … (%s)\n", count(len(all)-lines-tail, "more line", "more lines"))
	fmt.Fprintln(w, strings.Join(all[len(all)-tail:], "\n"))
}

// shownPeople is how many people of the workspace the end shows.
const shownPeople = 8

// curtain shows what Slack looks like now, and what to try next.
func (st *stage) curtain(url string, stays bool) {
	out := st.stdout()
	people := st.slack.Users()
	st.tell(fmt.Sprintf("What Slack looks like now: %s, %d of them active.", count(len(people), "account", "accounts"), st.active()))
	t := &table{head: []string{"!ACCOUNT", "NAME", "E-MAIL", "TITLE", "!ACTIVE"}}
	shown := 0
	for _, u := range people {
		if u.Bot || u.Role != slackemulator.RoleMember && shown > 0 || shown == shownPeople && u.Email != demoPerson {
			continue
		}
		if shown < shownPeople {
			shown++
		}
		active := "yes"
		if !u.Active {
			active = "no"
		}
		t.add(u.ID, u.DisplayName, u.Email, u.Title, active)
	}
	fmt.Fprintln(out)
	t.write(out, st.width, st.paint)
	if st.json {
		printJSON(st.out, map[string]any{"steps": st.steps, "accounts": len(people), "active": st.active(), "endpoint": url + "/scim/v2/"})
	}
	if stays {
		st.tell(fmt.Sprintf("The emulated Slack stays at %s/_emulator/ until Ctrl-C, and `muster serve` runs over the same company: open the link that it prints now, make yourself its owner, and look around.", url))
		fmt.Fprintln(out)
		return
	}
	st.tell("Next: `muster demo --serve` stays, so that you can look around; README.md walks through the same by hand, with your own people.")
}
