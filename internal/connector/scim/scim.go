package scim

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
)

// Options are what a [Connector] is made from.
type Options struct {
	Client *connector.Client
	// Users and Groups are the mapped target paths: what [connector.Account].Values shows.
	Users, Groups []string
	Quirks        Quirks
	// Protected says why the target lets nobody change an account, by its resource; nil is never.
	Protected func(kind directory.Kind, resource map[string]any) string
}

// Connector is a [connector.Connector] for targets that speak SCIM 2.0.
type Connector struct {
	client    *connector.Client
	quirks    Quirks
	mapped    map[directory.Kind][]mappedPath
	paths     map[string]attr.Path // of all mapped attributes, by canonical text
	filterAs  map[string]string
	immutable map[string]bool
	protected func(directory.Kind, map[string]any) string
}

type mappedPath struct {
	text string // canonical
	path attr.Path
}

var (
	_ connector.Connector = (*Connector)(nil)
	_ connector.Counter   = (*Connector)(nil)
)

// New makes the connector; it sends nothing. Quirks come from [ParseQuirks].
func New(o Options) (*Connector, error) {
	c := &Connector{
		client: o.Client, quirks: o.Quirks, protected: o.Protected,
		mapped: map[directory.Kind][]mappedPath{}, paths: map[string]attr.Path{}, filterAs: map[string]string{}, immutable: map[string]bool{},
	}
	for kind, paths := range map[directory.Kind][]string{directory.KindUser: o.Users, directory.KindGroup: o.Groups} {
		for _, text := range paths {
			p, err := attr.ParsePath(text)
			if err != nil {
				return nil, fmt.Errorf("mapping target: %w", err)
			}
			c.mapped[kind] = append(c.mapped[kind], mappedPath{p.String(), p})
			c.paths[p.String()] = p
		}
	}
	for _, pair := range o.Quirks.FilterAs {
		path, as, _ := splitPair(pair)
		p, err := attr.ParsePath(path)
		if err != nil {
			return nil, err
		}
		c.filterAs[p.String()] = as
	}
	for _, text := range o.Quirks.Immutable {
		p, err := attr.ParsePath(text)
		if err != nil {
			return nil, err
		}
		c.immutable[p.String()] = true
	}
	return c, nil
}

// path reads a path. Those that are mapped were read when the connector was made: they come with every
// account.
func (c *Connector) path(text string) (attr.Path, error) {
	if p, ok := c.paths[text]; ok {
		return p, nil
	}
	return attr.ParsePath(text)
}

// Requests implements [connector.Counter].
func (c *Connector) Requests() int64 { return c.client.Requests() }

// Test reads one user: a target's ServiceProviderConfig answers without credentials and proves
// nothing.
func (c *Connector) Test(ctx context.Context) connector.Diagnosis {
	ans, err := c.client.Do(ctx, connector.Request{
		Method: http.MethodGet, Path: c.collection(directory.KindUser), Query: url.Values{"count": {"1"}},
		Urgency: connector.OnDemand, List: true, Once: true,
	})
	if err == nil {
		_, err = c.page(ans)
	}
	if err != nil {
		return connector.Diagnose(failure(err))
	}
	return connector.Diagnosis{
		OK: true, Code: connector.DiagnosisOK, Message: c.client.Host() + " lists its users to these credentials.",
		Next: "Provisioning can run.",
	}
}

// collection returns the path of all users or groups.
func (c *Connector) collection(kind directory.Kind) string {
	p := "Users"
	if kind == directory.KindGroup {
		p = "Groups"
	}
	if c.quirks.TrailingSlash {
		p += "/"
	}
	return p
}

// member returns the path of one user or group.
func (c *Connector) member(kind directory.Kind, id string) string {
	p := "Users/"
	if kind == directory.KindGroup {
		p = "Groups/"
	}
	// A segment of dots alone would be resolved away.
	if id == "." || id == ".." {
		id = "%2E" + id[1:]
		return p + id
	}
	return p + url.PathEscape(id)
}
