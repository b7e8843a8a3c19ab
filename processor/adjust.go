package processor

import (
	"errors"

	"tapline/ledger"
	"tapline/money"
)

// Adjust corrects the balance of a card account or a payee's, for a reason, or, above a limit, asks another operator to. What waits
// is a HeldTopUp, and decided like one.
type Adjust struct {
	Operated
	ID      string // of the adjustment
	Account ledger.AccountID
	Debit   bool // take the amount from the account; else it is credited
	Amount  money.Amount
	Alone   int64 // as in TopUp

	After ledger.Account // results
	Held  *HeldTopUp     // nil if it was done
}

// adjustments is the account on the other side of adjustments in a currency.
func adjustments(c money.Currency) ledger.AccountID {
	return ledger.AccountID("adjustment-" + string(c))
}

// Wants names both accounts.
func (c *Adjust) Wants(u *Unit, w *Wants) {
	c.want(w)
	w.TopUps = append(w.TopUps, c.ID)
	w.Accounts = append(w.Accounts, c.Account, adjustments(c.Amount.Currency))
	u.wantHolder(w, c.Account)
}

// Do enters the adjustment, or holds it for a second operator.
func (c *Adjust) Do(u *Unit) (err error) {
	c.Held = nil
	held := c.Alone > 0 && c.Amount.Minor > c.Alone
	action := map[bool]string{false: "account.adjust", true: "account.adjust.request"}[held]
	if err := c.record(u, action, map[bool]string{false: string(c.Account), true: c.ID}[held]); err != nil {
		return err
	}
	t := HeldTopUp{
		ID: c.ID, Account: adjustments(c.Amount.Currency), Adjusts: c.Account, Debit: c.Debit, Amount: c.Amount, State: TopUpPending,
		RequestedBy: c.By, Note: c.Note, RequestedAt: u.Now, ExpiresAt: u.Now.Add(TopUpLife),
	}
	if !held {
		c.After, err = u.adjust(t)
		return err
	}
	if c.After, err = u.adjusted(t); err != nil {
		return err
	}
	c.Held = &t
	u.TopUps.Put(t.ID, t)
	u.Tell(Event{Type: "adjustment.requested", Subject: t.ID, State: string(TopUpPending), To: []Principal{OperatorsPrincipal}})
	return nil
}

// adjusted is the account that an adjustment corrects. The one on the other side is made if it is not there.
func (u *Unit) adjusted(t HeldTopUp) (ledger.Account, error) {
	account, ok := u.Accounts.Get(t.Adjusts)
	switch {
	case !ok || account.Kind == ledger.Issuance:
		return account, ErrUnknownAccount
	case account.Currency != t.Amount.Currency:
		return account, ErrCurrency
	}
	if _, there := u.Accounts.Get(t.Account); !there {
		u.Accounts.Put(t.Account, ledger.Account{ID: t.Account, Kind: ledger.Issuance, Currency: t.Amount.Currency})
	}
	return account, nil
}

// adjust enters an adjustment.
func (u *Unit) adjust(t HeldTopUp) (ledger.Account, error) {
	if _, err := u.adjusted(t); err != nil {
		return ledger.Account{}, err
	}
	p := ledger.Posting{Debit: t.Account, Credit: t.Adjusts, Amount: t.Amount}
	if t.Debit {
		p.Debit, p.Credit = p.Credit, p.Debit
	}
	err := u.Enter(ledger.Entry{ID: ledger.EntryID(t.ID + "/post"), Action: ledger.Post, Reference: t.ID, At: u.Now, Postings: []ledger.Posting{p}})
	switch {
	case errors.Is(err, ledger.ErrTooLarge):
		return ledger.Account{}, ErrTooLarge
	case errors.Is(err, ledger.ErrInsufficientFunds):
		return ledger.Account{}, ErrAccountBalance
	case err == nil:
		u.tellHolder(t.Adjusts, "adjusted", WakeDebit, MailFacts{Amount: t.Amount, Debit: t.Debit})
	}
	after, _ := u.Accounts.Get(t.Adjusts)
	return after, err
}
