package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
)

type healthCmd struct {
	Listen string `default:"127.0.0.1:8080" env:"MUSTER_LISTEN" placeholder:"ADDR" help:"Address that the server listens on (${default})."`
	Ready  bool   `help:"Ask whether it can work, not only whether it lives."`
}

// Help says who asks.
func (c *healthCmd) Help() string {
	return "For whatever watches a container or a service: it ends with 0 when the server\non this machine answers, else with 1."
}

// healthTime is how long a server may take to say that it lives.
const healthTime = 4 * time.Second

// Run implements the verb.
func (c *healthCmd) Run(s *session) error {
	address, err := reachable(c.Listen)
	if err != nil {
		return &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: fmt.Sprintf("--listen takes no %q", c.Listen), Next: "write an address such as 127.0.0.1:8080"}
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	wrong := func(what string, err error) error {
		return &admin.Problem{Exit: admin.ExitInternal, Code: "unreachable", Message: "the server at " + address + " " + what, Next: "its log on standard error says why", Err: err}
	}
	req, err := http.NewRequestWithContext(s, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return wrong("cannot be asked", err)
	}
	// To itself alone: no proxy, and no other place that an answer might name.
	client := &http.Client{Timeout: healthTime, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(req)
	if err != nil {
		return wrong("does not answer", err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if answer.StatusCode != http.StatusOK {
		return wrong(fmt.Sprintf("answers %d: %s", answer.StatusCode, strings.TrimSpace(string(body))), nil)
	}
	s.show(map[string]any{"ok": true, "server": address}, func() { s.say("the server at %s is well", address) })
	return nil
}
