package slack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// Quirks are the figures of Slack's behaviour that its template states and the options of a connection
// may change.
type Quirks struct {
	// Settle is how long Slack may go on showing what was before a change: deactivations and groups were
	// seen to take up to 10 s.
	Settle provision.Duration `json:"settle"`
	// UsersPage is how many people a page of the list is asked for; Slack gives at most 1,000.
	UsersPage int `json:"users_page"`
	// GroupsPage is the same for groups, which come with all their members.
	GroupsPage int `json:"groups_page"`
	// MemberBatch is how many members one request adds or removes; Slack takes 15,000 and advises 5,000.
	MemberBatch int `json:"member_batch"`
}

func defaults() Quirks {
	return Quirks{Settle: provision.Duration(10 * time.Second), UsersPage: 1000, GroupsPage: 200, MemberBatch: 5000}
}

// ParseQuirks reads a template's quirks (nil for none) and puts the options of a connection over them.
// The error says what is wrong and what is possible.
func ParseQuirks(template json.RawMessage, options map[string]string) (Quirks, error) {
	q := defaults()
	if len(template) > 0 {
		d := json.NewDecoder(bytes.NewReader(template))
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			return q, fmt.Errorf("quirks: %w", err)
		}
	}
	numbers := map[string]*int{"users_page": &q.UsersPage, "groups_page": &q.GroupsPage, "member_batch": &q.MemberBatch}
	for name, text := range options {
		var err error
		switch number, ok := numbers[name]; {
		case ok:
			*number, err = strconv.Atoi(text)
		case name == "settle":
			err = q.Settle.UnmarshalText([]byte(text))
		default:
			err = fmt.Errorf("there is no such option; there are groups_page, member_batch, settle, users_page")
		}
		if err != nil {
			return q, fmt.Errorf("connection.options.%s: %w", name, err)
		}
	}
	for name, most := range map[string]int{"users_page": 1000, "groups_page": 1000, "member_batch": 15000} {
		if n := *numbers[name]; n < 1 || n > most {
			return q, fmt.Errorf("connection.options.%s: %d is not between 1 and %d", name, n, most)
		}
	}
	return q, nil
}
