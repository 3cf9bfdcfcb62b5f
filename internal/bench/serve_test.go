package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/muster-id/muster/internal/client"
	"github.com/muster-id/muster/internal/pgtest"
)

// serve starts the server and returns a client of its API.
func (s *site) serve(b *testing.B) *client.Client {
	b.Helper()
	cmd, err := s.command("serve", "--listen", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		b.Fatalf("the server begins with %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	c, err := client.New(client.Options{Server: url, Token: s.token, Version: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// settle does at once what PostgreSQL does by itself in the minutes after a first load, beside what is measured.
func settle(b *testing.B, url string) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(b.Context(), "vacuum analyze"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkChangeReachesTarget changes one person after the other over the API of a running server, and measures from before the
// change is sent, so that the commit and the API are in it, until its request comes to the target.
func BenchmarkChangeReachesTarget(b *testing.B) {
	for _, database := range []string{"sqlite", "postgres"} {
		for _, size := range []int{2000, 20_000, 100_000} {
			b.Run(database+"/"+strconv.Itoa(size), func(b *testing.B) {
				s := &site{}
				if database == "sqlite" {
					s = loaded(b, size)
				} else {
					s.target, s.data = startTarget(b, 0), b.TempDir()
					url := pgtest.Database(b)
					if err := s.load(size, url); err != nil {
						b.Fatal(err)
					}
					settle(b, url)
				}
				c := s.serve(b)
				var took []time.Duration
				change := func() {
					// Changes come when they come: in the middle of a cycle, and while there is none.
					pause := time.NewTimer(rand.N(50 * time.Millisecond))
					<-pause.C
					before := time.Now()
					name := fmt.Sprintf("person%06d", rand.IntN(size))
					if _, changed, err := c.SetUser(context.Background(), name, []string{fmt.Sprint("title=Title ", before.UnixNano())}); err != nil || !changed {
						b.Fatalf("changing %s: %v, %v", name, changed, err)
					}
					took = append(took, s.target.wrote(b, before).Sub(before))
				}
				for range 5 {
					change() // the first ones open connections
				}
				took = nil
				for b.Loop() {
					for range 100 {
						change()
					}
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/p50")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms/p99")
			})
		}
	}
}
