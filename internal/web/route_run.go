package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

func (s *Server) runs() {
	type plan struct {
		AppPath
		Body api.PlanRequest
	}
	work(s, operation(http.MethodPost, "/applications/{app}/plans", "plan", "Find out what a cycle would do, and keep it under an id; nothing is sent"),
		func(ctx context.Context, d *admin.Desk, in *plan, progress func(any)) (admin.Plan, error) {
			return d.Plan(ctx, in.App, in.Body.Reconcile, told(progress))
		}, once)
	route(s, operation(http.MethodPost, "/applications/{app}/mappings/test", "test-mappings", "Run the tests that are kept with the mappings"),
		func(ctx context.Context, d *admin.Desk, in *AppPath) (*answer[admin.MappingTests], error) {
			return answered(d.TestMappings(ctx, in.App))
		})
	type undo struct {
		AppPath
		Body api.UndoRequest
	}
	work(s, operation(http.MethodPost, "/applications/{app}/undo", "undo", "Plan the reverse of what a cycle did; nothing is sent"),
		func(ctx context.Context, d *admin.Desk, in *undo, progress func(any)) (admin.Plan, error) {
			return d.Undo(ctx, in.App, in.Body.Cycle, in.Body.User, told(progress))
		}, once)
	type planPath struct {
		Plan string `path:"plan" doc:"Id of a plan that nobody has run."`
	}
	route(s, operation(http.MethodGet, "/plans/{plan}", "get-plan", "Show the summary of a plan"), func(ctx context.Context, d *admin.Desk, in *planPath) (*answer[admin.Plan], error) {
		return answered(d.FindPlan(ctx, in.Plan))
	})
	type pages struct {
		Plan   string `path:"plan" doc:"Id of a plan."`
		Action string `query:"action" enum:"create,update,disable,enable,delete,skip" doc:"Only this action; skip is what needs nothing sent."`
		Held   bool   `query:"held" doc:"Only what is held."`
		Search string `query:"search" doc:"Only of people and groups with this in the name."`
		Paged
	}
	route(s, operation(http.MethodGet, "/plans/{plan}/operations", "list-operations", "List the operations of a plan"), func(ctx context.Context, d *admin.Desk, in *pages) (*answer[api.Operations], error) {
		ops, next, err := d.OperationsPage(ctx, admin.PlanQuery{Plan: in.Plan, Action: provision.Action(in.Action), Held: in.Held, Search: in.Search}, in.Cursor, in.Limit)
		return answered(api.Operations{Operations: api.OperationsOf(ops), Page: api.Page{Next: next}}, err)
	})
	type run struct {
		AppPath
		Body api.CycleRequest
	}
	work(s, operation(http.MethodPost, "/applications/{app}/cycles", "sync", "Run one cycle now"),
		func(ctx context.Context, d *admin.Desk, in *run, progress func(any)) (admin.Run, error) {
			return d.Sync(ctx, in.App, admin.SyncOptions{Reconcile: in.Body.Reconcile, ApproveHeld: in.Body.ApproveHeld, Plan: in.Body.Plan, Progress: told(progress)})
		}, once)
	type demand struct {
		AppPath
		Body api.ProvisionRequest
	}
	route(s, operation(http.MethodPost, "/applications/{app}/provision", "provision", "Provision one user or group on demand, step by step"),
		func(ctx context.Context, d *admin.Desk, in *demand) (*answer[admin.Provision], error) {
			if err := either(in.Body.User, in.Body.Group); err != nil {
				return nil, err
			}
			kind, name := directory.KindUser, in.Body.User
			if in.Body.Group != "" {
				kind, name = directory.KindGroup, in.Body.Group
			}
			return answered(d.Provision(ctx, in.App, kind, name, in.Body.DryRun))
		}, long, once)
	type person struct {
		AppPath
		User string `query:"user" required:"true" doc:"userName, e-mail address or id."`
	}
	route(s, operation(http.MethodGet, "/applications/{app}/explain", "explain", "Say why a person has, or has not, an account"), func(ctx context.Context, d *admin.Desk, in *person) (*answer[api.Explanation], error) {
		x, err := d.Explain(ctx, in.App, in.User)
		return answered(api.Explanation{Explanation: x, Pending: api.OperationsOf(x.Pending), Deciding: x.Deciding}, err)
	})
	type drifted struct {
		AppPath
		Paged
		Kind string `query:"kind" doc:"Only this kind: stranger, vanished, deactivated, reactivated, changed, extra_member or missing_member."`
	}
	route(s, operation(http.MethodGet, "/applications/{app}/drift", "list-drift", "What the last complete reconcile found that Muster did not make"), func(ctx context.Context, d *admin.Desk, in *drifted) (*answer[api.Drift], error) {
		sum, err := d.Drift(ctx, in.App)
		if err != nil {
			return nil, err
		}
		found, next, err := d.FindingsPage(ctx, in.App, provision.DriftKind(in.Kind), in.Cursor, in.Limit)
		return answered(api.Drift{Drift: sum, Findings: found, Page: api.Page{Next: next}}, err)
	})
	s.held()
}

// told makes of a function that sends progress one that a desk calls.
func told(progress func(any)) func(cycle.Progress) {
	return func(p cycle.Progress) { progress(api.Progress(p)) }
}

func (s *Server) held() {
	route(s, operation(http.MethodGet, "/applications/{app}/held", "list-held", "List what waits for approval, and why"), func(ctx context.Context, d *admin.Desk, in *struct {
		AppPath
		Paged
	},
	) (*answer[api.HeldPage], error) {
		h, next, err := d.HeldPage(ctx, in.App, in.Cursor, in.Limit)
		return answered(api.HeldPage{Operations: api.OperationsOf(h.Operations), Page: api.Page{Next: next}}, err)
	})
	type pick struct {
		AppPath
		Body api.Selection
	}
	type verdict func(d *admin.Desk, ctx context.Context, app string, pick admin.Selection) (admin.Held, error)
	judge := func(op huma.Operation, do verdict) {
		route(s, op, func(ctx context.Context, d *admin.Desk, in *pick) (*answer[api.Held], error) {
			return heldOf(do(d, ctx, in.App, admin.Selection(in.Body)))
		})
	}
	judge(operation(http.MethodPost, "/applications/{app}/held/approve", "approve", "Let held operations through; the next cycle does them"), (*admin.Desk).Approve)
	judge(operation(http.MethodPost, "/applications/{app}/held/reject", "reject", "Turn held operations down until something changes"), (*admin.Desk).Reject)
}

func heldOf(h admin.Held, err error) (*answer[api.Held], error) {
	return answered(api.Held{Operations: api.OperationsOf(h.Operations)}, err)
}
