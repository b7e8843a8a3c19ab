// Package api is the form of what the service answers over HTTP: what a client decodes and the service encodes. What
// devices sign and send is in package consent.
package api

import (
	"time"

	"tapline/consent"
	"tapline/money"
)

// ContentJWS is the media type of a device's signed write: a compact JWS as the whole body (RFC 7515 §9.2.1).
const ContentJWS = "application/jose"

// ContentProblem is the media type of errors (RFC 9457 §3).
const ContentProblem = "application/problem+json"

// IdempotencyHeader carries a payee's or operator's idempotency key, and ReplayedHeader says that an answer was given
// before.
const (
	IdempotencyHeader = "Idempotency-Key"
	ReplayedHeader    = "Idempotent-Replayed"
)

// Service tells a client whom it talks to.
type Service struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Environment string `json:"environment" enum:"live,test"`
	Sandbox     bool   `json:"sandbox,omitempty" doc:"Whether there are test cards and a test clock: see /v1/test."`
	Audience    string `json:"audience" doc:"What the aud of everything a device signs must be."`
	PasskeyHost string `json:"passkey_host" doc:"The relying party's id of passkeys (WebAuthn rp.id)."`
	CodeDigits  int    `json:"code_digits" doc:"How many digits an approval code has."`
	Rehearsals  bool   `json:"rehearsals" doc:"Whether the service knows rehearsals: ask for one only if it does."`
	CardProofs  bool   `json:"card_proofs" doc:"Whether payment cards can prove themselves here: then ask for a tap challenge before a tap."`
}

// Device is a registered device.
type Device struct {
	ID        string    `json:"id" doc:"RFC 7638 thumbprint of the device's public key."`
	Label     string    `json:"label"`
	CreatedAt time.Time `json:"created_at"`

	UsedAt    *time.Time `json:"used_at,omitempty" doc:"When it was last used, to within ten minutes."`
	RevokedAt *time.Time `json:"revoked_at,omitempty" doc:"When an operator took its right to act away."`
}

// PushKey is what a browser is given when it subscribes to being woken.
type PushKey struct {
	Key string `json:"key" doc:"applicationServerKey of the Push API: an uncompressed point on P-256, base64url (RFC 8292 §3.2)."`
}

// PushSubscription says whether a device is woken.
type PushSubscription struct {
	Active   bool       `json:"active"`
	Endpoint string     `json:"endpoint,omitempty" doc:"Where, as the device itself has said."`
	Key      string     `json:"key,omitempty" doc:"The service's push key that the browser was given."`
	Debits   bool       `json:"debits" doc:"Whether for debits and refunds, too."`
	Since    *time.Time `json:"since,omitempty"`
}

// Token is the answer of POST /v1/token (RFC 6749 §5.1).
type Token struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type" enum:"Bearer"`
	ExpiresIn   int    `json:"expires_in" doc:"Seconds."`
}

// TokenError is the refusal of POST /v1/token, in OAuth's own form (RFC 6749 §5.2).
type TokenError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// Payee is who takes the money, as a payer may look it up.
type Payee struct {
	Handle   string         `json:"handle"`
	Name     string         `json:"name" doc:"Verified by the operator."`
	Account  string         `json:"account" doc:"Masked."`
	Currency money.Currency `json:"currency"`

	Kind       string           `json:"kind,omitempty" enum:"company,person" doc:"What the name is the name of; told where a payee is looked up."`
	Alias      string           `json:"alias,omitempty" doc:"The alias by which it was looked up. What is signed has the handle."`
	Currencies []money.Currency `json:"currencies,omitempty" doc:"Those it takes, its first before all others; told where a payee is looked up."`

	Rehearsals bool  `json:"rehearsals,omitempty" doc:"Whether payments to it may be rehearsed; told where a payee is looked up."`
	Fee        *Fee  `json:"fee,omitempty" doc:"What whoever pays it in the currency pays besides the amount; told where a payee is looked up, with orders and with order templates. What only the payee pays is not told."`
	Undo       int64 `json:"undo_seconds,omitempty" doc:"How long payments to it may be undone before their money moves; told where a payee is looked up."`
}

// Order is what the payer gets for the money.
type Order struct {
	Number      string `json:"number,omitempty"`
	Description string `json:"description,omitempty"`
	ID          string `json:"id,omitempty" doc:"Of an order that the payee has made."`
}

// Roles in which somebody sees a payment.
const (
	RoleInitiator = "initiator"
	RoleApprover  = "approver"
	RolePayee     = "payee"
)

// Actions of Next.
const (
	ActionAuthenticate = "authenticate"
	ActionConfirm      = "confirm"
	ActionApprove      = "approve"
	ActionWait         = "wait_for_approval"
	ActionUndo         = "undo" // nothing more is needed: it settles by itself, unless somebody undoes it
	ActionDone         = "done"
)

// Next says what the payment waits for, from the side of the one who asks.
type Next struct {
	Action    string   `json:"action" enum:"authenticate,confirm,approve,wait_for_approval,undo,done"`
	Methods   []string `json:"methods,omitempty" doc:"How: passkey, pin, signature or code."`
	ExpiresIn int      `json:"expires_in" doc:"Seconds until the wait is over."`
}

// Payment is a payment as the one who asks may see it.
type Payment struct {
	ID        string       `json:"id"`
	Role      string       `json:"role" enum:"initiator,approver,payee"`
	State     string       `json:"state" enum:"authentication_required,confirmation_required,approval_required,undoable,settled,declined,cancelled,expired,rejected,rehearsed"`
	Reason    string       `json:"reason,omitempty" doc:"Why it ended unsettled."`
	Limit     string       `json:"limit,omitempty" doc:"For the card's associated device: the limit that was exceeded. It is the card's, the cardholder's own, or the payee's: card_day_sum, own_night, payee_payment."`
	Rehearsal bool         `json:"rehearsal,omitempty" doc:"No money moves, whatever else it says: it ends rehearsed, not settled."`
	Version   int64        `json:"version" doc:"Counts the changes; give it as after to wait for the next."`
	Amount    money.Amount `json:"amount"`

	Fee      *money.Amount `json:"fee,omitempty" doc:"What the payer pays besides the amount."`
	Total    *money.Amount `json:"total,omitempty" doc:"What the payer pays, where there is such a fee."`
	PayeeFee *money.Amount `json:"payee_fee,omitempty" doc:"For the payee: what the operator takes of the amount."`
	Net      *int64        `json:"net,omitempty" minimum:"0" doc:"For the payee: minor units that are left of the amount, where there is such a fee; it may be nothing."`

	Payee       Payee    `json:"payee"`
	CardAccount string   `json:"card_account,omitempty" doc:"Masked. Not for the payee."`
	Order       Order    `json:"order"`
	DeviceLabel string   `json:"initiating_device_label,omitempty" doc:"For the approver: which device asks."`
	Statement   string   `json:"statement,omitempty" doc:"The exact text to confirm, when it is this side's turn."`
	Passkeys    []string `json:"passkeys,omitempty" doc:"For an initiator that is bound to the card: the credentials, in base64url, one of which may authenticate and confirm the statement in one gesture."`
	Code        string   `json:"code,omitempty" doc:"For the initiator while approval is awaited: the digits to tell the approver."`
	Next        Next     `json:"next"`

	UndoUntil *time.Time `json:"undo_until,omitempty" doc:"Until then payer or payee may cancel it; from then on its money moves by itself. Where the payee wants that, once all was given that it needs."`

	Refunded *money.Amount `json:"refunded,omitempty" doc:"What its payee gave back of it since it was settled; GET /v1/refunds?payment=… tells more."`

	InstructedAt time.Time  `json:"instructed_at"`
	EndedAt      *time.Time `json:"ended_at,omitempty"`

	Expanded *PaymentExpansion `json:"expanded,omitempty" doc:"What was asked for with expand."`
}

// PaymentExpansion is what belongs to a payment and has operations of its own.
type PaymentExpansion struct {
	Order   *PayeeOrder `json:"order,omitempty" doc:"The payee's order that it pays, as GET /v1/orders/{id} answers; left out if there is none."`
	Refunds []Refund    `json:"refunds,omitempty" doc:"What was given back of it, newest first, as GET /v1/refunds answers; at most 200."`
}

// Payments is a page of payments, newest first.
type Payments struct {
	Payments []Payment `json:"payments"`
	Next     string    `json:"next,omitempty" doc:"Give it as before to get the next page."`
}

// Receipt is the signed receipt of a settled payment. Its claims are consent.Receipt.
type Receipt struct {
	Receipt string `json:"receipt" doc:"Compact JWS by a service key of /.well-known/jwks.json. Later refunds do not show in it."`
}

// Card is a card as a device bound to it, or an operator, may see it.
type Card struct {
	ID          string                  `json:"id"`
	CardAccount string                  `json:"card_account" doc:"Masked account number."`
	Label       string                  `json:"label"`
	State       string                  `json:"state" enum:"issued,active,frozen,closed"`
	Account     string                  `json:"account" doc:"The ledger account behind the card."`
	Currency    money.Currency          `json:"currency"`
	Balance     int64                   `json:"balance" doc:"Minor units."`
	Available   int64                   `json:"available" doc:"Minor units: the balance less what is held."`
	Level       string                  `json:"level,omitempty" doc:"The least its holder wants of every payment: tap, authenticate, confirm or approve."`
	Limits      *consent.SpendingLimits `json:"limits,omitempty" doc:"The operator's for this card, where there are any; those for all cards count besides."`
	Rules       *consent.SpendingRules  `json:"rules,omitempty" doc:"The cardholder's own."`
	Spent       *Spent                  `json:"spent,omitempty" doc:"What counts for its limits."`

	AssociatedDevice string        `json:"associated_device,omitempty"`
	Devices          []BoundDevice `json:"devices,omitempty"`

	FrozenByOperator bool `json:"frozen_by_operator,omitempty" doc:"Then its holder cannot unfreeze it."`

	LostAt     *time.Time `json:"lost_at,omitempty" doc:"When it was reported lost. Only an operator can unfreeze it then."`
	Replaces   string     `json:"replaces,omitempty" doc:"The card that was on the account before."`
	ReplacedBy string     `json:"replaced_by,omitempty" doc:"The card that is on the account since."`
}

// Spent counts payments of a UTC day and of the month that it is in: those that are settled, and those whose money is set aside.
type Spent struct {
	Day        string `json:"day" doc:"The newest day that had any, such as 2026-01-31."`
	DayCount   int64  `json:"day_count"`
	DaySum     int64  `json:"day_sum" doc:"Minor units."`
	MonthCount int64  `json:"month_count"`
	MonthSum   int64  `json:"month_sum" doc:"Minor units."`
}

// BoundDevice is a device that is or was the associated device of a card.
type BoundDevice struct {
	ID      string    `json:"id"`
	Label   string    `json:"label"`
	BoundAt time.Time `json:"bound_at"`

	UsedAt *time.Time `json:"used_at,omitempty" doc:"When it was last used, for whatever, to within ten minutes."`
}

// Passkey is a passkey with which a card's holder may authenticate and confirm.
type Passkey struct {
	Credential string     `json:"credential" doc:"Its id in base64url."`
	Label      string     `json:"label"`
	Synced     bool       `json:"synced" doc:"It may be on other devices of its user, too."`
	Usable     bool       `json:"usable" doc:"False once another device is associated with the card than the one that registered it, or that one was revoked."`
	Device     string     `json:"device" doc:"The device that registered it."`
	CreatedAt  time.Time  `json:"created_at"`
	UsedAt     *time.Time `json:"used_at,omitempty"`
}

// Passkeys is a card's passkeys.
type Passkeys struct {
	Passkeys []Passkey `json:"passkeys"`
}

// Cards is a list of cards.
type Cards struct {
	Cards []Card `json:"cards"`
	Next  string `json:"next,omitempty"`
}

// Event is the data of one server-sent event. It says that something changed; ask for the thing itself.
type Event struct {
	Type    string    `json:"type" doc:"Such as payment.settled or card.frozen."`
	Subject string    `json:"subject" doc:"The payment's, order's or card's id."`
	State   string    `json:"state"`
	Version int64     `json:"version,omitempty"`
	At      time.Time `json:"at"`
	Test    bool      `json:"test,omitempty" doc:"It was made to test programs, and tells of nothing."`
}

// Events are those after one that is known.
type Events struct {
	Events []Event `json:"events"`
	Next   string  `json:"next" doc:"To be given as after, the next time."`
	Reset  bool    `json:"reset,omitempty" doc:"Too much was missed, or nothing is known yet: read everything anew."`
}

// Problem is an error (RFC 9457). Code is for programs and listed in docs/api.md; nothing of what was refused is
// repeated.
type Problem struct {
	Type         string `json:"type" doc:"URL of the code's description."`
	Title        string `json:"title"`
	Status       int    `json:"status"`
	Code         string `json:"code"`
	Field        string `json:"field,omitempty" doc:"The field at fault."`
	Retryable    bool   `json:"retryable" doc:"Whether the same request may work later."`
	AttemptsLeft *int   `json:"attempts_left,omitempty"`
	RetryAfter   int    `json:"retry_after,omitempty" doc:"Seconds."`
	State        string `json:"state,omitempty" doc:"The payment's or card's state after it."`
	Limit        string `json:"limit,omitempty" doc:"For the card's associated device: the limit that was exceeded."`
	TraceID      string `json:"trace_id"`
}

// Code says what a Problem is about, for programs. errors.Is(err, api.CodeOrderClosed) tells whether an error is a refusal with it.
type Code string

// Error is the code.
func (c Code) Error() string { return string(c) }

// Is holds for the problem's Code.
func (p *Problem) Is(target error) bool {
	code, ok := target.(Code)
	return ok && p.Code == string(code)
}

// Error is the problem as text.
func (p *Problem) Error() string {
	text := p.Title
	if p.Field != "" {
		text += ": " + p.Field
	}
	return text + " (" + p.Code + ")"
}
