package admin

import (
	"encoding/base64"
	"strings"

	"github.com/muster-id/muster/internal/store"
)

// errPlace is the problem of a cursor that was not given out.
var errPlace = usage(string(store.ErrInvalid), "begin again without a cursor", "the place in the list is not one that was given out")

// place and parts carry the place in a list out to the caller and back.
func place(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
}

func parts(place string, n int) ([]string, error) {
	b, err := base64.RawURLEncoding.DecodeString(place)
	parts := strings.Split(string(b), "\x00")
	if err != nil || len(parts) != n {
		return nil, errPlace
	}
	return parts, nil
}
