package provision

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MarshalText writes a duration without its empty parts: "10m", not "10m0s".
func (d Duration) MarshalText() ([]byte, error) {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return []byte(s), nil
}

// UnmarshalText reads a duration of zero or more.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration such as 30s, 10m or 24h", b)
	}
	*d = Duration(v)
	return nil
}

// Off is the [Percent] that sets no threshold.
const Off Percent = -1

// MarshalText writes "10%" or "off".
func (p Percent) MarshalText() ([]byte, error) {
	if p < 0 {
		return []byte("off"), nil
	}
	return []byte(strconv.FormatFloat(float64(p), 'g', -1, 64) + "%"), nil
}

// UnmarshalText reads "10%", from 0% to 100%, or "off".
func (p *Percent) UnmarshalText(b []byte) error {
	if string(b) == "off" {
		*p = Off
		return nil
	}
	digits, ok := strings.CutSuffix(string(b), "%")
	v, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) {
		return fmt.Errorf(`%q is not a percentage such as 10%%, or off`, b)
	}
	*p = Percent(v)
	return nil
}

// MarshalText writes "10%", "200" or "off".
func (t Threshold) MarshalText() ([]byte, error) {
	if t.Count > 0 {
		return []byte(strconv.Itoa(t.Count)), nil
	}
	return t.Share.MarshalText()
}

// UnmarshalText reads "10%", from 0% to 100%, "200", from 1, or "off".
func (t *Threshold) UnmarshalText(b []byte) error {
	if n, err := strconv.ParseInt(string(b), 10, 31); err == nil && n > 0 {
		*t = Threshold{Share: Off, Count: int(n)}
		return nil
	}
	t.Count = 0
	if err := t.Share.UnmarshalText(b); err != nil {
		return fmt.Errorf(`%q is not a percentage such as 10%%, a number above 0, or off`, b)
	}
	return nil
}
