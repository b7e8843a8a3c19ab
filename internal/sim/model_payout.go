package sim

import (
	"fmt"
	"strings"
	"time"

	"tapline/payout"
	"tapline/processor"
)

// Limits of the simulation's operators: what one may have paid out, or given back, alone.
const payoutsAlone = 20_00

// mPayout is money of an account that leaves to a bank, or in cash.
type mPayout struct {
	payee, account, to      string
	cash                    bool
	minor                   int64
	state                   string
	version                 int64
	by, approved, returning string // principals
	file                    string
	made, sent, paid, ended time.Time
}

// mPlan says where a payee's money is paid out to, and when.
type mPlan struct {
	to                     string // a bank account; empty for none
	next, asked, confirmed string // the one that is to follow, and by whom
	from                   time.Time
	version, least, keep   int64
	daily                  bool
	minute                 int
	due                    time.Time
}

// mFile is a file for the bank.
type mFile struct {
	payouts, minor int64
	by             string
	at             time.Time
}

// payoutSteps are the states that follow on what operators do: decision 36.
var payoutSteps = map[string]string{
	"requested approve": "ready", "requested cancel": "cancelled", "ready cancel": "cancelled", "sent confirm": "confirmed",
	"sent return": "returned", "confirmed return": "returned",
}

// open reports whether a payout's money is set aside.
func (p mPayout) open() bool {
	return p.state == "requested" || p.state == "ready" || p.state == "sent"
}

func (p mPayout) text() string {
	return fmt.Sprintf("%s %d from %s to %s", p.state, p.minor, p.account, p.to)
}

// at is the plan at a time: the bank account that follows has followed once its time has come.
func (p mPlan) at(now time.Time) mPlan {
	if p.next != "" && !p.from.IsZero() && !p.from.After(now) {
		p.to, p.next, p.asked, p.confirmed, p.from = p.next, "", "", "", time.Time{}
	}
	return p
}

func (m *model) plan(payee string, p mPlan) {
	p.version++
	m.plans[payee] = p
}

func (p mPlan) text() string {
	return fmt.Sprintf("%q, then %q by %q and %q from %d, version %d", p.to, p.next, p.asked, p.confirmed, at(p.from), p.version)
}

// setBank asks for another bank account, which counts after a delay, and not before another operator has confirmed it.
func (m *model) setBank(payee, to, by string, fourEyes bool, delay time.Duration, now time.Time) string {
	if _, ok := m.payees[payee]; !ok {
		return refused(processor.ErrUnknownPayee)
	}
	p := m.plans[payee].at(now)
	p.next, p.asked, p.confirmed, p.from = to, by, "", time.Time{}
	if !fourEyes {
		p.from = now.Add(delay)
	}
	m.plan(payee, p)
	return m.plans[payee].text()
}

func (m *model) decideBank(payee, by string, confirm bool, seen int64, delay time.Duration, now time.Time) string {
	if _, ok := m.payees[payee]; !ok {
		return refused(processor.ErrUnknownPayee)
	}
	p := m.plans[payee].at(now)
	switch {
	case p.next == "", p.version != seen, confirm && !p.from.IsZero():
		return refused(processor.ErrBankChange)
	case !confirm:
		p.next, p.asked, p.confirmed, p.from = "", "", "", time.Time{}
	case p.asked == by:
		return refused(processor.ErrSameOperator)
	default:
		p.confirmed, p.from = by, now.Add(delay)
	}
	m.plan(payee, p)
	return m.plans[payee].text()
}

// after is the next time of a daily schedule.
func (p mPlan) after(now time.Time) time.Time {
	if !p.daily {
		return time.Time{}
	}
	next := now.Truncate(24 * time.Hour).Add(time.Duration(p.minute) * time.Minute)
	if !next.After(now) {
		next = next.Add(24 * time.Hour)
	}
	return next
}

func (m *model) schedule(payee string, s mPlan, now time.Time) string {
	p := m.plans[payee].at(now)
	p.daily, p.minute, p.least, p.keep = s.daily, s.minute, s.least, s.keep
	p.due = p.after(now)
	m.plan(payee, p)
	return fmt.Sprint("next at ", at(p.due))
}

// scheduled pays a payee whose time has come, once, and moves the schedule on even if there is nothing to pay.
func (m *model) scheduled(id, payee string, now time.Time) string {
	p := m.plans[payee]
	if p.due.IsZero() || now.Before(p.due) {
		return "nothing"
	}
	p = p.at(now)
	p.due = p.after(now)
	account := m.payees[payee].account
	minor := m.available(account) - p.keep
	if _, taken := m.payouts[id]; taken && p.to != "" && minor > 0 && minor >= p.least {
		return refused(processor.ErrConflict)
	}
	m.plan(payee, p)
	if p.to == "" || minor <= 0 || minor < p.least {
		return "nothing"
	}
	return m.setAside(id, mPayout{payee: payee, account: account, to: p.to, minor: minor, by: "schedule"}, now)
}

// makePayout sets money of a payee's aside, for an operator, or for a program of the payee's if by is empty.
func (m *model) makePayout(id, payee, account, by string, minor int64, now time.Time) string {
	owner, ok := m.payees[payee]
	if !ok {
		return refused(processor.ErrUnknownPayee)
	}
	if account == "" {
		account = owner.account
	}
	if account != owner.account && !strings.Contains(" "+owner.former, " "+account+" ") {
		return refused(processor.ErrCurrency)
	}
	plan := m.plans[payee].at(now)
	if plan.to == "" {
		return refused(processor.ErrNoBankAccount)
	}
	who, left := "operator:"+by, m.available(account)
	if by == "" || minor == 0 { // only an operator who names an amount takes of what is kept
		left -= plan.keep
	}
	if by == "" {
		who = "payee:" + payee
		if minor > 0 && minor < plan.least {
			return refused(processor.ErrPayoutLeast)
		}
	}
	if minor == 0 {
		minor = left
	}
	switch {
	case minor < 1 || minor > left:
		return refused(processor.ErrAccountBalance)
	case by == "" && minor < plan.least:
		return refused(processor.ErrPayoutLeast)
	}
	return m.setAside(id, mPayout{payee: payee, account: account, to: plan.to, minor: minor, by: who}, now)
}

// payOutCard sets all aside that is left on the account of a card that is closed, unless another card is on it.
func (m *model) payOutCard(id, card, to, by string, cash bool, now time.Time) string {
	c, ok := m.cards[card]
	switch {
	case !ok:
		return refused(processor.ErrUnknownCard)
	case c.state != "closed" || c.replacedBy != "":
		return refused(processor.ErrCardState)
	}
	a := m.accounts[c.account]
	if a.held != 0 || a.posted < 1 {
		return refused(processor.ErrAccountBalance)
	}
	return m.setAside(id, mPayout{account: c.account, to: to, cash: cash, minor: a.posted, by: "operator:" + by}, now)
}

// setAside makes a payout. What is more than one person may do alone waits for an operator.
func (m *model) setAside(id string, p mPayout, now time.Time) string {
	p.state, p.version, p.made = "ready", 1, now
	if p.minor > payoutsAlone {
		p.state = "requested"
	}
	m.enter(id+"/hold", "hold", p.account, "issuance-CNY", p.minor)
	m.payouts[id] = p
	return p.text()
}

// stepPayout is what an operator does to a payout. Nobody approves what he has asked for, and two give back what is more than one may.
func (m *model) stepPayout(id, by, verb string, now time.Time) string {
	p, ok := m.payouts[id]
	if !ok {
		return refused(processor.ErrUnknownPayout)
	}
	to := payoutSteps[p.state+" "+verb]
	if p.cash && p.state == "ready" && verb == "confirm" {
		to = "confirmed"
	}
	if to == "" {
		return refused(payout.ErrNotNow)
	}
	by = "operator:" + by
	was, entry := p.state, ""
	switch verb {
	case "approve":
		if p.by == by {
			return refused(processor.ErrSameOperator)
		}
		p.approved = by
	case "cancel":
		p.ended, entry = now, "release"
	case "confirm":
		p.returning, p.paid, entry = "", now, "post_hold"
	case "return":
		switch {
		case p.minor > payoutsAlone && p.returning == "":
			p.returning, to = by, was // and another one has to ask for it, too
		case p.returning == by:
			return refused(processor.ErrSameOperator)
		case was == "sent":
			p.ended, entry = now, "release"
		default:
			p.ended = now
			m.enter(id+"/return", "post", "issuance-CNY", p.account, p.minor)
		}
	}
	if entry != "" {
		m.enter(id+"/"+strings.TrimSuffix(entry, "_hold"), entry, p.account, "issuance-CNY", p.minor)
	}
	p.state, p.version = to, p.version+1
	m.payouts[id] = p
	return p.text()
}

// send puts payouts into a file for the bank: those that are ready, and not to be handed over in cash.
func (m *model) send(file, by string, ids []string, now time.Time) string {
	if _, taken := m.files[file]; taken {
		return refused(processor.ErrConflict)
	}
	f := mFile{by: by, at: now}
	for _, id := range ids {
		p, ok := m.payouts[id]
		if !ok || p.state != "ready" || p.cash {
			continue
		}
		p.state, p.version, p.file, p.sent = "sent", p.version+1, file, now
		m.payouts[id] = p
		f.payouts, f.minor = f.payouts+1, f.minor+p.minor
	}
	if f.payouts == 0 {
		return refused(processor.ErrNothingReady)
	}
	m.files[file] = f
	return fmt.Sprintf("%d with %d", f.payouts, f.minor)
}

// adjust corrects a balance.
func (m *model) adjust(id, account string, debit bool, minor int64) string {
	if _, ok := m.accounts[account]; !ok {
		return refused(processor.ErrUnknownAccount)
	}
	from, to := "adjustment-CNY", account
	if debit {
		from, to = to, from
		if m.available(account) < minor {
			return refused(processor.ErrAccountBalance)
		}
	}
	m.enter(id+"/post", "post", from, to, minor)
	return fmt.Sprint("done: ", m.accounts[account].posted)
}
