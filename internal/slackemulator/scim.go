package slackemulator

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody is the largest request body that is read. A group of 15,000 members needs about 400 kB.
const maxBody = 32 << 20

// call is one request on its way through the emulator.
type call struct {
	request  *http.Request
	body     []byte
	query    url.Values
	policies Policies
	effects  effects

	// SCIM only:
	version      version
	resource, id string
	role         Role // of the token's installer
	code         string
}

// serve wraps handle with what every request of Slack's own paths gets: the journal, and the
// faults that act instead of the handler, inside it, and on its answer.
func (e *Emulator) serve(w http.ResponseWriter, r *http.Request, handle func(*call) *reply) {
	started := e.clock.real()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	c := &call{
		request: r, body: body, query: r.URL.Query(), policies: e.Policies(),
		version: versionOf(r.URL.Path),
	}
	watched := &statusWriter{ResponseWriter: w}
	c.effects = e.faults.hit(r, body)
	defer func() { e.journal.record(c, watched.status, started, e.clock.real()) }()

	if instead := c.effects.instead; instead != nil {
		c.pause()
		instead(e, c, watched)
		return
	}
	var out *reply
	if err != nil {
		out = refuse("invalid_request_payload").reply(c.version, c.policies, e.clock)
	} else {
		out = handle(c)
	}
	c.pause()
	c.code = out.code
	encoded := out.encode(c.policies.escapes(c.version) && strings.HasPrefix(r.URL.Path, "/scim/"))
	if c.effects.onAnswer != nil {
		c.effects.onAnswer(c, watched, out, encoded)
		return
	}
	writeReply(watched, out, encoded)
}

func versionOf(path string) version {
	if strings.HasPrefix(path, "/scim/v2/") {
		return v2
	}
	return v1
}

func writeReply(w http.ResponseWriter, out *reply, body []byte) {
	for name, values := range out.header {
		w.Header()[name] = values
	}
	if body != nil && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(out.status)
	_, _ = w.Write(body) // the client may be gone; nobody is left to tell
}

// pause waits out a latency fault, once. A client that gives up meanwhile does not stop the
// request: servers finish what they began.
func (c *call) pause() {
	if c.effects.latency <= 0 {
		return
	}
	timer := time.NewTimer(c.effects.latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.request.Context().Done():
	}
	c.effects.latency = 0
}

// statusWriter remembers the status for the journal; 0 means that no answer was sent.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// scim answers a SCIM request: version, then configuration (which needs no token), then the token,
// the rate limits, the object's write lock, and only then the endpoint.
func (e *Emulator) scim(c *call) *reply {
	out, err := e.answer(c)
	if err == nil {
		return out
	}
	var refused *scimError
	if !errors.As(err, &refused) {
		refused = refuse("internal_error")
	}
	if c.effects.v1Errors {
		shaped := *refused
		shaped.v1Shape = true
		refused = &shaped
	}
	return refused.reply(c.version, c.policies, e.clock)
}

func (e *Emulator) answer(c *call) (*reply, error) {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(c.request.URL.Path, "/scim/"), "/"), "/")
	if parts[0] != "v1" && parts[0] != "v2" {
		return nil, &scimError{code: "unsupported_version", v1Shape: true}
	}
	if parts[0] == "v2" {
		c.version = v2 // also for the bare "/scim/v2"
	}
	if len(parts) > 1 {
		c.resource = parts[1]
	}
	if len(parts) > 2 {
		c.id = parts[2]
	}
	if len(parts) == 2 && isConfig(c.version, c.resource) && c.request.Method == http.MethodGet {
		return &reply{status: http.StatusOK, value: serviceProviderConfig()}, nil
	}
	if err := e.authenticate(c); err != nil {
		return nil, err
	}
	handler, err := e.route(c, len(parts))
	if err != nil {
		return nil, err
	}
	if e.limitsOn.Load() {
		if wait := e.limits.take(e.clock.now(), bucketsFor(c.request.Method, c.resource, c.id)); wait > 0 {
			return nil, &scimError{code: "too_many_requests", retryAfter: wait}
		}
	}
	if c.id != "" && c.request.Method != http.MethodGet {
		now := e.clock.now()
		if wait := e.locks.acquire(c.id, now); wait > 0 {
			return nil, &scimError{code: "resource_locked", retryAfter: wait}
		}
		defer func() {
			now := e.clock.now()
			e.locks.release(c.id, now, now.Add(time.Duration(c.policies.LockHold)))
		}()
	}
	c.pause() // while the lock is held: that is what makes overlapping writes overlap
	return handler(c)
}

type handler func(*call) (*reply, error)

// route finds the endpoint. depth is how many parts the path has after /scim/.
func (e *Emulator) route(c *call, depth int) (handler, error) {
	collections := map[string]map[string]handler{
		"Users":  {http.MethodGet: e.listUsers, http.MethodPost: e.createUser},
		"Groups": {http.MethodGet: e.listGroups, http.MethodPost: e.createGroup},
	}
	objects := map[string]map[string]handler{
		"Users": {
			http.MethodGet: e.readUser, http.MethodPut: e.writeUser, http.MethodPatch: e.writeUser,
			http.MethodDelete: e.deleteUser,
		},
		"Groups": {
			http.MethodGet: e.readGroup, http.MethodPut: e.writeGroup, http.MethodPatch: e.writeGroup,
			http.MethodDelete: e.deleteGroup,
		},
	}
	known := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	switch verbs := map[string]handler(nil); {
	case c.resource == "Schemas" && depth <= 3, c.resource == "ResourceTypes" && depth <= 3 && c.version == v2:
		if c.request.Method != http.MethodGet {
			return nil, refuse("method_not_allowed")
		}
		return e.readDescription, nil
	case depth == 2:
		verbs = collections[c.resource]
		return pickVerb(verbs, c, known)
	case depth == 3:
		verbs = objects[c.resource]
		return pickVerb(verbs, c, known)
	}
	return nil, refuse("bad_endpoint")
}

// pickVerb tells an unknown verb from a known one that the path lacks: PUT /Users needs an id.
func pickVerb(verbs map[string]handler, c *call, known []string) (handler, error) {
	if h := verbs[c.request.Method]; h != nil {
		return h, nil
	}
	for _, method := range known {
		if verbs == nil || method != c.request.Method {
			continue
		}
		if c.id == "" && c.resource == "Users" {
			return nil, refuse("missing_user_id")
		}
		if c.id == "" {
			return nil, refuse("missing_group_id")
		}
	}
	if verbs == nil {
		return nil, refuse("bad_endpoint")
	}
	return nil, refuse("method_not_allowed")
}

// frame is what rendering an answer to c needs.
func (e *Emulator) frame(c *call) frame {
	scheme := "http://"
	if c.request.TLS != nil {
		scheme = "https://"
	}
	return frame{
		version: c.version, base: scheme + c.request.Host, domain: e.options.Domain,
		plan: c.policies.Plan, now: e.clock.now(),
	}
}
