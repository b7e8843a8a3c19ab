package processor

import (
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
)

// PayeeKind says what a payee's name is the name of.
type PayeeKind string

// Kinds of payees. Empty if nobody has said.
const (
	Company PayeeKind = "company"
	Person  PayeeKind = "person"
)

// Payee is whoever takes money, found by handle. Its handle is never another's, closed or not.
type Payee struct {
	Handle    payment.Handle
	Name      string    // as an operator has verified it, when it was added or renamed
	Kind      PayeeKind // of the name
	Account   ledger.AccountID
	Currency  money.Currency // of that account: the payee's first
	Closed    bool           // it takes no money; what it has stays
	CreatedAt time.Time

	// Further are the accounts in other currencies, and all that the payee had before.
	Further []PayeeAccount

	Undo time.Duration // how long payments to it may be undone before their money moves; in whole seconds, 0 for not at all

	Rehearsals bool // whether payments to it may be rehearsed: it has to know a rehearsal from money
}

// PayeeAccount is an account of a payee besides its first.
type PayeeAccount struct {
	Currency money.Currency   `json:"currency"`
	Account  ledger.AccountID `json:"account"`
	Until    time.Time        `json:"until,omitzero"` // when another took its place; zero while it takes money
}

// In is the account that takes money in a currency.
func (p Payee) In(c money.Currency) (ledger.AccountID, bool) {
	if c == p.Currency {
		return p.Account, true
	}
	for _, a := range p.Further {
		if a.Currency == c && a.Until.IsZero() {
			return a.Account, true
		}
	}
	return "", false
}

// Currencies are those in which the payee takes money, its first before all others.
func (p Payee) Currencies() []money.Currency {
	all := []money.Currency{p.Currency}
	for _, a := range p.Further {
		if a.Until.IsZero() {
			all = append(all, a.Currency)
		}
	}
	return all
}

// former are the accounts that took money in a currency before.
func (p Payee) former(c money.Currency) (all []ledger.AccountID) {
	for _, a := range p.Further {
		if a.Currency == c && !a.Until.IsZero() {
			all = append(all, a.Account)
		}
	}
	return all
}

// move gives the payee an account in a currency, in the place of the one that it has, if any.
func (p *Payee) move(c money.Currency, to ledger.AccountID, now time.Time) {
	further := make([]PayeeAccount, 0, len(p.Further)+1) // of a row that others may hold
	for _, a := range p.Further {
		if a.Currency == c && a.Until.IsZero() {
			a.Until = now
		}
		further = append(further, a)
	}
	if c == p.Currency {
		p.Further = append(further, PayeeAccount{c, p.Account, now})
		p.Account = to
		return
	}
	p.Further = append(further, PayeeAccount{Currency: c, Account: to})
}

// Alias is another handle by which a payee is looked up.
type Alias struct {
	Alias     payment.Handle
	Payee     payment.Handle
	CreatedAt time.Time
	RemovedAt time.Time // zero while it leads to the payee. It never leads to another
}

// PaidID names a card account and an account of a payee.
type PaidID struct{ Card, Payee ledger.AccountID }

// Paid says when a card account last paid to an account.
type Paid struct {
	PaidID
	At time.Time
}

// wantPaid names what tells whether a payee's account is another than the one that a card account paid last: nothing, unless
// the payee has had another.
func (w *Wants) wantPaid(p Payee, c money.Currency, card ledger.AccountID) {
	former := p.former(c)
	if len(former) == 0 {
		return
	}
	now, _ := p.In(c)
	for _, a := range append(former, now) {
		w.Paid = append(w.Paid, PaidID{card, a})
	}
}

// moved reports whether a card account has paid a payee, and the payee's account is another now.
func (u *Unit) moved(p Payee, c money.Currency, card ledger.AccountID) bool {
	account, _ := p.In(c)
	last := u.paid[PaidID{card, account}]
	for _, a := range p.former(c) {
		if u.paid[PaidID{card, a}].After(last) {
			return true
		}
	}
	return false
}

// payeeNamed is a payee for an operator's command.
func (o Operated) payeeNamed(u *Unit, h payment.Handle, action string) (Payee, error) {
	if err := o.record(u, action, string(h)); err != nil {
		return Payee{}, err
	}
	payee, ok := u.Payees.Get(h)
	if !ok {
		return Payee{}, ErrUnknownPayee
	}
	return payee, nil
}

// putPayee stages a changed payee and tells it so.
func (u *Unit) putPayee(p Payee, happened string) {
	u.Payees.Put(p.Handle, p)
	u.Tell(Event{Type: "payee." + happened, Subject: string(p.Handle), State: happened, To: []Principal{PayeePrincipal(p.Handle)}})
}

// AddPayee adds a payee with a new account, and an API key if one is given.
type AddPayee struct {
	Operated
	Payee  Payee
	APIKey APIKey
}

// Wants names the handle.
func (c *AddPayee) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Payees = append(w.Payees, c.Payee.Handle)
	w.Aliases = append(w.Aliases, c.Payee.Handle)
}

// Do adds the payee.
func (c *AddPayee) Do(u *Unit) error {
	if err := c.record(u, "payee.add", string(c.Payee.Handle)); err != nil {
		return err
	}
	if u.handleTaken(c.Payee.Handle) {
		return ErrPayeeExists
	}
	c.Payee.CreatedAt, c.APIKey.CreatedAt = u.Now, u.Now
	c.APIKey.CreatedBy = OperatorPrincipal(c.By)
	u.Payees.Put(c.Payee.Handle, c.Payee)
	u.Accounts.Put(c.Payee.Account, ledger.Account{ID: c.Payee.Account, Kind: ledger.PayeeAccount, Currency: c.Payee.Currency})
	u.APIKeys.Put(c.APIKey.MAC, c.APIKey)
	return nil
}

// handleTaken reports whether a handle is or was somebody's.
func (u *Unit) handleTaken(h payment.Handle) bool {
	_, payee := u.Payees.Get(h)
	_, alias := u.Aliases.Get(h)
	return payee || alias
}

// MovePayee gives a payee a new account in a currency: in the place of the one it has, or its first in that. Payments that were
// instructed before go to the old one; the payee is told, and so is every payer who has paid it before.
type MovePayee struct {
	Operated
	Handle   payment.Handle
	Currency money.Currency   // empty for the payee's first
	Account  ledger.AccountID // fresh

	After Payee // result
}

// Wants names the payee and the account that it has.
func (c *MovePayee) Wants(u *Unit, w *Wants) {
	c.want(w)
	w.Payees = append(w.Payees, c.Handle)
	if payee, ok := u.Payees.rows[c.Handle]; ok {
		w.Accounts = append(w.Accounts, payee.Account)
		if account, ok := payee.In(c.Currency); ok {
			w.Accounts = append(w.Accounts, account)
		}
	}
}

// Do moves the handle.
func (c *MovePayee) Do(u *Unit) error {
	payee, err := c.payeeNamed(u, c.Handle, "payee.move")
	if err != nil {
		return err
	}
	if payee.Closed {
		return ErrPayeeClosed
	}
	currency := c.Currency
	if currency == "" {
		currency = payee.Currency
	}
	account := ledger.Account{ID: c.Account, Kind: ledger.PayeeAccount, Currency: currency}
	if before, ok := payee.In(currency); ok {
		was, _ := u.Accounts.Get(before)
		account.Limits, account.Turnover = was.Limits, was.Turnover // or a new account would lift them
	}
	payee.move(currency, c.Account, u.Now)
	u.putPayee(payee, "moved")
	u.Accounts.Put(c.Account, account)
	c.After = payee
	return nil
}

// ClosePayee closes a payee, or opens it again. Closed, it takes no orders and no instructions; payments under way go on, its
// programs read on, and its money stays until it is paid out.
type ClosePayee struct {
	Operated
	Handle payment.Handle
	Closed bool

	After Payee // result
}

// Wants names the payee.
func (c *ClosePayee) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Payees = append(w.Payees, c.Handle)
}

// Do closes or opens.
func (c *ClosePayee) Do(u *Unit) error {
	happened := map[bool]string{true: "closed", false: "opened"}[c.Closed]
	payee, err := c.payeeNamed(u, c.Handle, "payee."+happened)
	if err != nil {
		return err
	}
	payee.Closed = c.Closed
	u.putPayee(payee, happened)
	c.After = payee
	return nil
}

// RenamePayee takes note of a name that an operator has verified. Payments that were instructed before keep the old one.
type RenamePayee struct {
	Operated
	Handle payment.Handle
	Name   string
	Kind   PayeeKind

	After Payee // result
}

// Wants names the payee.
func (c *RenamePayee) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Payees = append(w.Payees, c.Handle)
}

// Do renames the payee.
func (c *RenamePayee) Do(u *Unit) error {
	payee, err := c.payeeNamed(u, c.Handle, "payee.rename")
	if err != nil {
		return err
	}
	payee.Name, payee.Kind = c.Name, c.Kind
	u.putPayee(payee, "renamed")
	c.After = payee
	return nil
}

// SetAlias makes a handle lead to a payee as well, or no more. A handle that was a payee's is never another's.
type SetAlias struct {
	Operated
	Handle  payment.Handle
	Alias   payment.Handle
	Removed bool

	After Payee // result
}

// Wants names the payee and both handles.
func (c *SetAlias) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Payees = append(w.Payees, c.Handle, c.Alias)
	w.Aliases = append(w.Aliases, c.Alias)
}

// Do sets or removes the alias.
func (c *SetAlias) Do(u *Unit) error {
	action := map[bool]string{true: "payee.alias.remove", false: "payee.alias.add"}[c.Removed]
	payee, err := c.payeeNamed(u, c.Handle, action)
	if err != nil {
		return err
	}
	c.After = payee
	a, known := u.Aliases.Get(c.Alias)
	_, own := u.Payees.Get(c.Alias)
	switch {
	case own, known && a.Payee != c.Handle:
		return ErrPayeeExists
	case c.Removed && !known:
		return ErrUnknownPayee
	case c.Removed && a.RemovedAt.IsZero():
		a.RemovedAt = u.Now
	case !c.Removed:
		a.RemovedAt = time.Time{}
	}
	if !known {
		a = Alias{Alias: c.Alias, Payee: c.Handle, CreatedAt: u.Now}
	}
	u.Aliases.Put(a.Alias, a)
	return nil
}

// SetRehearsals opens or closes a payee to rehearsals. Those that were instructed before go on.
type SetRehearsals struct {
	Operated
	Handle  payment.Handle
	Allowed bool

	After Payee // result
}

// Wants names the payee.
func (c *SetRehearsals) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Payees = append(w.Payees, c.Handle)
}

// Do takes note of what the payee wants.
func (c *SetRehearsals) Do(u *Unit) error {
	action := map[bool]string{true: "payee.rehearsals.on", false: "payee.rehearsals.off"}[c.Allowed]
	if err := c.record(u, action, string(c.Handle)); err != nil {
		return err
	}
	payee, ok := u.Payees.Get(c.Handle)
	if !ok {
		return ErrUnknownPayee
	}
	payee.Rehearsals = c.Allowed
	u.Payees.Put(c.Handle, payee)
	c.After = payee
	return nil
}
