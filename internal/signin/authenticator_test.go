package signin_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/muster-id/muster/internal/signin"
)

// app is an authenticator app that ada has added.
func (w *world) app(name string) (code func() string, recovery []string) {
	w.Helper()
	v := w.enter(name)
	e, err := w.gate.BeginAuthenticator(w.ctx, v)
	w.ok(err)
	if picture, err := e.Image(200); err != nil || picture.Bounds().Dx() != 200 {
		w.Fatalf("no picture: %v", err)
	}
	code = func() string {
		c, err := totp.GenerateCode(e.Secret, w.clock.now())
		w.ok(err)
		return c
	}
	_, _, err = w.gate.FinishAuthenticator(w.ctx, v, e.Token, "000000")
	w.refused(err, "clock")
	recovery, session, err := w.gate.FinishAuthenticator(w.ctx, v, e.Token, code())
	w.ok(err)
	w.visitor(signin.Admission{Session: session})
	return code, recovery
}

func TestAuthenticatorApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	code, recovery := w.app("ada")
	first := func() signin.Admission {
		in, err := w.gate.Password(w.ctx, w.here, "ada", good)
		w.ok(err)
		if in.Session != "" || in.Pending == "" {
			t.Fatalf("the password alone gives %+v", in)
		}
		return in
	}
	// The code that added the app was used.
	_, err := w.gate.SecondFactor(w.ctx, w.here, first().Pending, code())
	w.refused(err, "not right")
	w.clock.pass(time.Minute)
	in := first()
	now := code()
	in2, err := w.gate.SecondFactor(w.ctx, w.here, in.Pending, now[:3]+" "+now[3:])
	w.ok(err)
	w.visitor(in2)
	// Replayed: by whoever looked over a shoulder, and by the same pending step.
	_, err = w.gate.SecondFactor(w.ctx, w.here, first().Pending, now)
	w.refused(err, "not right")
	_, err = w.gate.SecondFactor(w.ctx, w.here, in.Pending, now)
	w.refused(err, "took too long")
	// An older code than the last one used is no good either, though its time has not passed.
	w.clock.pass(time.Minute)
	old := code()
	w.clock.pass(30 * time.Second)
	_, err = w.gate.SecondFactor(w.ctx, w.here, first().Pending, code())
	w.ok(err)
	_, err = w.gate.SecondFactor(w.ctx, w.here, first().Pending, old)
	w.refused(err, "not right")

	// A recovery code gets in once, however it is written.
	if len(recovery) != 10 {
		t.Fatalf("%d recovery codes", len(recovery))
	}
	written := strings.ToLower(strings.ReplaceAll(recovery[0], "-", " "))
	_, err = w.gate.SecondFactor(w.ctx, w.here, first().Pending, written)
	w.ok(err)
	_, err = w.gate.SecondFactor(w.ctx, w.here, first().Pending, recovery[0])
	w.refused(err, "not right")
	if n := w.audited("use recovery code"); n != 1 {
		t.Errorf("the audit log has %d uses", n)
	}
	// New codes make the old ones worthless.
	in, err = w.gate.SecondFactor(w.ctx, w.here, first().Pending, recovery[1])
	w.ok(err)
	fresh, err := w.gate.NewRecoveryCodes(w.ctx, w.visitor(in))
	w.ok(err)
	_, err = w.gate.SecondFactor(w.ctx, w.here, first().Pending, recovery[2])
	w.refused(err, "not right")
	in, err = w.gate.SecondFactor(w.ctx, w.here, first().Pending, fresh[2])
	w.ok(err)
	// Without the app the password is enough again.
	w.ok(w.gate.RemoveAuthenticator(w.ctx, w.visitor(in)))
	w.enter("ada")
}

// Who knows the password does not get to try every code.
func TestCodesAreNotGuessed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	code, _ := w.app("ada")
	w.clock.pass(time.Hour)
	looked := 0
	for range 20 {
		in, err := w.gate.Password(w.ctx, w.here, "ada", good)
		if err != nil {
			w.refused(err, "Too many")
			break
		}
		if _, err = w.gate.SecondFactor(w.ctx, w.here, in.Pending, "000000"); strings.Contains(err.Error(), "not right") {
			looked++
		}
	}
	if looked > 3 {
		t.Errorf("%d codes were looked at", looked)
	}
	w.clock.pass(time.Hour)
	in, err := w.gate.Password(w.ctx, w.here, "ada", good)
	w.ok(err)
	w.clock.pass(time.Minute) // the password's own attempt counts, and its pause has to pass
	w.clock.pass(15 * time.Minute)
	_, err = w.gate.SecondFactor(w.ctx, w.here, in.Pending, code())
	w.refused(err, "took too long")
}

func TestOneCodeLetsOneIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	code, _ := w.app("ada")
	w.clock.pass(time.Minute)
	var pending [2]string
	for i := range pending {
		in, err := w.gate.Password(w.ctx, w.here, "ada", good)
		w.ok(err)
		pending[i] = in.Pending
	}
	now := code()
	var wait sync.WaitGroup
	var got [2]error
	for i := range got {
		wait.Go(func() {
			_, got[i] = w.gate.SecondFactor(context.WithoutCancel(w.ctx), w.here, pending[i], now)
		})
	}
	wait.Wait()
	if (got[0] == nil) == (got[1] == nil) {
		t.Errorf("%v, %v: one of them has to get in", got[0], got[1])
	}
}

func TestResetKeepsTheSecondFactorUnlessAskedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	w.app("ada")
	for _, everything := range []bool{false, true} {
		_, token, _, err := w.store.IssueLink(w.ctx, root, "ada", everything)
		w.ok(err)
		_, err = w.gate.Password(w.ctx, w.here, "ada", good)
		w.refused(err, "not right") // from the moment of the reset
		in, err := w.gate.FollowLink(w.ctx, w.here, token, "", good+" again")
		w.ok(err)
		if (in.Session != "") != everything {
			t.Errorf("everything %v: %+v", everything, in)
		}
	}
}
