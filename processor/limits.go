package processor

import (
	"time"
	_ "time/tzdata" // cardholders name time zones, and the system may have none

	"tapline/ledger"
	"tapline/payment"
)

// Limits are the operator's for every card and every payee that has no others of its own.
type Limits struct {
	Cards  ledger.Limits
	Payees ledger.Limits
}

// exceeded says which limit a step would exceed that sets money aside or moves it at once, or would in a rehearsal; empty for
// none. The rows that are looked at are locked until the step is done, and the step writes them.
func (u *Unit) exceeded(o payment.Outcome) payment.Reason {
	e := o.Entry
	if e == nil {
		e = o.Trial
	}
	if e == nil || e.Action != ledger.Hold && e.Action != ledger.Post {
		return ""
	}
	p := o.Payment
	from, _ := u.Accounts.Get(p.CardAccount)
	to, _ := u.Accounts.Get(p.PayeeAccount)
	card, _ := u.Cards.Get(p.Card)
	if atNight(card.Rules.Night, u.Now) {
		return payment.Exceeding(payment.LimitOfOwner, payment.OwnNight)
	}
	for _, l := range []struct {
		whose string
		ledger.Limits
		ledger.Turnover
		minor int64
	}{
		{payment.LimitOfCard, from.Limits.Else(u.limits.Cards), from.Turnover, p.Total().Minor},
		{payment.LimitOfOwner, card.Rules.Limits, from.Turnover, p.Total().Minor},
		{payment.LimitOfPayee, to.Limits.Else(u.limits.Payees), to.Turnover, p.Amount.Minor},
	} {
		if over := l.Exceeded(l.Turnover, l.minor, u.Now); over != "" {
			return payment.Exceeding(l.whose, over)
		}
	}
	return ""
}

// atNight reports whether the card does not pay at a time. Where nobody knows what time it is there, it does not.
func atNight(n payment.Night, now time.Time) bool {
	if n == (payment.Night{}) {
		return false
	}
	zone, err := time.LoadLocation(n.Zone)
	return err != nil || n.At(now.In(zone))
}

// countTurnover counts a payment, of a card with a fee that the payer bears and of a payee with all of the amount, when its money is
// set aside, or moves at once, and gives it back when what was set aside is released. What a refund gives back stays counted.
func (u *Unit) countTurnover(o payment.Outcome) {
	e := o.Entry
	if e == nil || e.Action == ledger.PostHold {
		return
	}
	p := o.Payment
	for _, side := range []struct {
		id    ledger.AccountID
		minor int64
	}{{p.CardAccount, p.Total().Minor}, {p.PayeeAccount, p.Amount.Minor}} {
		a, _ := u.Accounts.Get(side.id)
		if e.Action == ledger.Release {
			a.Turnover = a.Turnover.Take(side.minor, p.HeldAt())
		} else {
			a.Turnover = a.Turnover.Add(side.minor, e.At)
		}
		u.Accounts.Put(side.id, a)
	}
}

// SetLimits sets the limits of a card account or of a payee's, in the place of all that it had.
type SetLimits struct {
	Operated
	Account ledger.AccountID
	Limits  ledger.Limits

	After ledger.Account // result
}

// Wants names the account.
func (c *SetLimits) Wants(u *Unit, w *Wants) {
	c.want(w)
	w.Accounts = append(w.Accounts, c.Account)
	u.wantHolder(w, c.Account)
}

// Do sets the limits. Payments whose money is not set aside yet keep them, too.
func (c *SetLimits) Do(u *Unit) error {
	if err := c.record(u, "account.limits", string(c.Account)); err != nil {
		return err
	}
	a, ok := u.Accounts.Get(c.Account)
	if !ok || !a.Kind.HasPayments() {
		return ErrUnknownAccount
	}
	a.Limits = c.Limits
	u.Accounts.Put(a.ID, a)
	u.tellHolder(a.ID, "limits_changed", WakeAlarm, MailFacts{})
	c.After = a
	return nil
}
