package card

import (
	"errors"
	"fmt"
	"log/slog"
	"unique"
)

// ErrNumber means that a text is not a card account number. It never carries the text.
var ErrNumber = errors.New("a card account number has 8 to 19 digits")

// Number is a card account number: its holder's secret. However it is printed, logged or encoded, only the last four
// digits show; Reveal is the one way to the digits. Numbers are equal (==) if their digits are. The zero Number means
// that no number is known.
type Number struct {
	// A handle, not the text: fmt prints fields of unexported structs without asking their methods.
	digits unique.Handle[string]
}

// ParseNumber reads a card account number: 8 to 19 digits (ISO/IEC 7812-1 §4). Spaces and hyphens, as printed on
// cards, are left out. The check digit is not judged, see Luhn. The error is ErrNumber.
func ParseNumber(text string) (Number, error) {
	if len(text) > 64 {
		return Number{}, ErrNumber
	}
	digits := make([]byte, 0, 19)
	for i := range len(text) {
		switch c := text[i]; {
		case c == ' ' || c == '-':
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		default:
			return Number{}, ErrNumber
		}
	}
	if len(digits) < 8 || len(digits) > 19 {
		return Number{}, ErrNumber
	}
	return Number{unique.Make(string(digits))}, nil
}

// Reveal returns all digits. Whoever calls it must not log, store or show them.
func (n Number) Reveal() string {
	if n.IsZero() {
		return ""
	}
	return n.digits.Value()
}

// Last4 returns the last four digits, which may be stored and shown; empty if no number is known.
func (n Number) Last4() string {
	digits := n.Reveal()
	return digits[max(0, len(digits)-4):]
}

// IsZero reports whether no number is known.
func (n Number) IsZero() bool { return n == Number{} }

// Luhn reports whether the check digit fits (ISO/IEC 7812-1 Annex B). It is advice only: honest transport and some
// UnionPay numbers do not fit.
func (n Number) Luhn() bool {
	digits := n.Reveal()
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return len(digits) > 0 && sum%10 == 0
}

// String is the masked number: "•••• 1234", empty if no number is known.
func (n Number) String() string {
	if n.IsZero() {
		return ""
	}
	return "•••• " + n.Last4()
}

// Format writes the masked number, whatever the verb.
func (n Number) Format(f fmt.State, _ rune) { fmt.Fprint(f, n.String()) }

// LogValue is the masked number.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText is the masked number, and so are its JSON and XML.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// MarshalBinary refuses: a masked number could not be read back.
func (n Number) MarshalBinary() ([]byte, error) {
	return nil, errors.New("card: a card account number is not stored; store a keyed digest of Reveal()")
}
