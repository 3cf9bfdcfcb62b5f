// Package gallery holds the templates that applications are made from: for each kind of target its
// endpoint, attribute mappings, limits, quirks and defaults, as data files embedded into the binary.
//
// A template is data and nothing else: it knows no connector, reaches nothing and is never changed
// while Muster runs. A new target that speaks SCIM 2.0 needs a file in templates/ and no code. Start
// at [Lookup].
package gallery

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

// Template is one kind of target.
type Template struct {
	Name          string                 `json:"name"`     // as in an application's template
	Title         string                 `json:"title"`    // as people call the target
	Summary       string                 `json:"summary"`  // one sentence on what it is for
	Protocol      string                 `json:"protocol"` // which connector speaks to it: scim, slack
	Documentation []Link                 `json:"documentation"`
	Endpoint      string                 `json:"endpoint,omitempty"`  // the default; "" when every customer has an own one
	WebAPI        string                 `json:"web_api,omitempty"`   // beside the default endpoint
	Endpoints     []Endpoint             `json:"endpoints,omitempty"` // others to choose from
	Auth          []string               `json:"auth"`                // kinds of credentials, the usual one first
	OAuth         connector.OAuth        `json:"oauth,omitzero"`      // of oauth2_authorization_code
	Required      Required               `json:"required"`
	Limits        connector.Limits       `json:"limits"`
	Quirks        json.RawMessage        `json:"quirks,omitempty"` // read by the connector of the protocol
	Provisioning  provision.Provisioning `json:"provisioning"`
	Mappings      Mappings               `json:"mappings"`
}

// Link is a page of the vendor, or of a standard.
type Link struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Endpoint is an address that a target is also reached at.
type Endpoint struct {
	Title  string `json:"title"`
	URL    string `json:"url"`
	WebAPI string `json:"web_api,omitempty"`
	Note   string `json:"note,omitempty"` // what to know before choosing it
}

// Required are the target attributes without which the target creates nothing: a mapping list that
// lacks one is refused.
type Required struct {
	Users  []string `json:"users"`
	Groups []string `json:"groups"`
}

// Mappings are the default attribute mappings.
type Mappings struct {
	Users  []Row `json:"users"`
	Groups []Row `json:"groups"`
}

// Row is one default mapping.
type Row struct {
	mapping.Mapping
	From string `json:"from"` // where the vendor or the standard describes the target attribute
}

// Application returns the application that an administrator who gives nothing but a name starts
// from. It is the caller's own.
func (t Template) Application() provision.Application {
	app := provision.Application{
		Template:     t.Name,
		Connection:   provision.Connection{Endpoint: t.Endpoint, WebAPI: t.WebAPI, Auth: provision.Auth{Type: t.Auth[0]}},
		Provisioning: t.Provisioning,
	}
	p := &app.Provisioning
	p.Filters = slices.Clone(p.Filters)
	p.Users.Actions, p.Groups.Actions = slices.Clone(p.Users.Actions), slices.Clone(p.Groups.Actions)
	for _, r := range t.Mappings.Users {
		app.Mappings.Users = append(app.Mappings.Users, r.Mapping)
	}
	for _, r := range t.Mappings.Groups {
		app.Mappings.Groups = append(app.Mappings.Groups, r.Mapping)
	}
	return app
}

//go:embed templates/*.yaml
var files embed.FS

// load reads all templates once. The files are part of the program and a test reads every one, so
// that an error here is a broken build.
var load = sync.OnceValues(func() (map[string]Template, error) {
	entries, err := files.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	all := make(map[string]Template, len(entries))
	for _, e := range entries {
		b, err := files.ReadFile("templates/" + e.Name())
		if err != nil {
			return nil, err
		}
		t, err := Parse(b)
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", e.Name(), err)
		}
		if t.Name+".yaml" != e.Name() {
			return nil, fmt.Errorf("template %s is named %q inside", e.Name(), t.Name)
		}
		all[t.Name] = t
	}
	return all, nil
})

// Lookup returns the template of a name. The error names those that there are.
func Lookup(name string) (Template, error) {
	all, err := load()
	if err != nil {
		return Template{}, err
	}
	t, ok := all[name]
	if !ok {
		return Template{}, fmt.Errorf("there is no template %q in the gallery; there are %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	return t, nil
}

// All returns every template, by name.
func All() []Template {
	all, err := load()
	if err != nil {
		return nil
	}
	out := make([]Template, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out
}

// Parse reads one template. Keys that a template doesn't have, and keys given twice, are refused.
func Parse(b []byte) (Template, error) {
	var t Template
	var doc any
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&doc); err != nil {
		return t, err
	}
	if err := d.Decode(new(any)); err != io.EOF {
		return t, fmt.Errorf("there is more than one document")
	}
	// By way of JSON, so that durations, percentages and names read as in the declarative form, whose
	// types these are.
	j, err := json.Marshal(doc)
	if err != nil {
		return t, err
	}
	strict := json.NewDecoder(bytes.NewReader(j))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&t); err != nil {
		return t, err
	}
	return t, t.check()
}
