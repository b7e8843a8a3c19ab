package httpapi

import (
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// roleOf is the role in which a caller sees a payment; "" if it does not exist for them. Its initiator sees it always,
// its associated device once it is asked or money has moved, its payee once the payer has confirmed.
func roleOf(by caller, p payment.Payment) string {
	switch {
	case by.device != "" && by.device == p.Initiator:
		return api.RoleInitiator
	case by.device != "" && by.device == p.Associated && p.ShownToAssociated():
		return api.RoleApprover
	case by.payee != "" && by.payee == p.PayeeHandle && p.ShownToPayee():
		return api.RolePayee
	}
	return ""
}

// paymentView is a payment as a role sees it. Until the payer has authenticated it holds what the initiating device
// read from the card or looked up, and nothing else: a decoy's is the same.
func (s *Service) paymentView(p payment.Payment, role string, now time.Time) api.Payment {
	v := api.Payment{
		ID: string(p.ID), Role: role, State: string(p.State), Reason: reasonFor(role, p.Reason), Version: p.Version,
		Rehearsal: p.Rehearsal, Amount: p.Amount,
		Payee:        payeeView(p.PayeeHandle, p.PayeeName, string(p.PayeeAccount), p.Amount.Currency),
		Order:        api.Order{Number: p.OrderNumber, Description: p.OrderDescription, ID: string(p.Order)},
		Next:         s.next(p, role, now),
		InstructedAt: p.InstructedAt,
	}
	if p.State.Final() {
		v.EndedAt = &p.EndedAt
	}
	if until := p.UndoUntil(); p.State == payment.Undoable {
		v.UndoUntil = &until
	}
	v.Refunded = refunded(p)
	showFee(&v, p, role)
	if role == api.RolePayee {
		return v
	}
	v.CardAccount = consent.MaskLast4(p.CardLast4)
	v.Limit = limitFor(role, p)
	waitsFor := map[payment.State]string{payment.ConfirmationRequired: api.RoleInitiator, payment.ApprovalRequired: api.RoleApprover}
	if waitsFor[p.State] == role {
		v.Statement = processor.Statement(p)
	}
	switch {
	case role == api.RoleApprover:
		v.DeviceLabel = p.InitiatorLabel
	case p.State == payment.ApprovalRequired:
		v.Code = s.approvalCode(p)
	}
	return v
}

// refunded is what was given back of a payment; nil for nothing.
func refunded(p payment.Payment) *money.Amount {
	if p.Refunded == 0 {
		return nil
	}
	return &money.Amount{Minor: p.Refunded, Currency: p.Amount.Currency}
}

// approvalCode is the code that the initiator shows. Without the key it was made under there is none, and the payment
// can only be declined.
func (s *Service) approvalCode(p payment.Payment) string {
	code, err := consent.ApprovalCode(s.Keys, p.Nonce, s.CodeDigits)
	if err != nil {
		s.Log.Error("no approval code can be made", "error", err)
		return ""
	}
	return string(code)
}

// reasonFor is what a role is told of why a payment ended. What it says of the payer's card, money or devices is not
// the payee's to know.
func reasonFor(role string, r payment.Reason) string {
	told := map[payment.Reason]bool{
		payment.ByPayer: true, payment.ByPayee: true, payment.TimedOut: true, payment.PayeeUnavailable: true, payment.OrderUnavailable: true,
	}
	if role == api.RolePayee && !told[r] {
		return ""
	}
	return string(r.Told())
}

// limitFor is the limit that a payment exceeded, for the card's associated device. It would tell anybody else something about the
// card.
func limitFor(role string, p payment.Payment) string {
	if role == api.RoleApprover || role == api.RoleInitiator && p.FromAssociatedDevice() {
		return p.Reason.Limit()
	}
	return ""
}

// next says what a payment waits for, from a role's side.
func (s *Service) next(p payment.Payment, role string, now time.Time) api.Next {
	if p.State.Final() {
		return api.Next{Action: api.ActionDone}
	}
	n := api.Next{Action: api.ActionWait, ExpiresIn: max(0, int(p.Deadline.Sub(now)/time.Second))}
	switch {
	case role == api.RoleInitiator && p.State == payment.AuthenticationRequired:
		n.Action, n.Methods = api.ActionAuthenticate, []string{"pin"}
	case role == api.RoleInitiator && p.State == payment.ConfirmationRequired:
		n.Action, n.Methods = api.ActionConfirm, []string{"signature"}
	case p.State == payment.Undoable:
		n.Action = api.ActionUndo
	case role == api.RoleApprover && p.State == payment.ApprovalRequired:
		n.Action, n.Methods = api.ActionApprove, []string{"code"}
		if p.Assurance == payment.Authentic || s.Authorities != nil {
			n.Methods = append(n.Methods, "tap") // the card can prove itself, or may be one that can
		}
	}
	return n
}

// receiptOf is what a settled payment's receipt says. It is made of the payment alone, so it says the same each time.
func (s *Service) receiptOf(p payment.Payment) consent.Receipt {
	millis := func(from, to time.Time) int64 {
		if from.IsZero() || to.IsZero() {
			return 0
		}
		return to.Sub(from).Milliseconds()
	}
	confirmedFrom := p.AuthenticatedAt
	last := p.InstructedAt
	for _, at := range []time.Time{p.AuthenticatedAt, p.ConfirmedAt, p.ApprovedAt} {
		if !at.IsZero() {
			last = at
		}
	}
	r := consent.Receipt{
		Issuer: s.PublicURL, IssuedAt: p.EndedAt.Unix(), Environment: s.Environment,
		Payment: consent.PaymentID(p.ID), State: string(p.State), Amount: p.Amount,
		PayeeHandle: string(p.PayeeHandle), PayeeName: p.PayeeName, PayeeAccount: string(p.PayeeAccount),
		CardAccount: consent.MaskLast4(p.CardLast4),
		Order:       string(p.Order), OrderNumber: p.OrderNumber, OrderHash: processor.OrderHash(p),
		Level: p.Level.String(), Assurance: string(p.Assurance),
		Device: consent.DeviceID(p.Initiator), InstructedAt: consent.At(p.InstructedAt), SettledAt: consent.At(p.EndedAt),
		FirstDigest: p.FirstDigest, SecondDigest: p.SecondDigest,
		Stages: consent.StageMillis{
			Authentication:     millis(p.InstructedAt, p.AuthenticatedAt),
			FirstConfirmation:  millis(confirmedFrom, p.ConfirmedAt),
			SecondConfirmation: millis(p.ConfirmedAt, p.ApprovedAt),
			Settlement:         millis(last, p.EndedAt),
			Total:              millis(p.InstructedAt, p.EndedAt),
		},
	}
	if !p.ApprovedAt.IsZero() {
		r.Associated = consent.DeviceID(p.Associated)
	}
	return r
}
