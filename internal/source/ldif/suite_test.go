package ldif

import (
	"fmt"
	"testing"

	"github.com/muster-id/muster/internal/source/sourcetest"
)

var format = sourcetest.Format{
	New: New,
	Company: `version: 1

dn: uid=ada,ou=People,dc=example,dc=org
objectClass: inetOrgPerson
uid: ada
cn: Ada Lovelace
givenName: Ada
sn: Lovelace
mail: ada@example.org
title: Countess
departmentNumber: R&D
manager: uid=grace,ou=people,dc=example,dc=org

dn:: dWlkPeadjumbtyxvdT1QZW9wbGUsZGM9ZXhhbXBsZSxkYz1vcmc=
objectClass: inetOrgPerson
uid:: 5p2O6Zu3
givenName: 雷
sn: 李
mail: lilei@example
 .org
departmentNumber: R&D
manager: uid=Grace, ou=People, dc=example, dc=org

dn: cn=Engineering,ou=Groups,dc=example,dc=org
objectClass: groupOfNames
cn: Engineering
member: uid=ada,ou=People,dc=example,dc=org
member:: dWlkPeadjumbtyxvdT1QZW9wbGUsZGM9ZXhhbXBsZSxkYz1vcmc=

dn: uid=grace,ou=People,dc=example,dc=org
objectClass: inetOrgPerson
uid: grace
givenName: Grace
sn: Hopper
mail: grace@example.org
title: Admiral
departmentNumber: R&D
`,
	Groups: true,
	Bad:    "dn: uid=bob,ou=People,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid bob\n\n",
	Last:   "dn: uid=grace,",
	Head:   "version: 1\n",
	Person: func(i int) string {
		return fmt.Sprintf("\ndn: uid=user%d,ou=People,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: user%d\ncn: Given%d Family%d\ngivenName: Given%d\nsn: Family%d\nmail: user%d@example.org\ntitle: Engineer\ndepartmentNumber: R&D\nmanager: uid=user0,ou=People,dc=example,dc=org\nentryUUID: e%d\n", i, i, i, i, i, i, i, i)
	},
}

func TestSuite(t *testing.T)     { sourcetest.Run(t, format) }
func BenchmarkRead(b *testing.B) { sourcetest.Bench(b, format) }
