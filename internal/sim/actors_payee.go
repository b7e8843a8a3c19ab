package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"tapline/order"
	"tapline/payment"
	"tapline/processor"
)

func (r *run) newOrder() *request {
	id, payee, minor := r.next("order"), any1(r, r.payees), r.amount()
	life := time.Duration(1+r.rng.IntN(20)) * time.Minute
	q := r.payee(payee, "makes %s of %d", id, minor)
	q.make = func() processor.Command {
		return &processor.MakeOrder{Life: life, Order: order.Order{Terms: order.Terms{
			ID: payment.OrderID(id), Payee: payment.Handle(payee), Amount: cny(minor), Reference: "1042", Description: "Books"}}}
	}
	q.result = func(c processor.Command) string { return string(c.(*processor.MakeOrder).Order.State) }
	q.expect = func(m *model, now timeOf) string { return m.makeOrder(id, payee, minor, life, now) }
	q.told = func(*sending) { r.orders = append(r.orders, id) }
	return q
}

func (r *run) cancelOrder() *request {
	if len(r.orders) == 0 {
		return nil
	}
	id, payee := any1(r, r.orders), any1(r, r.payees)
	q := r.payee(payee, "cancels %s", id)
	q.make = func() processor.Command {
		return &processor.CancelOrder{ID: payment.OrderID(id), Payee: payment.Handle(payee)}
	}
	q.result = func(c processor.Command) string { return string(c.(*processor.CancelOrder).After.State) }
	q.expect = func(m *model, now timeOf) string { return m.cancelOrder(id, payee, now) }
	return q
}

// undo says how long payments to a payee may be undone.
func (r *run) undo() *request {
	handle := any1(r, r.payees)
	undo := any1(r, []time.Duration{0, 0, 5 * time.Second, time.Minute, 20 * time.Minute})
	q := r.payee(handle, "lets payments be undone for %v", undo)
	q.make = func() processor.Command { return &processor.SetUndo{By: payment.Handle(handle), Undo: undo} }
	return r.plain(q, func(m *model) string {
		p := m.payees[handle]
		p.undo = undo
		m.payees[handle] = p
		return "done"
	})
}

// refund gives some of a payment back, mostly one that is settled, or all.
func (r *run) refund() *request {
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(r.views)), func(id string) bool {
		state := r.model.payments[id].state
		return state != "settled" && (state != "approval_required" || r.rng.IntN(8) > 0)
	})
	if len(ids) == 0 {
		return nil
	}
	of, id := any1(r, ids), r.next("refund")
	payee := r.model.payments[of].payee
	if r.rng.IntN(10) == 0 {
		payee = any1(r, r.payees)
	}
	minor := int64(0)
	if r.rng.IntN(3) > 0 {
		minor = 1 + r.rng.Int64N(r.model.payments[of].minor)
	}
	q := r.payee(payee, "refunds %d of %s", minor, of)
	q.make = func() processor.Command {
		refund := payment.Refund{ID: payment.RefundID(id), Reason: "returned", APIKey: "key"}
		if minor > 0 {
			refund.Amount = cny(minor)
		}
		return &processor.Refund{Payment: payment.ID(of), By: payment.Handle(payee), Refund: refund}
	}
	q.result = func(c processor.Command) string {
		p := c.(*processor.Refund).After
		return fmt.Sprintf("%d of %d", p.Refunded, p.Amount.Minor)
	}
	q.expect = func(m *model, _ timeOf) string { return m.refund(id, of, payee, minor) }
	return q
}
