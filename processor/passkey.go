package processor

import (
	"slices"
	"strings"

	"tapline/consent"
	"tapline/payment"
)

// MaxPasskeys is how many passkeys a card may have.
const MaxPasskeys = 10

// RegisterPasskey makes a passkey known with which the cardholder may pay, by the associated device and with the PIN.
type RegisterPasskey struct {
	cardTry
	Passkey Passkey // without card, device and time; completed by Do

	TooMany bool // result: the card has as many as it may have; the PIN was right
	Taken   bool // result: there is such a passkey already; the PIN was right
}

// NewRegisterPasskey finishes the check of a PIN that ReserveTry began.
func NewRegisterPasskey(begun *ReserveTry, right bool, k Passkey) *RegisterPasskey {
	return &RegisterPasskey{cardTry: finishing(begun, right), Passkey: k}
}

// Wants names the card, and the passkey.
func (c *RegisterPasskey) Wants(u *Unit, w *Wants) {
	c.cardTry.Wants(u, w)
	w.Passkeys = append(w.Passkeys, c.Passkey.ID)
}

// Do takes the passkey if the PIN was right. What else may be wrong is a result, since an error would keep the try.
func (c *RegisterPasskey) Do(u *Unit) error {
	c.TooMany, c.Taken = false, false
	if goOn, err := c.finish(u); err != nil || !goOn {
		return err
	}
	if _, c.Taken = u.Passkeys.Get(c.Passkey.ID); c.Taken {
		return nil
	}
	if c.TooMany = c.After.Passkeys >= MaxPasskeys; c.TooMany {
		return nil
	}
	c.Passkey.Card, c.Passkey.Device, c.Passkey.CreatedAt = c.Card, c.Device, u.Now
	u.Passkeys.Put(c.Passkey.ID, c.Passkey)
	c.After.Passkeys++
	u.Cards.Put(c.Card, c.After)
	u.tellCard("passkey_added", c.After)
	return nil
}

// RemovePasskey ends the use of a passkey, by the card's associated device. That needs no PIN: it takes power away.
type RemovePasskey struct {
	Card   payment.CardID
	Device payment.DeviceID
	ID     string

	Passkey Passkey // result
}

// Wants names the card and the passkey.
func (c *RemovePasskey) Wants(u *Unit, w *Wants) {
	w.Devices = append(w.Devices, c.Device)
	w.Cards = append(w.Cards, c.Card)
	w.BoundTo = append(w.BoundTo, c.Card)
	w.Passkeys = append(w.Passkeys, c.ID)
}

// Do removes the passkey.
func (c *RemovePasskey) Do(u *Unit) error {
	card, err := u.associatedCard(c.Card, c.Device)
	if err != nil {
		return err
	}
	k, ok := u.Passkeys.Get(c.ID)
	if !ok || k.Card != c.Card || !k.RemovedAt.IsZero() {
		return ErrUnknownPasskey
	}
	k.RemovedAt = u.Now
	card.Passkeys--
	u.Passkeys.Put(k.ID, k)
	u.Cards.Put(card.ID, card)
	u.tellCard("passkey_removed", card)
	c.Passkey = k
	return nil
}

// Gesture is a passkey's answer to a statement, which was found to fit: authentication and first confirmation in one.
type Gesture struct {
	Passkey string // its id
	Counter uint32
}

// Serves reports whether a passkey may be used for a card: it is the card's, and was registered by the device that is
// associated now and was not revoked. Whoever loses a device loses its passkeys with it.
func (k Passkey) Serves(c Card, associated Device) bool {
	return k.Card == c.ID && k.RemovedAt.IsZero() && k.Device == c.Associated &&
		k.Device == associated.ID && associated.RevokedAt.IsZero()
}

// PasskeysFor lists the ids of a card's passkeys that may confirm a payment which waits for authentication. They are named
// only to a device that is or was bound to the card.
func PasskeysFor(p payment.Payment, c Card, associated Device, bound bool, all []Passkey) []string {
	var ids []string
	if !bound || p.Decoy() || p.State != payment.AuthenticationRequired || p.CardVersion != c.Version {
		return nil
	}
	for _, k := range all {
		if k.Serves(c, associated) {
			ids = append(ids, k.ID)
		}
	}
	slices.SortFunc(ids, strings.Compare)
	return ids
}

// wantPasskeys names what passkeysFor reads. For a device that is a stranger to the card nothing is looked at further, nor
// of a card without passkeys.
func (u *Unit) wantPasskeys(w *Wants, c Card, device payment.DeviceID) {
	w.Bindings = append(w.Bindings, BindingID{c.ID, device})
	if b, known := u.Bindings.rows[BindingID{c.ID, device}]; known && b.RemovedAt.IsZero() && c.Passkeys > 0 {
		w.PasskeysOf = append(w.PasskeysOf, c.ID)
		w.Devices = append(w.Devices, c.Associated)
	}
}

// passkeysFor is PasskeysFor with the rows that wantPasskeys has named.
func (u *Unit) passkeysFor(p payment.Payment, c Card) []string {
	if p.Decoy() || !u.asked.passkeys[c.ID] || !u.Devices.asked[c.Associated] {
		return nil // not asked for either what changed in this very batch: the next look at it tells
	}
	var all []Passkey
	for _, id := range u.passkeysOf[c.ID] {
		if k, ok := u.Passkeys.Get(id); ok {
			all = append(all, k)
		}
	}
	bound := u.isBound(BindingID{c.ID, p.Initiator})
	associated, _ := u.Devices.Get(c.Associated)
	return PasskeysFor(p, c, associated, bound, all)
}

// wantGesture names what a passkey's answer depends on.
func (u *Unit) wantGesture(w *Wants, g *Gesture, p payment.Payment) {
	if g == nil {
		return
	}
	w.Passkeys = append(w.Passkeys, g.Passkey)
	w.Devices = append(w.Devices, u.Passkeys.rows[g.Passkey].Device)
	w.Bindings = append(w.Bindings, BindingID{p.Card, p.Initiator})
}

// authenticateBy authenticates a payment's payer by a passkey. A passkey that does not serve is refused alike for a decoy
// and for somebody else's card.
func (u *Unit) authenticateBy(g *Gesture, p payment.Payment, policy payment.Policy) (payment.Payment, error) {
	var card Card
	known := !p.Decoy()
	if known {
		card, known = u.Cards.Get(p.Card)
	}
	k, ok := u.Passkeys.Get(g.Passkey)
	by, _ := u.Devices.Get(k.Device)
	bound := u.isBound(BindingID{p.Card, p.Initiator})
	switch {
	case !known || !ok || !bound || !k.Serves(card, by):
		return p, consent.ErrPasskey
	case !u.alive(p):
		return p, ErrCardState
	case !(consent.Passkey{Counter: uint32(k.Counter)}).Rises(g.Counter):
		return p, consent.ErrPasskey
	}
	k.Counter, k.UsedAt = int64(g.Counter), u.Now
	u.Passkeys.Put(k.ID, k)
	if p.State != payment.AuthenticationRequired {
		return p, nil
	}
	return u.authenticate(p, policy)
}
