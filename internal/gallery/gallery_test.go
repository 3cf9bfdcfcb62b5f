package gallery_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/connector/scim"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
)

// TestEveryTemplate reads every file of templates/ and what its protocol makes of its quirks.
func TestEveryTemplate(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("templates/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := gallery.Parse(b); err != nil {
				t.Fatal(err)
			}
			found, err := gallery.Lookup(strings.TrimSuffix(filepath.Base(file), ".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if found.Protocol == "scim" {
				if _, err := scim.ParseQuirks(found.Quirks, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if got := len(gallery.All()); got != len(files) {
		t.Errorf("All returns %d templates of %d", got, len(files))
	}
}

func TestApplicationOfScim2(t *testing.T) {
	t.Parallel()
	tpl, err := gallery.Lookup("scim2")
	if err != nil {
		t.Fatal(err)
	}
	app := tpl.Application()
	want := provision.Provisioning{
		Status: "off", Interval: provision.Duration(10 * time.Minute), Reconcile: provision.Duration(24 * time.Hour), Scope: "assigned",
		Users:      provision.Objects{Enabled: true, Actions: []string{"create", "update", "disable"}},
		Groups:     provision.Objects{Actions: []string{"create", "update", "delete"}},
		OnUnassign: "disable", OnDisable: "disable", OnDelete: "disable",
		Hold:       provision.Hold{Removals: 10, Min: 5, Max: 100, Window: provision.Duration(24 * time.Hour), Updates: provision.NoThreshold},
		Quarantine: provision.DefaultQuarantine,
		Drift:      provision.Drift{Attributes: "repair", Members: "repair", Accounts: "report"},
	}
	if diff := cmp.Diff(want, app.Provisioning); diff != "" {
		t.Errorf("provisioning (-want +got):\n%s", diff)
	}
	matching := map[int]string{}
	for _, m := range app.Mappings.Users {
		if m.Match > 0 {
			matching[m.Match] = m.Target
		}
	}
	if diff := cmp.Diff(map[int]string{1: "userName", 2: `emails[type eq "work"].value`}, matching); diff != "" {
		t.Errorf("matching attributes (-want +got):\n%s", diff)
	}
	// What one application does to its mappings is nobody else's.
	app.Mappings.Users[0].Target = "changed"
	app.Provisioning.Users.Actions[0] = "changed"
	if again := tpl.Application(); again.Mappings.Users[0].Target != "userName" || again.Provisioning.Users.Actions[0] != "create" {
		t.Error("two applications share their mappings or actions")
	}
}

func TestLookupNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	_, err := gallery.Lookup("scim")
	if err == nil || !strings.Contains(err.Error(), "scim2") {
		t.Fatalf("Lookup of an unknown template: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile("templates/scim2.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":          {"title: SCIM 2.0", "title: SCIM 2.0\ncolour: red", "colour"},
		"unknown nested key":   {"concurrency: 64", "concurency: 64", "concurency"},
		"key twice":            {"title: SCIM 2.0", "title: SCIM 2.0\ntitle: again", "already defined"},
		"bad path":             {"target: title,", "target: 'ti tle',", "ti tle"},
		"required not mapped":  {"users: [userName]", "users: [userName, nickName]", "nickName"},
		"no source":            {`match: 1, from: "RFC 7643 §4.2"`, `match: 1`, "displayName"},
		"matching gap":         {"match: 2", "match: 3", "place 2"},
		"bad duration":         {"interval: 10m", "interval: ten", "ten"},
		"bad choice":           {"scope: assigned", "scope: some", "some"},
		"two documents":        {"name: scim2", "name: scim2\n---\nname: x", "more than one"},
		"unencrypted endpoint": {"\nrequired:", "\nendpoint: http://example.org\nrequired:", "https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(string(good), c.old, c.new, 1)
			if text == string(good) {
				t.Fatal("the case changes nothing")
			}
			if _, err := gallery.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	good, err := os.ReadFile("templates/scim2.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("name: x\nauth: []\n"))
	f.Add([]byte("- 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if tpl, err := gallery.Parse(b); err == nil {
			tpl.Application()
		}
	})
}
