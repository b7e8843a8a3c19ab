package processor

import (
	"time"

	"tapline/money"
	"tapline/payment"
	"tapline/payout"
)

// PlanID names a payout plan.
type PlanID struct {
	Payee    payment.Handle
	Currency money.Currency
}

// PayoutPlan says where a payee's money of a currency is paid out to, and when.
type PayoutPlan struct {
	PlanID
	To       payout.BankAccount // zero while there is none
	Change   BankChange         // that waits; zero for none
	Schedule payout.Schedule
	NextAt   time.Time // when the schedule pays next; zero for never
	Version  int64     // counts the changes, from 1
}

// BankChange is another bank account that waits to take the place of one.
type BankChange struct {
	To          payout.BankAccount `json:"to"`
	RequestedBy OperatorID         `json:"requested_by"`
	RequestedAt time.Time          `json:"requested_at"`
	ConfirmedBy OperatorID         `json:"confirmed_by,omitempty"` // where it takes two operators
	From        time.Time          `json:"from,omitzero"`          // when it counts; zero while another operator has to confirm it
}

// At is the plan at a time: with the changed bank account from when it counts.
func (p PayoutPlan) At(now time.Time) PayoutPlan {
	if !p.Change.From.IsZero() && !now.Before(p.Change.From) {
		p.To, p.Change = p.Change.To, BankChange{}
	}
	return p
}

// planned is a payee's plan for an operator's command, and the payee.
func (u *Unit) planned(o Operated, id PlanID, action string) (PayoutPlan, error) {
	payee, err := o.payeeNamed(u, id.Payee, action)
	if err != nil {
		return PayoutPlan{}, err
	}
	if _, ok := payee.In(id.Currency); !ok {
		return PayoutPlan{}, ErrCurrency
	}
	row, _ := u.PayoutPlans.Get(id)
	plan := row.At(u.Now)
	plan.PlanID = id
	return plan, nil
}

func (u *Unit) putPlan(p PayoutPlan) PayoutPlan {
	p.Version++
	u.PayoutPlans.Put(p.PlanID, p)
	return p
}

// tellBank tells a payee that its bank account is about to change, has changed, or does not change after all; and operators.
func (u *Unit) tellBank(p PayoutPlan, happened string) {
	u.Tell(Event{Type: "payee.bank_account_" + happened, Subject: string(p.Payee), State: happened, Version: p.Version,
		To: []Principal{PayeePrincipal(p.Payee), OperatorsPrincipal}})
}

// SetBankAccount asks for another bank account of a payee. The payee is told at once. It counts after a delay, in which the payee
// can object and an operator reject it; and, where operators need another one, not before another one has confirmed it. What was
// asked for before and waits is given up.
type SetBankAccount struct {
	Operated
	PlanID
	To       payout.BankAccount
	FourEyes bool
	Delay    time.Duration

	After PayoutPlan // result
}

// Wants names the payee and its plan.
func (c *SetBankAccount) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Payees = append(w.Payees, c.Payee)
	w.PayoutPlans = append(w.PayoutPlans, c.PlanID)
}

// Do takes note of it.
func (c *SetBankAccount) Do(u *Unit) error {
	plan, err := u.planned(c.Operated, c.PlanID, "payee.bank_account.request")
	if err != nil {
		return err
	}
	plan.Change = BankChange{To: c.To, RequestedBy: c.By, RequestedAt: u.Now}
	if !c.FourEyes {
		plan.Change.From = u.Now.Add(c.Delay)
	}
	c.After = u.putPlan(plan)
	u.tellBank(c.After, "requested")
	return nil
}

// DecideBankAccount confirms or rejects a change of a bank account. Who asked for it can only reject it. One that was confirmed can be
// rejected until it counts.
type DecideBankAccount struct {
	Operated
	PlanID
	Confirm bool
	Version int64 // of the plan that the operator has seen: nobody confirms what was put in its place since
	Delay   time.Duration

	After PayoutPlan // result
}

// Wants names the payee and its plan.
func (c *DecideBankAccount) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Payees = append(w.Payees, c.Payee)
	w.PayoutPlans = append(w.PayoutPlans, c.PlanID)
}

// Do decides.
func (c *DecideBankAccount) Do(u *Unit) error {
	action, happened := "payee.bank_account.reject", "rejected"
	if c.Confirm {
		action, happened = "payee.bank_account.confirm", "confirmed"
	}
	plan, err := u.planned(c.Operated, c.PlanID, action)
	if err != nil {
		return err
	}
	switch {
	case plan.Change == (BankChange{}) || plan.Version != c.Version || c.Confirm && !plan.Change.From.IsZero():
		return ErrBankChange
	case c.Confirm && plan.Change.RequestedBy == c.By:
		return ErrSameOperator
	case c.Confirm:
		plan.Change.ConfirmedBy, plan.Change.From = c.By, u.Now.Add(c.Delay)
	default:
		plan.Change = BankChange{}
	}
	c.After = u.putPlan(plan)
	u.tellBank(c.After, happened)
	return nil
}

// SetPayoutSchedule says when a payee is paid out, in the place of what was said before.
type SetPayoutSchedule struct {
	Operated
	PlanID
	Schedule payout.Schedule

	After PayoutPlan // result
}

// Wants names the payee and its plan.
func (c *SetPayoutSchedule) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Payees = append(w.Payees, c.Payee)
	w.PayoutPlans = append(w.PayoutPlans, c.PlanID)
}

// Do sets it.
func (c *SetPayoutSchedule) Do(u *Unit) error {
	plan, err := u.planned(c.Operated, c.PlanID, "payee.payout_schedule")
	if err != nil {
		return err
	}
	plan.Schedule, plan.NextAt = c.Schedule, c.Schedule.Next(u.Now)
	c.After = u.putPlan(plan)
	u.Tell(Event{Type: "payee.payout_schedule_set", Subject: string(c.Payee), State: string(c.Schedule.Every), Version: c.After.Version,
		To: []Principal{PayeePrincipal(c.Payee)}})
	return nil
}

// PayScheduled pays a payee out whose schedule says so by now, once: the schedule moves on in the same transaction. What was missed
// while no service ran is paid once. Where there is no bank account, or too little money, it pays nothing and moves on.
type PayScheduled struct {
	Plan  PlanID
	ID    payout.ID // of the payout, if there is one
	Alone int64     // as in MakePayout

	Made *payout.Payout // result; nil if nothing is paid out
}

// Wants names the payee, its plan, and both accounts.
func (c *PayScheduled) Wants(u *Unit, w *Wants) {
	w.PayoutPlans = append(w.PayoutPlans, c.Plan)
	w.Payees = append(w.Payees, c.Plan.Payee)
	w.Payouts = append(w.Payouts, c.ID)
	if p, ok := u.Payees.rows[c.Plan.Payee]; ok {
		if account, ok := p.In(c.Plan.Currency); ok {
			w.Accounts = append(w.Accounts, account, issuance(c.Plan.Currency))
		}
	}
}

// Do pays.
func (c *PayScheduled) Do(u *Unit) error {
	c.Made = nil
	row, ok := u.PayoutPlans.Get(c.Plan)
	if !ok || row.NextAt.IsZero() || u.Now.Before(row.NextAt) {
		return nil // another node was faster
	}
	plan := row.At(u.Now)
	plan.NextAt = plan.Schedule.Next(u.Now)
	u.putPlan(plan)
	payee, _ := u.Payees.Get(c.Plan.Payee)
	id, ok := payee.In(c.Plan.Currency)
	if !ok || plan.To == (payout.BankAccount{}) {
		return nil
	}
	account, _ := u.Accounts.Get(id)
	minor := min(plan.Schedule.Due(account.Available()), money.MaxMinor)
	if minor == 0 {
		return nil
	}
	p, err := u.makePayout(payout.Payout{ID: c.ID, Payee: c.Plan.Payee, Account: id, Amount: money.Amount{Minor: minor, Currency: c.Plan.Currency},
		To: plan.To, AskedBy: BySchedule}, c.Alone)
	if err != nil {
		return err
	}
	c.Made = &p
	return nil
}
