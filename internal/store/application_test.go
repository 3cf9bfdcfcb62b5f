package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

func application(name string, assignments ...provision.Assignment) *provision.Application {
	return &provision.Application{
		Name: name, Template: "scim2",
		Connection: provision.Connection{Endpoint: "https://scim.example.org/v2/", Auth: provision.Auth{Type: "bearer", Token: "not-for-the-row"}},
		Provisioning: provision.Provisioning{
			Status: "on", Interval: provision.Duration(10 * time.Minute), Scope: "assigned",
			Hold: provision.Hold{Removals: 10, Min: 5, Max: 100, Updates: provision.NoThreshold},
		},
		Mappings:    provision.Mappings{Users: []mapping.Mapping{{Target: "userName", Source: "userName", Match: 1}}},
		Assignments: assignments,
	}
}

// due returns and removes what an application is asked to look at.
func due(t *testing.T, s *store.Store, appID string, names map[string]string) []string {
	t.Helper()
	got := []string{}
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		got = []string{}
		rows, err := tx.Query(t.Context(), "select type, object_id from due where app_id = $1", appID)
		if err != nil {
			return err
		}
		for rows.Next() {
			var kind, id string
			if err := rows.Scan(&kind, &id); err != nil {
				return err
			}
			if n, ok := names[id]; ok {
				id = n
			}
			got = append(got, kind+" "+id)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), "delete from due")
		return err
	})
	must(t)(err)
	slices.Sort(got)
	return got
}

func TestSavingAnApplicationAsksForThoseConcerned(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		ada, bob, eve := person(t, s, "ada"), person(t, s, "bob"), person(t, s, "eve")
		inner := group(t, s, "Inner", users(bob)...)
		outer := group(t, s, "Outer", append(users(ada), groups(inner)...)...)
		names := map[string]string{ada: "ada", bob: "bob", eve: "eve", inner: "inner", outer: "outer"}
		app := application("App", provision.Assignment{User: "eve"})
		save := func(edit func(a *provision.Application)) func() bool {
			return func() bool {
				now, err := s.Application(ctx, "app")
				if errors.Is(err, store.ErrNotFound) {
					now = app
				} else {
					must(t)(err)
				}
				edit(now)
				changed, err := s.SaveApplication(ctx, admin, now)
				must(t)(err)
				app.ID = now.ID
				return changed
			}
		}
		steps := []struct {
			what    string
			do      func() bool
			changed bool
			want    []string
		}{
			{"new", save(func(*provision.Application) {}), true, []string{"user eve"}},
			{"the same", save(func(*provision.Application) {}), false, []string{}},
			{"an interval", save(func(a *provision.Application) { a.Provisioning.Interval = 5 }), true, []string{}},
			{"a filter", save(func(a *provision.Application) { a.Provisioning.Filters = []string{"user.active"} }), true, []string{"all *"}},
			{"a mapping", save(func(a *provision.Application) { a.Mappings.Users[0].Default = "x" }), true, []string{"all *"}},
			{"a group", save(func(a *provision.Application) {
				a.Assignments = append(a.Assignments, provision.Assignment{Group: "outer"})
			}), true, []string{"group outer", "user ada", "user bob"}},
			{"a role", save(func(a *provision.Application) {
				for i := range a.Assignments {
					if a.Assignments[i].User != "" {
						a.Assignments[i].Role = provision.RoleDefaultAccess
					}
				}
			}), true, []string{"user eve"}},
			{"without the group", save(func(a *provision.Application) {
				a.Assignments = slices.DeleteFunc(a.Assignments, func(a provision.Assignment) bool { return a.Group != "" })
			}), true, []string{"group outer", "user ada", "user bob"}},
			{"assign", func() bool {
				changed, err := s.Assign(ctx, admin, app.ID, provision.Assignment{User: "ada"})
				must(t)(err)
				return changed
			}, true, []string{"user ada"}},
			{"assign again", func() bool {
				changed, err := s.Assign(ctx, admin, app.ID, provision.Assignment{User: "ada"})
				must(t)(err)
				return changed
			}, false, []string{}},
			{"unassign", func() bool {
				changed, err := s.Unassign(ctx, admin, app.ID, provision.Assignment{User: "ada"})
				must(t)(err)
				return changed
			}, true, []string{"user ada"}},
		}
		for _, step := range steps {
			if changed := step.do(); changed != step.changed {
				t.Errorf("%s: changed = %v", step.what, changed)
			}
			if diff := cmp.Diff(step.want, due(t, s, app.ID, names)); diff != "" {
				t.Errorf("%s: due (-want +got):\n%s", step.what, diff)
			}
		}
		// Of ten thousand assignments the audit log keeps the one that is made or taken away.
		assigned := func(docs ...map[string]any) (n []int) {
			for _, doc := range docs {
				list, _ := doc["assignments"].([]any)
				n = append(n, len(list))
			}
			return n
		}
		entries, err := s.AuditLog(ctx, store.AuditQuery{Action: "assign", Limit: 2})
		must(t)(err)
		if made, taken := assigned(entries[1].Before, entries[1].After), assigned(entries[0].Before, entries[0].After); !slices.Equal(made, []int{0, 1}) || !slices.Equal(taken, []int{1, 0}) {
			t.Errorf("the audit log has %v assignments before and after one was made, and %v where it was taken away", made, taken)
		}
		if _, err := s.SaveApplication(ctx, admin, application("APP")); !errors.Is(err, store.ErrExists) {
			t.Errorf("a second application of one name: %v", err)
		}
		if _, err := s.SaveApplication(ctx, admin, application("other", provision.Assignment{User: "adda"})); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "did you mean ada?") {
			t.Errorf("an unknown user: %v", err)
		}
		if _, err := s.Application(ctx, "ap"); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "did you mean App?") {
			t.Errorf("an unknown application: %v", err)
		}
		must(t)(s.DeleteApplication(ctx, admin, app.ID))
		if all, err := s.Applications(ctx); err != nil || len(all) != 0 {
			t.Errorf("after deleting: %v %v", all, err)
		}
		log, err := s.AuditLog(ctx, store.AuditQuery{Object: app.ID, Limit: 1000})
		must(t)(err)
		var did []string
		for _, e := range log {
			did = append(did, e.Action)
		}
		if got := strings.Join(did, ","); got != "delete,assign,assign,assign,assign,assign,update,update,update,create" {
			t.Errorf("audit log: %s", got)
		}
		if text := fmt.Sprint(log); strings.Contains(text, "not-for-the-row") {
			t.Error("the audit log holds the token")
		}
	})
}

func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		ctx := context.Background()
		s := storetest.Open(t, c)
		const token = "xoxp-the-very-secret-token"
		app := application("app")
		app.Connection.Auth.Token = token
		_, err := s.SaveApplication(ctx, admin, app)
		must(t)(err)
		if _, err := s.Secret(ctx, app.ID, "token", "https://a.example.org/"); !errors.Is(err, store.ErrNeedsSecret) {
			t.Errorf("before it was given: %v", err)
		}
		must(t)(s.SetSecret(ctx, admin, app.ID, "token", "https://A.example.org/scim/v2", token))
		for _, same := range []string{"https://a.example.org/other", "https://a.example.org:443"} {
			if got, err := s.Secret(ctx, app.ID, "token", same); err != nil || got != token {
				t.Errorf("for %s: %v", same, err)
			}
		}
		for _, other := range []string{"http://a.example.org/", "https://a.example.org:8443/", "https://b.example.org/", "https://a.example.org.evil.test/"} {
			if got, err := s.Secret(ctx, app.ID, "token", other); got != "" || !errors.Is(err, store.ErrNeedsSecret) {
				t.Errorf("for %s: %q, %v", other, got, err)
			}
		}
		// Moved to another place in the database it does not open.
		must(t)(s.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "insert into secrets (app_id, name, origin, sealed) select 'mallory', name, 'https://evil.example.org:443', sealed from secrets")
			return err
		}))
		if got, err := s.Secret(ctx, "mallory", "token", "https://evil.example.org/"); got != "" || err == nil {
			t.Errorf("a copied secret opens: %v", err)
		}
		info, err := os.Stat(filepath.Join(c.Data, "muster.key"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key file: %v %v", info, err)
		}
		var archive bytes.Buffer
		must(t)(s.Backup(ctx, &archive))
		s.Close()
		must(t)(filepath.WalkDir(c.Data, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte(token)) || bytes.Contains(b, []byte("very-secret")) {
				t.Errorf("%s holds the token", path)
			}
			if mode, _ := d.Info(); mode.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s is open to others: %v", path, mode.Mode())
			}
			return err
		}))
		c.Key = bytes.Repeat([]byte{7}, 32)
		other := storetest.Open(t, c)
		if got, err := other.Secret(ctx, app.ID, "token", "https://a.example.org/"); got != "" || !errors.Is(err, store.ErrNeedsSecret) || !strings.Contains(err.Error(), "sealed with the key") {
			t.Errorf("with another key: %v", err)
		}
	})
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		strings.Repeat("ab", 32): true, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n": true, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE": true,
		"": false, "short": false, strings.Repeat("ab", 31): false,
	} {
		if key, err := store.ParseKey(text); (err == nil && len(key) == 32) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
