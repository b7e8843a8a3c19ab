package processor

import "tapline/payment"

// SUNTap is what a card that proves itself said at a tap: its message was genuine. The zero value is another card's tap.
type SUNTap struct {
	Version  int     // of the master key; 0 where a message was claimed to be such a card's and is not
	Counter  int64   // of the card's taps, this one included
	Stranger CardKey // what tries are counted under if the message was used before
	SkimStep int64   // a counter that rises by more is told as suspicious; 0 for never
}

// claimed reports whether a message was presented, genuine or not. One that is not opens a decoy, and meets no other limit
// than a genuine one, which would tell it from that.
func (t SUNTap) claimed() bool { return t.Stranger != "" }

// want names what an alarm needs.
func (t SUNTap) want(u *Unit, w *Wants, card payment.CardID, device payment.DeviceID) {
	if t.Version == 0 {
		return
	}
	w.BoundTo = append(w.BoundTo, card)
	w.Bindings = append(w.Bindings, BindingID{card, device})
	if u.asked.boundTo[card] {
		w.Devices = append(w.Devices, u.BoundTo(card)...) // to be woken
	}
}

// spendTap uses a tap up. It reports whether the tap counts: a message counts once, and then neither it nor any that the
// card made before counts again. The card is staged, so that this holds from the commit of what the tap is used for.
func (u *Unit) spendTap(c *Card, t SUNTap) bool {
	if t.Version == 0 {
		return c.SUNVersion == 0
	}
	if t.Version != c.SUNVersion || t.Counter <= c.SUNCounter {
		return false
	}
	c.SUNCounter = t.Counter
	u.Cards.Put(c.ID, *c)
	return true
}

// watchSkimming tells the card's devices and the operators of a tap that somebody else may have made: one that no device
// of the card presents, or one after many that nobody presented. The card is as it was loaded by then: see skipped.
func (u *Unit) watchSkimming(c Card, t SUNTap, device payment.DeviceID) {
	if t.Version == 0 || len(u.BoundTo(c.ID)) == 0 {
		return
	}
	if !u.isBound(BindingID{c.ID, device}) || u.skipped(c.ID, t) {
		u.tellCard("skim_suspected", c)
	}
}

// skipped reports whether the counter rose by more than the step since the last tap that was used, if there was any.
func (u *Unit) skipped(id payment.CardID, t SUNTap) bool {
	last := u.Cards.rows[id].SUNCounter
	return t.SkimStep > 0 && last > 0 && t.Counter-last > t.SkimStep
}
