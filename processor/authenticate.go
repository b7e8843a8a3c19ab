package processor

import (
	"tapline/consent"
	"tapline/payment"
)

// ReserveTry begins the check of a PIN, for a payment or for a card: it takes a try off the device's count and says
// what to compare with. A decoy has nothing to compare with, which takes as long.
type ReserveTry struct {
	Device  payment.DeviceID
	Payment payment.ID     // either this, from its initiator,
	Card    payment.CardID // or this, from its associated device

	Record  consent.PINRecord // results
	Subject string
}

// Wants names the payment or card, and the counts of tries.
func (c *ReserveTry) Wants(u *Unit, w *Wants) {
	w.Devices = append(w.Devices, c.Device)
	if c.Payment != "" {
		w.Payments = append(w.Payments, c.Payment)
		if p, ok := u.Payments.rows[c.Payment]; ok {
			wantTries(w, CardKey(p.CardKey))
		}
		return
	}
	w.Cards = append(w.Cards, c.Card)
	if card, ok := u.Cards.rows[c.Card]; ok {
		wantTries(w, card.Key)
	}
}

// Do reserves the try.
func (c *ReserveTry) Do(u *Unit) error {
	c.Record, c.Subject = consent.PINRecord{}, ""
	if c.Payment == "" {
		card, err := u.associatedCard(c.Card, c.Device)
		if err != nil {
			return err
		}
		if card.State == CardClosed {
			return ErrCardState // or the PIN, which the card that replaced it has, could be tried at both
		}
		c.Record, c.Subject = card.PIN, PINSubject(card)
		return u.reserveTry(card.Key, c.Device)
	}
	p, err := u.initiated(c.Payment, c.Device)
	if err != nil {
		return err
	}
	if !u.Payments.loaded[c.Payment] {
		return ErrInProgress // instructed in this very batch: its rows are not loaded
	}
	if p.State != payment.AuthenticationRequired {
		return payment.ErrNotAllowed
	}
	if !p.Decoy() && u.alive(p) {
		card, _ := u.Cards.Get(p.Card)
		c.Record, c.Subject = card.PIN, PINSubject(card)
	} else if !p.Decoy() && p.FromAssociatedDevice() {
		return ErrCardState
	}
	return u.reserveTry(CardKey(p.CardKey), c.Device)
}

// initiated returns an open payment of its initiator's. For any other device it does not exist.
func (u *Unit) initiated(id payment.ID, device payment.DeviceID) (payment.Payment, error) {
	if _, err := u.actingDevice(device); err != nil {
		return payment.Payment{}, err
	}
	p, ok := u.Payments.Get(id)
	if !ok || p.Initiator != device {
		return payment.Payment{}, ErrUnknownPayment
	}
	return p, open(p)
}

// open reports why a payment cannot go on, if it cannot.
func open(p payment.Payment) error {
	switch {
	case p.State == payment.Expired:
		return payment.ErrExpired
	case p.State.Final():
		return payment.ErrFinal
	}
	return nil
}

// Authenticate finishes the check of a PIN for a payment. If the payment has ended meanwhile, Payment says so.
type Authenticate struct {
	Payment payment.ID
	Device  payment.DeviceID
	Right   bool
	Policy  payment.Policy

	After  payment.Payment // results
	Result TryResult
}

// Wants names the payment, the counts of tries, and what else the card may yet pay today.
func (c *Authenticate) Wants(u *Unit, w *Wants) {
	(&ReserveTry{Device: c.Device, Payment: c.Payment}).Wants(u, w)
	if p, ok := u.Payments.rows[c.Payment]; ok && p.Assurance != payment.Authentic {
		w.OpenOf = append(w.OpenOf, p.Card)
	}
	if p, ok := u.Payments.rows[c.Payment]; ok && !c.Right {
		w.wantTold(u, p.Card) // of a decoy, which has no card, as much
	}
}

// Do gives a right try back and steps the payment; with no try left, the payment is rejected.
func (c *Authenticate) Do(u *Unit) (err error) {
	if _, err := u.actingDevice(c.Device); err != nil {
		return err
	}
	p, ok := u.Payments.Get(c.Payment)
	if !ok || p.Initiator != c.Device {
		return ErrUnknownPayment
	}
	right := c.Right && !p.Decoy() && u.alive(p)
	c.Result, c.After = u.finishTry(CardKey(p.CardKey), c.Device, right), p
	if card, known := u.seen(p.Card); known && !c.Right {
		u.alarmPIN(card, c.Result)
	}
	if p.State != payment.AuthenticationRequired {
		return nil
	}
	switch {
	case right:
		c.After, err = u.authenticate(p, c.Policy)
	case c.Result.Left == 0:
		c.After, err = u.Do(p, payment.Command{Verb: payment.FailAuthentication, By: c.Device})
	}
	return err
}

// authenticate steps a payment whose payer has proved to be the cardholder. It is rejected instead if the card would pay
// more in a day than it may by its number alone: whoever knows the PIN may know that.
func (u *Unit) authenticate(p payment.Payment, policy payment.Policy) (payment.Payment, error) {
	card, _ := u.Cards.Get(p.Card)
	if !policy.FitsDay(p.Assurance, p.Total().Minor, u.identifiedToday(card)) {
		return u.Do(p, payment.Command{Verb: payment.Reject, Reason: payment.LimitExceeded})
	}
	return u.Do(p, payment.Command{Verb: payment.Authenticate, By: p.Initiator})
}
