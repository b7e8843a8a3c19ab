package httpapi

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// Bounds of an operator's search: how many payments one request looks at, and how many it reads at once.
const (
	maxSearched  = 5000
	searchedOnce = 500
)

// searchParams are what payments are searched by.
var searchParams = listedInTime(append([]param{
	{name: "state", doc: "Only payments in this state.", enum: stateNames()},
	{name: "payee", doc: "Only those to this handle."},
	{name: "card", doc: "Only those with the card of this id."},
	{name: "last4", doc: "Only those with a card whose masked number ends so: •••• 1234, or 1234."},
	{name: "reference", was: former{"order", renamed}, doc: "Only those with this reference of an order."},
}, byAmount...)...)

// searchPayments is GET /v1/admin/payments. By payee, card and time it finds at once; for the rest it looks at a bounded
// number of payments, and says where to go on.
func (c *call) searchPayments() (answer, error) {
	q := processor.PaymentQuery{}
	switch card, payee := c.query["card"], c.query["payee"]; {
	case card != "":
		q.Card = payment.CardID(card)
	case payee != "":
		q.Payee = payment.Handle(payee)
	default:
		q.All = true
	}
	if text := c.query["last4"]; text != "" {
		digits, err := lastDigits(text)
		if err != nil {
			return answer{}, err
		}
		c.query["last4"] = digits
	}
	s, err := c.span(checkPayment)
	if err != nil {
		return answer{}, err
	}
	found, next, err := c.lookFor(q, s, maxSearched, c.searched)
	if err != nil {
		return answer{}, err
	}
	page := api.AdminPayments{Payments: []api.AdminPayment{}, Next: next}
	for _, p := range found {
		page.Payments = append(page.Payments, adminPayment(p))
	}
	return ok(page)
}

// searched reports whether a payment is one of those that are looked for.
func (c *call) searched(p payment.Payment) bool {
	for name, has := range map[string]string{
		"state": string(p.State), "payee": string(p.PayeeHandle), "card": string(p.Card), "reference": p.OrderNumber,
	} {
		if want, given := c.query[name]; given && want != "" && want != has {
			return false
		}
	}
	return strings.HasSuffix(p.CardLast4, c.query["last4"]) && c.inAmount(p.Amount)
}

// adminPayment is what an operator sees of a payment. There is no nonce in it, no code, and nothing of a PIN.
func adminPayment(p payment.Payment) api.AdminPayment {
	v := api.AdminPayment{
		ID: string(p.ID), State: string(p.State), Reason: string(p.Reason.Told()), Limit: p.Reason.Limit(), Rehearsal: p.Rehearsal, Decoy: p.Decoy(), Amount: p.Amount,
		Payee: string(p.PayeeHandle), PayeeName: p.PayeeName, PayeeAccount: string(p.PayeeAccount),
		Card: string(p.Card), CardAccount: consent.MaskLast4(p.CardLast4), CardLabel: p.CardLabel,
		Order:  api.Order{Number: p.OrderNumber, Description: p.OrderDescription},
		Device: string(p.Initiator), DeviceLabel: p.InitiatorLabel, AssociatedDevice: string(p.Associated),
		Level: p.Level.String(), Assurance: string(p.Assurance), WrongCodes: p.CodeFailures, InstructedAt: p.InstructedAt,
	}
	if p.State.Final() {
		v.EndedAt = &p.EndedAt
	} else {
		v.Deadline = &p.Deadline
	}
	if until := p.UndoUntil(); !until.IsZero() {
		v.UndoUntil = &until
	}
	v.Refunded, v.Fee, v.PayeeFee = refunded(p), amountOf(p.PayerFee(), p), amountOf(p.PayeeFee(), p)
	return v
}

// getAnyPayment is GET /v1/admin/payments/{id}, with the timeline.
func (c *call) getAnyPayment() (answer, error) {
	id := payment.ID(c.r.PathValue("id"))
	for touched := false; ; touched = true {
		var v api.AdminPayment
		var due bool
		err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
			rows, err := r.Load(processor.Wants{Payments: []payment.ID{id}, Evidence: []payment.ID{id}})
			if err != nil {
				return err
			}
			if len(rows.Payments) == 0 {
				return processor.ErrUnknownPayment
			}
			p := rows.Payments[0]
			due, v = p.Due(c.now()), adminPayment(p)
			devices, err := r.Load(processor.Wants{Devices: []payment.DeviceID{p.Associated}})
			if err != nil {
				return err
			}
			refunds, err := r.Refunds(processor.RefundQuery{Payment: id, Limit: maxPage})
			v.Timeline = refundSteps(timeline(p, rows.Evidence, devices.Devices), refunds)
			return err
		})
		if err != nil {
			return answer{}, err
		}
		if touched || !due {
			return ok(v)
		}
		if err := c.touch(c.r.Context(), id); err != nil {
			return answer{}, err
		}
	}
}

// timeline is what happened to a payment: its row says when, and its evidence how.
func timeline(p payment.Payment, evidence []processor.Evidence, devices []processor.Device) (steps []api.TimelineStep) {
	signed := map[consent.Role]processor.Evidence{}
	for _, e := range evidence {
		signed[e.Role] = e
	}
	first, hasFirst := signed[consent.First]
	second, hasSecond := signed[consent.Second]
	add := func(at time.Time, s api.TimelineStep) {
		if at.IsZero() {
			return
		}
		s.At = at
		if len(steps) > 0 {
			s.Millis = at.Sub(steps[len(steps)-1].At).Milliseconds()
		}
		switch s.By {
		case api.RoleInitiator:
			s.Device, s.DeviceLabel = string(p.Initiator), p.InitiatorLabel
		case api.RoleApprover:
			s.Device = string(p.Associated)
			for _, d := range devices {
				s.DeviceLabel = d.Label
			}
		}
		steps = append(steps, s)
	}
	add(p.InstructedAt, api.TimelineStep{Step: "instructed", By: api.RoleInitiator, Method: "tap"})
	// A passkey authenticates with the very statement that is kept; what a PIN was tried with is not.
	method := "pin"
	if hasFirst && first.At.Equal(p.AuthenticatedAt) {
		method = "passkey"
	}
	add(p.AuthenticatedAt, api.TimelineStep{Step: "authenticated", By: api.RoleInitiator, Method: method})
	if method == "pin" {
		method = "signature"
	}
	add(p.ConfirmedAt, api.TimelineStep{Step: "confirmed", By: api.RoleInitiator, Method: method, Digest: p.FirstDigest, Signed: hasFirst})
	method = "code"
	if second.Sealed() {
		method = "tap"
	}
	add(p.ApprovedAt, api.TimelineStep{Step: "approved", By: api.RoleApprover, Method: method, Digest: p.SecondDigest, Signed: hasSecond})
	add(p.UndoableAt, api.TimelineStep{Step: "undoable", By: roleService})
	end := endedBy(p)
	add(p.EndedAt, api.TimelineStep{Step: "ended", By: end, Signed: end == api.RoleApprover && hasSecond})
	return steps
}

// refundSteps adds what was refunded of a payment to what happened to it; in order.
func refundSteps(steps []api.TimelineStep, refunds []payment.Refund) []api.TimelineStep {
	slices.SortFunc(refunds, func(a, b payment.Refund) int { return cmp.Compare(a.Total, b.Total) })
	for _, r := range refunds {
		last := steps[len(steps)-1].At
		steps = append(steps, api.TimelineStep{
			Step: "refunded", At: r.At, Millis: r.At.Sub(last).Milliseconds(), By: api.RolePayee, Refund: string(r.ID), Amount: &r.Amount,
		})
	}
	return steps
}

// roleService is the service itself, as somebody who ends a payment.
const roleService = "service"

// endedBy is who ended a payment.
func endedBy(p payment.Payment) string {
	switch p.Reason {
	case payment.ByPayer, payment.AuthenticationFailed:
		return api.RoleInitiator
	case payment.ByApprover, payment.NotMe, payment.WrongCode:
		return api.RoleApprover
	case payment.ByPayee:
		return api.RolePayee
	}
	return roleService
}
