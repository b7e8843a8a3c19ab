package processor

import (
	"tapline/consent"
	"tapline/payment"
)

// triesOf names the count that a device's tries with a card number go to: its own if it is bound to the card, and
// otherwise the one of all strangers, which is smaller, so that somebody with a copied number cannot lock the owner out.
// wantTries has wanted the rows.
func (u *Unit) triesOf(key CardKey, device payment.DeviceID) (TriesID, consent.TryLimits) {
	if c, ok := u.CardByKey(key); ok {
		if _, bound := u.Bindings.Get(BindingID{c.ID, device}); bound {
			return TriesID{key, device}, consent.OwnTries
		}
	}
	return TriesID{key, ""}, consent.StrangerTries
}

func wantTries(u *Unit, w *Wants, key CardKey, device payment.DeviceID) {
	w.CardKeys = append(w.CardKeys, key)
	w.Tries = append(w.Tries, TriesID{key, device}, TriesID{key, ""})
	if c, ok := u.CardByKey(key); ok {
		w.Bindings = append(w.Bindings, BindingID{c.ID, device})
	}
}

// reserveTry takes a try off before anything is verified.
func (u *Unit) reserveTry(key CardKey, device payment.DeviceID) error {
	id, limits := u.triesOf(key, device)
	row, _ := u.Tries.Get(id)
	after, err := row.Reserve(limits, u.Now)
	if err != nil {
		return &TryError{Err: err, For: row.PausedFor(u.Now)}
	}
	u.Tries.Put(id, Tries{id, after})
	return nil
}

// TryResult is what came of a try.
type TryResult struct {
	Right     bool
	Left      int   // tries before the next pause or lock; 0 in a pause
	PausedFor int64 // seconds
	Locked    bool
}

// finishTry gives the try back if it was right, and says what is left.
func (u *Unit) finishTry(key CardKey, device payment.DeviceID, right bool) TryResult {
	id, limits := u.triesOf(key, device)
	row, _ := u.Tries.Get(id)
	if right {
		row = Tries{id, row.Succeed(limits, id.Device != "")}
		u.Tries.Put(id, row)
	}
	result := TryResult{Right: right, Left: row.Left(limits), Locked: row.Locked, PausedFor: int64(row.PausedFor(u.Now).Seconds())}
	if result.PausedFor > 0 {
		result.Left = 0
	}
	return result
}

// pinSubject is what a card's PIN hash is bound to.
func pinSubject(c Card) string { return string(c.ID) }
