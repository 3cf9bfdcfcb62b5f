package scim_test

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/interop"
)

// plain reads a resource past the connector.
type plain struct {
	t               testing.TB
	endpoint, token string
}

func (p plain) resource(path string) map[string]any {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.endpoint+path, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var doc map[string]any
	if res.StatusCode != http.StatusOK {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		p.t.Fatal(err)
	}
	return doc
}

// sharedBench makes benches at one server, each with people and groups of its own.
func sharedBench(t *testing.T, endpoint, token string, options map[string]string) func(t *testing.T) connectortest.Bench {
	var benches atomic.Int64
	return func(t *testing.T) connectortest.Bench {
		first := int(benches.Add(1)) * 100
		p := plain{t, endpoint, token}
		return connectortest.Bench{
			Connector: open(t, endpoint, token, options),
			Refused:   open(t, endpoint, "another-token", options),
			User:      func(n int) attr.Set { return connectortest.Person(first + n) },
			Group: func(name string) attr.Set {
				return connectortest.GroupNamed(name + " of " + t.Name())
			},
			Match: "userName", Text: "title", NoID: "b6a1c1f0-0000-4000-8000-000000000000",
			Active: func(id string) bool {
				return p.resource("/Users/" + id)["active"] == true
			},
			Members: func(group string) []string {
				var ids []string
				list, _ := p.resource("/Groups/" + group)["members"].([]any)
				for _, m := range list {
					ids = append(ids, m.(map[string]any)["value"].(string))
				}
				return ids
			},
		}
	}
}

// TestContractAtSCIMMY holds the connector to its contract before a server that nobody here wrote.
func TestContractAtSCIMMY(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]map[string]string{"path": nil, "put": {"update": "put", "members": "always"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint, token := interop.SCIMMY(t)
			connectortest.Run(t, sharedBench(t, endpoint, token, options))
		})
	}
}

// TestContractAtBetterAuth does so before another.
func TestContractAtBetterAuth(t *testing.T) {
	t.Parallel()
	endpoint, token := interop.BetterAuth(t)
	connectortest.Run(t, sharedBench(t, endpoint, token, nil))
}

// TestContractAtElimity does so before a server that checks every body, path and filter strictly against the schemas of RFC 7643.
func TestContractAtElimity(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]map[string]string{"path": nil, "pathless": {"patch_style": "pathless"}, "put": {"update": "put", "members": "always"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connectortest.Run(t, func(t *testing.T) connectortest.Bench {
				endpoint, token := interop.Elimity(t)
				return sharedBench(t, endpoint, token, options)(t)
			})
		})
	}
}
