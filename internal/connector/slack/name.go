package slack

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Lengths of names. Slack takes 21 characters of userName ("long_username", "username_too_long" beyond
// it); Entra's guide says under 21, so that names which are made here keep to 20.
const (
	maxUserName    = 21
	maxMadeName    = 20
	maxDisplayName = 80
	hashLetters    = 6 // 30 bits: among 1,000 people of one shape a collision is one in 2,000
)

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// userNameOf makes the userName that Slack will keep of a directory's:
//
//	Ada                        ada                    lower case
//	ada.lovelace@example.org   ada.lovelace           the local part of an address
//	o'brien                    o_brien-mw4hc5         other characters become _, as Slack makes them
//	maximiliane.mustermann-ott maximiliane.m-ks5tlf   at most 21 characters
//	山田                       user-nmhbzd            something must be left
//
// Where more is lost than case and domain, a hash of the whole value follows, so that two people whose
// names have one shape get two names, the same ones on every day and in every order. A name that Slack
// would keep as it is stays as it is: userNameOf(userNameOf(x)) == userNameOf(x).
//
// Two people who differ in the domain alone do share a shape: the first one created keeps it, and the
// other gets [otherName] within the same create.
func userNameOf(value string) string {
	value = strings.ToLower(strings.TrimSpace(value))
	if value == "" {
		return ""
	}
	base := value
	if at := strings.LastIndexByte(value, '@'); at > 0 {
		base = value[:at]
	}
	shaped := strings.Map(keepOrUnderscore, base)
	if shaped == base && len(base) <= maxUserName && strings.Trim(base, "._-") != "" {
		return base
	}
	return hashed(shaped, value)
}

// otherName is the n-th name (from 1) for somebody whose name is taken by a person or a channel, or is
// reserved. It depends on the name and the e-mail address alone, which no two people share.
func otherName(name, email string, n int) string {
	return hashed(name, name+"\x00"+strings.ToLower(email)+"\x00"+strconv.Itoa(n))
}

func hashed(base, key string) string {
	sum := sha256.Sum256([]byte(key))
	base = base[:min(len(base), maxMadeName-hashLetters-1)]
	if base = strings.Trim(base, "._-"); base == "" {
		base = "user"
	}
	return base + "-" + letters.EncodeToString(sum[:])[:hashLetters]
}

func keepOrUnderscore(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
		return r
	}
	return '_'
}

// displayNameOf makes a display name that Slack takes: no @ ("invalid_name_specials",
// "invalid_starts_with_at"), no emoji ("invalid_emoji_not_allowed"), at most 80 characters
// ("invalid_name_maxlength"). Spaces, capitals, apostrophes and other scripts are fine.
func displayNameOf(value string) string {
	value = strings.Map(func(r rune) rune {
		switch {
		case r == '@':
			return '_'
		case isEmoji(r):
			return -1
		}
		return r
	}, value)
	value = strings.Join(strings.Fields(value), " ")
	for utf8.RuneCountInString(value) > maxDisplayName {
		_, size := utf8.DecodeLastRuneInString(value)
		value = value[:len(value)-size]
	}
	return strings.TrimSpace(value)
}

// isEmoji covers the blocks that Unicode gives to pictures, and what joins and varies them.
func isEmoji(r rune) bool {
	return r >= 0x1F000 && r <= 0x1FAFF || r >= 0x2600 && r <= 0x27BF || r >= 0xE0020 && r <= 0xE007F ||
		r == 0x200D || r == 0xFE0F || r == 0x20E3
}

// dateOf writes a bare date as Slack's documentation does (2024-04-10T00:00:00+0000) and leaves
// everything else to Slack.
func dateOf(value string) string {
	const day = "2006-01-02"
	if len(value) != len(day) || value[4] != '-' || value[7] != '-' {
		return value
	}
	return value + "T00:00:00+0000"
}
