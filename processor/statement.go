package processor

import (
	"time"

	"tapline/consent"
	"tapline/money"
	"tapline/payment"
)

// Statement is the exact text that a payment waits to have confirmed, and "" if it waits for no confirmation. The text
// follows from the payment alone, so every node issues the same bytes. A payment that waits for authentication has one as
// well, for a passkey that authenticates and confirms at once; it is shown only to devices that are or were bound to the
// card.
func Statement(p payment.Payment) string {
	s := consent.Statement{
		Version: consent.VersionOf(p.Rehearsal), Payment: consent.PaymentID(p.ID), Rehearsal: p.Rehearsal,
		Amount: p.Amount, AmountText: consent.AmountText(p.Amount, p.Rehearsal),
		PayeeHandle: string(p.PayeeHandle), PayeeName: p.PayeeName, PayeeAccount: string(p.PayeeAccount), PayeeMoved: p.PayeeMoved,
		CardAccount: consent.MaskLast4(p.CardLast4), CardLabel: p.CardLabel,
		Device: consent.DeviceID(p.Initiator), DeviceLabel: p.InitiatorLabel,
		Order: string(p.Order), OrderNumber: p.OrderNumber, OrderText: p.OrderDescription, OrderHash: OrderHash(p),
		Undo: int64(p.Undo / time.Second), Nonce: p.Nonce, ExpiresAt: consent.At(p.Deadline),
	}
	if p.PayerFee() > 0 {
		s = s.WithFee(money.Amount{Minor: p.PayerFee(), Currency: p.Amount.Currency})
	}
	switch p.State {
	case payment.AuthenticationRequired:
		if p.Decoy() {
			return ""
		}
		s.Role = consent.First
	case payment.ConfirmationRequired:
		s.Role = consent.First
	case payment.ApprovalRequired:
		s.Role, s.FirstDigest = consent.Second, p.FirstDigest
	default:
		return ""
	}
	return s.Text()
}

// OrderHash is the digest of the order's terms.
func OrderHash(p payment.Payment) string {
	if p.Order != "" {
		return p.OrderHash
	}
	order := consent.Order{Number: p.OrderNumber, Description: p.OrderDescription}
	return consent.OrderHash(order, p.Amount, string(p.PayeeHandle))
}
