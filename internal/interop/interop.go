// Package interop starts servers that nobody here wrote, so that tests can have Muster's SCIM client and its sign-in judged by them,
// and holds the checker that judges its pages.
//
// A client tested only against a target that shares its authors' reading of the RFCs proves nothing. One server
// is a Go library; the others are Node programs in testdata/, on published libraries. Everything they store is in memory. scripts/test installs the libraries, at the
// versions and hashes of testdata/package-lock.json. Nothing in this package is used outside tests.
//
// Start with [SCIMMY], [BetterAuth], [Elimity], [OpenIDProvider] or [Axe].
package interop

import (
	"bufio"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// EnvModules names the environment variable with the node_modules directory that scripts/test installed. Without it, the place where
// scripts/test puts it in this working copy is looked at.
const EnvModules = "MUSTER_TEST_NODE_MODULES"

//go:embed testdata/*.mjs
var programs embed.FS

// SCIMMY starts an empty, strict SCIM 2.0 server on SCIMMY (https://scimmyjs.github.io): User with the enterprise extension, Group,
// PATCH, filters, sort, bulk. userName is unique (409 uniqueness), members must exist (400 invalidValue), a PATCH that changes nothing
// gets 204. endpoint has no slash at its end; token is the bearer token it accepts. The server ends with the test.
func SCIMMY(t testing.TB) (endpoint, token string) {
	t.Helper()
	return start(t, "scimmy.mjs")
}

// BetterAuth starts an empty SCIM 2.0 server on Better Auth's SCIM plugin (https://better-auth.com/docs/plugins/scim): it takes a
// narrow subset of filters, refuses more than 100 members in a PATCH and empty strings, and answers one request at a time.
// endpoint has no slash at its end; token is the bearer token it accepts. The server ends with the test.
func BetterAuth(t testing.TB) (endpoint, token string) {
	t.Helper()
	return start(t, "betterauth.mjs")
}

// OpenIDProvider starts an OpenID provider on oidc-provider (https://github.com/panva/node-oidc-provider), certified by the OpenID
// Foundation. It knows one client, "muster", with the secret and the redirect address that it is given back to. Whoever signs in there is
// called by what they type, and is in the groups that are given for that name. The provider ends with the test.
func OpenIDProvider(t testing.TB, redirect string, groups map[string][]string) (issuer, secret string) {
	t.Helper()
	b, err := json.Marshal(groups)
	if err != nil {
		t.Fatalf("writing the groups: %v", err)
	}
	return start(t, "oidc.mjs", "INTEROP_REDIRECT="+redirect, "INTEROP_GROUPS="+string(b))
}

// start runs one program of testdata/ until the test ends, and returns where it listens. Env is for the program alone.
func start(t testing.TB, program string, env ...string) (endpoint, token string) {
	t.Helper()
	node, modules := installed(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, programs); err != nil {
		t.Fatalf("unpacking %s: %v", program, err)
	}
	dir = filepath.Join(dir, "testdata")
	// Node looks for packages in node_modules beside the program, wherever its working directory is.
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("linking %s to its libraries: %v", program, err)
	}

	token = rand.Text()
	ctx, cancel := context.WithCancel(context.Background()) // not the test's: that one ends before cleanups run
	cmd := exec.CommandContext(ctx, node, filepath.Join(dir, program))
	cmd.Env = append(append(os.Environ(), "INTEROP_TOKEN="+token, "NODE_ENV=test"), env...)
	stderr := new(strings.Builder)
	cmd.Stderr = stderr
	// The program ends when its standard input does: also when this process is killed and no cleanup runs.
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatalf("starting %s: %v", program, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("starting %s: %v", program, err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", program, err)
	}
	listening := make(chan string, 1)
	go func() {
		defer close(listening)
		said := bufio.NewReader(stdout)
		for {
			line, err := said.ReadString('\n')
			if at, ok := strings.CutPrefix(line, "listening on "); ok {
				listening <- strings.TrimSpace(at)
				_, _ = io.Copy(io.Discard, said) // to the end: the program must never block on a full pipe
				return
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range listening { // until its output ends, which Wait demands
		}
		_ = cmd.Wait() // it was killed, so it reports that
		if t.Failed() && stderr.Len() > 0 {
			t.Logf("%s said:\n%s", program, stderr)
		}
	})
	endpoint, ok := <-listening
	if !ok {
		t.Fatalf("%s ended before it listened", program)
	}
	return endpoint, token
}

// Axe returns the program of axe-core (https://github.com/dequelabs/axe-core), which tells a page's faults of accessibility when a
// browser runs it there: window.axe.run.
func Axe(t testing.TB) string {
	t.Helper()
	_, modules := installed(t)
	program, err := os.ReadFile(filepath.Join(modules, "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("reading the accessibility checker: %v", err)
	}
	return string(program)
}

// installed finds Node and the libraries. Where they are missing the test is skipped, and fails under CI=true: nothing may go untested
// there.
func installed(t testing.TB) (node, modules string) {
	t.Helper()
	node, modules, err := find()
	if err != nil {
		const format = "what others wrote for tests: %v; run scripts/test once, which installs it"
		if os.Getenv("CI") == "true" {
			t.Fatalf(format, err)
		}
		t.Skipf(format, err)
	}
	return node, modules
}

func find() (node, modules string, err error) {
	if node, err = exec.LookPath("node"); err != nil {
		return "", "", errors.New("node is not in PATH")
	}
	modules = os.Getenv(EnvModules)
	if modules == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", "", err
		}
		modules = filepath.Join(root, ".cache", "interop", "node_modules")
	}
	for _, library := range []string{"scimmy-routers", "better-auth", "axe-core", "oidc-provider"} {
		if _, err := os.Stat(filepath.Join(modules, library, "package.json")); err != nil {
			return "", "", fmt.Errorf("the library %s is not in %s", library, modules)
		}
	}
	return node, modules, nil
}

// moduleRoot is the working copy's root: go test runs each test binary in its package's directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the module's root: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
	}
}
