package csv

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// maxColumns bounds the work that a header can cause.
const maxColumns = 1000

// column is what one column means.
type column struct {
	title string // as the header has it
	key   string // what it is about, the same for two columns that are the same; "" for one that is left out
	names bool   // its cell tells who the row is about, even when the rest of it cannot be used
	take  func(rec *source.Record, cell string) error
}

// separators are what columns may be separated by, the usual one first.
var separators = []struct {
	char byte
	name string
}{{',', "commas"}, {';', "semicolons"}, {'\t', "tabs"}, {'|', "bars"}}

// header reads the header and says what the columns mean. notes are for the administrator; the error says why nothing can be read.
func header(rows *reader, names map[string]string) (columns []column, notes []string, err error) {
	titles, notes, err := titlesOf(rows)
	if err != nil {
		return nil, nil, err
	}
	if len(titles) > maxColumns {
		return nil, nil, fmt.Errorf("the header has %d columns, and more than %d are not read", len(titles), maxColumns)
	}
	rows.width = len(titles)
	at := map[string]int{}
	for i, title := range titles {
		name, renamed := names[title]
		if !renamed {
			name = title
		}
		c, note := newColumn(name, i+1)
		if renamed && name == "" {
			note = "" // as somebody wished
		}
		if note != "" {
			notes = append(notes, note)
		}
		if before, twice := at[c.key]; twice && c.key != "" {
			return nil, nil, fmt.Errorf("columns %d (%s) and %d (%s) are the same attribute: which one counts cannot be told", before, titles[before-1], i+1, title)
		}
		at[c.key] = i + 1
		columns = append(columns, c)
	}
	if at["userName"]+at["id"]+at["externalId"] == 0 {
		return nil, nil, nobody(titles)
	}
	return columns, notes, nil
}

// titlesOf returns the titles of the columns, without empty ones at the end.
func titlesOf(rows *reader) (all, notes []string, err error) {
	all, notes, err = titles(rows)
	for len(all) > 0 && all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all, notes, err
}

// titles reads the first line that is not blank and finds out how columns are separated: in the way that gives the most columns that
// we know, or else the most columns. "sep=;" on a line of its own, which Excel understands, settles it.
func titles(rows *reader) (titles, notes []string, err error) {
	var first line
	choice := separators
	for strings.TrimSpace(first.text) == "" {
		first, err = rows.take()
		if errors.Is(err, io.EOF) {
			return nil, nil, errors.New("the file is empty: it needs a header such as userName,name.givenName,name.familyName,emails and a row for each person")
		}
		if err == nil {
			err = first.err
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the header: %w", err)
		}
		if len(first.text) == 5 && strings.EqualFold(first.text[:4], "sep=") {
			for _, s := range separators {
				if s.char == first.text[4] {
					choice = []struct {
						char byte
						name string
					}{s}
				}
			}
			first.text = ""
		}
	}
	best := -1
	for _, s := range choice {
		// Only the first line is looked at here: a title that runs over lines is none that we know.
		p := parser{separator: s.char, lenient: true}
		if p.feed(first.text) != nil {
			continue
		}
		score := len(p.cells)
		for _, title := range p.cells[:min(len(p.cells), maxColumns)] {
			if _, _, err := directory.Canonical(title); err == nil {
				score += 1000
			}
		}
		if score > best {
			best, rows.separator = score, s.char
		}
	}
	head, err := rows.row(first, parser{separator: rows.separator, lenient: true})
	if err == nil {
		err = head.err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the header, line %d: %w", first.number, err)
	}
	for _, s := range separators[1:] {
		if s.char == rows.separator {
			notes = append(notes, "cells are separated by "+s.name)
		}
	}
	return head.cells, notes, nil
}

// nobody is the refusal of a header that does not say whom a row is about.
func nobody(titles []string) error {
	var found, hints []string
	for _, title := range titles {
		if hint := meant[squash(title)]; hint != "" {
			hints = append(hints, fmt.Sprintf("%s for %s", hint, shorten(title)))
		}
		found = append(found, shorten(title))
	}
	if len(found) > 10 {
		found = append(found[:10], "…")
	}
	text := "the first line must name the columns, and one of userName, id and externalId has to be among them; it has: " + strings.Join(found, ", ")
	if len(hints) > 0 {
		text += "; write " + strings.Join(hints, ", ")
	}
	return errors.New(text)
}

func shorten(title string) string {
	if r := []rune(title); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return title
}

// newColumn says what a title means. A title that is no path of the schema is never guessed at.
func newColumn(title string, number int) (c column, note string) {
	c = column{title: title, take: func(*source.Record, string) error { return nil }}
	leftOut := func(why string) (column, string) {
		return c, fmt.Sprintf("column %d (%s) is left out: %s", number, shorten(title), why)
	}
	switch {
	case title == "":
		return c, fmt.Sprintf("column %d has no name and is left out", number)
	case slices.Contains([]string{"password", "userpassword", "passwd", "pwd"}, squash(title)):
		return leftOut("passwords are not kept")
	}
	p, a, err := directory.Canonical(title)
	if err != nil {
		if head, _, _ := strings.Cut(title, "."); strings.Contains(title, "[") || known(head) {
			return leftOut(err.Error())
		}
		p = attr.Path{URN: directory.Custom, Name: customName(title, number)}
		note = fmt.Sprintf("column %d (%s) is no attribute of SCIM and becomes %s", number, shorten(title), directory.Short(p))
		if hint := near(title); hint != "" {
			note += "; did you mean " + hint + "?"
		}
		a = directory.Attribute{Type: directory.TypeAny}
	}
	c.key = directory.Short(p)
	if take, ok := own[c.key]; ok {
		c.take, c.names = take, c.key == "userName" || c.key == "id" || c.key == "externalId"
		return c, note
	}
	if a.ReadOnly || a.Type == directory.TypeReference || p.Name == "manager" {
		c.key = ""
		return leftOut("it cannot be written")
	}
	if a.Type == directory.TypeComplex && p.Filter != nil {
		// Of the one value that a filter picks, a cell is the value itself.
		p.Sub, a = "value", directory.Attribute{Name: "value", Type: directory.TypeString}
		if p.Name == "addresses" {
			p.Sub = "formatted"
		}
		c.key = directory.Short(p)
	}
	switch {
	case a.Type == directory.TypeComplex && a.MultiValued:
		c.take = list(c.key, a)
	case a.Type == directory.TypeComplex:
		c.key = ""
		return leftOut(fmt.Sprintf("it has parts, such as %s.%s: name one of them", a.Name, a.Sub[0].Name))
	default:
		a.MultiValued = false // a part of a list's entry is one value
		c.take = single(c.key, a)
	}
	return c, note
}

// own are the columns that are fields of a record and not attributes.
var own = map[string]func(*source.Record, string) error{
	"id":         func(rec *source.Record, cell string) error { rec.ID = cell; return nil },
	"externalId": func(rec *source.Record, cell string) error { rec.ExternalID = cell; return nil },
	"userName": func(rec *source.Record, cell string) error {
		if rec.Name = cell; cell != "" {
			rec.Attributes["userName"] = cell
		}
		return nil
	},
	"active": func(rec *source.Record, cell string) error {
		if cell == "" {
			return nil
		}
		active, err := directory.Bool(cell)
		rec.Active = &active
		return err
	},
	"manager":       manager,
	"manager.value": manager,
	"groups": func(rec *source.Record, cell string) error {
		groups := split(cell)
		rec.Groups = &groups
		return nil
	},
}

func manager(rec *source.Record, cell string) error { rec.Manager = &cell; return nil }

// single takes a cell for the value of an attribute.
func single(key string, a directory.Attribute) func(*source.Record, string) error {
	return func(rec *source.Record, cell string) error {
		v, err := a.Value(cell)
		rec.Attributes[key] = v
		return err
	}
}

// list takes a cell for all values of a multi-valued attribute: roles and entitlements separated by semicolons, of the others one, which
// is the primary one and that of work.
func list(key string, a directory.Attribute) func(*source.Record, string) error {
	return func(rec *source.Record, cell string) error {
		var values []any
		switch {
		case cell == "":
		case a.Name == "roles" || a.Name == "entitlements":
			for _, v := range split(cell) {
				values = append(values, v)
			}
		case a.Name == "addresses":
			values = []any{map[string]any{"formatted": cell, "type": "work"}}
		default:
			values = []any{cell}
		}
		v, err := a.Value(values)
		rec.Attributes[key] = v
		return err
	}
}

// split takes names that are separated by semicolons apart, each once.
func split(cell string) []string {
	names := []string{}
	for _, n := range strings.Split(cell, ";") {
		n = strings.TrimSpace(n)
		same := func(other string) bool { return directory.Key(other) == directory.Key(n) }
		if n != "" && !slices.ContainsFunc(names, same) {
			names = append(names, n)
		}
	}
	return names
}

// meant is what headers of other programs may mean, by title without case, spaces and punctuation. It is offered, never assumed.
var meant = map[string]string{
	"user": "userName", "login": "userName", "loginname": "userName", "username": "userName", "uid": "userName", "samaccountname": "userName",
	"userprincipalname": "userName", "upn": "userName", "account": "userName", "userid": "userName or externalId",
	"email": "emails", "mail": "emails", "emailaddress": "emails", "workemail": "emails", "primaryemail": "emails",
	"firstname": "name.givenName", "givenname": "name.givenName", "forename": "name.givenName", "vorname": "name.givenName", "prénom": "name.givenName",
	"lastname": "name.familyName", "surname": "name.familyName", "familyname": "name.familyName", "sn": "name.familyName", "nachname": "name.familyName", "nom": "name.familyName",
	"middlename": "name.middleName", "fullname": "displayName", "cn": "displayName", "jobtitle": "title", "position": "title",
	"phone": "phoneNumbers", "telephone": "phoneNumbers", "telephonenumber": "phoneNumbers", "workphone": "phoneNumbers",
	"mobile": `phoneNumbers[type eq "mobile"].value`, "mobilephone": `phoneNumbers[type eq "mobile"].value`, "cellphone": `phoneNumbers[type eq "mobile"].value`,
	"dept": "department", "company": "organization", "employeeid": "employeeNumber", "employeetype": "userType", "personnelnumber": "employeeNumber",
	"status": "active", "enabled": "active", "accountenabled": "active", "disabled": "active (the other way round)",
	"group": "groups", "memberof": "groups", "managername": "manager", "managerusername": "manager", "supervisor": "manager",
	"street": "addresses.streetAddress", "city": "addresses.locality", "state": "addresses.region", "zip": "addresses.postalCode",
	"zipcode": "addresses.postalCode", "postalcode": "addresses.postalCode", "country": "addresses.country", "address": "addresses",
	"language": "preferredLanguage", "externalid": "externalId",
}

// squash takes case, spaces and punctuation off a title.
func squash(title string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t_-.:/()", r) {
			return -1
		}
		return r
	}, title))
}

// near returns what a title that is no path may mean, "" when nothing comes near.
func near(title string) string {
	if hint := meant[squash(title)]; hint != "" {
		return hint
	}
	if len(squash(title)) < 3 || strings.ContainsFunc(title, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "" // too little to go by
	}
	var paths []string
	for _, a := range directory.UserSchema {
		paths = append(paths, a.Name)
		if !a.MultiValued {
			for _, sub := range a.Sub {
				paths = append(paths, a.Name+"."+sub.Name)
			}
		}
	}
	if hits := directory.Nearest(title, paths, 1); len(hits) > 0 {
		return hits[0]
	}
	return ""
}

func known(name string) bool {
	_, _, err := directory.Canonical(name)
	return err == nil
}

// customName makes an attribute's name (RFC 7643 §2.1: letters, digits, "-" and "_", a letter first) of a title.
func customName(title string, number int) string {
	var b strings.Builder
	gap := false
	if len(title) > 7 && strings.EqualFold(title[:7], "custom.") {
		title = title[7:]
	}
	for _, r := range title {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (b.Len() == 0 || r != '-' && r != '_' && (r < '0' || r > '9')) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('_')
		}
		b.WriteRune(r)
		gap = false
	}
	if b.Len() == 0 {
		return fmt.Sprintf("column%d", number)
	}
	return b.String()
}
