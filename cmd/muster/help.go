package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// helpWidth is what the help fits into: the narrowest terminal that people still use.
const helpWidth = 80

// printHelp writes the help of the command that was asked about. docs/cli.md is made of the same text.
func printHelp(_ kong.HelpOptions, c *kong.Context) error {
	node := c.Model.Node
	for _, step := range c.Path {
		if n := step.Node(); n != nil && n.Type != kong.ApplicationNode {
			node = n
		}
	}
	_, err := io.WriteString(c.Stdout, helpOf(node))
	return err
}

// helpOf is the whole help of a command: usage, what it does, arguments, commands below it, flags,
// examples.
func helpOf(node *kong.Node) string {
	var b strings.Builder
	b.WriteString("Usage: " + usageOf(node) + "\n\n" + wrap(node.Help, 0, helpWidth))
	if node.Detail != "" {
		b.WriteString("\n" + strings.TrimRight(node.Detail, "\n") + "\n")
	}
	if args := arguments(node); len(args) > 0 {
		var rows [][2]string
		for _, a := range args {
			rows = append(rows, [2]string{argument(a), a.Help})
		}
		section(&b, "Arguments", rows)
	}
	writeCommands(&b, node)
	root := node.Type == kong.ApplicationNode
	var own [][2]string
	for _, f := range flagsOf(node, root) {
		own = append(own, [2]string{flagName(f), flagHelp(f)})
	}
	if root {
		section(&b, "Flags of every command", own)
		section(&b, "Environment", [][2]string{{"MUSTER_KEY", "Key that seals secrets, 32 bytes in base64 or hexadecimal digits, instead of the file muster.key in --data."}, {"MUSTER_KEY_FILE", "A file that holds it, as systemd and Docker hand out secrets."}})
		b.WriteString("\nMore about a command: muster COMMAND --help\n")
	} else {
		section(&b, "Flags", own)
		b.WriteString("\nFlags of every command (--data, --database, --output): muster --help\n")
	}
	return b.String()
}

func usageOf(node *kong.Node) string {
	parts := []string{}
	for n := node; n != nil; n = n.Parent {
		words := []string{n.Name}
		if n.Type == kong.ArgumentNode {
			words = []string{argument(n.Argument)}
		}
		for _, p := range n.Positional {
			words = append(words, argument(p))
		}
		parts = append(words, parts...)
	}
	if len(node.Children) > 0 {
		parts = append(parts, "COMMAND")
	}
	if len(flagsOf(node, false)) > 0 {
		parts = append(parts, "[flags]")
	}
	return strings.Join(parts, " ")
}

// argument is a positional argument as usage lines write it: APP, [NAME], FILE….
func argument(v *kong.Value) string {
	s := strings.ToUpper(strings.TrimSuffix(v.Name, "s"))
	if v.Tag.PlaceHolder != "" {
		s = v.Tag.PlaceHolder
	}
	if v.IsCumulative() {
		s += "…"
	}
	if !v.Required {
		s = "[" + s + "]"
	}
	return s
}

func arguments(node *kong.Node) []*kong.Value {
	var all []*kong.Value
	for n := node; n != nil; n = n.Parent {
		own := n.Positional
		if n.Type == kong.ArgumentNode {
			own = append([]*kong.Value{n.Argument}, own...)
		}
		all = append(own, all...)
	}
	return all
}

// flagsOf are the flags of a command, without those that every command has unless it is the root.
func flagsOf(node *kong.Node, root bool) []*kong.Flag {
	var all []*kong.Flag
	for n := node; n != nil; n = n.Parent {
		if n.Type == kong.ApplicationNode && !root {
			break
		}
		for _, f := range n.Flags {
			if !f.Hidden && (f.Name != "help" || root) {
				all = append(all, f)
			}
		}
	}
	return all
}

func flagName(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if !f.IsBool() {
		name += " " + strings.ToUpper(f.Name)
		if f.PlaceHolder != "" {
			name = strings.TrimSuffix(name, strings.ToUpper(f.Name)) + f.PlaceHolder
		}
	}
	if f.IsSlice() {
		name += " …"
	}
	return name
}

func flagHelp(f *kong.Flag) string {
	if len(f.Envs) == 0 {
		return f.Help
	}
	return strings.TrimSuffix(f.Help, ".") + " [" + strings.Join(f.Envs, ", ") + "]."
}

func writeCommands(b *strings.Builder, node *kong.Node) {
	children := node.Children
	if len(children) == 1 && children[0].Type == kong.ArgumentNode {
		children = children[0].Children
	}
	if len(children) == 0 {
		return
	}
	if node.Type != kong.ApplicationNode {
		section(b, "Commands", commandRows(children))
		return
	}
	for _, g := range groups {
		var in []*kong.Node
		for _, c := range children {
			if c.Group != nil && c.Group.Key == g.Key {
				in = append(in, c)
			}
		}
		section(b, g.Title, commandRows(in))
	}
}

func commandRows(nodes []*kong.Node) [][2]string {
	var rows [][2]string
	for _, n := range nodes {
		if !n.Hidden {
			rows = append(rows, [2]string{n.Name, n.Help})
		}
	}
	return rows
}

// section writes two columns under a heading, the second one wrapped.
func section(b *strings.Builder, title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n" + title + ":\n")
	left := 0
	for _, r := range rows {
		if n := width(r[0]); n <= 28 {
			left = max(left, n)
		}
	}
	for _, r := range rows {
		text := strings.TrimLeft(wrap(r[1], left+4, helpWidth), " ")
		if width(r[0]) > left {
			fmt.Fprintf(b, "  %s\n%s%s", r[0], strings.Repeat(" ", left+4), text)
			continue
		}
		fmt.Fprintf(b, "  %s  %s", pad(r[0], left), text)
	}
}

// wrap breaks a text into lines of a width, each indented.
func wrap(text string, indent, limit int) string {
	var b strings.Builder
	space := strings.Repeat(" ", indent)
	line := space
	for _, word := range strings.Fields(text) {
		if width(line)+1+width(word) > limit && strings.TrimSpace(line) != "" {
			b.WriteString(line + "\n")
			line = space
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}
