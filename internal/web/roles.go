package web

import (
	"maps"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/web/account"
	"github.com/muster-id/muster/internal/web/console"
)

// Anyone is the role of routes that ask for none.
const Anyone admin.Role = ""

// roles gives each route its role, by method and pattern as [http.ServeMux] reads them. Pages stand
// here too. Whoever may do more may do this as well.
var roles = map[string]admin.Role{
	"GET /openapi.json":     Anyone,
	"GET /openapi-3.0.json": Anyone, // the same for generators that do not read 3.1
	"GET /docs":             Anyone,
	"GET /docs/{page...}":   Anyone,
	"GET /metrics":          Anyone, // names no person

	"GET /api/v1/users":           admin.Reader,
	"POST /api/v1/users":          admin.Admin,
	"GET /api/v1/users/{user}":    admin.Reader,
	"PATCH /api/v1/users/{user}":  admin.Admin,
	"DELETE /api/v1/users/{user}": admin.Admin,

	"GET /api/v1/groups":                   admin.Reader,
	"POST /api/v1/groups":                  admin.Admin,
	"GET /api/v1/groups/{group}":           admin.Reader,
	"PATCH /api/v1/groups/{group}":         admin.Admin,
	"DELETE /api/v1/groups/{group}":        admin.Admin,
	"GET /api/v1/groups/{group}/members":   admin.Reader,
	"PATCH /api/v1/groups/{group}/members": admin.Admin,

	"POST /api/v1/imports": admin.Admin,

	"GET /api/v1/applications":                      admin.Reader,
	"POST /api/v1/applications":                     admin.Admin,
	"GET /api/v1/applications/{app}":                admin.Reader,
	"PUT /api/v1/applications/{app}":                admin.Admin,
	"PATCH /api/v1/applications/{app}":              admin.Admin,
	"DELETE /api/v1/applications/{app}":             admin.Admin,
	"POST /api/v1/applications/{app}/assignments":   admin.Admin,
	"DELETE /api/v1/applications/{app}/assignments": admin.Admin,
	"POST /api/v1/applications/{app}/restart":       admin.Admin,
	"POST /api/v1/applications/{app}/start":         admin.Admin,
	"POST /api/v1/applications/{app}/stop":          admin.Operator,
	"POST /api/v1/applications/{app}/pause":         admin.Operator,
	"POST /api/v1/applications/{app}/resume":        admin.Operator,
	"GET /api/v1/config":                            admin.Reader,
	"POST /api/v1/config/apply":                     admin.Admin,
	"POST /api/v1/config/diff":                      admin.Admin, // it asks whether a secret is the sealed one

	"POST /api/v1/applications/{app}/test":          admin.Operator,
	"POST /api/v1/applications/{app}/mappings/test": admin.Reader,
	"POST /api/v1/applications/{app}/plans":         admin.Operator,
	"POST /api/v1/applications/{app}/undo":          admin.Operator,
	"GET /api/v1/plans/{plan}":                      admin.Reader,
	"GET /api/v1/plans/{plan}/operations":           admin.Reader,
	"POST /api/v1/applications/{app}/cycles":        admin.Operator,
	"POST /api/v1/applications/{app}/provision":     admin.Operator,
	"GET /api/v1/applications/{app}/explain":        admin.Reader,
	"GET /api/v1/applications/{app}/events":         admin.Reader,
	"GET /api/v1/applications/{app}/drift":          admin.Reader,
	"GET /api/v1/applications/{app}/held":           admin.Reader,
	"POST /api/v1/applications/{app}/held/approve":  admin.Operator,
	"POST /api/v1/applications/{app}/held/reject":   admin.Operator,

	"GET /api/v1/status":      admin.Reader,
	"GET /api/v1/logs":        admin.Reader,
	"GET /api/v1/logs/follow": admin.Reader,
	"GET /api/v1/audit":       admin.Reader,
	"GET /api/v1/doctor":      admin.Reader,
	"GET /api/v1/retention":   admin.Reader,
	"PUT /api/v1/retention":   admin.Owner,
	"GET /api/v1/backup":      admin.Owner,

	"GET /api/v1/notifications":                       admin.Reader,
	"PUT /api/v1/notifications/mail":                  admin.Admin,
	"DELETE /api/v1/notifications/mail":               admin.Admin,
	"POST /api/v1/notifications/webhooks":             admin.Admin,
	"DELETE /api/v1/notifications/webhooks/{webhook}": admin.Admin,
	"POST /api/v1/notifications/send":                 admin.Admin,
	"POST /api/v1/notifications/test":                 admin.Admin,

	"GET /api/v1/administrators":                     admin.Owner,
	"POST /api/v1/administrators":                    admin.Owner,
	"GET /api/v1/administrators/{admin}":             admin.Owner,
	"PATCH /api/v1/administrators/{admin}":           admin.Owner,
	"DELETE /api/v1/administrators/{admin}":          admin.Owner,
	"POST /api/v1/administrators/{admin}/reset":      admin.Owner,
	"POST /api/v1/administrators/{admin}/disable":    admin.Owner,
	"POST /api/v1/administrators/{admin}/enable":     admin.Owner,
	"GET /api/v1/administrators/{admin}/sessions":    admin.Owner,
	"DELETE /api/v1/administrators/{admin}/sessions": admin.Owner,

	"GET /api/v1/sign-in":            admin.Owner,
	"PUT /api/v1/sign-in/local":      admin.Owner,
	"PUT /api/v1/sign-in/oidc":       admin.Owner,
	"DELETE /api/v1/sign-in/oidc":    admin.Owner,
	"POST /api/v1/sign-in/oidc/test": admin.Owner,

	"GET /api/v1/tokens":            admin.Owner,
	"POST /api/v1/tokens":           admin.Owner,
	"DELETE /api/v1/tokens/{token}": admin.Owner,
}

// Roles returns the table of routes and the role that each needs, for the documentation and tests.
func Roles() map[string]admin.Role {
	out := make(map[string]admin.Role, len(roles))
	maps.Copy(out, roles)
	maps.Copy(out, console.Routes())
	maps.Copy(out, account.Routes())
	return out
}
