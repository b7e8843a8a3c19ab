package api

import (
	"time"

	"tapline/money"
	"tapline/payout"
)

// NewPayout asks to have money paid out to a payee's bank account.
type NewPayout struct {
	Amount   *money.Amount  `json:"amount,omitempty" doc:"All that is available, less what the schedule keeps, if it is left out."`
	Currency money.Currency `json:"currency,omitempty" doc:"Without an amount: of which account. The payee's first if it is left out."`
	Note     string         `json:"note,omitempty" maxLength:"280"`
}

// NewPayeePayout asks, as an operator, to have money of a payee's paid out.
type NewPayeePayout struct {
	Payee    string         `json:"payee" doc:"Its handle."`
	Account  string         `json:"account,omitempty" doc:"One that the payee had before; the one that it has if it is left out."`
	Amount   *money.Amount  `json:"amount,omitempty" doc:"All that is available, less what the schedule keeps, if it is left out."`
	Currency money.Currency `json:"currency,omitempty" doc:"Without an amount: of which account. The payee's first if it is left out."`
	Note     string         `json:"note,omitempty" maxLength:"280"`
}

// NewCardPayout asks to have what is left on the account of a closed card paid out to its holder.
type NewCardPayout struct {
	To   payout.BankAccount `json:"to" doc:"The holder's, or cash."`
	Note string             `json:"note" maxLength:"280" doc:"Why, and what proves who it is."`
}

// Payout is money on its way from an account to a bank.
type Payout struct {
	ID          string             `json:"id"`
	Payee       string             `json:"payee,omitempty" doc:"Its handle; empty for what a card account had when it was closed."`
	Account     string             `json:"account"`
	Amount      money.Amount       `json:"amount"`
	State       string             `json:"state" enum:"requested,ready,sent,confirmed,cancelled,returned"`
	Version     int64              `json:"version"`
	To          payout.BankAccount `json:"to" doc:"For payees with the last four characters of the number only."`
	EndToEnd    string             `json:"end_to_end_id" doc:"How the bank knows it."`
	AskedBy     string             `json:"asked_by" doc:"An operator, the payee, or schedule."`
	Note        string             `json:"note,omitempty"`
	ApprovedBy  string             `json:"approved_by,omitempty" doc:"The operator who has approved it, where it took another one."`
	ReturnedBy  string             `json:"return_asked_by,omitempty" doc:"The operator who has asked for its return, where that takes another one."`
	File        string             `json:"file,omitempty"`
	MadeAt      time.Time          `json:"made_at"`
	SentAt      *time.Time         `json:"sent_at,omitempty"`
	ConfirmedAt *time.Time         `json:"confirmed_at,omitempty"`
	EndedAt     *time.Time         `json:"ended_at,omitempty" doc:"When it was cancelled or returned."`
}

// Payouts is a page of payouts, newest first.
type Payouts struct {
	Payouts []Payout `json:"payouts"`
	Next    string   `json:"next,omitempty" doc:"Give it as before to get the next page."`
}

// NewPayoutFile asks to put the payouts that are ready into a file for a bank.
type NewPayoutFile struct {
	Currency money.Currency     `json:"currency"`
	From     payout.BankAccount `json:"from" doc:"The operator's own account, which the bank is to take the money from."`
	On       string             `json:"on,omitempty" maxLength:"10" doc:"The day on which the bank is to pay, such as 2026-03-01; today (UTC) if it is left out."`
	Note     string             `json:"note,omitempty" maxLength:"280"`
}

// PayoutFile is a file of payouts for a bank. It never changes.
type PayoutFile struct {
	ID      string             `json:"id"`
	Message string             `json:"message_id" doc:"How the bank knows it."`
	From    payout.BankAccount `json:"from"`
	On      string             `json:"on" doc:"The day on which the bank is to pay."`
	Count   int64              `json:"count"`
	Total   money.Amount       `json:"total"`
	MadeBy  string             `json:"made_by"`
	MadeAt  time.Time          `json:"made_at"`
	Note    string             `json:"note,omitempty"`
	Payouts []Payout           `json:"payouts,omitempty" doc:"In lists they are left out."`
	More    bool               `json:"more_ready,omitempty" doc:"There are more payouts ready than a file has: make another one."`
}

// PayoutFiles is a page of files of payouts, in order of their ids.
type PayoutFiles struct {
	Files []PayoutFile `json:"payout_files"`
	Next  string       `json:"next,omitempty"`
}

// NewBankAccount asks for another bank account of a payee.
type NewBankAccount struct {
	Currency money.Currency     `json:"currency,omitempty" doc:"The payee's first if it is left out."`
	Account  payout.BankAccount `json:"bank_account"`
	Note     string             `json:"note,omitempty" maxLength:"280"`
}

// BankAccountDecision confirms or rejects a change of a bank account.
type BankAccountDecision struct {
	Currency money.Currency `json:"currency,omitempty" doc:"The payee's first if it is left out."`
	Version  int64          `json:"version" minimum:"1" doc:"Of the plan with the change that was seen."`
	Note     string         `json:"note,omitempty" maxLength:"280"`
}

// NewPayoutSchedule says when a payee is paid out.
type NewPayoutSchedule struct {
	Currency money.Currency `json:"currency,omitempty" doc:"The payee's first if it is left out."`
	Schedule PayoutSchedule `json:"schedule"`
	Note     string         `json:"note,omitempty" maxLength:"280"`
}

// PayoutSchedule says when a payee is paid out, and how much.
type PayoutSchedule struct {
	Every string `json:"every" enum:"never,daily,weekly,monthly" doc:"With never, only when somebody asks."`
	Day   int    `json:"day,omitempty" minimum:"0" maximum:"28" doc:"1 (Monday) to 7 of weekly ones, 1 to 28 of monthly ones."`
	At    string `json:"at,omitempty" maxLength:"5" doc:"The time of day in UTC, such as 06:30; 00:00 if it is left out."`
	Least int64  `json:"least,omitempty" minimum:"0" maximum:"1000000000000000" doc:"Minor units: less is left for the next time, and the payee cannot ask for less."`
	Keep  int64  `json:"keep,omitempty" minimum:"0" maximum:"1000000000000000" doc:"Minor units that stay on the account, for refunds."`
}

// PayoutPlan is where a payee's money of a currency is paid out to, and when.
type PayoutPlan struct {
	Payee    string              `json:"payee"`
	Currency money.Currency      `json:"currency"`
	To       *payout.BankAccount `json:"bank_account,omitempty" doc:"None if nobody has said, or it does not count yet. For payees with the last four characters of the number only."`
	Change   *BankChange         `json:"change,omitempty" doc:"The bank account that is to take its place."`
	Schedule PayoutSchedule      `json:"schedule"`
	NextAt   *time.Time          `json:"next_at,omitempty" doc:"When the schedule pays next."`
	Version  int64               `json:"version"`
}

// BankChange is a bank account that waits to take the place of one.
type BankChange struct {
	To          payout.BankAccount `json:"bank_account"`
	RequestedBy string             `json:"requested_by,omitempty" doc:"The operator. Not for payees."`
	RequestedAt time.Time          `json:"requested_at"`
	ConfirmedBy string             `json:"confirmed_by,omitempty" doc:"The operator. Not for payees."`
	CountsFrom  *time.Time         `json:"counts_from,omitempty" doc:"Until then it can be rejected. None while another operator has to confirm it."`
}

// PayoutPlans are a payee's.
type PayoutPlans struct {
	Plans []PayoutPlan `json:"payout_plans"`
}
