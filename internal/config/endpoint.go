package config

import (
	"net"
	"net/url"
	"strings"

	"github.com/muster-id/muster/internal/connector"
)

// checkURL says what is wrong with the address of a target, and what to write. The message never
// shows the address, which may hold a password. The token goes there, so plain http is for the
// machine itself unless allowed by name.
func checkURL(raw string, allowHTTP bool) (message, hint string) {
	const example = "write an address such as https://scim.example.com/v2/"
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return "is missing", example
	case err != nil:
		return "is not an address", example
	case u.User != nil:
		return "holds a user name or password", "take it out; credentials belong to connection.auth"
	case u.Scheme != "https" && u.Scheme != "http":
		return "has to begin with https://", example
	case u.Hostname() == "" || u.Opaque != "" || strings.ContainsAny(u.Host, " _") || badPort(u):
		return "has no proper host", example
	case u.RawQuery != "" || u.ForceQuery:
		return "holds a query (what follows the question mark)", "take it out"
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return "holds a fragment (what follows the number sign)", "take it out"
	case u.Scheme == "http" && !allowHTTP && !connector.Loopback(u.Hostname()):
		return "is plain http, which would send the token readable", "use https, or set connection.allow_http: true if you must"
	}
	return "", ""
}

func badPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return strings.HasSuffix(u.Host, ":")
	}
	n, err := net.LookupPort("tcp", port)
	return err != nil || n < 1
}
