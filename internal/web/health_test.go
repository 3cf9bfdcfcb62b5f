package web_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web"
)

// Whoever may ask whether the server is ready, which is anybody, hears what kind of trouble there is, and nothing of where what is.
func TestReadyTellsNoSecrets(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		status int
		want   string
	}{
		"well":           {nil, 200, `"ok"`},
		"no database":    {fmt.Errorf("looking who is due: %w", &store.Error{Kind: store.ErrUnreachable, Reason: "Muster's PostgreSQL database at db.inside.example.org:5432 cannot be reached"}), 503, "unreachable"},
		"a full disk":    {&store.Error{Kind: store.ErrFull, Reason: "the disk that holds /var/lib/inside is full"}, 503, "disk full"},
		"not yet":        {cycle.ErrNotBegun, 503, "has not begun"},
		"something else": {errors.New(`open /var/lib/inside/muster.db: input/output error`), 503, "the server's log"},
	} {
		w := httptest.NewRecorder()
		web.Health(func() error { return tt.err }, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		if got := w.Body.String(); w.Code != tt.status || !strings.Contains(got, tt.want) || strings.Contains(got, "inside") {
			t.Errorf("%s: %d %s", name, w.Code, got)
		}
	}
}
