package config

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

// rule judges one value by itself: it says what the value has to be, and a hint, or "" when it is.
type rule func(v any) (must, hint string)

// rules are what the types of [provision.Application] do not say, by path without indices. What
// depends on several values, or on the template, is in validate.go.
var rules = map[string]rule{
	"name":                                  applicationName,
	"connection.limits.requests_per_second": above(0, 100_000),
	"connection.limits.burst":               above(0, 1_000_000),
	"connection.limits.concurrency":         above(0, 1_000),
	"connection.limits.accounts":            above(0, 100_000_000),
	"connection.limits.time_scale":          above(0, 1_000_000),
	"provisioning.interval":                 schedule,
	"provisioning.reconcile":                schedule,
	"provisioning.hold.min":                 notNegative,
	"provisioning.hold.max":                 notNegative,
	"provisioning.hold.window":              between(time.Second, yearOrSo),
	"provisioning.grace":                    between(0, yearOrSo),
	"provisioning.quarantine.failures":      above(0, 1_000),
	"provisioning.quarantine.share":         aboveNothing,
	"provisioning.quarantine.of":            above(1, 10_000),
	"provisioning.quarantine.probe":         between(time.Second, 24*time.Hour),
	"provisioning.quarantine.probe_max":     between(time.Second, 24*time.Hour),
	"mappings.users[].match":                above(0, 100),
	"mappings.groups[].match":               above(0, 100),
}

// sets are the words of what takes no others, by path without indices.
var sets = map[string][]string{
	"connection.auth.type":          authTypes,
	"connection.auth.client_auth":   {"basic", "post"},
	"connection.auth.assertion":     {"grant", "client"},
	"assignments[].role":            roles,
	"provisioning.status":           {"on", "off"},
	"provisioning.scope":            {"assigned", "all"},
	"provisioning.users.actions[]":  {"create", "update", "disable", "delete"},
	"provisioning.groups.actions[]": {"create", "update", "delete"},
	"provisioning.on_unassign":      {"disable", "delete", "keep"},
	"provisioning.on_disable":       {"disable", "delete", "keep"},
	"provisioning.on_delete":        {"disable", "delete", "keep"},
	"provisioning.drift.attributes": {"repair", "report", "ignore"},
	"provisioning.drift.members":    {"repair", "report", "ignore"},
	"provisioning.drift.accounts":   {"repair", "report", "ignore"},
	"mappings.users[].when":         {string(mapping.Always), string(mapping.OnCreate)},
	"mappings.groups[].when":        {string(mapping.Always), string(mapping.OnCreate)},
}

func init() {
	for path, set := range sets {
		rules[path] = oneOf(set...)
	}
}

// Key says of a key of the declarative form what the types of [provision.Application] do not, by its path without indices
// ("provisioning.users.actions[]"): the words that it takes, nil for any value, and whether it is a secret, which goes in and never
// comes out.
func Key(path string) (set []string, secret bool) { return slices.Clone(sets[path]), isSecret(path) }

// mayBeNull are the values that null says something of: that there is to be none.
var mayBeNull = map[string]bool{"mappings.users[].tests[].expect": true, "mappings.groups[].tests[].expect": true}

// isWord reports whether the value at a path is a word of a closed set, which needs no quotes.
func isWord(path string) bool { return rules[path] != nil && path != "name" }

// authTypes are the kinds of credentials that the declarative form knows; a template offers some.
var authTypes = []string{provision.Bearer, provision.Basic, provision.Header, provision.ClientCredentials, provision.AuthorizationCode, provision.JWTAssertion}

// authKeys are the keys under connection.auth beside type, each with the kinds that have it; of those with true
// the kind needs it. Secrets are needed when the connection is used, not when it is saved.
var authKeys = map[string]map[string]bool{
	"token":         {provision.Bearer: false, provision.Header: false},
	"header":        {provision.Header: true},
	"username":      {provision.Basic: true},
	"password":      {provision.Basic: false},
	"authorize_url": {provision.AuthorizationCode: true},
	"token_url":     {provision.ClientCredentials: true, provision.AuthorizationCode: true, provision.JWTAssertion: true},
	"client_id":     {provision.ClientCredentials: true, provision.AuthorizationCode: true, provision.JWTAssertion: true},
	"client_secret": {provision.ClientCredentials: false, provision.AuthorizationCode: false},
	"client_auth":   {provision.ClientCredentials: false, provision.AuthorizationCode: false},
	"scopes":        {provision.ClientCredentials: false, provision.AuthorizationCode: false, provision.JWTAssertion: false},
	"params":        {provision.ClientCredentials: false, provision.JWTAssertion: false},
	"refresh_token": {provision.AuthorizationCode: false},
	"assertion":     {provision.JWTAssertion: false},
	"issuer":        {provision.JWTAssertion: false},
	"subject":       {provision.JWTAssertion: false},
	"audience":      {provision.JWTAssertion: false},
	"key_id":        {provision.JWTAssertion: false},
	"key":           {provision.JWTAssertion: false},
}

// roles an assignment can have. They are compared exactly, case included: a "default access" that
// passed for a role of its own would provision people whom it must not.
var roles = []string{"User", "Group", provision.RoleDefaultAccess}

// secrets are the values that are sealed beside an application instead of being part of it.
var secrets = []string{
	"connection.auth.token", "connection.auth.password", "connection.auth.client_secret", "connection.auth.refresh_token", "connection.auth.key",
}

func isSecret(path string) bool { return slices.Contains(secrets, path) }

// synonyms are words that people bring from elsewhere, with Muster's word.
var synonyms = map[string]string{
	"enable": "disable", "deactivate": "disable", "suspend": "disable", "remove": "delete", "deprovision": "disable",
	"true": "on", "yes": "on", "enabled": "on", "false": "off", "no": "off", "disabled": "off",
	"everyone": "all", "fix": "repair", "warn": "report",
}

func oneOf(words ...string) rule {
	return func(v any) (string, string) {
		word := reflect.ValueOf(v).String()
		if slices.Contains(words, word) {
			return "", ""
		}
		hint := ""
		if near := nearest(word, words); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		} else if s := synonyms[strings.ToLower(word)]; slices.Contains(words, s) {
			hint = "write " + s
			if word == "enable" {
				hint = "disable includes enable"
			}
		}
		return either(words), hint
	}
}

func above(limit, most float64) rule {
	return func(v any) (string, string) {
		var n float64
		switch v := v.(type) {
		case int:
			n = float64(v)
		case float64:
			n = v
		}
		switch {
		case n <= limit:
			return "more than " + strconv.FormatFloat(limit, 'f', -1, 64), "leave the key out for what the template says"
		case n > most:
			return "at most " + strconv.FormatFloat(most, 'f', -1, 64), ""
		}
		return "", ""
	}
}

func notNegative(v any) (string, string) {
	if v.(int) < 0 {
		return "0 or more", ""
	}
	return "", ""
}

// yearOrSo is longer than anybody means to wait: a schedule beyond it is a slip of the pen.
const yearOrSo = 366 * 24 * time.Hour

func between(least, most time.Duration) rule {
	return func(v any) (string, string) {
		switch d := time.Duration(v.(provision.Duration)); {
		case d < least:
			return "at least " + spelt(least), ""
		case d > most:
			return "at most " + spelt(most), ""
		}
		return "", ""
	}
}

// schedule is how long from one cycle to the next.
func schedule(v any) (must, hint string) {
	if must, hint = between(time.Second, yearOrSo)(v); v.(provision.Duration) == 0 {
		hint = "to run nothing by itself write provisioning.status: off"
	}
	return must, hint
}

// spelt writes a duration as the file would.
func spelt(d time.Duration) string {
	b, _ := provision.Duration(d).MarshalText() // never fails
	return string(b)
}

// aboveNothing refuses a share that even a target without any fault reaches.
func aboveNothing(v any) (string, string) {
	if v.(provision.Percent) == 0 {
		return "more than 0%", "write off to count only failures in a row"
	}
	return "", ""
}

// maxName bounds an application's name in characters.
const maxName = 100

// applicationName keeps names fit for command lines, addresses and tables.
func applicationName(v any) (string, string) {
	name := v.(string)
	switch {
	case name == "":
		return "a name", ""
	case strings.TrimSpace(name) != name:
		return "a name without spaces around it", ""
	case len([]rune(name)) > maxName:
		return fmt.Sprintf("a name of at most %d characters", maxName), ""
	case strings.HasPrefix(name, "-") || strings.ContainsAny(name, "/\n\t"):
		return "a name without slashes, tabs and line breaks that begins with no dash", ""
	case name == "." || name == "..":
		return "a name other than . and .., which stand for something else in the address of a page", ""
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "a name of characters that can be seen", ""
	}
	return "", ""
}

// tokenElsewhere catches a Slack token in a place that is not sealed.
func tokenElsewhere(text string) (message, hint string) {
	if tokenLike.MatchString(text) {
		return "holds what looks like a token, and would not be sealed", "a token belongs to connection.auth.token"
	}
	return "", ""
}

// written says how a value that writes itself as text is written, and what was perhaps meant.
func written(t reflect.Type, s scalar) (want, hint string) {
	if t == reflect.TypeFor[provision.Percent]() {
		if s.node.ShortTag() == "!!int" || s.node.ShortTag() == "!!float" {
			hint = "write " + s.node.Value + "%"
		}
		return "a percentage from 0% to 100%, or off", hint
	}
	if t == reflect.TypeFor[provision.Threshold]() {
		return "a percentage from 0% to 100%, a number above 0, or off", ""
	}
	text := strings.TrimSpace(s.node.Value)
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		hint = fmt.Sprintf("write %ds for seconds or %dm for minutes", n, n)
	} else if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 10_000 {
			hint = fmt.Sprintf("write %dh", n*24)
		}
	}
	return "a duration such as 30s, 10m or 24h", hint
}

// keysOf returns the keys of a struct, by their json names, with the index of the field.
func keysOf(t reflect.Type) map[string]int {
	keys := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		if name := keyOf(t.Field(i)); name != "" && (t != limitsType || name != "off") {
			keys[name] = i
		}
	}
	return keys
}

// keyOf returns the key of a field, "" for a field that the declarative form does not have.
func keyOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// homesOf returns the parts of the declarative form that have a key of this name, two at most.
func homesOf(key string) []string {
	var homes []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for i := range t.NumField() {
			f := t.Field(i)
			name := keyOf(f)
			if name == "" {
				continue
			}
			if name == key && path != "" {
				homes = append(homes, path)
			}
			inner := f.Type
			full := join(path, name)
			if inner.Kind() == reflect.Slice {
				inner, full = inner.Elem(), full+"[]"
			}
			if inner.Kind() == reflect.Struct {
				walk(inner, full)
			}
		}
	}
	walk(reflect.TypeFor[provision.Application](), "")
	if len(homes) > 2 {
		return nil
	}
	return homes
}

// cause shortens what the operating system says of a file to the reason alone.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
