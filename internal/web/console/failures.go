package console

import "github.com/muster-id/muster/internal/store"

type failuresView struct {
	appPage
	Rows                       []store.Failure
	Search, State, After, Next string
}

// failures lists whom an application cannot provision, with or without an account.
func (c *console) failures(rq *request) error {
	a, err := rq.app("failures", "Failures")
	if err != nil {
		return err
	}
	v := failuresView{appPage: a, Search: rq.FormValue("q"), State: rq.FormValue("state"), After: rq.FormValue("after")}
	v.Rows, v.Next, err = rq.desk.FailurePage(rq.Context(), a.App.ID, store.FailureQuery{State: v.State, Search: v.Search, After: v.After, Limit: pageSize})
	if err != nil {
		return err
	}
	if rq.partial("list") {
		return rq.ok(failureTable(v))
	}
	return rq.ok(failuresPage(v))
}
