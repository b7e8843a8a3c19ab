package processor

import (
	"time"

	"tapline/ledger"
	"tapline/payment"
)

// Operated is what every operator's command carries: who, and why. Its record is part of the same transaction.
type Operated struct {
	By   OperatorID
	Note string
}

func (o Operated) want(w *Wants) { w.Operators = append(w.Operators, o.By) }

// record refuses a stranger, and takes note of an operator's action.
func (o Operated) record(u *Unit, action, subject string) error {
	if by, ok := u.Operators.Get(o.By); !ok || !by.Acts() {
		return ErrUnknownOperator
	}
	u.Audit(Audit{Operator: o.By, Action: action, Subject: subject, Note: o.Note})
	return nil
}

// EnrolOperator adds an operator, by another one; the first by whoever holds the first-start token.
type EnrolOperator struct {
	Operated // By is empty for the first
	New      Operator
	FourEyes bool // another operator than By has to confirm, where there is or ever was one
}

// Wants names both, or whether there is any.
func (c *EnrolOperator) Wants(_ *Unit, w *Wants) {
	w.Operators = append(w.Operators, c.New.ID)
	if c.By == "" {
		w.AnyOf = true
		return
	}
	c.want(w)
	w.AnyOf = w.AnyOf || c.FourEyes
}

// Do enrols the operator.
func (c *EnrolOperator) Do(u *Unit) error {
	if c.By == "" {
		if len(u.Operators.rows) > 0 {
			return ErrAlreadyEnrolled
		}
		u.Audit(Audit{Operator: c.New.ID, Action: "operator.first", Subject: string(c.New.ID), Note: c.Note})
	} else if err := c.record(u, "operator.enrol", string(c.New.ID)); err != nil {
		return err
	}
	if _, known := u.Operators.Get(c.New.ID); known {
		return ErrOperatorExists
	}
	c.New.CreatedAt, c.New.EnrolledBy = u.Now, c.By
	event := "operator.enrolled"
	if c.FourEyes && c.By != "" && u.anotherThan(c.By) {
		event = "operator.requested"
	} else {
		c.New.ConfirmedAt = u.Now
	}
	u.Operators.Put(c.New.ID, c.New)
	u.tellOperators(event, c.New.ID)
	return nil
}

// anotherThan reports whether there is an operator besides one, or was: who removed all others is not one of two for that.
func (u *Unit) anotherThan(one OperatorID) bool {
	for id, o := range u.Operators.rows {
		if id != one && !o.ConfirmedAt.IsZero() {
			return true
		}
	}
	return false
}

func (u *Unit) tellOperators(event string, id OperatorID) {
	u.Tell(Event{Type: event, Subject: string(id), To: []Principal{OperatorsPrincipal}})
}

// ConfirmOperator lets an operator act whom another one has enrolled.
type ConfirmOperator struct {
	Operated
	ID OperatorID

	After Operator // result
}

// Wants names both.
func (c *ConfirmOperator) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Operators = append(w.Operators, c.ID)
}

// Do confirms. Who has enrolled the operator cannot.
func (c *ConfirmOperator) Do(u *Unit) error {
	if err := c.record(u, "operator.confirm", string(c.ID)); err != nil {
		return err
	}
	o, ok := u.Operators.Get(c.ID)
	switch {
	case !ok:
		return ErrNoSuchOperator
	case !o.ConfirmedAt.IsZero() || !o.RemovedAt.IsZero():
		return ErrOperatorDecided
	case o.EnrolledBy == c.By:
		return ErrSameOperator
	}
	o.ConfirmedAt, o.ConfirmedBy = u.Now, c.By
	u.Operators.Put(c.ID, o)
	u.tellOperators("operator.enrolled", c.ID)
	c.After = o
	return nil
}

// RemoveOperator takes an operator's right to act away, for ever, or refuses one who waits to be confirmed. Nobody removes
// themselves, so that one is left.
type RemoveOperator struct {
	Operated
	ID OperatorID

	After Operator // result
}

// Wants names both.
func (c *RemoveOperator) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Operators = append(w.Operators, c.ID)
}

// Do removes the operator.
func (c *RemoveOperator) Do(u *Unit) error {
	if err := c.record(u, "operator.remove", string(c.ID)); err != nil {
		return err
	}
	o, ok := u.Operators.Get(c.ID)
	switch {
	case !ok:
		return ErrNoSuchOperator
	case c.ID == c.By:
		return ErrSameOperator
	case !o.RemovedAt.IsZero():
		return ErrOperatorDecided
	}
	o.RemovedAt = u.Now
	u.Operators.Put(c.ID, o)
	u.tellOperators("operator.removed", c.ID)
	c.After = o
	return nil
}

// Invite takes note of an operator's invite to a new one.
type Invite struct {
	Operated
	ID string // the token's
}

// Wants names the operator.
func (c *Invite) Wants(_ *Unit, w *Wants) { c.want(w) }

// Do records it.
func (c *Invite) Do(u *Unit) error { return c.record(u, "operator.invite", c.ID) }

// IssueCard makes a card known, with a new account behind it and a code to activate it.
type IssueCard struct {
	Operated
	Card     Card      // with id, key, last four, label, account id, currency and the code's MAC
	CardKeys []CardKey // of the number under every key, so that a card issued under an older one is found; may be empty
}

// Wants names the card's number.
func (c *IssueCard) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.CardKeys = append(append(w.CardKeys, c.Card.Key), c.CardKeys...)
}

// Do issues the card.
func (c *IssueCard) Do(u *Unit) error {
	if err := c.record(u, "card.issue", string(c.Card.ID)); err != nil {
		return err
	}
	for _, k := range append([]CardKey{c.Card.Key}, c.CardKeys...) {
		if _, taken := u.CardByKey(k); taken {
			return ErrCardExists
		}
	}
	c.Card.State, c.Card.CreatedAt = CardIssued, u.Now
	c.Card.Code = newCode(u, CodeActivates, c.Card.Code.MAC)
	u.Cards.Put(c.Card.ID, c.Card)
	u.Accounts.Put(c.Card.Account, ledger.Account{ID: c.Card.Account, Kind: ledger.CardAccount, Currency: c.Card.Currency})
	return nil
}

func newCode(u *Unit, purpose CodePurpose, mac string) OneUseCode {
	code := OneUseCode{Purpose: purpose, MAC: mac, NotBefore: u.Now, ExpiresAt: u.Now.Add(CodeLife)}
	if purpose == CodeRebinds || purpose == CodeReplaces {
		code.NotBefore = u.Now.Add(RebindingDelay)
	}
	return code
}

// GiveCode gives a card a new one-use code. The card's devices are told. One that would rebind the card waits a day, in
// which the associated device, unless revoked, can void it by freezing the card. So it can void one that resets the PIN.
type GiveCode struct {
	Operated
	Card    payment.CardID
	Purpose CodePurpose
	MAC     string

	After Card // result
}

// Wants names the card.
func (c *GiveCode) Wants(u *Unit, w *Wants) {
	c.want(w)
	wantCard(u, w, c.Card)
}

// Do replaces the card's code.
func (c *GiveCode) Do(u *Unit) error {
	if err := c.record(u, "card.code."+string(c.Purpose), string(c.Card)); err != nil {
		return err
	}
	card, ok := u.Cards.Get(c.Card)
	if !ok {
		return ErrUnknownCard
	}
	if activates := c.Purpose == CodeActivates; card.State == CardClosed || activates != (card.State == CardIssued) {
		return ErrCardState
	}
	purpose := c.Purpose
	if purpose == CodeActivates {
		purpose = card.activation()
	}
	card.Code = newCode(u, purpose, c.MAC)
	u.Cards.Put(c.Card, card)
	u.tellCard("code_issued", card)
	c.After = card
	return nil
}

// SetCardState freezes, unfreezes or closes a card for an operator. Closing is for ever.
type SetCardState struct {
	Operated
	Card payment.CardID
	To   CardState // CardFrozen, CardActive or CardClosed

	After Card // result
}

// Wants names the card and all that a change of it touches.
func (c *SetCardState) Wants(u *Unit, w *Wants) {
	c.want(w)
	wantCard(u, w, c.Card)
}

// Do changes the card's state.
func (c *SetCardState) Do(u *Unit) error {
	if err := c.record(u, "card."+string(c.To), string(c.Card)); err != nil {
		return err
	}
	card, ok := u.Cards.Get(c.Card)
	if !ok {
		return ErrUnknownCard
	}
	var err error
	switch {
	case c.To == CardFrozen && (card.State == CardActive || card.State == CardFrozen):
		err = u.freeze(card, "", "frozen")
	case c.To == CardActive && card.State == CardFrozen:
		card.State, card.FrozenByOperator, card.LostAt = CardActive, false, time.Time{}
		err = u.change("unfrozen", card)
	case c.To == CardClosed && card.State != CardClosed:
		card.State, card.Code = CardClosed, OneUseCode{}
		err = u.change("closed", card)
	default:
		err = ErrCardState
	}
	c.After, _ = u.Cards.Get(c.Card)
	return err
}

// RevokeDevice takes a device's right to act away, for ever. The holders of all cards that it is bound to are told.
type RevokeDevice struct {
	Operated
	Device payment.DeviceID
}

// Wants names the device, its cards, and who is told what happens to those.
func (c *RevokeDevice) Wants(u *Unit, w *Wants) {
	c.want(w)
	w.Devices = append(w.Devices, c.Device)
	w.CardsOf = append(w.CardsOf, c.Device)
	for _, id := range u.cardsOf(c.Device) {
		w.Cards = append(w.Cards, id)
		w.wantTold(u, id)
	}
}

// Do revokes the device.
func (c *RevokeDevice) Do(u *Unit) error {
	if err := c.record(u, "device.revoke", string(c.Device)); err != nil {
		return err
	}
	d, ok := u.Devices.Get(c.Device)
	if !ok {
		return ErrUnknownDevice
	}
	if !d.RevokedAt.IsZero() {
		return nil
	}
	d.RevokedAt, d.Push = u.Now, PushSubscription{}
	u.Devices.Put(c.Device, d)
	for _, id := range u.cardsOf(c.Device) {
		if card, ok := u.seen(id); ok && card.State != CardClosed && u.asked.boundTo[id] {
			u.tellCard("device_revoked", card)
		}
	}
	return nil
}
