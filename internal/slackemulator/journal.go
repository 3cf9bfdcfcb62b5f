package slackemulator

import (
	"bytes"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Request is one line of the request log. It holds no token: headers are not kept, and neither are
// query and body of the OAuth paths.
type Request struct {
	Time    time.Time `json:"time"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
	Query   string    `json:"query,omitempty"`
	Body    string    `json:"body,omitempty"` // its first 4 kB; hidden when it carries a password
	Status  int       `json:"status"`         // 0 when the connection was dropped
	Code    string    `json:"code,omitempty"` // Slack's word for what was wrong
	Faults  []string  `json:"faults,omitempty"`
	TookMS  float64   `json:"took_ms"`
	Pattern string    `json:"pattern"` // the key in the counts
}

const (
	journalSize = 1000
	journalBody = 4 << 10
)

type journal struct {
	mu     sync.Mutex
	counts map[string]int
	ring   []Request
	next   int
}

func newJournal() *journal { return &journal{counts: map[string]int{}} }

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	clear(j.counts)
	j.ring, j.next = nil, 0
}

func (j *journal) record(c *call, status int, started, ended time.Time) {
	line := Request{
		Time: started, Method: c.request.Method, Path: c.request.URL.Path, Status: status, Code: c.code,
		Faults: c.effects.names, TookMS: float64(ended.Sub(started).Microseconds()) / 1000,
		Pattern: pattern(c.request),
	}
	if strings.HasPrefix(line.Path, "/scim/") {
		line.Query, line.Body = c.request.URL.RawQuery, excerpt(c.body)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[line.Pattern]++
	if len(j.ring) < journalSize {
		j.ring = append(j.ring, line)
		return
	}
	j.ring[j.next] = line
	j.next = (j.next + 1) % journalSize
}

// pattern is the method and the path with the object's id left out: "PATCH /scim/v2/Users/{id}".
func pattern(r *http.Request) string {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) == 4 && parts[0] == "scim" && (parts[2] == "Users" || parts[2] == "Groups") {
		parts[3] = "{id}"
	}
	return r.Method + " /" + strings.Join(parts, "/")
}

func excerpt(body []byte) string {
	if bytes.Contains(bytes.ToLower(body), []byte("password")) {
		return "(hidden: it carries a password)"
	}
	return string(body[:min(len(body), journalBody)])
}

// lines returns the log, newest first.
func (j *journal) lines() []Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]Request, 0, len(j.ring))
	for i := range j.ring {
		out = append(out, j.ring[(j.next+len(j.ring)-1-i)%len(j.ring)])
	}
	return out
}

// Requests counts the requests to Slack's own paths since the start or the last ResetRequests, by
// method and path: "PATCH /scim/v2/Users/{id}".
func (e *Emulator) Requests() map[string]int {
	e.journal.mu.Lock()
	defer e.journal.mu.Unlock()
	return maps.Clone(e.journal.counts)
}

// Log returns the last 1,000 requests, newest first.
func (e *Emulator) Log() []Request { return e.journal.lines() }

// ResetRequests sets the counts to nothing and empties the log.
func (e *Emulator) ResetRequests() { e.journal.clear() }
