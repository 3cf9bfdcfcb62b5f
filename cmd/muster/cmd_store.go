package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

type migrateCmd struct{}

// Run implements the verb.
func (c *migrateCmd) Run(s *session) error {
	_, st, end, err := s.open(false) // opening for writing migrates
	if err != nil {
		return err
	}
	defer end()
	schema, err := st.Schema(s)
	if err != nil {
		return err
	}
	s.show(map[string]any{"schema": schema}, func() { s.say("the database is up to date, at schema %d", schema) })
	return nil
}

type backupCmd struct {
	File string `arg:"" help:"File to write; it must not be there yet. - writes standard output."`
}

// backedUp is what a backup did.
type backedUp struct {
	File string   `json:"file"`
	Size int64    `json:"bytes"`
	Keys []string `json:"keys"` // fingerprints of the keys that a restore needs
}

// Run implements the verb.
func (c *backupCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	if c.File == "-" {
		_, err := desk.Backup(s, s.out)
		return err
	}
	out, err := write(s, desk, c.File)
	if err != nil {
		return err
	}
	s.show(out, func() {
		s.say("wrote %s (%s bytes)", c.File, number(int(out.Size)))
		if len(out.Keys) > 0 {
			s.say("the key that opens its secrets is not in it: keep key %s apart (muster.key, or MUSTER_KEY)", out.Keys[0])
		}
	})
	return nil
}

// write makes the backup beside its place and moves it there when it is whole: what has the name is
// never half a backup.
func write(s *session, desk desk, name string) (out backedUp, err error) {
	out.File = name
	if _, err := os.Lstat(name); err == nil {
		return out, &admin.Problem{Exit: admin.ExitUsage, Code: "exists", Message: name + " is there already", Next: "name another file; a backup never replaces one"}
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return out, unwritable(name, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if out.Keys, err = desk.Backup(s, f); err != nil {
		return out, err
	}
	if err := f.Sync(); err != nil {
		return out, unwritable(name, err)
	}
	info, err := f.Stat()
	if err != nil {
		return out, unwritable(name, err)
	}
	out.Size = info.Size()
	if err := f.Close(); err != nil {
		return out, unwritable(name, err)
	}
	return out, appear(f.Name(), name, os.Link)
}

// appear gives a file that is whole its name, and never replaces another that came meanwhile: a link refuses to. Memory
// sticks and some shares have no links; there the file is renamed, after one more look.
func appear(whole, name string, link func(whole, name string) error) error {
	err := link(whole, name)
	if err == nil {
		return os.Remove(whole)
	}
	if _, missing := os.Lstat(name); !errors.Is(missing, fs.ErrNotExist) {
		return unwritable(name, err)
	}
	if err := os.Rename(whole, name); err != nil {
		return unwritable(name, err)
	}
	return nil
}

type restoreCmd struct {
	File string `arg:"" help:"Backup to read; - reads standard input."`
}

// Run implements the verb.
func (c *restoreCmd) Run(s *session) error {
	var in io.Reader = s.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return unreadable(c.File, err)
		}
		defer f.Close()
		in = f
	}
	desk, st, end, err := s.open(false)
	if err != nil {
		return err
	}
	defer end()
	m, err := st.Restore(s, in)
	if err != nil {
		return err
	}
	have, err := st.KeyFingerprint()
	if err != nil && !errors.Is(err, store.ErrNeedsSecret) {
		return err
	}
	status, err := desk.Status(s, "")
	if err != nil {
		return err
	}
	missing := []string{}
	for _, key := range m.Keys {
		if key != have {
			missing = append(missing, key)
		}
	}
	answer := map[string]any{"manifest": m, "applications": len(status.Applications), "missing_keys": missing}
	s.show(answer, func() {
		s.say("restored what was backed up on %s (by muster %s)", when(m.At), plain(m.Version))
		s.say("%s off; the first cycle of each compares everything and holds enables and removals", count(len(status.Applications), "application is", "applications are"))
		for _, key := range missing {
			s.say("%s", s.yellow(fmt.Sprintf("the secrets need key %s: put muster.key back, or set MUSTER_KEY", key)))
		}
		s.note("next: muster status")
	})
	return nil
}
