package main

import (
	"fmt"
	"io"
	"os"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

type importCmd struct {
	Files         []string `arg:"" name:"file" help:"Files to read, several as if they were one; - reads standard input."`
	Format        string   `placeholder:"csv|ldif|json" help:"Format of the files; without it the name and the content tell."`
	Source        string   `placeholder:"NAME" help:"Name of what the files come from; without it that is their format."`
	Full          bool     `help:"The files are all of the source: deactivate whom they lack."`
	AllowRemovals bool     `help:"With --full: deactivate also when more than a tenth would go."`
	DryRun        bool     `help:"Say what would be done, and do nothing."`
	Verbose       bool     `short:"v" help:"Show also the rows that went well."`
}

// Help implements [kong.HelpProvider].
func (importCmd) Help() string {
	return `CSV needs a header of SCIM paths: userName, name.givenName, emails, title,
department, manager, active, groups, externalId, … Importing again changes
nothing.

  muster import people.csv
  muster import --full --dry-run directory.ldif`
}

// Run implements the verb.
func (c *importCmd) Run(s *session) error {
	files, end, err := c.open(s)
	defer end()
	if err != nil {
		return err
	}
	desk, closeDesk, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer closeDesk()
	bar := s.progress("rows")
	r, err := desk.Import(s, files, admin.ImportOptions{
		Source: c.Source, Full: c.Full, AllowRemovals: c.AllowRemovals, DryRun: c.DryRun, Verbose: c.Verbose,
		Progress: func(n int) { bar.count(n) },
	})
	bar.end()
	if err != nil {
		return err
	}
	s.show(r, func() { c.print(s, r) })
	return ended(r.Exit())
}

// open opens the files. What it returns closes those that were opened.
func (c *importCmd) open(s *session) (files []admin.File, end func(), err error) {
	var opened []io.Closer
	end = func() {
		for _, f := range opened {
			_ = f.Close() // they were only read
		}
	}
	for _, name := range c.Files {
		var r io.Reader = s.in
		shown := "standard input"
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return nil, end, unreadable(name, err)
			}
			opened = append(opened, f)
			r, shown = f, name
			if info, err := f.Stat(); err == nil && info.IsDir() {
				return nil, end, unreadable(name, fmt.Errorf("it is a directory"))
			}
		}
		files = append(files, admin.File{Name: shown, Format: c.Format, Data: r})
	}
	return files, end, nil
}

// unreadable is the problem of a file that was named and cannot be read.
func unreadable(name string, err error) *admin.Problem {
	why := err.Error()
	if inner, ok := err.(*os.PathError); ok {
		why = inner.Err.Error()
	}
	return &admin.Problem{Exit: admin.ExitUsage, Code: "file", Message: fmt.Sprintf("%s cannot be read: %s", name, why), Next: "check the name and the permissions", Err: err}
}

// shownRows is how many rows a person is shown; a script gets them all.
const shownRows = 50

func (c *importCmd) print(s *session, r store.ImportResult) {
	for _, w := range r.Warnings {
		s.note("%s %s", s.yellow("warning:"), plain(w))
	}
	rows := &table{head: []string{"!LINE", "!STATUS", "NAME"}}
	for _, row := range r.Rows[:min(len(r.Rows), shownRows)] {
		rows.add(fmt.Sprint(row.Line), row.Status, row.Name)
	}
	if c.Verbose && len(rows.rows) > 0 {
		rows.write(s.out, s.width, s.paint)
	}
	told := 0
	for _, row := range r.Rows { // what is wrong is told whole, also of rows beyond the table
		if row.Error == "" || told == shownRows {
			continue
		}
		told++
		s.say("%s %s", s.red(fmt.Sprintf("line %d:", row.Line)), plain(named(row.Name, row.Error)))
	}
	if n := len(r.Rows) - shownRows; n > 0 {
		s.say("… and %s more; -o json shows all", count(n, "row", "rows"))
	}
	if r.Incomplete != "" {
		s.say("%s the input could not be read to its end: %s", s.red("incomplete:"), r.Incomplete)
	}
	if r.Guard != "" {
		s.say("%s %s", s.yellow("held back:"), r.Guard)
	}
	verb := ""
	if c.DryRun {
		verb = "would be "
	}
	s.say("%s: %s%s created, %s updated, %s unchanged, %s deactivated, %s failed", r.Source, verb,
		number(r.Created), number(r.Updated), number(r.Unchanged), number(r.Deactivated), number(r.Failed))
	if c.DryRun {
		s.say("nothing was changed")
	}
}

func named(name, text string) string {
	if name == "" {
		return text
	}
	return name + ": " + text
}
