package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/slackemulator"
)

// A client that a public generator makes of /openapi.json compiles and does what an administrator does: people, groups, an application,
// its plan and the reasons.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	const source = "../../internal/interop/testdata/apiclient"
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	// Everything is there already: scripts/test fetched it, by the hashes of go.sum.
	goTool := func(env []string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), append([]string{"GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0"}, env...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			if strings.Contains(string(out), "GOPROXY=off") {
				const format = "the generator's modules are not there; scripts/test fetches them:\n%s"
				if os.Getenv("CI") == "true" {
					t.Fatalf(format, out)
				}
				t.Skipf(format, out)
			}
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}

	w := newWorld(t)
	slack := httptest.NewServer(slackemulator.New(slackemulator.Options{TimeScale: 60}))
	t.Cleanup(slack.Close)
	token, err := w.desk.CreateToken(t.Context(), admin.TokenRequest{Role: "owner", Name: "generated"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(w.base + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	document, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "openapi.json"), document, 0o600); err != nil {
		t.Fatal(err)
	}
	goTool(nil, "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", "openapi.json")
	goTool(nil, "vet", "./...")
	goTool([]string{"MUSTER_SERVER=" + w.base, "MUSTER_TOKEN=" + token.Secret, "TARGET=" + slack.URL + "/scim/v2/"}, "run", ".")
}
