package signin

import (
	"strings"
	"testing"
)

func FuzzParseHash(f *testing.F) {
	f.Add(Hashing{MemoryKiB: 8, Passes: 1, Threads: 1}.hash("x"))
	f.Add("$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=1,p=1x$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseHash(text)
		if err == nil && (p.MemoryKiB > 1<<20 || p.Passes > 64 || p.Passes == 0 || p.Threads == 0 || len(p.sum) < 8 || !strings.HasPrefix(text, "$argon2id$")) {
			t.Errorf("%q was read as %+v", text, p)
		}
	})
}

// The cost that is used where nobody says another is what the documentation says.
func TestDefaultCost(t *testing.T) {
	t.Parallel()
	hash := Hashing{}.orDefault().hash("seven otters juggle plums")
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("a hash is %s", hash)
	}
	p, err := parseHash(hash)
	if err != nil || !p.matches("seven otters juggle plums") || p.matches("seven otters juggle plum") {
		t.Errorf("%v", err)
	}
}
