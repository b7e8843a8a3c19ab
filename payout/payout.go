// Package payout is the life of a payout: money of an account that leaves to a bank.
//
// A payout is a value, like a payment. Its money is set aside when it is asked for, so that nobody spends it meanwhile; it is
// in one file for the bank; and the entry that posts it is made once the bank has paid. What the bank does not pay, or gives back,
// goes back to the account. Nothing here reads a clock or a database.
package payout

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
)

// ID names a payout: "out_" and 26 small letters and digits of base 32.
type ID string

// EndToEnd is what the bank is told as the payout's end-to-end identification. It has capital letters and digits only, which every
// bank passes on as they are: SEPA's set of characters (EPC217-08) has no underscore.
func (id ID) EndToEnd() string {
	return strings.ToUpper(strings.ReplaceAll(string(id), "_", ""))
}

// FromEndToEnd is the payout that a bank's text names; ok is false for any other text.
func FromEndToEnd(text string) (id ID, ok bool) {
	rest, ok := strings.CutPrefix(text, "OUT")
	return ID("out_" + strings.ToLower(rest)), ok && len(rest) == 26 && only(rest, capitals+digits)
}

// FileID names a file of payouts for a bank: "pof_" and the like.
type FileID string

// Message is what the bank is told as the identification of the file's message; see EndToEnd.
func (id FileID) Message() string { return ID(id).EndToEnd() }

// State is where a payout is in its life.
type State string

// States.
const (
	Requested State = "requested" // set aside; another person has to approve it
	Ready     State = "ready"     // set aside, for the next file
	Sent      State = "sent"      // in a file for the bank; set aside still
	Confirmed State = "confirmed" // the bank has paid it: posted
	Cancelled State = "cancelled" // taken back before it was in a file
	Returned  State = "returned"  // the bank has not paid it, or has got it back
)

// States lists every state in the order of a payout's life.
var States = []State{Requested, Ready, Sent, Confirmed, Cancelled, Returned}

// Held reports whether the money of a payout in this state is set aside.
func (s State) Held() bool { return s == Requested || s == Ready || s == Sent }

// Verb is what is done to a payout.
type Verb string

// Verbs.
const (
	Approve Verb = "approve"
	Cancel  Verb = "cancel"
	Send    Verb = "send"
	Confirm Verb = "confirm"
	Return  Verb = "return"
)

// Verbs lists every verb.
var Verbs = []Verb{Approve, Cancel, Send, Confirm, Return}

// ErrNotNow refuses a verb in a state.
var ErrNotNow = errors.New("not possible in the payout's state")

// Payout is money on its way to a bank.
type Payout struct {
	ID      ID
	Payee   payment.Handle // empty for what a card account had when it was closed
	Account ledger.AccountID
	Amount  money.Amount
	To      BankAccount // as it was when the payout was asked for
	State   State
	Version int64 // counts the changes, from 1

	AskedBy    string // who asked for it: a principal, or "schedule"
	Note       string
	ApprovedBy string // the operator, where it took one more
	ReturnedBy string // the operator who asked for its return, where that takes one more
	File       FileID // empty until it was sent

	MadeAt      time.Time
	SentAt      time.Time // zero until it was
	ConfirmedAt time.Time // zero until it was
	EndedAt     time.Time // when it was cancelled or returned; zero otherwise
}

// New is a payout, and the entry that sets its money aside: on its account, against what the operator owes to all.
func New(p Payout, needsApproval bool, now time.Time) (Payout, ledger.Entry) {
	p.State, p.Version, p.MadeAt = Ready, 1, now
	if needsApproval {
		p.State = Requested
	}
	return p, p.entry("/hold", ledger.Hold, now)
}

// Step is the payout after a verb, with the entry that belongs to it, if money moves. ErrNotNow if that is not possible.
//
// The ids of entries are derived from the payout's, so that none is ever made twice: out_…/hold, then either /release or /post, and
// after /post perhaps /return.
func (p Payout) Step(v Verb, now time.Time) (Payout, *ledger.Entry, error) {
	was := p.State
	var e *ledger.Entry
	enter := func(suffix string, a ledger.Action) {
		entry := p.entry(suffix, a, now)
		e = &entry
	}
	switch {
	case v == Approve && was == Requested:
		p.State = Ready
	case v == Cancel && (was == Requested || was == Ready):
		p.State, p.EndedAt = Cancelled, now
		enter("/release", ledger.Release)
	case v == Send && was == Ready && !p.To.Cash:
		p.State, p.SentAt = Sent, now
	case v == Confirm && (was == Sent || was == Ready && p.To.Cash):
		p.State, p.ConfirmedAt = Confirmed, now
		enter("/post", ledger.PostHold)
	case v == Return && was == Sent:
		p.State, p.EndedAt = Returned, now
		enter("/release", ledger.Release)
	case v == Return && was == Confirmed:
		p.State, p.EndedAt = Returned, now
		enter("/return", ledger.Post)
		back := &e.Postings[0]
		back.Debit, back.Credit = back.Credit, back.Debit
	default:
		return p, nil, fmt.Errorf("%w: %s while %s", ErrNotNow, v, was)
	}
	p.Version++
	return p, e, nil
}

func (p Payout) entry(suffix string, a ledger.Action, now time.Time) ledger.Entry {
	return ledger.Entry{
		ID: ledger.EntryID(string(p.ID) + suffix), Action: a, Reference: string(p.ID), At: now,
		Postings: []ledger.Posting{{Debit: p.Account, Credit: Issuance(p.Amount.Currency), Amount: p.Amount}},
	}
}

// Issuance is the account on the other side of what comes in and goes out in a currency.
func Issuance(c money.Currency) ledger.AccountID { return ledger.AccountID("issuance-" + string(c)) }
