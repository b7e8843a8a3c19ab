package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// maxWait bounds a long poll, in seconds.
const maxWait = 25

// getPayment is GET /v1/payments/{id}. With wait it answers when the payment's version is above after, or when the wait
// is over.
func (c *call) getPayment() (answer, error) {
	id := payment.ID(c.r.PathValue("id"))
	until := c.now().Add(time.Duration(c.number("wait", 0)) * time.Second)
	if until.After(c.now()) {
		answered, err := c.polls.open(c.by.principals()[0])
		if err != nil {
			return answer{}, err
		}
		defer answered()
	}
	after := c.number("after", -1)
	c.allow(until.Sub(c.now()) + writeLimit)
	for {
		changed, done := c.watch.payment(id, after)
		p, role, err := c.findPayment(id)
		now := c.now()
		if err != nil || p.State.Final() || p.Version > after || !now.Before(until) {
			done()
			if err != nil {
				return answer{}, err
			}
			passkeys, err := c.passkeysFor(p, role)
			if err != nil {
				return answer{}, err
			}
			v := offerPasskeys(c.paymentView(p, role, now), p, passkeys)
			if v.Expanded, err = c.expandPayment(p); err != nil {
				return answer{}, err
			}
			return ok(v)
		}
		c.leave()
		pause := time.NewTimer(min(until.Sub(now), p.Deadline.Sub(now)) + time.Millisecond)
		select {
		case <-changed:
		case <-pause.C:
		case <-c.closing:
			until = now
		case <-c.r.Context().Done():
			pause.Stop()
			done()
			return answer{}, c.r.Context().Err()
		}
		pause.Stop()
		done()
	}
}

// expandPayment reads what the answer is to have in it; nil for nothing.
func (c *call) expandPayment(p payment.Payment) (*api.PaymentExpansion, error) {
	if c.query["expand"] == "" {
		return nil, nil
	}
	more := &api.PaymentExpansion{}
	if c.expanded("order") && p.Order != "" {
		o, err := c.readOrder(p.Order)
		if err != nil {
			return nil, err
		}
		more.Order = &o
	}
	if !c.expanded("refunds") {
		return more, nil
	}
	return more, c.Store.View(c.r.Context(), func(r processor.Reader) error {
		page, err := c.refundsPage(r, processor.RefundQuery{Payment: p.ID, Limit: maxPage})
		more.Refunds = page.Refunds
		return err
	})
}

// findPayment reads a payment that the caller may see, and ends it first if its time is over. For everybody else it
// does not exist.
func (c *call) findPayment(id payment.ID) (payment.Payment, string, error) {
	for touched := false; ; touched = true {
		rows, err := c.load(c.r.Context(), processor.Wants{Payments: []payment.ID{id}})
		if err != nil {
			return payment.Payment{}, "", err
		}
		if len(rows.Payments) == 0 {
			return payment.Payment{}, "", processor.ErrUnknownPayment
		}
		p := rows.Payments[0]
		role := roleOf(c.by, p)
		if role == "" {
			return payment.Payment{}, "", processor.ErrUnknownPayment
		}
		if touched || !p.Due(c.now()) {
			return p, role, nil
		}
		if err := c.touch(c.r.Context(), p.ID); err != nil {
			return payment.Payment{}, "", err
		}
	}
}

// touch ends payments whose wait is over.
func (c *call) touch(ctx context.Context, ids ...payment.ID) error {
	_, err := c.Processor.Do(ctx, processor.Request{Command: processor.Touch{Payments: ids}})
	return err
}

// maxLookedAt bounds how many payments one request for a list looks at, besides those of operators.
const maxLookedAt = 1000

// listPayments is GET /v1/payments.
func (c *call) listPayments() (answer, error) {
	q := processor.PaymentQuery{State: payment.State(c.query["state"])}
	role, given := c.query["role"]
	switch {
	case c.by.who == byPayee && (!given || role == api.RolePayee):
		q.Payee, role = c.by.payee, api.RolePayee
	case c.by.who == byDevice && (!given || role == api.RoleInitiator):
		q.Initiator, role = c.by.device, api.RoleInitiator
	case c.by.who == byDevice && role == api.RoleApprover:
		q.Approver = c.by.device
	default:
		return answer{}, refuseField("invalid_field", "role")
	}
	s, err := c.span(checkPayment)
	if err != nil {
		return answer{}, err
	}
	reference, byReference := c.query["reference"]
	found, next, err := c.lookFor(q, s, maxLookedAt, func(p payment.Payment) bool {
		// An approver who made the payment as well sees it in that role.
		return roleOf(c.by, p) == role && (q.State == "" || q.State == p.State) && (!byReference || reference == p.OrderNumber) && c.inAmount(p.Amount)
	})
	if err != nil {
		return answer{}, err
	}
	page, now := api.Payments{Payments: []api.Payment{}, Next: next}, c.now()
	for _, p := range found {
		page.Payments = append(page.Payments, c.paymentView(p, role, now))
	}
	return ok(page)
}

// findPayments lists payments, and ends those first whose time is over.
func (c *call) findPayments(q processor.PaymentQuery) (found []payment.Payment, err error) {
	for touched := false; ; touched = true {
		err := c.Store.View(c.r.Context(), func(r processor.Reader) (err error) {
			found, err = r.Payments(q)
			return err
		})
		if err != nil {
			return nil, err
		}
		var due []payment.ID
		for _, p := range found {
			if p.Due(c.now()) {
				due = append(due, p.ID)
			}
		}
		if touched || len(due) == 0 {
			return found, nil
		}
		if err := c.touch(c.r.Context(), due...); err != nil {
			return nil, err
		}
	}
}

// getReceipt is GET /v1/payments/{id}/receipt.
func (c *call) getReceipt() (answer, error) {
	p, role, err := c.findPayment(payment.ID(c.r.PathValue("id")))
	if err != nil {
		return answer{}, err
	}
	if p.Rehearsal {
		return answer{}, &refusal{code: "rehearsal", state: string(p.State)}
	}
	if p.State != payment.Settled {
		return answer{}, &refusal{code: "not_settled", state: string(p.State)}
	}
	signed, err := consent.SignReceipt(c.Keys, c.receiptFor(p, role))
	if err != nil {
		return answer{}, err
	}
	return ok(api.Receipt{Receipt: signed})
}

// instruct is POST /v1/payments.
func (c *call) instruct() (answer, error) {
	var m consent.Instruction
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	order, err := m.Order.Clean()
	if err != nil {
		return answer{}, err
	}
	tap, err := c.tapped(m.Tap, device, m.Total())
	if err != nil {
		return answer{}, err
	}
	command := &processor.Instruct{
		ID: payment.ID(m.ID), Device: device, Amount: m.Amount, Payee: payment.Handle(m.Payee),
		CardKeys: tap.keys, CardLast4: tap.last4, Assurance: tap.assurance, SUN: tap.sun,
		Challenge:   tap.challenge,
		OrderNumber: order.Number, OrderDescription: order.Description, Order: payment.OrderID(order.ID), Rehearsal: m.Rehearsal, PayerFee: m.Fee,
		Nonce: consent.NewNonce(c.Keys), Policy: c.Policy,
	}
	if err := c.lookUp(device); err != nil {
		return answer{}, err
	}
	a, err := c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: func(now time.Time) (int, []byte) {
		v := c.paymentView(command.Payment, api.RoleInitiator, now)
		return http.StatusCreated, encode(offerPasskeys(v, command.Payment, command.Passkeys))
	}})
	if errors.Is(err, processor.ErrUnknownPayee) {
		c.chargeLookups(device, missCosts-1)
	} else {
		c.chargeLookups(device, -1)
	}
	return a.created("/v1/payments/" + m.ID), err
}

// authenticatePayment is POST /v1/payments/{id}/authentication.
func (c *call) authenticatePayment() (answer, error) {
	var m consent.Authentication
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Payment)); err != nil {
		return answer{}, err
	}
	id, pin := payment.ID(m.Payment), m.PIN
	m.PIN = ""
	return c.checkPIN(check{
		key: key, digest: c.digest(m), pin: pin,
		reserve: &processor.ReserveTry{Device: device, Payment: id},
		finish: func(_ context.Context, right bool) (processor.Command, func(time.Time) (int, []byte), error) {
			command := &processor.Authenticate{Payment: id, Device: device, Right: right, Policy: c.Policy}
			return command, func(now time.Time) (int, []byte) {
				if !command.Result.Right {
					return c.wrongTry(command.Result, string(command.After.State))
				}
				return c.stepped(command.After, api.RoleInitiator, now)
			}, nil
		},
	})
}

// about refuses a signed message about something else than what the path names.
func (c *call) about(id string) error {
	if c.r.PathValue("id") != id {
		return refuse("id_mismatch")
	}
	return nil
}

// stepped is the answer to a step: the payment, or why it ended instead.
func (c *call) stepped(p payment.Payment, role string, now time.Time) (int, []byte) {
	code := ""
	switch {
	case p.State == payment.Expired:
		code = "expired"
	case p.State == payment.Rejected && p.Reason == payment.InsufficientFunds:
		code = "insufficient_funds"
	case p.State == payment.Rejected && p.Reason.Told() == payment.LimitExceeded:
		code = "limit_exceeded"
	case p.State == payment.Rejected && p.Reason == payment.PayeeUnavailable:
		code = "payee_unavailable"
	case p.State == payment.Rejected && p.Reason == payment.OrderUnavailable:
		code = "order_unavailable"
	case p.State == payment.Rejected || p.State == payment.Cancelled:
		code = "ended"
	}
	if code != "" {
		return c.refused(refusal{code: code, state: string(p.State), limit: limitFor(role, p)})
	}
	return http.StatusOK, encode(c.paymentView(p, role, now))
}

// confirm is POST /v1/payments/{id}/confirmation.
func (c *call) confirm() (answer, error) {
	var m consent.Decision
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Payment)); err != nil {
		return answer{}, err
	}
	gesture, err := c.gesture(m)
	if err != nil {
		return answer{}, err
	}
	command := &processor.Confirm{
		Payment: payment.ID(m.Payment), Device: device, Decision: m.Decision, Statement: m.Statement, Gesture: gesture,
		Policy: c.Policy, JWS: string(c.body),
	}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: func(now time.Time) (int, []byte) {
		return c.stepped(command.After, api.RoleInitiator, now)
	}})
}

// approve is POST /v1/payments/{id}/approval.
func (c *call) approve() (answer, error) {
	var m consent.Decision
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Payment)); err != nil {
		return answer{}, err
	}
	tap, err := c.approvalTap(m.Tap, device)
	if err != nil {
		return answer{}, err
	}
	command := &processor.Approve{
		Payment: payment.ID(m.Payment), Device: device, Decision: m.Decision, Statement: m.Statement, Code: m.Code, Tap: tap,
		JWS: string(c.body), Keys: c.Keys, Digits: c.CodeDigits,
	}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: func(now time.Time) (int, []byte) {
		if command.TapRefused != "" {
			return c.refused(refusal{code: string(command.TapRefused), state: string(command.After.State)})
		}
		if command.WrongCode {
			left := max(0, payment.CodeTries-command.After.CodeFailures)
			return c.refused(refusal{code: "wrong_code", attemptsLeft: &left, state: string(command.After.State)})
		}
		return c.stepped(command.After, api.RoleApprover, now)
	}})
}

// cancel is POST /v1/payments/{id}/cancel, by the payer's device or the payee.
func (c *call) cancel() (answer, error) {
	command, role := &processor.Cancel{Payment: payment.ID(c.r.PathValue("id"))}, api.RoleInitiator
	var key processor.KeyID
	var err error
	var m consent.Cancellation
	if c.by.who == byPayee {
		command.Payee, role = c.by.payee, api.RolePayee
		key, err = c.byHeader()
	} else if command.Device, key, err = c.signed(&m); err == nil {
		err = c.about(string(m.Payment))
	}
	if err != nil {
		return answer{}, err
	}
	a, err := c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: func(now time.Time) (int, []byte) {
		if p := command.After; command.Device != "" && command.Device != p.Initiator {
			role = api.RoleApprover
		}
		return http.StatusOK, encode(c.paymentView(command.After, role, now))
	}})
	if errors.Is(err, payment.ErrFinal) {
		err = refuse("too_late")
	}
	return a, err
}
