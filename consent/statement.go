package consent

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"time"

	"tapline/money"
	"tapline/payment"
)

// StatementVersion is the "v" of the statements this package writes and reads, and RehearsalVersion that of a
// rehearsal's: a device that does not know rehearsals does not take one for a payment. Those with a fee for the payer have
// versions of their own, so that a device that knows no fees confirms none.
const (
	StatementVersion    = "tapline-statement/1"
	RehearsalVersion    = "tapline-rehearsal/1"
	FeeStatementVersion = "tapline-statement/2"
	FeeRehearsalVersion = "tapline-rehearsal/2"
)

// Role is which of the two confirmations a statement is for.
type Role string

// The roles.
const (
	First  Role = "first"
	Second Role = "second"
)

// Instant is a time in UTC to the millisecond, written as "2026-01-02T03:04:05.678Z" and in no other way.
type Instant struct{ time.Time }

const instantForm = "2006-01-02T15:04:05.000Z"

// At is t as an Instant, rounded down.
func At(t time.Time) Instant { return Instant{t.UTC().Truncate(time.Millisecond)} }

// Equal holds for the same moment.
func (i Instant) Equal(other Instant) bool { return i.Time.Equal(other.Time) }

// String is the one written form.
func (i Instant) String() string { return i.UTC().Format(instantForm) }

// MarshalText writes the one form.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// MarshalJSON writes the one form.
func (i Instant) MarshalJSON() ([]byte, error) { return json.Marshal(i.String()) }

// UnmarshalText reads the one form.
func (i *Instant) UnmarshalText(text []byte) error {
	t, err := time.Parse(instantForm, string(text))
	if err != nil || t.Format(instantForm) != string(text) {
		return ErrMalformed
	}
	i.Time = t
	return nil
}

// UnmarshalJSON reads the one form.
func (i *Instant) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return ErrMalformed
	}
	return i.UnmarshalText([]byte(text))
}

// Statement is what a person is shown and confirms: card account, amount, payee handle and payee account, and all else
// that says which payment this is. Its text is JSON with the fields in this order.
type Statement struct {
	Version      string       `json:"v"`
	Payment      PaymentID    `json:"payment"`
	Role         Role         `json:"role"`
	Rehearsal    bool         `json:"rehearsal,omitempty"` // no money moves
	Amount       money.Amount `json:"amount"`
	AmountText   string       `json:"amount_text"`    // see AmountText and WithFee
	Fee          money.Amount `json:"fee,omitzero"`   // what the payer pays besides the amount
	Total        money.Amount `json:"total,omitzero"` // both, where there is a fee
	PayeeHandle  string       `json:"payee_handle"`
	PayeeName    string       `json:"payee_name"`
	PayeeAccount string       `json:"payee_account"`
	PayeeMoved   bool         `json:"payee_account_changed,omitempty"` // since the card last paid the payee
	CardAccount  string       `json:"card_account"`                    // masked, such as "•••• 1234"
	CardLabel    string       `json:"card_label"`
	Device       DeviceID     `json:"initiating_device"`
	DeviceLabel  string       `json:"initiating_device_label"`
	Order        string       `json:"order,omitempty"` // of an order that the payee made: its id
	OrderNumber  string       `json:"order_number"`
	OrderText    string       `json:"order_description"`
	OrderHash    string       `json:"order_hash"`             // see OrderHash, and TermsHash for an order that the payee made
	Undo         int64        `json:"undo_seconds,omitempty"` // how long it may be undone, once all was given that it needs
	Nonce        string       `json:"nonce"`                  // fresh for each payment
	ExpiresAt    Instant      `json:"expires_at"`             // the confirmation must arrive before
	FirstDigest  string       `json:"first_digest,omitempty"` // second only: StatementDigest of the first
}

// AmountText is the amount as a statement writes it: "12.50 CNY", or "REHEARSAL, no money moves: 12.50 CNY", so that
// whatever shows a statement's amount to a person says so.
func AmountText(amount money.Amount, rehearsal bool) string {
	if rehearsal {
		return "REHEARSAL, no money moves: " + amount.String()
	}
	return amount.String()
}

// WithFee is the statement with a fee that the payer bears, as it is written: its amount's text tells what is paid, and of what it
// consists, such as "12.80 CNY (12.50 CNY + 0.30 CNY fee)". No fee changes nothing.
func (s Statement) WithFee(fee money.Amount) Statement {
	if fee == (money.Amount{}) {
		return s
	}
	s.Fee, s.Total = fee, money.Amount{Minor: s.Amount.Minor + fee.Minor, Currency: s.Amount.Currency}
	s.Version = map[bool]string{false: FeeStatementVersion, true: FeeRehearsalVersion}[s.Rehearsal]
	s.AmountText = AmountText(s.Total, s.Rehearsal) + " (" + s.Amount.String() + " + " + fee.String() + " fee)"
	return s
}

// Paid is what the payer pays: the amount, and the fee where there is one.
func (s Statement) Paid() money.Amount {
	if s.Fee == (money.Amount{}) {
		return s.Amount
	}
	return s.Total
}

// validFee checks the fee and all that follows from it.
func (s Statement) validFee() bool {
	plain := s
	plain.Fee, plain.Total = money.Amount{}, money.Amount{}
	plain.Version, plain.AmountText = VersionOf(s.Rehearsal), AmountText(s.Amount, s.Rehearsal)
	if s.Fee == (money.Amount{}) {
		return s == plain
	}
	return s.Fee.Valid() && s.Fee.Currency == s.Amount.Currency && s.Total.Valid() && s == plain.WithFee(s.Fee)
}

// VersionOf is the "v" of a payment's or a rehearsal's statements without a fee for the payer.
func VersionOf(rehearsal bool) string {
	if rehearsal {
		return RehearsalVersion
	}
	return StatementVersion
}

// Text is the statement's exact text: compact JSON, fields in fixed order, nothing escaped for HTML. The service issues
// it, the device signs it, and the two are compared byte for byte.
func (s Statement) Text() string { return compactJSON(s) }

func compactJSON(v any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // plain structs of texts and numbers can be written
	}
	return string(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
}

var (
	nonceForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{16,64}$`)
	digestForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
)

// ParseStatement reads the text of a statement. It takes exactly what Text writes of a valid statement, not one byte
// different: what a person is shown is all there is.
func ParseStatement(text string) (Statement, error) {
	var s Statement
	if len(text) > MaxMessage {
		return Statement{}, ErrMalformed
	}
	if err := decode([]byte(text), &s); err != nil {
		return Statement{}, err
	}
	if err := s.Validate(); err != nil {
		return Statement{}, err
	}
	if s.Text() != text {
		return Statement{}, ErrMalformed
	}
	return s, nil
}

// Validate checks the form of every field. The service calls it before it issues a statement, so that it never issues
// one that a device would refuse.
func (s Statement) Validate() error {
	clean := func(text string, runes int) bool {
		got, err := CleanText(text, runes)
		return err == nil && got == text
	}
	for _, check := range []struct {
		field string
		ok    bool
	}{
		{"v", s.Version == VersionOf(s.Rehearsal) || s.Fee != (money.Amount{})},
		{"payment", s.Payment.Check() == nil},
		{"role", s.Role == First || s.Role == Second},
		{"amount", s.Amount.Valid()},
		{"amount_text", s.AmountText == AmountText(s.Amount, s.Rehearsal) || s.Fee != (money.Amount{})},
		{"fee", s.validFee()},
		{"payee_handle", CheckHandle(s.PayeeHandle) == nil},
		{"payee_name", s.PayeeName != "" && clean(s.PayeeName, 128)},
		{"payee_account", s.PayeeAccount != "" && clean(s.PayeeAccount, 64)},
		{"card_account", isMasked(s.CardAccount)},
		{"card_label", clean(s.CardLabel, MaxLabel)},
		{"initiating_device", s.Device.Check() == nil},
		{"initiating_device_label", clean(s.DeviceLabel, MaxLabel)},
		{"order_number", clean(s.OrderNumber, MaxOrderNumber)},
		{"order_description", clean(s.OrderText, MaxOrderDescription)},
		{"order", s.Order == "" || CheckOrderID(payment.OrderID(s.Order)) == nil},
		{"order_hash", s.Order == "" && s.OrderHash == s.ownHash() || s.Order != "" && digestForm.MatchString(s.OrderHash)},
		{"undo_seconds", s.Undo >= 0 && s.Undo <= int64(payment.MaxUndo/time.Second)},
		{"nonce", nonceForm.MatchString(s.Nonce)},
		{"expires_at", s.ExpiresAt.Year() >= 2000 && s.ExpiresAt.Year() <= 9999 && At(s.ExpiresAt.Time).Equal(s.ExpiresAt)},
		{"first_digest", s.Role == First && s.FirstDigest == "" || s.Role == Second && digestForm.MatchString(s.FirstDigest)},
	} {
		if !check.ok {
			return ErrInvalid.at(check.field)
		}
	}
	return nil
}

// ownHash is the digest of the order's terms, where the statement has all of them.
func (s Statement) ownHash() string {
	return OrderHash(Order{Number: s.OrderNumber, Description: s.OrderText}, s.Amount, s.PayeeHandle)
}

// StatementDigest is the SHA-256 of a statement's text in base64url.
func StatementDigest(text string) string { return digest(text) }

// OrderHash is the SHA-256, in base64url, of the order's terms in their one written form: order number, description,
// amount and payee handle. A payee who has the terms can check that a receipt is about them.
func OrderHash(order Order, amount money.Amount, handle string) string {
	return digest(compactJSON(struct {
		Version     string       `json:"v"`
		Number      string       `json:"number"`
		Description string       `json:"description"`
		Amount      money.Amount `json:"amount"`
		Payee       string       `json:"payee"`
	}{"tapline-order/1", order.Number, order.Description, amount, handle}))
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
