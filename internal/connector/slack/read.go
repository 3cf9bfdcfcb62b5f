package slack

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
)

// Read implements [connector.Connector]. Slack finds people by userName and by e-mail address, and
// groups by name, although its ServiceProviderConfig says that it filters nothing; for every other
// attribute all are read. The search by e-mail address sometimes misses somebody: a create is then
// refused with email_taken, which names the account.
func (c *Connector) Read(ctx context.Context, q connector.Query) iter.Seq2[connector.Account, error] {
	return func(yield func(connector.Account, error) bool) {
		switch {
		case c.misfit != nil:
			yield(connector.Account{}, c.misfit)
		case q.ID != "":
			c.one(ctx, q, yield)
		case q.Path != "":
			c.search(ctx, q, yield)
		default:
			c.walk(ctx, q, nil, yield)
		}
	}
}

// shown is an account with the resource that shows it.
type shown struct {
	connector.Account
	doc map[string]any
}

func (c *Connector) one(ctx context.Context, q connector.Query, yield func(connector.Account, error) bool) {
	ans, failed := c.send(ctx, nil, connector.Request{
		Method: http.MethodGet, Path: address(q.Kind, q.ID), Urgency: q.Urgency, List: q.Kind == directory.KindGroup,
	})
	switch {
	case failed != nil && failed.Kind == notFound && failed.Code != "bad_endpoint":
		return
	case failed != nil:
		yield(connector.Account{}, failed)
		return
	}
	a := c.account(q.Kind, ans.Body)
	if a == nil || a.ID != q.ID {
		yield(connector.Account{}, notSCIM(ans, "it was asked for one account and answered with something else"))
		return
	}
	if q.Path != "" {
		doc, _ := ans.Body.(map[string]any)
		if _, has := c.filter(q); !has(shown{*a, doc}) {
			return
		}
	}
	yield(*a, nil)
}

// search asks by filter where Slack has one, and checks what it finds. An answer with others in it says
// that the filter was passed over: then all are read.
func (c *Connector) search(ctx context.Context, q connector.Query, yield func(connector.Account, error) bool) {
	filter, has := c.filter(q)
	if filter != "" {
		ans, failed := c.send(ctx, nil, connector.Request{
			Method: http.MethodGet, Path: collection(q.Kind), Query: url.Values{"filter": {filter}}, Urgency: q.Urgency, List: true,
		})
		if failed != nil {
			yield(connector.Account{}, failed)
			return
		}
		found, _, err := c.page(q.Kind, ans)
		if err != nil {
			yield(connector.Account{}, err)
			return
		}
		ignored := false
		for _, a := range found {
			ignored = ignored || !has(a)
		}
		if !ignored {
			for _, a := range found {
				if !yield(a.Account, nil) {
					return
				}
			}
			return
		}
	}
	c.walk(ctx, q, has, yield)
}

// filter returns the filter for a query, "" when Slack has none, and the test that an account passes
// which fulfils it. An e-mail address is somebody's in either of the two places: no second account can have it.
func (c *Connector) filter(q connector.Query) (string, func(shown) bool) {
	holds := func(a shown) bool { return has(a.Values[q.Path], q.Value) }
	p, err := attr.ParsePath(q.Path)
	if err != nil {
		return "", holds
	}
	if q.Kind == directory.KindGroup {
		if strings.EqualFold(p.String(), "displayName") {
			return "displayName eq " + quoted(q.Value), func(a shown) bool { return strings.EqualFold(a.Name, q.Value) }
		}
		return "", holds
	}
	for _, s := range claimOf(p).slots[:min(1, len(claimOf(p).slots))] {
		switch s {
		case slotUserName:
			name := userNameOf(q.Value)
			return "userName eq " + quoted(name), func(a shown) bool { return strings.EqualFold(a.Name, name) }
		case slotEmail, slotEmail2:
			return c.dialect.emailFilter + " eq " + quoted(q.Value), func(a shown) bool { return has(a.doc["emails"], q.Value) }
		}
	}
	return "", holds
}

// has reports whether a value is, or has among its entries, the one that was asked for; Slack compares
// without regard to case.
func has(value any, asked string) bool {
	for _, e := range entries(value) {
		if strings.EqualFold(text(e), strings.TrimSpace(asked)) {
			return true
		}
	}
	return false
}

// maxPages bounds a walk, whatever Slack says of its size.
const maxPages = 20_000

// walk yields everybody, or those whom keep wants, each once, deactivated people and bots among them. The next page begins after
// what came, because Slack gives fewer than were asked for where it likes. A walk that brings fewer than
// Slack announced, or a page that brings nothing new, ends with [connector.ErrIncomplete].
func (c *Connector) walk(ctx context.Context, q connector.Query, keep func(shown) bool, yield func(connector.Account, error) bool) {
	size := c.quirks.UsersPage
	if q.Kind == directory.KindGroup {
		size = c.quirks.GroupsPage
	}
	census := c.client.Census()
	received, announced := 0, 0
	for pages := 1; pages <= maxPages; pages++ {
		ans, failed := c.send(ctx, nil, connector.Request{
			Method: http.MethodGet, Path: collection(q.Kind), Urgency: q.Urgency, List: true,
			Query: url.Values{"count": {strconv.Itoa(size)}, "startIndex": {strconv.Itoa(received + 1)}},
		})
		if failed != nil && failed.Code == connector.CodeTooLarge && size > 1 {
			size = max(1, size/4) // groups with many members
			continue
		}
		if failed != nil {
			yield(connector.Account{}, failed)
			return
		}
		found, p, err := c.page(q.Kind, ans)
		if err != nil {
			yield(connector.Account{}, err)
			return
		}
		announced = p.total
		received += p.count
		fresh := 0
		for _, a := range found {
			novel, err := census.Add(&a.Account)
			if err != nil {
				yield(connector.Account{}, err)
				return
			}
			if !novel {
				continue
			}
			fresh++
			if keep != nil && !keep(a) {
				continue
			}
			if !yield(a.Account, nil) {
				return
			}
		}
		if received >= announced || fresh == 0 {
			break
		}
		if q.Pages > 0 && pages >= q.Pages {
			yield(connector.Account{}, fmt.Errorf("%w: Slack has more than was to be asked for", connector.ErrIncomplete))
			return
		}
	}
	if census.Count() < announced || census.Count() < received {
		yield(connector.Account{}, fmt.Errorf("%w: Slack announced %d and showed %d", connector.ErrIncomplete, announced, census.Count()))
	}
}

type page struct {
	count int // resources, readable or not
	total int
}

// page reads a list. What is no account in it is counted, so that the walk knows that it missed some.
func (c *Connector) page(kind directory.Kind, ans *connector.Answer) ([]shown, page, error) {
	doc, _ := ans.Body.(map[string]any)
	resources, listed := doc["Resources"].([]any)
	total, counted := doc["totalResults"].(float64)
	if !listed && !counted {
		return nil, page{}, notSCIM(ans, "it was asked for a list and answered with something else")
	}
	if !counted {
		total = float64(len(resources))
	}
	p := page{count: len(resources), total: int(min(max(total, 0), 1<<40))}
	var accounts []shown
	for _, r := range resources {
		if a := c.account(kind, r); a != nil {
			accounts = append(accounts, shown{*a, r.(map[string]any)})
		}
	}
	return accounts, p, nil
}

// notSCIM makes the error of a success whose JSON is not what was asked for.
func notSCIM(ans *connector.Answer, why string) *connector.Error {
	return &connector.Error{
		Kind: unavailable, Code: connector.CodeNotSCIM, Status: ans.Status, Exchange: ans.Exchange,
		Reason: "Slack does not answer as SCIM: " + why,
		Advice: "Check that the endpoint is Slack's SCIM address, such as https://api.slack.com/scim/v2/.",
	}
}
