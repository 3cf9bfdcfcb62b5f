// Package manual shows the documentation as a small site of its own: every page, a search, and nothing
// from anywhere else. The list of pages is that of docs/README.md; there is no second one.
//
// Start at [New].
package manual

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
)

// Root is the path that the manual is mounted at.
const Root = "/docs"

// source is where files are read that the binary does not hold.
const source = "https://github.com/muster-id/muster/blob/main/"

// Manual answers requests for pages. It is safe for concurrent use.
type Manual struct {
	files fs.FS
	pages map[string]*page // by file name without .md: "README", "decisions/0001-toolchain"
	order []*page          // as docs/README.md names them, and then the others
}

// page is one document.
type page struct {
	Name, Title string
	Body        template.HTML
	parts       []part
	links       []string // as they stand in the site
	anchors     map[string]bool
}

// part is what stands below one heading, for the search.
type part struct{ Title, Anchor, text, folded string }

// New renders the documents of a tree. Every file that ends in .md is a page.
func New(files fs.FS) (*Manual, error) {
	m := &Manual{files: files, pages: map[string]*page{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".md" {
			return err
		}
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		p, err := render(name, raw)
		if err != nil {
			return fmt.Errorf("rendering %s: %w", name, err)
		}
		m.pages[p.Name] = p
		return nil
	})
	if err != nil {
		return nil, err
	}
	first := m.pages["README"]
	if first == nil {
		return nil, errors.New("the documentation has no README.md")
	}
	m.arrange(first)
	return m, nil
}

// arrange puts the pages in the order in which the first one links them.
func (m *Manual) arrange(first *page) {
	m.order = []*page{first}
	for _, link := range first.links {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(link, Root), "/"), "#")
		if p := m.find(name); p != nil && !slices.Contains(m.order, p) {
			m.order = append(m.order, p)
		}
	}
	var rest []*page
	for _, p := range m.pages {
		if !slices.Contains(m.order, p) {
			rest = append(rest, p)
		}
	}
	slices.SortFunc(rest, func(a, b *page) int { return cmp.Compare(a.Name, b.Name) })
	m.order = append(m.order, rest...)
}

// find returns a page by the end of its path; a folder's is its README.
func (m *Manual) find(name string) *page {
	name = strings.TrimSuffix(name, "/")
	if name == "" {
		return m.pages["README"]
	}
	return cmp.Or(m.pages[name], m.pages[name+"/README"])
}

var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table, extension.Strikethrough),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(html.WithXHTML()), // HTML that stands in a document is left out
)

func render(file string, raw []byte) (*page, error) {
	p := &page{Name: strings.TrimSuffix(file, ".md"), anchors: map[string]bool{}}
	root := markdown.Parser().Parse(text.NewReader(raw))
	err := ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			p.heading(n, raw)
		case *ast.Link:
			link := resolve(file, string(n.Destination))
			n.Destination = []byte(link)
			p.links = append(p.links, link)
			if strings.Contains(link, "://") {
				n.SetAttributeString("rel", []byte("noreferrer"))
			}
		case *extast.Table:
			n.SetAttributeString("tabindex", []byte("0"))
		case *ast.Image:
			link := resolve(file, string(n.Destination))
			n.Destination = []byte(link)
			p.links = append(p.links, link)
		}
		if n.Type() == ast.TypeBlock && n.Lines() != nil && n.Kind() != ast.KindHeading && len(p.parts) > 0 {
			last := &p.parts[len(p.parts)-1]
			last.text += string(n.Lines().Value(raw)) + "\n"
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, err
	}
	for i := range p.parts {
		p.parts[i].folded = strings.ToLower(p.parts[i].Title + "\n" + p.parts[i].text)
	}
	var body bytes.Buffer
	if err := markdown.Renderer().Render(&body, raw, root); err != nil {
		return nil, err
	}
	// What is wider than the page is scrolled by keyboard too, once one can get there. Code is escaped: this is no text of a document.
	reachable := strings.ReplaceAll(body.String(), "<pre>", `<pre tabindex="0">`)
	p.Body = template.HTML(reachable) // our own documents, rendered without raw HTML
	p.Title = cmp.Or(p.Title, p.Name)
	return p, nil
}

func (p *page) heading(n *ast.Heading, raw []byte) {
	title := words(n, raw)
	id, _ := n.AttributeString("id")
	anchor, _ := id.([]byte)
	p.anchors[string(anchor)] = true
	if p.Title == "" {
		p.Title = title
	}
	p.parts = append(p.parts, part{Title: title, Anchor: string(anchor)})
}

// words is the text of a node and of what is in it.
func words(n ast.Node, raw []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(c ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := c.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(raw))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// resolve turns a link of a document into one of the site: to another page, to a file beside the pages,
// or to where the sources are.
func resolve(file, link string) string {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "#") || strings.HasPrefix(link, "mailto:") {
		return link
	}
	name, anchor, _ := strings.Cut(link, "#")
	if anchor != "" {
		anchor = "#" + anchor
	}
	name = path.Join(path.Dir(file), name)
	if outside, ok := strings.CutPrefix(name, "../"); ok {
		return source + outside + anchor
	}
	name = strings.TrimSuffix(name, ".md")
	if name == "README" {
		return Root + anchor
	}
	return Root + "/" + strings.TrimSuffix(name, "/README") + anchor
}

// policy lets a page use its own style sheet and pictures, and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

//go:embed page.html style.css
var assets embed.FS

var layout = template.Must(template.New("page.html").Funcs(template.FuncMap{"path": func(p *page) string {
	if p.Name == "README" {
		return Root
	}
	return Root + "/" + strings.TrimSuffix(p.Name, "/README")
}}).ParseFS(assets, "page.html"))

// shown is what a page is made from.
type shown struct {
	Page, Before, After *page
	Pages               []*page
	Query               string
	Found               []hit
}

// ServeHTTP implements [http.Handler].
func (m *Manual) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, Root), "/")
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	if name == "style.css" {
		http.ServeFileFS(w, r, assets, "style.css")
		return
	}
	if query := strings.TrimSpace(r.URL.Query().Get("q")); query != "" && name == "" {
		m.show(w, http.StatusOK, shown{Page: &page{Title: "Search"}, Query: short(query), Found: m.search(short(query))})
		return
	}
	if p := m.find(name); p != nil {
		s := shown{Page: p}
		if i := slices.Index(m.order, p); i > 0 {
			s.Before = m.order[i-1]
			if i+1 < len(m.order) {
				s.After = m.order[i+1]
			}
		} else if len(m.order) > 1 {
			s.After = m.order[1]
		}
		m.show(w, http.StatusOK, s)
		return
	}
	m.file(w, r, name)
}

// file serves what lies beside the pages: pictures, the dashboard, the alerts.
func (m *Manual) file(w http.ResponseWriter, r *http.Request, name string) {
	info, err := fs.Stat(m.files, name)
	if err != nil || info.IsDir() || path.Ext(name) == ".md" {
		m.show(w, http.StatusNotFound, shown{Page: &page{Title: "There is no such page", Body: "<h1>There is no such page</h1>"}})
		return
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if !strings.HasPrefix(kind, "image/") { // nothing else is to be run by a browser
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	http.ServeFileFS(w, r, m.files, name)
}

func (m *Manual) show(w http.ResponseWriter, status int, s shown) {
	for _, p := range m.order { // those of folders are reached from their first one
		if folder, _, deep := strings.Cut(p.Name, "/"); !deep || p.Name == folder+"/README" {
			s.Pages = append(s.Pages, p)
		}
	}
	var b bytes.Buffer
	if err := layout.Execute(&b, s); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
