package processor

import (
	"errors"

	"tapline/ledger"
	"tapline/payment"
)

// successors bounds how many cards that replaced one another are followed, to tell the holder of a refund.
const successors = 3

// Refund gives money of a settled payment back, out of its payee's balance, by the payee. The card may be frozen, closed or
// replaced, and the payee closed: the money goes back all the same. The card's limits get no room back.
type Refund struct {
	Payment payment.ID
	By      payment.Handle // the payee whose key asks for it
	Refund  payment.Refund // with id, reason, API key, and amount or none for what is left

	Made  payment.Refund  // results
	After payment.Payment // the payment
}

// Wants names the payment, the payee's account, and the cards whose holder is told.
func (c *Refund) Wants(u *Unit, w *Wants) {
	w.Payments = append(w.Payments, c.Payment)
	w.Refunds = append(w.Refunds, c.Refund.ID)
	w.Payees = append(w.Payees, c.By)
	p, ok := u.Payments.rows[c.Payment]
	if !ok || !p.ShownToPayee() {
		return // the payee must not learn by the clock whether a card is known
	}
	if payee, ok := u.Payees.rows[c.By]; ok {
		account, _ := payee.In(p.Amount.Currency)
		w.Accounts = append(w.Accounts, account)
	}
	w.Accounts = append(w.Accounts, p.CardAccount)
	for id, n := p.Card, 0; id != "" && n <= successors; n++ {
		w.Cards = append(w.Cards, id)
		w.BoundTo = append(w.BoundTo, id)
		w.Devices = append(w.Devices, u.Cards.rows[id].Associated) // to be woken
		id = u.Cards.rows[id].ReplacedBy
	}
}

// Do refunds. What is not the payee's does not exist for it.
func (c *Refund) Do(u *Unit) error {
	p, ok := u.Payments.Get(c.Payment)
	if !ok || c.By == "" || p.PayeeHandle != c.By || !p.ShownToPayee() {
		return ErrUnknownPayment
	}
	payee, ok := u.Payees.Get(c.By)
	if !ok {
		return ErrUnknownPayee
	}
	if _, taken := u.Refunds.Get(c.Refund.ID); taken {
		return ErrConflict // of 128 random bits
	}
	account, has := payee.In(p.Amount.Currency)
	if p.State == payment.Settled && !has {
		return ErrCurrency // the payee has no account in the payment's currency any more
	}
	if p.State == payment.Settled && !u.asked.boundTo[p.Card] {
		return ErrInProgress // settled in this very batch: its rows are not loaded
	}
	asked := c.Refund
	asked.PayeeAccount = account
	after, refund, entry, err := p.Refund(asked, u.Now)
	if err != nil {
		return &RefundError{err, p.State}
	}
	switch err := u.Enter(entry); {
	case errors.Is(err, ledger.ErrInsufficientFunds):
		return ErrPayeeBalance
	case errors.Is(err, ledger.ErrTooLarge):
		return ErrTooLarge
	case err != nil:
		return err
	}
	u.Payments.Put(after.ID, after)
	u.Refunds.Put(refund.ID, refund)
	u.tellRefund(after, refund)
	c.Made, c.After = refund, after
	return nil
}

// tellRefund tells those who see the payment, and the other devices of the card that is on its account by now, whose balance
// has changed.
func (u *Unit) tellRefund(p payment.Payment, refund payment.Refund) {
	to := []Principal{PayeePrincipal(p.PayeeHandle), DevicePrincipal(p.Initiator)}
	if p.Associated != p.Initiator {
		to = append(to, DevicePrincipal(p.Associated))
	}
	u.Tell(Event{Type: "payment.refunded", Subject: string(p.ID), State: string(p.State), Version: p.Version, To: to})
	card, ok := u.Cards.Get(p.Card)
	for n := 0; ok && card.ReplacedBy != "" && n < successors; n++ {
		card, ok = u.Cards.Get(card.ReplacedBy)
	}
	u.wake(card.Associated, WakeDebit, u.Now.Add(noticeLife))
	u.mail(card, "payment.refunded", string(p.ID), MailFacts{Payee: p.PayeeName, Amount: refund.Amount})
	var others []Principal
	for _, d := range u.BoundTo(card.ID) {
		if d != p.Initiator && d != p.Associated {
			others = append(others, DevicePrincipal(d))
		}
	}
	u.Tell(Event{Type: "card.refunded", Subject: string(card.ID), State: string(card.State), To: others})
}
