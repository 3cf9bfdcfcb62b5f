package connector

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// Codes of failures that are ours, where the target has none of its own. They stand in
// [Error].Code.
const (
	CodeTimeout     = "timeout"      // no answer, or not the whole of it, in time
	CodeUnreachable = "unreachable"  // no connection: name, route, refused
	CodeTLS         = "tls"          // no trusted connection
	CodeReset       = "reset"        // the connection broke
	CodeRedirected  = "redirected"   // another address was named; credentials do not go there
	CodeNotJSON     = "not_json"     // an answer that is no JSON
	CodeTooLarge    = "too_large"    // an answer beyond the bounds
	CodeNotSCIM     = "not_scim"     // JSON, but not what was asked for
	CodeNoID        = "no_id"        // a create whose answer names no account
	CodeThrottled   = "throttled"    // 429 past every patience
	CodeEndpoint    = "endpoint"     // nothing at this address
	CodeElsewhere   = "elsewhere"    // SCIM, but not the target whose accounts are linked
	CodeCanceled    = "canceled"     // we stopped waiting
	CodeUniqueness  = "uniqueness"   // RFC 7644 §3.12
	CodeNoTarget    = "noTarget"     // RFC 7644 §3.12
	CodeHTTP        = "http_error"   // nothing more is known than the status
	CodeMutability  = "mutability"   // RFC 7644 §3.12
	CodeIncomplete  = "incomplete"   // beside [ErrIncomplete], where a log wants a code
	CodeUnreadable  = "unreadable"   // the credentials or the request could not be put together
	CodePlan        = "plan"         // the target wants to be paid first
	CodeMaintenance = "maintenance"  // the target says when it is back
	CodeMethod      = "method"       // the target does not know the request
	CodeServerError = "server_error" // 5xx
)

// byStatus classifies every answer that is no success; the first row that fits counts. Unknown says
// whether a write may have been carried out all the same.
var byStatus = []struct {
	from, to     int
	kind         Failure
	unknown      bool // for a write
	code, reason string
	advice       string
}{
	{300, 399, Unavailable, false, CodeRedirected, "points to another address", "Enter the endpoint's final address; Muster sends credentials nowhere else."},
	{401, 401, Unauthorised, false, "", "refuses the credentials", "Enter a valid token for this connection, then test it."},
	{402, 402, Forbidden, false, CodePlan, "wants its plan changed", "Check that the plan there includes provisioning by SCIM."},
	{403, 403, Forbidden, false, "", "does not allow this", "Check the token's scope and role at the target; owners and bots can only be changed there."},
	{404, 404, NotFound, false, "", "knows no such account", "It was removed at the target, or the endpoint is wrong; the next cycle looks again."},
	{405, 405, Rejected, false, CodeMethod, "does not know this kind of request", "Check the endpoint's address and the protocol options of the connection."},
	{408, 408, Unavailable, true, CodeTimeout, "gave up waiting", "It is tried again by itself."},
	{409, 409, Conflict, false, "", "says that another account stands in the way", "Find the account that has this userName or e-mail address; Muster adopts it when exactly one matches."},
	{410, 410, NotFound, false, "", "knows no such account any more", "It was removed at the target; the next cycle looks again."},
	{413, 413, Rejected, false, CodeTooLarge, "finds the request too large", "Lower the option member_batch of the connection."},
	{425, 425, Unavailable, false, "", "is not ready", "It is tried again by itself."},
	{429, 429, Unavailable, false, CodeThrottled, "asks for fewer requests", "Lower limits.requests_per_second of the connection, or wait."},
	{400, 499, Rejected, false, "", "refuses the request", "Correct the value or the mapping that the target's words name."},
	{501, 501, Rejected, false, CodeMethod, "does not know this kind of request", "Check the protocol options of the connection."},
	{503, 503, Unavailable, true, CodeMaintenance, "is not available", "It is tried again by itself."},
	{500, 599, Unavailable, true, CodeServerError, "failed", "It is tried again by itself; tell the target's vendor if it stays."},
	{0, 999, Unavailable, true, CodeHTTP, "gave an answer that means nothing", "Check the endpoint's address."},
}

// byCode overrides byStatus where the target's own code says more than its status: some answer 400
// where RFC 7644 §3.12 wants 409.
var byCode = map[string]struct {
	kind   Failure
	advice string
}{
	"uniqueness":    {Conflict, "Find the account that has this userName or e-mail address; Muster adopts it when exactly one matches."},
	"mutability":    {Rejected, "Map this attribute with when: create, or leave it out: the target lets nobody change it."},
	"noTarget":      {Rejected, "It is tried again with the account's present values."},
	"invalidFilter": {Rejected, "Set the option filter of the connection to none."},
	"invalidPath":   {Rejected, "Leave the attribute that the target names out of the mappings."},
	"invalidSyntax": {Rejected, "Leave out the attribute that the target does not know, or check the protocol options."},
	"invalidValue":  {Rejected, "Correct the value in the directory, or the mapping that makes it."},
	"tooMany":       {Rejected, "Lower the option page_size of the connection."},
	"sensitive":     {Rejected, "Leave this attribute out of the mappings."},
}

// refused makes the error of an answer whose status is no success.
func refused(host string, status int, body any, write bool) *Error {
	e := &Error{Status: status}
	for _, row := range byStatus {
		if status < row.from || status > row.to {
			continue
		}
		e.Kind, e.Code, e.Advice = row.kind, row.code, row.advice
		e.Unknown = row.unknown && write
		e.Reason = host + " " + row.reason
		break
	}
	code, sentence := words(body)
	if row, ok := byCode[code]; ok && status >= 400 && status < 500 && status != 401 && status != 403 && status != 429 {
		e.Kind, e.Advice = row.kind, row.advice
	}
	if code != "" {
		e.Code = code
	}
	if e.Code == "" {
		e.Code = CodeHTTP
	}
	switch {
	case sentence != "":
		e.Reason += ": " + sentence
	case code != "":
		e.Reason += ": " + code
	}
	return e
}

// noCollection puts a refusal right that was not about an account, but about all of them: a list, or a create.
func (e *Error) noCollection(host string) {
	if e.Status != http.StatusNotFound && e.Status != http.StatusGone || e.Code != CodeHTTP {
		return
	}
	_, said, found := strings.Cut(e.Reason, ": ")
	e.Reason, e.Advice = host+" has nothing at this address", "Check the endpoint of the connection."
	if found {
		e.Reason += ": " + said
	}
}

// untrusted says what to do about a connection that is not trusted.
func untrusted(err error) string {
	var (
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		known   x509.UnknownAuthorityError
		plain   tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "Have the certificate renewed by whoever runs the target; where it is valid, this machine's clock is wrong."
	case errors.As(err, &name):
		return "Enter the endpoint under a name that its certificate has, or have a certificate made for this one."
	case errors.As(err, &known):
		return "Set connection.ca_file to the authority that signed the certificate, in PEM form; where it is set, it is another one's. A target on the internet may leave out its intermediate certificates: whoever runs it has to add them."
	case errors.As(err, &plain), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "Something else than TLS answers at this port: check the port, and proxies between."
	}
	return "Check the certificate of the endpoint; for a certificate authority of your own set connection.ca_file."
}

// broken makes the error of a request that got no answer, or not the whole of one. Sent says
// whether the request had a connection, so that the target may have seen it.
func broken(ctx context.Context, host string, err error, write, sent bool) *Error {
	// A *url.Error repeats the URL, and with it a person's name in a filter.
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	e := &Error{Kind: Unavailable, Unknown: write && sent, Err: err}
	var (
		dns   *net.DNSError
		alert tls.AlertError
		inTLS tls.RecordHeaderError
		cert  *tls.CertificateVerificationError
		timer net.Error
		not   *ForbiddenAddress
		known x509.UnknownAuthorityError
	)
	switch {
	case ctx.Err() != nil:
		e.Kind, e.Code, e.Reason = Canceled, CodeCanceled, "the request to "+host+" was given up"
		e.Advice = "It is taken up again when Muster runs."
	case errors.As(err, &cert), errors.As(err, &known), errors.As(err, &inTLS), errors.As(err, &alert), strings.Contains(err.Error(), "HTTP response to HTTPS client"), strings.HasPrefix(err.Error(), "tls: "), strings.Contains(err.Error(), "remote error: tls"):
		e.Code, e.Reason = CodeTLS, "no trusted connection to "+host+": "+plain(err.Error(), 300)
		e.Advice = untrusted(err)
	case errors.As(err, &not):
		e.Code, e.Reason = CodeUnreachable, host+" is not asked: "+not.Why
		e.Advice = "Give the address of the target."
		if not.LinkLocal {
			e.Advice += " Where it really is there, connection.allow_link_local: true allows it."
		}
	case errors.As(err, &dns):
		e.Code, e.Reason = CodeUnreachable, "the name "+host+" cannot be resolved"
		e.Advice = "Check the endpoint's spelling and this machine's DNS."
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Code, e.Reason = CodeUnreachable, host+" refuses connections"
		e.Advice = "Check that the target runs, its port, and firewalls between."
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timer) && timer.Timeout():
		e.Code, e.Reason = CodeTimeout, host+" did not answer in time"
		if !sent {
			e.Code, e.Reason = CodeUnreachable, host+" cannot be reached in time"
		}
		e.Advice = "It is tried again by itself; check the network if it stays."
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), sent:
		e.Code, e.Reason = CodeReset, host+" broke the connection off"
		e.Advice = "It is tried again by itself."
	default:
		e.Code, e.Reason = CodeUnreachable, host+" cannot be reached: "+plain(err.Error(), 300)
		e.Advice = "Check the endpoint and the network."
	}
	return e
}

// unusable makes the error of a success that carries nothing to work with.
func unusable(host string, status int, err error, write bool) *Error {
	e := &Error{
		Kind: Unavailable, Code: CodeNotJSON, Status: status, Unknown: write, Err: err,
		Reason: host + " answered with something other than JSON",
		Advice: "Check that the endpoint is the SCIM address, and that no proxy answers in its place.",
	}
	if !errors.Is(err, errNotJSON) {
		e.Code, e.Reason = CodeTooLarge, host+" answered beyond all bounds: "+err.Error()
		e.Advice = "Lower the option page_size, or tell the target's vendor."
	}
	return e
}

// isWrite reports whether a request may change something.
func isWrite(method string) bool { return method != http.MethodGet && method != http.MethodHead }
