package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/docs"
	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/tracing"
	"github.com/muster-id/muster/internal/web/manual"
)

// Options are what a [Server] is made from.
type Options struct {
	Desk    *admin.Desk
	Version string       // of Muster, for the document
	Log     *slog.Logger // nil logs nothing
	// Authenticate are further ways in beside the bearer token of the API, such as the session of a
	// browser. They are asked in order after it.
	Authenticate []Authenticator
	// RequestTime bounds what is no long work, and how long a body may take to come; 0 is 30 seconds.
	RequestTime time.Duration
	Metrics     http.Handler // what is measured, at /metrics; nil shows nothing there
	Tracer      trace.Tracer // whose spans requests are; nil makes none
	SignIn      SignIn       // with pages for people; without a gate only tokens let in
}

// Server answers HTTP requests. It is an [http.Handler], safe for concurrent use once all routes are
// registered.
type Server struct {
	desk         *admin.Desk
	log          *slog.Logger
	authenticate []Authenticator
	mux          *http.ServeMux
	api          huma.API
	document     map[string][]byte // OpenAPI by version
	handler      http.Handler
	requestTime  time.Duration
	tracer       trace.Tracer
	end          func() // ends what pages have begun
}

// New makes the server with the routes of the API. Pages are added with [Server.Handle].
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{desk: o.Desk, log: o.Log, mux: http.NewServeMux(), document: map[string][]byte{}, requestTime: cmp.Or(o.RequestTime, requestTime)}
	if s.tracer = o.Tracer; s.tracer == nil {
		s.tracer = tracing.Silent()
	}
	s.authenticate = append([]Authenticator{byToken(o.Desk)}, o.Authenticate...)
	config := huma.DefaultConfig("Muster", o.Version)
	config.Info.Description = "Keeps the accounts in a company's apps exactly as its directory says."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no $schema in the answers: they are the documents that the commands print
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "A token made by `muster token create`."}}
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.RejectUnknownQueryParameters = true
	s.api = humago.New(s.mux, config)
	s.routes()
	s.pages(o.SignIn.Secure)
	s.doors(o.SignIn)
	s.typed()
	if err := s.describe(); err != nil {
		return nil, err
	}
	for name, document := range s.document {
		s.Handle("GET /"+name, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(document)
		}))
	}
	pages, err := manual.New(docs.Files)
	if err != nil {
		return nil, fmt.Errorf("reading the documentation: %w", err)
	}
	s.Handle("GET "+manual.Root, pages)
	s.Handle("GET "+manual.Root+"/{page...}", pages)
	if o.Metrics != nil {
		s.Handle("GET /metrics", o.Metrics)
	}
	s.mux.HandleFunc("/api/", s.nowhere)
	s.handler = s.guarded(s.mux)
	return s, nil
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run ends with ctx: it ends what pages have begun in the background, such as an import, and returns when that
// is recorded. Whoever closes the store waits for it first.
func (s *Server) Run(ctx context.Context) {
	<-ctx.Done()
	s.end()
}

// Handle mounts a page at a pattern of [http.ServeMux] with a method. It panics when the pattern has
// no row in the table of roles.
func (s *Server) Handle(pattern string, page http.Handler) {
	need := roleOf(pattern)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r, err := s.admit(r, need)
		if err != nil {
			fail(w, err)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// roleOf looks a route up in the table. A route that is not there is a mistake of whoever wrote it.
func roleOf(route string) admin.Role {
	role, ok := roles[route]
	if !ok {
		panic("web: " + route + " has no row in the table of roles")
	}
	return role
}

// describe writes the OpenAPI document down once: it does not change any more.
func (s *Server) describe() error {
	newest, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		return fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	older, err := s.api.OpenAPI().Downgrade()
	if err != nil {
		return fmt.Errorf("writing the OpenAPI document for older generators: %w", err)
	}
	s.document["openapi.json"], s.document["openapi-3.0.json"] = newest, older
	return nil
}

const (
	// bodyLimit bounds the body of a request where nothing else is said.
	bodyLimit = 1 << 20
	// requestTime bounds a request where nothing else is said, and the reading of every body.
	requestTime = 30 * time.Second
)

// operation begins the description of a route below /api/v1.
func operation(method, path, id, summary string) huma.Operation {
	tag, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return huma.Operation{
		OperationID: id, Method: method, Path: api.Prefix + path, Summary: summary, Tags: []string{tag},
		Security: []map[string][]string{{"token": {}}}, MaxBodyBytes: bodyLimit,
	}
}

// option changes a route.
type option func(*huma.Operation)

// long lets a request take as long as it takes: until it is done, or whoever asked is gone.
func long(op *huma.Operation) { with(op, longKey, true) }

// with notes something about a route.
func with(op *huma.Operation, key string, v any) {
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}
	op.Metadata[key] = v
}

const longKey = "long"

// route registers what a route does. The desk that it gets records who asked.
func route[I, O any](s *Server, op huma.Operation, do func(context.Context, *admin.Desk, *I) (*O, error), options ...option) {
	for _, o := range options {
		o(&op)
	}
	op.BodyReadTimeout = cmp.Or(op.BodyReadTimeout, s.requestTime)
	need := roleOf(op.Method + " " + op.Path)
	op.Description = strings.TrimSpace(op.Description + "\n\nRole: " + string(need) + ".")
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, op.MaxBodyBytes)
		if r.ContentLength != 0 { // without a body this would end the request itself
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(op.BodyReadTimeout)) // where it cannot be set the server's own holds
		}
		admitted, err := s.admit(r, need)
		if err != nil {
			fail(w, err)
			return
		}
		in := admitted.Context()
		var cancel context.CancelFunc
		switch {
		case op.Metadata[longKey] == nil:
			in, cancel = context.WithTimeout(in, s.requestTime)
		case op.Method == http.MethodGet:
			in, cancel = s.whileAdmitted(in, r, need)
		default:
			in, cancel = context.WithCancel(in)
		}
		defer cancel()
		ctx = huma.WithContext(ctx, in)
		if !s.again(ctx, &op, next) {
			next(ctx)
		}
	})
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, s.desk.As(PrincipalOf(ctx).Actor()), in)
		if err != nil {
			return nil, s.told(ctx, err)
		}
		return out, nil
	})
}

// told puts an error into the form that is sent. What is Muster's own fault stands in the log, too.
func (s *Server) told(ctx context.Context, err error) *api.Problem {
	p := problemOf(err)
	if p.Code == "internal" {
		s.log.ErrorContext(ctx, "a request failed", "request", noteOf(ctx).id, "error", err)
	}
	return p
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// nowhere answers requests below /api/ that fit no route.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "/api/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		fail(w, refused(http.StatusMethodNotAllowed, "that cannot be done here: "+strings.Join(allowed, ", ")+" can"))
		return
	}
	fail(w, refused(http.StatusNotFound, "there is no such route"))
}
