package slack

import (
	"regexp"
	"strings"

	"github.com/muster-id/muster/internal/connector"
)

// meaning is what one of Slack's codes says: the kind of failure, what happened and what a person can do.
type meaning struct {
	kind   connector.Failure
	says   string
	advice string
	does   reaction
}

// reaction is what the connector itself does about a code.
type reaction int

const (
	report reaction = iota
	rename          // tries the next userName, see otherName
	blame           // a member of the batch is at fault: bisects
	doubt           // the account may be there all the same: Unknown
)

const (
	rejected     = connector.Rejected
	conflict     = connector.Conflict
	forbidden    = connector.Forbidden
	notFound     = connector.NotFound
	unauthorised = connector.Unauthorised
	unavailable  = connector.Unavailable
	canceled     = connector.Canceled
)

const (
	adviseValue  = "Correct the value in the directory or the mapping that makes it."
	adviseAgain  = "It is tried again by itself; ask Slack's support if it stays."
	adviseReport = "This is a fault in how Muster spoke to Slack: report it with the request and the answer in this log."
	advisePeople = "Have an owner of the workspace change or deactivate this person in Slack's administration."
)

// codes is every code of the reference (https://docs.slack.dev/reference/scim-api#errors) and those only
// seen in the field, marked *. Slack documents almost no HTTP status beside them, and the same code was
// seen with several, so that the code decides wherever there is one.
var codes = map[string]meaning{
	// Credentials and plan: they concern every object.
	"invalid_authentication": {unauthorised, "Slack refuses the token, or it lacks the scope admin, or its owner is no administrator any more", "Run Test Connection to learn which of them it is.", report},
	"missing_authentication": {unauthorised, "no token reached Slack", "Enter the token again; look for a proxy that removes the Authorization header.", report},
	"plus_teams_only":        {unauthorised, "the workspace's plan has no SCIM", "Move the workspace to Business+ or Enterprise.", report},
	"non_org_teams_only":     {unauthorised, "the token was made by installing the app on one workspace of an Enterprise organisation", "Install the app on the organisation as an Org Owner, and enter that token.", report},
	"unsupported_version":    {unauthorised, "Slack does not know this version of SCIM at this address", "Use an endpoint that ends in /scim/v2/ or /scim/v1/.", report},
	"bad_endpoint":           {unavailable, "Slack knows no such address", "Use an endpoint that ends in /scim/v2/ or /scim/v1/.", report},
	"method_not_allowed":     {rejected, "Slack does not know this kind of request", adviseReport, report},

	// People whom SCIM may not touch.
	"permission_denied":                 {forbidden, "the token may not do this to this person or group", "Have somebody whose role is above the target's make the token (for owners nobody's is), or change it in Slack.", report},
	"cannot_modify_owner":               {forbidden, "ownership cannot be changed by SCIM", advisePeople, report},
	"cannot_disable_primary_owner":      {forbidden, "the primary owner cannot be deactivated", "Make somebody else the primary owner in Slack first.", report},
	"primary_owner_check_failure":       {forbidden, "the primary owner of a workspace of the organisation cannot be deactivated", "Make somebody else the primary owner of that workspace first.", report},
	"cannot_disable_bot_user_with_scim": {forbidden, "this is a bot, which SCIM cannot deactivate", "Deactivate the bot's app in Slack's administration.", report},
	"cannot_modify_gdpr":                {forbidden, "this person was forgotten under GDPR and is frozen", "Take this person out of the application's scope; Slack changes the account no more.", report},
	"cannot_make_user_guest":            {forbidden, "an owner or administrator cannot become a guest", "Take the role away in Slack first, or leave the guest attributes out.", report},
	"password_change_not_allowed":       {rejected, "SCIM may not change a password", "Leave password out of the mappings.", report},

	// Who is there already, and who is not.
	"email_taken":           {conflict, "an account has this e-mail address already, perhaps a deactivated one", "Muster adopts the account that has the person's primary address. If this one belongs to somebody else, correct the address in the directory or in Slack.", report},
	"user_creation_failed":  {conflict, "the person exists already, or Slack failed to create the account", "Muster looks for the account again; compare the person's e-mail address and userName with Slack's member list.", report},
	"username_taken":        {conflict, "a person or a channel has this userName", "Give the person another userName in the directory.", rename},
	"nickname_taken":        {conflict, "a person or a channel has this userName", "Give the person another userName in the directory.", rename}, // *
	"username_not_allowed":  {rejected, "Slack reserves this userName", "Give the person another userName in the directory.", rename},
	"invalid_reserved_word": {rejected, "a value is a word that Slack reserves", adviseValue, rename},
	"truncation_error":      {conflict, "Slack could not shorten the userName to one that is free", "Give the person another userName in the directory.", rename},
	"username_too_long":     {rejected, "the userName has more than 21 characters", "Give the person a shorter userName in the directory.", rename},
	"long_username":         {rejected, "the userName has more than 21 characters", "Give the person a shorter userName in the directory.", rename}, // *
	"long_nickname":         {rejected, "the userName has more than 21 characters", "Give the person a shorter userName in the directory.", rename},
	"username_invalid":      {rejected, "Slack finds the userName invalid", adviseValue, rename},
	"username_empty":        {rejected, "there is no userName", "Map userName to an attribute that everyone has.", report},
	"username_required":     {rejected, "there is no userName", "Map userName to an attribute that everyone has.", report},
	"name_already_exists":   {conflict, "a group has this name already", "Muster looks the group up; if it is another one, rename either.", report}, // *
	"no_such_user":          {notFound, "Slack knows no such person", "The next cycle looks for the account again.", blame},
	"unknown_user":          {notFound, "Slack knows no such person", "The next cycle looks for the account again.", blame},
	"cannot_decode_user_id": {notFound, "Slack cannot read this account's id", "Run muster restart with --links to match again.", blame},
	"no_such_group":         {notFound, "Slack knows no such group", "The next cycle looks for the group again.", report},
	"missing_user_id":       {rejected, "the account's id is missing", adviseReport, report},
	"missing_group_id":      {rejected, "the group's id is missing", adviseReport, report},

	// Values.
	"email_empty":                          {rejected, "there is no primary e-mail address", "Give the person an e-mail address in the directory.", report},
	"email_invalid":                        {rejected, "an e-mail address is invalid", "Correct the person's e-mail address in the directory.", report},
	"emails_invalid":                       {rejected, "an e-mail address is invalid", "Correct the person's e-mail address in the directory.", report},
	"bad_email_address":                    {rejected, "the e-mail address is badly formed or does not exist", "Correct the person's e-mail address in the directory.", report},
	"missing_primary_email":                {rejected, "the primary e-mail address cannot be removed", "Give the person an e-mail address in the directory; Slack always keeps one.", report},
	"invalid_display_name":                 {rejected, "members choose their display names themselves", "Map displayName with when: create, or switch off in Slack that members may choose their display name.", report},
	"invalid_name_maxlength":               {rejected, "the display name has more than 80 characters", adviseValue, report},
	"invalid_name_specials":                {rejected, "the display name holds characters that Slack refuses, such as @", adviseValue, report},
	"invalid_starts_with_at":               {rejected, "the display name begins with @", adviseValue, report},
	"invalid_emoji_not_allowed":            {rejected, "a value holds an emoji", "Remove the emoji in the directory.", report},
	"invalid_name_required":                {rejected, "given name and family name are only spaces", "Give the person a name in the directory.", report},
	"addresses_invalid":                    {rejected, "the address is invalid", adviseValue, report},
	"phoneNumbers_invalid":                 {rejected, "a telephone number is invalid", adviseValue, report},
	"photos_invalid":                       {rejected, "the photo is invalid or not reachable from the internet", adviseValue, report},
	"roles_invalid":                        {rejected, "the role is invalid", adviseValue, report},
	"groups_invalid":                       {rejected, "the groups are invalid", "Leave groups out of the mappings; members go with their group.", report},
	"improper_enterprise_schema_format":    {rejected, "the manager is given without an id", adviseReport, report},
	"invalid_attribute_format":             {rejected, "an attribute has the wrong type", adviseValue, report},
	"invalid_request_payload":              {rejected, "the request holds attributes that Slack doesn't know", "Leave the attribute out of the mappings.", report},
	"missing_schema_element":               {rejected, "the request names no schema", adviseReport, report},
	"unable_to_create_team_profile_fields": {rejected, "Slack could not create a custom profile field; a workspace has at most 50", "Remove custom profile fields in Slack, or map fewer attributes.", report},
	"invited_user_not_created":             {unavailable, "Slack did not finish creating the account", "It is tried again by itself.", doubt}, // *

	// Groups.
	"no_such_group_members":                     {rejected, "a member is not in Slack", "The next cycle looks for the member's account again.", blame},
	"unable_to_add_deleted_or_guest_to_group":   {rejected, "a deactivated person or a guest cannot be a member", "Activate the person in Slack, make them a full member, or take them out of the group.", blame},
	"group_members_create_failed":               {rejected, "Slack could not change the group's members", adviseAgain, blame},
	"failed_to_remove_users_for_linked_subteam": {unavailable, "Slack could not remove members of this IDP group", adviseAgain, report},
	"group_creation_failed":                     {rejected, "Slack could not create the group; another may have its name", "Compare the group's name with Slack's groups and user groups, and rename one.", report},
	"group_member_max_exceeded":                 {rejected, "the group has as many members as Slack allows: 5,000 in a user group, 15,000 in an IDP group", "Split the group.", report},
	"too_many_users":                            {rejected, "more than 15,000 members in one request", adviseReport, report},
	"idp_group_linked_to_channels":              {rejected, "the group is linked to channels", "Unlink it with Slack's admin.conversations.restrictAccess.removeGroup, then delete it again.", report},

	// Lists.
	"incomplete_filter":      {rejected, "Slack cannot read the filter", adviseReport, report},
	"invalid_query":          {rejected, "Slack cannot read the filter", adviseReport, report},
	"invalid_filter_group":   {rejected, "Slack cannot read the filter", adviseReport, report},
	"no_filters":             {rejected, "Slack cannot read the filter", adviseReport, report},
	"query_building_failed":  {rejected, "Slack cannot read the filter", adviseReport, report},
	"database_query_failure": {unavailable, "Slack failed to look it up", adviseAgain, report},
	"invalid_sort_order":     {rejected, "Slack cannot read the sort order", adviseReport, report},

	// Pace: these come with status 429 and are waited out by the client.
	"too_many_requests": {unavailable, "Slack's limit of requests a minute is used up, perhaps by another provisioning app of the organisation", "It is tried again by itself; find out which other app uses SCIM.", report},
	"resource_locked":   {unavailable, "Slack is still carrying out another change of the same person or group", "It is tried again by itself.", report},
}

// existingUser finds the account that email_taken names ("… existing_user=U0123", seen in the field; its
// exact surroundings are not documented).
var existingUser = regexp.MustCompile(`existing_user\W{1,3}([UW][A-Z0-9]{2,30})\b`)

// aboutUser is the suffix with a userName that version 1 puts behind a code; a person's name has no place
// in a reason.
var aboutUser = regexp.MustCompile(`\s*\(user\s*=[^)]*\)?`)

// said returns what an answer's body says in either shape, whichever version is spoken: version 2
// answers failures of authentication in the shape of version 1.
//
//	v1  {"Errors": {"description": "long_username (user=ada)", "code": 400}}
//	v2  {"schemas": […], "detail": "missing_schema_element", "status": 400}
func said(body any) string {
	doc, _ := body.(map[string]any)
	failed := doc["Errors"]
	if list, ok := failed.([]any); ok && len(list) > 0 {
		failed = list[0]
	}
	if m, ok := failed.(map[string]any); ok {
		if s, ok := m["description"].(string); ok && s != "" {
			return s
		}
	}
	s, _ := doc["detail"].(string)
	return s
}

// codeIn finds the code in what Slack says: its first word that is one. A text without one is no code,
// except when it is a single word.
func codeIn(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	for _, w := range words {
		if _, ok := codes[w]; ok {
			return w
		}
	}
	if len(words) > 0 && words[0] == strings.TrimSpace(text) && len(text) <= 80 {
		return words[0]
	}
	return ""
}

// refine puts a refusal into Slack's terms. The HTTP status and what follows from it stay: whether the
// request may have been carried out, and how long to pause.
func refine(e *connector.Error, body any) {
	text := said(body)
	if text == "" {
		return
	}
	if m := existingUser.FindStringSubmatch(text); m != nil {
		e.Existing = m[1]
	}
	code := codeIn(aboutUser.ReplaceAllString(text, ""))
	if code == "" {
		e.Reason = aboutUser.ReplaceAllString(e.Reason, "")
		return
	}
	e.Code = code
	m, known := codes[code]
	if !known {
		e.Reason = "Slack answers " + code
		return
	}
	e.Advice = m.advice
	e.Reason = "Slack answers " + code + ": " + m.says
	if e.Existing != "" {
		e.Reason += "; it is account " + e.Existing
	}
	e.Unknown = e.Unknown || m.does == doubt
	// A server that fails says little about the object, whatever code it finds for it.
	if e.Status < 500 {
		e.Kind = m.kind
	}
}
