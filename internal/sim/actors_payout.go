package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tapline/ledger"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

// ofPayouts is what operators and payees do about money that leaves.
func (r *run) ofPayouts() *request {
	o, payee := any1(r, r.operators), any1(r, r.payees)
	switch n := r.rng.IntN(24); {
	case n < 2:
		return r.setBank(o, payee)
	case n < 4:
		return r.decideBank(o, payee)
	case n < 6:
		return r.scheduled(o, payee)
	case n < 7:
		return r.adjust(o, payee)
	case n < 10:
		return r.makePayout(o, payee)
	case n < 12:
		return r.payOutCard(o)
	case n < 14:
		return r.sendPayouts(o)
	}
	return r.stepPayout(o)
}

func planOf(payee string) processor.PlanID {
	return processor.PlanID{Payee: payment.Handle(payee), Currency: "CNY"}
}

func planText(p processor.PayoutPlan) string {
	return mPlan{to: p.To.Name, next: p.Change.To.Name, asked: string(p.Change.RequestedBy), confirmed: string(p.Change.ConfirmedBy), from: p.Change.From, version: p.Version}.text()
}

func payoutText(p payout.Payout) string {
	return mPayout{state: string(p.State), minor: p.Amount.Minor, account: string(p.Account), to: p.To.Name}.text()
}

// delay is how long a bank account waits until it counts.
func (r *run) delay() time.Duration {
	return any1(r, []time.Duration{0, 2 * time.Second, 10 * time.Second, time.Minute, time.Hour})
}

func (r *run) setBank(o, payee string) *request {
	if r.rng.IntN(30) == 0 {
		payee = "nobody@sim"
	}
	return r.newBank(o, payee, r.rng.IntN(4) > 0, r.delay())
}

func (r *run) newBank(o, payee string, fourEyes bool, delay time.Duration) *request {
	to := r.next("bank")
	q := r.operator(o, "wants %s for %s, other eyes %v, after %v", to, payee, fourEyes, delay)
	q.make = func() processor.Command {
		return &processor.SetBankAccount{Operated: by(o), PlanID: planOf(payee), To: payout.BankAccount{Name: to, Other: "00123456"}, FourEyes: fourEyes, Delay: delay}
	}
	q.result = func(c processor.Command) string { return planText(c.(*processor.SetBankAccount).After) }
	q.expect = func(m *model, now timeOf) string { return m.setBank(payee, to, o, fourEyes, delay, now) }
	return q
}

// decideBank confirms or rejects a bank account, mostly one that waits, as somebody has seen it now or some time ago.
func (r *run) decideBank(o, payee string) *request {
	for handle := range r.waits(func(p mPlan) bool { return p.next != "" && p.from.IsZero() }) {
		payee = handle
	}
	confirm, delay, version := r.rng.IntN(5) > 0, r.delay(), r.model.plans[payee].version
	if r.rng.IntN(6) == 0 {
		version--
	}
	q := r.operator(o, "decides about version %d of where %s is paid out to: %v, after %v", version, payee, confirm, delay)
	q.make = func() processor.Command {
		return &processor.DecideBankAccount{Operated: by(o), PlanID: planOf(payee), Confirm: confirm, Version: version, Delay: delay}
	}
	q.result = func(c processor.Command) string { return planText(c.(*processor.DecideBankAccount).After) }
	q.expect = func(m *model, now timeOf) string { return m.decideBank(payee, o, confirm, version, delay, now) }
	return q
}

// waits are payees whose plans are so, in the order of their names.
func (r *run) waits(so func(mPlan) bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, payee := range r.payees {
			if so(r.model.plans[payee]) && !yield(payee) {
				return
			}
		}
	}
}

// schedule says when a payee is paid out: mostly soon.
func (r *run) schedule(o, payee string) *request {
	s := mPlan{daily: r.rng.IntN(4) > 0, least: any1(r, []int64{0, 0, 5_00, 30_00}), keep: any1(r, []int64{0, 0, 1, 10_00})}
	command := payout.Schedule{Least: s.least, Keep: s.keep}
	if s.daily {
		now := r.now()
		s.minute = (now.Hour()*60 + now.Minute() + 1 + r.rng.IntN(2)) % (24 * 60)
		command.Every, command.Minute = payout.Daily, s.minute
	}
	q := r.operator(o, "lets %s be paid out: %+v", payee, command)
	q.make = func() processor.Command {
		return &processor.SetPayoutSchedule{Operated: by(o), PlanID: planOf(payee), Schedule: command}
	}
	q.result = func(c processor.Command) string {
		return fmt.Sprint("next at ", at(c.(*processor.SetPayoutSchedule).After.NextAt))
	}
	q.expect = func(m *model, now timeOf) string { return m.schedule(payee, s, now) }
	return q
}

// scheduled is a service that looks for payouts whose time has come, and has no key for that. The one that runs does not: it would
// give them ids of its own, which are others in each run.
func (r *run) scheduled(o, payee string) *request {
	due := false
	for handle := range r.waits(func(p mPlan) bool { return !p.due.IsZero() && p.due.Before(r.now()) }) {
		payee, due = handle, true
	}
	if !due && r.rng.IntN(4) > 0 {
		return r.schedule(o, payee)
	}
	id := r.next("out")
	q := &request{name: fmt.Sprintf("the schedule makes %s of %s", id, payee)}
	q.make = func() processor.Command {
		return &processor.PayScheduled{Plan: planOf(payee), ID: payout.ID(id), Alone: payoutsAlone}
	}
	q.result = func(c processor.Command) string {
		if made := c.(*processor.PayScheduled).Made; made != nil {
			return payoutText(*made)
		}
		return "nothing"
	}
	q.expect = func(m *model, now timeOf) string { return m.scheduled(id, payee, now) }
	return q
}

func (r *run) adjust(o, payee string) *request {
	account := r.model.payees[payee].account
	if r.rng.IntN(4) == 0 {
		account = r.model.cards[any1(r, r.cards).id].account
	}
	return r.correct(o, account, r.rng.IntN(3) == 0, []int64{1, 10_00, 50_00}[r.rng.IntN(3)])
}

func (r *run) correct(o, account string, debit bool, minor int64) *request {
	id := r.next("adj")
	q := r.operator(o, "corrects %s by %d, debit %v", account, minor, debit)
	q.make = func() processor.Command {
		return &processor.Adjust{Operated: by(o), ID: id, Account: ledger.AccountID(account), Debit: debit, Amount: cny(minor), Alone: alone}
	}
	q.result = func(c processor.Command) string { return fmt.Sprint("done: ", c.(*processor.Adjust).After.Balance()) }
	q.expect = func(m *model, _ timeOf) string { return m.adjust(id, account, debit, minor) }
	return q
}

// makePayout asks for some of a payee's money, or all, from the account that it has or one that it had: an operator, or a program of
// the payee's.
func (r *run) makePayout(o, payee string) *request {
	id, account, minor := r.next("out"), "", int64(0)
	p := r.model.payees[payee]
	if former := append(strings.Fields(p.former), p.account); r.rng.IntN(4) == 0 {
		account = any1(r, former)
	}
	switch r.rng.IntN(20) {
	case 0:
		account = "acc_nobody"
	case 1:
		payee = "nobody@sim"
	}
	if r.rng.IntN(2) == 0 {
		minor = []int64{1, 10_00, 20_00, 21_00, 60_00}[r.rng.IntN(5)]
	}
	what := fmt.Sprintf("wants %s: %d of %q paid out to %s", id, minor, account, payee)
	q := r.payee(payee, "%s", what)
	if r.rng.IntN(2) == 0 {
		q = r.operator(o, "%s", what)
	} else {
		o = ""
	}
	q.make = func() processor.Command {
		return &processor.MakePayout{Operated: by(o), Payee: payment.Handle(payee), Account: ledger.AccountID(account), Minor: minor, ID: payout.ID(id), Alone: payoutsAlone}
	}
	q.result = func(c processor.Command) string { return payoutText(c.(*processor.MakePayout).Made) }
	q.expect = func(m *model, now timeOf) string { return m.makePayout(id, payee, account, o, minor, now) }
	return q
}

// payOutCard pays out what is left on a closed card; where there is none, somebody tries with another, or closes one for that.
func (r *run) payOutCard(o string) *request {
	c := any1(r, r.cards)
	for _, other := range r.cards {
		if known := r.model.cards[other.id]; known.state == "closed" && known.replacedBy == "" && r.model.available(known.account) > 0 {
			c = other
		}
	}
	if known := r.model.cards[c.id]; known.state != "closed" && r.rng.IntN(8) == 0 {
		return r.setState(o, c, processor.CardClosed)
	}
	id, to, cash := r.next("out"), r.next("bank"), r.rng.IntN(2) == 0
	q := r.operator(o, "pays %s out to %s as %s, cash %v", c.id, to, id, cash)
	q.make = func() processor.Command {
		account := payout.BankAccount{Name: to, Cash: cash}
		if !cash {
			account.Other = "00123456"
		}
		return &processor.PayOutCard{Operated: by(o), Card: payment.CardID(c.id), To: account, ID: payout.ID(id), Alone: payoutsAlone}
	}
	q.result = func(c processor.Command) string { return payoutText(c.(*processor.PayOutCard).Made) }
	q.expect = func(m *model, now timeOf) string { return m.payOutCard(id, c.id, to, o, cash, now) }
	return q
}

// sendPayouts takes a file for the bank, with what somebody saw in the list of payouts.
func (r *run) sendPayouts(o string) *request {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(r.model.payouts)) {
		if state := r.model.payouts[id].state; state == "ready" || r.rng.IntN(8) == 0 {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return r.makePayout(o, any1(r, r.payees))
	}
	file := r.next("file")
	q := r.operator(o, "takes %s with %v", file, ids)
	q.make = func() processor.Command {
		c := &processor.SendPayouts{Operated: by(o), File: processor.PayoutFile{ID: payout.FileID(file), Currency: "CNY",
			From: payout.BankAccount{Name: "Operator", Other: "00654321"}, On: "2000-01-03"}}
		for _, id := range ids {
			c.Payouts = append(c.Payouts, payout.ID(id))
		}
		return c
	}
	q.result = func(c processor.Command) string {
		f := c.(*processor.SendPayouts).File
		return fmt.Sprintf("%d with %d", f.Payouts, f.Total)
	}
	q.expect = func(m *model, now timeOf) string { return m.send(file, o, ids, now) }
	return q
}

// nextSteps are what operators mostly do to a payout in a state.
var nextSteps = map[string][]payout.Verb{
	"requested": {payout.Approve, payout.Approve, payout.Approve, payout.Cancel}, "ready": {payout.Confirm, payout.Confirm, payout.Cancel},
	"sent": {payout.Confirm, payout.Return}, "confirmed": {payout.Return}, "returned": {payout.Return, payout.Confirm}, "cancelled": {payout.Approve},
}

// stepPayout goes on with a payout, mostly with one whose money is set aside.
func (r *run) stepPayout(o string) *request {
	ids := slices.Sorted(maps.Keys(r.model.payouts))
	if open := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !r.model.payouts[id].open() }); len(open) > 0 && r.rng.IntN(3) > 0 {
		ids = open
	}
	if len(ids) == 0 {
		return r.makePayout(o, any1(r, r.payees))
	}
	id := any1(r, ids)
	p := r.model.payouts[id]
	if p.state == "ready" && !p.cash && r.rng.IntN(6) > 0 {
		return r.sendPayouts(o)
	}
	verb := any1(r, nextSteps[p.state])
	switch r.rng.IntN(20) {
	case 0:
		id = "out_nobody"
	case 1, 2:
		verb = any1(r, []payout.Verb{payout.Approve, payout.Cancel, payout.Confirm, payout.Return})
	}
	q := r.operator(o, "%ss %s", verb, id)
	q.make = func() processor.Command {
		return &processor.StepPayout{Operated: by(o), ID: payout.ID(id), Verb: verb, Alone: payoutsAlone}
	}
	q.result = func(c processor.Command) string { return payoutText(c.(*processor.StepPayout).After) }
	q.expect = func(m *model, now timeOf) string { return m.stepPayout(id, o, string(verb), now) }
	return q
}
