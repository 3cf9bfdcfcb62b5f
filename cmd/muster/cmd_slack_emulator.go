package main

import (
	"fmt"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/slackemulator"
)

type slackEmulatorCmd struct {
	Listen      string   `default:"127.0.0.1:8099" placeholder:"ADDR" help:"Address; port 0 takes a free one (${default})."`
	AcceptToken []string `sep:"none" placeholder:"TOKEN" help:"Accept this token; without it xoxp-slack-emulator."`
	TimeScale   float64  `default:"1" placeholder:"N" help:"A minute of limits and delays lasts 60/N seconds."`
	Limits      string   `enum:"on,off" default:"on" placeholder:"on|off" help:"Slack's rate limits (${default})."`
	Plan        string   `enum:"free,pro,business+,enterprise" default:"business+" placeholder:"PLAN" help:"What the workspace pays for: free, pro, business+ or enterprise (${default})."`
	Fault       []string `sep:"none" placeholder:"FAULT" help:"Misbehave so; --faults lists the names."`
	Faults      bool     `help:"List the faults, and end."`
}

// Help implements [kong.HelpProvider].
func (slackEmulatorCmd) Help() string {
	return `It prints "listening on http://…" when it is ready, and ends on Ctrl-C. People,
groups, faults and requests are at /_emulator/ of that address.

  TOKEN is VALUE[,scopes=A+B][,role=R][,install=org|workspace][,plan=P]
  FAULT is NAME[=ARG][,method=M][,path=P][,body=B][,after=N][,count=N|always]

  muster slack-emulator --listen 127.0.0.1:0 --time-scale 60
  muster slack-emulator --accept-token xoxp-1 --fault latency=20ms`
}

// Run implements the verb.
func (c *slackEmulatorCmd) Run(s *session) error {
	if c.Faults {
		return c.list(s)
	}
	options, err := c.options()
	if err != nil {
		return err
	}
	server, err := serve(c.Listen, slackemulator.New(options))
	if err != nil {
		return err
	}
	s.show(map[string]string{"listening": server.url, "endpoint": server.url + "/scim/v2/", "web_api": server.url + "/api/"}, func() {
		s.say("listening on %s", server.url)
		s.note("SCIM at %s/scim/v2/, people and faults at %s/_emulator/", server.url, server.url)
	})
	<-s.Done()
	return server.close()
}

func (c *slackEmulatorCmd) options() (slackemulator.Options, error) {
	o := slackemulator.Options{Plan: slackemulator.Plan(c.Plan), TimeScale: c.TimeScale, LimitsOff: c.Limits == "off"}
	if c.TimeScale <= 0 {
		return o, &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "--time-scale has to be above 0", Next: "60 lets a minute last a second"}
	}
	for _, text := range c.AcceptToken {
		t, err := slackemulator.ParseToken(text)
		if err != nil {
			return o, &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "--accept-token: " + err.Error(), Next: "see `muster slack-emulator --help`"}
		}
		o.Tokens = append(o.Tokens, t)
	}
	for _, text := range c.Fault {
		f, err := slackemulator.ParseFault(text)
		if err != nil {
			return o, &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "--fault: " + err.Error(), Next: "`muster slack-emulator --faults` says what each does"}
		}
		o.Faults = append(o.Faults, f)
	}
	return o, nil
}

func (c *slackEmulatorCmd) list(s *session) error {
	faults := slackemulator.FaultNames()
	s.show(map[string]any{"faults": faults}, func() {
		for _, f := range faults {
			name := f.Name
			if f.Arg != "" {
				name += "=" + f.Arg
			}
			s.say("%s", s.bold(name))
			fmt.Fprint(s.out, wrap(f.Help, 4, s.width))
		}
	})
	return nil
}
