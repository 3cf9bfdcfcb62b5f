package account

import (
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
)

// Whatever stands in next, a browser that follows the answer stays on this host.
func FuzzOnward(f *testing.F) {
	for _, next := range []string{
		"/applications/slack?tab=plan#x", "", "/", "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)",
		"/\t/evil.example", "/\n/evil.example", "/%2f/evil.example", "/.//evil.example", "evil.example", "@evil.example", "/@evil.example", "///evil.example", "/signin?next=/", "/signout", " //evil.example", "/x\r\nSet-Cookie: a=b",
	} {
		f.Add(next)
	}
	base, _ := url.Parse("https://muster.example.org/signin")
	f.Fuzz(func(t *testing.T, next string) {
		to := onward(next)
		u, err := base.Parse(to)
		if err != nil || u.Host != base.Host || u.Scheme != "https" || to[0] != '/' || len(to) > 1 && (to[1] == '/' || to[1] == '\\') {
			t.Errorf("%q goes on to %q", next, to)
		}
		for _, r := range to {
			if r < ' ' || r == '\\' {
				t.Errorf("%q goes on to %q", next, to)
			}
		}
	})
}

func TestOnward(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/applications/slack?tab=plan": "/applications/slack?tab=plan", "": "/", "//evil.example/x": "/", "/signin": "/", "/signout": "/", "/link/x": "/", "https://muster.example.org/users": "/", "users": "/",
	} {
		if got := onward(next); got != want {
			t.Errorf("%q goes on to %q, want %q", next, got, want)
		}
	}
}

// X-Forwarded-For is believed of the proxies that were named, and of nobody behind them.
func TestAddress(t *testing.T) {
	t.Parallel()
	p := New(Options{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for _, tt := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "203.0.113.9", "192.0.2.1"},
		{"10.0.0.1:5", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5", "198.51.100.1, 203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5", "203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"10.0.0.1:5", "nonsense", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:5", "2001:db8::1", "2001:db8::1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := p.address(r).String(); got != tt.want {
			t.Errorf("%s forwards %q: %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}
