package provision

import (
	"encoding"
	"testing"
)

// What a schedule or a threshold is read as is written so that it is read as the same again.
func FuzzText(f *testing.F) {
	for _, text := range []string{"10m", "24h0m0s", "1h30m", "1.5h", "0s", "10%", "0.5%", "100%", "200", "off", "-1m", "NaN%", "1e400h", "2147483648"} {
		f.Add(text)
	}
	type text interface {
		encoding.TextMarshaler
		encoding.TextUnmarshaler
	}
	f.Fuzz(func(t *testing.T, given string) {
		var d Duration
		var p Percent
		var h Threshold
		for _, v := range []struct {
			into text
			is   func() any
		}{{&d, func() any { return d }}, {&p, func() any { return p }}, {&h, func() any { return h }}} {
			if v.into.UnmarshalText([]byte(given)) != nil {
				continue
			}
			first := v.is()
			b, err := v.into.MarshalText()
			if err != nil {
				t.Fatalf("%q is read as %v and cannot be written: %v", given, first, err)
			}
			if err := v.into.UnmarshalText(b); err != nil || v.is() != first {
				t.Errorf("%q is read as %v, written as %q, and then read as %v (%v)", given, first, b, v.is(), err)
			}
		}
		if d < 0 || p > 100 || h.Count < 0 {
			t.Errorf("%q is read as %v, %v, %v", given, d, p, h)
		}
	})
}
