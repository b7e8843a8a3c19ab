package processor

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/payout"
)

// BySchedule is who asks for a payout that nobody asked for but the payee's schedule.
const BySchedule = "schedule"

// MaxInFile bounds the payouts in one file for a bank.
const MaxInFile = 1000

// PayoutFile is a file of payouts for a bank. It never changes, so that it has the same bytes whenever it is made.
type PayoutFile struct {
	ID       payout.FileID
	Currency money.Currency
	From     payout.BankAccount // the operator's own
	On       string             // the day on which the bank is to pay, such as 2026-03-01
	Payouts  int64              // how many
	Total    int64              // minor units
	By       OperatorID
	Note     string
	At       time.Time
}

// PayoutReader reads payouts.
type PayoutReader interface {
	// Payouts lists by time: newest first, or oldest first if that is asked for.
	Payouts(PayoutQuery) ([]payout.Payout, error)
	// PlansOf lists the payout plans of a payee in order of their currencies.
	PlansOf(payment.Handle) ([]PayoutPlan, error)
}

// PayoutQuery selects payouts.
type PayoutQuery struct {
	Payee    payment.Handle // empty for everybody's
	State    payout.State   // empty for any
	Currency money.Currency // empty for any
	File     payout.FileID  // empty for any, and for none
	From     time.Time      // not made before; zero for any time
	Before   time.Time      // made before; zero for now
	BeforeID payout.ID      // and of those made at Before, the ones below this id
	Oldest   bool           // oldest first
	AfterID  payout.ID      // with Oldest: of those made at From, the ones above this id
	Limit    int
}

// MakePayout sets a payee's money aside to be paid out to its bank account, for an operator or a program of the payee's. Closed
// payees are paid out, too.
type MakePayout struct {
	Operated // By is empty if the payee asks
	Payee    payment.Handle
	Currency money.Currency   // empty for the payee's first
	Account  ledger.AccountID // one that the payee had before; empty for the one that it has
	Minor    int64            // 0 for all that is available but what its schedule keeps
	ID       payout.ID
	Alone    int64 // the most that one person may have paid out alone, in minor units; 0 for no limit

	Made payout.Payout // result
}

// Wants names the payee, its plan, and both accounts.
func (c *MakePayout) Wants(u *Unit, w *Wants) {
	if c.By != "" {
		c.want(w)
	}
	w.Payees = append(w.Payees, c.Payee)
	w.Payouts = append(w.Payouts, c.ID)
	p, ok := u.Payees.rows[c.Payee]
	if !ok {
		return
	}
	if account, currency, ok := c.source(p); ok {
		w.Accounts = append(w.Accounts, account, issuance(currency))
		w.PayoutPlans = append(w.PayoutPlans, PlanID{c.Payee, currency})
	}
}

// source is the account that pays.
func (c *MakePayout) source(p Payee) (ledger.AccountID, money.Currency, bool) {
	currency := cmp.Or(c.Currency, p.Currency)
	account, ok := p.In(currency)
	if c.Account == "" || c.Account == account {
		return account, currency, ok
	}
	return c.Account, currency, slices.Contains(p.former(currency), c.Account)
}

// Do makes it.
func (c *MakePayout) Do(u *Unit) error {
	asked := string(PayeePrincipal(c.Payee))
	if c.By != "" {
		asked = string(OperatorPrincipal(c.By))
		if err := c.record(u, "payout.make", string(c.ID)); err != nil {
			return err
		}
	}
	payee, ok := u.Payees.Get(c.Payee)
	if !ok {
		return ErrUnknownPayee
	}
	id, currency, ok := c.source(payee)
	if !ok {
		return ErrCurrency
	}
	if !u.PayoutPlans.asked[PlanID{c.Payee, currency}] {
		return ErrNoBankAccount // the payee, or its account in the currency, is of this very batch
	}
	row, _ := u.PayoutPlans.Get(PlanID{c.Payee, currency})
	plan := row.At(u.Now)
	if plan.To == (payout.BankAccount{}) {
		return ErrNoBankAccount
	}
	account, _ := u.Accounts.Get(id)
	keep, least := plan.Schedule.Keep, plan.Schedule.Least
	if c.By != "" {
		least = 0 // an operator sees what it costs
		if c.Minor > 0 {
			keep = 0
		}
	}
	minor := c.Minor
	if minor == 0 {
		minor = min(account.Available()-keep, money.MaxMinor)
	}
	switch {
	case c.Minor > 0 && c.Minor < least:
		return ErrPayoutLeast
	case minor <= 0 || minor > account.Available()-keep:
		return ErrAccountBalance
	case minor < least:
		return ErrPayoutLeast
	}
	p := payout.Payout{ID: c.ID, Payee: c.Payee, Account: id, Amount: money.Amount{Minor: minor, Currency: currency}, To: plan.To,
		AskedBy: asked, Note: c.Note}
	p, err := u.makePayout(p, c.Alone)
	c.Made = p
	return err
}

// makePayout sets the money aside. What is more than one person may do alone waits for an operator.
func (u *Unit) makePayout(p payout.Payout, alone int64) (payout.Payout, error) {
	if _, taken := u.Payouts.Get(p.ID); taken {
		return p, ErrConflict // of 128 random bits
	}
	p, hold := payout.New(p, alone > 0 && p.Amount.Minor > alone, u.Now)
	u.haveIssuance(p.Amount.Currency)
	if err := u.enterPayout(hold); err != nil {
		return p, err
	}
	u.putPayout(p)
	return p, nil
}

func (u *Unit) enterPayout(e ledger.Entry) error {
	switch err := u.Enter(e); {
	case errors.Is(err, ledger.ErrInsufficientFunds):
		return ErrAccountBalance
	case errors.Is(err, ledger.ErrTooLarge):
		return ErrTooLarge
	default:
		return err
	}
}

// putPayout stages a payout, and tells its payee; and operators, of what they have to do or to know.
func (u *Unit) putPayout(p payout.Payout) {
	u.Payouts.Put(p.ID, p)
	var to []Principal
	if p.Payee != "" {
		to = append(to, PayeePrincipal(p.Payee))
	}
	if p.State == payout.Requested || p.State == payout.Returned {
		to = append(to, OperatorsPrincipal)
	}
	u.Tell(Event{Type: "payout." + string(p.State), Subject: string(p.ID), State: string(p.State), Version: p.Version, To: to})
}

// StepPayout approves, cancels, confirms or returns a payout, by an operator.
//
// Who asked for a payout cannot approve it. A return that is more than one operator may do alone takes two: it gives money to the
// payee that the bank may have paid. The first asks for it, and nothing moves; another does the same again.
type StepPayout struct {
	Operated
	ID    payout.ID
	Verb  payout.Verb // not Send
	Alone int64       // as in MakePayout

	After payout.Payout // result
}

// Wants names the payout and both accounts.
func (c *StepPayout) Wants(u *Unit, w *Wants) {
	c.want(w)
	w.Payouts = append(w.Payouts, c.ID)
	if p, ok := u.Payouts.rows[c.ID]; ok {
		w.Accounts = append(w.Accounts, p.Account, issuance(p.Amount.Currency))
	}
}

// Do takes the step. The money moves in the same transaction.
func (c *StepPayout) Do(u *Unit) error {
	if err := c.record(u, "payout."+string(c.Verb), string(c.ID)); err != nil {
		return err
	}
	p, ok := u.Payouts.Get(c.ID)
	if !ok {
		return ErrUnknownPayout
	}
	after, entry, err := p.Step(c.Verb, u.Now)
	if err != nil {
		return &PayoutError{err, p.State}
	}
	by := string(OperatorPrincipal(c.By))
	switch {
	case c.Verb == payout.Approve && p.AskedBy == by:
		return ErrSameOperator
	case c.Verb == payout.Approve:
		after.ApprovedBy = by
	case c.Verb == payout.Confirm:
		after.ReturnedBy = "" // the bank has paid: who thought otherwise has not asked for it to be given back
	case c.Verb == payout.Return && c.Alone > 0 && p.Amount.Minor > c.Alone && p.ReturnedBy == "":
		p.ReturnedBy = by
		p.Version++
		u.Payouts.Put(p.ID, p)
		u.Tell(Event{Type: "payout.return_requested", Subject: string(p.ID), State: string(p.State), Version: p.Version, To: []Principal{OperatorsPrincipal}})
		c.After = p
		return nil
	case c.Verb == payout.Return && p.ReturnedBy == by:
		return ErrSameOperator
	}
	if entry != nil {
		if err := u.enterPayout(*entry); err != nil {
			return err
		}
	}
	u.putPayout(after)
	c.After = after
	return nil
}

// SendPayouts puts payouts that are ready into a file for a bank, each into one file only.
type SendPayouts struct {
	Operated
	File    PayoutFile  // with id, currency, account and day; completed by Do
	Payouts []payout.ID // at most MaxInFile; those that are not ready, or of another currency, are left out

	Sent []payout.Payout // result, in order of their ids
}

// Wants names the payouts.
func (c *SendPayouts) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.PayoutFiles = append(w.PayoutFiles, c.File.ID)
	w.Payouts = append(w.Payouts, c.Payouts...)
}

// Do sends them.
func (c *SendPayouts) Do(u *Unit) error {
	if err := c.record(u, "payout.send", string(c.File.ID)); err != nil {
		return err
	}
	if _, taken := u.PayoutFiles.Get(c.File.ID); taken {
		return ErrConflict // of 128 random bits
	}
	c.Sent, c.File.Total = nil, 0
	for _, id := range slices.Compact(slices.Sorted(slices.Values(c.Payouts))) {
		p, ok := u.Payouts.Get(id)
		if !ok || p.Amount.Currency != c.File.Currency {
			continue
		}
		after, _, err := p.Step(payout.Send, u.Now)
		if err != nil {
			continue // another operator was faster
		}
		after.File = c.File.ID
		c.File.Total += after.Amount.Minor
		c.Sent = append(c.Sent, after)
	}
	if len(c.Sent) == 0 {
		return ErrNothingReady
	}
	c.File.Payouts, c.File.By, c.File.Note, c.File.At = int64(len(c.Sent)), c.By, c.Note, u.Now
	u.PayoutFiles.Put(c.File.ID, c.File)
	for _, p := range c.Sent {
		u.putPayout(p)
	}
	return nil
}

// PayoutError refuses a step of a payout in a state.
type PayoutError struct {
	Err   error // payout.ErrNotNow
	State payout.State
}

// Error is the text of the reason.
func (e *PayoutError) Error() string { return e.Err.Error() }

// Unwrap is the reason.
func (e *PayoutError) Unwrap() error { return e.Err }
