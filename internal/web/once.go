package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-id/muster/internal/admin"
)

// once lets a request be repeated under an Idempotency-Key: it is done once, and answered again.
func once(op *huma.Operation) { repeatable(op, false) }

// onceSecret is [once] for answers that hold a secret: they are kept nowhere, and repeating such a
// request is refused.
func onceSecret(op *huma.Operation) { repeatable(op, true) }

func repeatable(op *huma.Operation, secret bool) {
	longest := longestKey
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: keyHeader, In: "header", Schema: &huma.Schema{Type: "string", MaxLength: &longest},
		Description: "A request with the same key and content is done once and answered again, for a day.",
	})
	with(op, onceKey, secret)
}

const (
	onceKey    = "once" // holds whether the answer is a secret
	keyHeader  = "Idempotency-Key"
	longestKey = 255
)

// kept is an answer that is given again.
type kept struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

// keptHeaders are those that belong to the answer, and not to the request that it was given to.
var keptHeaders = []string{"Content-Type", "ETag", "Location", "Muster-Changed"}

// again does a request under its key, or answers it as the first time. It returns false when there is
// nothing to repeat.
func (s *Server) again(ctx huma.Context, op *huma.Operation, next func(huma.Context)) bool {
	r, w := humago.Unwrap(ctx)
	key := r.Header.Get(keyHeader)
	secret, repeats := op.Metadata[onceKey].(bool)
	if key == "" || !repeats {
		return false
	}
	request, err := readRequest(r, key)
	if err != nil {
		fail(w, err)
		return true
	}
	owner := PrincipalOf(ctx.Context()).ID
	earlier, err := s.desk.Ask(r.Context(), owner, key, request)
	if err != nil {
		fail(w, err)
		return true
	}
	if earlier != nil {
		if err := replay(w, *earlier); err != nil {
			fail(w, err)
		}
		return true
	}
	seen := &recorder{watched: watched{ResponseWriter: w}}
	after := context.WithoutCancel(r.Context())
	answer := ""
	defer func() {
		if err := s.desk.Answered(after, owner, key, answer); err != nil {
			s.log.ErrorContext(after, "an answer was not kept", "request", noteOf(after).id, "error", err)
		}
	}()
	next(huma.WithContext(humago.NewContext(op, r, seen), ctx.Context()))
	if seen.status >= 200 && seen.status < 300 {
		answer = seen.kept(secret)
	}
	return true
}

// readRequest reads the body of a request, which stays readable, and returns what tells it from others.
func readRequest(r *http.Request, key string) (string, error) {
	if len(key) > longestKey {
		return "", &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: fmt.Sprintf("the %s is longer than %d bytes", keyHeader, longestKey), Next: "a UUID is enough"}
	}
	if acceptsEvents(r) {
		return "", &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "a stream of events cannot be repeated", Next: "leave out the " + keyHeader + ", or accept application/json"}
	}
	b, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return "", refused(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", large.Limit))
	}
	if err != nil {
		return "", refused(http.StatusBadRequest, "the body of the request broke off")
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %s\n", r.Method, r.URL.RequestURI())
	sum.Write(b)
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// replay gives an answer again.
func replay(w http.ResponseWriter, earlier admin.Answer) error {
	var k kept
	switch {
	case !earlier.Same:
		return &admin.Problem{Exit: admin.ExitUsage, Code: "key_reused", Message: "another request was sent with this " + keyHeader, Next: "choose a new key for a new request"}
	case earlier.Text == "":
		return &admin.Problem{Exit: admin.ExitInternal, Code: "key_in_use", Message: "the first request with this " + keyHeader + " is still being done", Next: "wait, then repeat it"}
	case json.Unmarshal([]byte(earlier.Text), &k) != nil:
		return fmt.Errorf("a kept answer cannot be read")
	case k.Body == "":
		return &admin.Problem{Exit: admin.ExitUsage, Code: "shown_once", Message: "this was done, and its secret is shown by the first answer alone", Next: "make another with a new key, and take the first away"}
	}
	for name, value := range k.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(k.Status)
	_, _ = io.WriteString(w, k.Body) // whoever asked is gone, or reads it
	return nil
}

// recorder keeps what is answered.
type recorder struct {
	watched
	body bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.watched.Write(b)
}

func (r *recorder) kept(secret bool) string {
	k := kept{Status: r.status, Header: map[string]string{}, Body: r.body.String()}
	if secret {
		k.Body = ""
	}
	for _, name := range keptHeaders {
		if v := r.Header().Get(name); v != "" {
			k.Header[name] = v
		}
	}
	b, _ := json.Marshal(k) // texts and numbers
	return string(b)
}
