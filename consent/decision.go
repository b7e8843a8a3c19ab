package consent

import "time"

// Verdict is what a person said to a statement.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Decline Verdict = "decline"
	NotMe   Verdict = "not_me" // declines, and freezes the card: somebody else started the payment
)

// Decision is the answer to a statement: the first confirmation as TypConfirmation, the second as TypApproval.
type Decision struct {
	Claims
	Payment   PaymentID `json:"payment"`
	Decision  Verdict   `json:"decision" enum:"approve,decline,not_me" doc:"not_me is for the second confirmation only."`
	Statement string    `json:"statement" doc:"The statement's exact text as the service issued it; may be empty when declining."`
	Code      Code      `json:"code,omitempty" doc:"Second confirmation only: the digits that the initiating device shows."`
	Tap       *Tap      `json:"tap,omitempty" doc:"Second confirmation only, in place of code: an authentic tap of the payment's card on the associated device, sun or emv."`

	Passkey *PasskeyAssertion `json:"passkey,omitempty" doc:"First confirmation only: a passkey's answer to the statement, which authenticates as well. Its challenge is the SHA-256 of 'tapline-confirm/1', a line feed and the statement."`
}

func (*Decision) fits(t Typ) bool { return t == TypConfirmation || t == TypApproval }

// Validate checks the form of all parts. That the statement is the one issued is the caller's to check, byte for byte.
func (m *Decision) Validate() error {
	if err := m.Payment.Check(); err != nil {
		return err
	}
	switch m.Decision {
	case Approve:
		if m.Statement == "" {
			return ErrInvalid.at("statement")
		}
	case Decline, NotMe:
	default:
		return ErrInvalid.at("decision")
	}
	if m.Passkey != nil {
		if m.Decision != Approve {
			return ErrInvalid.at("passkey") // whoever declines need not prove who they are
		}
		if _, err := m.Passkey.ID(); err != nil {
			return err
		}
	}
	if m.Code != "" && (len(m.Code) > 6 || !allDigits(string(m.Code))) {
		return ErrInvalid.at("code")
	}
	return m.validateTap()
}

// validateTap checks that a tap approves, stands in place of a code, and is of a kind that can prove the card.
func (m *Decision) validateTap() error {
	switch {
	case m.Tap == nil:
		return nil
	case m.Decision != Approve || m.Code != "":
		return ErrInvalid.at("tap")
	case m.Tap.Account != "":
		return ErrInvalid.at("tap.account") // a number that was only read proves nothing
	}
	return m.Tap.Validate()
}

func (m *Decision) bind(e Envelope, _ time.Time) error {
	switch {
	case e.typ == TypApproval && m.Passkey != nil:
		return ErrInvalid.at("passkey")
	case e.typ == TypApproval:
		return nil
	case m.Decision == NotMe:
		return ErrInvalid.at("decision")
	case m.Code != "":
		return ErrInvalid.at("code")
	case m.Tap != nil:
		return ErrInvalid.at("tap")
	}
	return nil
}
