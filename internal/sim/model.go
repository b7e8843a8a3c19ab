package sim

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"tapline/consent"
	"tapline/money"
	"tapline/order"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

// model is what the service should be: the rules of docs/payment.md and of the decisions once more, over maps, one command
// at a time, without batches, a database or anything of package processor but the names of its errors. Its methods named for
// a command do it and say what comes of it, in words that are compared with what came of it in truth.
type model struct {
	policy payment.Policy

	accounts  map[string]mAccount
	entries   map[string]string // by id: what it does
	cards     map[string]mCard
	byKey     map[string]string // card keys
	bound     map[string]bool   // "card device"
	devices   map[string]bool   // whether it may act
	payees    map[string]mPayee
	payments  map[string]mPayment
	orders    map[string]mOrder
	topUps    map[string]mTopUp
	tries     map[string]mTries
	passkeys  map[string]mPasskey
	keys      map[processor.KeyID]mKey
	challenge map[string]mChallenge
	evidence  map[string]string // "payment role": device
	fees      map[string]mFee   // by payee, or empty for all that have none
	payouts   map[string]mPayout
	plans     map[string]mPlan // by payee
	files     map[string]mFile

	paid, paidBefore map[string]time.Time // "card-account payee-account": when it paid last; and when this transaction began
	movedBefore      map[string]bool      // payees that had another account when this transaction began
}

type mAccount struct {
	posted, held int64 // held: of what was posted, or yet to come in
	turnover     mTurnover
}

// mFee is a tariff: what the operator takes of payments from now on.
type mFee struct {
	points, fixed int64
	byPayer       bool // besides the amount
}

type mDay struct {
	day   int64
	minor int64
}

type mCode struct {
	purpose, mac string
	from, until  time.Time
}

type mCard struct {
	account, key, state, associated, pin string
	proves                               bool // itself
	counter                              int64
	level                                payment.Level
	issued                               time.Time
	code                                 mCode
	version                              int64
	byOperator, lost                     bool
	replacedBy                           string
	tapped, identified                   mDay
	approvalsSince                       time.Time
	approvals, passkeys                  int
}

type mPayee struct {
	account, former string // former: those that it had before, with a space after each
	rehearsals      bool
	undo            time.Duration
}

type mPayment struct {
	minor                                                 int64
	payee, payeeAccount, card, cardAccount, key           string
	initiator, associated, order                          string
	cardVersion                                           int64
	level                                                 payment.Level
	authentic, rehearsal                                  bool
	state, reason                                         string
	version                                               int64
	codeFailures                                          int
	refunded, fee                                         int64
	byPayer                                               bool // pays the fee besides
	undo                                                  time.Duration
	undoable                                              time.Time
	instructed, authenticated, confirmed, approved, ended time.Time
	deadline, expires, payBy                              time.Time
}

type mOrder struct {
	payee, state, payment string
	minor                 int64
	expires               time.Time
}

type mTopUp struct {
	account, by, state string
	minor              int64
	expires            time.Time
}

type mTries struct {
	used   int
	paused time.Time
	locked bool
}

type mPasskey struct {
	card, device string
	counter      uint32
	removed      bool
}

type mChallenge struct {
	minor   int64
	expires time.Time
	used    bool
}

type mKey struct {
	digest string
	at     time.Time
	done   bool
	body   string
	pin    string // what a PIN is compared with, between the two halves of its check
}

func newModel(policy payment.Policy) *model {
	return &model{
		policy: policy, accounts: map[string]mAccount{}, entries: map[string]string{}, cards: map[string]mCard{}, byKey: map[string]string{},
		bound: map[string]bool{}, devices: map[string]bool{}, payees: map[string]mPayee{}, payments: map[string]mPayment{},
		orders: map[string]mOrder{}, topUps: map[string]mTopUp{}, tries: map[string]mTries{}, passkeys: map[string]mPasskey{},
		keys: map[processor.KeyID]mKey{}, challenge: map[string]mChallenge{}, evidence: map[string]string{},
		paid: map[string]time.Time{}, fees: map[string]mFee{},
		payouts: map[string]mPayout{}, plans: map[string]mPlan{}, files: map[string]mFile{},
	}
}

func (m *model) clone() *model {
	c := *m
	c.accounts, c.entries, c.cards, c.byKey = maps.Clone(m.accounts), maps.Clone(m.entries), maps.Clone(m.cards), maps.Clone(m.byKey)
	c.bound, c.devices, c.payees, c.payments = maps.Clone(m.bound), maps.Clone(m.devices), maps.Clone(m.payees), maps.Clone(m.payments)
	c.orders, c.topUps, c.tries, c.passkeys = maps.Clone(m.orders), maps.Clone(m.topUps), maps.Clone(m.tries), maps.Clone(m.passkeys)
	c.keys, c.challenge, c.evidence = maps.Clone(m.keys), maps.Clone(m.challenge), maps.Clone(m.evidence)
	c.paid, c.fees = maps.Clone(m.paid), maps.Clone(m.fees)
	c.payouts, c.plans, c.files = maps.Clone(m.payouts), maps.Clone(m.plans), maps.Clone(m.files)
	return &c
}

// named are the errors that refuse a command, most particular first.
var named = []error{
	processor.ErrUnknownDevice, processor.ErrDeviceRevoked, processor.ErrUnknownPayment, processor.ErrUnknownCard,
	processor.ErrUnknownPasskey, processor.ErrUnknownOrder, processor.ErrUnknownPayee, processor.ErrUnknownAccount,
	processor.ErrUnknownTopUp, processor.ErrTopUpOver, processor.ErrSameOperator, processor.ErrUnknownOperator,
	processor.ErrPaymentExists, processor.ErrCardExists, processor.ErrCardState, processor.ErrTapUsed, processor.ErrPayeeExists,
	processor.ErrNoRehearsals, processor.ErrCurrency, processor.ErrStatement, processor.ErrLimitExceeded,
	processor.ErrTooManyApprovals, processor.ErrTooManyChallenges, payment.ErrFinal, payment.ErrExpired, payment.ErrNotAllowed,
	payment.ErrNotYours, consent.ErrPaused, consent.ErrLocked, consent.ErrPasskey, order.ErrClaimed, order.ErrClosed,
	processor.ErrConflict, processor.ErrPayeeBalance, payment.ErrNotRefundable, payment.ErrRefunded, payment.ErrRefundTooMuch,
	processor.ErrFee, processor.ErrUnknownTariff, processor.ErrUnknownPayout, processor.ErrNoBankAccount, processor.ErrBankChange,
	processor.ErrPayoutLeast, processor.ErrNothingReady, processor.ErrAccountBalance, payout.ErrNotNow,
}

// refused is an error in words.
func refused(err error) string {
	for _, n := range named {
		if errors.Is(err, n) {
			return "refused: " + n.Error()
		}
	}
	if mismatch, ok := errors.AsType[*processor.OrderMismatch](err); ok {
		return "refused: another " + mismatch.Field
	}
	return "error: " + err.Error()
}

func latest(times ...time.Time) time.Time {
	last := times[0]
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

func dayOf(t time.Time) int64 { return t.Unix() / 86400 }

func (d mDay) at(now time.Time) int64 {
	if dayOf(now) > d.day {
		return 0
	}
	return d.minor
}

func (d mDay) plus(minor int64, now time.Time) mDay {
	if dayOf(now) > d.day {
		d = mDay{day: dayOf(now)}
	}
	d.minor += minor
	return d
}

// open reports whether a payment has not ended.
func (p mPayment) open() bool { return p.ended.IsZero() }

// past reports whether an open payment's payer has authenticated.
func (p mPayment) past() bool {
	return p.state == "confirmation_required" || p.held()
}

// held reports whether money is held for a payment, or would be were it no rehearsal.
func (p mPayment) held() bool { return p.state == "approval_required" || p.state == "undoable" }

// shown reports whether a payment's payee is told of it.
func (p mPayment) shown() bool {
	return p.state == "settled" || p.state == "rehearsed" || !p.undoable.IsZero() || !p.confirmed.IsZero()
}

func (p mPayment) needsSecond() bool {
	return p.level == payment.LevelApprove && (p.associated == "" || p.associated != p.initiator)
}

// begin remembers what a transaction finds: it looks for it once.
func (m *model) begin() {
	m.paidBefore, m.movedBefore = maps.Clone(m.paid), map[string]bool{}
	for handle, p := range m.payees {
		m.movedBefore[handle] = p.former != ""
	}
}

// moved reports whether a card account has paid a payee last while that had another account. A payee that is moved in the same
// transaction has not been, as far as the others in it can tell.
func (m *model) moved(payee, card string) bool {
	if !m.movedBefore[payee] {
		return false
	}
	p := m.payees[payee]
	last := m.paidBefore[card+" "+p.account]
	for former := range strings.FieldsSeq(p.former) {
		if m.paidBefore[card+" "+former].After(last) {
			return true
		}
	}
	return false
}

// available is what a card account can spend.
func (m *model) available(account string) int64 {
	return m.accounts[account].posted - m.accounts[account].held
}

// enter moves money: the kind of entry, from the one account to the other.
func (m *model) enter(id, kind, from, to string, minor int64) {
	what := fmt.Sprintf("%s %s>%s %d", kind, from, to, minor)
	if was, twice := m.entries[id]; twice {
		panic("the model entered " + id + " twice: " + was + " and " + what)
	}
	m.entries[id] = what
	a, b := m.accounts[from], m.accounts[to]
	switch kind {
	case "hold":
		a.held += minor
	case "release":
		a.held -= minor
	case "post_hold":
		a.held -= minor
		a.posted -= minor
		b.posted += minor
	case "post":
		a.posted -= minor
		b.posted += minor
	}
	m.accounts[from], m.accounts[to] = a, b
}

// payable is why an order cannot be claimed by a payment, nil if it can.
func (m *model) payable(id, by string, now time.Time) error {
	o := m.orders[id]
	switch {
	case o.state == "claimed" && o.payment == by:
		return nil
	case o.state == "paid" || o.state == "cancelled" || o.state == "expired" || !now.Before(o.expires):
		return order.ErrClosed
	case o.state == "claimed":
		return order.ErrClaimed
	}
	return nil
}

// expireOrder ends an order whose time is over, as whoever looks at it does.
func (m *model) expireOrder(id string, now time.Time) {
	if o := m.orders[id]; o.state == "open" && !now.Before(o.expires) {
		o.state = "expired"
		m.orders[id] = o
	}
}

var waits = map[string]time.Duration{
	"authentication_required": 120 * time.Second, "confirmation_required": 120 * time.Second, "approval_required": 180 * time.Second,
}

// step brings a payment to a state, with its money and its order, or rejects it where these are not to be had.
func (m *model) step(id string, p mPayment, to, reason string, now time.Time) mPayment {
	money := ""
	switch {
	case to == "approval_required" || to == "undoable":
		money = "hold"
	case to == "settled":
		money = "post_hold"
	case to != "rehearsed" && waits[to] == 0:
		money = "release"
	}
	switch {
	case !p.held() && (money == "post_hold" || to == "rehearsed"):
		money = "post"
	case !p.held() && money == "release", p.held() && money == "hold":
		money = ""
	}
	if p.order != "" && (waits[to] > 0 && to != "authentication_required" || to == "undoable" || to == "settled" || to == "rehearsed") {
		if m.payable(p.order, id, now) != nil {
			return m.step(id, p, "rejected", "order_unavailable", now)
		}
	}
	if (money == "hold" || money == "post") && m.available(p.cardAccount) < p.total() {
		return m.step(id, p, "rejected", "insufficient_funds", now)
	}
	if money != "" && !p.rehearsal {
		name := money
		if money == "post_hold" {
			name = "post"
		}
		m.enterPayment(id+"/"+name, money, p)
	}
	m.spent(p, to, now)
	orderNow := now
	now = latest(now, p.instructed, p.authenticated, p.confirmed, p.approved, p.undoable)
	m.counts(p, money, now)
	if to == "settled" && p.total() > p.fee { // something has reached the payee
		way := p.cardAccount + " " + p.payeeAccount
		m.paid[way] = latest(m.paid[way], now)
	}
	p.state, p.version = to, p.version+1
	if to == "undoable" {
		p.undoable, p.deadline = now, now.Add(p.undo)
	} else if wait := waits[to]; wait > 0 {
		p.deadline = now.Add(wait)
		if p.expires.Before(p.deadline) {
			p.deadline = p.expires
		}
	} else {
		p.ended, p.reason = now, reason
	}
	m.payments[id] = p
	m.follow(id, p, orderNow)
	return p
}

// spent counts a payment in its card's sums of the day, when all was given that it needs; and one that was undone no more.
func (m *model) spent(p mPayment, to string, now time.Time) {
	c := m.cards[p.card]
	count := func(d mDay) mDay {
		switch {
		case p.state != "undoable" && (to == "settled" || to == "undoable"):
			return d.plus(p.total(), now)
		case p.state == "undoable" && to != "settled" && d.day == dayOf(p.undoable):
			d.minor = max(0, d.minor-p.total())
		}
		return d
	}
	if p.card == "" || p.rehearsal {
		return
	}
	if p.level == payment.LevelTap {
		c.tapped = count(c.tapped)
	}
	if !p.authentic {
		c.identified = count(c.identified)
	}
	m.cards[p.card] = c
}

// follow does to a payment's order what the payment's step means for it.
func (m *model) follow(id string, p mPayment, now time.Time) {
	o, ok := m.orders[p.order]
	mine := ok && o.state == "claimed" && o.payment == id
	switch {
	case !ok:
		return
	case p.state == "settled":
		o.state, o.payment = "paid", id
	case p.past():
		o.state, o.payment = "claimed", id
	case mine && !p.open() && !now.Before(o.expires):
		o.state, o.payment = "expired", ""
	case mine && !p.open():
		o.state, o.payment = "open", ""
	}
	m.orders[p.order] = o
}

// expire ends a payment whose wait is over. It reports whether the wait was.
func (m *model) expire(id string, now time.Time) bool {
	p, ok := m.payments[id]
	if !ok || !p.open() || now.Before(p.deadline) || p.state == "undoable" {
		return false
	}
	m.step(id, p, "expired", "timed_out", now)
	return true
}

// settle ends a payment that nobody has undone in time. It reports whether the time was over.
func (m *model) settle(id string, now time.Time) bool {
	p, ok := m.payments[id]
	if !ok || p.state != "undoable" || now.Before(p.deadline) {
		return false
	}
	m.step(id, p, p.complete(), "", now)
	return true
}

// due reports whether nothing can happen to a payment but that it expires.
func (p mPayment) due(now time.Time) bool { return p.open() && !now.Before(p.deadline) }

// changed is a card that was frozen, bound, closed or given a PIN: its open payments are cancelled, if authenticated.
func (m *model) changed(id string, c mCard, now time.Time) {
	c.version++
	m.cards[id] = c
	for pid, p := range m.payments {
		if p.card == id && p.past() && !p.due(now) {
			m.step(pid, p, "cancelled", "card_changed", now)
		}
	}
}

// active is why a device cannot act, nil if it can.
func (m *model) active(device string) error {
	can, known := m.devices[device]
	switch {
	case !known:
		return processor.ErrUnknownDevice
	case !can:
		return processor.ErrDeviceRevoked
	}
	return nil
}

// cny is an amount of the one currency of the simulation.
func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }
