package main

import (
	"encoding/json"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

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
