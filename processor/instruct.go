package processor

import (
	"time"

	"tapline/consent"
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
	Order            payment.OrderID // that the payee has made, with number and description; empty for none

	Rehearsal bool // go through every step and move no money

	PayerFee int64 // minor units that the payer was shown, and pays besides the amount

	Nonce  string // fresh and random
	Policy payment.Policy

	Payment  payment.Payment // results
	Passkeys []string        // that may authenticate and confirm it at once: see PasskeysFor
}

// Wants names the payment, the device, the payee and the card, and then their accounts.
func (c *Instruct) Wants(u *Unit, w *Wants) {
	w.Payments = append(w.Payments, c.ID)
	w.Devices = append(w.Devices, c.Device)
	w.Payees = append(w.Payees, c.Payee)
	w.CardKeys = append(w.CardKeys, c.CardKeys...)
	if c.Order != "" {
		w.Orders = append(w.Orders, c.Order)
	}
	c.Challenge.want(w)
	c.wantFee(u, w)
	payee, known := u.Payees.rows[c.Payee]
	if known {
		if account, ok := payee.In(c.Amount.Currency); ok {
			w.Accounts = append(w.Accounts, account)
		}
	}
	u.eachCard(c.CardKeys, func(_ CardKey, card Card) {
		w.Accounts = append(w.Accounts, card.Account)
		w.wantPaid(payee, c.Amount.Currency, card.Account)
		c.wantKnown(w, payee, card)
		u.wantPasskeys(w, card, c.Device)
		c.SUN.want(u, w, card.ID, c.Device)
		if c.mayTapIdentified() {
			w.OpenOf = append(w.OpenOf, card.ID)
		}
	})
}

// Do opens the payment, and settles it, or ends its rehearsal, if a tap is all it needs.
func (c *Instruct) Do(u *Unit) error {
	device, err := u.actingDevice(c.Device)
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
	account, ok := payee.In(c.Amount.Currency)
	if !ok {
		return ErrCurrency
	}
	if c.Rehearsal && !payee.Rehearsals {
		return ErrNoRehearsals // before anything is asked about the card
	}
	o, err := c.instructed(u)
	if err != nil {
		return err
	}
	fee, err := c.agreed(u)
	if err != nil {
		return err
	}
	assurance := u.spendChallenge(c.Challenge, c.Assurance)
	if !c.SUN.claimed() && !c.Policy.Fits(assurance, c.total()) {
		return ErrLimitExceeded
	}
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
		PayeeHandle: payee.Handle, PayeeName: payee.Name, PayeeAccount: account,
		CardLast4: last4, CardKey: string(key),
		OrderNumber: c.OrderNumber, OrderDescription: c.OrderDescription,
		Initiator: c.Device, InitiatorLabel: device.Label, Rehearsal: c.Rehearsal,
		Undo: payee.Undo, Fee: fee, Level: max(c.Policy.Level, payment.LevelAuthenticate), Assurance: assurance, Nonce: c.Nonce,
	}}
	if o != nil {
		p.Order, p.OrderHash, p.PayBy = o.ID, consent.TermsHash(o.Terms), o.ExpiresAt
		p.OrderNumber, p.OrderDescription = o.Reference, o.Description
	}
	if known && card.State == CardActive {
		p.Card, p.CardAccount, p.CardLabel, p.Associated = card.ID, card.Account, card.Label, card.Associated
		p.CardVersion = card.Version
		p.PayeeMoved = u.moved(payee, c.Amount.Currency, card.Account)
		p.Level = c.Policy.Needs(c.facts(u, card, payee, assurance, p.PayeeMoved))
	}
	c.Payment, err = u.Do(p, payment.Command{Verb: payment.Instruct})
	c.Passkeys = u.passkeysFor(c.Payment, card)
	return err
}

// known names what tells whether a card has paid a payee, if its holder's rules ask.
func (c *Instruct) known(payee Payee, card Card) (PaidID, bool) {
	account, ok := payee.In(c.Amount.Currency)
	return PaidID{card.Account, account}, ok && c.Device == card.Associated && c.total() <= card.Rules.KnownPayees
}

func (c *Instruct) wantKnown(w *Wants, payee Payee, card Card) {
	if id, ok := c.known(payee, card); ok {
		w.Paid = append(w.Paid, id)
	}
}

func (c *Instruct) facts(u *Unit, card Card, payee Payee, a payment.Assurance, moved bool) payment.TapFacts {
	f := payment.TapFacts{
		Assurance: a, FromAssociated: c.Device == card.Associated, Minor: c.total(), CardLevel: card.Level,
		TapSpentToday: card.Tapped.on(u.Now), PayeeMoved: moved, KnownPayees: card.Rules.KnownPayees,
	}
	account, _ := u.Accounts.Get(card.Account)
	f.Unused = min(u.Now.Sub(account.LastPaid()), u.Now.Sub(card.CreatedAt))
	if id, ok := c.known(payee, card); ok {
		f.PayeeKnown = !u.paid[id].IsZero()
	}
	if a != payment.Authentic && c.mayTapIdentified() {
		f.IdentifiedToday = u.identifiedToday(card)
	}
	return f
}

// mayTapIdentified reports whether a number alone may settle at once, and so has to fit into its day.
func (c *Instruct) mayTapIdentified() bool {
	return c.Policy.AllowIdentifiedTap && c.Policy.Level == payment.LevelTap
}

// identifiedToday is what a card has settled today by its number alone, and may yet settle: the open payments that have
// been authenticated, so that many at once cannot pass a limit that each of them keeps. They count until they end, on
// whatever day. What may still be undone is counted already.
func (u *Unit) identifiedToday(card Card) int64 {
	sum := card.Identified.on(u.Now)
	for _, p := range u.OpenOf(card.ID) {
		if p.Assurance != payment.Authentic && !p.Rehearsal && p.State != payment.Undoable {
			sum += p.Total().Minor
		}
	}
	return sum
}

// countSpent adds a payment to its card's sums of the day, once all was given that it needs, and takes one that was undone out
// again, if the day is still the same.
func (u *Unit) countSpent(from payment.State, p payment.Payment) {
	minor := p.Total().Minor
	switch {
	case p.Rehearsal:
		return
	case from == payment.Undoable && p.State != payment.Settled:
		minor = -minor
	case from == payment.Undoable || p.State != payment.Settled && p.State != payment.Undoable:
		return
	}
	card, _ := u.Cards.Get(p.Card)
	if p.Level == payment.LevelTap {
		card.Tapped.count(minor, u.Now, p.UndoableAt)
	}
	if p.Assurance != payment.Authentic {
		card.Identified.count(minor, u.Now, p.UndoableAt)
	}
	u.Cards.Put(card.ID, card)
}

// count adds what is spent now, or takes out what was added at a time.
func (s *DaySum) count(minor int64, now, added time.Time) {
	if minor >= 0 {
		s.add(minor, now)
	} else if s.Day.Equal(day(added)) {
		s.Minor = max(0, s.Minor+minor)
	}
}
