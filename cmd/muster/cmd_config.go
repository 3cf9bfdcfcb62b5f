package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/config"
)

type configCmd struct {
	Apply  configApplyCmd  `cmd:"" help:"Make applications exactly what files say."`
	Diff   configDiffCmd   `cmd:"" help:"Show what apply would change."`
	Export configExportCmd `cmd:"" help:"Write applications as YAML that applies as it is."`
}

type configApplyCmd struct {
	Files       []string `arg:"" name:"file" help:"YAML files, taken as one; - reads standard input."`
	IgnoreTests bool     `help:"Apply mappings although tests that are kept with them fail."`
}

// Help implements [kong.HelpProvider].
func (configApplyCmd) Help() string {
	return `applications:
  - name: slack
    template: slack
    connection:
      auth: {type: bearer, token: "${SLACK_TOKEN}"}
    assignments:
      - {group: Everyone}`
}

// Run implements the verb.
func (c *configApplyCmd) Run(s *session) error {
	files, err := configFiles(s, c.Files)
	if err != nil {
		return err
	}
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	from := references()
	from.IgnoreTests = c.IgnoreTests
	changes, err := desk.Apply(s, files, from)
	if err != nil {
		return err
	}
	s.show(changes, func() { printChanges(s, changes, "nothing to change: everything is as the files say") })
	return nil
}

type configDiffCmd struct {
	Files []string `arg:"" name:"file" help:"YAML files, taken as one; - reads standard input."`
}

// Run implements the verb.
func (c *configDiffCmd) Run(s *session) error {
	files, err := configFiles(s, c.Files)
	if err != nil {
		return err
	}
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	changes, err := desk.Diff(s, files, references())
	if err != nil {
		return err
	}
	s.show(changes, func() { printChanges(s, changes, "no difference") })
	return nil
}

type configExportCmd struct {
	File string   `arg:"" optional:"" help:"File to write; without it standard output."`
	App  []string `placeholder:"NAME" sep:"none" help:"Only this application."`
}

// Run implements the verb.
func (c *configExportCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	text, err := desk.Export(s, c.App...)
	if err != nil {
		return err
	}
	if s.json {
		// JSON is YAML, so this applies as well.
		var doc map[string]any
		if err := yaml.Unmarshal(text, &doc); err != nil {
			return fmt.Errorf("reading the export: %w", err)
		}
		if text, err = json.MarshalIndent(doc, "", "  "); err != nil {
			return fmt.Errorf("writing the export: %w", err)
		}
		text = append(text, '\n')
	}
	if c.File == "" || c.File == "-" {
		_, err = s.out.Write(text)
		return err
	}
	if err := os.WriteFile(c.File, text, 0o644); err != nil {
		return unwritable(c.File, err)
	}
	s.note("wrote %s", c.File)
	if s.json {
		printJSON(s.out, map[string]string{"file": c.File})
	}
	return nil
}

// references says where a configuration finds its variables and secrets: here, where the CLI runs.
func references() admin.Source { return admin.Source{Env: environment, ReadFile: os.ReadFile} }

func configFiles(s *session, names []string) ([]config.File, error) {
	var files []config.File
	for _, name := range names {
		var data []byte
		var err error
		if name == "-" {
			data, err = io.ReadAll(io.LimitReader(s.in, maxConfig+1))
		} else {
			data, err = readFile(name)
		}
		if err != nil {
			return nil, unreadable(name, err)
		}
		if len(data) > maxConfig {
			return nil, unreadable(name, fmt.Errorf("it is larger than %d MiB", maxConfig>>20))
		}
		files = append(files, config.File{Name: name, Data: data})
	}
	return files, nil
}

// maxConfig bounds a configuration: one of 10,000 applications is smaller.
const maxConfig = 64 << 20

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxConfig+1))
}

// unwritable is the problem of a file that was named and cannot be written.
func unwritable(name string, err error) *admin.Problem {
	p := unreadable(name, err)
	p.Message = fmt.Sprintf("%s cannot be written: %v", name, err)
	return p
}

func printChanges(s *session, c config.Changes, same string) {
	signs := map[config.Status]string{config.Created: s.green("+"), config.Updated: s.yellow("~"), config.Unchanged: " "}
	if !c.Changed() {
		s.say("%s", same)
	}
	for _, app := range c.Applications {
		if app.Status != config.Unchanged {
			s.say("%s %s: %s", signs[app.Status], s.bold(plain(app.Application)), app.Status)
		}
		for _, ch := range app.Changes {
			if app.Status == config.Created {
				s.say("%s", cut(fmt.Sprintf("    %s: %s", plain(ch.Path), value(ch.New)), s.width))
				continue
			}
			printChange(s, "    ", ch.Path, ch.Old, ch.New)
		}
		if app.NeedsToken {
			s.say("    there is no token yet: give connection.auth.token, or it cannot connect")
		}
	}
	if c.Changed() {
		s.note("next: muster test %s", c.Applications[0].Application)
	}
}

// printChange prints one attribute with its old and new value: on one line where they fit, else
// beneath each other.
func printChange(s *session, indent, path string, before, after any) {
	head := indent + plain(path) + ": "
	was, is := value(before), value(after)
	if line := head + was + " → " + is; width(line) <= s.width {
		s.say("%s%s → %s", head, s.dim(was), is)
		return
	}
	s.say("%s", cut(head, s.width))
	s.say("%s", s.dim(s.wrapped(indent+"  - ", len(indent)+4, was)))
	s.say("%s", s.wrapped(indent+"  + ", len(indent)+4, is))
}

// value writes a value of JSON for a person.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return "(none)"
	case string:
		if v == "" {
			return `""`
		}
		return plain(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return plain(string(b))
}
