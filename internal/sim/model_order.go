package sim

import (
	"fmt"
	"time"

	"tapline/payment"
	"tapline/processor"
)

func (m *model) makeOrder(id, payee string, minor int64, life time.Duration, now time.Time) string {
	if _, ok := m.payees[payee]; !ok {
		return refused(processor.ErrUnknownPayee)
	}
	if _, taken := m.orders[id]; taken {
		return refused(processor.ErrConflict)
	}
	m.orders[id] = mOrder{payee: payee, state: "open", minor: minor, expires: now.Add(life)}
	return "open"
}

func (m *model) cancelOrder(id, payee string, now time.Time) string {
	o, ok := m.orders[id]
	if !ok || o.payee != payee {
		return refused(processor.ErrUnknownOrder)
	}
	if o.state == "claimed" {
		p := m.payments[o.payment]
		if p.due(now) {
			return "not expired"
		}
		m.step(o.payment, p, "cancelled", "payee", now)
		if m.orders[id].state == "expired" { // with its payment, which could be undone for longer
			return "expired"
		}
	}
	if err := m.payable(id, "", now); err != nil {
		return refused(err)
	}
	o = m.orders[id]
	o.state, o.payment = "cancelled", ""
	m.orders[id] = o
	return "cancelled"
}

// refund gives money of a settled payment back, out of the account that its payee has now: nothing of it, or all.
func (m *model) refund(id, of, payee string, minor int64) string {
	p, ok := m.payments[of]
	if !ok || p.payee != payee || !p.shown() {
		return refused(processor.ErrUnknownPayment)
	}
	left, account := p.minor-p.refunded, m.payees[payee].account
	if minor == 0 {
		minor = left
	}
	switch {
	case p.state != "settled":
		return refused(payment.ErrNotRefundable)
	case left == 0:
		return refused(payment.ErrRefunded)
	case minor > left:
		return refused(payment.ErrRefundTooMuch)
	case m.available(account) < minor:
		return refused(processor.ErrPayeeBalance)
	}
	m.enter(id+"/post", "post", account, p.cardAccount, minor)
	p.refunded += minor
	p.version++
	m.payments[of] = p
	return fmt.Sprintf("%d of %d", p.refunded, p.minor)
}
