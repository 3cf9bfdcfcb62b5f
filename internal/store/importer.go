package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// ImportOptions say how records are brought into the directory.
type ImportOptions struct {
	Source string // name of the source; people are told apart by it, see [directory.User]
	// Full says that the records are all of the source: people whom it brought before and now lacks
	// are deactivated, unless the guard says no, see [ImportResult.Guard].
	Full          bool
	AllowRemovals bool // overrides the guard
	DryRun        bool // says what would be done, and writes nothing
	Verbose       bool // rows of what went well, too
	Actor         Actor
	Progress      func(records int) // called now and then with the number of records done; may be nil
}

// ImportResult is what came of an import.
type ImportResult struct {
	Source      string      `json:"source"`
	Created     int         `json:"created"`
	Updated     int         `json:"updated"`
	Unchanged   int         `json:"unchanged"`
	Deactivated int         `json:"deactivated"`
	Failed      int         `json:"failed"`
	Rows        []ImportRow `json:"rows"` // of failed records, by line; with Verbose of all
	Warnings    []string    `json:"warnings,omitempty"`
	// Guard says why nobody was deactivated although the records were said to be all; "" when the
	// guard had no objection.
	Guard string `json:"guard,omitempty"`
	// Incomplete says why the input could not be read to its end; what came before it is in.
	Incomplete string `json:"incomplete,omitempty"`
}

// Exit is the exit status of the import: 4 when something of it failed or was held back.
func (r ImportResult) Exit() int {
	if r.Failed > 0 || r.Guard != "" || r.Incomplete != "" {
		return 4
	}
	return 0
}

// ImportRow is what became of one record.
type ImportRow struct {
	Line   int    `json:"line"`
	Name   string `json:"name"`
	Status string `json:"status"` // created, updated, unchanged, failed
	Error  string `json:"error,omitempty"`
}

const (
	created   = "created"
	updated   = "updated"
	unchanged = "unchanged"
	failed    = "failed"
)

const (
	importSlice = 1000   // records of one transaction
	lateLimit   = 10_000 // records kept back, see importer.late
)

// Import brings the records of a source into the directory.
//
// A record is the same person by id, else by externalId of the same source, else by userName. The
// records are read once, in slices of one transaction each, so an import that is killed leaves
// whole slices behind, and running it again ends right. Applications see its changes when it ends, or
// after 30 s: nobody is provisioned by half of a file, and what others change meanwhile goes ahead. What points at something later in the input
// (members, a manager by DN) waits for the end.
func (s *Store) Import(ctx context.Context, src source.Source, o ImportOptions) (ImportResult, error) {
	im := &importer{s: s, opts: o, id: newID(), seen: map[uuid.UUID]spot{}, refs: map[refKey]target{}}
	im.in = func(ctx context.Context, fn func(*Tx) error) error {
		return s.Write(ctx, func(tx *Tx) error {
			tx.arrival = im.id
			return fn(tx)
		})
	}
	im.result = ImportResult{Source: o.Source, Rows: []ImportRow{}}
	if !storable(o.Source) || o.Source == "" {
		return im.result, refuse(ErrInvalid, "", "an import needs the name of its source")
	}
	run := func() error {
		if err := im.records(ctx, src); err != nil {
			return err
		}
		return im.finish(ctx)
	}
	var err error
	if !o.DryRun {
		if err := im.begin(ctx); err != nil {
			return im.result, err
		}
	}
	if o.DryRun {
		err = s.rehearse(ctx, func(tx *Tx) error {
			im.in = func(_ context.Context, fn func(*Tx) error) error {
				tx.pending = nil
				return fn(tx)
			}
			return run()
		})
	} else {
		err = run()
	}
	for _, m := range im.managers { // ended early: they are in, only what they point at is not
		im.count(m.row)
	}
	for _, g := range im.groups {
		im.count(g.row)
	}
	if !o.DryRun {
		// Whatever ended it: what is in the directory is looked at.
		err = errors.Join(err, s.endImport(context.WithoutCancel(ctx), im.id))
	}
	slices.SortStableFunc(im.result.Rows, func(a, b ImportRow) int { return cmp.Compare(a.Line, b.Line) })
	if !o.DryRun {
		err = errors.Join(err, im.end(context.WithoutCancel(ctx), err != nil))
	}
	if err != nil {
		return im.result, fmt.Errorf("importing %s: %w", o.Source, err)
	}
	return im.result, nil
}

// refKey is a record's Ref in 16 bytes: with 100,000 DNs that is most of an import's memory.
type refKey [16]byte

func keyOf(ref string) refKey {
	sum := sha256.Sum256([]byte(ref))
	return refKey(sum[:16])
}

// target is what a Ref stands for.
type target struct {
	id   uuid.UUID
	kind directory.Kind
}

// importer is one run of an import. Its fields change only between transactions, because a
// transaction may be run again; a transaction's own findings are in an outcome.
type importer struct {
	s      *Store
	id     string // under which its changes wait for its end
	task   *Task  // which tells others that it is alive, and how much is in; nil of a rehearsal
	quiet  func() // ends the signs of life
	opts   ImportOptions
	in     func(context.Context, func(*Tx) error) error // runs a transaction
	result ImportResult

	done       int
	unreadable int                // records that could not be used at all
	mentioned  map[uuid.UUID]bool // people whom such a record names: they are not gone
	seen       map[uuid.UUID]spot // users and groups of this input, and where it spoke of them
	refs       map[refKey]target
	named      map[uuid.UUID]bool // whom refs has, when that was asked
	// late are records whose userName another person has at this moment: somebody who gives the name
	// up further down, or swaps with this one.
	late     []source.Record
	managers []lateManager
	groups   []lateGroup
	dangling map[string]int    // what points nowhere: what it is → how often
	bosses   []boss            // who named whom
	vacated  map[refKey]string // userNames that somebody gave up in this input
	taken    map[foreign]*takenOver
}

// foreign is somebody or something that another source brought, and this input names as its own.
type foreign struct {
	kind       directory.Kind
	from, name string
}

// takenOver counts what was taken over from a source.
type takenOver struct {
	n     int
	first string
}

// boss is a manager whom a person's record named by userName.
type boss struct {
	row  int // line of the record
	id   uuid.UUID
	name refKey
	same bool // nothing else was to be changed of the person
}

// lateManager is a person whose manager was not known yet when the person came, by DN or by id.
type lateManager struct {
	row     ImportRow
	id      uuid.UUID
	manager string
}

// lateGroup is a group whose members are set when all records are in.
type lateGroup struct {
	row     ImportRow
	at      spot
	id      uuid.UUID
	known   []target           // members found so far
	unknown []source.MemberRef // and the others
}

// outcome is what a transaction found; it counts only when the transaction is through.
type outcome struct {
	rows       []ImportRow
	unreadable int
	mentioned  []string
	seen       map[uuid.UUID]spot
	refs       map[refKey]target
	late       []source.Record
	managers   []lateManager
	groups     []lateGroup
	bosses     []boss
	vacated    []string
	warnings   []string
	taken      []foreign
}

// records reads the input to its end, or to where it can be read no further.
func (im *importer) records(ctx context.Context, src source.Source) error {
	slice := make([]source.Record, 0, importSlice)
	flush := func() error {
		err := im.slice(ctx, slice, false)
		slice = slice[:0]
		if err == nil && len(im.late) >= lateLimit {
			err = im.retry(ctx)
		}
		return err
	}
	for rec, err := range src.Records() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			im.result.Incomplete = err.Error()
			break
		}
		if slice = append(slice, rec); len(slice) == importSlice {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// mention finds the people whom records name that could not be used. Whoever is named is not gone, whatever is wrong with
// the record.
func (im *importer) mention(ctx context.Context, tx *Tx, out *outcome, names []string) (err error) {
	if !im.opts.Full || len(names) == 0 {
		return nil
	}
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = directory.Key(name)
	}
	out.mentioned, err = collect(one[string])(tx.Query(ctx, `select id from users where source = $3 and external_id in `+tx.in("$1")+` and deleted_at is null
		union select id from users where user_name_key in `+tx.in("$2")+` and deleted_at is null`, list(names), list(keys), im.opts.Source))
	if err != nil {
		return fmt.Errorf("looking for people whose records cannot be used: %w", err)
	}
	return nil
}

// retry brings in what was kept back for another person's name.
func (im *importer) retry(ctx context.Context) error {
	late := im.late
	im.late = nil
	return im.slice(ctx, late, true)
}

// slice brings in some records in one transaction.
func (im *importer) slice(ctx context.Context, records []source.Record, final bool) error {
	if len(records) == 0 {
		return nil
	}
	var out *outcome
	err := im.in(ctx, func(tx *Tx) error {
		out = &outcome{seen: map[uuid.UUID]spot{}, refs: map[refKey]target{}}
		var people, teams []source.Record
		var mentioned []string
		for _, rec := range records {
			for _, w := range rec.Warnings {
				if rec.Input != "" {
					w = rec.Input + ": " + w
				}
				out.warnings = append(out.warnings, w)
			}
			switch {
			case rec.Err != nil:
				out.unreadable++
				out.fail(rec, rec.Err)
				mentioned = append(mentioned, rec.Name)
			case rec.Kind == directory.KindGroup:
				teams = append(teams, rec)
			default:
				people = append(people, rec)
			}
		}
		if err := im.mention(ctx, tx, out, mentioned); err != nil {
			return err
		}
		if err := im.people(ctx, tx, out, people, final); err != nil {
			return err
		}
		if err := im.teams(ctx, tx, out, teams); err != nil {
			return err
		}
		in := im.standing(im.managers, im.groups)
		in.add(out.rows...)
		in.late(out.managers, out.groups)
		return im.note(ctx, tx, in)
	})
	if err != nil {
		return err
	}
	for id, at := range out.seen {
		im.seen[id] = at
	}
	for key, t := range out.refs {
		im.refs[key] = t
	}
	im.late = append(im.late, out.late...)
	im.managers = append(im.managers, out.managers...)
	im.bosses = append(im.bosses, out.bosses...)
	for _, name := range out.vacated {
		if im.vacated == nil {
			im.vacated = map[refKey]string{}
		}
		im.vacated[keyOf(name)] = name
	}
	im.unreadable += out.unreadable
	for _, id := range out.mentioned {
		if im.mentioned == nil {
			im.mentioned = map[uuid.UUID]bool{}
		}
		im.mentioned[uuid.MustParse(id)] = true
	}
	for _, w := range out.warnings {
		im.warn(w)
	}
	for _, t := range out.taken {
		im.take(t)
	}
	for _, g := range out.groups {
		im.groups = append(im.groups, im.shrink(g))
	}
	im.count(out.rows...)
	im.done += len(records) - len(out.late)
	if im.opts.Progress != nil {
		im.opts.Progress(im.done)
	}
	return nil
}

func (out *outcome) fail(rec source.Record, err error) {
	row := ImportRow{Line: rec.Line, Name: rec.Name, Status: failed, Error: err.Error()}
	if rec.Input != "" {
		row.Error = rec.Input + ": " + row.Error
	}
	out.rows = append(out.rows, row)
}

// spot is where a record stands: the line, and of several inputs which.
type spot struct {
	input string
	line  int
}

func spotOf(rec source.Record) spot { return spot{rec.Input, rec.Line} }

func (p spot) String() string {
	if p.input == "" {
		return fmt.Sprintf("line %d", p.line)
	}
	return fmt.Sprintf("line %d of %s", p.line, p.input)
}

// maxWarnings keeps a file that is wrong in every row from filling the memory.
const maxWarnings = 100

func (im *importer) warn(text string) {
	if len(im.result.Warnings) < maxWarnings && !slices.Contains(im.result.Warnings, text) {
		im.result.Warnings = append(im.result.Warnings, text)
	}
}

func (im *importer) count(rows ...ImportRow) {
	for _, row := range rows {
		switch row.Status {
		case created:
			im.result.Created++
		case updated:
			im.result.Updated++
		case unchanged:
			im.result.Unchanged++
		case failed:
			im.result.Failed++
		}
		if row.Status == failed || im.opts.Verbose {
			im.result.Rows = append(im.result.Rows, row)
		}
	}
}
