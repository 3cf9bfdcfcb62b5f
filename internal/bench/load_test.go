package bench

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web"
)

// What BenchmarkReaders looks at, and by how many.
const (
	readers   = 200
	employees = 100_000
	records   = 1_000_000
	looking   = 30 * time.Second
	thinking  = 2 * time.Second // between two pages of one reader, on average
)

// BenchmarkReaders lets 200 people look at Home and at the logs of a company of 100,000 with a million records, each a page every two
// seconds, while a cycle writes fifty accounts a second; beside the same requests to a server that answers at once.
func BenchmarkReaders(b *testing.B) {
	t := startTarget(b, 20*time.Millisecond)
	w := newWorld(b, t.url, company{n: employees}, "Everyone")
	w.app.Connection.Limits.RequestsPerSecond = 50
	if _, err := w.store.SaveApplication(context.Background(), by, w.app); err != nil {
		b.Fatal(err)
	}
	w.remember(b)
	if err := w.store.TallyHourly(context.Background()); err != nil { // which a server does by itself
		b.Fatal(err)
	}
	site, cookies := w.site(b)
	server := httptest.NewServer(site)
	b.Cleanup(server.Close)
	page := strings.Repeat("a page of the console is about so long. ", 800)
	bare := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(out, page) }))
	b.Cleanup(bare.Close)

	ctx, stop := context.WithCancel(context.Background())
	cycled := make(chan struct{})
	go func() {
		defer close(cycled)
		_, _ = w.engine.Run(ctx, w.app, cycle.Options{ByHand: true, Initiator: "bench"}) // it is stopped in its middle
	}()
	defer func() { stop(); <-cycled }()
	for b.Loop() {
		floor := look(b, bare.URL, cookies)
		took := look(b, server.URL, cookies)
		for path, times := range took {
			b.ReportMetric(ms(times, 95), "p95-ms:"+path)
		}
		b.ReportMetric(ms(flat(took), 50), "p50-ms")
		b.ReportMetric(ms(flat(took), 95), "p95-ms")
		b.ReportMetric(ms(flat(floor), 95), "p95-ms/floor")
		b.ReportMetric(float64(len(flat(took)))/looking.Seconds(), "pages/s")
	}
}

func flat(by map[string][]time.Duration) (all []time.Duration) {
	for _, times := range by {
		all = append(all, times...)
	}
	return all
}

// ms is a percentile in milliseconds.
func ms(times []time.Duration, percent int) float64 {
	slices.Sort(times)
	return float64(times[(len(times)-1)*percent/100].Microseconds()) / 1000
}

// remember writes a million records of the provisioning log at once, over the last thirty days: one in a thousand failed.
func (w *world) remember(b *testing.B) {
	b.Helper()
	now := time.Now().UnixMilli()
	const day = 24 * 3600 * 1000
	err := w.store.Write(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Exec(context.Background(), `insert into cycles (id, app_id, type, state, watermark, basis, summary, initiated_by, created_at, started_at, finished_at)
			with recursive n(i) as (select 0 union all select i + 1 from n where i < 999)
			select printf('00000000-0000-7000-9000-%012x', i), $1, 'incremental', 'done', 0, '', '{}', 'schedule', $2 + i * $3, $2 + i * $3, $2 + i * $3 from n`, w.app.ID, now-30*day, 30*day/1000)
		if err != nil {
			return err
		}
		_, err = tx.Exec(context.Background(), `insert into operations (id, app_id, cycle_id, type, action, state, urgency, rank, object_id, object_name, cause, reason, want, detail, steps, status, error, initiated_by, created_at, started_at, finished_at)
			with recursive n(i) as (select 0 union all select i + 1 from n where i < $4 - 1), people as materialized (select row_number() over () - 1 as r, id, user_name from users)
			select printf('00000000-0000-7000-8000-%012x', i), $1, printf('00000000-0000-7000-9000-%012x', i / 1000), 'user', case when i % 4 = 0 then 'update' else 'skip' end,
				case when i % 1000 = 7 then 'failed' when i % 4 = 0 then 'applied' else 'skipped' end, 1, 0, p.id, p.user_name, 'changed', 'title changed', '{}', '{}', '[]',
				case when i % 1000 = 7 then 'failure' when i % 4 = 0 then 'success' else 'skipped' end, case when i % 1000 = 7 then '{"code":"rejected","reason":"the target refuses the title"}' end,
				'schedule', $2 + i * $3, $2 + i * $3, $2 + i * $3
			from n join people p on p.r = (i * 7919) % $5`, w.app.ID, now-30*day, 30*day/records, records, employees)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// site is the console with a session for each reader.
func (w *world) site(b *testing.B) (http.Handler, []*http.Cookie) {
	b.Helper()
	ctx := context.Background()
	gate, err := signin.New(w.store, signin.Options{Hashing: signin.Hashing{MemoryKiB: 8, Passes: 1, Threads: 1}})
	if err != nil {
		b.Fatal(err)
	}
	desk := admin.New(w.store, admin.Options{By: by})
	var cookies []*http.Cookie
	for i := range readers {
		in, err := desk.AddAdministrator(ctx, fmt.Sprintf("reader%d@example.org", i), admin.Reader)
		if err != nil {
			b.Fatal(err)
		}
		_, link, _ := strings.Cut(in.Link, "/link/")
		entered, err := gate.FollowLink(ctx, signin.Client{}, link, "", "seven otters juggle plums")
		if err != nil {
			b.Fatal(err)
		}
		cookies = append(cookies, &http.Cookie{Name: "muster", Value: entered.Session})
	}
	site, err := web.New(web.Options{Desk: desk, SignIn: web.SignIn{Gate: gate}})
	if err != nil {
		b.Fatal(err)
	}
	return site, cookies
}

// look lets every reader open one page after another, and returns how long each kind took to the last byte.
func look(b *testing.B, base string, cookies []*http.Cookie) map[string][]time.Duration {
	b.Helper()
	pages := []string{"/", "/activity.json?span=24h", "/logs", "/", "/logs?status=failure", "/logs?user=person%06d", "/logs?since=24h", "/activity.json?span=30d"}
	took := map[string][]time.Duration{}
	var mu sync.Mutex
	var all sync.WaitGroup
	ctx, end := context.WithTimeout(context.Background(), looking)
	defer end()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: readers}}
	defer client.CloseIdleConnections()
	for i, cookie := range cookies {
		all.Go(func() {
			for n := i; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-time.After(time.Duration(rand.Int64N(int64(2 * thinking)))): // a person reads
				}
				path := pages[n%len(pages)]
				kind := path
				if strings.Contains(path, "%") {
					path = fmt.Sprintf(path, rand.IntN(employees))
				}
				req, err := http.NewRequest(http.MethodGet, base+path, nil)
				if err != nil {
					b.Error(err)
					return
				}
				req.AddCookie(cookie)
				req.Header.Set("Accept", "text/html")
				begun := time.Now()
				res, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body) // to the last byte
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					b.Errorf("%s: %s", path, res.Status)
					return
				}
				mu.Lock()
				took[kind] = append(took[kind], time.Since(begun))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return took
}
