package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help implements [kong.HelpProvider].
func (completionCmd) Help() string {
	return `  bash   muster completion bash > /etc/bash_completion.d/muster
  zsh    muster completion zsh > "${fpath[1]}/_muster"
  fish   muster completion fish > ~/.config/fish/completions/muster.fish`
}

// Run implements the verb.
func (c *completionCmd) Run(s *session, k *kong.Kong) error {
	words := completions(k.Model.Node, nil)
	script := map[string]func([]completion) string{"bash": bash, "zsh": zsh, "fish": fish}[c.Shell](words)
	s.show(map[string]string{"shell": c.Shell, "script": script}, func() { fmt.Fprint(s.out, script) })
	return nil
}

// completion is what may follow some words of a command line. An argument among them stands as "*".
type completion struct {
	path  []string
	words []word
	takes []string // flags that take a value, which is no command
}

type word struct{ text, help string }

// completions lists them for every command.
func completions(n *kong.Node, path []string) []completion {
	c := completion{path: path}
	var below []completion
	for _, child := range n.Children {
		name := child.Name
		if child.Type == kong.ArgumentNode {
			name = "*"
		} else if !child.Hidden {
			c.words = append(c.words, word{name, child.Help})
		}
		below = append(below, completions(child, append(slices.Clone(path), name))...)
	}
	for _, p := range n.Positional {
		for _, choice := range p.EnumSlice() {
			c.words = append(c.words, word{choice, p.Help})
		}
	}
	for _, f := range flagsOf(n, true) {
		c.words = append(c.words, word{"--" + f.Name, f.Help})
		if !f.IsBool() {
			c.takes = append(c.takes, "--"+f.Name)
			if f.Short != 0 {
				c.takes = append(c.takes, "-"+string(f.Short))
			}
		}
	}
	return append([]completion{c}, below...)
}

func (c completion) texts() string {
	var out []string
	for _, w := range c.words {
		out = append(out, w.text)
	}
	return strings.Join(out, " ")
}

// valued are all flags that take a value.
func valued(all []completion) []string {
	var out []string
	for _, c := range all {
		out = append(out, c.takes...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// walk is the shell code, alike in bash and zsh, that finds which command a line is about: it goes
// along the words, skips flags with their values, and lets "*" stand for an argument.
func walk(all []completion) string {
	var known []string
	for _, c := range all {
		if len(c.path) > 0 {
			known = append(known, `"`+strings.Join(c.path, " ")+`"`)
		}
	}
	return fmt.Sprintf(`  local at="" word next skip=""
  for word in "${words_before[@]}"; do
    if [[ -n $skip ]]; then skip=""; continue; fi
    case "$word" in
      %s) skip=1; continue ;;
      -*) continue ;;
    esac
    for next in "$at $word" "$at *"; do
      next="${next# }"
      case "$next" in
        %s) at="$next"; break ;;
      esac
    done
  done
`, strings.Join(valued(all), "|"), strings.Join(known, "|"))
}

func bash(all []completion) string {
	var b strings.Builder
	b.WriteString("# Completion of muster for bash; made by `muster completion bash`.\n_muster() {\n")
	b.WriteString("  local words_before=(\"${COMP_WORDS[@]:1:COMP_CWORD-1}\") reply=\"\"\n")
	b.WriteString(walk(all))
	b.WriteString("  case \"$at\" in\n")
	for _, c := range all {
		fmt.Fprintf(&b, "    %q) reply=%q ;;\n", strings.Join(c.path, " "), c.texts())
	}
	b.WriteString("  esac\n  COMPREPLY=($(compgen -W \"$reply\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n")
	b.WriteString("complete -o default -F _muster muster\n")
	return b.String()
}

func zsh(all []completion) string {
	var b strings.Builder
	b.WriteString("#compdef muster\n# Completion of muster for zsh; made by `muster completion zsh`.\n_muster() {\n")
	b.WriteString("  local -a words_before reply\n  words_before=(\"${(@)words[2,CURRENT-1]}\")\n")
	b.WriteString(walk(all))
	b.WriteString("  case \"$at\" in\n")
	for _, c := range all {
		fmt.Fprintf(&b, "    %q) reply=(\n", strings.Join(c.path, " "))
		for _, w := range c.words {
			fmt.Fprintf(&b, "      '%s'\n", strings.ReplaceAll(strings.ReplaceAll(w.text, ":", `\:`)+":"+w.help, "'", "’"))
		}
		b.WriteString("    ) ;;\n")
	}
	b.WriteString("  esac\n  _describe -t commands muster reply || _files\n}\n")
	// As a file of fpath this is the body of the function on its first call; sourced, it has to be made known.
	b.WriteString("if [[ $funcstack[1] == _muster ]]; then _muster; else compdef _muster muster; fi\n")
	return b.String()
}

func fish(all []completion) string {
	var b strings.Builder
	b.WriteString("# Completion of muster for fish; made by `muster completion fish`.\n")
	b.WriteString("function __muster_at\n  set -l at\n  set -l skip\n  for word in (commandline -opc)[2..]\n")
	fmt.Fprintf(&b, "    if test -n \"$skip\"; set skip; continue; end\n    if contains -- $word %s; set skip 1; continue; end\n", strings.Join(valued(all), " "))
	b.WriteString("    if string match -q -- '-*' $word; continue; end\n    for next in \"$at $word\" \"$at *\"\n      set next (string trim -- $next)\n")
	var known []string
	for _, c := range all {
		if len(c.path) > 0 {
			known = append(known, "'"+strings.Join(c.path, " ")+"'")
		}
	}
	fmt.Fprintf(&b, "      if contains -- $next %s; set at $next; break; end\n    end\n  end\n  test \"$at\" = \"$argv[1]\"\nend\n", strings.Join(known, " "))
	quote := strings.NewReplacer("'", `\'`)
	for _, c := range all {
		at := "__muster_at '" + strings.Join(c.path, " ") + "'"
		for _, w := range c.words {
			if name, isFlag := strings.CutPrefix(w.text, "--"); isFlag {
				fmt.Fprintf(&b, "complete -c muster -n %q -l %s -d '%s'\n", at, name, quote.Replace(w.help))
				continue
			}
			fmt.Fprintf(&b, "complete -c muster -n %q -f -a %s -d '%s'\n", at, w.text, quote.Replace(w.help))
		}
	}
	return b.String()
}
