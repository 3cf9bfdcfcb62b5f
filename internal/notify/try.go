package notify

import (
	"context"
	"fmt"
)

// TestResult is what came of a test message to one recipient.
type TestResult struct {
	Channel   string `json:"channel"`   // mail, webhook
	Recipient string `json:"recipient"` // address, or name of the webhook
	OK        bool   `json:"ok"`
	Error     string `json:"error"`
}

// Test sends a test message to everybody who hears of everything, or to the one webhook or address
// that is named; it waits for what comes of it. An empty list says that there is nobody to send to.
func (d *Deliverer) Test(ctx context.Context, only string) ([]TestResult, error) {
	c, err := d.channels(ctx)
	if err != nil {
		return nil, err
	}
	out := []TestResult{}
	told := func(channel, recipient string, err error) {
		t := TestResult{Channel: channel, Recipient: recipient, OK: err == nil}
		if err != nil {
			t.Error = err.Error()
		}
		out = append(out, t)
	}
	id := d.Store.NewID()
	if c.mail != nil {
		for _, to := range c.mail.To {
			if only == "" || only == to || only == "mail" {
				told("mail", to, d.limited(ctx, func(ctx context.Context) error {
					return d.mail(ctx, *c.mail, to, fmt.Sprintf("%s.%d", id, len(out)), testLetter())
				}))
			}
		}
	}
	hooks, err := d.Store.Webhooks(ctx)
	for _, w := range hooks {
		if only == "" || only == w.Name || only == w.ID {
			told("webhook", w.Name, d.limited(ctx, func(ctx context.Context) error { return d.post(ctx, w, "msg_"+id, body{Type: "test"}) }))
		}
	}
	return out, err
}

func (d *Deliverer) limited(ctx context.Context, do func(context.Context) error) error {
	one, end := context.WithTimeout(ctx, attempt)
	defer end()
	return do(one)
}

func testLetter() letter {
	l := letter{subject: "[Muster] A test message"}
	l.text, l.html = render([]item{{Title: "This is a test message", Rows: []itemRow{{"why", "somebody asked for it"}, {"do", "nothing: messages reach you"}}}}, 0)
	return l
}
