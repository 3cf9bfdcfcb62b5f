package scim

import (
	"context"
	"encoding/json"
	"errors"
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

// Read implements [connector.Connector].
func (c *Connector) Read(ctx context.Context, q connector.Query) iter.Seq2[connector.Account, error] {
	return func(yield func(connector.Account, error) bool) {
		switch {
		case q.ID != "":
			a, ans, err := c.one(ctx, q)
			if err != nil {
				yield(connector.Account{}, err)
			} else if a != nil && shows(ans, q) {
				yield(*a, nil)
			}
		case q.Path != "":
			c.search(ctx, q, yield)
		default:
			c.walk(ctx, walk{query: q}, yield)
		}
	}
}

// one reads the account with an id; nil and no error when there is none.
func (c *Connector) one(ctx context.Context, q connector.Query) (*connector.Account, *connector.Answer, error) {
	ans, err := c.client.Do(ctx, connector.Request{
		Method: http.MethodGet, Path: c.member(q.Kind, q.ID), Query: c.projection(q), Urgency: q.Urgency, List: q.Members,
	})
	if e := failure(err); e != nil {
		if e.Kind == connector.NotFound {
			return nil, ans, nil
		}
		return nil, ans, e
	}
	a := c.account(q.Kind, ans.Body)
	if a == nil || a.ID != q.ID {
		return nil, ans, c.notSCIM(ans, "it was asked for one account and answered with something else")
	}
	return a, ans, nil
}

// search yields the accounts that have a value at a path. What the target finds is checked: some
// ignore a filter that they do not know and answer with everybody. The filter within a path is left
// out of the check, as it is of the question: an address is a person's, whatever type it has there.
func (c *Connector) search(ctx context.Context, q connector.Query, yield func(connector.Account, error) bool) {
	path, err := attr.ParsePath(q.Path)
	if err != nil {
		yield(connector.Account{}, &connector.Error{Kind: connector.Rejected, Code: connector.CodeUnreadable, Reason: err.Error(), Err: err})
		return
	}
	w := walk{query: q}
	if c.quirks.Filter != "none" {
		w.filter = c.filterName(path) + " eq " + quote(q.Value)
	}
	path.Filter = nil
	w.keep = func(doc map[string]any) bool { return holds(path.Of(doc), q.Value) }
	c.walk(ctx, w, yield)
}

// shows reports whether an answer shows the value that a query asks for, where it asks for one.
func shows(ans *connector.Answer, q connector.Query) bool {
	if q.Path == "" {
		return true
	}
	path, err := attr.ParsePath(q.Path)
	doc, _ := ans.Body.(map[string]any)
	path.Filter = nil
	return err == nil && holds(path.Of(doc), q.Value)
}

// holds reports whether a shown value is, or has among its entries, the value that was searched.
func holds(shown any, value string) bool {
	if list, ok := shown.([]any); ok {
		for _, e := range list {
			if holds(e, value) {
				return true
			}
		}
		return false
	}
	if entry, ok := shown.(map[string]any); ok {
		shown = attr.Member(entry, "value")
	}
	if id := identifier(shown); id != "" {
		shown = id
	}
	return strings.EqualFold(strings.TrimSpace(text(shown)), strings.TrimSpace(value))
}

// filterName is how an attribute is called in filters.
func (c *Connector) filterName(p attr.Path) string {
	if as, ok := c.filterAs[p.String()]; ok {
		return as
	}
	p.Filter = nil
	return p.String()
}

// quote writes a string of a filter, which is a JSON string (RFC 7644 §3.4.2.2).
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// projection leaves members out of reads that don't need them: a group may have 100,000.
func (c *Connector) projection(q connector.Query) url.Values {
	v := url.Values{}
	if q.Kind == directory.KindGroup && !q.Members && c.quirks.ExcludeMembers {
		v.Set("excludedAttributes", "members")
	}
	return v
}

// maxPages bounds a walk, whatever a target says of its size.
const maxPages = 100_000

// page is one answer to a list request.
type page struct {
	resources []any
	total     int    // -1 when the target doesn't say
	next      string // cursor of the next page, "" for none
}

// page reads an answer as a ListResponse (RFC 7644 §3.4.2).
func (c *Connector) page(ans *connector.Answer) (page, error) {
	doc, ok := ans.Body.(map[string]any)
	if !ok {
		return page{}, c.notSCIM(ans, "it was asked for a list and answered with something else")
	}
	p := page{total: -1, next: text(attr.Member(doc, "nextCursor"))}
	switch total := attr.Member(doc, "totalResults").(type) {
	case float64:
		p.total = int(min(max(total, 0), 1<<40))
	case string:
		if n, err := strconv.Atoi(total); err == nil && n >= 0 {
			p.total = n
		}
	}
	switch resources := attr.Member(doc, "Resources").(type) {
	case []any:
		p.resources = resources
	case nil:
		// Without results the list may be left out, or null; but something must say that it is a list.
		if p.total < 0 {
			return p, c.notSCIM(ans, "it was asked for a list and answered with something else")
		}
	default:
		return p, c.notSCIM(ans, "its list of resources is none")
	}
	return p, nil
}

// walk is what a list request is after.
type walk struct {
	query  connector.Query
	filter string                        // SCIM filter, "" for all
	keep   func(doc map[string]any) bool // whether a resource is wanted, nil for all
}

// barren is how many pages in a row may bring nothing new before a walk ends.
const barren = 10

// walk yields the accounts that are asked for, each once, page by page. It ends with
// [connector.ErrIncomplete] when the target showed fewer than it announced, repeated itself, or
// showed something that cannot be read; it ends always, because pages must bring something new.
func (c *Connector) walk(ctx context.Context, w walk, yield func(connector.Account, error) bool) {
	var (
		census    = c.client.Census()
		cursors   = map[string]bool{}
		announced = -1 // the most that any page announced
		received  int
		kept      int
		faulty    bool
		empty     int // pages in a row without anything new
		cursor    string
	)
	for pages := 1; ; pages++ {
		p, err := c.fetch(ctx, w, received+1, cursor)
		if e := failure(err); e != nil {
			if beyondEnd(e, w, received, announced) {
				break
			}
			yield(connector.Account{}, e)
			return
		}
		announced = max(announced, p.total)
		fresh := 0
		for _, r := range p.resources {
			doc, _ := r.(map[string]any)
			a := c.account(w.query.Kind, r)
			if a == nil {
				faulty = true
				continue
			}
			if !w.query.Members {
				a.Members, a.MembersKnown = nil, false // left out, or not: nobody asked
			}
			novel, err := census.Add(a)
			if err != nil {
				yield(connector.Account{}, fmt.Errorf("%s: %w", c.client.Host(), err))
				return
			}
			if !novel {
				continue
			}
			fresh++
			if w.keep != nil && !w.keep(doc) {
				continue
			}
			kept++
			if !yield(*a, nil) {
				return
			}
		}
		received += len(p.resources)
		if w.filter != "" && kept == 0 && fresh > 0 && announced > received {
			yield(connector.Account{}, c.filterIgnored(w.filter))
			return
		}
		if empty++; fresh > 0 {
			empty = 0
		}
		more, sound := c.more(p, cursors[p.next], received, announced)
		if !more || empty > barren || pages == maxPages || c.quirks.Paging == "index" && p.next == "" && fresh == 0 && len(p.resources) > 0 {
			faulty = faulty || !sound || more
			break
		}
		if pages == w.query.Pages {
			yield(connector.Account{}, fmt.Errorf("%w: %s has more than was to be asked for", connector.ErrIncomplete, c.client.Host()))
			return
		}
		cursors[p.next], cursor = true, p.next
	}
	if w.filter == "" && (faulty || census.Count() < announced) {
		yield(connector.Account{}, fmt.Errorf("%w: %s announced %d and showed %d", connector.ErrIncomplete, c.client.Host(), max(announced, 0), census.Count()))
	}
}

// more decides whether to ask for another page, and whether the end is a sound one.
func (c *Connector) more(p page, repeated bool, received, announced int) (more, sound bool) {
	switch {
	case p.next != "":
		return !repeated, !repeated
	case c.quirks.Paging != "index", len(p.resources) == 0:
		return false, true
	case announced < 0:
		return true, true
	}
	// Some announce the page instead of the whole: a page that is full and said to be the last one is
	// not believed.
	return received < announced || len(p.resources) >= c.quirks.PageSize, true
}

// beyondEnd reports whether an error says no more than that a list is over: where a filter finds
// nobody (see [Quirks.Nobody]), and where a page is asked for that a full last one left in doubt.
func beyondEnd(e *connector.Error, w walk, received, announced int) bool {
	if w.filter != "" && received == 0 {
		return e.Kind == connector.NotFound
	}
	return (e.Kind == connector.NotFound || e.Kind == connector.Rejected || e.Code == connector.CodeEndpoint) &&
		received > 0 && announced >= 0 && received >= announced
}

func (c *Connector) filterIgnored(filter string) *connector.Error {
	return &connector.Error{
		Kind: connector.Rejected, Code: "filter_ignored",
		Reason: c.client.Host() + " does not understand the filter on " + strings.Fields(filter)[0] + " and answers with everybody",
		Advice: "Set the option filter of the connection to none, or filter_as to the attribute's name there.",
	}
}

// fetch gets one page.
func (c *Connector) fetch(ctx context.Context, w walk, start int, cursor string) (page, error) {
	q, filter := w.query, w.filter
	v := c.projection(q)
	if filter != "" {
		v.Set("filter", filter)
	}
	switch {
	case c.quirks.Paging == "cursor" || cursor != "":
		v.Set("cursor", cursor)
		v.Set("count", strconv.Itoa(c.quirks.PageSize))
	case c.quirks.Paging == "index":
		// A filter on a matching attribute finds one, rarely two; its first page needs no more.
		if filter == "" || start > 1 {
			v.Set("startIndex", strconv.Itoa(start))
			v.Set("count", strconv.Itoa(c.quirks.PageSize))
		}
	}
	ans, err := c.client.Do(ctx, connector.Request{
		Method: http.MethodGet, Path: c.collection(q.Kind), Query: v, Urgency: q.Urgency, List: true,
	})
	if e := failure(err); e != nil {
		switch {
		case e.Kind != connector.NotFound || filter != "" && c.quirks.Nobody == "not_found":
		case filter == "":
			e.Kind, e.Code = connector.Unavailable, connector.CodeEndpoint
			e.Reason, e.Advice = c.client.Host()+" has no "+c.collection(q.Kind)+" at this address", "Check the endpoint of the connection."
		default:
			e.Kind, e.Code = connector.Unavailable, connector.CodeEndpoint
			e.Reason = c.client.Host() + " answers a search with 404, and whether it finds nobody or is out of order cannot be told"
			e.Advice = "The next cycle asks again. If this target always answers so where it finds nobody, set the option nobody of the connection to not_found."
		}
		return page{}, e
	}
	return c.page(ans)
}

// notSCIM makes the error of a success whose JSON is not what was asked for.
func (c *Connector) notSCIM(ans *connector.Answer, why string) *connector.Error {
	return &connector.Error{
		Kind: connector.Unavailable, Code: connector.CodeNotSCIM, Status: ans.Status, Exchange: ans.Exchange,
		Reason: c.client.Host() + " does not answer as SCIM: " + why,
		Advice: "Check that the endpoint is the target's SCIM address.",
	}
}

// failure returns an error of the client as what it always is, nil for none.
func failure(err error) *connector.Error {
	if err == nil {
		return nil
	}
	var e *connector.Error
	if !errors.As(err, &e) {
		e = &connector.Error{Kind: connector.Unavailable, Code: connector.CodeUnreadable, Reason: err.Error(), Err: err}
	}
	return e
}
