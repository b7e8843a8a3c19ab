package processor

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"tapline/consent"
	"tapline/keyring"
	"tapline/payment"
)

// KeyOfNumber is the card key of an account number under the current number key: what a new card is stored under.
func KeyOfNumber(keys *keyring.Keyring, n consent.AccountNumber) CardKey {
	return cardKey(keys.MAC(keyring.Number, []byte(n)))
}

// KeysOfNumber are the card keys of an account number under every number key, newest first: what to look for.
func KeysOfNumber(keys *keyring.Keyring, n consent.AccountNumber) []CardKey {
	var out []CardKey
	for _, v := range keys.MACs(keyring.Number, []byte(n)) {
		out = append(out, cardKey(v))
	}
	return out
}

// KeyOfUID is the card key of a card that proves itself, by its UID, under the current number key.
func KeyOfUID(keys *keyring.Keyring, uid []byte) CardKey {
	return cardKey(keys.MAC(keyring.Number, []byte("sun/uid"), uid))
}

// KeysOfUID are the card keys of a UID under every number key, newest first.
func KeysOfUID(keys *keyring.Keyring, uid []byte) []CardKey {
	var out []CardKey
	for _, v := range keys.MACs(keyring.Number, []byte("sun/uid"), uid) {
		out = append(out, cardKey(v))
	}
	return out
}

// StrangersKey is what tries are counted under for taps that claim a UID but prove nothing. No card has such a key.
func StrangersKey(keys *keyring.Keyring, uid []byte) CardKey {
	all := keys.MACs(keyring.Number, []byte("sun/stranger"), uid)
	return cardKey(all[len(all)-1]) // as cardOf does: a new key does not give fresh tries
}

// DigitsOfUID are four digits that stand where other cards have the last four of their account number. They tell nothing
// of the UID.
func DigitsOfUID(keys *keyring.Keyring, uid []byte) string {
	all := keys.MACs(keyring.Number, []byte("sun/digits"), uid)
	return fmt.Sprintf("%04d", binary.BigEndian.Uint64(all[len(all)-1].Sum)%10_000)
}

func cardKey(v keyring.Versioned) CardKey {
	return CardKey(strconv.Itoa(v.Version) + "." + base64.RawURLEncoding.EncodeToString(v.Sum))
}

// cardOf returns the card that one of the keys names, and the key to count tries under, whether there is a card or not:
// for a number that no card has, that of the oldest number key, so that a new key does not give it fresh tries.
func (u *Unit) cardOf(keys []CardKey) (c Card, key CardKey, ok bool) {
	for _, k := range keys {
		if c, ok := u.CardByKey(k); ok {
			return c, k, true
		}
	}
	return Card{}, keys[len(keys)-1], false
}

// tell tells everybody who has to do with a card, and the operators, that something happened to it.
func (u *Unit) tellCard(what string, c Card) {
	to := []Principal{OperatorsPrincipal}
	for _, d := range u.BoundTo(c.ID) {
		to = append(to, DevicePrincipal(d))
		u.wake(d, WakeAlarm, u.Now.Add(noticeLife))
	}
	u.Tell(Event{Type: "card." + what, Subject: string(c.ID), State: string(c.State), To: to})
	u.mail(c, "card."+what, string(c.ID), MailFacts{})
}

// cancelOpen cancels a card's open payments that have been authenticated.
func (u *Unit) cancelOpen(id payment.CardID) error {
	for _, p := range u.OpenOf(id) {
		if _, err := u.Do(p, payment.Command{Verb: payment.Cancel, Reason: payment.CardChanged}); err != nil {
			return err
		}
	}
	return nil
}

// freeze freezes a card, for a device or, without one, for an operator, and tells what has happened to it. The associated device also
// voids any code that would bind another device or set another PIN: whoever took the card may have asked for that.
func (u *Unit) freeze(c Card, by payment.DeviceID, what string) error {
	if c.State == CardClosed {
		return ErrCardState
	}
	if c.State == CardActive {
		c.State = CardFrozen
	}
	if by == "" {
		c.FrozenByOperator = true
	}
	if by == c.Associated && c.Code.Purpose != CodeActivates {
		c.Code = OneUseCode{}
	}
	return u.change(what, c)
}

// change stages a card whose state, PIN or device has changed, tells of it, and cancels its open payments: what they
// were to be confirmed with is no more. Those that nobody has authenticated stay as they are, because a stranger may be
// watching them, but cannot be authenticated any more (see alive).
func (u *Unit) change(what string, c Card) error {
	c.Version++
	u.Cards.Put(c.ID, c)
	u.tellCard(what, c)
	return u.cancelOpen(c.ID)
}

// alive reports whether a payment's card is as it was when the payment was instructed.
func (u *Unit) alive(p payment.Payment) bool {
	c, ok := u.Cards.Get(p.Card)
	return ok && c.State == CardActive && c.Associated == p.Associated && c.Version == p.CardVersion
}

// wantCard adds what changing a card touches, its bindings and open payments, and what shows it: its account and
// devices.
func wantCard(u *Unit, w *Wants, id payment.CardID) {
	w.Cards = append(w.Cards, id)
	w.BoundTo = append(w.BoundTo, id)
	w.OpenOf = append(w.OpenOf, id)
	if c, ok := u.Cards.rows[id]; ok || id == "" {
		w.Accounts = append(w.Accounts, c.Account)
	}
	if u.asked.boundTo[id] {
		w.wakeable("") // one that is not there, for cards that have none
		w.wakeable(u.BoundTo(id)...)
	}
}

// activeDevice returns a registered device that may act.
func (u *Unit) activeDevice(id payment.DeviceID) (Device, error) {
	d, ok := u.Devices.Get(id)
	if !ok {
		return Device{}, ErrUnknownDevice
	}
	if !d.RevokedAt.IsZero() {
		return Device{}, ErrDeviceRevoked
	}
	return d, nil
}

// UseStep is how exactly it is known when a device was last used. A device is noted as used at most that often.
const UseStep = 10 * time.Minute

// actingDevice returns the device that acts, if it may, and notes that it was used.
func (u *Unit) actingDevice(id payment.DeviceID) (Device, error) {
	d, err := u.activeDevice(id)
	if err == nil && u.Now.Sub(d.UsedAt) >= UseStep {
		d.UsedAt = u.Now
		u.Devices.Put(id, d)
	}
	return d, err
}

// associatedCard returns a card of which the device is the associated device. For anybody else it does not exist.
func (u *Unit) associatedCard(id payment.CardID, device payment.DeviceID) (Card, error) {
	if _, err := u.actingDevice(device); err != nil {
		return Card{}, err
	}
	c, ok := u.Cards.Get(id)
	if !ok || c.Associated != device {
		return Card{}, ErrUnknownCard
	}
	return c, nil
}
