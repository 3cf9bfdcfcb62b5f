package slackemulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// adminHandler serves the emulator's own paths. They ask for no token: whoever reaches the
// emulator may do everything. Writes from another site's page are refused, so that a browser which
// is open beside the emulator cannot be made to change it.
//
//	GET    /_emulator/                 the workspace, for people
//	GET    /_emulator/people/{ref}     one person, with what can be done to them
//	GET    /_emulator/state            everything, as JSON
//	GET    /_emulator/requests         the request log; DELETE empties it and the counts
//	GET    /_emulator/faults           active and known faults; POST adds, DELETE removes (?name=)
//	GET    /_emulator/policies         the switches; PATCH changes those it names
//	GET    /_emulator/limits           the rate limits; PUT {"on": false} switches them off
//	POST   /_emulator/people           a person does something in Slack: adds, changes (PATCH
//	       /_emulator/people/{ref}), deletes (DELETE) somebody; the same for groups
//	POST   /_emulator/channels         {"name": …} takes a name out of the userNames
//	POST   /_emulator/tokens           accepts a token; DELETE ?value= revokes one
//	POST   /_emulator/reset            back to the start
func (e *Emulator) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_emulator/{$}", e.showWorkspace)
	mux.HandleFunc("GET /_emulator/style.css", showStyle)
	mux.HandleFunc("GET /_emulator/people/{ref}", e.showPerson)
	mux.HandleFunc("GET /_emulator/state", jsonHandler(func(*http.Request) (any, error) { return e.state(), nil }))
	mux.HandleFunc("GET /_emulator/requests", jsonHandler(func(*http.Request) (any, error) {
		return map[string]any{"requests": e.Log(), "counts": e.Requests()}, nil
	}))
	mux.HandleFunc("DELETE /_emulator/requests", jsonHandler(func(*http.Request) (any, error) {
		e.ResetRequests()
		return e.Requests(), nil
	}))
	mux.HandleFunc("GET /_emulator/faults", jsonHandler(e.adminFaults))
	mux.HandleFunc("POST /_emulator/faults", jsonHandler(e.adminInject))
	mux.HandleFunc("DELETE /_emulator/faults", jsonHandler(func(r *http.Request) (any, error) {
		e.ClearFaults(r.URL.Query().Get("name"))
		return e.adminFaults(r)
	}))
	mux.HandleFunc("GET /_emulator/policies", jsonHandler(func(*http.Request) (any, error) { return e.Policies(), nil }))
	mux.HandleFunc("PATCH /_emulator/policies", jsonHandler(e.adminPolicies))
	mux.HandleFunc("GET /_emulator/limits", jsonHandler(func(*http.Request) (any, error) { return e.adminLimits(), nil }))
	mux.HandleFunc("PUT /_emulator/limits", jsonHandler(e.adminSetLimits))
	mux.HandleFunc("POST /_emulator/people", jsonHandler(e.adminAddUser))
	mux.HandleFunc("PATCH /_emulator/people/{ref}", jsonHandler(e.adminChangeUser))
	mux.HandleFunc("POST /_emulator/people/{ref}", e.submitPerson)
	mux.HandleFunc("DELETE /_emulator/people/{ref}", jsonHandler(func(r *http.Request) (any, error) {
		return struct{}{}, e.RemoveUser(r.PathValue("ref"))
	}))
	mux.HandleFunc("POST /_emulator/groups", jsonHandler(e.adminAddGroup))
	mux.HandleFunc("PATCH /_emulator/groups/{ref}", jsonHandler(e.adminChangeGroup))
	mux.HandleFunc("DELETE /_emulator/groups/{ref}", jsonHandler(func(r *http.Request) (any, error) {
		return struct{}{}, e.RemoveGroup(r.PathValue("ref"))
	}))
	mux.HandleFunc("POST /_emulator/channels", jsonHandler(e.adminAddChannel))
	mux.HandleFunc("POST /_emulator/tokens", jsonHandler(e.adminAddToken))
	mux.HandleFunc("DELETE /_emulator/tokens", jsonHandler(func(r *http.Request) (any, error) {
		return map[string]bool{"revoked": e.RevokeToken(r.URL.Query().Get("value"))}, nil
	}))
	mux.HandleFunc("POST /_emulator/reset", jsonHandler(func(*http.Request) (any, error) {
		e.Reset()
		return struct{}{}, nil
	}))
	return http.NewCrossOriginProtection().Handler(mux)
}

// jsonHandler writes what handle returns, or its error as {"error": …} with status 400.
func jsonHandler(handle func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		value, err := handle(r)
		if err != nil {
			status, value = http.StatusBadRequest, map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(value) // the client may be gone
	}
}

// readJSON fills into from the body. A member that into lacks is refused, so that a typing error
// does not look like a change that did nothing.
func readJSON(r *http.Request, into any) error {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	return nil
}

type stateJSON struct {
	Workspace workspaceJSON  `json:"workspace"`
	People    []User         `json:"people"`
	Groups    []Group        `json:"groups"`
	Requests  map[string]int `json:"requests"`
	Faults    []Fault        `json:"faults"`
	Policies  Policies       `json:"policies"`
}

type workspaceJSON struct {
	Name      string  `json:"name"`
	Domain    string  `json:"domain"`
	Plan      Plan    `json:"plan"`
	TimeScale float64 `json:"time_scale"`
	LimitsOn  bool    `json:"limits_on"`
}

// SecondsPerMinute is how long a minute of the emulator lasts.
func (w workspaceJSON) SecondsPerMinute() float64 { return 60 / w.TimeScale }

func (e *Emulator) state() stateJSON {
	return stateJSON{
		e.workspaceJSON(), e.Users(), e.Groups(), e.Requests(), e.ActiveFaults(), e.Policies(),
	}
}

func (e *Emulator) workspaceJSON() workspaceJSON {
	return workspaceJSON{
		e.options.Name, e.options.Domain, e.Policies().Plan, e.options.TimeScale, e.limitsOn.Load(),
	}
}

func (e *Emulator) adminFaults(*http.Request) (any, error) {
	return map[string]any{"active": e.ActiveFaults(), "known": FaultNames()}, nil
}

// adminInject takes a fault as an object or as {"fault": "NAME=ARG,key=value"}, the command line's form.
func (e *Emulator) adminInject(r *http.Request) (any, error) {
	var body struct {
		Fault
		Text string `json:"fault"`
	}
	err := readJSON(r, &body)
	f := body.Fault
	if err == nil && body.Text != "" {
		f, err = ParseFault(body.Text)
	}
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return nil, err
	}
	e.Inject(f)
	return e.adminFaults(r)
}

func (e *Emulator) adminPolicies(r *http.Request) (any, error) {
	after := e.Policies().clone()
	if err := readJSON(r, &after); err != nil {
		return nil, err
	}
	if err := after.check(); err != nil {
		return nil, err
	}
	e.ChangePolicies(func(p *Policies) { *p = after })
	return e.Policies(), nil
}

func (e *Emulator) adminLimits() any {
	return map[string]any{"on": e.limitsOn.Load(), "limits": e.limits.list(e.clock.now())}
}

func (e *Emulator) adminSetLimits(r *http.Request) (any, error) {
	var body struct {
		On *bool `json:"on"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if body.On == nil {
		return nil, fmt.Errorf(`say {"on": true} or {"on": false}`)
	}
	e.SetLimits(*body.On)
	return e.adminLimits(), nil
}

func (e *Emulator) adminAddUser(r *http.Request) (any, error) {
	u := User{Active: true}
	if err := readJSON(r, &u); err != nil {
		return nil, err
	}
	return e.AddUser(u)
}

func (e *Emulator) adminChangeUser(r *http.Request) (any, error) {
	write, err := readChange[User](r)
	if err != nil {
		return nil, err
	}
	return e.ChangeUser(r.PathValue("ref"), write)
}

func (e *Emulator) adminAddGroup(r *http.Request) (any, error) {
	var g Group
	if err := readJSON(r, &g); err != nil {
		return nil, err
	}
	return e.AddGroup(g)
}

func (e *Emulator) adminChangeGroup(r *http.Request) (any, error) {
	write, err := readChange[Group](r)
	if err != nil {
		return nil, err
	}
	return e.ChangeGroup(r.PathValue("ref"), write)
}

// readChange reads a body whose members replace those of a T and leave the others. It is read and
// tried out first: the workspace is locked while the change is applied, and half of one would stay.
func readChange[T any](r *http.Request) (func(*T), error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	write := func(target *T) error {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		return decoder.Decode(target)
	}
	if err := write(new(T)); err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	return func(target *T) { _ = write(target) }, nil // it worked on an empty one
}

func (e *Emulator) adminAddChannel(r *http.Request) (any, error) {
	var body struct {
		Name string `json:"name"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if body.Name == "" {
		return nil, fmt.Errorf(`say {"name": "the-channel"}`)
	}
	return Channel{ID: e.AddChannel(body.Name), Name: body.Name}, nil
}

func (e *Emulator) adminAddToken(r *http.Request) (any, error) {
	var t Token
	if err := readJSON(r, &t); err != nil {
		return nil, err
	}
	if t.Value == "" {
		return nil, fmt.Errorf(`say {"value": "xoxp-…"}`)
	}
	e.AddToken(t)
	return struct{}{}, nil
}
