package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/muster-id/muster/internal/admin"
)

// exit is a command's end that is no error: what there is to say has been printed.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// ended turns an exit status into what Run returns.
func ended(status int) error {
	if status == admin.ExitDone {
		return nil
	}
	return exit(status)
}

// run is the whole program: it reads the command line, runs the verb and returns the exit status.
func run(ctx context.Context, args []string, std streams) int {
	var cli commands
	helped := false
	parser, err := newParser(&cli, std.out, func(int) { helped = true })
	if err != nil {
		fmt.Fprintln(std.err, "muster:", err)
		return admin.ExitInternal
	}
	parsed, err := parse(parser, args)
	if helped {
		return admin.ExitDone
	}
	if err != nil {
		asked := slices.Contains(args, "-ojson") || slices.Contains(args, "--output=json")
		if i := slices.IndexFunc(args, func(a string) bool { return a == "-o" || a == "--output" }); i >= 0 && i+1 < len(args) {
			asked = asked || args[i+1] == "json"
		}
		return fail(std, asked, rephrase(err))
	}
	s := newSession(ctx, &cli, std)
	s.verb = verbOf(parsed)
	err = parsed.Run(s)
	var status exit
	switch {
	case errors.Is(s.broken, syscall.EPIPE):
		return admin.ExitInternal // nobody reads on: there is nobody to tell
	case errors.As(err, &status):
		return int(status)
	case err != nil && s.printed:
		// A list broke off: what stands on stdout is not whole, so the error goes to stderr alone.
		return fail(streams{out: io.Discard, err: std.err}, false, admin.Explain(err))
	case err != nil:
		return fail(std, s.json, admin.Explain(err))
	case s.broken != nil:
		return fail(streams{out: io.Discard, err: std.err}, false, admin.Explain(s.broken))
	}
	return admin.ExitDone
}

func newParser(cli *commands, out io.Writer, leave func(int)) (*kong.Kong, error) {
	return kong.New(cli,
		kong.Name("muster"),
		kong.Description("Keeps the accounts in a company's apps, Slack first, exactly as its directory says."),
		kong.Writers(out, out), kong.Exit(leave), kong.Help(printHelp),
		kong.ExplicitGroups(groups),
	)
}

// groups are the headings of the list of commands, in its order.
var groups = []kong.Group{
	{Key: "start", Title: "Try it"},
	{Key: "directory", Title: "Directory"},
	{Key: "applications", Title: "Applications"},
	{Key: "provisioning", Title: "Provisioning"},
	{Key: "people", Title: "Administrators"},
	{Key: "operations", Title: "Operations"},
}

// parse reads the command line. A panic of the parser is a line like any other: nobody is to see a
// stack trace for what they typed.
func parse(parser *kong.Kong, args []string) (parsed *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the command line cannot be read: %v", r)
		}
	}()
	return parser.Parse(args)
}

// fail prints a problem where its reader looks: people on stderr, scripts on stdout.
func fail(std streams, json bool, p *admin.Problem) int {
	if json {
		printJSON(std.out, map[string]*admin.Problem{"error": p})
		return p.Exit
	}
	out := paintFor(std.err)
	fmt.Fprintf(std.err, "%s %s\n", out.red("muster:"), tame(strings.TrimSpace(p.Message)))
	if p.Next != "" {
		fmt.Fprintf(std.err, "  next: %s\n", tame(p.Next))
	}
	return p.Exit
}

// environment returns a variable, for what the command line does not read itself.
func environment(name string) (string, bool) { return os.LookupEnv(name) }

// verbOf is the command without its arguments: "held approve".
func verbOf(c *kong.Context) string {
	var words []string
	for _, step := range c.Path {
		if step.Command != nil {
			words = append(words, step.Command.Name)
		}
	}
	return strings.Join(words, " ")
}
