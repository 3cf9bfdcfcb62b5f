package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
)

// statuses give the codes of problems their HTTP status. What is not listed has it by its exit status.
var statuses = map[string]int{
	"unauthorized":       http.StatusUnauthorized,
	"forbidden":          http.StatusForbidden,
	"not_found":          http.StatusNotFound,
	"ambiguous":          http.StatusConflict,
	"exists":             http.StatusConflict,
	"plan_stale":         http.StatusConflict,
	"in_use":             http.StatusConflict,
	"needs_secret":       http.StatusConflict,
	"changed":            http.StatusPreconditionFailed,
	"condition_missing":  http.StatusPreconditionRequired,
	"key_reused":         http.StatusUnprocessableEntity,
	"key_in_use":         http.StatusConflict,
	"shown_once":         http.StatusConflict,
	"invalid":            http.StatusUnprocessableEntity,
	"configuration":      http.StatusUnprocessableEntity,
	"mapping":            http.StatusUnprocessableEntity,
	"mapping_tests":      http.StatusUnprocessableEntity,
	"format":             http.StatusUnprocessableEntity,
	"too_large":          http.StatusRequestEntityTooLarge,
	"method_not_allowed": http.StatusMethodNotAllowed,
	"busy":               http.StatusServiceUnavailable,
	"unreachable":        http.StatusServiceUnavailable,
	"read_only":          http.StatusServiceUnavailable,
	"interrupted":        http.StatusServiceUnavailable,
	"disk_full":          http.StatusInsufficientStorage,
}

// byExit are the statuses of the codes that a target's answer has, and of those without a row.
var byExit = map[int]int{
	admin.ExitInternal: http.StatusInternalServerError,
	admin.ExitUsage:    http.StatusBadRequest,
	admin.ExitTarget:   http.StatusBadGateway,
}

// problemOf puts any error into the form that is sent.
func problemOf(err error) *api.Problem {
	if p, ok := err.(*api.Problem); ok {
		return p
	}
	p := admin.Explain(err)
	status, ok := statuses[p.Code]
	if p.Exit == admin.ExitTarget && p.Code != "unauthorized" && p.Code != "forbidden" {
		status, ok = byExit[p.Exit], true // unreachable is the target here, and not Muster's database
	}
	if !ok {
		status = byExit[p.Exit]
	}
	if status == 0 {
		status = http.StatusInternalServerError
	}
	return &api.Problem{Title: http.StatusText(status), Status: status, Code: p.Code, Detail: p.Message, Next: p.Next, Exit: p.Exit}
}

// codes name what is wrong with a request before a route has seen it.
var codes = map[int]string{
	http.StatusBadRequest: "usage", http.StatusUnprocessableEntity: "usage", http.StatusNotFound: "not_found", http.StatusMethodNotAllowed: "method_not_allowed",
	http.StatusRequestEntityTooLarge: "too_large", http.StatusRequestTimeout: "timeout", http.StatusUnsupportedMediaType: "usage", http.StatusNotAcceptable: "usage",
}

// refused makes the problem of a request that cannot be understood.
func refused(status int, message string, faults ...error) *api.Problem {
	p := &api.Problem{Title: http.StatusText(status), Status: status, Code: codes[status], Detail: message, Next: "/openapi.json describes every request", Exit: admin.ExitUsage}
	if p.Code == "" {
		p.Code, p.Exit, p.Next = "internal", admin.ExitInternal, ""
	}
	var told []string
	for _, err := range faults {
		f := api.Fault{Message: err.Error()}
		if d, ok := err.(huma.ErrorDetailer); ok {
			detail := d.ErrorDetail()
			f = api.Fault{Location: detail.Location, Message: detail.Message}
		}
		p.Errors = append(p.Errors, f)
		told = append(told, strings.TrimSpace(f.Location+" "+f.Message))
	}
	if len(told) > 0 {
		p.Detail = "the request is not right: " + strings.Join(told, "; ")
	}
	return p
}

// The library makes its own problems, of requests that do not fit the document, by this variable of its own.
func init() {
	huma.DefaultArrayNullable = false // lists are never null, neither here nor in what the commands print
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return refused(status, message, errs...)
	}
}

// fail answers a request with a problem.
func fail(w http.ResponseWriter, err error) {
	p := problemOf(err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="muster"`)
	}
	b, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("web: a problem does not marshal: %v", err))
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n')) // whoever asked is gone, or reads it
}
