package consent

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const redacted = "[redacted]"

// PIN is the personal identification number of a card: 4 to 12 ASCII digits. It prints as "[redacted]". It can be
// written as JSON, because devices send it; never put one into anything else that is written.
type PIN string

// Check reports ErrPIN unless p has the form of a PIN.
func (p PIN) Check() error {
	if len(p) < 4 || len(p) > 12 || !allDigits(string(p)) {
		return ErrPIN
	}
	return nil
}

// CheckNew is Check for a PIN that is being set: it also refuses one repeated digit and straight runs up or down, 9 and
// 0 being neighbours, with ErrPINWeak.
func (p PIN) CheckNew() error {
	if err := p.Check(); err != nil {
		return err
	}
	step := (p[1] - p[0] + 10) % 10
	if step != 0 && step != 1 && step != 9 {
		return nil
	}
	for i := 2; i < len(p); i++ {
		if (p[i]-p[i-1]+10)%10 != step {
			return nil
		}
	}
	return ErrPINWeak
}

// Format prints "[redacted]" whatever the verb.
func (p PIN) Format(f fmt.State, _ rune) { redact(f) }

// LogValue is "[redacted]".
func (p PIN) LogValue() slog.Value { return slog.StringValue(redacted) }

// Code is an activation or approval code. It prints as "[redacted]"; string(code) is the text to show to its user.
type Code string

// Format prints "[redacted]" whatever the verb.
func (c Code) Format(f fmt.State, _ rune) { redact(f) }

// LogValue is "[redacted]".
func (c Code) LogValue() slog.Value { return slog.StringValue(redacted) }

func redact(f fmt.State) { _, _ = io.WriteString(f, redacted) }

// AccountNumber is the number of a card account as read from the card: 8 to 19 ASCII digits (ISO/IEC 7812-1 §4 allows
// up to 19). It is its holder's secret and prints masked. It can be written as JSON, because devices send it inside a
// tap; the service stores a keyed MAC and the last four digits.
type AccountNumber string

// Check reports ErrInvalid unless n has the form of an account number.
func (n AccountNumber) Check() error {
	if len(n) < 8 || len(n) > 19 || !allDigits(string(n)) {
		return ErrInvalid.at("account")
	}
	return nil
}

// Last4 is the last four digits, fewer if there are fewer than eight in all: what may be shown.
func (n AccountNumber) Last4() string {
	if len(n) < 8 {
		return ""
	}
	return string(n[len(n)-4:])
}

// Masked is what a statement shows for n: "•••• 1234".
func (n AccountNumber) Masked() string { return MaskLast4(n.Last4()) }

// MaskLast4 is the masked form of an account number of which only the last four digits are known.
func MaskLast4(last4 string) string { return maskPrefix + last4 }

const maskPrefix = "•••• "

// isMasked tells the result of MaskLast4.
func isMasked(s string) bool {
	last4, ok := strings.CutPrefix(s, maskPrefix)
	return ok && len(last4) == 4 && allDigits(last4)
}

// Format prints the masked number whatever the verb.
func (n AccountNumber) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, n.Masked()) }

// LogValue is "[redacted]": not even four digits belong into a log.
func (n AccountNumber) LogValue() slog.Value { return slog.StringValue(redacted) }

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// SUNMessage is what a card wrote into its URL at a tap: until it was used, as good as the card. However it is printed or
// logged, nothing of it shows.
type SUNMessage string

// Check reports ErrInvalid unless m has the form of a message: 16 to 512 visible ASCII characters.
func (m SUNMessage) Check() error {
	if len(m) < 16 || len(m) > 512 {
		return ErrInvalid.at("sun")
	}
	for i := range len(m) {
		if m[i] < '!' || m[i] > '~' {
			return ErrInvalid.at("sun")
		}
	}
	return nil
}

// Format prints "[redacted]" whatever the verb.
func (m SUNMessage) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is "[redacted]".
func (m SUNMessage) LogValue() slog.Value { return slog.StringValue(redacted) }
