package httpapi

import (
	"net/http"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// makeRefund is POST /v1/refunds.
func (c *call) makeRefund() (answer, error) {
	var in api.NewRefund
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	reason, err := consent.CleanText(in.Reason, consent.MaxOrderDescription)
	if err != nil {
		return answer{}, refuseField("text_not_shown", "reason")
	}
	refund := payment.Refund{ID: consent.NewRefundID(), Reason: reason, APIKey: c.by.key.ID}
	if in.Amount != nil {
		if !in.Amount.Valid() {
			return answer{}, refuseField("invalid_field", "amount")
		}
		refund.Amount = *in.Amount
	}
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	command := &processor.Refund{Payment: payment.ID(in.Payment), By: c.by.payee, Refund: refund}
	return c.do(processor.Request{Key: key, Digest: c.digest(in), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(refundView(command.Made, command.After, api.RolePayee))
	}})
}

// refundView is a refund of a payment as a role sees it.
func refundView(r payment.Refund, p payment.Payment, role string) api.Refund {
	v := api.Refund{
		ID: string(r.ID), Payment: string(r.Payment), Amount: r.Amount, Whole: p.Amount,
		Refunded: money.Amount{Minor: r.Total, Currency: r.Amount.Currency},
		Payee:    payeeView(r.Payee, p.PayeeName, string(r.PayeeAccount), r.Amount.Currency),
		Order:    api.Order{Number: p.OrderNumber, Description: p.OrderDescription, ID: string(p.Order)},
		Reason:   r.Reason, RefundedAt: r.At,
	}
	if role != api.RolePayee {
		v.CardAccount = consent.MaskLast4(p.CardLast4)
	}
	return v
}

// roleInRefunds is the role in which a caller sees the refunds of a payment: an operator sees them all.
func roleInRefunds(by caller, p payment.Payment) string {
	if by.who == byOperator {
		return string(processor.OperatorsPrincipal)
	}
	return roleOf(by, p)
}

// getRefund is GET /v1/refunds/{id}, and GET /v1/admin/refunds/{id}.
func (c *call) getRefund() (answer, error) {
	id := payment.RefundID(c.r.PathValue("id"))
	var v api.Refund
	err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Refunds: []payment.RefundID{id}})
		if err != nil {
			return err
		}
		if len(rows.Refunds) == 0 {
			return processor.ErrUnknownRefund
		}
		of, err := r.Load(processor.Wants{Payments: []payment.ID{rows.Refunds[0].Payment}})
		if err != nil {
			return err
		}
		role := roleInRefunds(c.by, of.Payments[0])
		if role == "" {
			return processor.ErrUnknownRefund
		}
		v = refundView(rows.Refunds[0], of.Payments[0], role)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return ok(v)
}

// listRefunds is GET /v1/refunds.
func (c *call) listRefunds() (answer, error) {
	s, err := c.span(func(id string) error { return consent.CheckRefundID(payment.RefundID(id)) })
	if err != nil {
		return answer{}, err
	}
	q := processor.RefundQuery{
		From: s.from, Before: s.before, BeforeID: payment.RefundID(s.beforeID), Oldest: s.oldest, AfterID: payment.RefundID(s.afterID), Limit: s.limit,
	}
	switch id, given := c.query["payment"]; {
	case given && id != "":
		q.Payment = payment.ID(id)
	case c.by.who == byPayee:
		q.Payee = c.by.payee
	default:
		return answer{}, refuseField("invalid_field", "payment")
	}
	page := api.Refunds{Refunds: []api.Refund{}}
	err = c.Store.View(c.r.Context(), func(r processor.Reader) (err error) {
		page, err = c.refundsPage(r, q)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(page)
}

// refundsPage reads a page of refunds with their payments, of which the caller has to see the one that is named.
func (c *call) refundsPage(r processor.Reader, q processor.RefundQuery) (api.Refunds, error) {
	page := api.Refunds{Refunds: []api.Refund{}}
	found, err := r.Refunds(q)
	if err != nil {
		return page, err
	}
	ids := []payment.ID{}
	if q.Payment != "" {
		ids = append(ids, q.Payment)
	}
	for _, refund := range found {
		ids = append(ids, refund.Payment)
	}
	rows, err := r.Load(processor.Wants{Payments: ids})
	if err != nil {
		return page, err
	}
	of := map[payment.ID]payment.Payment{}
	for _, p := range rows.Payments {
		of[p.ID] = p
	}
	if q.Payment != "" && roleOf(c.by, of[q.Payment]) == "" {
		return page, processor.ErrUnknownPayment
	}
	for _, refund := range found {
		p := of[refund.Payment]
		page.Refunds = append(page.Refunds, refundView(refund, p, roleOf(c.by, p)))
	}
	if len(found) == q.Limit {
		last := found[len(found)-1]
		page.Next = cursor(last.At, string(last.ID))
	}
	return page, nil
}
