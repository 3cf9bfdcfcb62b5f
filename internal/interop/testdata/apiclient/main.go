// Command apiclient uses Muster's API through code that a public generator made of /openapi.json: muster.gen.go is generated beside it
// by the test. It prints what it could not do, and ends with 1.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"example.org/apiclient/muster"
)

func main() {
	if err := use(context.Background(), os.Getenv("MUSTER_SERVER"), os.Getenv("MUSTER_TOKEN"), os.Getenv("TARGET")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// want says which answer was expected.
func want(what string, err error, got, status int, body []byte) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if got != status {
		return fmt.Errorf("%s: %d, want %d: %s", what, got, status, body)
	}
	return nil
}

func to[T any](v T) *T { return &v }

func use(ctx context.Context, server, token, target string) error {
	c, err := muster.NewClientWithResponses(server, muster.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, *muster.ClientWithResponses) error{users, groups} {
		if err := step(ctx, c); err != nil {
			return err
		}
	}
	return application(ctx, c, target)
}

// users are created once under a key, found in pages, and edited by one of two who read the same version.
func users(ctx context.Context, c *muster.ClientWithResponses) error {
	for _, name := range []string{"ada", "bea", "bea"} { // the second bea is the same request again
		made, err := c.CreateUserWithResponse(ctx, &muster.CreateUserParams{IdempotencyKey: to("key of " + name)}, muster.NewUser{
			UserName: name + "@example.org", Attributes: &map[string]any{"name.familyName": name, "emails": name + "@example.org"},
		})
		if err := want("creating "+name, err, made.StatusCode(), 201, made.Body); err != nil {
			return err
		}
	}
	seen, cursor := 0, to("")
	for {
		page, err := c.ListUsersWithResponse(ctx, &muster.ListUsersParams{Limit: to(int64(1)), Cursor: cursor})
		if err := want("listing users", err, page.StatusCode(), 200, page.Body); err != nil {
			return err
		}
		seen += len(page.JSON200.Users)
		if cursor = &page.JSON200.Next; *cursor == "" {
			break
		}
	}
	if seen != 2 {
		return fmt.Errorf("%d users are listed, want 2", seen)
	}
	ada, err := c.GetUserWithResponse(ctx, "ada@example.org")
	if err := want("reading ada", err, ada.StatusCode(), 200, ada.Body); err != nil {
		return err
	}
	version := ada.HTTPResponse.Header.Get("ETag")
	for _, status := range []int{200, 412} {
		edit, err := c.EditUserWithResponse(ctx, "ada@example.org", &muster.EditUserParams{IfMatch: &version}, muster.Edit{Attributes: map[string]any{"title": fmt.Sprint("Countess ", status)}})
		if err := want("editing ada", err, edit.StatusCode(), status, edit.Body); err != nil {
			return err
		}
	}
	none, err := c.GetUserWithResponse(ctx, "nobody@example.org")
	if err := want("reading nobody", err, none.StatusCode(), 404, none.Body); err != nil {
		return err
	}
	if p := none.ApplicationproblemJSONDefault; p == nil || p.Code != "not_found" || p.Next == "" {
		return fmt.Errorf("the problem of a person who is not there says %s", none.Body)
	}
	return nil
}

func groups(ctx context.Context, c *muster.ClientWithResponses) error {
	made, err := c.CreateGroupWithResponse(ctx, nil, muster.NewGroup{DisplayName: "Engineering", Members: &[]string{"ada@example.org", "bea@example.org"}})
	if err := want("creating a group", err, made.StatusCode(), 201, made.Body); err != nil {
		return err
	}
	members, err := c.ListMembersWithResponse(ctx, "Engineering", nil)
	if err := want("listing members", err, members.StatusCode(), 200, members.Body); err != nil {
		return err
	}
	if n := len(members.JSON200.Members); n != 2 {
		return fmt.Errorf("Engineering has %d members, want 2", n)
	}
	return nil
}

// application makes one, connects it, reads its plan, runs it, and asks for the reasons.
func application(ctx context.Context, c *muster.ClientWithResponses, target string) error {
	made, err := c.CreateApplicationWithResponse(ctx, nil, muster.Application{
		Name: to("slack"), Template: to("slack"),
		Connection:  &muster.ApplicationConnection{Endpoint: &target, Auth: &muster.ApplicationAuth{Type: to(muster.TypeBearer), Token: to("xoxp-slack-emulator")}},
		Assignments: &[]muster.ApplicationAssignment{{Group: to("Engineering")}},
	})
	if err := want("making an application", err, made.StatusCode(), 201, made.Body); err != nil {
		return err
	}
	read, err := c.GetApplicationWithResponse(ctx, "slack")
	if err := want("reading the application", err, read.StatusCode(), 200, read.Body); err != nil {
		return err
	}
	if strings.Contains(string(read.Body), "xoxp-") {
		return fmt.Errorf("the token can be read back: %s", read.Body)
	}
	if e := read.JSON200.Connection.Endpoint; e == nil || *e != target {
		return fmt.Errorf("the endpoint is not in the typed answer: %s", read.Body)
	}
	test, err := c.TestConnectionWithResponse(ctx, "slack")
	if err := want("testing the connection", err, test.StatusCode(), 200, test.Body); err != nil {
		return err
	}
	if !test.JSON200.Ok {
		return fmt.Errorf("the connection fails: %s", test.Body)
	}
	plan, err := c.PlanWithResponse(ctx, "slack", nil, muster.PlanRequest{})
	if err := want("planning", err, plan.StatusCode(), 200, plan.Body); err != nil {
		return err
	}
	operations, err := c.ListOperationsWithResponse(ctx, plan.JSON200.Id, nil)
	if err := want("reading the plan", err, operations.StatusCode(), 200, operations.Body); err != nil {
		return err
	}
	if n := len(operations.JSON200.Operations); n != 2 || plan.JSON200.Summary.Create != 2 {
		return fmt.Errorf("the plan has %d operations, want 2 creates: %s", n, plan.Body)
	}
	run, err := c.SyncWithResponse(ctx, "slack", nil, muster.CycleRequest{Plan: &plan.JSON200.Id})
	if err := want("running the plan", err, run.StatusCode(), 200, run.Body); err != nil {
		return err
	}
	why, err := c.ExplainWithResponse(ctx, "slack", &muster.ExplainParams{User: "ada@example.org"})
	if err := want("asking why", err, why.StatusCode(), 200, why.Body); err != nil {
		return err
	}
	if why.JSON200.Verdict != "in_scope" {
		return fmt.Errorf("ada is not in scope: %s", why.Body)
	}
	log, err := c.ListLogsWithResponse(ctx, &muster.ListLogsParams{App: to("slack")})
	if err := want("reading the log", err, log.StatusCode(), 200, log.Body); err != nil {
		return err
	}
	if len(log.JSON200.Records) == 0 {
		return fmt.Errorf("the log is empty")
	}
	return nil
}
