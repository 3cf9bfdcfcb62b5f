// Command gotest runs "go test" with a PostgreSQL server beside it and lets no test be skipped in silence.
//
// It prints what "go test" prints, its summary line for each package included, plus one line for each skipped test with the
// reason; plain "go test" hides those. Under CI=true a skipped test makes the run fail. Arguments are handed to "go test".
// scripts/test is the usual way to start it, after installing what the tests need.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/muster-id/muster/internal/pgtest"
)

func main() {
	status, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
	}
	os.Exit(status)
}

// run returns the exit status: that of go test, or 1 when something was skipped where nothing may be.
func run(args []string, out io.Writer) (int, error) {
	// An interrupt reaches go test too. It is caught here, not obeyed, so that the server is stopped after the tests.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	if os.Getenv(pgtest.EnvURL) == "" {
		url, stop, err := pgtest.Start()
		if err != nil {
			fmt.Fprintf(out, "without PostgreSQL: %v\n", err) // its tests say so themselves, each by name
		} else {
			defer stop()
			os.Setenv(pgtest.EnvURL, url)
		}
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 1, fmt.Errorf("starting go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("starting go test: %w", err)
	}
	skipped, err := report(events, out)
	if err != nil {
		_, _ = io.Copy(io.Discard, events)
	}
	waited := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(waited, &exit):
		return max(1, exit.ExitCode()), err // -1 when a signal ended it
	case waited != nil:
		return 1, fmt.Errorf("running go test: %w", waited)
	case err != nil:
		return 1, err
	case skipped > 0 && os.Getenv("CI") == "true":
		return 1, fmt.Errorf("%d tests were skipped (SKIP above says which and why); under CI=true that is a failure", skipped)
	}
	return 0, nil
}

// event is one line of "go test -json" (go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

// line is a piece of output of a test, or of its package where test is empty.
type line struct{ test, text string }

// report turns the events into what plain go test prints, plus the skipped tests, and counts those.
func report(events io.Reader, out io.Writer) (skipped int, err error) {
	said := map[string][]line{} // per package, in order; without the tests that passed
	for dec := json.NewDecoder(events); ; {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return skipped, nil
		} else if err != nil {
			return skipped, fmt.Errorf("reading what go test -json prints: %w", err)
		}
		switch {
		case e.Action == "build-output":
			fmt.Fprint(out, e.Output)
		case e.Action == "output":
			if !strings.HasPrefix(e.Output, "=== ") {
				said[e.Package] = append(said[e.Package], line{e.Test, e.Output})
			}
		case e.Test != "" && e.Action == "skip":
			skipped++
			fmt.Fprintf(out, "SKIP\t%s %s: %s\n", e.Package, e.Test, reason(said[e.Package], e.Test))
			said[e.Package] = without(said[e.Package], e.Test)
		case e.Test != "" && e.Action == "pass":
			said[e.Package] = without(said[e.Package], e.Test)
		case e.Test == "" && e.Action == "fail":
			for _, l := range said[e.Package] {
				fmt.Fprint(out, l.text)
			}
			delete(said, e.Package)
		case e.Test == "" && (e.Action == "pass" || e.Action == "skip"):
			for _, l := range said[e.Package] {
				if l.test == "" && (strings.HasPrefix(l.text, "ok  ") || strings.HasPrefix(l.text, "?   ")) {
					fmt.Fprint(out, l.text)
				}
			}
			delete(said, e.Package)
		}
	}
}

// without is lines less those of one test.
func without(lines []line, test string) []line {
	kept := lines[:0]
	for _, l := range lines {
		if l.test != test {
			kept = append(kept, l)
		}
	}
	return kept
}

// reason is what a skipped test said, on one line.
func reason(lines []line, test string) string {
	var words []string
	for _, l := range lines {
		if l.test == test && !strings.HasPrefix(strings.TrimSpace(l.text), "--- ") {
			words = append(words, strings.Fields(l.text)...)
		}
	}
	if len(words) == 0 {
		return "it gives no reason"
	}
	return strings.Join(words, " ")
}
