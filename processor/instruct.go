package processor

import (
	"time"

	"tapline/money"
	"tapline/payment"
)

// Instruct takes a device's signed instruction and makes the payment. A card that is unknown, frozen or not activated
// gets a decoy, which looks the same until somebody would have to authenticate.
type Instruct struct {
	ID     payment.ID
	Device payment.DeviceID
	Amount money.Amount
	Payee  payment.Handle

	CardKeys  []CardKey // of the number that was tapped, newest first
	CardLast4 string
	Assurance payment.Assurance
	SUN       SUNTap      // what the card proved; zero for a number that was only read
	Challenge ChallengeID // that the card was to sign; zero for none

	OrderNumber      string
	OrderDescription string

	Nonce  string // fresh and random
	Policy payment.Policy

	Payment payment.Payment // result
}

// Wants names the payment, the device, the payee and the card, and then their accounts.
func (c *Instruct) Wants(u *Unit, w *Wants) {
	w.Payments = append(w.Payments, c.ID)
	w.Devices = append(w.Devices, c.Device)
	w.Payees = append(w.Payees, c.Payee)
	w.CardKeys = append(w.CardKeys, c.CardKeys...)
	c.Challenge.want(w)
	if payee, ok := u.Payees.rows[c.Payee]; ok {
		w.Accounts = append(w.Accounts, payee.Account)
	}
	for _, k := range c.CardKeys {
		if id, ok := u.cardsByKey[k]; ok {
			w.Accounts = append(w.Accounts, u.Cards.rows[id].Account)
			c.SUN.want(w, id, c.Device)
		}
	}
}

// Do opens the payment, and settles it if a tap is all it needs.
func (c *Instruct) Do(u *Unit) error {
	device, err := u.activeDevice(c.Device)
	if err != nil {
		return err
	}
	if _, taken := u.Payments.Get(c.ID); taken {
		return ErrPaymentExists
	}
	payee, ok := u.Payees.Get(c.Payee)
	if !ok || payee.Closed {
		return ErrUnknownPayee
	}
	if payee.Currency != c.Amount.Currency {
		return ErrCurrency
	}
	assurance := u.spendChallenge(c.Challenge, c.Assurance)
	card, key, known := u.cardOf(c.CardKeys)
	last4 := c.CardLast4
	if known {
		last4 = card.Last4 // the same, but for a card that proves itself after a new number key
	}
	if known && !u.spendTap(&card, c.SUN) {
		if card.Associated == c.Device {
			return ErrTapUsed
		}
		known, key = false, c.SUN.Stranger // whoever has seen a message that was used gets a decoy, with tries of its own
	}
	if known && card.State != CardActive && card.Associated == c.Device {
		return ErrCardState // its owner's device may know, and must not be led to spend its tries on a decoy
	}
	if known {
		u.watchSkimming(card, c.SUN, c.Device)
	}
	p := payment.Payment{Terms: payment.Terms{
		ID: c.ID, Amount: c.Amount,
		PayeeHandle: payee.Handle, PayeeName: payee.Name, PayeeAccount: payee.Account,
		CardLast4: last4, CardKey: string(key),
		OrderNumber: c.OrderNumber, OrderDescription: c.OrderDescription,
		Initiator: c.Device, InitiatorLabel: device.Label,
		Level: max(c.Policy.Level, payment.LevelAuthenticate), Assurance: assurance, Nonce: c.Nonce,
	}}
	if known && card.State == CardActive {
		p.Card, p.CardAccount, p.CardLabel, p.Associated = card.ID, card.Account, card.Label, card.Associated
		p.CardVersion = card.Version
		p.Level = c.Policy.Needs(card.tapFacts(c, assurance, u.Now))
	}
	if c.Payment, err = u.Do(p, payment.Command{Verb: payment.Instruct}); err != nil {
		return err
	}
	if c.Payment.State == payment.Settled {
		card.countTap(c.Amount.Minor, u.Now)
		u.Cards.Put(card.ID, card)
	}
	return nil
}

func (c Card) tapFacts(i *Instruct, a payment.Assurance, now time.Time) payment.TapFacts {
	f := payment.TapFacts{
		Assurance: a, FromAssociated: i.Device == c.Associated, Minor: i.Amount.Minor, CardLevel: c.Level,
	}
	if !day(now).After(c.TapDay) { // not Equal: a clock that was set back does not open the limit again
		f.TapSpentToday = c.TapSpent
	}
	return f
}

func (c *Card) countTap(minor int64, now time.Time) {
	if today := day(now); today.After(c.TapDay) {
		c.TapDay, c.TapSpent = today, 0
	}
	c.TapSpent += minor
}

// day is the UTC day of a time.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
