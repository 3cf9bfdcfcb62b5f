package gallery

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/provision"
)

// check finds what a template lacks or contradicts.
func (t Template) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for name, v := range map[string]string{"name": t.Name, "title": t.Title, "summary": t.Summary, "protocol": t.Protocol} {
		if v == "" {
			fault("%s is missing", name)
		}
	}
	if len(t.Auth) == 0 {
		fault("auth is missing")
	}
	if len(t.Documentation) == 0 {
		fault("documentation is missing")
	}
	for _, l := range t.Documentation {
		if !secure(l.URL) || l.Title == "" {
			fault("documentation: %q at %q is no page", l.Title, l.URL)
		}
	}
	for _, e := range append([]Endpoint{{Title: "default", URL: t.Endpoint, WebAPI: t.WebAPI}}, t.Endpoints...) {
		if e.URL != "" && !secure(e.URL) || e.WebAPI != "" && !secure(e.WebAPI) || e.Title == "" {
			fault("endpoint %q: %q is no https address", e.Title, e.URL)
		}
	}
	for _, b := range t.Limits.Buckets {
		if b.Name == "" || b.PerMinute <= 0 || b.Burst < 0 {
			fault("limits: bucket %q needs a name and a rate", b.Name)
		}
	}
	faults = append(faults, checkRows("users", t.Mappings.Users, t.Required.Users)...)
	faults = append(faults, checkRows("groups", t.Mappings.Groups, t.Required.Groups)...)
	faults = append(faults, checkProvisioning(t.Provisioning)...)
	return errors.Join(faults...)
}

func checkRows(what string, rows []Row, required []string) []error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("mappings."+what+": "+format, args...))
	}
	targets, places := map[string]bool{}, map[int]bool{}
	for _, r := range rows {
		p, err := attr.ParsePath(r.Target)
		if err != nil {
			fault("%w", err)
			continue
		}
		if targets[p.String()] {
			fault("%s is mapped twice", p)
		}
		targets[p.String()] = true
		if r.From == "" {
			fault("%s does not say from where it is known", p)
		}
		if r.Match > 0 {
			if places[r.Match] {
				fault("two attributes match at place %d", r.Match)
			}
			places[r.Match] = true
		}
	}
	for i := range len(places) {
		if !places[i+1] {
			fault("no attribute matches at place %d", i+1)
		}
	}
	if len(places) == 0 {
		fault("no attribute matches")
	}
	for _, name := range required {
		if !targets[name] {
			fault("%s is required and not mapped", name)
		}
	}
	return faults
}

func checkProvisioning(p provision.Provisioning) []error {
	var faults []error
	for name, choice := range map[string]struct {
		value string
		words []string
	}{
		"status":           {p.Status, []string{"on", "off"}},
		"scope":            {p.Scope, []string{"assigned", "all"}},
		"on_unassign":      {p.OnUnassign, []string{"disable", "delete", "keep"}},
		"on_disable":       {p.OnDisable, []string{"disable", "delete", "keep"}},
		"on_delete":        {p.OnDelete, []string{"disable", "delete", "keep"}},
		"drift.attributes": {p.Drift.Attributes, []string{"repair", "report", "ignore"}},
		"drift.members":    {p.Drift.Members, []string{"repair", "report", "ignore"}},
		"drift.accounts":   {p.Drift.Accounts, []string{"repair", "report", "ignore"}},
	} {
		if !slices.Contains(choice.words, choice.value) {
			faults = append(faults, fmt.Errorf("provisioning.%s: %q is none of %q", name, choice.value, choice.words))
		}
	}
	for name, d := range map[string]provision.Duration{"interval": p.Interval, "reconcile": p.Reconcile, "hold.window": p.Hold.Window} {
		if d <= 0 {
			faults = append(faults, fmt.Errorf("provisioning.%s is missing", name))
		}
	}
	for name, actions := range map[string][]string{"users": p.Users.Actions, "groups": p.Groups.Actions} {
		if len(actions) == 0 {
			faults = append(faults, fmt.Errorf("provisioning.%s.actions is missing", name))
		}
	}
	return faults
}

func secure(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Host != ""
}
