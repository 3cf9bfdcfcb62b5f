package notify

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"

	"github.com/muster-id/muster/internal/store"
)

// sentences say what happened. {app}, {name} and {n} stand for the application, the subject's name and
// how many things it is about.
//
//	began, changed, again              over
var sentences = map[store.NoticeKind]map[store.NoticeEvent]string{
	store.InQuarantine: {
		store.Began: "{app} is in quarantine", store.Changed: "{app} is still in quarantine, now for another cause",
		store.Again: "{app} is still in quarantine", store.Over: "{app} is out of quarantine",
	},
	store.HeldBack: {
		store.Began: "{app}: {n} operations wait for approval", store.Changed: "{app}: {n} operations wait for approval by now",
		store.Again: "{app}: {n} operations still wait for approval", store.Over: "{app}: nothing waits for approval any more",
	},
	store.Failing: {
		store.Began: "{app}: {name} cannot be provisioned", store.Changed: "{app}: {name} cannot be provisioned, now for another cause",
		store.Over: "{app}: {name} fails no more",
	},
	store.ManyFailures: {
		store.Began: "{app}: {n} objects failed in one cycle", store.Changed: "{app}: {n} objects failed in one cycle by now", store.Over: "{app}: cycles go through again",
	},
	store.Expiring: {
		store.Began: "{app}: the {name} ends soon", store.Changed: "{app}: the {name} ends very soon, or has ended", store.Over: "{app}: the {name} is good for long again",
	},
}

// headline says what an event is about, in one line, see plain.
func headline(e store.Event) string {
	text := sentences[e.Kind][e.Event]
	if text == "" {
		text = "{app}: " + string(e.Kind) + " " + string(e.Event)
	}
	name := ""
	if e.Subject != nil {
		name = e.Subject.Name
	}
	app := e.Application
	if app == "" {
		text = strings.TrimPrefix(text, "{app}: ")
	}
	return plain(strings.NewReplacer("{app}", app, "{name}", name, "{n}", fmt.Sprint(e.Size)).Replace(text))
}

// plain leaves out what is not for reading: control characters, line breaks, and marks that turn the
// direction of text around.
func plain(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Bidi_Control, r), r == unicode.ReplacementChar, r == '\u2028', r == '\u2029', r == '\ufeff':
			return -1
		}
		return r
	}, s))
}

// letter is a mail before it is addressed.
type letter struct {
	subject    string
	text, html string
	references []string // ids of what it tells of, so that a mail program puts the end beside the beginning
}

const subjectRunes = 120

// compose writes the mail of a message.
func compose(m *store.Message) letter {
	l := letter{}
	var items []item
	for _, e := range m.Events {
		items = append(items, itemOf(e))
		l.references = append(l.references, e.ID)
	}
	all := len(m.Events) + m.More
	switch {
	case len(items) == 0:
		l.subject = "Muster"
	case all == 1:
		l.subject = items[0].Title
	default:
		l.subject = fmt.Sprintf("%s, and %d more", items[0].Title, all-1)
	}
	l.subject = "[Muster] " + short(l.subject, subjectRunes)
	l.text, l.html = render(items, m.More)
	if len(l.references) > 10 {
		l.references = l.references[:10]
	}
	return l
}

// item is one event as a mail shows it.
type item struct {
	Title string
	Rows  []itemRow
}

type itemRow struct{ Label, Text string }

func itemOf(e store.Event) item {
	it := item{Title: headline(e)}
	add := func(label, text string) {
		if text = plain(text); text != "" {
			it.Rows = append(it.Rows, itemRow{label, short(text, 1000)})
		}
	}
	add("since", moment(e.Since))
	if e.Over != nil {
		add("until", moment(*e.Over))
		add("was", e.Reason)
		return it
	}
	add("why", e.Reason)
	add("do", e.Next)
	add("see", e.Link)
	return it
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

const foot = "Sent by Muster. Who gets this: `muster notify show`, and provisioning.notify of the application."

func render(items []item, more int) (text, html string) {
	var b strings.Builder
	for _, it := range items {
		fmt.Fprintf(&b, "%s\n", it.Title)
		for _, r := range it.Rows {
			fmt.Fprintf(&b, "  %-6s %s\n", r.Label, r.Text)
		}
		b.WriteByte('\n')
	}
	if more > 0 {
		fmt.Fprintf(&b, "… and %d more: `muster logs` and `muster status` show them.\n\n", more)
	}
	fmt.Fprintf(&b, "-- \n%s\n", foot)
	var h strings.Builder
	if err := page.Execute(&h, map[string]any{"Items": items, "More": more, "Foot": foot}); err != nil {
		return b.String(), "" // cannot be: the page is fixed and takes every text
	}
	return b.String(), h.String()
}

// page loads nothing from anywhere.
var page = template.Must(template.New("mail").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Muster</title></head>
<body style="font-family:sans-serif;font-size:15px;line-height:1.45;color:#1b1f24;background:#ffffff;margin:0;padding:24px">
<div style="max-width:640px">
{{range .Items}}<h2 style="font-size:17px;margin:0 0 6px">{{.Title}}</h2>
<table role="presentation" style="border-collapse:collapse;margin:0 0 22px">
{{range .Rows}}<tr><td style="padding:2px 14px 2px 0;vertical-align:top;color:#59636e">{{.Label}}</td><td style="padding:2px 0">{{if eq .Label "see"}}<a href="{{.Text}}">{{.Text}}</a>{{else}}{{.Text}}{{end}}</td></tr>
{{end}}</table>
{{end}}{{if .More}}<p>… and {{.More}} more: <code>muster logs</code> and <code>muster status</code> show them.</p>
{{end}}<p style="color:#59636e;font-size:13px;border-top:1px solid #d1d9e0;padding-top:10px">{{.Foot}}</p>
</div></body></html>
`))
