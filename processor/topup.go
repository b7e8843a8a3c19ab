package processor

import (
	"errors"
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payout"
)

// TopUpLife is how long a top-up waits for a second operator.
const TopUpLife = 24 * time.Hour

// TopUpState is where a top-up is that needs two operators.
type TopUpState string

// States of such a top-up. One whose time is over stays pending until somebody rejects it, but cannot be confirmed.
const (
	TopUpPending   TopUpState = "pending"
	TopUpConfirmed TopUpState = "confirmed"
	TopUpRejected  TopUpState = "rejected"
)

// HeldTopUp is a top-up that needs two operators: one asks for it, and another confirms.
type HeldTopUp struct {
	ID          string
	Account     ledger.AccountID
	Amount      money.Amount
	State       TopUpState
	RequestedBy OperatorID
	Note        string
	RequestedAt time.Time
	ExpiresAt   time.Time
	DecidedBy   OperatorID // empty while it is pending
	DecidedAt   time.Time

	// Adjusts is the account that an adjustment corrects, and Debit whether it is debited. Empty for a top-up.
	Adjusts ledger.AccountID
	Debit   bool
}

// Expired reports whether its time to be confirmed is over.
func (t HeldTopUp) Expired(now time.Time) bool {
	return t.State == TopUpPending && !now.Before(t.ExpiresAt)
}

// TopUp credits a card account with money that came in from outside, or, above a limit, asks another operator to.
type TopUp struct {
	Operated
	ID      string // of the top-up
	Account ledger.AccountID
	Amount  money.Amount
	Alone   int64 // the most that one operator may do alone, in minor units; 0 for no limit

	After ledger.Account // results
	Held  *HeldTopUp     // nil if it was done
}

// issuance is the account on the other side of top-ups in a currency.
func issuance(c money.Currency) ledger.AccountID { return payout.Issuance(c) }

// Wants names both accounts.
func (c *TopUp) Wants(u *Unit, w *Wants) {
	c.want(w)
	w.TopUps = append(w.TopUps, c.ID)
	w.Accounts = append(w.Accounts, c.Account, issuance(c.Amount.Currency))
	u.wantHolder(w, c.Account)
}

// Do enters the top-up, or holds it for a second operator.
func (c *TopUp) Do(u *Unit) (err error) {
	c.Held = nil
	held := c.Alone > 0 && c.Amount.Minor > c.Alone
	action := map[bool]string{false: "account.top_up", true: "account.top_up.request"}[held]
	if err := c.record(u, action, map[bool]string{false: string(c.Account), true: c.ID}[held]); err != nil {
		return err
	}
	if !held {
		c.After, err = u.topUp(c.ID, c.Account, c.Amount)
		return err
	}
	if c.After, err = u.toppedUp(c.Account, c.Amount.Currency); err != nil {
		return err
	}
	c.Held = &HeldTopUp{
		ID: c.ID, Account: c.Account, Amount: c.Amount, State: TopUpPending,
		RequestedBy: c.By, Note: c.Note, RequestedAt: u.Now, ExpiresAt: u.Now.Add(TopUpLife),
	}
	u.TopUps.Put(c.ID, *c.Held)
	u.Tell(Event{Type: "top_up.requested", Subject: c.ID, State: string(TopUpPending), To: []Principal{OperatorsPrincipal}})
	return nil
}

// toppedUp is an account that can be topped up in a currency: not that of a closed card, from which nobody can pay.
func (u *Unit) toppedUp(id ledger.AccountID, currency money.Currency) (ledger.Account, error) {
	account, ok := u.Accounts.Get(id)
	switch {
	case !ok || account.Kind != ledger.CardAccount:
		return account, ErrUnknownAccount
	case account.Currency != currency:
		return account, ErrCurrency
	}
	if card, ok := u.cardOn(id); ok && card.State == CardClosed {
		return account, ErrCardState
	}
	return account, nil
}

// haveIssuance makes the account on the other side of what comes in and goes out, if it is not there.
func (u *Unit) haveIssuance(c money.Currency) {
	if _, there := u.Accounts.Get(issuance(c)); !there {
		u.Accounts.Put(issuance(c), ledger.Account{ID: issuance(c), Kind: ledger.Issuance, Currency: c})
	}
}

// topUp enters a top-up.
func (u *Unit) topUp(id string, to ledger.AccountID, amount money.Amount) (ledger.Account, error) {
	if _, err := u.toppedUp(to, amount.Currency); err != nil {
		return ledger.Account{}, err
	}
	from := issuance(amount.Currency)
	u.haveIssuance(amount.Currency)
	err := u.Enter(ledger.Entry{
		ID: ledger.EntryID(id + "/post"), Action: ledger.Post, Reference: id, At: u.Now,
		Postings: []ledger.Posting{{Debit: from, Credit: to, Amount: amount}},
	})
	if errors.Is(err, ledger.ErrTooLarge) {
		return ledger.Account{}, ErrTooLarge
	}
	if err == nil {
		u.tellHolder(to, "topped_up", WakeDebit, MailFacts{Amount: amount})
	}
	after, _ := u.Accounts.Get(to)
	return after, err
}

// DecideTopUp confirms or rejects a top-up that waits for a second operator. Who asked for it can only reject it.
type DecideTopUp struct {
	Operated
	ID      string
	Confirm bool

	After HeldTopUp // result
}

// Wants names the top-up, and both accounts.
func (c *DecideTopUp) Wants(u *Unit, w *Wants) {
	c.want(w)
	w.TopUps = append(w.TopUps, c.ID)
	if t, ok := u.TopUps.rows[c.ID]; ok && c.Confirm {
		w.Accounts = append(w.Accounts, t.Account, issuance(t.Amount.Currency))
		u.wantHolder(w, t.Account)
		if t.Adjusts != "" {
			w.Accounts = append(w.Accounts, t.Adjusts)
			u.wantHolder(w, t.Adjusts)
		}
	}
}

// Do decides it. The money moves in the same transaction.
func (c *DecideTopUp) Do(u *Unit) error {
	t, ok := u.TopUps.Get(c.ID)
	what, enter := t.what(), u.enterTopUp
	if t.Adjusts != "" {
		enter = u.adjust
	}
	action := "account." + what + map[bool]string{true: ".confirm", false: ".reject"}[c.Confirm]
	if err := c.record(u, action, c.ID); err != nil {
		return err
	}
	switch {
	case !ok:
		return ErrUnknownTopUp
	case t.State != TopUpPending || c.Confirm && t.Expired(u.Now):
		return ErrTopUpOver
	case c.Confirm && t.RequestedBy == c.By:
		return ErrSameOperator
	}
	t.State = TopUpRejected
	if c.Confirm {
		t.State = TopUpConfirmed
		if _, err := enter(t); err != nil {
			return err
		}
	}
	t.DecidedBy, t.DecidedAt = c.By, u.Now
	u.TopUps.Put(t.ID, t)
	u.Tell(Event{Type: t.event() + string(t.State), Subject: t.ID, State: string(t.State), To: []Principal{OperatorsPrincipal}})
	c.After = t
	return nil
}

// what names what was asked for, in the audit log.
func (t HeldTopUp) what() string {
	if t.Adjusts != "" {
		return "adjust"
	}
	return "top_up"
}

// event is how the names of its events begin.
func (t HeldTopUp) event() string {
	if t.Adjusts != "" {
		return "adjustment."
	}
	return "top_up."
}

func (u *Unit) enterTopUp(t HeldTopUp) (ledger.Account, error) {
	return u.topUp(t.ID, t.Account, t.Amount)
}
