package processor

import (
	"time"

	"tapline/payment"
)

// ReportLost says that a card is lost, by its associated device or, if By is given, by an operator. It freezes the card
// like any freeze, but no device can undo it: an operator unfreezes a card that was found, or replaces it.
type ReportLost struct {
	Operated
	Card   payment.CardID
	Device payment.DeviceID // empty for an operator

	After Card // result
}

// Wants names the card and all that a freeze touches.
func (c *ReportLost) Wants(u *Unit, w *Wants) {
	if c.Device != "" {
		w.Devices = append(w.Devices, c.Device)
	} else {
		c.want(w)
	}
	wantCard(u, w, c.Card)
}

// Do freezes the card and takes note that it is lost. A card that was not activated cannot pay, and need not be stopped.
func (c *ReportLost) Do(u *Unit) (err error) {
	var card Card
	if c.Device != "" {
		if card, err = u.associatedCard(c.Card, c.Device); err != nil {
			return err
		}
	} else {
		if err := c.record(u, "card.lost", string(c.Card)); err != nil {
			return err
		}
		var ok bool
		if card, ok = u.Cards.Get(c.Card); !ok {
			return ErrUnknownCard
		}
	}
	if card.State == CardIssued {
		return ErrCardState
	}
	if card.LostAt.IsZero() {
		card.LostAt = u.Now
	}
	if err := u.freeze(card, c.Device, "lost"); err != nil {
		return err
	}
	c.After, _ = u.Cards.Get(c.Card)
	return nil
}

// ReplaceCard puts a new card in the place of one, for ever, by an operator. The old card is closed at once and its open
// payments are cancelled. The new one has the old one's account, devices, PIN, wishes and counts, and a code of its own:
// the associated device activates it with that, other devices after a day of notice.
type ReplaceCard struct {
	Operated
	Old      payment.CardID
	Card     Card      // with id, key, last four, version of the master key, the code's MAC, and a label or none
	CardKeys []CardKey // as in IssueCard

	Devices []payment.DeviceID // results: bound to the new card
}

// Wants names the old card with all that closing it touches, the new one's number, and the tries at both.
func (c *ReplaceCard) Wants(u *Unit, w *Wants) {
	c.want(w)
	wantCard(u, w, c.Old)
	w.CardKeys = append(append(w.CardKeys, c.Card.Key), c.CardKeys...)
	if old, ok := u.Cards.rows[c.Old]; ok {
		wantTries(w, old.Key)
		wantTries(w, c.Card.Key)
		for _, d := range u.BoundTo(c.Old) {
			w.Bindings = append(w.Bindings, BindingID{c.Old, d}, BindingID{c.Card.ID, d})
		}
	}
}

// Do replaces the card.
func (c *ReplaceCard) Do(u *Unit) error {
	if err := c.record(u, "card.replace", string(c.Old)); err != nil {
		return err
	}
	old, ok := u.Cards.Get(c.Old)
	if !ok {
		return ErrUnknownCard
	}
	if old.State == CardClosed {
		return ErrCardState
	}
	for _, k := range append([]CardKey{c.Card.Key}, c.CardKeys...) {
		if _, taken := u.CardByKey(k); taken {
			return ErrCardExists
		}
	}
	c.Card = old.successor(u, c.Card)
	u.Cards.Put(c.Card.ID, c.Card)
	c.Devices = u.BoundTo(old.ID)
	for _, d := range c.Devices {
		b, _ := u.Bindings.Get(BindingID{old.ID, d})
		u.Bindings.Put(BindingID{c.Card.ID, d}, Binding{Card: c.Card.ID, Device: d, BoundAt: b.BoundAt})
	}
	u.carryTries(old.Key, c.Card.Key)
	old.State, old.Code, old.ReplacedBy = CardClosed, OneUseCode{}, c.Card.ID
	return u.change("replaced", old)
}

// successor is the card that replaces another: what belongs to its holder stays, what belongs to the plastic is the new
// card's. The sums of the day and the count of approvals stay as well, or replacing a card would double them.
func (c Card) successor(u *Unit, plastic Card) Card {
	next := c
	next.ID, next.Key, next.Last4, next.SUNVersion, next.SUNCounter = plastic.ID, plastic.Key, plastic.Last4, plastic.SUNVersion, 0
	if plastic.Label != "" {
		next.Label = plastic.Label
	}
	next.State, next.Version, next.CreatedAt = CardIssued, 0, u.Now
	next.FrozenByOperator, next.LostAt = false, time.Time{}
	next.Replaces, next.ReplacedBy, next.Passkeys = c.ID, "", 0
	next.Code = newCode(u, next.activation(), plastic.Code.MAC)
	return next
}

// activation is what a code does that activates the card: one that replaces an activated card keeps its PIN and devices.
func (c Card) activation() CodePurpose {
	if c.Associated != "" {
		return CodeReplaces
	}
	return CodeActivates
}

// carryTries makes the tries at one number's PIN those at another's: the PIN is the same. Strangers may have tried the new
// number before; what is worse for them counts.
func (u *Unit) carryTries(from, to CardKey) {
	for _, by := range []string{Owner, Strangers} {
		old, _ := u.Tries.Get(TriesID{from, by})
		row, _ := u.Tries.Get(TriesID{to, by})
		u.Tries.Put(TriesID{to, by}, Tries{TriesID{to, by}, old.Worse(row.Tries)})
	}
}
