package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/muster-id/muster/internal/admin"
)

// metadataName is a name that resolves to where clouds keep a machine's credentials, as anybody may give one of their own.
const metadataName = "metadata.example.org"

// TestMain lets the names of these tests be resolved by a server on this machine.
func TestMain(m *testing.M) {
	names, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go answerNames(names)
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", names.LocalAddr().String())
	}}
	os.Exit(m.Run())
}

// answerNames answers for [metadataName] with an address of the link, and knows nobody else.
func answerNames(names net.PacketConn) {
	buf := make([]byte, 1<<10)
	for {
		n, from, err := names.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}
		m.Additionals = nil
		switch {
		case !strings.HasPrefix(q.Name.String(), metadataName+"."):
			m.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: [4]byte{169, 254, 169, 254}}}}
		}
		if b, err := m.Pack(); err == nil {
			_, _ = names.WriteTo(b, from)
		}
	}
}

// Whatever Muster connects to by a name that somebody gave it, the name leads to no metadata: the address is looked at when it is dialed.
func TestNamesLeadToNoMetadata(t *testing.T) {
	t.Parallel()
	h := open(t)
	post := func(role admin.Role, path string, doc any) reply {
		if doc == nil {
			return h.as(role, http.MethodPost, path, "")
		}
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return h.as(role, http.MethodPost, path, string(b))
	}
	type document = map[string]any
	auth := document{"type": "oauth2_client_credentials", "token_url": "https://" + metadataName + "/token", "client_id": "c", "client_secret": "s"}
	post(admin.Admin, "/api/v1/applications", document{"name": "endpoint", "template": "scim2", "connection": document{"endpoint": "https://" + metadataName + "/scim/", "auth": document{"token": "t"}}}).want(t, 201)
	post(admin.Admin, "/api/v1/applications", document{"name": "token", "template": "scim2", "connection": document{"endpoint": "https://127.0.0.1:1/", "auth": auth}}).want(t, 201)
	post(admin.Admin, "/api/v1/notifications/webhooks", document{"name": "hook", "url": "https://" + metadataName + "/"}).want(t, 201)
	h.as(admin.Admin, http.MethodPut, "/api/v1/notifications/mail", `{"host":"`+metadataName+`","port":25,"tls":"tls","from":"a@example.org","to":["b@example.org"]}`).want(t, 200)
	provider := func(issuer string) reply {
		return post(admin.Owner, "/api/v1/sign-in/oidc/test", document{"single_sign_on": document{"issuer": issuer, "client_id": "c", "roles": document{"Owners": "owner"}}})
	}
	away := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest/", http.StatusFound))
	t.Cleanup(away.Close)
	for name, way := range map[string]func() reply{
		"an endpoint":                        func() reply { return post(admin.Operator, "/api/v1/applications/endpoint/test", nil) },
		"a token endpoint":                   func() reply { return post(admin.Operator, "/api/v1/applications/token/test", nil) },
		"a webhook":                          func() reply { return post(admin.Admin, "/api/v1/notifications/test", document{"to": "hook"}) },
		"a mail server":                      func() reply { return post(admin.Admin, "/api/v1/notifications/test", document{"to": "mail"}) },
		"an identity provider":               func() reply { return provider("https://" + metadataName) },
		"an identity provider that sends on": func() reply { return provider(away.URL) },
	} {
		if r := way(); !strings.Contains(r.text, "credentials, and is not allowed") {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
	}
}

// Asking an identity provider shows nothing of what a server says that is none, and reads no more than a provider has to say.
func TestNoServerIsReadAsAnIdentityProvider(t *testing.T) {
	t.Parallel()
	h := open(t)
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/endless/") {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"issuer":"`)
			for range 1 << 10 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
			t.Error("all of an endless answer was read")
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "the inner secret")
	}))
	t.Cleanup(inner.Close)
	for _, issuer := range []string{inner.URL, inner.URL + "/endless"} {
		r := h.as(admin.Owner, http.MethodPost, "/api/v1/sign-in/oidc/test", `{"single_sign_on":{"issuer":"`+issuer+`","client_id":"c","roles":{"Owners":"owner"}}}`)
		if r.status < 400 || strings.Contains(r.text, "inner secret") {
			t.Errorf("%s: %d %s", issuer, r.status, r.text)
		}
	}
}
