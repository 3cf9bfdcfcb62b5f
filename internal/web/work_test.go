package web_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector/connectortest"
)

// target configures the application "target" at a server that a test controls.
func (h *house) target(t *testing.T, more string) *connectortest.Target {
	t.Helper()
	target, url := connectortest.Serve(t, connectortest.Behaviour{})
	text := fmt.Sprintf("applications:\n- name: target\n  template: scim2\n  connection: {endpoint: %q, auth: {type: bearer, token: \"${TOKEN}\"}}\n%s", url, more)
	b, err := json.Marshal(map[string]any{"files": []any{map[string]any{"name": "t.yaml", "text": text}}, "variables": map[string]string{"TOKEN": connectortest.Token}})
	if err != nil {
		t.Fatal(err)
	}
	h.as(admin.Admin, http.MethodPost, "/api/v1/config/apply", string(b)).want(t, 200)
	return target
}

// upload sends files up for an import.
func (h *house) upload(query string, files map[string]string, header ...string) reply {
	h.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for name, text := range files {
		part, err := form.CreateFormFile("file", name)
		if err == nil {
			_, err = part.Write([]byte(text))
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		h.t.Fatal(err)
	}
	return h.as(admin.Admin, http.MethodPost, "/api/v1/imports?"+query, b.String(), append(header, "Content-Type", form.FormDataContentType())...)
}

// people is a CSV of so many.
func people(n int) string {
	var csv strings.Builder
	csv.WriteString("userName,name.familyName,name.givenName,emails\n")
	for i := range n {
		fmt.Fprintf(&csv, "user%d,F,G,u%d@example.org\n", i, i)
	}
	return csv.String()
}

func TestImport(t *testing.T) {
	t.Parallel()
	h := open(t)
	people := map[string]string{"people.csv": "userName,title\nada,Analyst\ngrace,Admiral\n"}
	if r := h.upload("dry_run=true", people).want(t, 200); r.doc["created"] != 2.0 || r.doc["source"] != "csv" {
		t.Errorf("a rehearsal answers %s", r.text)
	}
	h.as(admin.Reader, http.MethodGet, "/api/v1/users/ada", "").want(t, 404)
	if r := h.upload("source=hr", people).want(t, 200); r.doc["created"] != 2.0 || r.doc["source"] != "hr" {
		t.Errorf("answers %s", r.text)
	}
	r := h.upload("source=hr", map[string]string{"more.csv": "userName,active\njoan,maybe\n"}, "Accept", "text/event-stream").want(t, 200)
	if !strings.Contains(r.text, "event: result\ndata: {") || !strings.Contains(r.text, `"failed":1`) {
		t.Errorf("the stream is %s", r.text)
	}
	h.upload("", map[string]string{"book.csv": "PK\x03\x04"}).want(t, 422, "format")
	h.upload("", nil).want(t, 400, "usage")
}

// A cycle tells its progress, and its end is the last event. The time in which a request's body has to
// come does not end work that takes longer.
func TestCycleOutlastsTheTimeForItsRequest(t *testing.T) {
	t.Parallel()
	h := openWith(t, 200*time.Millisecond)
	h.upload("", map[string]string{"p.csv": people(20)}).want(t, 200)
	target := h.target(t, "  provisioning: {scope: all}\n")
	target.Fail(connectortest.Fault{Delay: 100 * time.Millisecond, Times: -1})
	r := h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", `{}`, "Accept", "text/event-stream").want(t, 200)
	if !strings.Contains(r.text, "event: progress\n") || !strings.Contains(r.text, "event: result\ndata: {\"application\":\"target\"") || !strings.Contains(r.text, `"create":20`) {
		t.Errorf("the stream is %s", r.text)
	}
	h.as(admin.Operator, http.MethodPost, "/api/v1/applications/nothere/cycles", `{}`, "Accept", "text/event-stream").want(t, 200)
	h.as(admin.Operator, http.MethodPost, "/api/v1/applications/nothere/cycles", `{}`).want(t, 404, "not_found")
}

// A plan comes page by page, in the order in which it is told whole.
func TestPlanInPages(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.upload("", map[string]string{"p.csv": people(7)}).want(t, 200)
	h.target(t, "  provisioning: {scope: all}\n")
	plan := h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/plans", `{}`).want(t, 200)
	path := fmt.Sprintf("/api/v1/plans/%v/operations", plan.doc["id"])
	names := func(limit int) (all []string) {
		cursor := ""
		for {
			page := h.as(admin.Reader, http.MethodGet, fmt.Sprintf("%s?limit=%d&cursor=%s", path, limit, cursor), "").want(t, 200)
			for _, o := range page.doc["operations"].([]any) {
				all = append(all, o.(map[string]any)["source"].(map[string]any)["name"].(string))
			}
			if cursor, _ = page.doc["next"].(string); cursor == "" {
				return all
			}
		}
	}
	whole := names(100)
	for _, limit := range []int{1, 2, 7} {
		if got := names(limit); len(got) != 7 || strings.Join(got, " ") != strings.Join(whole, " ") {
			t.Errorf("by %d: %v, want %v", limit, got, whole)
		}
	}
	h.as(admin.Reader, http.MethodGet, path+"?cursor=nonsense", "").want(t, 422, "invalid")
	h.as(admin.Reader, http.MethodGet, path+"?limt=1", "").want(t, 422, "usage")
	h.as(admin.Reader, http.MethodGet, "/api/v1/plans/nothere", "").want(t, 404, "not_found")
}

// Whoever follows the log is told of what comes.
func TestFollow(t *testing.T) {
	t.Parallel()
	h := openWith(t, 200*time.Millisecond)
	h.target(t, "  provisioning: {scope: all}\n").Fail(connectortest.Fault{Delay: 500 * time.Millisecond}) // longer than a request may last
	res := h.send(h.tokens[admin.Reader], http.MethodGet, "/api/v1/logs/follow", "")
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Scan() // the stream has begun
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"ada","attributes":{"name.givenName":"A","name.familyName":"L","emails":"a@example.org"}}`).want(t, 201)
	h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", `{}`).want(t, 200)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var record admin.Record
			if err := json.Unmarshal([]byte(data), &record); err != nil || record.Action != "create" || record.Source.Name != "ada" || record.InitiatedBy != "the operator (operator)" {
				t.Errorf("told of %s, %v", data, err)
			}
			return
		}
	}
	t.Error("the stream ended")
}

// Whoever watches an application is told how it stands now, and of what changes.
func TestWatch(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.target(t, "  provisioning: {scope: all}\n")
	h.as(admin.Reader, http.MethodGet, "/api/v1/applications/nothere/events", "").want(t, 404)
	res := h.send(h.tokens[admin.Reader], http.MethodGet, "/api/v1/applications/target/events", "")
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for told := 0; lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if told++; told == 1 {
			if !strings.Contains(data, `"cycle":null`) {
				t.Errorf("at first %s", data)
			}
			h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", `{}`).want(t, 200)
		} else if strings.Contains(data, `"state":"done"`) {
			return
		}
	}
	t.Error("the stream ended")
}
