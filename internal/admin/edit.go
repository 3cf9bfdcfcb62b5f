package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"

	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// AddApplication makes an application from a template of the gallery, with the template's defaults
// and nothing else: no credentials, nobody assigned, switched off.
func (d *Desk) AddApplication(ctx context.Context, template, name string) (*provision.Application, error) {
	t, err := gallery.Lookup(template)
	if err != nil {
		return nil, usage("no_template", "choose one of the gallery", "%v", err)
	}
	if strings.TrimSpace(name) == "" {
		return nil, usage(string(store.ErrInvalid), "give it a name, such as "+t.Name, "the application has no name")
	}
	if _, err := d.store.Application(ctx, name); err == nil {
		return nil, usage(string(store.ErrExists), "give it another name", "there is already an application %s", name)
	}
	app := map[string]any{"name": strings.TrimSpace(name), "template": t.Name}
	if t.Endpoint == "" {
		app["connection"] = map[string]any{"endpoint": "https://localhost/scim/v2/"} // until it is set up
	}
	if err := d.applyForm(ctx, app, false, isFree); err != nil {
		return nil, err
	}
	return d.store.Application(ctx, name)
}

// EditApplication changes an application as a form does: edit changes what it is given, and the whole
// is then judged and applied as a configuration file would be. Secrets are the new ones by their key
// under connection.auth; those that are absent or empty stay. Match is the version that the form was
// filled from, see [Desk.Version]: the edit is refused when somebody else was faster. "" is the version
// that there is now.
func (d *Desk) EditApplication(ctx context.Context, name, match string, secrets map[string]string, edit func(*provision.Application) error) error {
	doc, holds, err := d.edited(ctx, name, match, edit)
	if err != nil {
		return err
	}
	connection, _ := doc["connection"].(map[string]any)
	auth, _ := connection["auth"].(map[string]any)
	for key, secret := range secrets {
		if secret != "" {
			auth[key] = secret
		}
	}
	return d.applyForm(ctx, doc, false, holds)
}

// EditMappings changes the mappings of one kind as [Desk.EditApplication] does. Where tests that are kept
// with them fail, nothing is changed, unless they are ignored.
func (d *Desk) EditMappings(ctx context.Context, name, match string, kind directory.Kind, rows []mapping.Mapping, ignoreTests bool) error {
	doc, holds, err := d.edited(ctx, name, match, func(app *provision.Application) error {
		if kind == directory.KindGroup {
			app.Mappings.Groups = rows
		} else {
			app.Mappings.Users = rows
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.applyForm(ctx, doc, ignoreTests, holds)
}

// edited returns an application in the declarative form, changed, and the condition that it is still at
// the version that match names, or at the one that was changed here.
func (d *Desk) edited(ctx context.Context, name, match string, edit func(*provision.Application) error) (map[string]any, condition, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if match == "" {
		if match, err = d.Version(ctx, app); err != nil {
			return nil, nil, err
		}
	}
	holds := stillAt(app.Name, match)
	before := app.Connection
	if err := edit(app); err != nil {
		return nil, nil, err
	}
	if app.Connection.Endpoint != before.Endpoint && app.Connection.WebAPI == before.WebAPI {
		app.Connection.WebAPI = "" // it gets the token too, and belonged to the other address
	}
	b, err := json.Marshal(app)
	if err != nil {
		return nil, nil, err
	}
	doc := map[string]any{}
	return doc, holds, json.Unmarshal(b, &doc)
}

// formName stands for the file in the problems of a form; it is taken out of what people read.
const formName = "form"

// applyForm applies one application. JSON is YAML, so the rules and the words are those of files.
func (d *Desk) applyForm(ctx context.Context, app map[string]any, ignoreTests bool, holds condition) error {
	b, err := json.Marshal(map[string]any{"applications": []any{escaped(app)}})
	if err != nil {
		return err
	}
	_, err = d.applyIf(ctx, []config.File{{Name: formName, Data: b}}, Source{
		Env:         func(string) (string, bool) { return "", false },
		ReadFile:    func(string) ([]byte, error) { return nil, fs.ErrPermission }, // a form reads no file of the server
		IgnoreTests: ignoreTests,
	}, holds)
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	var lines []string
	for _, p := range problems {
		line := p.Message
		if p.Hint != "" {
			line += ": " + p.Hint
		}
		lines = append(lines, line)
	}
	return usage("configuration", "correct this and save again; nothing was changed", "%s", strings.Join(lines, "\n"))
}

// escaped keeps what somebody typed from being taken for a variable.
func escaped(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "${", "$${")
	case []any:
		for i := range v {
			v[i] = escaped(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = escaped(v[k])
		}
	}
	return v
}
