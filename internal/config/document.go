package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
)

// File is one YAML file: the name that messages show, beside which its relative paths are looked
// for, and the text. Standard input is called "-"; its paths are relative to the working directory.
type File struct {
	Name string
	Data []byte
}

// Document is what one or more files say, checked and complete.
type Document struct {
	Applications []Application // in the order of the files
}

// Application is one application of a [Document].
type Application struct {
	// Application is complete: what the files left out is the template's. Assignments hold the names
	// as written; [Apply] finds whom they mean. No secret is in it.
	provision.Application

	// Secrets are the secrets that the files give, by their key under connection.auth ("token"). A
	// secret that is absent keeps the sealed one.
	Secrets map[string]Secret

	template *gallery.Template     // nil when the file names none that exists
	places   map[string]Position   // of what the file gives, by path ("mappings.users[0].target")
	nodes    map[string]*yaml.Node // likewise
	spoilt   map[string]bool       // paths that have a problem already
	around   map[string]bool       // paths that hold one that has
	src      *reader               // the file
}

// Parse reads the files as one whole. When there is any problem the error is a [Problems] with all
// of them, and the document is empty.
//
// "${NAME}" within any value is replaced by what env says, after the YAML was read, so that a
// variable can never become a key or a list; "$${" is a plain "${". A secret written "file:PATH" is
// what readFile returns for the path, which is relative to the YAML file. Keys are taken as they
// are.
func Parse(files []File, env func(name string) (string, bool), readFile func(path string) ([]byte, error)) (Document, error) {
	var doc Document
	visited := 0
	r := &report{order: map[string]int{}}
	for i, f := range files {
		r.order[f.Name] = i
		src := &reader{
			report: r, file: f.Name, lines: strings.Split(string(f.Data), "\n"),
			env: env, read: readFile, visited: &visited,
		}
		for _, root := range src.documents(f.Data) {
			src.root(&doc, root)
		}
	}
	doc.unique(r)
	for i := range doc.Applications {
		doc.Applications[i].check()
	}
	if err := r.err(); err != nil {
		return Document{}, err
	}
	return doc, nil
}

// root reads one YAML document.
func (r *reader) root(doc *Document, n *yaml.Node) {
	if n = r.follow(n); n == nil {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.add(r.at(n), `begin with "applications:"`, "the file has to be a mapping, not %s", kindOf(n))
		return
	}
	found := false
	for _, p := range r.pairs(n, 0) {
		if p.name != "applications" {
			hint := didYouMean(p.name, []string{"applications"})
			if _, ok := keysOf(reflect.TypeFor[provision.Application]())[p.name]; ok {
				hint = "it belongs to an entry of the list under applications"
			}
			r.add(r.at(p.key), hint, "unknown key %s at the top of the file", quote(p.name))
			continue
		}
		found = true
		list := r.follow(p.value)
		if list == nil {
			return
		}
		if list.Kind != yaml.SequenceNode {
			hint := "begin each application with a dash"
			if isNull(list) {
				hint = "write [] for none"
			}
			r.add(r.at(list), hint, "applications has to be a list, not %s", kindOf(list))
			continue
		}
		if len(list.Content) > maxApplications {
			r.add(r.at(list), "split it into several files", "applications has %d entries, at most %d are allowed", len(list.Content), maxApplications)
			continue
		}
		for _, e := range list.Content {
			doc.Applications = append(doc.Applications, r.application(e))
		}
	}
	if !found {
		r.add(r.at(n), `begin with "applications:"`, "the file has no applications")
	}
}

// application reads one entry of the list: the template first, then what the file says over it.
func (r *reader) application(n *yaml.Node) Application {
	app := Application{
		Secrets: map[string]Secret{}, src: r, spoilt: map[string]bool{}, around: map[string]bool{},
		places: map[string]Position{"": r.at(n)}, nodes: map[string]*yaml.Node{},
	}
	if name := r.templateName(n); name != "" {
		if t, err := gallery.Lookup(name); err == nil {
			app.template = &t
			app.Application = t.Application()
			app.Name = ""
		}
	}
	d := &decoder{reader: r, app: &app}
	d.into(reflect.ValueOf(&app.Application).Elem(), n, "")
	app.complete()
	return app
}

// templateName looks ahead for the template's name, silently: what is wrong with it is told when
// its turn comes.
func (r *reader) templateName(n *yaml.Node) string {
	visited := *r.visited
	ahead := &reader{report: &report{}, file: r.file, env: r.env, read: r.read, visited: &visited}
	if n = ahead.follow(n); n == nil || n.Kind != yaml.MappingNode {
		return ""
	}
	for _, p := range ahead.pairs(n, 0) {
		if p.name == "template" {
			if v := ahead.follow(p.value); v != nil {
				s, _ := ahead.scalar(v, "template")
				return s.text
			}
		}
	}
	return ""
}

// complete settles defaults that depend on what the file gives.
func (app *Application) complete() {
	if app.template == nil {
		return
	}
	if !app.given("connection.web_api") {
		app.Connection.WebAPI = webAPI(app.template, app.Connection.Endpoint)
	}
	app.completeAuth()
	// The file is read by the process that connects, whose working directory may be another.
	if ca := app.Connection.CAFile; ca != "" && app.given("connection.ca_file") && !filepath.IsAbs(ca) {
		if full, err := filepath.Abs(app.src.beside(ca)); err == nil {
			app.Connection.CAFile = full
		}
	}
	for i := range app.Assignments {
		if app.Assignments[i].Role == "" {
			app.Assignments[i].Role = "User"
		}
	}
}

// completeAuth takes the target's own OAuth endpoints, beside the endpoints that the template names: a client's
// secret goes there.
func (app *Application) completeAuth() {
	auth, oauth := &app.Connection.Auth, app.template.OAuth
	if auth.Type != provision.AuthorizationCode {
		return
	}
	if !app.given("connection.auth.scopes") {
		auth.Scopes = slices.Clone(oauth.Scopes) // what is asked for does not depend on where
	}
	if !ofTemplate(app.template, app.Connection.Endpoint) {
		return
	}
	if !app.given("connection.auth.authorize_url") {
		auth.AuthorizeURL = oauth.AuthorizeURL
	}
	if !app.given("connection.auth.token_url") {
		auth.TokenURL = oauth.TokenURL
	}
}

// ofTemplate reports whether an endpoint is one that the template names.
func ofTemplate(t *gallery.Template, endpoint string) bool {
	return sameAddress(t.Endpoint, endpoint) || slices.ContainsFunc(t.Endpoints, func(e gallery.Endpoint) bool { return sameAddress(e.URL, endpoint) })
}

func sameAddress(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

// webAPI is the default beside an endpoint. It gets the token too, so it is known only for the
// endpoints that the template names.
func webAPI(t *gallery.Template, endpoint string) string {
	for _, e := range t.Endpoints {
		if sameAddress(e.URL, endpoint) {
			return e.WebAPI
		}
	}
	if sameAddress(t.Endpoint, endpoint) {
		return t.WebAPI
	}
	return ""
}

// unique refuses two applications of one name; names are compared as names of people are, case-blind.
func (doc *Document) unique(r *report) {
	first := map[string]Position{}
	for i := range doc.Applications {
		app := &doc.Applications[i]
		if app.Name == "" || app.spoilt["name"] {
			continue
		}
		key := directory.Key(app.Name)
		if at, taken := first[key]; taken {
			app.wrong("name", "give it another name, or merge the two", "application %s is there twice, first in %s", quote(app.Name), at)
			continue
		}
		first[key] = app.at("name")
	}
}

// given reports whether the file itself gives the value at a path.
func (app *Application) given(path string) bool {
	_, ok := app.places[path]
	return ok
}

// at is where the file gives a value: for what comes from the template, the nearest key around it.
func (app *Application) at(path string) Position {
	for ; path != ""; path = outer(path) {
		if p, ok := app.places[path]; ok {
			return p
		}
	}
	return app.places[""]
}

// outer is the path of what a value stands in.
func outer(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// spoil remembers that a path has a problem.
func (app *Application) spoil(path string) {
	app.spoilt[path] = true
	for ; path != "" && !app.around[outer(path)]; path = outer(path) {
		app.around[outer(path)] = true
	}
}

// sound reports whether nothing at or below a path has a problem yet.
func (app *Application) sound(path string) bool {
	return !app.spoilt[path] && !app.around[path] && !app.spoilt[""]
}

// wrong reports a problem with the value at a path, once.
func (app *Application) wrong(path, hint, message string, args ...any) {
	if app.spoilt[path] {
		return
	}
	app.spoil(path)
	app.src.add(app.at(path), hint, message, args...)
}

// Check lets whoever builds connectors judge each application; what check returns is reported at
// the key that its text begins with ("connection.options.paging: …"). The error is a [Problems].
func (doc Document) Check(check func(provision.Application) error) error {
	r := &report{order: map[string]int{}}
	for i := range doc.Applications {
		app := &doc.Applications[i]
		if _, known := r.order[app.src.file]; !known {
			r.order[app.src.file] = len(r.order)
		}
		if err := check(app.Application); err != nil {
			path, _, found := strings.Cut(err.Error(), ":")
			if !found || !app.given(path) {
				path = "connection"
			}
			r.add(app.at(path), "", "%s", err)
		}
	}
	return r.err()
}
