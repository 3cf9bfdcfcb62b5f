package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/store"
)

// site is a company whose people have their accounts at a target. It is brought there by the commands that people use.
type site struct {
	target target
	data   string // the data directory
	flags  []string
	token  string // of the API
}

// binary is the command itself.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "muster")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/muster").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building muster: %w: %s", err, out)
	}
	return path, nil
})

// command is a command of Muster on the site's state.
func (s *site) command(args ...string) (*exec.Cmd, error) {
	muster, err := binary()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(muster, append(args, s.flags...)...)
	cmd.Env = append(os.Environ(), "MUSTER_KEY="+strings.Repeat("ab", 32))
	return cmd, nil
}

func (s *site) do(args ...string) (string, error) {
	cmd, err := s.command(args...)
	if err != nil {
		return "", err
	}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("muster %s: %w: %s", args[0], err, said.String())
	}
	return string(out), nil
}

// load brings a company of n into an empty state and its people to an empty target.
func (s *site) load(n int, database string) error {
	config := store.Config{Data: s.data, Database: database}
	s.flags = []string{"--data", s.data}
	if database != "" {
		s.flags = []string{"--database", database}
	}
	if err := (company{n: n}).importInto(config); err != nil {
		return err
	}
	file := filepath.Join(s.data, "target.yaml")
	err := os.WriteFile(file, fmt.Appendf(nil, `applications:
- name: target
  template: scim2
  connection: {endpoint: %q, auth: {type: bearer, token: %s}}
  assignments: [{group: Everyone}]
  provisioning: {status: on, groups: {enabled: true}, hold: {removals: off, max: 100000}}
`, s.target.url+"/scim/v2/", connectortest.Token), 0o600)
	if err != nil {
		return err
	}
	if _, err := s.do("config", "apply", file); err != nil {
		return err
	}
	if _, err := s.do("sync", "target"); err != nil {
		return err
	}
	token, err := s.do("token", "create", "--role", "admin", "--name", "bench")
	s.token = strings.TrimSpace(token)
	return err
}

// sites are those on the embedded database, by size: they are made once and copied for each benchmark. Their targets stay.
var sites = map[int]*site{}

// cleanups undo what outlives a benchmark.
var cleanups []func()

func forget() {
	for _, undo := range cleanups {
		undo()
	}
}

// scratch makes a directory that goes with the process.
func scratch() (string, error) {
	dir, err := os.MkdirTemp("", "muster-bench-")
	cleanups = append(cleanups, func() { os.RemoveAll(dir) })
	return dir, err
}

// loaded returns a copy of the site with n people.
func loaded(b *testing.B, n int) *site {
	b.Helper()
	made := sites[n]
	if made == nil {
		t, stop, err := spawnTarget(0)
		if err != nil {
			b.Fatal(err)
		}
		cleanups = append(cleanups, stop)
		dir, err := scratch()
		made = &site{target: t, data: dir}
		if err = errors.Join(err, made.load(n, "")); err != nil {
			b.Fatal(err)
		}
		sites[n] = made
	}
	s := *made
	s.data = filepath.Join(b.TempDir(), "data")
	s.flags = []string{"--data", s.data}
	if err := os.CopyFS(s.data, os.DirFS(made.data)); err != nil {
		b.Fatal(err)
	}
	return &s
}

// open opens the site in this process.
func (s *site) open(b *testing.B) *world {
	b.Helper()
	w := openWorld(b, s.data, nil)
	app, err := w.store.Application(context.Background(), "target")
	if err != nil {
		b.Fatal(err)
	}
	w.app = app
	return w
}
