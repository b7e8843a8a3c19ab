// Package ledger keeps double-entry books: every posting debits one account and credits another by the same amount, so
// the balances of all accounts of a currency sum to zero, always.
//
// An account carries four totals, debits and credits, each pending and posted. A hold is pending until it is either
// posted or released; money that is held cannot be spent twice. Apply is pure: accounts in, accounts out.
package ledger

import (
	"errors"
	"fmt"
	"time"

	"tapline/money"
)

// AccountID names an account.
type AccountID string

// EntryID names an entry. It is derived from what the entry does, so that the same thing cannot be entered twice.
type EntryID string

// Kind says whose money an account holds, and with it whether the account may be overdrawn.
type Kind string

// Kinds of account.
const (
	CardAccount  Kind = "card"     // a cardholder's money, which the operator owes them; never overdrawn
	PayeeAccount Kind = "payee"    // a payee's money, which the operator owes them; never overdrawn
	Fees         Kind = "fees"     // what the operator has earned; never overdrawn
	Issuance     Kind = "issuance" // the other side of top-ups and payouts: minus the money the operator owes to all
)

// Overdraft reports whether accounts of this kind may have debits above their credits.
func (k Kind) Overdraft() bool { return k == Issuance }

// Known reports whether k is one of the kinds above.
func (k Kind) Known() bool { return k.HasPayments() || k == Fees || k == Issuance }

// HasPayments reports whether accounts of this kind pay or are paid, and so may have limits.
func (k Kind) HasPayments() bool { return k == CardAccount || k == PayeeAccount }

// Account is an account's totals, in minor units of its currency. Totals only ever belong to postings: they are what
// its entries sum to.
type Account struct {
	ID             AccountID
	Kind           Kind
	Currency       money.Currency
	DebitsPending  int64
	CreditsPending int64
	DebitsPosted   int64
	CreditsPosted  int64

	Limits   Limits   // of its payments; Apply does not look at them
	Turnover Turnover // of its payments
}

// Balance is what the account is worth: posted credits less posted debits, in minor units.
func (a Account) Balance() int64 { return a.CreditsPosted - a.DebitsPosted }

// Available is what can be spent: the balance less what is held for debits. Money pending to come in does not count.
func (a Account) Available() int64 { return a.Balance() - a.DebitsPending }

// Posting moves an amount from the account that is debited to the one that is credited.
type Posting struct {
	Debit  AccountID
	Credit AccountID
	Amount money.Amount
}

// Action says what an entry does to the totals.
type Action string

// Actions of entries.
const (
	Hold     Action = "hold"      // adds to the pending totals
	PostHold Action = "post_hold" // moves a hold from pending to posted
	Release  Action = "release"   // takes a hold back from the pending totals
	Post     Action = "post"      // adds to the posted totals at once
)

// Actions lists every action.
var Actions = []Action{Hold, PostHold, Release, Post}

// Entry is one atomic change of the books: all of its postings happen, or none.
type Entry struct {
	ID        EntryID
	Action    Action
	Reference string // what it is for: a payment's id, or a top-up's
	Postings  []Posting
	At        time.Time
}

// Errors of Apply, in the order in which they are looked for.
var (
	ErrMalformed         = errors.New("malformed entry")
	ErrUnknownAccount    = errors.New("unknown account")
	ErrCurrency          = errors.New("posting in another currency than its account")
	ErrNotHeld           = errors.New("more than is held")
	ErrInsufficientFunds = errors.New("insufficient funds")
	ErrTooLarge          = errors.New("account total too large")
)

// MaxTotal bounds each of an account's totals, so that sums over thousands of accounts stay within int64.
const MaxTotal = money.MaxMinor * 1000

// Apply returns the accounts that e changes, as they are afterwards, in order of first use. On an error nothing has
// happened. Postings apply in order; an account may be used by several of them, and is checked after each.
func Apply(find func(AccountID) (Account, bool), e Entry) ([]Account, error) {
	if e.ID == "" || len(e.Postings) == 0 {
		return nil, fmt.Errorf("%w: it has no id or no postings", ErrMalformed)
	}
	var changed []Account
	for _, p := range e.Postings {
		if !p.Amount.Valid() || p.Debit == p.Credit {
			return nil, fmt.Errorf("%w %s: amount out of range or one account on both sides", ErrMalformed, e.ID)
		}
		var err error
		if changed, err = apply(find, changed, p.Debit, p.Amount, e.Action, debit); err != nil {
			return nil, err
		}
		if changed, err = apply(find, changed, p.Credit, p.Amount, e.Action, credit); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

type side bool

const (
	debit  side = false
	credit side = true
)

// apply adds one side of a posting to its account, which it takes from changed if an earlier posting changed it.
func apply(find func(AccountID) (Account, bool), changed []Account, id AccountID, amount money.Amount, action Action, s side) ([]Account, error) {
	at := -1
	for i := range changed {
		if changed[i].ID == id {
			at = i
		}
	}
	if at < 0 {
		a, ok := find(id)
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrUnknownAccount, id)
		}
		changed, at = append(changed, a), len(changed)
	}
	a := &changed[at]
	if a.Currency != amount.Currency {
		return nil, fmt.Errorf("%w: %s", ErrCurrency, id)
	}
	before := a.Available()
	if err := a.add(action, s, amount.Minor); err != nil {
		return nil, err
	}
	if !a.Kind.Overdraft() && a.Available() < 0 && a.Available() < before {
		return nil, fmt.Errorf("%w: %s", ErrInsufficientFunds, id)
	}
	return changed, nil
}

// add changes the totals by minor units on one side. Taking more from a pending total than it has is refused: it
// would post or release money that nobody holds.
func (a *Account) add(action Action, s side, minor int64) error {
	pending, posted := &a.DebitsPending, &a.DebitsPosted
	if s == credit {
		pending, posted = &a.CreditsPending, &a.CreditsPosted
	}
	switch action {
	case Hold:
		*pending += minor
	case PostHold:
		*pending -= minor
		*posted += minor
	case Release:
		*pending -= minor
	case Post:
		*posted += minor
	default:
		return fmt.Errorf("%w: unknown action", ErrMalformed)
	}
	if *pending < 0 {
		return fmt.Errorf("%w: %s", ErrNotHeld, a.ID)
	}
	if *pending > MaxTotal || *posted > MaxTotal {
		return fmt.Errorf("%w: %s", ErrTooLarge, a.ID)
	}
	return nil
}
