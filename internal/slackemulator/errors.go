package slackemulator

import (
	"fmt"
	"net/http"
	"time"
)

// scimError is a refusal in Slack's words. Slack has one code per cause; the HTTP status hangs on
// the code alone (statuses below, Policies.Statuses before it).
type scimError struct {
	code       string
	user       string        // userName the request was about; v1 appends it
	existing   string        // id of who holds the e-mail address already
	v1Shape    bool          // the layer in front of both versions speaks v1's shape
	retryAfter time.Duration // emulated; only with 429
}

func (e *scimError) Error() string { return e.code }

func refuse(code string) *scimError { return &scimError{code: code} }

// statuses of the codes, from https://docs.slack.dev/reference/scim-api where it says one, from
// reports of what was seen, else by the code's meaning; docs/slack-emulator.md marks which is
// which. A code that is absent here is 400.
var statuses = map[string]int{
	"bad_endpoint":                              http.StatusNotFound,
	"cannot_disable_bot_user_with_scim":         http.StatusForbidden,
	"cannot_disable_primary_owner":              http.StatusForbidden,
	"cannot_modify_gdpr":                        http.StatusForbidden,
	"cannot_modify_owner":                       http.StatusForbidden,
	"database_query_failure":                    http.StatusInternalServerError,
	"failed_to_remove_users_for_linked_subteam": http.StatusInternalServerError,
	"invalid_authentication":                    http.StatusUnauthorized,
	"method_not_allowed":                        http.StatusMethodNotAllowed,
	"missing_authentication":                    http.StatusUnauthorized,
	"no_such_group":                             http.StatusNotFound,
	"no_such_user":                              http.StatusNotFound,
	"non_org_teams_only":                        http.StatusForbidden,
	"permission_denied":                         http.StatusForbidden,
	"plus_teams_only":                           http.StatusForbidden,
	"primary_owner_check_failure":               http.StatusForbidden,
	"resource_locked":                           http.StatusTooManyRequests,
	"too_many_requests":                         http.StatusTooManyRequests,
	"internal_error":                            http.StatusInternalServerError,
}

func (e *scimError) status(p Policies) int {
	if status, ok := p.Statuses[e.code]; ok {
		return status
	}
	if status, ok := statuses[e.code]; ok {
		return status
	}
	return http.StatusBadRequest
}

// text is what a person reads in description (v1) or detail (v2). Clients are known to cut the
// holder's id out of it with email_taken.*existing_user=(U[A-Z0-9]+).
func (e *scimError) text(v version, p Policies) string {
	text := e.code
	if e.existing != "" && !p.HideExistingUser {
		text += " existing_user=" + e.existing
	}
	if v == v1 && e.user != "" {
		text += fmt.Sprintf(" (user=%s)", e.user)
	}
	return text
}

type errorV1 struct {
	Errors errorV1Body `json:"Errors"`
}

type errorV1Body struct {
	Description string `json:"description"`
	Code        int    `json:"code"`
}

type errorV2 struct {
	Schemas []string `json:"schemas"`
	Detail  string   `json:"detail"`
	Status  int      `json:"status"` // a number, unlike RFC 7644 §3.12
}

// reply renders e for a client of version v.
func (e *scimError) reply(v version, p Policies, c clock) *reply {
	status := e.status(p)
	out := &reply{status: status, code: e.code, header: http.Header{}}
	if status == http.StatusTooManyRequests {
		out.header.Set("Retry-After", fmt.Sprint(c.realSeconds(e.retryAfter)))
	}
	if v == v1 || e.v1Shape {
		out.value = errorV1{errorV1Body{e.text(v, p), status}}
	} else {
		out.value = errorV2{[]string{"urn:ietf:params:scim:api:messages:2.0:Error"}, e.text(v, p), status}
	}
	return out
}
