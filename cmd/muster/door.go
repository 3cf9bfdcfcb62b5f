package main

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web"
)

// doorFlags say how people come to the console.
type doorFlags struct {
	PublicURL       string        `env:"MUSTER_PUBLIC_URL" placeholder:"URL" help:"Where people reach the console, such as https://muster.example.org; passkeys, single sign-on and links need it."`
	TrustedProxy    []string      `env:"MUSTER_TRUSTED_PROXY" placeholder:"CIDR" help:"Proxies in front, whose X-Forwarded-For is believed: addresses or networks."`
	SessionIdle     time.Duration `env:"MUSTER_SESSION_IDLE" default:"8h" placeholder:"TIME" help:"After which an unused session ends (${default})."`
	SessionLifetime time.Duration `env:"MUSTER_SESSION_LIFETIME" default:"168h" placeholder:"TIME" help:"After which every session ends (${default})."`
}

// signIn makes the way in for people. Without a public URL the console is reached at the address that
// is listened on.
func (c *doorFlags) signIn(s *session, st *store.Store, at net.Addr) (web.SignIn, error) {
	var in web.SignIn
	wrong := func(message, next string) error {
		return &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: message, Next: next}
	}
	if c.SessionIdle < time.Minute || c.SessionLifetime < c.SessionIdle {
		return in, wrong("a session cannot end so soon", "give --session-idle at least a minute, and --session-lifetime no less than that")
	}
	for _, text := range c.TrustedProxy {
		prefix, err := parsePrefix(text)
		if err != nil {
			return in, wrong("--trusted-proxy takes no "+text, "write an address or a network, such as 10.0.0.0/8")
		}
		in.Proxies = append(in.Proxies, prefix)
	}
	base := c.PublicURL
	if base == "" {
		base = localURL(at)
	}
	in.Secure = strings.HasPrefix(strings.ToLower(base), "https:")
	var err error
	in.Gate, err = signin.New(st, signin.Options{URL: base, Idle: c.SessionIdle, Absolute: c.SessionLifetime, Log: s.log()})
	var refused *signin.Refusal
	if errors.As(err, &refused) {
		err = wrong(refused.Reason, refused.Next)
	}
	return in, err
}

// parsePrefix reads a network, or an address as the network of itself.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// localURL is how somebody at this machine reaches an address. On loopback, and where every address
// is listened on, it has the name that browsers make passkeys for.
func localURL(at net.Addr) string {
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return "http://" + at.String()
	}
	if tcp.IP.IsLoopback() || tcp.IP.IsUnspecified() {
		_, port, _ := net.SplitHostPort(tcp.String())
		return "http://localhost:" + port
	}
	return "http://" + tcp.String()
}

// listening says where the console is, and while there is no owner how to become one.
func listening(s *session, url string, gate *signin.Gate) {
	answer := map[string]string{"listening": url}
	link, until, err := gate.SetUpLink(s)
	if err != nil {
		s.log().Error("making the set-up link", "error", err)
	} else if link != "" {
		answer["set_up_link"] = link
	}
	s.show(answer, func() {
		s.say("listening on %s", url)
		if link != "" {
			s.say("nobody can sign in yet; set Muster up, once, until %s: %s", when(until), link)
		}
	})
}
