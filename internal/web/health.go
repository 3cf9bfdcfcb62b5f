package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
)

// Health answers /healthz (the process lives) and /readyz (it can do its work: ready returns nil), and
// hands every other request on. Neither needs a token, and neither says more than a sentence.
func Health(ready func() error, rest http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, "ok", "") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			health(w, "not ready", why(err))
			return
		}
		health(w, "ok", "")
	})
	mux.Handle("/", rest)
	return mux
}

// why says what is wrong to whoever asks: what kind of trouble it is, and no host, user or file. Those are in the log.
func why(err error) string {
	if known := (*store.Error)(nil); errors.As(err, &known) {
		return "Muster's database: " + known.Kind.Error() + "; the server's log says more"
	}
	if errors.Is(err, cycle.ErrNotBegun) {
		return err.Error()
	}
	return "Muster cannot work; the server's log says why"
}

// health writes one small document.
func health(w http.ResponseWriter, status, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{status, reason}) // whoever asked may have gone
}
