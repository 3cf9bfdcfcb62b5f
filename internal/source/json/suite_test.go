package json

import (
	"fmt"
	"testing"

	"github.com/muster-id/muster/internal/source/sourcetest"
)

var format = sourcetest.Format{
	New: New,
	Company: `[
{"id":"1","userName":"ada","name":{"givenName":"Ada","familyName":"Lovelace"},"emails":[{"value":"ada@example.org","type":"work","primary":true}],"title":"Countess",
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":{"value":"3"}}},
{"id":"2","userName":"李雷","name":{"givenName":"\u96f7","familyName":"李"},"emails":[{"value":"lilei@example.org"}],
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":{"value":"3"}}},
{"id":"g","displayName":"Engineering","members":[{"value":"1"},{"value":"2"}]},
{"id":"3","userName":"grace","name":{"givenName":"Grace"},"emails":[{"value":"grace@example.org"}],"title":"Admiral",
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D"}}
]`,
	Groups: true,
	Bad:    "{\"userName\":\"bob\" \"title\":\"Builder\"},\n",
	Last:   `{"id":"3"`,
	Head:   `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":30000,"Resources":[`,
	Person: func(i int) string {
		return fmt.Sprintf(`{"id":"%d","externalId":"e%d","userName":"user%d","name":{"givenName":"Given%d","familyName":"Family%d"},"emails":[{"value":"user%d@example.org","type":"work","primary":true}],"title":"Engineer","active":true,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":{"value":"0"}}}`, i, i, i, i, i, i)
	},
	Between: ",\n",
	Tail:    "]}\n",
}

func TestSuite(t *testing.T)     { sourcetest.Run(t, format) }
func BenchmarkRead(b *testing.B) { sourcetest.Bench(b, format) }
