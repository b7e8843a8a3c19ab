package sim

import (
	"time"

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
	}
	if err := m.payable(id, "", now); err != nil {
		return refused(err)
	}
	o = m.orders[id]
	o.state, o.payment = "cancelled", ""
	m.orders[id] = o
	return "cancelled"
}
