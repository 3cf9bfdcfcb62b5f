package scim_test

import (
	"testing"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/connector/scim"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
)

// open makes a connector at an endpoint, from the template scim2 and options.
func open(t testing.TB, endpoint, token string, options map[string]string) *scim.Connector {
	t.Helper()
	template, err := gallery.Lookup("scim2")
	if err != nil {
		t.Fatal(err)
	}
	quirks, err := scim.ParseQuirks(template.Quirks, options)
	if err != nil {
		t.Fatal(err)
	}
	client, err := connector.NewClient(connector.Options{
		Connection: provision.Connection{Endpoint: endpoint}, Token: token,
		Limiter: connector.NewLimiter(template.Limits), Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c, err := scim.New(scim.Options{
		Client: client, Users: connectortest.Paths(connectortest.Person(0)), Groups: []string{"displayName"}, Quirks: quirks,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bench puts a connector before a fake target.
func bench(t *testing.T, does connectortest.Behaviour, options map[string]string) (connectortest.Bench, *connectortest.Target) {
	target, endpoint := connectortest.Serve(t, does)
	return connectortest.Bench{
		Connector: open(t, endpoint, connectortest.Token, options),
		Refused:   open(t, endpoint, "another-token", options),
		User:      connectortest.Person, Group: connectortest.GroupNamed,
		Match: "userName", Text: "title", NoID: "U9",
		Active: func(id string) bool {
			u := target.User(id)
			return u != nil && u["active"] == true
		},
		Members: target.Members,
	}, target
}

// TestContract holds the connector to its contract before targets that behave, and before those that
// don't but can be lived with.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does    connectortest.Behaviour
		options map[string]string
	}{
		"obedient":          {},
		"strict":            {does: connectortest.Behaviour{Strict: true, NeedUserAgent: true}},
		"put":               {does: connectortest.Behaviour{NoPatch: true}, options: map[string]string{"update": "put", "members": "always"}},
		"pathless":          {options: map[string]string{"patch_style": "pathless"}},
		"empty answers":     {does: connectortest.Behaviour{EmptyUpdate: true}},
		"empty objects":     {does: connectortest.Behaviour{ObjectUpdate: true}},
		"empty create":      {does: connectortest.Behaviour{EmptyCreate: true}},
		"hidden members":    {does: connectortest.Behaviour{HideMembers: true}, options: map[string]string{"members": "hidden"}},
		"text for booleans": {does: connectortest.Behaviour{StringBooleans: true}},
		"lower case":        {does: connectortest.Behaviour{LowerCaseUserName: true, LowerCaseNames: true, ReformatPhones: true}},
		"lost types":        {does: connectortest.Behaviour{DropTypes: true}},
		"other case":        {does: connectortest.Behaviour{ShuffledNames: true}},
		"conflict is 400":   {does: connectortest.Behaviour{ConflictStatus: 400}},
		"conflict is bare":  {does: connectortest.Behaviour{ConflictSilent: true}},
		"delete disables":   {does: connectortest.Behaviour{DeleteDisables: true}, options: map[string]string{"disable": "delete"}},
		"either disables":   {does: connectortest.Behaviour{DeleteDisables: true}, options: map[string]string{"disable": "either"}},
		"no filters":        {does: connectortest.Behaviour{NoFilter: true}, options: map[string]string{"filter": "none"}},
		"filters ignored":   {does: connectortest.Behaviour{IgnoreFilter: true}},
		"cursors":           {does: connectortest.Behaviour{Cursor: true}, options: map[string]string{"paging": "cursor", "page_size": "4"}},
		"cursors unasked":   {does: connectortest.Behaviour{Cursor: true, PageCap: 4}},
		"small pages":       {does: connectortest.Behaviour{PageCap: 3}},
		"no paging":         {does: connectortest.Behaviour{IgnoreCount: true}, options: map[string]string{"paging": "none"}},
		"no totals":         {does: connectortest.Behaviour{NoTotal: true, PageCap: 7}},
		"few members":       {does: connectortest.Behaviour{MaxMembers: 1}, options: map[string]string{"member_batch": "1"}},
		"one removal":       {does: connectortest.Behaviour{OneRemoval: true}, options: map[string]string{"member_batch": "1", "mix_members": "false"}},
		"members follow":    {options: map[string]string{"create_members": "false"}},
		"trailing slash":    {does: connectortest.Behaviour{TrailingSlash: true}, options: map[string]string{"trailing_slash": "true"}},
		"frozen disabled":   {does: connectortest.Behaviour{FreezeDisabled: true}},
		"hidden disabled":   {does: connectortest.Behaviour{HideDisabled: true}},
		"number ids":        {does: connectortest.Behaviour{NumericIDs: true}},
		"removal by value":  {options: map[string]string{"member_removal": "value"}},
		"application/json":  {options: map[string]string{"content_type": "application/json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connectortest.Run(t, func(t *testing.T) connectortest.Bench {
				b, _ := bench(t, c.does, c.options)
				return b
			})
		})
	}
}
