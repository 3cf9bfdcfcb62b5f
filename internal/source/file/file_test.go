package file

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/muster-id/muster/internal/source"
)

const (
	inCSV  = "userName,title\nada,x\n"
	inLDIF = "dn: uid=ada\nobjectClass: inetOrgPerson\nuid: ada\ntitle: x\n"
	inJSON = `[{"userName":"ada","title":"x"}]`
)

func first(t *testing.T, s source.Source) string {
	t.Helper()
	for rec, err := range s.Records() {
		if err != nil {
			return err.Error()
		}
		return rec.Name
	}
	return "nobody"
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, format, in string }{
		{"people.csv", "", inCSV},
		{"people.LDIF", "", inLDIF},
		{"people.json", "", inJSON},
		{"people.tsv", "", strings.ReplaceAll(inCSV, ",", "\t")},
		{"people.txt", "", inCSV},
		{"-", "", inLDIF},
		{"-", "", inJSON},
		{"-", "", "\uFEFF\n" + inJSON},
		{"-", "", "# extended LDIF\n#\n\n" + inLDIF},
		{"-", "", "version: 1\n\n" + inLDIF},
		{"people.csv", "LDIF", inLDIF},
		{"people", "csv", inCSV},
		{"people.csv", "json", inJSON},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(c.in), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for kind, r := range map[string]io.Reader{"file": f, "pipe": iotest.OneByteReader(strings.NewReader(c.in))} {
			s, is, err := Open(c.name, c.format, r)
			if err != nil {
				t.Errorf("%s, %q as a %s: %v", c.name, c.in, kind, err)
				continue
			}
			if got := first(t, s); got != "ada" {
				t.Errorf("%s, %q as a %s: %s", c.name, c.in, kind, got)
			}
			want := "csv" // whatever the name says
			if strings.Contains(c.in, inJSON) {
				want = "json"
			} else if strings.Contains(c.in, inLDIF) {
				want = "ldif"
			}
			if is != want {
				t.Errorf("%s, %q as a %s: is %s, want %s", c.name, c.in, kind, is, want)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, format, in, want string }{
		{"people.csv", "xml", inCSV, `"xml" is no format of files; there are csv, json, ldif`},
		{"people.xlsx", "", "PK\x03\x04…", "people.xlsx is an Excel workbook"},
		{"people.csv", "", "PK\x03\x04…", `people.csv is an Excel workbook or another archive: save the sheet as "CSV UTF-8"`},
		{"people.csv.gz", "", "\x1F\x8B…", "people.csv.gz is compressed"},
	} {
		if _, _, err := Open(c.name, c.format, bytes.NewReader([]byte(c.in))); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
	if _, _, err := Open("people.csv", "", iotest.ErrReader(os.ErrClosed)); err == nil {
		t.Error("a reader that fails is no error")
	}
}
