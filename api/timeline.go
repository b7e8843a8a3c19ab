package api

import (
	"time"

	"tapline/money"
)

// AdminPayment is a payment as an operator sees it: all of it but what somebody could act with.
type AdminPayment struct {
	ID        string       `json:"id"`
	State     string       `json:"state" enum:"authentication_required,confirmation_required,approval_required,undoable,settled,declined,cancelled,expired,rejected,rehearsed"`
	Reason    string       `json:"reason,omitempty" doc:"Why it ended unsettled."`
	Limit     string       `json:"limit,omitempty" doc:"The limit of card, cardholder or payee that was exceeded."`
	Rehearsal bool         `json:"rehearsal,omitempty" doc:"No money moves."`
	Decoy     bool         `json:"decoy,omitempty" doc:"The card is unknown, or could not pay when it was tapped: nobody can authenticate this payment."`
	Amount    money.Amount `json:"amount"`

	Fee      *money.Amount `json:"fee,omitempty" doc:"What the payer pays besides the amount."`
	PayeeFee *money.Amount `json:"payee_fee,omitempty" doc:"What is taken of the amount."`

	Payee        string `json:"payee" doc:"Its handle."`
	PayeeName    string `json:"payee_name"`
	PayeeAccount string `json:"payee_account" doc:"The ledger account that was found by the handle."`
	Card         string `json:"card,omitempty" doc:"The card's id."`
	CardAccount  string `json:"card_account" doc:"Masked account number."`
	CardLabel    string `json:"card_label,omitempty"`
	Order        Order  `json:"order"`

	Device           string `json:"initiating_device"`
	DeviceLabel      string `json:"initiating_device_label"`
	AssociatedDevice string `json:"associated_device,omitempty"`

	Level      string `json:"level" enum:"tap,authenticate,confirm,approve" doc:"The steps that it needs."`
	Assurance  string `json:"assurance" enum:"identified,authentic" doc:"What the tap proved."`
	WrongCodes int    `json:"wrong_codes,omitempty" doc:"How often the approval code was mistyped."`

	UndoUntil *time.Time `json:"undo_until,omitempty" doc:"Until then payer or payee may cancel it, or could."`

	Refunded *money.Amount `json:"refunded,omitempty" doc:"What its payee gave back of it."`

	InstructedAt time.Time  `json:"instructed_at"`
	Deadline     *time.Time `json:"deadline,omitempty" doc:"When its wait is over, while it is open."`
	EndedAt      *time.Time `json:"ended_at,omitempty"`

	Timeline []TimelineStep `json:"timeline,omitempty" doc:"What happened, oldest first; for one payment, not in lists."`
}

// TimelineStep is one step in the life of a payment.
type TimelineStep struct {
	Step        string    `json:"step" enum:"instructed,authenticated,confirmed,approved,undoable,ended,refunded"`
	At          time.Time `json:"at"`
	Millis      int64     `json:"milliseconds" doc:"Since the step before."`
	By          string    `json:"by" enum:"initiator,approver,payee,service"`
	Device      string    `json:"device,omitempty"`
	DeviceLabel string    `json:"device_label,omitempty"`
	Method      string    `json:"method,omitempty" enum:"tap,pin,passkey,signature,code" doc:"How it was done."`
	Digest      string    `json:"statement_digest,omitempty" doc:"Of the statement that was confirmed: base64url of SHA-256."`
	Signed      bool      `json:"signed,omitempty" doc:"What the person signed is kept as evidence."`

	Refund string        `json:"refund,omitempty" doc:"The refund's id."`
	Amount *money.Amount `json:"amount,omitempty" doc:"What was refunded."`
}

// AdminPayments is a page of payments, newest first.
type AdminPayments struct {
	Payments []AdminPayment `json:"payments"`
	Next     string         `json:"next,omitempty" doc:"Give it as before to search further back. A page may be short, or empty, and still have one."`
}

// FunnelStage is one step that payments have to pass, in a span of time.
type FunnelStage struct {
	Stage  string `json:"stage" enum:"authentication,confirmation,approval,settlement"`
	Asked  int    `json:"asked" doc:"How many payments came to it."`
	Passed int    `json:"passed" doc:"How many passed it."`
	Median int64  `json:"median_milliseconds" doc:"How long those took that passed: half of them no longer than this. Of settlement: from instruction to the end."`
	P95    int64  `json:"p95_milliseconds" doc:"95 of 100 of them no longer than this."`
}

// Outcome is how many payments are in a state for a reason.
type Outcome struct {
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Count  int    `json:"count"`
}

// Funnel is how far the payments came that were instructed in a span of time. Decoys and rehearsals are counted apart, and
// are in no stage and no outcome.
type Funnel struct {
	From       time.Time     `json:"from" doc:"Where counting began: later than asked for if there are more payments than are counted at once."`
	Until      time.Time     `json:"until"`
	Complete   bool          `json:"complete" doc:"Whether all payments of the span that was asked for are counted."`
	Instructed int           `json:"instructed"`
	Decoys     int           `json:"decoys" doc:"With a card that is unknown or could not pay."`
	Rehearsals int           `json:"rehearsals"`
	Stages     []FunnelStage `json:"stages"`
	Outcomes   []Outcome     `json:"outcomes" doc:"The most frequent first."`
}

// AdminEvent is something that operators were told.
type AdminEvent struct {
	ID int64 `json:"id" doc:"Its number, as in the stream of events."`
	Event
}

// AdminEvents is a list of what operators were told, newest first. It goes back as far as events are kept.
type AdminEvents struct {
	Events []AdminEvent `json:"events"`
	Next   string       `json:"next,omitempty"`
}
