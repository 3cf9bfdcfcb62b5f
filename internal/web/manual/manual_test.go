package manual

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/muster-id/muster/docs"
)

func site(t *testing.T) (*Manual, func(path string) (int, string, http.Header)) {
	t.Helper()
	m, err := New(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return m, func(path string) (int, string, http.Header) {
		t.Helper()
		r, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(body), r.Header
	}
}

// Every page of docs is a page of the site, and no link leads nowhere.
func TestEveryPageAndLink(t *testing.T) {
	t.Parallel()
	m, get := site(t)
	n := 0
	err := fs.WalkDir(os.DirFS("../../../docs"), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".md") {
			n++
			if m.pages[strings.TrimSuffix(name, ".md")] == nil {
				t.Errorf("%s is not in the binary", name)
			}
		}
		return err
	})
	if err != nil || n < 10 {
		t.Fatalf("%d pages: %v", n, err)
	}
	loads := regexp.MustCompile(`(?i)(src|action)="([^"]*)"|<link[^>]*href="([^"]*)"|url\(`)
	for _, p := range m.order {
		path := resolve("README.md", p.Name+".md")
		status, body, header := get(path)
		if status != http.StatusOK || !strings.Contains(body, "<h1") || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s answers %d", path, status)
		}
		for _, load := range loads.FindAllString(body, -1) {
			if strings.Contains(load, "://") || strings.Contains(load, "//") {
				t.Errorf("%s loads %s", path, load)
			}
		}
		if strings.Contains(body, "<!-- raw HTML omitted -->") && p.Name != "errors" {
			t.Errorf("%s has HTML that is left out", path)
		}
		for _, link := range p.links {
			m.check(t, get, p, link)
		}
	}
}

func (m *Manual) check(t *testing.T, get func(string) (int, string, http.Header), p *page, link string) {
	t.Helper()
	if file, ok := strings.CutPrefix(link, source); ok {
		file, _, _ = strings.Cut(file, "#")
		if _, err := os.Stat(filepath.Join("../../..", file)); err != nil {
			t.Errorf("%s links to %s, which is not there", p.Name, file)
		}
		return
	}
	if strings.Contains(link, "://") {
		if !strings.HasPrefix(link, "https://") {
			t.Errorf("%s links to %s", p.Name, link)
		}
		return
	}
	path, anchor, _ := strings.Cut(link, "#")
	to := p
	if path != "" {
		if status, _, _ := get(path); status != http.StatusOK {
			t.Errorf("%s links to %s, which answers %d", p.Name, link, status)
			return
		}
		to = m.find(strings.TrimPrefix(strings.TrimPrefix(path, Root), "/"))
	}
	if anchor != "" && (to == nil || !to.anchors[anchor]) {
		t.Errorf("%s links to %s, and there is no such heading", p.Name, link)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	_, get := site(t)
	if _, body, _ := get("/docs?q=restore+backup"); !strings.Contains(body, `href="/docs/operations#backup-and-restore"`) {
		t.Errorf("backup is not found:\n%s", body)
	}
	if _, body, _ := get("/docs?q=%3Cscript%3Ealert(1)%3C/script%3E"); strings.Contains(body, "<script") {
		t.Error("a search runs a script")
	}
	if status, body, _ := get("/docs?q=" + strings.Repeat("%C3%A9", 500)); status != http.StatusOK || !strings.Contains(body, "0 places") {
		t.Errorf("a long search answers %d", status)
	}
}

func TestFilesAndWhatIsNotThere(t *testing.T) {
	t.Parallel()
	_, get := site(t)
	if status, body, header := get("/docs/grafana/muster.json"); status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") || !strings.Contains(body, "muster_held") {
		t.Errorf("the dashboard answers %d as %s", status, header.Get("Content-Type"))
	}
	for _, path := range []string{"/docs/nowhere", "/docs/README.md", "/docs/grafana", "/docs/%2e%2e/go.mod", "/docs/docs.go"} {
		if status, _, _ := get(path); status != http.StatusNotFound {
			t.Errorf("%s answers %d", path, status)
		}
	}
	if status, _, header := get("/docs/style.css"); status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/css") {
		t.Errorf("the style sheet answers %d", status)
	}
}

// Links are resolved as they are where the files lie.
func TestResolve(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ file, link, want string }{
		{"README.md", "slack.md", "/docs/slack"},
		{"slack.md", "README.md", "/docs"},
		{"slack.md", "errors.md#quarantine", "/docs/errors#quarantine"},
		{"README.md", "decisions", "/docs/decisions"},
		{"decisions/README.md", "0001-toolchain.md", "/docs/decisions/0001-toolchain"},
		{"decisions/0001-toolchain.md", "../slack.md", "/docs/slack"},
		{"README.md", "../ARCHITECTURE.md#where", source + "ARCHITECTURE.md#where"},
		{"slack.md", "#here", "#here"},
		{"slack.md", "https://example.org/x", "https://example.org/x"},
	} {
		if got := resolve(test.file, test.link); got != test.want {
			t.Errorf("%s in %s is %s, want %s", test.link, test.file, got, test.want)
		}
	}
	if _, err := New(fstest.MapFS{"a.md": {Data: []byte("# A")}}); err == nil {
		t.Error("a manual without its first page is taken")
	}
}
