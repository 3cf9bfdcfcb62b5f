package connector

import "cmp"

// The codes of [Diagnosis].
const (
	DiagnosisOK          = "ok"
	DiagnosisToken       = "token_wrong"
	DiagnosisScope       = "scope_missing"
	DiagnosisRole        = "role_missing"
	DiagnosisPlan        = "plan_without_scim"
	DiagnosisEndpoint    = "endpoint_wrong"
	DiagnosisUnreachable = "unreachable"
	DiagnosisTLS         = "tls"
	DiagnosisNotSCIM     = "not_scim"
	DiagnosisRateLimited = "rate_limited"
)

// diagnoses says what a failed read of users means for the connection; the first row that fits
// counts, "" fits all.
var diagnoses = []struct {
	kind    Failure
	code    string // of the Error
	verdict string
	next    string // "" for the advice of the Error
}{
	{Unauthorised, CodeNoToken, DiagnosisToken, "Authorise the connection in a browser, or check client_id, secret, scopes and token_url of connection.auth."},
	{Unauthorised, "", DiagnosisToken, "Enter a valid token of this target: copied whole, not expired, not revoked, and made by an administrator."},
	{"", CodePlan, DiagnosisPlan, "Check that the target's plan includes provisioning by SCIM."},
	{Forbidden, "", DiagnosisScope, "The target doesn't tell a missing scope from a missing role: give the token the scope to manage users and groups, and check that the account that made it is still an administrator."},
	{"", CodeThrottled, DiagnosisRateLimited, "The credentials were not looked at. Wait for the pause that the target asks for, then test again."},
	{"", CodeTLS, DiagnosisTLS, ""},
	{"", CodeRedirected, DiagnosisEndpoint, "Enter the address that the endpoint points to, if it is the target's own; Muster sends credentials nowhere else."},
	{"", CodeEndpoint, DiagnosisEndpoint, "Check the endpoint's path: it is what stands before /Users in the target's documentation."},
	{"", CodeElsewhere, DiagnosisEndpoint, ""},
	{NotFound, "", DiagnosisEndpoint, "Check the endpoint's path: it is what stands before /Users in the target's documentation."},
	{"", CodeMethod, DiagnosisEndpoint, "Check the endpoint's path: it is what stands before /Users in the target's documentation."},
	{"", CodeNotJSON, DiagnosisNotSCIM, "A web page answers at this address: enter the target's SCIM endpoint, not its console, and look for a proxy that asks to sign in."},
	{"", CodeTooLarge, DiagnosisNotSCIM, "Enter the target's SCIM endpoint."},
	{"", CodeNotSCIM, DiagnosisNotSCIM, "Something else than SCIM answers at this address: enter the target's SCIM endpoint."},
	{Rejected, "", DiagnosisEndpoint, "The target refuses to list users: check the endpoint and its version, and the options of the connection."},
	{"", CodeServerError, DiagnosisUnreachable, "The target itself failed. Test again later; if it stays, ask whoever runs the target, and check the endpoint's path."},
	{"", CodeMaintenance, DiagnosisUnreachable, "The target says that it is not available: test again later."},
	{Canceled, "", DiagnosisUnreachable, "The test was given up before an answer came: test again."},
	{"", "", DiagnosisUnreachable, "Check the endpoint's name and port, and proxies and firewalls between; if the target is down, test again later."},
}

// Diagnose puts the failure of a read of users into the terms of Test Connection.
func Diagnose(e *Error) Diagnosis {
	for _, row := range diagnoses {
		if (row.kind == "" || row.kind == e.Kind) && (row.code == "" || row.code == e.Code) {
			return Diagnosis{Code: row.verdict, Message: e.Error(), Next: cmp.Or(row.next, e.Advice), Exchange: e.Exchange}
		}
	}
	return Diagnosis{Code: DiagnosisUnreachable, Message: e.Error(), Exchange: e.Exchange}
}
