package consent

import (
	"log/slog"
	"regexp"
	"time"

	"tapline/money"
	"tapline/payment"
)

// Claims are common to all messages that devices sign. Messages embed them, and with them a LogValue that shows nothing
// else: many messages carry secrets.
type Claims struct {
	Audience string `json:"aud" doc:"Service and environment the message is for, such as https://pay.example/live."`
	IssuedAt int64  `json:"iat" doc:"Time of signing in seconds since 1970 UTC; at most five minutes from the service's."`
	ID       string `json:"jti" pattern:"^[A-Za-z0-9_-]{22,64}$" doc:"Unique per device for ever: the message's idempotency key."`
}

// NewClaims are the common claims of a message that is signed now.
func NewClaims(audience string, now time.Time) Claims {
	return Claims{Audience: audience, IssuedAt: now.Unix(), ID: NewIDAt(now)}
}

// Common is the claims that are common to all messages.
func (c *Claims) Common() *Claims { return c }

// LogValue is the common claims alone, whatever message they are embedded in.
func (c Claims) LogValue() slog.Value {
	return slog.GroupValue(slog.String("aud", c.Audience), slog.Int64("iat", c.IssuedAt), slog.String("jti", c.ID))
}

// PaymentID names a payment: "pay_" and 22 to 60 characters chosen at random by the device that instructs it.
type PaymentID string

const paymentPrefix = "pay_"

var paymentForm = regexp.MustCompile(`^pay_[A-Za-z0-9_-]{22,60}$`)

// Check reports ErrInvalid unless p has the form of a payment's id.
func (p PaymentID) Check() error {
	if !paymentForm.MatchString(string(p)) {
		return ErrInvalid.at("payment")
	}
	return nil
}

// CardID names a card as the service does; it is not the number of its account.
type CardID string

var cardForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Check reports ErrInvalid unless c has the form of a card's id.
func (c CardID) Check() error {
	if !cardForm.MatchString(string(c)) {
		return ErrInvalid.at("card")
	}
	return nil
}

// Bounds of texts in messages, in characters.
const (
	MaxLabel            = 64
	MaxOrderNumber      = 64
	MaxOrderDescription = 280
)

// DeviceRegistration registers the public key in the message's protected header, with which it is signed.
type DeviceRegistration struct {
	Claims
	Label string `json:"label" maxLength:"64" doc:"What its user calls the device, such as 'my phone'."`
}

func (*DeviceRegistration) fits(t Typ) bool { return t == TypDevice }

// Validate checks the label.
func (m *DeviceRegistration) Validate() error {
	if label, err := CleanText(m.Label, MaxLabel); err != nil || label == "" {
		return ErrInvalid.at("label")
	}
	return nil
}

// Activation binds the signing device to the card that was tapped.
type Activation struct {
	Claims
	Code Code `json:"code" doc:"The activation code, handed over apart from the card."`
	Tap  Tap  `json:"tap"`
	PIN  PIN  `json:"pin,omitempty" pattern:"^[0-9]{4,12}$" doc:"The card's first PIN; none with a code that only binds another device."`
}

func (*Activation) fits(t Typ) bool { return t == TypActivation }

// Validate checks the code for mistypes, the tap and the PIN, if any, as one that is being set.
func (m *Activation) Validate() error {
	if _, err := NormalizeActivationCode(string(m.Code)); err != nil {
		return err
	}
	if err := m.Tap.Validate(); err != nil {
		return err
	}
	if m.PIN == "" {
		return nil
	}
	return m.PIN.CheckNew()
}

// Order is what the payer pays for, in the payee's words.
type Order struct {
	Number      string `json:"number,omitempty" maxLength:"64" doc:"The payee's number for the order."`
	Description string `json:"description,omitempty" maxLength:"280" doc:"The goods, for people."`
	ID          string `json:"id,omitempty" pattern:"^ord_[A-Za-z0-9_-]{22,60}$" doc:"The order to pay, if the payee has made it; then it has number and description, and they are left out here."`
}

// Clean is the order with its texts made fit to be shown.
func (o Order) Clean() (Order, error) {
	number, err := CleanText(o.Number, MaxOrderNumber)
	if err != nil {
		return Order{}, ErrInvalid.at("order.number")
	}
	description, err := CleanText(o.Description, MaxOrderDescription)
	if err != nil {
		return Order{}, ErrInvalid.at("order.description")
	}
	if o.ID != "" && CheckOrderID(payment.OrderID(o.ID)) != nil {
		return Order{}, ErrInvalid.at("order.id")
	}
	if o.ID != "" && (number != "" || description != "") {
		return Order{}, ErrInvalid.at("order.number")
	}
	return Order{Number: number, Description: description, ID: o.ID}, nil
}

// Instruction asks for a payment. Its ID is the payment's: see PaymentID.
type Instruction struct {
	Claims
	Device DeviceID     `json:"device" doc:"The device that sends it; the same as kid."`
	Amount money.Amount `json:"amount"`
	Payee  string       `json:"payee" doc:"The payee's handle, such as shop@example."`
	Tap    Tap          `json:"tap"`
	Order  Order        `json:"order"`

	Fee int64 `json:"fee,omitempty" minimum:"0" maximum:"1000000000000000" doc:"Minor units that the payer pays besides the amount, as the payer was shown: what the payee's fee makes of the amount. Left out for none."`

	Rehearsal bool `json:"rehearsal,omitempty" doc:"Go through every step and move no money, for payees that take rehearsals."`
}

// Total is what the payer is to pay. Validate has checked that it can be.
func (m *Instruction) Total() money.Amount {
	return money.Amount{Minor: m.Amount.Minor + m.Fee, Currency: m.Amount.Currency}
}

// Payment is the id of the payment that the instruction asks for.
func (m *Instruction) Payment() PaymentID { return PaymentID(m.ID) }

func (*Instruction) fits(t Typ) bool { return t == TypInstruction }

func (m *Instruction) bind(e Envelope, _ time.Time) error {
	if m.Device != e.device {
		return ErrKeyUnknown
	}
	return nil
}

// Validate checks the form of all parts. The order's texts are still to be cleaned.
func (m *Instruction) Validate() error {
	if m.Payment().Check() != nil {
		return ErrInvalid.at("jti")
	}
	if !m.Amount.Valid() {
		return ErrInvalid.at("amount")
	}
	if m.Fee < 0 || m.Fee > money.MaxMinor-m.Amount.Minor {
		return ErrInvalid.at("fee")
	}
	if CheckHandle(m.Payee) != nil {
		return ErrInvalid.at("payee")
	}
	if err := m.Tap.Validate(); err != nil {
		return err
	}
	_, err := m.Order.Clean()
	return err
}

// Authentication answers the service's question who is paying.
type Authentication struct {
	Claims
	Payment PaymentID `json:"payment"`
	PIN     PIN       `json:"pin" pattern:"^[0-9]{4,12}$"`
}

func (*Authentication) fits(t Typ) bool { return t == TypAuthentication }

// Validate checks the form of both parts.
func (m *Authentication) Validate() error {
	if err := m.Payment.Check(); err != nil {
		return err
	}
	return m.PIN.Check()
}

// Cancellation gives a payment up.
type Cancellation struct {
	Claims
	Payment PaymentID `json:"payment"`
}

func (*Cancellation) fits(t Typ) bool { return t == TypCancellation }

// Validate checks the form of the payment's id.
func (m *Cancellation) Validate() error { return m.Payment.Check() }
