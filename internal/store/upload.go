package store

import (
	"bufio"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"
)

// Upload is a file that somebody has sent for an import, kept until it is imported. It stands in the database, so that it may come to
// one node and be imported by another.
type Upload struct {
	ID       string
	Name     string // as it was called where it came from
	By       string // who sent it
	Wish     string // how it is to be imported, as it was asked for last; a JSON document of whoever keeps it
	Imported bool   // the file is gone, and what came of it is known
}

const (
	// UploadKept is how long an upload is kept, and what came of it.
	UploadKept = time.Hour
	// uploadMost is how many are kept at a time: they take as much room as a directory.
	uploadMost = 8
	// partBytes is how much of it, compressed, stands in one row.
	partBytes = 1 << 20
)

// TaskUpload is the kind of the [Task] that reads an upload, its subject: as long as it runs the upload stays.
const TaskUpload = "upload"

// uploadIdle is the condition for an upload that nobody reads.
const uploadIdle = "not exists (select 1 from tasks t where t.kind = '" + TaskUpload + "' and t.subject = uploads.id and t.ended_at is null)"

// The parts of an upload.
const (
	uploadFile    = "file"
	uploadOutcome = "outcome"
)

// AddUpload keeps a file and gives it its id. When there are many the eldest gives way, but none that is being read.
func (s *Store) AddUpload(ctx context.Context, u *Upload, file io.Reader) error {
	u.ID = newID()
	err := s.Write(ctx, func(tx *Tx) error {
		var have int
		if err := tx.QueryRow(ctx, "select count(*) from uploads").Scan(&have); err != nil {
			return err
		}
		if over := have - uploadMost + 1; over > 0 {
			idle, err := rowsOf(ctx, tx, one[string], "select id from uploads where "+uploadIdle+" order by created_at, id limit $1", over)
			if err != nil {
				return err
			}
			if len(idle) < over {
				return refuse(ErrInvalid, "upload this one when one of them is done", "%d files are being read already", have)
			}
			if err := tx.dropUploads(ctx, "id in "+tx.in("$1"), list(idle)); err != nil {
				return err
			}
		}
		return tx.insert(ctx, "uploads", []string{"id", "name", "actor", "wish", "state", "created_at"}, [][]any{{u.ID, u.Name, u.By, u.Wish, "coming", tx.now()}}, "")
	})
	if err == nil {
		err = s.keepParts(ctx, u.ID, uploadFile, file)
	}
	if err == nil {
		err = s.setUpload(ctx, u.ID, "state", "here")
	}
	if err != nil {
		_ = s.DropUpload(context.WithoutCancel(ctx), u.ID) // else its time does
		return fmt.Errorf("keeping an upload: %w", err)
	}
	return nil
}

// setUpload changes one column of an upload.
func (s *Store) setUpload(ctx context.Context, id, column, value string) error {
	return s.Write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(ctx, "update uploads set "+column+" = $1 where id = $2", value, id)
		if err == nil && n == 0 {
			err = errUploadGone
		}
		return err
	})
}

// errUploadGone says that there is no such upload, or that it is somebody else's.
var errUploadGone = refuse(ErrNotFound, "upload it again; what was imported of it stands in the audit log. A file is kept for an hour", "The file is not here")

// UploadByID returns an upload to who sent it; to others there is none.
func (s *Store) UploadByID(ctx context.Context, id, by string) (*Upload, error) {
	return read(ctx, s, func(tx *Tx) (*Upload, error) {
		u := &Upload{}
		var state string
		err := sql.ErrNoRows
		if storable(id) {
			err = tx.QueryRow(ctx, "select id, name, actor, wish, state from uploads where id = $1 and actor = $2 and state <> 'coming'", id, by).Scan(&u.ID, &u.Name, &u.By, &u.Wish, &state)
		}
		if errors.Is(err, sql.ErrNoRows) {
			return nil, errUploadGone
		}
		u.Imported = state == "imported"
		return u, err
	})
}

// SetUploadWish keeps how an upload is to be imported.
func (s *Store) SetUploadWish(ctx context.Context, id, wish string) error {
	return s.setUpload(ctx, id, "wish", wish)
}

// OpenUpload reads the file of an upload; to its end only while the upload is there.
func (s *Store) OpenUpload(ctx context.Context, id string) io.Reader {
	return &partReader{s: s, ctx: ctx, id: id, part: uploadFile}
}

// SetOutcome keeps what came of an upload, in the place of what came of it before. With imported set the file has done its duty
// and goes.
func (s *Store) SetOutcome(ctx context.Context, id string, outcome io.Reader, imported bool) error {
	err := s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "delete from upload_parts where upload_id = $1 and (part = $2 or $3)", id, uploadOutcome, imported)
		if err != nil || !imported {
			return err
		}
		_, err = tx.Exec(ctx, "update uploads set state = 'imported' where id = $1", id)
		return err
	})
	if err == nil {
		err = s.keepParts(ctx, id, uploadOutcome, outcome)
	}
	if err != nil {
		return fmt.Errorf("keeping what came of an upload: %w", err)
	}
	return nil
}

// Outcome reads what came of an upload; nothing when nothing has.
func (s *Store) Outcome(ctx context.Context, id string) io.Reader {
	return &partReader{s: s, ctx: ctx, id: id, part: uploadOutcome}
}

// DropUpload forgets an upload, unless it is being read.
func (s *Store) DropUpload(ctx context.Context, id string) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.dropUploads(ctx, "id = $1", id) })
}

// dropUploads forgets uploads with their parts, but none that is being read.
func (tx *Tx) dropUploads(ctx context.Context, where string, args ...any) error {
	ids, err := rowsOf(ctx, tx, one[string], "delete from uploads where "+where+" and "+uploadIdle+" returning id", args...)
	if err != nil || len(ids) == 0 {
		return err
	}
	for _, statement := range []string{"delete from upload_parts where upload_id in ", "delete from tasks where kind = '" + TaskUpload + "' and subject in "} {
		if _, err := tx.Exec(ctx, statement+tx.in("$1"), list(ids)); err != nil {
			return err
		}
	}
	return nil
}

// keepParts stores a text in pieces, each in a transaction of its own: nobody else waits for all of it.
func (s *Store) keepParts(ctx context.Context, id, part string, from io.Reader) error {
	pieces := bufio.NewWriterSize(&partWriter{s: s, ctx: ctx, id: id, part: part}, partBytes)
	packed := gzip.NewWriter(pieces)
	_, err := io.Copy(packed, from)
	return errors.Join(err, packed.Close(), pieces.Flush())
}

type partWriter struct {
	s        *Store
	ctx      context.Context
	id, part string
	n        int64
}

// Write implements [io.Writer].
func (w *partWriter) Write(b []byte) (int, error) {
	err := w.s.Write(w.ctx, func(tx *Tx) error {
		return tx.insert(w.ctx, "upload_parts", []string{"upload_id", "part", "n", "data"}, [][]any{{w.id, w.part, w.n, b}}, "")
	})
	if err != nil {
		return 0, err
	}
	w.n++
	return len(b), nil
}

// partReader reads what [Store.keepParts] has stored, a piece at a time.
type partReader struct {
	s        *Store
	ctx      context.Context
	id, part string
	n        int64
	left     []byte
	unpacked io.Reader
}

// Read implements [io.Reader].
func (r *partReader) Read(b []byte) (int, error) {
	if r.unpacked == nil {
		first, err := r.piece()
		if err != nil {
			return 0, err // of nothing this is the end
		}
		r.left = first
		if r.unpacked, err = gzip.NewReader(bufio.NewReader(pieceReader{r})); err != nil {
			return 0, err
		}
	}
	return r.unpacked.Read(b)
}

// piece reads the next piece; the error is [io.EOF] after the last.
func (r *partReader) piece() (data []byte, err error) {
	data, err = read(r.ctx, r.s, func(tx *Tx) (data []byte, err error) {
		return data, tx.QueryRow(r.ctx, "select data from upload_parts where upload_id = $1 and part = $2 and n = $3", r.id, r.part, r.n).Scan(&data)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, io.EOF
	}
	r.n++
	return data, err
}

// pieceReader is the compressed text behind a [partReader].
type pieceReader struct{ r *partReader }

// Read implements [io.Reader].
func (p pieceReader) Read(b []byte) (int, error) {
	if len(p.r.left) == 0 {
		var err error
		if p.r.left, err = p.r.piece(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.r.left)
	p.r.left = p.r.left[n:]
	return n, nil
}
