package console

import (
	"context"
	"net/http"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

type cyclesView struct {
	appPage
	Cycles      []*store.Cycle
	After, Next string
}

// cycles lists what has run, the newest first.
func (c *console) cycles(rq *request) error {
	a, err := rq.app("", "Cycles")
	if err != nil {
		return err
	}
	v := cyclesView{appPage: a, After: rq.FormValue("after")}
	if v.Cycles, err = rq.desk.Cycles(rq.Context(), a.App.ID, v.After, pageSize); err != nil {
		return err
	}
	if len(v.Cycles) == pageSize {
		v.Next = v.Cycles[pageSize-1].ID
	}
	return rq.ok(cyclesPage(v))
}

// cycleView is what one cycle did, and how it is taken back.
type cycleView struct {
	appPage
	Cycle   *store.Cycle
	User    string
	Problem *admin.Problem
}

// undoable reports whether there is anything to take back.
func (v cycleView) undoable() bool {
	if v.Cycle.State == "planned" || v.Cycle.State == "running" {
		return false
	}
	for action, n := range v.Cycle.Summary {
		if action != "skip" && action != "held" && n > 0 {
			return true
		}
	}
	return false
}

func (rq *request) cycleView(id string) (cycleView, error) {
	a, err := rq.app("", "Cycle")
	if err != nil {
		return cycleView{}, err
	}
	a.page.Crumbs = append(a.page.Crumbs, crumb{a.App.Name, a.to()}, crumb{"Cycles", a.to("cycles")})
	v := cycleView{appPage: a}
	v.Cycle, err = rq.desk.Cycle(rq.Context(), a.App.ID, id)
	return v, err
}

func (c *console) cycle(rq *request) error {
	v, err := rq.cycleView(rq.PathValue("cycle"))
	if err != nil {
		return err
	}
	return rq.ok(cyclePage(v))
}

// undo plans the reverse of a cycle, of one person alone when one is named. Nothing is sent: the plan is
// shown, and run from there.
func (c *console) undo(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	v, err := rq.cycleView(get("cycle"))
	if err != nil {
		return err
	}
	v.User = strings.TrimSpace(get("user"))
	if err := rq.desk.MayUndo(rq.Context(), v.App.ID, v.Cycle.ID, v.User); err != nil {
		v.Problem = admin.Explain(err)
		rq.show(http.StatusUnprocessableEntity, cyclePage(v))
		return nil
	}
	desk := rq.desk
	_, err = c.work.start(rq.Context(), wish{desk, "plan", v.App.ID, nil, func(ctx context.Context, t *task) (string, error) {
		p, err := desk.Undo(ctx, v.App.ID, v.Cycle.ID, v.User, t.report)
		return p.ID, err
	}})
	if err != nil {
		return err
	}
	return rq.seeOther(v.to("plan"))
}
