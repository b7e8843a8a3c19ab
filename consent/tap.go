package consent

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"regexp"

	"tapline/money"
)

// Tap is what a device read from a card: an account number, a message that proves the card, or the commands and answers
// of the whole reading.
type Tap struct {
	Account AccountNumber `json:"account,omitempty" pattern:"^[0-9]{8,19}$" doc:"The card account's number as read: identifies the card, does not prove it."`
	SUN     SUNMessage    `json:"sun,omitempty" pattern:"^[!-~]{16,512}$" doc:"In place of account: the URL that a card wrote at this tap (Secure Unique NFC), or its fragment alone, such as e=…&c=…. It proves the card, once."`
	EMV     *EMVTap       `json:"emv,omitempty" doc:"In place of account: what reader and payment card said to each other. The service reads the account number from it and looks whether the card proved itself."`
}

// Validate checks the form of the tap: exactly one of account number, message and transcript.
func (t Tap) Validate() error {
	switch {
	case t.EMV != nil && (t.Account != "" || t.SUN != ""):
		return ErrInvalid.at("tap.emv")
	case t.EMV != nil:
		return t.EMV.validate()
	case t.SUN == "" && t.Account.Check() != nil:
		return ErrInvalid.at("tap.account")
	case t.SUN != "" && (t.Account != "" || t.SUN.Check() != nil):
		return ErrInvalid.at("tap.sun")
	}
	return nil
}

// LogValue is "[redacted]".
func (t Tap) LogValue() slog.Value { return slog.StringValue(redacted) }

// EMVTap is the reading of a payment card, with the challenge that the card was to sign.
type EMVTap struct {
	Challenge  ChallengeID `json:"challenge,omitempty" pattern:"^[A-Za-z0-9_-]{22,64}$" doc:"The id of the tap challenge. Without one, or with one that is over, the tap counts as read only."`
	Transcript []Exchange  `json:"transcript" minItems:"1" maxItems:"128" doc:"Every command and its answer, in their order."`
}

// Bounds of a transcript. Together with the other claims of an instruction it has to fit into MaxMessage; the transcripts
// of cards with the longest keys have a quarter of it.
const (
	MaxExchanges  = 128
	MaxTranscript = 8 << 10 // bytes of all commands and answers
)

// Bounds of a command and an answer in hexadecimal digits: short ones of ISO/IEC 7816-3 §12.1.1, and an answer that was
// fetched in parts.
const (
	maxCommandDigits = 2 * 261
	maxAnswerDigits  = 2 * 4096
)

func (t *EMVTap) validate() error {
	if t.Challenge != "" && !challengeForm.MatchString(string(t.Challenge)) {
		return ErrInvalid.at("tap.emv.challenge")
	}
	if len(t.Transcript) == 0 || len(t.Transcript) > MaxExchanges {
		return ErrInvalid.at("tap.emv.transcript")
	}
	digits := 0
	for _, e := range t.Transcript {
		digits += len(e.Command) + len(e.Response)
		if !e.Command.isHex(2*4, maxCommandDigits) || !e.Response.isHex(2*2, maxAnswerDigits) {
			return ErrInvalid.at("tap.emv.transcript")
		}
	}
	if digits > 2*MaxTranscript {
		return ErrInvalid.at("tap.emv.transcript")
	}
	return nil
}

// Format prints "[redacted]" whatever the verb.
func (t EMVTap) Format(f fmt.State, _ rune) { redact(f) }

// LogValue is "[redacted]".
func (t EMVTap) LogValue() slog.Value { return slog.StringValue(redacted) }

// Exchange is one command to a card and its answer, status word included.
type Exchange struct {
	Command  APDU `json:"c" pattern:"^([0-9A-Fa-f]{2})+$" minLength:"8" maxLength:"522" doc:"Command, in hexadecimal digits."`
	Response APDU `json:"r" pattern:"^([0-9A-Fa-f]{2})+$" minLength:"4" maxLength:"8192" doc:"Answer with its status word, in hexadecimal digits."`
}

// APDU is a command or an answer in hexadecimal digits. It may hold an account number, and prints as "[redacted]".
type APDU string

// NewAPDU is a command or an answer as a device sends it.
func NewAPDU(raw []byte) APDU { return APDU(hex.EncodeToString(raw)) }

// Bytes is the command or answer itself, nil if it is not in hexadecimal digits.
func (a APDU) Bytes() []byte {
	raw, err := hex.DecodeString(string(a))
	if err != nil {
		return nil
	}
	return raw
}

func (a APDU) isHex(low, high int) bool {
	if len(a) < low || len(a) > high || len(a)%2 != 0 {
		return false
	}
	for i := range len(a) {
		c := a[i] | 0x20 // lower case
		if (c < '0' || c > '9' || a[i] != c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Format prints "[redacted]" whatever the verb.
func (a APDU) Format(f fmt.State, _ rune) { redact(f) }

// LogValue is "[redacted]".
func (a APDU) LogValue() slog.Value { return slog.StringValue(redacted) }

// ChallengeID names a tap challenge.
type ChallengeID string

var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22,64}$`)

// MaxChallenge is the greatest amount that a card can be asked to sign, in minor units: tag 9F02 has twelve digits (EMV
// Book 3 Annex A1).
const MaxChallenge int64 = 999_999_999_999

// TapChallenge asks for the number that a payment card is to sign at the next tap. It names no payee: the card does not
// sign one.
type TapChallenge struct {
	Claims
	Amount money.Amount `json:"amount" doc:"What the card is told it pays, at most 999999999999 minor units. It counts for an instruction of the same amount only."`
}

func (*TapChallenge) fits(t Typ) bool { return t == TypTapChallenge }

// Validate checks that a card can be told the amount.
func (m *TapChallenge) Validate() error {
	if !m.Amount.Valid() || m.Amount.Minor > MaxChallenge {
		return ErrInvalid.at("amount")
	}
	return nil
}

// Presentation asks what the card is that was tapped.
type Presentation struct {
	Claims
	Tap Tap `json:"tap"`
}

func (*Presentation) fits(t Typ) bool { return t == TypTap }

// Validate checks the form of the tap.
func (m *Presentation) Validate() error { return m.Tap.Validate() }
