package connectortest

import (
	"net/http"
	"strings"
	"time"
)

// Behaviour is how a target departs from an obedient one, which is the zero value. Each field is
// something that real targets do.
type Behaviour struct {
	// What it keeps.
	LowerCaseUserName bool     // stores userName in lower case
	ReformatPhones    bool     // "+1 555 010-9999" comes back as "15550109999"
	DropTypes         bool     // loses the type of multi-valued entries
	Ignore            []string // attributes (top level) that it accepts and does not keep
	LyingWrites       bool     // answers updates with what was asked for, and keeps what it had
	CreateRefused     bool     // answers 201 with an id, and keeps nothing (a seat limit)
	ObfuscateDisabled bool     // disabled people get a random userName and lose their addresses until they are enabled
	HideDisabled      bool     // disabled people are 404 for all but an enabling PATCH
	FreezeDisabled    bool     // disabled people cannot be updated unless the same request enables them
	DeleteDisables    bool     // DELETE of a user sets active to false

	// What it shows.
	HideMembers    bool // groups never show members
	MembersShown   int  // groups show at most so many members, 0 for all
	StaleReads     int  // so many reads of an account after each write show it as it was before
	StringBooleans bool // "True" instead of true
	NumericIDs     bool // ids are JSON numbers
	EmptyCreate    bool // 201 without a body
	NoLocation     bool // no Location header on 201
	EmptyUpdate    bool // PATCH and PUT are answered with 204
	ObjectUpdate   bool // PATCH and PUT are answered with {}

	// What it accepts.
	MaxMembers     int  // most members in one request, 0 for no bound
	OneRemoval     bool // one removal of a member in a request, with nothing else beside it
	LoseRemoval    bool // members[value eq "…"] removals are answered with success and do nothing
	ValueEmpties   bool // a removal of members with a list of values removes all
	Strict         bool // unknown attributes, empty strings, an account without a primary address: 400
	NoPatch        bool // PATCH is 501
	Immutable      bool // userName cannot be changed: 400 mutability
	TrailingSlash  bool // "Users" is redirected to "Users/"
	NeedUserAgent  bool // 403 without a User-Agent of its own
	ConflictStatus int  // for a userName in use; 0 is 409
	UniqueMail     bool // an e-mail address belongs to one person, as userName does
	ConflictSilent bool // without scimType
	ConflictOpen   bool // answers a create for a userName in use with 200 and that account

	// How it lists.
	NoFilter         bool // 400 invalidFilter
	IgnoreFilter     bool // answers a filter with everybody
	Cursor           bool // RFC 9865 alone
	PageCap          int  // most resources in a page whatever count says, 0 for 1000
	IgnoreStartIndex bool // every page is the first
	IgnoreCount      bool // everything in one page
	TotalOff         int  // added to totalResults
	TotalIsPage      bool // totalResults is the number of resources in the page
	NoTotal          bool
	EmptyPage        int  // the page with this number is empty
	RepeatPage       int  // the page with this number is the one before again
	LowerCaseNames   bool // "resources", "totalresults"
	ShuffledNames    bool // attribute names in other case, as RFC 7643 §2.1 allows
	Endless          bool // when all are listed it goes on with others that nobody made, a page of them each time
	DropID           bool // listed resources have no id
}

// Fault is what happens to single requests. The zero Method and Path fit all.
type Fault struct {
	Method string
	Path   string                               // prefix below the endpoint, "Users" fits all of them
	After  int                                  // so many fitting requests pass first
	Times  int                                  // then so many are hit; 0 is one, negative is all
	When   func(method, path, body string) bool // of the fitting requests, those it is for; nil is all. It must not call the target

	Status     int               // answer, with Body or a SCIM error
	Body       string            // of Status; or the whole answer with status 200
	Header     map[string]string // beside it
	Delay      time.Duration     // before anything is done
	Drop       Drop
	Endless    bool // the answer never ends
	Huge       int  // an answer of so many bytes of JSON
	Deep       int  // an answer nested so deep
	Truncate   bool // half of the right answer
	Committed  bool // the request is carried out first, and then answered as above; a refusal as itself, never as a success
	RedirectTo string

	hits int
}

// Drop says when the connection is closed instead of answered.
type Drop int

// When a connection is dropped.
const (
	Answered    Drop = iota // not at all
	BeforeWrite             // nothing was done
	AfterWrite              // all was done
)

func (f *Fault) fits(method, path string, body []byte) bool {
	return !f.spent() && (f.Method == "" || f.Method == method) && strings.HasPrefix(path, f.Path) &&
		(f.When == nil || f.When(method, path, string(body)))
}

// hit counts a fitting request, and reports whether it is to fail.
func (f *Fault) hit() bool {
	if f.After > 0 {
		f.After--
		return false
	}
	f.hits++
	return true
}

func (f *Fault) spent() bool { return f.Times >= 0 && f.hits >= max(1, f.Times) }

// harmless reports whether the fault only delays the right answer.
func (f *Fault) harmless() bool {
	return f.Status == 0 && f.Body == "" && f.Drop == Answered && !f.Endless && f.Huge == 0 && f.Deep == 0 && !f.Truncate && f.RedirectTo == ""
}

// answer writes the faulty answer. It returns false when the right answer is to be given after all.
func (f *Fault) answer(w http.ResponseWriter, r *http.Request, right *recorder) bool {
	for name, v := range f.Header {
		w.Header().Set(name, v)
	}
	switch {
	case f.Drop != Answered:
		drop(w)
	case f.RedirectTo != "":
		w.Header().Set("Location", f.RedirectTo)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case f.Endless:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte(`{"Resources":[`))
		chunk := []byte(strings.Repeat(`{},`, 1000))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
	case f.Huge > 0:
		_, _ = w.Write([]byte(`{"id":"`))
		chunk := []byte(strings.Repeat("x", 64<<10))
		for n := 0; n < f.Huge; n += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
		_, _ = w.Write([]byte(`"}`))
	case f.Deep > 0:
		_, _ = w.Write([]byte(strings.Repeat(`{"a":`, f.Deep) + "1" + strings.Repeat("}", f.Deep)))
	case f.Truncate:
		w.Header().Set("Content-Type", "application/scim+json")
		w.WriteHeader(right.status)
		_, _ = w.Write(right.body.Bytes()[:right.body.Len()/2])
	case f.Status != 0 && f.Body == "":
		refuse(w, f.Status, "", "the target was told to fail")
	case f.Status != 0 || f.Body != "":
		if f.Status == 0 {
			f.Status = http.StatusOK
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	default:
		return false
	}
	return true
}

// drop closes the connection under the answer.
func drop(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = c.Close()
	}
}
