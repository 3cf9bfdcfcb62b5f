package ldif

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// userNames says where the userName is, in order. Active Directory people go by their principal name.
var (
	userNames   = []string{"uid", "userid"}
	adUserNames = []string{"userprincipalname", "samaccountname", "uid"}
)

// keys are the attributes that never change while a person exists, by server: RFC 4530, 389 and Sun, FreeIPA, Active Directory, eDirectory.
var keys = []string{"entryuuid", "nsuniqueid", "ipauniqueid", "objectguid", "guid"}

// texts are the attributes of one value: the first LDAP attribute that has one gives it.
var texts = []struct {
	path string
	from []string
}{
	{"name.givenName", []string{"givenname", "gn"}},
	{"name.familyName", []string{"sn", "surname"}},
	{"name.middleName", []string{"middlename"}},
	{"name.honorificPrefix", []string{"personaltitle"}},
	{"name.honorificSuffix", []string{"generationqualifier"}},
	{"displayName", []string{"displayname", "cn", "commonname"}},
	{"title", []string{"title"}},
	{"userType", []string{"employeetype"}},
	{"preferredLanguage", []string{"preferredlanguage"}},
	{"employeeNumber", []string{"employeenumber", "employeeid"}},
	// Active Directory has the name in department and perhaps a number beside it; everybody else has departmentNumber.
	{"department", []string{"department", "departmentnumber"}},
	{"organization", []string{"o", "organizationname", "company"}},
	{"division", []string{"division"}},
}

// phones are the types of phoneNumbers (RFC 7643 §4.1.2).
var phones = []struct{ kind, from string }{
	{"work", "telephonenumber"}, {"mobile", "mobile"}, {"home", "homephone"}, {"fax", "facsimiletelephonenumber"}, {"pager", "pager"},
}

// address are the parts of the work address.
var address = []struct {
	part string
	from []string
}{
	{"formatted", []string{"postaladdress"}},
	{"streetAddress", []string{"street", "streetaddress"}},
	{"locality", []string{"l", "localityname"}},
	{"region", []string{"st", "stateorprovincename"}},
	{"postalCode", []string{"postalcode"}},
	{"country", []string{"c", "countryname", "co"}},
}

// locks are the attributes that may say that a person's account is off, and how. A lock for a while, after wrong passwords, is none.
var locks = []struct {
	name string
	off  func(v string) bool
}{
	{"nsaccountlock", isTrue},           // 389, FreeIPA
	{"logindisabled", isTrue},           // eDirectory
	{"ds-pwp-account-disabled", isTrue}, // OpenDJ and its kin
	{"inetuserstatus", func(v string) bool { return strings.EqualFold(v, "inactive") || strings.EqualFold(v, "deleted") }}, // Sun
	{"pwdaccountlockedtime", func(v string) bool { return v == "000001010000Z" }},                                          // OpenLDAP ppolicy: for good
	{"useraccountcontrol", func(v string) bool { // Active Directory: ACCOUNTDISABLE
		bits, err := strconv.ParseInt(v, 10, 64)
		return err == nil && bits&2 != 0
	}},
}

func isTrue(v string) bool { return strings.EqualFold(v, "true") }

var (
	// structural are the types that steer reading, wanted those that people and groups are made of.
	structural = set("dn", "version", "changetype", "search", "result", "ref")
	wanted     = wantedTypes()
	// binary are the types whose values need not be text.
	binary = set("objectguid", "guid")
)

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// wantedTypes gathers the types of the tables above, and those that are named in code.
func wantedTypes() map[string]bool {
	names := []string{"objectclass", "mail", "manager", "ou", "cn", "commonname", "member", "uniquemember", "memberuid"}
	names = slices.Concat(names, userNames, adUserNames, keys)
	for _, t := range texts {
		names = append(names, t.from...)
	}
	for _, a := range address {
		names = append(names, a.from...)
	}
	for _, p := range phones {
		names = append(names, p.from)
	}
	for _, l := range locks {
		names = append(names, l.name)
	}
	return set(names...)
}

// person makes a record of a person's entry. Attributes that the person lacks and the file knows are cleared.
func person(e *entry, seen columns) source.Record {
	rec := source.Record{Kind: directory.KindUser, Ref: e.name.key, ExternalID: e.externalID(), Attributes: map[string]any{}}
	names := userNames
	if e.has("user") {
		names = adUserNames
	}
	rec.Name = e.first(names...)
	if rec.Name == "" {
		return source.Record{
			Kind: directory.KindUser, Name: e.dn,
			Err: errors.New("the entry has no " + strings.Join(names, ", ") + ": a person needs one for a userName"),
		}
	}
	put := func(path string, v any, has bool) {
		if has {
			rec.Attributes[path] = v
		} else if seen.attributes[path] {
			rec.Attributes[path] = nil
		}
	}
	put("userName", rec.Name, true)
	for _, t := range texts {
		v := e.first(t.from...)
		if t.path == "department" && v == "" {
			v = e.unit()
		}
		put(t.path, v, v != "")
	}
	emails, numbers, where := e.emails(), e.phoneNumbers(), e.address()
	put("emails", emails, emails != nil)
	put("phoneNumbers", numbers, numbers != nil)
	put("addresses", where, where != nil)
	rec.Active = e.active(seen)
	if dn := e.first("manager"); dn != "" {
		rec.Manager, rec.ManagerByRef = new(parseName(dn).key), true
	} else if seen.manager {
		rec.Manager = new(string)
	}
	return rec
}

// unit returns the first ou that is no branch of the tree that the entry hangs in: the department, where servers keep it in ou.
func (e *entry) unit() string {
	for _, v := range e.all("ou") {
		if !e.name.holds("ou", v) {
			return v
		}
	}
	return ""
}

func (e *entry) emails() any {
	var list []any
	for _, v := range e.all("mail") {
		if list == nil {
			list = append(list, map[string]any{"value": v, "type": "work", "primary": true})
		} else {
			list = append(list, map[string]any{"value": v, "type": "other"})
		}
	}
	return orNil(list)
}

func (e *entry) phoneNumbers() any {
	var list []any
	for _, p := range phones {
		for _, v := range e.all(p.from) {
			number := map[string]any{"value": v, "type": p.kind}
			if list == nil {
				number["primary"] = true
			}
			list = append(list, number)
		}
	}
	return orNil(list)
}

func (e *entry) address() any {
	a := map[string]any{}
	for _, part := range address {
		if v := e.first(part.from...); v != "" {
			a[part.part] = v
		}
	}
	if len(a) == 0 {
		return nil
	}
	if v, ok := a["formatted"].(string); ok {
		// RFC 4517 §3.3.28: the lines of a postal address are separated by "$".
		lines := strings.Split(v, "$")
		for i := range lines {
			lines[i] = strings.NewReplacer(`\24`, "$", `\5C`, `\`, `\5c`, `\`).Replace(strings.TrimSpace(lines[i]))
		}
		a["formatted"] = strings.Join(lines, "\n")
	}
	a["type"], a["primary"] = "work", true
	return []any{a}
}

func orNil(list []any) any {
	if list == nil {
		return nil
	}
	return list
}

// active is nil in a file that says nothing about locks at all.
func (e *entry) active(seen columns) *bool {
	on, told := true, seen.active
	for _, l := range locks {
		if v := e.first(l.name); v != "" {
			told = true
			on = on && !l.off(v)
		}
	}
	if !told {
		return nil
	}
	return &on
}

// externalID returns the key that the entry keeps when it is renamed or moved. Active Directory's objectGUID is 16 bytes, the first
// three groups with the least byte first ([MS-DTYP] §2.3.4); eDirectory's GUID is 16 bytes in order.
func (e *entry) externalID() string {
	for _, name := range keys {
		for _, v := range e.values[name] {
			raw := []byte(v.text)
			if binary[name] && len(raw) == 16 {
				if name == "objectguid" {
					slices.Reverse(raw[:4])
					slices.Reverse(raw[4:6])
					slices.Reverse(raw[6:8])
				}
				h := hex.EncodeToString(raw)
				return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
			}
			if text := strings.Trim(v.text, " {}"); text != "" && directory.CleanText(text) {
				return strings.ToLower(text)
			}
		}
	}
	return ""
}
