package processor

import (
	"errors"
	"time"

	"tapline/order"
	"tapline/payment"
)

// Errors of commands. Each means that nothing was done. Errors of package payment (ErrFinal, ErrExpired,
// ErrNotAllowed) and of package consent come through as they are.
var (
	ErrUnknownDevice     = errors.New("unknown device")
	ErrDeviceRevoked     = errors.New("the device was revoked")
	ErrUnknownPayment    = errors.New("no such payment") // also: not yours to see
	ErrUnknownCard       = errors.New("no such card")    // also: not yours to see
	ErrUnknownPasskey    = errors.New("no such passkey")
	ErrPasskeyExists     = errors.New("a passkey with this id is already there")
	ErrTooManyPasskeys   = errors.New("there are as many passkeys as there may be")
	ErrTooManyNotes      = errors.New("there are as many notes about it as there may be")
	ErrTooManyCodes      = errors.New("too many codes were mailed")
	ErrPasskeyInUse      = errors.New("the passkey is the one that has signed in")
	ErrNoSuchOperator    = errors.New("no operator with this id")
	ErrOperatorDecided   = errors.New("the operator was confirmed or removed before")
	ErrUnknownOrder      = errors.New("no such order") // also: not yours to see
	ErrUnknownPayee      = errors.New("no payee with this handle")
	ErrUnknownAccount    = errors.New("no such account")
	ErrUnknownAPIKey     = errors.New("no such API key") // also: not yours to see
	ErrAPIKeyOver        = errors.New("the API key was rotated or revoked, or its time is over")
	ErrScope             = errors.New("the API key may not do this")
	ErrTooManyAPIKeys    = errors.New("the payee has as many API keys as it may have")
	ErrUnknownTopUp      = errors.New("no such top-up")
	ErrTopUpOver         = errors.New("the top-up was decided, or its time is over")
	ErrSameOperator      = errors.New("another operator has to do this")
	ErrUnknownOperator   = errors.New("no such operator")
	ErrPaymentExists     = errors.New("a payment with this id is already there")
	ErrCardExists        = errors.New("a card with this account number is already there")
	ErrCardState         = errors.New("not possible in the card's state")
	ErrTapUsed           = errors.New("the card's message was used before")
	ErrPayeeExists       = errors.New("a payee with this handle is already there")
	ErrPayeeClosed       = errors.New("the payee is closed")
	ErrAlreadyEnrolled   = errors.New("the first operator is already enrolled")
	ErrOperatorExists    = errors.New("an operator with this key is already there")
	ErrNoRehearsals      = errors.New("the payee takes no rehearsals")
	ErrCurrency          = errors.New("the payee takes another currency")
	ErrFee               = errors.New("the payer was shown another fee")
	ErrUnknownTariff     = errors.New("no such tariff")
	ErrStatement         = errors.New("not the statement that was issued")
	ErrAccountBalance    = errors.New("what is available on the account does not cover that")
	ErrLimitExceeded     = errors.New("more than a card that does not prove itself may pay at once")
	ErrTooManyApprovals  = errors.New("too many second confirmations for this card")
	ErrTooManyChallenges = errors.New("too many tap challenges for this device")
	ErrUnknownTemplate   = errors.New("no such order template") // also: not yours to see
	ErrTooManyTemplates  = errors.New("the payee has as many active order templates as it may have")
	ErrUnknownRefund     = errors.New("no such refund") // also: not yours to see
	ErrPayeeBalance      = errors.New("the payee's balance does not cover the refund")
	ErrTooLarge          = errors.New("the account cannot hold that much")
	ErrUnknownWebhook    = errors.New("no such webhook endpoint") // also: not yours to see
	ErrUnknownDelivery   = errors.New("no such webhook delivery") // also: not yours to see
	ErrTooManyWebhooks   = errors.New("the payee has as many webhook endpoints as it may have")
	ErrWebhookDisabled   = errors.New("the webhook endpoint is disabled")
	ErrUnknownPayout     = errors.New("no such payout") // also: not yours to see
	ErrNoBankAccount     = errors.New("nobody has said where to pay out to, or it does not count yet")
	ErrBankChange        = errors.New("no such change of the bank account waits, or another one does")
	ErrPayoutLeast       = errors.New("less than the least that is paid out")
	ErrNothingReady      = errors.New("no payout is ready to be sent")
)

// OrderError refuses an order that cannot be paid or cancelled any more, or not now.
type OrderError struct {
	Err   error // order.ErrClaimed or order.ErrClosed
	State order.State
}

// Error is the text of the reason.
func (e *OrderError) Error() string { return e.Err.Error() }

// Unwrap is the reason.
func (e *OrderError) Unwrap() error { return e.Err }

// RefundError refuses a refund of a payment in a state.
type RefundError struct {
	Err   error // of payment.Payment.Refund
	State payment.State
}

// Error is the text of the reason.
func (e *RefundError) Error() string { return e.Err.Error() }

// Unwrap is the reason.
func (e *RefundError) Unwrap() error { return e.Err }

// OrderMismatch refuses an instruction that asks for something else than the order that it names.
type OrderMismatch struct{ Field string }

// Error names the field.
func (e *OrderMismatch) Error() string { return "the order asks for something else: " + e.Field }

// TryError refuses an authentication try: there are none left for now, or at all.
type TryError struct {
	Err error         // consent.ErrPaused or consent.ErrLocked
	For time.Duration // how long the pause lasts
}

// Error is the text of the reason.
func (e *TryError) Error() string { return e.Err.Error() }

// Unwrap is the reason.
func (e *TryError) Unwrap() error { return e.Err }
