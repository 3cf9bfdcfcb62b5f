package bench

import (
	"context"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// batch is how many members template scim2 sends in one request, page how many accounts it reads in one.
const batch, page = 100, 100

// BenchmarkMembers lets one of a group's 10,000 members go, and 5,000 of them move to another group.
func BenchmarkMembers(b *testing.B) {
	const members, movers = 10_000, 5000
	ctx := context.Background()
	t := startTarget(b, 0)
	w := newWorld(b, t.url, company{n: members}, "Everyone")
	w.app.Provisioning.Hold.Removals, w.app.Provisioning.Hold.Max = provision.Off, 10*members
	// Everybody is in scope by a group of their own: it is memberships that change, and nobody's account.
	w.app.Provisioning.Scope = "all"
	other, err := w.store.CreateGroup(ctx, by, store.GroupEdit{Attributes: directory.Edit{"displayName": "Others"}})
	if err != nil {
		b.Fatal(err)
	}
	w.app.Assignments = append(w.app.Assignments, provision.Assignment{Group: "Others"})
	w.save(b)
	w.sync(b)
	everyone, err := w.store.GroupByName(ctx, "Everyone")
	if err != nil {
		b.Fatal(err)
	}
	users := make([]directory.Member, movers+1)
	for i := range users {
		u, err := w.store.UserByName(ctx, person(i)["userName"].(string))
		if err != nil {
			b.Fatal(err)
		}
		users[i] = directory.Member{Kind: directory.KindUser, ID: u.ID}
	}
	edit := func(group string, add, remove []directory.Member) {
		if _, err := w.store.EditMembers(ctx, by, group, add, remove); err != nil {
			b.Fatal(err)
		}
	}
	requests := func() (time.Duration, int) {
		before, _, _ := t.counts(b)
		_, d, _ := w.run(b, cycle.Options{ByHand: true, Initiator: "bench"})
		after, _, _ := t.counts(b)
		return d, after - before
	}
	var leave, move time.Duration
	for b.Loop() {
		edit(everyone.ID, nil, users[:1])
		d, n := requests()
		if leave += d; n != 1 {
			b.Fatalf("%d requests for one member who leaves", n)
		}
		edit(everyone.ID, nil, users[1:movers+1])
		edit(other.ID, users[1:movers+1], nil)
		d, n = requests()
		if move += d; n != 2*movers/batch {
			b.Fatalf("%d requests for %d members who leave one group for another, want %d", n, movers, 2*movers/batch)
		}
		b.StopTimer()
		edit(everyone.ID, users[:movers+1], nil)
		edit(other.ID, nil, users[1:movers+1])
		w.sync(b)
		b.StartTimer()
	}
	b.ReportMetric(leave.Seconds()*1000/float64(b.N), "ms/leave")
	b.ReportMetric(move.Seconds()/float64(b.N), "s/move")
	b.ReportMetric(float64(2*movers/batch), "requests/move")
}

// BenchmarkReconcile finds and mends one per cent of 20,000 accounts that were changed at the target. The floor reads the same pages
// and sends the same repairs.
func BenchmarkReconcile(b *testing.B) {
	const people, drifted = 20_000, 200
	s := loaded(b, people)
	w := s.open(b)
	reconcile := cycle.Options{ByHand: true, Initiator: "bench", Reconcile: true}
	w.run(b, reconcile) // what other benchmarks changed there
	var ids []string
	for i := range drifted {
		u, err := w.store.UserByName(context.Background(), person(i * (people / drifted))["userName"].(string))
		if err != nil {
			b.Fatal(err)
		}
		links, err := w.store.Links(context.Background(), w.app.ID, directory.KindUser, []string{u.ID})
		if err != nil || links[u.ID] == nil {
			b.Fatalf("%s has no account: %v", u.UserName, err)
		}
		ids = append(ids, links[u.ID].Account.ID)
	}
	bare := s.target.bare(b, 64)
	var took, floor time.Duration
	var reads, writes int
	for b.Loop() {
		b.StopTimer()
		floor += bare.list(people) + bare.retitle(ids, "Changed there")
		allBefore, readsBefore, _ := s.target.counts(b)
		b.StartTimer()
		_, d, _ := w.run(b, reconcile)
		took += d
		all, n, _ := s.target.counts(b)
		reads, writes = n-readsBefore, all-allBefore-(n-readsBefore)
		if writes != drifted {
			b.Fatalf("%d writes for %d accounts that drifted", writes, drifted)
		}
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "s/reconcile")
	b.ReportMetric(floor.Seconds()/float64(b.N), "s/floor")
	b.ReportMetric(float64(reads), "reads")
	b.ReportMetric(float64(people/page), "reads/fewest")
	b.ReportMetric(float64(writes), "repairs")
}
