package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
)

// event is one event of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html).
type event struct {
	name string
	data []byte
}

// lineLimit bounds a line of a stream: the result of an import with 100,000 bad rows is smaller.
const lineLimit = 64 << 20

// events yields the events of a stream until it ends.
func events(r io.Reader) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 1<<16), lineLimit)
		var e event
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case field == "event":
				e.name = value
			case field == "data":
				if e.data != nil {
					e.data = append(e.data, '\n')
				}
				e.data = append(e.data, value...)
			case lines.Text() == "" && e.data != nil:
				if !yield(e, nil) {
					return
				}
				e = event{}
			}
		}
		if err := lines.Err(); err != nil {
			yield(event{}, err)
		}
	}
}

// decoded reads the answer of a request as T.
func decoded[T any](ctx context.Context, c *Client, res *http.Response) (v T, err error) {
	if err = json.NewDecoder(io.LimitReader(res.Body, answerLimit)).Decode(&v); err == nil || ctx.Err() != nil {
		return v, ctx.Err()
	}
	return v, c.brokenOff(err)
}

// brokenOff is the problem of an answer that ended in its midst.
func (c *Client) brokenOff(err error) *admin.Problem {
	return &admin.Problem{
		Exit: admin.ExitTarget, Code: "server_wrong", Message: fmt.Sprintf("the answer of %s broke off or is not what it should be", c.base.Host),
		Next: "try again: what was done is recorded; if it stays so, compare the versions of muster here and there", Err: err,
	}
}

// work sends a request whose answer takes long, tells of its progress, and returns the result.
func work[T, P any](ctx context.Context, c *Client, r request, progress func(P)) (v T, err error) {
	r.accept = "text/event-stream"
	res, err := c.send(ctx, r)
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	for e, err := range events(res.Body) {
		if err != nil {
			break
		}
		switch e.name {
		case api.ProgressEvent:
			var p P
			if err := json.Unmarshal(e.data, &p); err == nil {
				progress(p)
			}
		case api.ErrorEvent:
			var p api.Problem
			if err := json.Unmarshal(e.data, &p); err != nil {
				return v, c.brokenOff(err)
			}
			return v, problemOf(p)
		case api.ResultEvent:
			if err := json.Unmarshal(e.data, &v); err != nil {
				return v, c.brokenOff(err)
			}
			return v, nil
		}
	}
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	return v, c.brokenOff(errors.New("the stream ended without a result"))
}
