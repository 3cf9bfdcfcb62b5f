package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/directory"
)

// BenchmarkCreate creates people through the connector, and beside it the same requests in a bare loop
// with 64 in flight: what lies between is what the connector costs.
func BenchmarkCreate(b *testing.B) {
	for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
		b.Run(fmt.Sprint("connector ", latency), func(b *testing.B) {
			target, endpoint := connectortest.Serve(b, connectortest.Behaviour{})
			target.Fail(connectortest.Fault{Times: -1, Delay: latency})
			c := open(b, endpoint, connectortest.Token, nil)
			spread(b, func(n int) {
				if _, err := c.Write(b.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: connectortest.Person(n)}); err != nil {
					b.Error(err)
				}
			})
		})
		b.Run(fmt.Sprint("bare ", latency), func(b *testing.B) {
			target, endpoint := connectortest.Serve(b, connectortest.Behaviour{})
			target.Fail(connectortest.Fault{Times: -1, Delay: latency})
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			spread(b, func(n int) {
				body := bodyOf(connectortest.Person(n))
				req, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, endpoint+"Users", bytes.NewReader(body))
				req.Header.Set("Authorization", "Bearer "+connectortest.Token)
				res, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			})
		})
	}
}

// bodyOf writes the body of a create as simply as can be.
func bodyOf(p attr.Set) []byte {
	body, _ := json.Marshal(map[string]any{
		"schemas":  []string{"urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"},
		"userName": p["userName"], "externalId": p["externalId"], "displayName": p["displayName"], "title": p["title"], "active": true,
		"name":         map[string]any{"givenName": p["name.givenName"], "familyName": p["name.familyName"]},
		"emails":       []any{map[string]any{"type": "work", "primary": true, "value": p[mail]}},
		"phoneNumbers": []any{map[string]any{"type": "work", "value": "+1 555"}},
		"addresses":    []any{map[string]any{"type": "work", "locality": "London", "country": "GB"}},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]any{"department": "R&D"},
	})
	return body
}

// spread runs b.N calls, 64 at a time.
func spread(b *testing.B, call func(n int)) {
	var all sync.WaitGroup
	numbers := make(chan int)
	for range 64 {
		all.Go(func() {
			for n := range numbers {
				call(n)
			}
		})
	}
	b.ResetTimer()
	for n := range b.N {
		numbers <- n
	}
	close(numbers)
	all.Wait()
}
