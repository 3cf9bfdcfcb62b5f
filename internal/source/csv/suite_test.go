package csv

import (
	"fmt"
	"testing"

	"github.com/muster-id/muster/internal/source/sourcetest"
)

var format = sourcetest.Format{
	New: New,
	Company: `userName,name.givenName,name.familyName,emails,title,department,manager,active,groups,externalId
ada,Ada,Lovelace,ada@example.org,Countess,R&D,grace,true,Engineering,e1
李雷,雷,李,lilei@example.org,,R&D,grace,,"Engineering",e2
grace,"Grace","Hopper",grace@example.org,Admiral,R&D,,yes,,e3
`,
	Bad:  "\"bob,Bob,Builder,bob@example.org,,,,true,,e4\n",
	Last: "grace,\"Grace",
	Head: "userName,name.givenName,name.familyName,emails,title,department,manager,active,groups,externalId\n",
	Person: func(i int) string {
		return fmt.Sprintf("user%d,Given%d,\"Family, %d\",user%d@example.org,Engineer,R&D,user0,true,Engineering;Everyone,e%d\n", i, i, i, i, i)
	},
}

func TestSuite(t *testing.T)     { sourcetest.Run(t, format) }
func BenchmarkRead(b *testing.B) { sourcetest.Bench(b, format) }
