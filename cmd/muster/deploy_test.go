package main

import (
	"cmp"
	"encoding/json"
	goversion "go/version"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The image is built by a Go that go.mod takes, and runs as nobody that the machine outside knows.
func TestImage(t *testing.T) {
	t.Parallel()
	image, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	needs := "go" + string(regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(module)[1])
	given := "go" + string(regexp.MustCompile(`(?m)^ARG GO_VERSION=(\S+)$`).FindSubmatch(image)[1])
	if goversion.Compare(given, needs) < 0 || goversion.Lang(given) != goversion.Lang(needs) {
		t.Errorf("the image is built by %s, and go.mod needs %s", given, needs)
	}
	_, last, _ := strings.Cut(string(image), "\nFROM scratch\n")
	if user := regexp.MustCompile(`(?m)^USER (\d+):\d+$`).FindStringSubmatch(last); user == nil || user[1] == "0" {
		t.Error("the image runs as root, or as a name that is looked up in it")
	}
	for _, m := range regexp.MustCompile(`(?m)^(COPY|ADD) (.*)$`).FindAllStringSubmatch(last, -1) {
		if m[1] == "ADD" || !strings.Contains(m[2], "--from=build") {
			t.Errorf("%s %s: what is in the image comes from its build", m[1], m[2])
		}
	}
}

// What the service and the container start is what there is.
func TestDeployedCommands(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../../deploy/muster.service")
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]string
	for _, m := range regexp.MustCompile(`(?m)^ExecStart=\S+/muster (.*)$`).FindAllStringSubmatch(string(unit), -1) {
		lines = append(lines, strings.Fields(m[1]))
	}
	for _, m := range regexp.MustCompile(`CMD (\[.*\])`).FindAllStringSubmatch(string(image), -1) {
		var words []string
		if err := json.Unmarshal([]byte(m[1]), &words); err != nil {
			t.Fatal(err)
		}
		if words[0] == "/muster" {
			words = words[1:]
		}
		lines = append(lines, words)
	}
	if len(lines) != 3 { // the service, the container, its health check
		t.Fatalf("found the commands %q", lines)
	}
	for _, args := range lines {
		parser, err := newParser(&commands{}, io.Discard, func(int) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(parser, args); err != nil {
			t.Errorf("muster %s: %v", strings.Join(args, " "), err)
		}
	}
	for _, name := range regexp.MustCompile(`MUSTER_[A-Z_]+`).FindAllString(string(unit)+string(image), -1) {
		if !strings.Contains("MUSTER_DATA MUSTER_LISTEN MUSTER_DATABASE MUSTER_KEY_FILE", name) {
			t.Errorf("%s is set and read by nobody", name)
		}
	}
}

// The page about security names tests that there are.
func TestSecurityIsTested(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return cmp.Or(err, fs.SkipDir)
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(page, -1)
	if len(names) < 20 {
		t.Errorf("it names %d tests", len(names))
	}
	for _, m := range names {
		if !there[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
}
