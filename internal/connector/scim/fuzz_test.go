package scim

import (
	"encoding/json"
	"testing"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

func fuzzed(t testing.TB) *Connector {
	client, err := connector.NewClient(connector.Options{Connection: provision.Connection{Endpoint: "https://example.org/scim/v2"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{
		Client: client, Quirks: defaults(), Groups: []string{"displayName"},
		Users: []string{
			"userName", "active", "name.givenName", `emails[type eq "work"].value`, `roles[primary eq true].value`, "password",
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", `addresses[type eq "work" and primary eq true].country`,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzResource reads any JSON as a resource and as a list of resources.
func FuzzResource(f *testing.F) {
	for _, s := range []string{
		`{"id":"U1","userName":"ada","active":"False","emails":[{"type":"work","value":"a@b","primary":"true"}]}`,
		`{"id":17,"members":[{"value":"U1"},"U2",{"value":3}]}`, `{"ID":"x","EMAILS":"none","roles":["a"]}`,
		`{"totalResults":"2","Resources":[{"id":"1"},{"id":"1"},7,null],"nextCursor":"c"}`, `{"totalResults":-1e99,"resources":[]}`,
		`{"id":"1","members":{}}`, `{"id":{},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":[1]}`, `[]`, `null`,
	} {
		f.Add([]byte(s))
	}
	c := fuzzed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		if json.Unmarshal(b, &v) != nil {
			return
		}
		for _, kind := range []directory.Kind{directory.KindUser, directory.KindGroup} {
			if a := c.account(kind, v); a != nil && (a.ID == "" || a.Kind != kind || a.MembersKnown && kind == directory.KindUser) {
				t.Errorf("%s is read as %+v", b, a)
			}
		}
		if p, err := c.page(&connector.Answer{Body: v}); err == nil && p.total < -1 {
			t.Errorf("%s announces %d", b, p.total)
		}
	})
}

// FuzzOperations builds the PATCH and the body for any two sets; what has been built must be JSON, and
// must leave the sets alone.
func FuzzOperations(f *testing.F) {
	f.Add(`{"title":"x","emails[type eq \"work\"].value":"a"}`, `{"title":null,"emails[type eq \"work\"].value":"b"}`)
	f.Add(`{}`, `{"addresses[type eq \"work\"].country":"GB","addresses[type eq \"work\"].locality":"London"}`)
	f.Add(`{"a[b eq 1].c":1}`, `{"a[b eq 1].d":2,"a":[{"b":1}],"a[b eq 1 or c eq 2].x":3}`)
	c := fuzzed(f)
	f.Fuzz(func(t *testing.T, have, want string) {
		var h, w attr.Set
		if json.Unmarshal([]byte(have), &h) != nil || json.Unmarshal([]byte(want), &w) != nil {
			return
		}
		before, _ := json.Marshal(w)
		for _, style := range []string{"path", "pathless"} {
			c.quirks.PatchStyle = style
			if _, err := encode(patchBody(c.operations(attr.Diff(h, w), w))); err != nil {
				t.Error(err)
			}
		}
		if _, err := encode(c.resource(directory.KindUser, w)); err != nil {
			t.Error(err)
		}
		if after, _ := json.Marshal(w); string(after) != string(before) {
			t.Errorf("want was changed from %s to %s", before, after)
		}
	})
}
