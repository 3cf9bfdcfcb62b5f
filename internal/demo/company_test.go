package demo

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/source/file"
)

var update = flag.Bool("update", false, "write company.csv and company.ldif")

// employee is one person of a made-up company.
type employee struct {
	number                 int
	user, given, family    string
	display, language      string
	title, department      string
	office                 office
	phone, mobile, manager string
	active                 bool
	groups                 []string
}

// office is a place, with phone numbers that are kept for films and examples: a beginning, and how many digits follow it (none where
// a country keeps no numbers).
type office struct {
	city, country, timezone, phone string
	digits                         int
}

var offices = []office{
	{"Berlin", "DE", "Europe/Berlin", "+49 30 23125 ", 3},
	{"London", "GB", "Europe/London", "+44 20 7946 0", 3},
	{"Denver", "US", "America/Denver", "+1 303-555-01", 2},
	{"東京", "JP", "Asia/Tokyo", "", 0},
	{"São Paulo", "BR", "America/Sao_Paulo", "", 0},
}

// department is a department with the share of people in it, its head's title and those of its people.
type department struct {
	name   string
	share  int
	head   string
	titles []string
}

var departments = []department{
	{"Engineering", 34, "VP, Engineering", []string{"Software Engineer", "Senior Software Engineer", `Engineer ("SRE")`, "Staff Engineer, Platform", "QA Engineer"}},
	{"Sales", 18, "VP, Sales", []string{"Account Executive", "Sales Engineer", "Sales Development Representative", "Vertriebsleiter*in Süd"}},
	{"Support", 14, "Director, Support", []string{"Support Engineer", "Technical Account Manager", "Support Lead, EMEA & APAC"}},
	{"Marketing", 10, "Chief Marketing Officer", []string{"Content Designer", "Growth Marketer", "Événements & communauté"}},
	{"R&D", 9, "Head of Research", []string{"Researcher", "Research Fellow; on loan", "データサイエンティスト"}},
	{"Finance", 6, "Chief Financial Officer", []string{"Accountant", "Controller", ""}},
	{"People", 5, "Chief People Officer", []string{"People Partner", "Recruiter"}},
	{"IT", 4, "Head of IT", []string{"System Administrator", "IT Support Specialist"}},
}

// dice are throws that are the same every time.
type dice uint64

func (d *dice) roll(n int) int {
	*d = *d*6364136223846793005 + 1442695040888963407
	return int(uint64(*d) >> 33 % uint64(n))
}

func pick[T any](d *dice, from []T) T { return from[d.roll(len(from))] }

// staff makes a company of n people under a chief: heads of departments report to the chief, every eighth of a department is a lead
// and reports to its head, the others report to a lead.
func staff(seed dice, n, first int, domain string, units []department, chief employee) []*employee {
	d := &seed
	for range 8 {
		d.roll(2) // the first throws of small seeds are alike
	}
	chief.number, chief.active, chief.department = first, true, "Management"
	chief.groups = []string{"Everyone", "Leads", chief.office.city}
	all := []*employee{&chief}
	taken := map[string]bool{chief.user: true}
	total := 0
	for _, u := range units {
		total += u.share
	}
	for i, u := range units {
		size := (n - 1) * u.share / total
		if i == len(units)-1 {
			size = n - len(all)
		}
		head, lead := "", ""
		for k := range size {
			e := named(d, domain, taken)
			e.number, e.department, e.office = first+len(all), u.name, pick(d, offices)
			e.title, e.manager, e.active = pick(d, u.titles), lead, d.roll(20) > 0
			e.groups = []string{"Everyone", u.name, e.office.city}
			switch {
			case k == 0:
				e.title, e.manager, e.active, head, lead = u.head, chief.user, true, e.user, e.user
				e.groups = append(e.groups, "Leads")
			case k%8 == 1:
				e.manager, e.active, lead = head, true, e.user
				e.groups = append(e.groups, "Leads")
			}
			if e.office.digits > 0 && d.roll(5) > 0 {
				number := fmt.Sprintf("%03d", len(all))
				e.phone = e.office.phone + number[len(number)-e.office.digits:]
			}
			if d.roll(3) == 0 {
				e.mobile = fmt.Sprintf("+1 (555) 010-%04d", len(all))
			}
			all = append(all, e)
		}
	}
	return all
}

// named makes a person of whom there is only one.
func named(d *dice, domain string, taken map[string]bool) *employee {
	for {
		c := pick(d, cultures)
		given, asciiGiven := spelled(pick(d, c.given))
		family, asciiFamily := spelled(pick(d, c.family))
		e := &employee{given: given, family: family, display: given + " " + family, language: c.language}
		if c.familyFirst {
			e.display = family + " " + given
			if c.language != "vi-VN" {
				e.display = family + given
			}
		}
		e.user = asciiGiven + "." + asciiFamily + "@" + domain
		if !taken[e.user] {
			taken[e.user] = true
			return e
		}
	}
}

func spelled(name string) (own, ascii string) {
	own, ascii, found := strings.Cut(name, "|")
	if !found {
		ascii = strings.ToLower(own)
	}
	return own, ascii
}

func companyCSV() []byte {
	all := staff(1, 200, 10001, "example.org", departments, employee{
		user: "ada@example.org", given: "Ada", family: "Sørensen-Okafor", display: "Ada Sørensen-Okafor", language: "en-GB",
		title: "Chief Executive Officer", office: offices[0], phone: "+49 30 23125 001",
	})
	// As an office exports it: by name, so managers stand before and behind their reports.
	slices.SortFunc(all, func(a, b *employee) int { return strings.Compare(a.user, b.user) })
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.Write([]string{
		"userName", "externalId", "name.givenName", "name.familyName", "displayName", "emails", "title", "department",
		"employeeNumber", "userType", "manager", "preferredLanguage", "timezone", "phoneNumbers", `phoneNumbers[type eq "mobile"].value`,
		"addresses.locality", "addresses.country", "active", "groups",
	})
	for _, e := range all {
		kind := "Employee"
		if e.number%17 == 0 {
			kind = "Contractor"
		}
		w.Write([]string{
			e.user, fmt.Sprintf("HR-%d", e.number), e.given, e.family, e.display, e.user, e.title, e.department,
			fmt.Sprint(e.number), kind, e.manager, e.language, e.office.timezone, e.phone, e.mobile,
			e.office.city, e.office.country, fmt.Sprint(e.active), strings.Join(e.groups, ";"),
		})
	}
	w.Flush()
	return out.Bytes()
}

func companyLDIF() []byte {
	all := staff(7, 60, 501, "example.net", []department{departments[0], departments[2], departments[7]}, employee{
		user: "grace@example.net", given: "Grace", family: "Ní Dhomhnaill", display: "Grace Ní Dhomhnaill", language: "en-GB",
		title: "Managing Director", office: offices[1],
	})
	const base = "dc=example,dc=net"
	uid := func(user string) string { return strings.TrimSuffix(user, "@example.net") }
	dn := func(user string) string { return "uid=" + uid(user) + ",ou=People," + base }
	uuid := func(n int) string { return fmt.Sprintf("7b0e5c1a-2f4d-4e6b-9a3c-%012x", n) }
	var out bytes.Buffer
	out.WriteString("version: 1\n# The company that ours has just bought, as its LDAP server exports it.\n")
	entry(&out, "dn", base, "objectClass", "domain", "dc", "example")
	entry(&out, "dn", "ou=People,"+base, "objectClass", "organizationalUnit", "ou", "People")
	members := map[string][]string{}
	var groups []string
	for _, e := range all {
		lines := []string{
			"dn", dn(e.user), "objectClass", "top", "objectClass", "person", "objectClass", "organizationalPerson", "objectClass", "inetOrgPerson",
			"uid", uid(e.user), "cn", e.display, "givenName", e.given, "sn", e.family, "mail", e.user, "title", e.title, "departmentNumber", e.department,
			"employeeNumber", fmt.Sprint(e.number), "preferredLanguage", e.language, "telephoneNumber", e.phone, "mobile", e.mobile, "l", e.office.city,
			"entryUUID", uuid(e.number),
		}
		if e.manager != "" {
			lines = append(lines, "manager", dn(e.manager))
		}
		if !e.active {
			lines = append(lines, "pwdAccountLockedTime", "000001010000Z")
		}
		entry(&out, lines...)
		for _, g := range []string{"Labs Everyone", "Labs " + e.department} {
			if members[g] == nil {
				groups = append(groups, g)
			}
			members[g] = append(members[g], dn(e.user))
		}
	}
	entry(&out, "dn", "ou=Groups,"+base, "objectClass", "organizationalUnit", "ou", "Groups")
	for i, g := range groups {
		lines := []string{"dn", "cn=" + g + ",ou=Groups," + base, "objectClass", "top", "objectClass", "groupOfNames", "cn", g, "entryUUID", uuid(900 + i)}
		for _, m := range members[g] {
			lines = append(lines, "member", m)
		}
		entry(&out, lines...)
	}
	return out.Bytes()
}

// entry writes names and values as LDAP servers do: base64 for what is not ASCII, folded at 76 characters, nothing for what is empty.
func entry(w io.Writer, lines ...string) {
	fmt.Fprintln(w)
	for i := 0; i < len(lines); i += 2 {
		name, value := lines[i], lines[i+1]
		if value == "" {
			continue
		}
		text := name + ": " + value
		if strings.ContainsFunc(value, func(r rune) bool { return r > 126 || r < 32 }) {
			text = name + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
		}
		for width := 76; len(text) > width; width = 75 {
			fmt.Fprintln(w, text[:width])
			text = " " + text[width:]
		}
		fmt.Fprintln(w, text)
	}
}

func TestFilesAreMade(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]struct{ want, have []byte }{"company.csv": {companyCSV(), CompanyCSV}, "company.ldif": {companyLDIF(), CompanyLDIF}} {
		if *update {
			if err := os.WriteFile(name, made.want, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if !bytes.Equal(made.want, made.have) {
			t.Errorf("%s is not what the generator makes; go test ./internal/demo -update writes it", name)
		}
	}
}

// TestCompanies reads both as `muster import` does.
func TestCompanies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		in             []byte
		people, groups int
	}{{"company.csv", CompanyCSV, 200, 15}, {"company.ldif", CompanyLDIF, 60, 5}} {
		src, _, err := file.Open(c.name, "", bytes.NewReader(c.in))
		if err != nil {
			t.Fatal(err)
		}
		people, groups := map[string]source.Record{}, map[string]int{}
		inactive, long, other, chiefs := 0, 0, 0, 0
		for rec, err := range src.Records() {
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if rec.Err != nil {
				t.Errorf("%s, line %d: %v", c.name, rec.Line, rec.Err)
				continue
			}
			if rec.Kind == directory.KindGroup {
				groups[rec.Name] += len(*rec.Members)
				continue
			}
			key := rec.Name
			if rec.Ref != "" {
				key = rec.Ref
			}
			people[key] = rec
			if rec.Groups != nil {
				for _, g := range *rec.Groups {
					groups[g]++
				}
			}
			u, _, err := directory.User{Active: true}.Merge(rec.Attributes)
			if err != nil {
				t.Errorf("%s: %s: %v", c.name, rec.Name, err)
			}
			if rec.Active != nil && !*rec.Active {
				inactive++
			}
			if local, _, _ := strings.Cut(u.Email(), "@"); len(local) > 21 {
				long++
			}
			if name, _ := u.Attributes["displayName"].(string); strings.ContainsFunc(name, func(r rune) bool { return r > 126 }) {
				other++
			}
		}
		for _, rec := range people {
			// Up to the chief, in a few steps.
			steps := 0
			for at := rec; *at.Manager != ""; at = people[*at.Manager] {
				if steps++; steps > 3 || people[*at.Manager].Name == "" {
					t.Fatalf("%s: %s is not below the chief", c.name, rec.Name)
				}
			}
			if steps == 0 {
				chiefs++
			}
		}
		if len(people) != c.people || len(groups) != c.groups || chiefs != 1 || inactive < 2 || long < c.people/10 || other < c.people/3 {
			t.Errorf("%s: %d people, %d groups (%v), %d chiefs, %d inactive, %d with long names, %d with letters beyond ASCII",
				c.name, len(people), len(groups), groups, chiefs, inactive, long, other)
		}
	}
}
