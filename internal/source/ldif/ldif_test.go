package ldif

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// read returns all records, those that cannot be used among them, and the error that ended the file.
func read(r io.Reader) (all []source.Record, err error) {
	for rec, e := range New(r).Records() {
		if e != nil {
			return all, e
		}
		all = append(all, rec)
	}
	return all, nil
}

// TestExample reads the sample of 389 Directory Server, unedited (Debian's 389-ds-base, dirsrv/data/Example.ldif).
func TestExample(t *testing.T) {
	t.Parallel()
	path := os.Getenv("MUSTER_TEST_EXAMPLE_LDIF")
	if path == "" {
		const missing = "MUSTER_TEST_EXAMPLE_LDIF does not name Example.ldif of the Debian package 389-ds-base; scripts/test fetches it"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := read(f)
	if err != nil {
		t.Fatal(err)
	}
	people, managed, groups := map[string]source.Record{}, 0, map[string][]string{}
	for _, rec := range all {
		if rec.Err != nil {
			t.Errorf("line %d: %v", rec.Line, rec.Err)
		}
		if rec.Kind == directory.KindUser {
			people[rec.Ref] = rec
		}
	}
	for _, rec := range all {
		if rec.Kind == directory.KindGroup {
			for _, m := range *rec.Members {
				groups[rec.Name] = append(groups[rec.Name], people[m.Ref].Name)
			}
			continue
		}
		if rec.Active != nil || rec.Manager == nil {
			t.Errorf("%s: active %v, manager %v", rec.Name, rec.Active, rec.Manager)
			continue
		}
		if *rec.Manager != "" {
			managed++
			if people[*rec.Manager].Name == "" {
				t.Errorf("%s: the manager %s is nobody", rec.Name, *rec.Manager)
			}
		}
	}
	if len(people) != 150 || managed != 149 {
		t.Errorf("%d people, %d of them in the tree of managers; want 150 and 149", len(people), managed)
	}
	want := map[string][]string{
		"Directory Administrators": {"kvaughan", "rdaugherty", "hmiller"},
		"Accounting Managers":      {"scarter", "tmorris"},
		"HR Managers":              {"kvaughan", "cschmith"},
		"QA Managers":              {"abergin", "jwalker"},
		"PD Managers":              {"kwinters", "trigden"},
	}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	sam := all[slices.IndexFunc(all, func(r source.Record) bool { return r.Name == "scarter" })]
	manager := "uid=dmiller,ou=people,dc=example,dc=com"
	if diff := cmp.Diff(source.Record{
		Line: 77, Kind: directory.KindUser, Name: "scarter", Ref: "uid=scarter,ou=people,dc=example,dc=com",
		Manager: &manager, ManagerByRef: true,
		Attributes: map[string]any{
			"userName": "scarter", "displayName": "Sam Carter", "name.givenName": "Sam", "name.familyName": "Carter",
			"department": "Accounting",
			"emails":     []any{map[string]any{"value": "scarter@example.com", "type": "work", "primary": true}},
			"phoneNumbers": []any{
				map[string]any{"value": "+1 408 555 4798", "type": "work", "primary": true},
				map[string]any{"value": "+1 408 555 9751", "type": "fax"},
			},
			"addresses": []any{map[string]any{"locality": "Sunnyvale", "type": "work", "primary": true}},
		},
	}, sam); diff != "" {
		t.Errorf("Sam Carter (-want +got):\n%s", diff)
	}
	last := all[len(all)-1]
	if diff := cmp.Diff([]string{"entries that are neither people nor groups were left out: 4 organizationalunit, 1 domain"}, last.Warnings); diff != "" {
		t.Errorf("what is said at the end (-want +got):\n%s", diff)
	}
}

// head begins a file.
const head = "version: 1\n\n"

// adas is a file with one person, to whom tests add lines.
func adas(lines ...string) string {
	return head + "dn: uid=ada,ou=People,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: ada\n" + strings.Join(lines, "\n") + "\n"
}

func TestPerson(t *testing.T) {
	t.Parallel()
	const ref = "uid=ada,ou=people,dc=example,dc=org"
	yes, no := true, false
	for _, c := range []struct {
		name, in string
		want     source.Record
	}{
		{"the least", adas(), source.Record{}},
		{
			"comments, folds, base64, CRLF", "# who\r\n  else\r\n" + strings.ReplaceAll(adas("givenName:: w4Vz\n YQ==", "sn: Love\n lace", "# cn: not me\n  nor me", "ti\n tle: Analyst"), "\n", "\r\n"),
			source.Record{Attributes: map[string]any{"name.givenName": "Åsa", "name.familyName": "Lovelace", "title": "Analyst"}},
		},
		{
			"languages", adas("cn;lang-ja: 愛", "cn: Ada", "givenName;lang-ja: 愛", "givenName;lang-en: Ada", "sn;x-home: L"),
			source.Record{Attributes: map[string]any{"displayName": "Ada", "name.givenName": "愛", "name.familyName": "L"}},
		},
		{"what a photo holds is nobody's business", adas("jpegPhoto:< file:///etc/passwd", "userCertificate;binary:: !!!", "audio: \x00\xff", "userPassword: secret"), source.Record{}},
		{"addition", strings.Replace(adas("title: x"), "objectClass", "changetype: add\nobjectClass", 1), source.Record{Attributes: map[string]any{"title": "x"}}},
		{"an empty value is none", adas("title: ", "mail:"), source.Record{}},
		{"two names", adas("uid: lovelace"), source.Record{}},
		{"e-mail, phones", adas("mail: a@x.org", "mail: b@x.org", "mobile: 1", "telephoneNumber: 2"), source.Record{Attributes: map[string]any{
			"emails":       []any{map[string]any{"value": "a@x.org", "type": "work", "primary": true}, map[string]any{"value": "b@x.org", "type": "other"}},
			"phoneNumbers": []any{map[string]any{"value": "2", "type": "work", "primary": true}, map[string]any{"value": "1", "type": "mobile"}},
		}}},
		{"address", adas("postalAddress: 5 High St$Slough\\24", "l: Slough", "c: GB"), source.Record{Attributes: map[string]any{
			"addresses": []any{map[string]any{"formatted": "5 High St\nSlough$", "locality": "Slough", "country": "GB", "type": "work", "primary": true}},
		}}},
		{"departments", adas("ou: People", "ou: R&D"), source.Record{Attributes: map[string]any{"department": "R&D"}}},
		{"department by number", adas("ou: R&D", "departmentNumber: 4711"), source.Record{Attributes: map[string]any{"department": "4711"}}},
		{"department by name", adas("departmentNumber: 4711", "department: R&D"), source.Record{Attributes: map[string]any{"department": "R&D"}}},
		{"manager", adas("manager: UID = Ada , OU=people,dc=example, dc=org"), source.Record{Manager: ptr(ref), ManagerByRef: true}},
		{"locked in 389", adas("nsAccountLock: TRUE"), source.Record{Active: &no}},
		{"not locked in 389", adas("nsAccountLock: false"), source.Record{Active: &yes}},
		{"locked for a while", adas("pwdAccountLockedTime: 20260101000000Z"), source.Record{Active: &yes}},
		{"locked for good", adas("pwdAccountLockedTime: 000001010000Z"), source.Record{Active: &no}},
		{"entryUUID", adas("entryUUID: 5A1B4C3E-0000-4000-8000-000000000001"), source.Record{ExternalID: "5a1b4c3e-0000-4000-8000-000000000001"}},
		{"objectGUID", adas("objectGUID:: Mzk5ufCCmE6nTZHfzDNlEg=="), source.Record{ExternalID: "b9393933-82f0-4e98-a74d-91dfcc336512"}},
	} {
		c.want.Kind, c.want.Name, c.want.Ref, c.want.Line = directory.KindUser, "ada", ref, 3
		if c.want.Attributes == nil {
			c.want.Attributes = map[string]any{}
		}
		c.want.Attributes["userName"] = "ada"
		all, err := read(strings.NewReader(c.in))
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %d records, %v", c.name, len(all), err)
			continue
		}
		if c.name[:3] == "com" {
			c.want.Line = 5
		}
		if diff := cmp.Diff(c.want, all[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func ptr(s string) *string { return &s }

func TestActiveDirectory(t *testing.T) {
	t.Parallel()
	all, err := read(strings.NewReader(`dn: CN=Özil\, Mesut,OU=Staff,DC=corp,DC=example
changetype: add
objectClass: top
objectClass: person
objectClass: organizationalPerson
objectClass: user
cn: Özil, Mesut
userPrincipalName: mesut@corp.example
sAMAccountName: mesut
userAccountControl: 514
company: Corp
streetAddress: Ring 1

dn: CN=PC1,OU=Staff,DC=corp,DC=example
objectClass: top
objectClass: person
objectClass: user
objectClass: computer
sAMAccountName: PC1$

dn: CN=Staff,OU=Groups,DC=corp,DC=example
objectClass: group
cn: Staff
member: CN=\c3\96zil\2C Mesut,OU=staff,DC=corp,DC=example
member: CN=Managers,OU=Groups,DC=corp,DC=example

dn: CN=Managers,OU=Groups,DC=corp,DC=example
objectClass: group
cn: Managers

dn: CN=Everyone,OU=Groups,DC=corp,DC=example
objectClass: group
cn: Everyone
member;range=0-1499: CN=PC1,OU=Staff,DC=corp,DC=example
`))
	if err != nil || len(all) != 4 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	mesut, staff, managers, everyone := all[0], all[1], all[2], all[3]
	if mesut.Name != "mesut@corp.example" || mesut.Active == nil || *mesut.Active || mesut.Attributes["displayName"] != "Özil, Mesut" {
		t.Errorf("Mesut is %+v", mesut)
	}
	if diff := cmp.Diff(&[]source.MemberRef{{Ref: mesut.Ref}, {Ref: managers.Ref}}, staff.Members); diff != "" {
		t.Errorf("members of Staff (-want +got):\n%s", diff)
	}
	if managers.Members == nil || len(*managers.Members) != 0 {
		t.Errorf("a group without members in a file that has members is empty, not %v", managers.Members)
	}
	if everyone.Members != nil || len(everyone.Warnings) == 0 {
		t.Errorf("a membership that is cut stays: %v, %q", everyone.Members, everyone.Warnings)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	const dn = "dn: cn=All,ou=Groups,dc=x\ncn: All\ncn: Alle\nobjectClass: "
	for _, c := range []struct {
		name, in string
		want     *[]source.MemberRef
	}{
		{
			"names", "groupOfNames\nmember: uid=A,dc=x\nmember: uid=a, dc=X\nmember: uid=b,dc=x",
			&[]source.MemberRef{{Ref: "uid=a,dc=x"}, {Ref: "uid=b,dc=x"}},
		},
		{"unique names", "groupOfUniqueNames\nuniqueMember: uid=a,dc=x#'0101'B", &[]source.MemberRef{{Ref: "uid=a,dc=x"}}},
		{"posix", "posixGroup\nmemberUid: a\nmemberUid: b", &[]source.MemberRef{{UserName: "a"}, {UserName: "b"}}},
		{"only the member that the schema demands", "groupOfNames\nmember:\nmember: cn=all,ou=groups,dc=x", &[]source.MemberRef{}},
		{"not a distinguished name", "groupOfNames\nmember: Some  Body", &[]source.MemberRef{{Ref: "some body"}}},
		{"exported without members", "groupOfNames", nil},
	} {
		all, err := read(strings.NewReader(dn + c.in + "\n"))
		if err != nil || len(all) != 1 || all[0].Name != "All" {
			t.Errorf("%s: %+v, %v", c.name, all, err)
			continue
		}
		if diff := cmp.Diff(c.want, all[0].Members, cmp.Transformer("empty", func(l []source.MemberRef) []source.MemberRef { return append([]source.MemberRef{}, l...) })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestColumns shows that the attributes of a file are its columns: what one person has and another lacks is cleared.
func TestColumns(t *testing.T) {
	t.Parallel()
	const in = "dn: uid=a,dc=x\nobjectClass: inetOrgPerson\nuid: a\ntitle: T\nmail: a@x\nmanager: uid=b,dc=x\nnsAccountLock: true\n\n" +
		"dn: uid=b,dc=x\nobjectClass: inetOrgPerson\nuid: b\n"
	for name, r := range map[string]io.Reader{"a file": strings.NewReader(in), "a pipe": iotest.DataErrReader(strings.NewReader(in))} {
		all, err := read(r)
		if err != nil || len(all) != 2 {
			t.Fatalf("%s: %d records, %v", name, len(all), err)
		}
		b := all[1]
		if diff := cmp.Diff(map[string]any{"userName": "b", "title": nil, "emails": nil}, b.Attributes); diff != "" {
			t.Errorf("%s: attributes of b (-want +got):\n%s", name, diff)
		}
		if b.Manager == nil || *b.Manager != "" || b.Active == nil || !*b.Active {
			t.Errorf("%s: manager %v, active %v", name, b.Manager, b.Active)
		}
	}
}

// TestBad has a bad entry between two good ones, which must come through.
func TestBad(t *testing.T) {
	t.Parallel()
	person := func(uid string) string {
		return "dn: uid=" + uid + ",dc=x\nobjectClass: inetOrgPerson\nuid: " + uid + "\n\n"
	}
	for _, c := range []struct {
		name, bad, want string
		line            int
	}{
		{"no colon", "dn: uid=x\nobjectClass: inetOrgPerson\nuid x\nuid: x\n\n", "line 7: \"uid x\" is not an attribute: a colon is missing", 5},
		{"base64", "dn: uid=x\nobjectClass: inetOrgPerson\nuid:: ***\n\n", "line 7: uid: the base64 after \"::\" is broken", 5},
		{"base64 of the name", "dn:: *\nobjectClass: inetOrgPerson\nuid: x\n\n", "line 5: dn: the base64", 5},
		{"URL", "dn: uid=x\nobjectClass: inetOrgPerson\nuid:< file:///etc/passwd\n\n", "line 7: uid: the value stands in another file", 5},
		{"change", "dn: uid=x\nchangetype: modify\nreplace: title\ntitle: x\n-\n\n", "line 6: this is a change (modify)", 5},
		{"not UTF-8", "dn: uid=x\nobjectClass: inetOrgPerson\nuid: \xfc\n\n", "line 7: the value of uid is not text in UTF-8", 5},
		{"NUL", "dn: uid=x\nobjectClass: inetOrgPerson\nuid:: AGE=\n\n", "line 7: the value of uid is not text", 5},
		{"no dn", "objectClass: inetOrgPerson\nuid: x\n\n", "line 5: an entry begins with its dn, this one with objectclass", 5},
		{"no uid", "dn: cn=x\nobjectClass: person\ncn: x\n\n", "the entry has no uid", 5},
		{"no cn", "dn: x=x\nobjectClass: groupOfNames\n\n", "the group has no cn", 5},
		{"too long", "dn: uid=x\nobjectClass: inetOrgPerson\nuid: x\ntitle: " + strings.Repeat("x\n ", maxLine) + "\n\n", "line 8: the value of title is longer", 5},
	} {
		all, err := read(strings.NewReader(person("a") + c.bad + person("b")))
		if err != nil || len(all) != 3 || all[0].Name != "a" || all[2].Name != "b" {
			t.Errorf("%s: %+v, %v", c.name, all, err)
			continue
		}
		if bad := all[1]; bad.Err == nil || !strings.HasPrefix(bad.Err.Error(), c.want) || bad.Line != c.line {
			t.Errorf("%s: line %d: %v; want line %d: %s", c.name, bad.Line, bad.Err, c.line, c.want)
		}
	}
	// A missing blank line between two entries costs neither.
	all, err := read(strings.NewReader(strings.TrimSpace(person("a")) + "\n" + person("b")))
	if err != nil || len(all) != 2 || all[0].Name != "a" || all[1].Name != "b" {
		t.Errorf("without a blank line: %+v, %v", all, err)
	}
}

// TestEnd has inputs that end the file early, or say nothing.
func TestEnd(t *testing.T) {
	t.Parallel()
	gone := errors.New("the disk is gone")
	for _, c := range []struct {
		name    string
		in      io.Reader
		records int
		want    string // of the error, "" for none
	}{
		{"empty", strings.NewReader("\n"), 0, "the file is empty"},
		{"only a version", strings.NewReader("version: 1\n"), 0, "the file is empty"},
		{"nobody", strings.NewReader("dn: dc=x\nobjectClass: domain\n\ndn: uid=a\nuid: a\n"), 0, "none of the 2 entries is a person or a group (1 domain, 1 without objectClass)"},
		{"version 2", strings.NewReader("version: 2\n\n" + adas()), 0, "line 1: LDIF of version \"2\""},
		{"ldapsearch", strings.NewReader("# extended LDIF\n#\n" + adas() + "\n# search result\nsearch: 2\nresult: 0 Success\n\n# numResponses: 2\n"), 1, ""},
		{"ldapsearch that was cut", strings.NewReader(adas() + "\nsearch: 2\nresult: 4 Size limit exceeded\n"), 1, "line 9: the export itself broke off"},
		{"breaks off", io.MultiReader(strings.NewReader(adas()+"\ndn: uid=b\nobjectClass: inetOrgPerson\nuid: b\n"), iotest.ErrReader(gone)), 1, gone.Error()},
		{"never there", iotest.ErrReader(gone), 0, gone.Error()},
	} {
		all, err := read(c.in)
		switch {
		case len(all) != c.records:
			t.Errorf("%s: %d records, want %d", c.name, len(all), c.records)
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(adas("cn:: w4VzYQ==", "manager: uid=x\\,y+cn=z;dc=o")))
	f.Add([]byte("dn: cn=g\nobjectClass: posixGroup\ncn: g\nmember;range=0-1: a\nuniqueMember: uid=a#'01'B\n\n# c\n  d\n\nsearch: 1\nresult: 0 Success\n"))
	f.Add([]byte("dn: uid=a\nobjectClass: user\nobjectGUID:: Mzk5ufCCmE6nTZHfzDNlEg==\nuserAccountControl: 514\nsAMAccountName: a\n\x00\n \n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if bytes.HasPrefix(in, []byte("\xff\xfe")) || bytes.HasPrefix(in, []byte("\xfe\xff")) {
			return // UTF-16, to which nothing below can be appended
		}
		// Whatever stands before it, a blank line ends it, and the person after it is there.
		if !strings.Contains(string(in), "ion:") && !strings.Contains(string(in), "lt:") {
			in = append(in, "\n\ndn: uid=last\nobjectClass: inetOrgPerson\nuid: last\n"...)
			all, err := read(strings.NewReader(string(in)))
			if err != nil || len(all) == 0 || all[len(all)-1].Name != "last" {
				t.Fatalf("%d records, the last is not there, %v", len(all), err)
			}
		}
		for rec, err := range New(strings.NewReader(string(in))).Records() {
			if err != nil {
				break
			}
			if rec.Line < 1 || rec.Err == nil && rec.Name == "" {
				t.Fatalf("%+v", rec)
			}
		}
	})
}
