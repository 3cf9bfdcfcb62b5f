package csv

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

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

// names returns what came out, one word a record: the name, with "!" before it when the record cannot be used.
func names(all []source.Record) string {
	var out []string
	for _, rec := range all {
		name := fmt.Sprintf("%d:%s", rec.Line, rec.Name)
		if rec.Err != nil {
			name = fmt.Sprintf("%d!%s", rec.Line, rec.Name)
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func warnings(all []source.Record) (out []string) {
	for _, rec := range all {
		out = append(out, rec.Warnings...)
	}
	return out
}

func TestRow(t *testing.T) {
	t.Parallel()
	all, err := read(strings.NewReader(`USERNAME,name.givenName, "name.familyName" ,emails,emails[type eq "home"].value,phoneNumbers,roles,addresses,addresses.locality,department,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter,Manager,active,groups,externalId,id,custom.shoeSize,title
ada, Ada ,"O""Hara, née Byron",ada@x.org,a@home,+44 1,"admin; dev",5 High St,London,R&D,42,grace@x.org,YES,"Engineering; Everyone ;;engineering",e1,i1,38,
`))
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	yes, boss := true, "grace@x.org"
	entry := func(kind, v string) []any { return []any{map[string]any{"value": v, "type": kind, "primary": true}} }
	want := source.Record{
		Line: 2, Kind: directory.KindUser, Name: "ada", ID: "i1", ExternalID: "e1", Active: &yes, Manager: &boss,
		Groups: &[]string{"Engineering", "Everyone"},
		Attributes: map[string]any{
			"userName": "ada", "name.givenName": "Ada", "name.familyName": `O"Hara, née Byron`,
			"emails": entry("work", "ada@x.org"), `emails[type eq "home"].value`: "a@home", "phoneNumbers": entry("work", "+44 1"),
			"roles":     []any{map[string]any{"value": "admin"}, map[string]any{"value": "dev"}},
			"addresses": []any{map[string]any{"formatted": "5 High St", "type": "work", "primary": true}}, "addresses.locality": "London",
			"department": "R&D", "costCenter": "42", "custom.shoeSize": "38", "title": nil,
		},
	}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, changed, err := (directory.User{Active: true}).Merge(all[0].Attributes); !changed || err != nil {
		t.Errorf("the directory does not take it: %v", err)
	}
}

// TestEmpty has the cells that clear nothing, and those that do.
func TestEmpty(t *testing.T) {
	t.Parallel()
	all, err := read(strings.NewReader("userName,externalId,active,groups,manager,title\n,e1,,,,\n"))
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	none := ""
	want := source.Record{Line: 2, Kind: directory.KindUser, Name: "e1", ExternalID: "e1", Groups: &[]string{}, Manager: &none, Attributes: map[string]any{"title": nil}}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestActive(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{"true": "true", "FALSE": "false", "1": "true", "0": "false", "yes": "true", " No ": "false", "": "unsaid", "maybe": "refused", "2": "refused"} {
		all, err := read(strings.NewReader("userName,active\na," + cell + "\n"))
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		got := "unsaid"
		switch rec := all[0]; {
		case rec.Err != nil:
			got = "refused"
		case rec.Active != nil:
			got = fmt.Sprint(*rec.Active)
		}
		if got != want {
			t.Errorf("active %q is %s, want %s", cell, got, want)
		}
	}
}

// TestRows reads rows that are as they should be and rows that are not: what is good gets through, with its true line.
func TestRows(t *testing.T) {
	t.Parallel()
	const head = "userName,title,emails\n"
	many := strings.Repeat("x\n", maxLines+1)
	for _, c := range []struct{ name, in, want, says string }{
		{"plain", head + "a,1,2\nb,3,4", "2:a 3:b", ""},
		{"CRLF, blank lines, Excel's empty rows", "\r\n" + strings.ReplaceAll(head+"a,1,2\n\n,,\n ,  ,\nb,3,4\n", "\n", "\r\n"), "3:a 7:b", ""},
		{"CR", strings.ReplaceAll(head+"a,1,2\nb,3,4\n", "\n", "\r"), "2:a 3:b", ""},
		{"cells over lines", head + "a,\"1\n\n2\",x\nb,1,2\n", "2:a 5:b", ""},
		{"too few cells", head + "a,1\nb,1,2\n", "2!a 3:b", "the row has 2 cells and the header 3"},
		{"too many", head + "a,1,2,3\nb,1,2\n", "2!a 3:b", "the row has 4 cells and the header 3"},
		{"empty ones too many", head + "a,1,2,,\nb,1,2\n", "2:a 3:b", ""},
		{"a quote inside", head + "a,1 \"2\",x\nb,1,2\n", "2!a 3:b", "broken quoting: cell 2 has a quote"},
		{"text after a quote", head + "a,\"1\" 2,x\nb,1,2\n", "2!a 3:b", "broken quoting: cell 2 goes on after its closing quote"},
		{"a quote not closed, before the end", head + "a,\"1,2\nb,1,2\n", "2!a 3:b", "which is a row of its own"},
		{"a quote not closed, at the end", head + "b,1,2\na,\"1,2\n", "2:b 3!a", "to the end of the file"},
		{"a quote not closed, and another row quoted", head + "a,\"1,2\n\"b\",1,2\nc,1,2", "2!a 3:b 4:c", "which is a row of its own"},
		{"a quote not closed, and another cell quoted", head + "a,\"1,2\nb,1,\"2\"\nc,1,2", "2!a 3:b 4:c", "which is a row of its own"},
		{"a quote not closed, and short rows", head + "a,\"1,2\nb\n\"c\",1,2", "2!a 3!b 4:c", "which is a row of its own"},
		{"a quote not closed, and a quote in the next", head + "a,\"1,2\nb \"x\",1\nc,1,2", "2!a 3! 4:c", "goes on after"},
		{"two quotes not closed: the rows between are not lost", head + "a,\"1,2\nb,1,2\nc,1\",2\nd,1,2", "2!a 3:b 4!c 5:d", "which is a row of its own"},
		{"a quote not closed, long", head + "a,\"1\n" + many + "b,1,2\n", "", "over more than 100 lines"},
		{"NUL", head + "a,1\x00,2\nb,1,2\n", "2! 3:b", "line 2 holds a NUL byte"},
		{"too long", head + "a," + strings.Repeat("x", maxLine) + ",2\nb,1,2\n", "2! 3:b", "line 2 is longer than"},
		{"nobody", head + ",1,2\nb,1,2\n", "2! 3:b", "the row says about nobody"},
	} {
		all, err := read(strings.NewReader(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := names(all); got != c.want && c.want != "" {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		said := ""
		for _, rec := range all {
			if rec.Err != nil && said == "" {
				said = rec.Err.Error()
			}
		}
		if !strings.Contains(said, c.says) || said != "" && c.says == "" {
			t.Errorf("%s: says %q, want %q", c.name, said, c.says)
		}
		if last := all[len(all)-1].Name; c.want == "" && last != "b" {
			t.Errorf("%s: the last is %q", c.name, last)
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in, refused string
		attributes        []string // of the row
		warned            []string
	}{
		{name: "semicolons", in: "userName;title;groups\na;b;\"c;d\"", attributes: []string{"title", "userName"}, warned: []string{"cells are separated by semicolons"}},
		{name: "tabs", in: "userName\ttitle\na\tb", attributes: []string{"title", "userName"}, warned: []string{"cells are separated by tabs"}},
		{name: "Excel's own hint", in: "sep=;\nuserName;title\na;b", attributes: []string{"title", "userName"}, warned: []string{"cells are separated by semicolons"}},
		{name: "one column", in: "userName\na", attributes: []string{"userName"}},
		{name: "a column too many", in: "userName,title,\na,b,\n", attributes: []string{"title", "userName"}},
		{name: "unknown ones", in: "userName,E-Mail,Shoe size,部署\na,b,c,d", attributes: []string{"custom.E-Mail", "custom.Shoe_size", "custom.column4", "userName"}, warned: []string{
			"column 2 (E-Mail) is no attribute of SCIM and becomes custom.E-Mail; did you mean emails?",
			"column 3 (Shoe size) is no attribute of SCIM and becomes custom.Shoe_size",
			"column 4 (部署) is no attribute of SCIM and becomes custom.column4",
		}},
		{name: "what is left out", in: "userName,password,name,emails.colour,,groups.value\na,b,c,d,e,f", attributes: []string{"userName"}, warned: []string{
			"column 2 (password) is left out: passwords are not kept",
			"column 3 (name) is left out: it has parts, such as name.formatted: name one of them",
			"column 4 (emails.colour) is left out: attribute emails has no part colour",
			"column 5 has no name and is left out",
			"column 6 (groups.value) is left out: it cannot be written",
		}},
		{name: "one twice", in: "userName,Department,enterprise.department\na,b,c", refused: "columns 2 (Department) and 3 (enterprise.department) are the same attribute"},
		{name: "nobody", in: "E-Mail,Vorname\na,b", refused: "one of userName, id and externalId has to be among them; it has: E-Mail, Vorname; write emails for E-Mail, name.givenName for Vorname"},
		{name: "no header", in: "ada,Ada,ada@example.org\n", refused: "it has: ada, Ada, ada@example.org"},
		{name: "empty", in: "", refused: "the file is empty"},
		{name: "blank", in: "\n  \n", refused: "the file is empty"},
		{name: "a mark alone", in: "\uFEFF", refused: "the file is empty"},
		{name: "a quote not closed", in: "\"userName,title\na,b\n", refused: "reading the header, line 1: broken quoting"},
		{name: "too wide", in: "userName" + strings.Repeat(",x", 1e5), refused: "the header has 100001 columns, and more than 1000 are not read"},
		{name: "NUL", in: "user\x00Name\na\n", refused: "reading the header: line 1 holds a NUL byte"},
	} {
		all, err := read(strings.NewReader(c.in))
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) || len(all) > 0 {
				t.Errorf("%s: %v; want %q", c.name, err, c.refused)
			}
			continue
		}
		if err != nil || len(all) != 1 || all[0].Err != nil {
			t.Errorf("%s: %+v, %v", c.name, all, err)
			continue
		}
		var got []string
		for _, path := range strings.Fields("custom.E-Mail custom.Shoe_size custom.column4 title userName") {
			if _, has := all[0].Attributes[path]; has {
				got = append(got, path)
			}
		}
		if diff := cmp.Diff(c.attributes, got); diff != "" || len(got) != len(all[0].Attributes) {
			t.Errorf("%s: attributes %v (-want +got):\n%s", c.name, all[0].Attributes, diff)
		}
		if diff := cmp.Diff(c.warned, warnings(all)); diff != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestEncoding(t *testing.T) {
	t.Parallel()
	const text = "userName,title\na,Führer\nb,plain\nc,Größe – €\n"
	western, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	excel, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, in, want, warned string
	}{
		{"UTF-8", text, "2:a 3:b 4:c", ""},
		{"UTF-8 with a mark", "\uFEFF" + text, "2:a 3:b 4:c", ""},
		{"UTF-16", excel, "2:a 3:b 4:c", ""},
		{"Windows-1252", western, "2:a 3:b 4:c", "line 2: the file is not UTF-8 and is read as Windows-1252"},
		{"a damaged row of UTF-8", strings.Replace(text, "plain", "pl\xFCin", 1), "2:a 3! 4:c", ""},
		{"a damaged row before any other", "userName,title\nx,\xFC\n" + strings.TrimPrefix(text, "userName,title\n"), "2! 3:a 4:b 5:c", ""},
		{"no encoding at all", "userName,title\nx,\x81\na,Führer\nb,b\nc,Größe – €\n", "2! 3:a 4:b 5:c", ""},
	} {
		all, err := read(strings.NewReader(c.in))
		if err != nil || names(all) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, names(all), err, c.want)
			continue
		}
		for _, rec := range all {
			if want := map[string]string{"a": "Führer", "c": "Größe – €"}[rec.Name]; want != "" && rec.Attributes["title"] != want {
				t.Errorf("%s: the title of %s is %q", c.name, rec.Name, rec.Attributes["title"])
			}
		}
		if got := strings.Join(warnings(all), "|"); !strings.HasPrefix(got, c.warned) || got != "" && c.warned == "" || strings.Count(got, "|") > 0 {
			t.Errorf("%s: warns %q, want %q once", c.name, got, c.warned)
		}
	}
}

// TestLateEncoding has the first letter beyond ASCII far behind what can be looked ahead.
func TestLateEncoding(t *testing.T) {
	t.Parallel()
	early := "userName,title\n" + strings.Repeat("a,b\n", source.InputBuffer)
	for name, c := range map[string]struct{ in, title string }{
		"UTF-8":        {early + "c,Größe\n", "Größe"},
		"Windows-1252": {early + "c,Gr\xF6\xDFe\n", "Größe"},
	} {
		all, err := read(strings.NewReader(c.in))
		if err != nil || all[len(all)-1].Attributes["title"] != c.title {
			t.Errorf("%s: %+v, %v", name, all[len(all)-1], err)
		}
	}
}

func TestBreaksOff(t *testing.T) {
	t.Parallel()
	gone := errors.New("the disk is gone")
	for in, want := range map[string]string{"": "", "userName\na\nb": "2:a", "userName\na\n\"b\n": "2:a"} {
		all, err := read(io.MultiReader(strings.NewReader(in), iotest.ErrReader(gone)))
		if !errors.Is(err, gone) || names(all) != want {
			t.Errorf("%q: %s, %v", in, names(all), err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("userName,name.givenName,\"emails[type eq \"\"work\"\"].value\",groups,active\nada,\"A\nda\",a@b,\"x;y\",yes\n\"broken,\nb,b,b,b,0\n"))
	f.Add([]byte("\xEF\xBB\xBFuserName;custom.x;Shoe size\r\na;b;c\r\n;;\r\nz;\xFC;\"\"\r\n"))
	f.Add([]byte("sep=|\rexternalId|manager|roles\ra|b|c;d\r"))
	f.Add([]byte("\xFF\xFEu\x00s\x00e\x00r\x00N\x00a\x00m\x00e\x00\n\x00a\x00\n\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		columns := 0
		for rec, err := range New(strings.NewReader(string(in))).Records() {
			if err != nil {
				break
			}
			columns++
			if rec.Err != nil {
				continue
			}
			if rec.Line < 2 || rec.Name == "" {
				t.Fatalf("%+v", rec)
			}
			if _, _, err := (directory.User{}).Merge(rec.Attributes); err != nil {
				t.Fatalf("the directory does not take %v: %v", rec.Attributes, err)
			}
		}
		// Whatever a row holds, the good row after it is there.
		body := strings.Map(func(r rune) rune {
			if r == 0 {
				return -1
			}
			return r
		}, string(in))
		all, err := read(strings.NewReader("\uFEFFuserName,title\n" + body + "\nlast,last\n"))
		if err != nil || len(all) == 0 || all[len(all)-1].Name != "last" || all[len(all)-1].Err != nil {
			t.Fatalf("%s, %v", names(all), err)
		}
	})
}
