package console

import (
	"net/http"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

// administratorsView is who may use the console, with the link for whoever was invited just now.
type administratorsView struct {
	Administrators []store.Administrator
	Invited        *admin.Invited
	Problem        *admin.Problem
	Name, Role     string // as they were sent
}

func (c *console) administrators(rq *request) error {
	return c.showAdministrators(rq, http.StatusOK, administratorsView{})
}

func (c *console) showAdministrators(rq *request, status int, v administratorsView) error {
	var err error
	if v.Administrators, err = rq.desk.Administrators(rq.Context()); err != nil {
		return err
	}
	rq.show(status, administratorsPage(rq.page.titled("Administrators"), v))
	return nil
}

// addAdministrator invites somebody and shows their link, once: the answer is not a redirect, so that no
// cookie and no history ever holds it.
func (c *console) addAdministrator(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	v := administratorsView{Name: strings.TrimSpace(get("name")), Role: get("role")}
	in, err := rq.desk.AddAdministrator(rq.Context(), v.Name, admin.Role(v.Role))
	if err != nil {
		v.Problem = admin.Explain(err)
		return c.showAdministrators(rq, http.StatusUnprocessableEntity, v)
	}
	return c.showAdministrators(rq, http.StatusCreated, administratorsView{Invited: c.reachable(rq, in)})
}

// reachable makes the link one that can be sent on: before Muster knows where people reach it, it is a path.
func (c *console) reachable(rq *request, in admin.Invited) *admin.Invited {
	if strings.HasPrefix(in.Link, "/") {
		in.Link = c.origin(rq.Request) + in.Link
	}
	return &in
}

// administratorView is one of them.
type administratorView struct {
	store.Administrator
	Sessions []store.Session
	Audit    []store.Entry // what was done to them
	Invited  *admin.Invited
	Problem  *admin.Problem
}

func (c *console) administrator(rq *request) error {
	return c.showAdministrator(rq, http.StatusOK, administratorView{})
}

func (c *console) showAdministrator(rq *request, status int, v administratorView) error {
	ctx := rq.Context()
	var err error
	if v.Administrator, err = rq.desk.Administrator(ctx, rq.PathValue("id")); err != nil {
		return err
	}
	if v.Sessions, err = rq.desk.AdministratorSessions(ctx, v.ID); err != nil {
		return err
	}
	if v.Audit, err = rq.desk.AuditPage(ctx, store.AuditQuery{Object: v.ID, Type: "administrator", Limit: 20}); err != nil {
		return err
	}
	rq.show(status, administratorPage(rq.page.titled(v.Name, crumb{"Administrators", "/administrators"}), v))
	return nil
}

// refused shows an administrator's page with why a wish was not carried out.
func (c *console) refused(rq *request, err error) error {
	return c.showAdministrator(rq, http.StatusUnprocessableEntity, administratorView{Problem: admin.Explain(err)})
}

func (c *console) setRole(rq *request) error {
	a, err := rq.desk.SetAdministratorRoleIf(rq.Context(), rq.PostFormValue("version"), rq.PathValue("id"), admin.Role(rq.PostFormValue("role")))
	if err != nil {
		return c.refused(rq, err)
	}
	return rq.done(at("administrators", a.ID), a.Name+" has the role "+a.Role+".")
}

func (c *console) resetAdministrator(rq *request) error {
	in, err := rq.desk.ResetAdministrator(rq.Context(), rq.PathValue("id"), rq.PostFormValue("everything") != "")
	if err != nil {
		return c.refused(rq, err)
	}
	return c.showAdministrator(rq, http.StatusCreated, administratorView{Invited: c.reachable(rq, in)})
}

func (c *console) endSessions(rq *request) error {
	n, err := rq.desk.EndAdministratorSessions(rq.Context(), rq.PathValue("id"))
	if err != nil {
		return c.refused(rq, err)
	}
	return rq.done(at("administrators", rq.PathValue("id")), counted(int(n), "browser is", "browsers are")+" signed out.")
}

func (c *console) setDisabled(rq *request) error {
	a, err := rq.desk.DisableAdministrator(rq.Context(), rq.PathValue("id"), rq.PostFormValue("disabled") == "yes")
	if err != nil {
		return c.refused(rq, err)
	}
	said := a.Name + " may sign in again."
	if a.Disabled {
		said = a.Name + " is disabled, and signed out everywhere."
	}
	return rq.done(at("administrators", a.ID), said)
}

func (c *console) removeAdministrator(rq *request) error {
	a, err := rq.desk.RemoveAdministrator(rq.Context(), rq.PathValue("id"))
	if err != nil {
		return c.refused(rq, err)
	}
	return rq.done("/administrators", a.Name+" was removed, and is signed out everywhere.")
}

// roleOptions are the roles for a select, each with what it may.
var roleOptions = []string{"reader", "reader: looks", "operator", "operator: runs, tests, approves", "admin", "admin: changes directory and applications", "owner", "owner: gives rights"}
