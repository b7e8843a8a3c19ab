package consent

import (
	"errors"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"tapline/keyring"
)

// EmailLanguages are those in which cardholders are told by e-mail.
var EmailLanguages = []string{"en", "zh"}

// EmailChange asks that a card's holder be told at an address by e-mail what happens to the card. A code is mailed to it; until that is
// typed, nothing changes. The associated device signs it, with the PIN: whoever has stolen that device must not have its holder told
// nothing.
type EmailChange struct {
	Claims
	Card     CardID `json:"card"`
	PIN      PIN    `json:"pin" pattern:"^[0-9]{4,12}$"`
	Address  string `json:"address" maxLength:"254" doc:"Such as name@mail.example: letters, digits and signs of ASCII, no quotes."`
	Language string `json:"language" enum:"en,zh" doc:"Of what is mailed."`
}

func (*EmailChange) fits(t Typ) bool { return t == TypEmail }

// Validate checks the form of all parts.
func (m *EmailChange) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	if CheckEmail(m.Address) != nil {
		return ErrInvalid.at("address")
	}
	if !slices.Contains(EmailLanguages, m.Language) {
		return ErrInvalid.at("language")
	}
	return m.PIN.Check()
}

// EmailConfirmation brings the code that was mailed to a new address.
type EmailConfirmation struct {
	Claims
	Card CardID `json:"card"`
	Code Code   `json:"code" doc:"The code that was mailed."`
}

func (*EmailConfirmation) fits(t Typ) bool { return t == TypEmailCode }

// Validate checks the card's form, and the code for mistypes.
func (m *EmailConfirmation) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	_, err := NormalizeActivationCode(string(m.Code))
	return err
}

// EmailRemoval has a card's holder told by e-mail no more.
type EmailRemoval struct {
	Claims
	Card CardID `json:"card"`
	PIN  PIN    `json:"pin" pattern:"^[0-9]{4,12}$"`
}

func (*EmailRemoval) fits(t Typ) bool { return t == TypEmailRemoval }

// Validate checks the form of both parts.
func (m *EmailRemoval) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	return m.PIN.Check()
}

// EmailCodeMACs are what the service stores of a mailed code, and compares: the first is under the current key. ErrCode if it is no
// code.
func EmailCodeMACs(keys *keyring.Keyring, code Code) ([]keyring.Versioned, error) {
	code, err := NormalizeActivationCode(string(code))
	if err != nil {
		return nil, err
	}
	return keys.MACs(keyring.Code, []byte("email"), []byte(code)), nil
}

// addressForm is an address as the HTML standard has it for forms: what RFC 5322 calls a dot-atom at a host's name, in ASCII. No
// quotes, comments, spaces or line ends.
var addressForm = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$`)

// ErrEmail is the error of what is no address that mail can be sent to.
var ErrEmail = errors.New("no e-mail address")

// CheckEmail reports ErrEmail unless mail can be sent to an address, as far as its form goes (RFC 5321 §4.5.3.1).
func CheckEmail(address string) error {
	local, _, _ := strings.Cut(address, "@")
	if len(address) > 254 || len(local) > 64 || !addressForm.MatchString(address) {
		return ErrEmail
	}
	if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
		return ErrEmail
	}
	return nil
}

// MaskEmail is an address as it may be shown: its first character, and its host.
func MaskEmail(address string) string {
	local, host, ok := strings.Cut(address, "@")
	if !ok || local == "" {
		return ""
	}
	return local[:1] + "…@" + host
}
