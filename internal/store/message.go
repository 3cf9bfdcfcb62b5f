package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// Recipient is whom a message goes to.
type Recipient struct {
	Channel string // mail, webhook
	Address string // of mail; the id of a webhook
}

// Event is one thing that a message tells of. It is kept as it was when the message was begun.
type Event struct {
	ID          string      `json:"id"` // of the notice: the same from began to over
	Event       NoticeEvent `json:"event"`
	Kind        NoticeKind  `json:"kind"`
	Application string      `json:"application,omitempty"` // its name
	Subject     *Subject    `json:"subject,omitempty"`
	Cause       string      `json:"cause"`
	Reason      string      `json:"reason"`
	Next        string      `json:"next,omitempty"`
	Size        int         `json:"count,omitempty"`
	Since       time.Time   `json:"since"`
	Over        *time.Time  `json:"over,omitempty"`
	// Link is the page of the console where it is dealt with. It is not kept: whoever sends the message adds it.
	Link string `json:"link,omitempty"`
}

// Subject is what of an application an event is about.
type Subject struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Message is what goes to one recipient about one kind of notice.
type Message struct {
	ID string // the same in every attempt, so that a recipient can tell a repetition
	Recipient
	Kind     NoticeKind
	State    string // gathering, waiting, sending, sent, failed
	Events   []Event
	More     int // events that are only counted
	Attempts int // this one included
	Error    string
	Created  time.Time
	Next     time.Time // of the next attempt
	Ended    time.Time // zero until it was sent or given up

	claim string
}

const messageColumns = `id, channel, recipient, kind, state, events, more, attempts, claim, error, created_at, next_at, ended_at`

func scanMessage(row scanner) (*Message, error) {
	m := &Message{}
	var events string
	var created, next, ended sql.NullInt64
	err := row.Scan(&m.ID, &m.Channel, &m.Address, &m.Kind, &m.State, &events, &m.More, &m.Attempts, &m.claim, &m.Error, &created, &next, &ended)
	if err != nil {
		return nil, err
	}
	m.Created, m.Next, m.Ended = fromMillis(created), fromMillis(next), fromMillis(ended)
	return m, json.Unmarshal([]byte(events), &m.Events)
}

const (
	// DigestWindow is how long further events of a kind are gathered after a recipient has been sent
	// the first.
	DigestWindow = 15 * time.Minute
	// eventsTold bounds how many events a message tells one by one; more are counted.
	eventsTold = 100
	// noticesGathered bounds how many notices one transaction takes.
	noticesGathered = 500
)

// GatherNotices puts what nobody has been told yet into messages: at once for a recipient who has not
// heard of the kind lately, else into the message that gathers until the window is over. Whom a
// notice concerns is for recipients to say; a notice that concerns nobody counts as told. It returns
// how many notices it took. Several nodes may call it at once.
func (s *Store) GatherNotices(ctx context.Context, recipients func(Notice, provision.Notify) []Recipient) (int, error) {
	return write(ctx, s, func(tx *Tx) (int, error) {
		notices, err := rowsOf(ctx, tx, scanNotice, `select `+noticeColumns+` from notices where pending <> '' order by id limit $1`+tx.s.dialect.lockRow, noticesGathered)
		if err != nil || len(notices) == 0 {
			return 0, err
		}
		apps, err := tx.noticeApps(ctx)
		if err != nil {
			return 0, fmt.Errorf("reading whom notices concern: %w", err)
		}
		type topic struct {
			Recipient
			kind NoticeKind
		}
		events := map[topic][]Event{}
		var order []topic
		ids := make([]string, len(notices))
		for i, n := range notices {
			ids[i] = n.ID
			app := apps[n.AppID]
			for _, r := range recipients(*n, app.Provisioning.Notify) {
				t := topic{r, n.Kind}
				if events[t] == nil {
					order = append(order, t)
				}
				events[t] = append(events[t], eventOf(n, app.Name))
			}
		}
		for _, t := range order {
			if err := tx.tell(ctx, t.Recipient, t.kind, events[t]); err != nil {
				return 0, fmt.Errorf("writing a message: %w", err)
			}
		}
		_, err = tx.Exec(ctx, `update notices set pending = '', told_at = $1, told_size = size where id in `+tx.in("$2"), tx.now(), list(ids))
		return len(notices), err
	})
}

func eventOf(n *Notice, app string) Event {
	e := Event{ID: n.ID, Event: n.Pending, Kind: n.Kind, Application: app, Cause: n.Cause, Reason: n.Reason, Next: n.Next, Size: n.Size, Since: n.Opened}
	if n.Subject != "" {
		e.Subject = &Subject{ID: n.Subject, Name: n.Name}
	}
	if !n.Over.IsZero() {
		e.Over = &n.Over
	}
	return e
}

// tell adds events to the message that a recipient is to get next about a kind, or begins it.
func (tx *Tx) tell(ctx context.Context, to Recipient, kind NoticeKind, events []Event) error {
	open, err := rowsOf(ctx, tx, scanMessage, `select `+messageColumns+` from messages where channel = $1 and recipient = $2 and kind = $3 and state = 'gathering'`+tx.s.dialect.lockRow,
		to.Channel, to.Address, string(kind))
	if err != nil {
		return err
	}
	if len(open) > 0 {
		m := open[0]
		m.add(events)
		_, err := tx.Exec(ctx, `update messages set events = $1, more = $2 where id = $3`, jsonText(m.Events), m.More, m.ID)
		return err
	}
	var last sql.NullInt64
	if err := tx.QueryRow(ctx, `select max(due_at) from messages where channel = $1 and recipient = $2 and kind = $3`, to.Channel, to.Address, string(kind)).Scan(&last); err != nil {
		return err
	}
	due := tx.now()
	if last.Valid && last.Int64 <= due { // a clock that was set back delays nothing
		due = max(due, last.Int64+DigestWindow.Milliseconds())
	}
	m := &Message{}
	m.add(events)
	return tx.insert(ctx, "messages", []string{"id", "channel", "recipient", "kind", "state", "events", "more", "created_at", "due_at", "next_at"},
		[][]any{{newID(), to.Channel, to.Address, string(kind), "gathering", jsonText(m.Events), m.More, tx.now(), due, due}}, "")
}

func (m *Message) add(events []Event) {
	room := min(len(events), max(0, eventsTold-len(m.Events)))
	m.Events = append(m.Events, events[:room]...)
	m.More += len(events) - room
}

// Remind lets what has been so for long be told again.
func (s *Store) Remind(ctx context.Context) error {
	return s.Write(ctx, func(tx *Tx) error {
		for kind, after := range reminded {
			if _, err := tx.Exec(ctx, `update notices set pending = 'again' where kind = $1 and resolved_at is null and pending = '' and told_at <= $2`,
				string(kind), tx.now()-after.Milliseconds()); err != nil {
				return err
			}
		}
		return nil
	})
}

// NoticesWait reports whether there is something to gather or to send.
func (s *Store) NoticesWait(ctx context.Context) (bool, error) {
	return read(ctx, s, func(tx *Tx) (bool, error) {
		return one[bool](tx.QueryRow(ctx, `select exists (select 1 from notices where pending <> '')
			or exists (select 1 from messages where state in ('gathering','waiting','sending') and next_at <= $1)`, tx.now()))
	})
}

const unsent = `state in ('gathering','waiting','sending')`

// ClaimMessages takes messages that are due, for one process to send. A process that dies gives its
// claims up when they end; the recipient can tell a repetition by the id.
func (s *Store) ClaimMessages(ctx context.Context, limit int, claim time.Duration) ([]*Message, error) {
	id := newID()
	return write(ctx, s, func(tx *Tx) ([]*Message, error) {
		// The condition stands twice: another node may have taken a row while this statement waited for it.
		return rowsOf(ctx, tx, scanMessage, `update messages set state = 'sending', claim = $1, attempts = attempts + 1, next_at = $2
			where id in (select id from messages where `+unsent+` and next_at <= $3 order by next_at, id limit $4) and `+unsent+` and next_at <= $3
			returning `+messageColumns, id, tx.now()+claim.Milliseconds(), tx.now(), limit)
	})
}

// MessageSent notes that a message has reached its recipient.
func (s *Store) MessageSent(ctx context.Context, m *Message) error {
	return s.endAttempt(ctx, m, `state = 'sent', error = '', ended_at = $3`, s.Now().UnixMilli())
}

// MessageFailed notes that an attempt failed, why, and when the next one is; zero gives up.
func (s *Store) MessageFailed(ctx context.Context, m *Message, why string, next time.Time) error {
	if next.IsZero() {
		return s.endAttempt(ctx, m, `state = 'failed', error = $3, ended_at = $4`, why, s.Now().UnixMilli())
	}
	return s.endAttempt(ctx, m, `state = 'waiting', error = $3, next_at = $4`, why, next.UnixMilli())
}

func (s *Store) endAttempt(ctx context.Context, m *Message, set string, args ...any) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `update messages set claim = '', `+set+` where id = $1 and claim = $2`, append([]any{m.ID, m.claim}, args...)...)
		return err
	})
}

// LastMessages returns the newest messages, the newest first.
func (s *Store) LastMessages(ctx context.Context, limit int) ([]*Message, error) {
	return read(ctx, s, func(tx *Tx) ([]*Message, error) {
		return rowsOf(ctx, tx, scanMessage, `select `+messageColumns+` from messages order by id desc limit $1`, limit)
	})
}
