package web

import (
	"encoding/json"
	"net/http"
)

// Health answers /healthz (the process lives) and /readyz (it can do its work: ready returns nil), and
// hands every other request on. Neither needs a token, and neither says more than a sentence.
func Health(ready func() error, rest http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, "ok", "") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			health(w, "not ready", err.Error())
			return
		}
		health(w, "ok", "")
	})
	mux.Handle("/", rest)
	return mux
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
