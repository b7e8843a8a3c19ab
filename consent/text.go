package consent

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is how many combining marks may follow one another; Hebrew and Thai need three or four, a text that climbs
// over its neighbours needs more.
const maxMarks = 4

// CleanText is text from a stranger made fit to be shown to the person who pays: in Unicode normal form C, without
// space around it, of at most maxRunes characters. ErrText if it is longer or has anything that is not seen as what it
// is: control and format characters (bidirectional overrides among them), line separators, private use, unassigned and
// invisible characters, or heaps of combining marks.
func CleanText(s string, maxRunes int) (string, error) {
	if len(s) > 16*maxRunes || !utf8.ValidString(s) {
		return "", ErrText
	}
	s = strings.TrimFunc(norm.NFC.String(s), unicode.IsSpace)
	if utf8.RuneCountInString(s) > maxRunes {
		return "", ErrText
	}
	marks := maxMarks // none at the beginning, where it would join the text before
	for _, r := range s {
		if !visible(r) {
			return "", ErrText
		}
		if !unicode.Is(unicode.M, r) {
			marks = 0
		} else if marks++; marks > maxMarks {
			return "", ErrText
		}
	}
	return s, nil
}

// visible tells a character that can be seen, or the space between such.
func visible(r rune) bool {
	const (
		brailleBlank = '\u2800' // a symbol that looks like a space
		emojiStyle   = '\ufe0f' // follows many emoji
	)
	switch {
	case r == brailleBlank || r == utf8.RuneError:
		return false
	case r == emojiStyle:
		return true
	case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return false
	}
	// IsGraphic leaves out the categories Cc, Cf, Co, Cs, Zl and Zp, and what is not assigned.
	return unicode.IsGraphic(r)
}

var handleForm = regexp.MustCompile(
	`^[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?@[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?$`)

// CheckHandle reports ErrHandle unless s has the form of a payee handle, such as "shop@example": lower-case ASCII only,
// so that no two handles look alike by script or case.
func CheckHandle(s string) error {
	if !handleForm.MatchString(s) {
		return ErrHandle
	}
	return nil
}
