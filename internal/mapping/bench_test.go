package mapping_test

import (
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

// usual are 15 mappings as applications have them: 9 direct or constant, 6 expressions.
var usual = []mapping.Mapping{
	{Target: "userName", Source: "userName", Match: 1},
	{Target: `emails[type eq "work"].value`, Source: "emails[primary eq true].value", Match: 2},
	{Target: "name.givenName", Source: "name.givenName"},
	{Target: "name.familyName", Source: "name.familyName"},
	{Target: "title", Source: "title", Default: "Colleague"},
	{Target: "userType", Constant: "Employee"},
	{Target: "department", Source: "department"},
	{Target: "manager", Source: "manager"},
	{Target: "externalId", Source: "id"},
	{Target: "displayName", Expression: `user.name.givenName + " " + user.name.familyName`},
	{Target: "nickName", Expression: `coalesce([user.nickName, user.name.givenName])`},
	{Target: "preferredLanguage", Expression: `switch(user.department, {"Sales": "de-AT", "R&D": "en-GB"}, "en-US")`},
	{Target: "locale", Expression: `lower(normalizeDiacritics(user.name.givenName)) + "." + user.costCenter`},
	{Target: "profileUrl", Expression: `user.userName.split("@")[0].replace(".", "-")`},
	{Target: "timezone", Expression: `"Engineering" in user.groups ? "Europe/Vienna" : "Europe/London"`},
}

// BenchmarkApply is what one person costs; 100,000 people cost 100,000 times that.
func BenchmarkApply(b *testing.B) {
	p, err := mapping.Compile(directory.KindUser, usual)
	if err != nil {
		b.Fatal(err)
	}
	f := ada()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Apply(f, true); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApplyEach shows what each kind of mapping costs.
func BenchmarkApplyEach(b *testing.B) {
	f := ada()
	for _, m := range usual {
		p, err := mapping.Compile(directory.KindUser, []mapping.Mapping{m})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(m.Target, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Apply(f, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFloor is the same work written by hand: what no mapping language can beat.
func BenchmarkFloor(b *testing.B) {
	f := ada()
	b.ReportAllocs()
	for b.Loop() {
		if set := byHand(f); len(set) != len(usual) {
			b.Fatal(set)
		}
	}
}

func byHand(f mapping.Facts) attr.Set {
	a := f.User.Attributes
	name := a["name"].(map[string]any)
	enterprise := a[directory.Enterprise].(map[string]any)
	var mail any
	for _, e := range a["emails"].([]any) {
		if e := e.(map[string]any); e["primary"] == true {
			mail = e["value"]
		}
	}
	given, family := name["givenName"].(string), name["familyName"].(string)
	nick, _ := a["nickName"].(string)
	if nick == "" {
		nick = given
	}
	zone := "Europe/London"
	for _, g := range f.Groups {
		if g == "Engineering" {
			zone = "Europe/Vienna"
		}
	}
	language := map[string]string{"Sales": "de-AT", "R&D": "en-GB"}[enterprise["department"].(string)]
	before, _, _ := strings.Cut(f.User.UserName, "@")
	return attr.Set{
		"userName": f.User.UserName, `emails[type eq "work"].value`: mail, "name.givenName": given, "name.familyName": family,
		"title": a["title"], "userType": "Employee", "department": enterprise["department"], "manager": f.User.ManagerID,
		"externalId": f.User.ID, "displayName": given + " " + family, "nickName": nick, "preferredLanguage": language,
		"locale": strings.ToLower(given) + "." + enterprise["costCenter"].(string), "profileUrl": strings.ReplaceAll(before, ".", "-"),
		"timezone": zone,
	}
}

// BenchmarkAdmits is what a filter costs a person, the telling of its reason included.
func BenchmarkAdmits(b *testing.B) {
	filter, err := mapping.CompileFilter(directory.KindUser, `user.department == "R&D" && user.active`)
	if err != nil {
		b.Fatal(err)
	}
	f := ada()
	b.ReportAllocs()
	for b.Loop() {
		if ok, _, err := filter.Admits(f); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
