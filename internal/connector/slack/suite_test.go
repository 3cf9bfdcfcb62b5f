package slack_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
)

// TestSuite holds the connector to the contract of all connectors, in both versions.
func TestSuite(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v2", "v1"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			connectortest.Run(t, func(t *testing.T) connectortest.Bench { return bench(newStage(t, version)) })
		})
	}
}

func bench(s *stage) connectortest.Bench {
	return connectortest.Bench{
		Connector: s.Connector, Refused: s.with("xoxp-nobody-knows-me"),
		User: func(n int) attr.Set {
			want := person("person" + strconv.Itoa(n))
			want["title"], want[workPhone], want[department] = "Engineer", "+1 555 010 "+strconv.Itoa(1000+n), "R&D"
			return want
		},
		Group: connectortest.GroupNamed, Match: work, Text: "title", NoID: "U0NOBODY00",
		Active: func(id string) bool {
			u, ok := s.em.User(id)
			return ok && u.Active
		},
		Members: func(group string) []string {
			g, ok := s.em.Group(group)
			if !ok {
				return nil
			}
			return slices.Clone(g.Members)
		},
	}
}

var _ connector.Connector = (*stage)(nil)
