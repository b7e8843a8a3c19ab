package processor

import (
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
)

// TariffID names the tariff of a payee in a currency or, with no payee, the operator's for all payees that have none of their own.
type TariffID struct {
	Payee    payment.Handle
	Currency money.Currency
}

// Tariff is what fee is taken of payments that are instructed from now on.
type Tariff struct {
	TariffID
	payment.Tariff
	Removed   bool // as if it had never been
	ChangedAt time.Time
}

// TariffsFor names the tariffs that may count for a payee in a currency: its own before the operator's for all.
func TariffsFor(payee payment.Handle, c money.Currency) []TariffID {
	return []TariffID{{payee, c}, {"", c}}
}

// TariffOf is the one of some tariffs that counts for a payee in a currency: its own before the operator's for all. Where there is none,
// nothing is taken.
func TariffOf(payee payment.Handle, c money.Currency, some []Tariff) payment.Tariff {
	for _, id := range TariffsFor(payee, c) {
		for _, t := range some {
			if t.TariffID == id && !t.Removed {
				return t.Tariff
			}
		}
	}
	return payment.Tariff{}
}

// wantFee names the tariffs of an instruction, and the account of fees once one of them says so. As much is done for a payee that nobody
// knows.
func (c *Instruct) wantFee(u *Unit, w *Wants) {
	w.Tariffs = append(w.Tariffs, TariffsFor(c.Payee, c.Amount.Currency)...)
	w.wantFees(c.fee(func(id TariffID) (Tariff, bool) {
		t, ok := u.Tariffs.rows[id]
		return t, ok
	}), c.Amount.Currency)
}

// wantFees names the account of fees, which all payments with a fee change: it is left alone where there is none.
func (w *Wants) wantFees(f payment.Fee, c money.Currency) {
	if f.Minor > 0 {
		w.Accounts = append(w.Accounts, payment.FeeAccount(c))
	}
}

// fee is what the operator takes of what is instructed.
func (c *Instruct) fee(get func(TariffID) (Tariff, bool)) payment.Fee {
	var some []Tariff
	for _, id := range TariffsFor(c.Payee, c.Amount.Currency) {
		if t, ok := get(id); ok {
			some = append(some, t)
		}
	}
	return TariffOf(c.Payee, c.Amount.Currency, some).Of(c.Amount.Minor)
}

// agreed is the fee of an instruction. What the payer pays of it has to be what the device has shown and signed: a device that knows no
// fees names none, and a tariff that has changed since is to be shown first.
func (c *Instruct) agreed(u *Unit) (payment.Fee, error) {
	fee := c.fee(u.Tariffs.Get)
	terms := payment.Terms{Amount: c.Amount, Fee: fee}
	switch {
	case terms.PayerFee() != c.PayerFee:
		return fee, ErrFee
	case !terms.Total().Valid():
		return fee, ErrTooLarge // consent.Instruction would not have passed
	}
	return fee, nil
}

// total is what the payer is to pay.
func (c *Instruct) total() int64 { return c.Amount.Minor + c.PayerFee }

// SetTariff sets what fee is taken of payments to a payee in a currency, or to all payees that have no tariff of their own, in the
// place of what was. Payments that were instructed before keep their fee.
type SetTariff struct {
	Operated
	ID     TariffID        // with no payee the operator's for all
	Tariff *payment.Tariff // nil to remove it

	After Tariff // result
}

// Wants names the tariff, the payee and the account of fees.
func (c *SetTariff) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Tariffs = append(w.Tariffs, c.ID)
	w.Payees = append(w.Payees, c.ID.Payee)
	w.Accounts = append(w.Accounts, payment.FeeAccount(c.ID.Currency))
}

// Do sets or removes the tariff, and makes the account of fees where it is not there. The audit log tells what was set.
func (c *SetTariff) Do(u *Unit) error {
	subject := string(c.ID.Currency)
	if c.ID.Payee != "" {
		subject = string(c.ID.Payee) + " " + subject
	}
	action := "fee.remove"
	if c.Tariff != nil {
		action, subject = "fee.set", subject+": "+c.Tariff.String()
	}
	if err := c.record(u, action, subject); err != nil {
		return err
	}
	if payee, ok := u.Payees.Get(c.ID.Payee); c.ID.Payee != "" {
		if !ok {
			return ErrUnknownPayee
		}
		if _, takes := payee.In(c.ID.Currency); !takes && c.Tariff != nil {
			return ErrCurrency
		}
	}
	t, there := u.Tariffs.Get(c.ID)
	switch {
	case c.Tariff != nil:
		t = Tariff{TariffID: c.ID, Tariff: *c.Tariff, ChangedAt: u.Now}
	case !there || t.Removed:
		return ErrUnknownTariff
	default:
		t.Removed, t.ChangedAt = true, u.Now
	}
	account := payment.FeeAccount(c.ID.Currency)
	if _, there := u.Accounts.Get(account); !there {
		u.Accounts.Put(account, ledger.Account{ID: account, Kind: ledger.Fees, Currency: c.ID.Currency})
	}
	u.Tariffs.Put(c.ID, t)
	c.After = t
	return nil
}
