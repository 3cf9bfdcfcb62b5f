package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/directory"
)

// bare is a plain client: it sends, decodes the answers and keeps nothing. No client can be much faster.
type bare struct {
	b           *testing.B
	t           target
	client      *http.Client
	concurrency int
}

func (t target) bare(b *testing.B, concurrency int) *bare {
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: concurrency, MaxIdleConnsPerHost: concurrency, DisableCompression: true}}
	b.Cleanup(client.CloseIdleConnections)
	return &bare{b, t, client, concurrency}
}

// send sends one request and returns the id in the answer.
func (c *bare) send(method, path string, doc any) string {
	var body io.Reader
	if doc != nil {
		text, _ := json.Marshal(doc)
		body = bytes.NewReader(text)
	}
	req, _ := http.NewRequest(method, c.t.url+"/scim/v2/"+path, body)
	req.Header.Set("Authorization", "Bearer "+connectortest.Token)
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := c.client.Do(req)
	if err != nil {
		c.b.Error(err)
		return ""
	}
	defer resp.Body.Close()
	var answer struct {
		ID        string           `json:"id"`
		Resources []map[string]any `json:"Resources"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode > 299 {
		c.b.Errorf("%s %s: %d %v", method, path, resp.StatusCode, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return answer.ID
}

// each does something n times, as many at once as the client sends.
func (c *bare) each(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range c.concurrency {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// load sends the creates that a first load cannot do without, and returns how long that took.
func (c *bare) load() time.Duration {
	start := time.Now()
	ids := make([]string, people)
	c.each(people, func(i int) {
		doc := map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User", directory.Enterprise}, "active": true}
		for k, v := range person(i) {
			attrPut(doc, k, v)
		}
		ids[i] = c.send("POST", "Users", doc)
	})
	c.each(groups, func(g int) {
		var members []any
		for _, i := range membersOf(g) {
			members = append(members, map[string]any{"value": ids[i]})
		}
		c.send("POST", "Groups", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": groupName(g), "members": members})
	})
	return time.Since(start)
}

// list reads every page of the accounts and returns how long that took.
func (c *bare) list(n int) time.Duration {
	start := time.Now()
	for at := 1; at <= n; at += page {
		c.send("GET", "Users?startIndex="+strconv.Itoa(at)+"&count="+strconv.Itoa(page), nil)
	}
	return time.Since(start)
}

// retitle gives the accounts titles, and returns how long that took.
func (c *bare) retitle(ids []string, title string) time.Duration {
	start := time.Now()
	c.each(len(ids), func(i int) {
		c.send("PATCH", "Users/"+ids[i], map[string]any{
			"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": []any{map[string]any{"op": "replace", "path": "title", "value": title}},
		})
	})
	return time.Since(start)
}
