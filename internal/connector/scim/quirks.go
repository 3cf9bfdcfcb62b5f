package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/attr"
)

// Quirks are a target's departures from, and choices within, SCIM 2.0. The json names are those of
// the template's quirks and of connection.options alike; [ParseQuirks] fills in what is not given.
type Quirks struct {
	// ContentType is sent with every body: application/scim+json, or application/json.
	ContentType string `json:"content_type"`
	// TrailingSlash ends the paths of collections ("Users/") for targets that redirect otherwise.
	TrailingSlash bool `json:"trailing_slash"`

	// Filter is "eq" when accounts can be looked up by attribute, or "none": then all are read.
	Filter string `json:"filter"`
	// Nobody is how a search that finds nobody is answered: with an empty "list" (RFC 7644 §3.4.2), or with a
	// 404, "not_found". Unless it is said, a 404 is a failure: were it believed, one that a gateway makes up in between
	// would let somebody who is there be created once more.
	Nobody string `json:"nobody"`
	// FilterAs names the attribute to ask for where it is not the mapped path, as "path=attribute"
	// pairs: `emails[type eq "work"].value=emails.value`. Without an entry the filter in brackets
	// is left out, which every known target understands; what comes back is checked anyway.
	FilterAs []string `json:"filter_as"`
	// Paging is "index" (startIndex, RFC 7644 §3.4.2.4), "cursor" (RFC 9865) or "none".
	Paging string `json:"paging"`
	// PageSize is the count asked for; targets may give less.
	PageSize int `json:"page_size"`

	// Update is "patch" or "put".
	Update string `json:"update"`
	// PatchStyle is "path", one operation per attribute, or "pathless", one operation whose value
	// holds the plain attributes by their paths.
	PatchStyle string `json:"patch_style"`
	// Disable is "active" (PATCH active:false), "delete" where DELETE deactivates, or "either" where
	// both do and the one with room in its limit is taken.
	Disable string `json:"disable"`
	// Immutable are paths that the target lets nobody change; such a change is refused here.
	Immutable []string `json:"immutable"`
	// PrimaryEmail marks the only e-mail address of a new account as primary; several targets refuse
	// an account without.
	PrimaryEmail bool `json:"primary_email"`

	// Members is "shown" when reads of groups hold their members, "hidden" when they never do, and
	// "always" when moreover a group without the attribute is known to have none.
	Members string `json:"members"`
	// MembersShown is the most members that a read ever shows, 0 for no such bound. A list as long is not
	// taken for the whole membership.
	MembersShown int `json:"members_shown"`
	// ExcludeMembers leaves members out of reads that don't need them (excludedAttributes).
	ExcludeMembers bool `json:"exclude_members"`
	// MemberRemoval is "filter" (remove members[value eq "id"]) or "value" (remove members with a list
	// of values, which RFC 7644 does not define and several targets read as "remove all").
	MemberRemoval string `json:"member_removal"`
	// MemberBatch is the most members added or removed in one request.
	MemberBatch int `json:"member_batch"`
	// CreateMembers sends members with a group's creation.
	CreateMembers bool `json:"create_members"`
	// MixMembers allows additions, removals and other changes of a group in one request.
	MixMembers bool `json:"mix_members"`
}

// defaults are those of a target that keeps to the RFCs.
func defaults() Quirks {
	return Quirks{
		ContentType: "application/scim+json", Filter: "eq", Nobody: "list", Paging: "index", PageSize: 100,
		Update: "patch", PatchStyle: "path", Disable: "active", PrimaryEmail: true,
		Members: "shown", ExcludeMembers: true, MemberRemoval: "filter", MemberBatch: 100,
		CreateMembers: true, MixMembers: true,
	}
}

// allowed are the words of the quirks that have a choice of them.
var allowed = map[string][]string{
	"content_type":   {"application/scim+json", "application/json"},
	"filter":         {"eq", "none"},
	"nobody":         {"list", "not_found"},
	"paging":         {"index", "cursor", "none"},
	"update":         {"patch", "put"},
	"patch_style":    {"path", "pathless"},
	"disable":        {"active", "delete", "either"},
	"members":        {"shown", "hidden", "always"},
	"member_removal": {"filter", "value"},
}

// ParseQuirks reads a template's quirks (nil for none) and puts the options of a connection over them. An
// option is written as text: true or false, a number, a word, or a list with commas between. The
// error names what is wrong and what is possible.
func ParseQuirks(template json.RawMessage, options map[string]string) (Quirks, error) {
	q := defaults()
	if len(template) > 0 {
		d := json.NewDecoder(bytes.NewReader(template))
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			return q, fmt.Errorf("quirks: %w", err)
		}
	}
	fields := reflect.ValueOf(&q).Elem()
	index := map[string]int{}
	for i := range fields.NumField() {
		index[fields.Type().Field(i).Tag.Get("json")] = i
	}
	for name, text := range options {
		i, ok := index[name]
		if !ok {
			names := make([]string, 0, len(index))
			for n := range index {
				names = append(names, n)
			}
			slices.Sort(names)
			return q, fmt.Errorf("connection.options.%s: there is no such option; there are %s", name, strings.Join(names, ", "))
		}
		if err := setOption(fields.Field(i), text); err != nil {
			return q, fmt.Errorf("connection.options.%s: %w", name, err)
		}
	}
	return q, q.check()
}

func setOption(field reflect.Value, text string) error {
	switch field.Kind() {
	case reflect.Bool:
		v, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		field.SetBool(v)
	case reflect.Int:
		v, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is no number", text)
		}
		field.SetInt(int64(v))
	case reflect.Slice:
		list := []string{}
		for s := range strings.SplitSeq(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, s)
			}
		}
		field.Set(reflect.ValueOf(list))
	default:
		field.SetString(text)
	}
	return nil
}

func (q Quirks) check() error {
	fields := reflect.ValueOf(q)
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Tag.Get("json")
		words, ok := allowed[name]
		if ok && !slices.Contains(words, fields.Field(i).String()) {
			return fmt.Errorf("connection.options.%s: %q is none of %s", name, fields.Field(i), strings.Join(words, ", "))
		}
	}
	for name, n := range map[string]int{"page_size": q.PageSize, "member_batch": q.MemberBatch} {
		if n < 1 || n > 15000 {
			return fmt.Errorf("connection.options.%s: %d is not between 1 and 15000", name, n)
		}
	}
	for _, p := range q.Immutable {
		if _, err := attr.ParsePath(p); err != nil {
			return fmt.Errorf("connection.options.immutable: %w", err)
		}
	}
	for _, pair := range q.FilterAs {
		path, as, ok := splitPair(pair)
		if _, err := attr.ParsePath(path); err != nil || !ok || as == "" {
			return fmt.Errorf("connection.options.filter_as: %q is not written path=attribute", pair)
		}
	}
	return nil
}

// splitPair splits "path=attribute" at the last equals sign: a path may hold some in quotes.
func splitPair(pair string) (path, as string, ok bool) {
	i := strings.LastIndexByte(pair, '=')
	if i < 0 {
		return "", "", false
	}
	return pair[:i], pair[i+1:], true
}
