package connector

import (
	"errors"
	"testing"
)

// A name is looked at when it is dialed, whatever it resolved to when somebody looked before: what the transport connects to is guarded.
func TestTransportIsGuarded(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"169.254.169.254:80", "[fd00:ec2::254]:80", "0.0.0.0:80"} {
		conn, err := transport(nil, 1, false).DialContext(t.Context(), "tcp", address)
		var not *ForbiddenAddress
		if !errors.As(err, &not) {
			t.Errorf("%s was dialed: %v", address, err)
		}
		if err == nil {
			conn.Close()
		}
		if e := broken(t.Context(), "scim.example.org", err, false, false); e.Code != CodeUnreachable || e.Reason == "" {
			t.Errorf("%s: %+v", address, e)
		}
	}
}
