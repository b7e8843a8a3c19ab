package processor

import "tapline/payment"

// Present takes a tap for nothing but to say what the card is. A device that is or was bound to the card is told; for all
// others there is no card, whatever the number. The tap of a card that proves itself is used up in either case.
type Present struct {
	Device    payment.DeviceID
	CardKeys  []CardKey // of the number that was tapped
	Assurance payment.Assurance
	SUN       SUNTap
	Challenge ChallengeID

	Known   bool // results: whether the device may know the card
	Card    Card
	Assured payment.Assurance
}

// Wants names the card and its bindings.
func (c *Present) Wants(u *Unit, w *Wants) {
	w.Devices = append(w.Devices, c.Device)
	w.CardKeys = append(w.CardKeys, c.CardKeys...)
	c.Challenge.want(w)
	u.eachCard(c.CardKeys, func(_ CardKey, card Card) {
		w.Bindings = append(w.Bindings, BindingID{card.ID, c.Device})
		c.SUN.want(u, w, card.ID, c.Device)
	})
}

// Do uses the tap up and looks who asks. What a stranger is told comes from the tap alone, and so does not depend on any
// card: a message of a card that proves itself is to them no more than a number, because only the card's counter could
// tell a fresh one from one that was used.
func (c *Present) Do(u *Unit) error {
	c.Known, c.Card, c.Assured = false, Card{}, payment.Identified
	if _, err := u.actingDevice(c.Device); err != nil {
		return err
	}
	if c.SUN.Version == 0 {
		c.Assured = u.spendChallenge(c.Challenge, c.Assurance)
	}
	card, _, ok := u.cardOf(c.CardKeys)
	if !ok {
		return nil
	}
	bound := u.isBound(BindingID{card.ID, c.Device})
	fresh := u.spendTap(&card, c.SUN)
	switch {
	case !fresh && bound:
		return ErrTapUsed
	case !fresh:
		return nil
	}
	u.watchSkimming(card, c.SUN, c.Device)
	if bound {
		c.Known, c.Card = true, card
		if c.SUN.Version != 0 {
			c.Assured = c.Assurance
		}
	}
	return nil
}
