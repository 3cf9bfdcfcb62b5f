package slack

import (
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/connector"
)

// documented are the codes of https://docs.slack.dev/reference/scim-api#errors.
const documented = `addresses_invalid bad_email_address bad_endpoint cannot_make_user_guest cannot_decode_user_id cannot_modify_owner
cannot_modify_gdpr cannot_disable_bot_user_with_scim cannot_disable_primary_owner email_empty email_invalid email_taken emails_invalid
failed_to_remove_users_for_linked_subteam group_members_create_failed group_member_max_exceeded group_creation_failed groups_invalid
idp_group_linked_to_channels improper_enterprise_schema_format incomplete_filter invalid_attribute_format invalid_authentication
invalid_display_name invalid_emoji_not_allowed invalid_filter_group invalid_name_maxlength invalid_name_specials invalid_name_required
invalid_query invalid_request_payload invalid_reserved_word invalid_starts_with_at invalid_sort_order long_nickname method_not_allowed
missing_authentication missing_primary_email missing_schema_element missing_group_id missing_user_id no_filters no_such_group
no_such_group_members no_such_user non_org_teams_only query_building_failed database_query_failure password_change_not_allowed
permission_denied phoneNumbers_invalid photos_invalid plus_teams_only primary_owner_check_failure resource_locked roles_invalid
too_many_requests too_many_users truncation_error unable_to_add_deleted_or_guest_to_group unable_to_create_team_profile_fields
unknown_user unsupported_version user_creation_failed username_empty username_invalid username_not_allowed username_required
username_taken username_too_long`

// seen are codes that are not in the reference.
const seen = `long_username nickname_taken name_already_exists invited_user_not_created`

func TestEveryCodeIsKnown(t *testing.T) {
	t.Parallel()
	for _, code := range strings.Fields(documented + " " + seen) {
		m, ok := codes[code]
		if !ok {
			t.Errorf("%s is not in the table", code)
			continue
		}
		if m.kind == "" || m.says == "" || !strings.HasSuffix(m.advice, ".") {
			t.Errorf("%s: incomplete: %+v", code, m)
		}
	}
	if want := len(strings.Fields(documented + " " + seen)); len(codes) != want {
		t.Errorf("the table has %d codes, the lists %d", len(codes), want)
	}
}

func TestRefine(t *testing.T) {
	t.Parallel()
	v1 := func(s string) any { return map[string]any{"Errors": map[string]any{"description": s, "code": 400.0}} }
	v2 := func(s string) any {
		return map[string]any{"schemas": []any{"urn:ietf:params:scim:api:messages:2.0:Error"}, "detail": s, "status": 400.0}
	}
	for _, c := range []struct {
		name     string
		status   int
		body     any
		kind     connector.Failure
		code     string
		existing string
		unknown  bool
	}{
		{"v1", 400, v1("invalid_display_name"), rejected, "invalid_display_name", "", false},
		{"v1 with a name", 400, v1("long_username (user=ada.lovelace)"), rejected, "long_username", "", false},
		{"v2", 400, v2("missing_schema_element"), rejected, "missing_schema_element", "", false},
		{"v1's shape in a list", 400, map[string]any{"Errors": []any{map[string]any{"description": "username_taken"}}}, conflict, "username_taken", "", false},
		{"v1's description goes before a detail", 401, map[string]any{"Errors": map[string]any{"description": "invalid_authentication"}, "detail": "x"}, unauthorised, "invalid_authentication", "", false},
		{"taken, v2, 409", 409, v2("email_taken: existing_user=U0123ABC"), conflict, "email_taken", "U0123ABC", false},
		{"taken, v2, 400", 400, v2("email_taken (existing_user=W0123ABC)"), conflict, "email_taken", "W0123ABC", false},
		{"taken, v1, name of the form of a code", 400, v1("email_taken existing_user=U9X (user=no_such_user)"), conflict, "email_taken", "U9X", false},
		{"taken, nobody named", 400, v2("email_taken"), conflict, "email_taken", "", false},
		{"name in the suffix is no code", 400, v1("username_not_allowed (user=email_taken)"), rejected, "username_not_allowed", "", false},
		{"owner", 403, v2("cannot_disable_primary_owner"), forbidden, "cannot_disable_primary_owner", "", false},
		{"plan", 403, v2("plus_teams_only"), unauthorised, "plus_teams_only", "", false},
		{"unknown code with a name", 418, v1("brand_new_code (user=email_taken)"), rejected, "brand_new_code", "", false},
		{"unknown code", 418, v2("brand_new_code"), rejected, "brand_new_code", "", false},
		{"a sentence", 400, v2("Multi-valued attributes can not have more than one primary element"), rejected, connector.CodeHTTP, "", false},
		{"no body", 403, nil, forbidden, connector.CodeHTTP, "", false},
		{"not an object", 400, []any{"email_taken"}, rejected, connector.CodeHTTP, "", false},
		{"a failing server", 500, v1("group_members_create_failed"), unavailable, "group_members_create_failed", "", true},
		{"may be there", 400, v2("invited_user_not_created"), unavailable, "invited_user_not_created", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := &connector.Error{Kind: rejected, Code: connector.CodeHTTP, Status: c.status, Reason: "as it was"}
			switch {
			case c.status == 403:
				e.Kind = forbidden
			case c.status >= 500:
				e.Kind, e.Unknown = unavailable, true
			}
			refine(e, c.body)
			if e.Kind != c.kind || e.Code != c.code || e.Existing != c.existing || e.Unknown != c.unknown || e.Status != c.status {
				t.Errorf("got %+v", e)
			}
			if strings.Contains(e.Reason, "user=") || strings.Contains(e.Reason, "lovelace") {
				t.Errorf("the reason holds somebody's name: %s", e.Reason)
			}
		})
	}
}

func FuzzRefine(f *testing.F) {
	for _, s := range []string{"email_taken existing_user=U1", "long_username (user=x)", "(user=", "existing_user==U", "a b c", "\x00"} {
		f.Add(s, 400)
	}
	f.Fuzz(func(t *testing.T, s string, status int) {
		for _, body := range []any{map[string]any{"detail": s}, map[string]any{"Errors": map[string]any{"description": s}}} {
			e := &connector.Error{Kind: rejected, Status: status}
			refine(e, body)
			if e.Kind == "" || len(e.Existing) > 31 || len(e.Code) > 80 {
				t.Fatalf("%q: %+v", s, e)
			}
		}
	})
}
