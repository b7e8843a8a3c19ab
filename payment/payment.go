// Package payment is the life of a payment, from the instruction that a device sends to settlement. Start reading here.
//
// A payment is a value. Step takes it with a command and the time, and returns the payment as it is afterwards, the
// ledger entry that belongs to the change, and the events to tell. Nothing here reads a clock, a database or the
// network. Which command leads from which state to which is one table, in table.go; what steps a payment needs is
// decided once, when the instruction arrives, by policy.go.
package payment

import (
	"time"

	"tapline/ledger"
	"tapline/money"
)

// ID names a payment. The payer's device chooses it, so that an instruction sent twice names the same payment.
type ID string

// DeviceID is the RFC 7638 thumbprint of a device's public key.
type DeviceID string

// CardID names a card. It is not the card's account number.
type CardID string

// OrderID names an order that a payee made: see package order.
type OrderID string

// Handle is a payee's identity, such as "books@shop".
type Handle string

// State is where a payment is in its life.
type State string

// States. The zero State is an instruction that has not been taken yet.
const (
	AuthenticationRequired State = "authentication_required"
	ConfirmationRequired   State = "confirmation_required"
	ApprovalRequired       State = "approval_required"
	Undoable               State = "undoable" // all was given that it needs, and payer or payee may undo it yet
	Settled                State = "settled"
	Declined               State = "declined"
	Cancelled              State = "cancelled"
	Expired                State = "expired"
	Rejected               State = "rejected"
	Rehearsed              State = "rehearsed" // a rehearsal that came to where a payment is settled
)

// States lists every state in the order of a payment's life.
var States = []State{AuthenticationRequired, ConfirmationRequired, ApprovalRequired, Undoable, Settled, Declined, Cancelled, Expired, Rejected, Rehearsed}

// Final reports whether nothing can happen to a payment in this state any more.
func (s State) Final() bool {
	return s == Settled || s == Declined || s == Cancelled || s == Expired || s == Rejected || s == Rehearsed
}

// Complete reports whether a payment in this state has gone all the way: it is settled, or a rehearsal that would be.
func (s State) Complete() bool { return s == Settled || s == Rehearsed }

// Reason says why a payment ended unsettled.
type Reason string

// Reasons.
const (
	ByPayer              Reason = "payer"                 // the payer declined or cancelled it
	ByPayee              Reason = "payee"                 // the payee cancelled it
	ByApprover           Reason = "approver"              // the associated device's user declined it
	NotMe                Reason = "not_me"                // the associated device's user never asked for it
	WrongCode            Reason = "wrong_code"            // the approval code was mistyped too often
	AuthenticationFailed Reason = "authentication_failed" // no tries were left
	InsufficientFunds    Reason = "insufficient_funds"
	LimitExceeded        Reason = "limit_exceeded"    // more than the card may pay in a day by its number alone
	PayeeUnavailable     Reason = "payee_unavailable" // the payee account no longer takes money
	OrderUnavailable     Reason = "order_unavailable" // somebody else pays the order, or it has ended
	CardChanged          Reason = "card_changed"      // card frozen, rebound, or its PIN changed
	DeviceRevoked        Reason = "device_revoked"    // the device that made it may not act any more
	Restored             Reason = "restored"          // the service's database was restored from a backup
	TimedOut             Reason = "timed_out"
)

// Reasons lists every reason.
var Reasons = []Reason{
	ByPayer, ByPayee, ByApprover, NotMe, WrongCode, AuthenticationFailed, InsufficientFunds, LimitExceeded, PayeeUnavailable, OrderUnavailable, CardChanged, DeviceRevoked, Restored, TimedOut,
}

// How long each wait may last, and all of them together.
const (
	AuthenticationWait = 120 * time.Second
	ConfirmationWait   = 120 * time.Second
	ApprovalWait       = 180 * time.Second
	WholeLife          = 10 * time.Minute // without the time in which it can be undone
)

// MaxUndo bounds how long a payee may let payments be undone.
const MaxUndo = 24 * time.Hour

// CodeTries is how often the approval code may be typed before the payment is declined.
const CodeTries = 3

// Terms are the facts of a payment that are fixed when the instruction arrives and never change.
type Terms struct {
	ID           ID
	Amount       money.Amount
	PayeeHandle  Handle
	PayeeName    string
	PayeeAccount ledger.AccountID // found by the handle, then frozen: a handle that moves does not move the payment

	// Card and CardAccount are empty in a decoy: an instruction with a card that is unknown, frozen or not activated
	// gets a payment like any other, which nobody can authenticate, so that a stranger learns nothing about the card.
	Card        CardID
	CardAccount ledger.AccountID
	CardLast4   string
	CardLabel   string

	// CardKey stands for the account number that was tapped, without telling it. Authentication tries are counted under
	// it, in a decoy as well.
	CardKey string
	// CardVersion tells the card as it was when the instruction arrived from what became of it since.
	CardVersion int64

	OrderNumber      string
	OrderDescription string

	// Order is the order that the payment is for, if the payee has made one; then OrderHash is of all its terms, and PayBy the
	// time from which on it cannot be paid.
	Order     OrderID
	OrderHash string
	PayBy     time.Time

	Initiator      DeviceID // the device that sent the instruction, proved by its signature
	InitiatorLabel string
	Associated     DeviceID // the card's associated device at that time; empty in a decoy

	// PayeeMoved says that the payee's account is another than the one that the card account paid last: the statement says so.
	PayeeMoved bool

	// Rehearsal is a payment that goes through every step and moves no money: it has no entry, ever, and ends Rehearsed where
	// it would be settled.
	Rehearsal bool

	// Undo is how long payer and payee may undo it before its money moves, once all was given that it needs: as the payee has
	// it when the instruction arrives, in whole seconds.
	Undo time.Duration

	// Fee is the operator's, by the tariff of the time when the instruction arrived. It is held and posted with the amount.
	Fee Fee

	Level     Level // the steps it needs
	Assurance Assurance
	Nonce     string // fresh for each payment: makes its statements unique, and its approval code underivable
}

// Payment is a payment in its life.
type Payment struct {
	Terms
	State   State
	Reason  Reason
	Version int64 // counts the changes, from 1

	Deadline  time.Time // of the wait it is in
	ExpiresAt time.Time // of the whole life

	FirstDigest  string // of the statement that was confirmed
	SecondDigest string // of the statement that was approved
	CodeFailures int
	Refunded     int64 // minor units that were given back, once settled

	InstructedAt    time.Time
	AuthenticatedAt time.Time // zero if it was not needed or has not happened; likewise below
	ConfirmedAt     time.Time
	ApprovedAt      time.Time
	UndoableAt      time.Time
	EndedAt         time.Time
}

// Decoy reports whether the payment stands in for one that cannot be, and can never be authenticated.
func (p Payment) Decoy() bool { return p.Card == "" }

// FromAssociatedDevice reports whether the card's associated device itself makes the payment.
func (p Payment) FromAssociatedDevice() bool {
	return p.Associated != "" && p.Initiator == p.Associated
}

// NeedsSecond reports whether the associated device must confirm, too.
func (p Payment) NeedsSecond() bool {
	return p.Level >= LevelApprove && !p.FromAssociatedDevice()
}

// Held reports whether the payment holds money on the card account.
func (p Payment) Held() bool {
	return (p.State == ApprovalRequired || p.State == Undoable) && !p.Rehearsal
}

// UndoUntil is the time until which it can be undone, or could be; zero if it never could.
func (p Payment) UndoUntil() time.Time {
	if p.UndoableAt.IsZero() {
		return time.Time{}
	}
	return p.UndoableAt.Add(p.Undo)
}

// Due reports whether the payment's wait is over by now: only what Overdue says can happen to it then.
func (p Payment) Due(now time.Time) bool {
	return p.State != "" && !p.State.Final() && !now.Before(p.Deadline)
}

// Overdue is what is to be done to the payment when it is due: one that could be undone is settled, any other expires.
func (p Payment) Overdue() Verb {
	if p.State == Undoable {
		return Settle
	}
	return Expire
}
