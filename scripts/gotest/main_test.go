package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		events  string
		want    string
		skipped int
	}{
		"of a package that passes, the summary line": {
			events: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: chatter\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA (0.00s)\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}`,
			want: "ok  \tp\t0.1s\n",
		},
		"a skipped test, with its reason": {
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: no gcc;\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"        install it\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}`,
			want:    "SKIP\tp TestA: a_test.go:1: no gcc; install it\nok  \tp\t0.1s\n",
			skipped: 1,
		},
		"of a package that fails, all but what passed": {
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"fine\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- FAIL: TestB (0.00s)\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:2: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}`,
			want: "--- FAIL: TestB (0.00s)\n    b_test.go:2: got 1, want 2\nFAIL\nFAIL\tp\t0.1s\n",
		},
		"a test that never ended": {
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}`,
			want: "panic: boom\nFAIL\tp\t0.1s\n",
		},
		"what does not compile": {
			events: `{"ImportPath":"p","Action":"build-output","Output":"p/a.go:1:1: expected 'package'\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`,
			want: "p/a.go:1:1: expected 'package'\nFAIL\tp [build failed]\n",
		},
		"a package without tests": {
			events: `{"Action":"output","Package":"p","Output":"?   \tp\t[no test files]\n"}
{"Action":"skip","Package":"p"}`,
			want: "?   \tp\t[no test files]\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			skipped, err := report(strings.NewReader(tt.events), &out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
			if skipped != tt.skipped {
				t.Errorf("counted %d skipped tests, want %d", skipped, tt.skipped)
			}
		})
	}
}

func TestReportRefusesWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	if _, err := report(strings.NewReader("not json\n"), new(strings.Builder)); err == nil {
		t.Error("no error")
	}
}
