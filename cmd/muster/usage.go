package main

import (
	"cmp"
	"errors"
	"reflect"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
)

// phrases put what kong says of a wrong command line into a sentence; the first pattern that fits has
// it. $1 and on are what the pattern found.
var phrases = []struct {
	pattern *regexp.Regexp
	message string
	next    string // "" points at the help
}{
	{regexp.MustCompile(`^unknown flag (-\S+?)(?:, did you mean (.*)\?)?$`), "there is no flag $1", "did you mean $2?"},
	{regexp.MustCompile(`^unexpected argument (.+?)(?:, did you mean (.*)\?)?$`), "$1 is not expected here", "did you mean $2?"},
	{regexp.MustCompile(`^missing flags: (.+)$`), "$1 is missing", ""},
	{regexp.MustCompile(`^missing positional arguments (.+)$`), "$1 is missing", ""},
	{regexp.MustCompile(`^expected "?(<[^"]+)"?$`), "$1 is missing", ""},
	{regexp.MustCompile(`^expected one of (.+)$`), "say what to do: $1", ""},
	{regexp.MustCompile(`^expected (.+)$`), "$1 is missing", ""},
	{regexp.MustCompile(`^(--?\S+?)(?:=\S+)? must be one of (.+) but got (".*")$`), "$1 takes no $3", "use $2"},
	{regexp.MustCompile(`^(--?\S+?)(?:=\S+)?: (.+)$`), "$1: $2", ""},
}

// rephrase turns an error of the command line into a problem with a next step.
func rephrase(err error) *admin.Problem {
	help := "muster --help"
	var at *kong.ParseError
	var node *kong.Node
	if errors.As(err, &at) && at.Context != nil {
		node = at.Context.Model.Node
		if selected := deepest(at.Context); selected != nil {
			node, help = selected, selected.FullPath()+" --help"
		}
	}
	var own *admin.Problem
	if errors.As(err, &own) {
		return own
	}
	p := &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: err.Error(), Next: "see `" + help + "`"}
	for _, phrase := range phrases {
		m := phrase.pattern.FindStringSubmatchIndex(p.Message)
		if m == nil {
			continue
		}
		expand := func(template string) string { return string(phrase.pattern.ExpandString(nil, template, p.Message, m)) }
		message, next := expand(phrase.message), expand(phrase.next)
		if strings.Contains(next, "did you mean ?") {
			next = near(message, node)
		}
		if next != "" {
			p.Next = next + "; " + p.Next
		}
		p.Message, p.Next = legible(message, node), strings.ReplaceAll(p.Next, `"",`, "")
		break
	}
	return p
}

// legible writes arguments as the help does: APP and FILE… for kong's <app> and <file> ....
func legible(message string, node *kong.Node) string {
	if node == nil {
		return message
	}
	for _, v := range arguments(node) {
		name := strings.Trim(argument(v), "[]")
		message = strings.NewReplacer("<"+v.Name+"> ...", name, "<"+v.Name+">", name).Replace(message)
	}
	return message
}

// AfterApply refuses a flag that was given without its value: a script whose variable is empty does not
// mean the command without that flag (`sync --plan "$PLAN"` would run a cycle that nobody has seen). Of
// the environment an empty variable is as none.
func (c *commands) AfterApply(at *kong.Context) error {
	for _, step := range at.Path {
		if f := step.Flag; f != nil && f.Target.Kind() == reflect.String && strings.TrimSpace(f.Target.String()) == "" {
			return &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "--" + f.Name + " is given and empty", Next: "give it a value, or leave it out"}
		}
	}
	c.Data = cmp.Or(c.Data, defaultData)
	return nil
}

// defaultData is where the state is when nobody says otherwise; the tag of commands.Data shows it.
const defaultData = "./muster-data"

// deepest is the command that had been understood when the command line went wrong.
func deepest(c *kong.Context) *kong.Node {
	var node *kong.Node
	for _, step := range c.Path {
		if step.Command != nil {
			node = step.Command
		}
	}
	return node
}

// near looks for a command or flag that resembles the word which was not understood; kong itself
// only offers those that differ in two letters.
func near(message string, node *kong.Node) string {
	if node == nil {
		return ""
	}
	var known []string
	for _, child := range node.Children {
		known = append(known, child.Name)
	}
	for _, level := range node.AllFlags(true) {
		for _, f := range level {
			known = append(known, "--"+f.Name)
		}
	}
	word, _, _ := strings.Cut(message, " is not expected")
	word = strings.TrimPrefix(word, "there is no flag ")
	if found := directory.Nearest(word, known, 1); len(found) > 0 {
		return "did you mean " + found[0] + "?"
	}
	return ""
}
