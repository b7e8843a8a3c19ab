package processor

import (
	"tapline/consent"
	"tapline/payment"
)

// triesOf names the count that a device's tries at a card's PIN go to: the owner's for the associated device, and
// otherwise that of all strangers, which is smaller. A device that was the associated device once is a stranger, too:
// else whoever holds the key of a stolen phone could go from device to device and find fresh tries on each.
func (u *Unit) triesOf(key CardKey, device payment.DeviceID) (TriesID, consent.TryLimits) {
	if c, ok := u.CardByKey(key); ok && c.Associated == device {
		return TriesID{key, Owner}, consent.OwnTries
	}
	return TriesID{key, Strangers}, consent.StrangerTries
}

func wantTries(w *Wants, key CardKey) {
	w.CardKeys = append(w.CardKeys, key)
	w.Tries = append(w.Tries, TriesID{key, Owner}, TriesID{key, Strangers})
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
}

// finishTry gives the try back if it was right, and says what is left.
func (u *Unit) finishTry(key CardKey, device payment.DeviceID, right bool) TryResult {
	id, limits := u.triesOf(key, device)
	row, _ := u.Tries.Get(id)
	if right {
		row = Tries{id, row.Succeed(limits, id.By == Owner)}
		u.Tries.Put(id, row)
	}
	result := TryResult{Right: right, Left: row.Left(limits), PausedFor: int64(row.PausedFor(u.Now).Seconds())}
	if result.PausedFor > 0 {
		result.Left = 0
	}
	return result
}

// alarmPIN tells a card's holder of so many wrong PINs that there is a pause, or no try left.
func (u *Unit) alarmPIN(c Card, r TryResult) {
	if !r.Right && r.Left == 0 {
		u.tellCard("pin_alarm", c)
	}
}

// clearTries forgets all tries at a card's PIN.
func (u *Unit) clearTries(key CardKey) {
	for _, id := range []TriesID{{key, Owner}, {key, Strangers}} {
		u.Tries.Put(id, Tries{TriesID: id})
	}
}

// codeTries names the count of a device's tries at a card's one-use code. Each device has its own: the code is long
// enough for any number of them, and one that all shared would let a stranger use up the owner's.
func codeTries(c Card, device payment.DeviceID) TriesID {
	return TriesID{Card: CardKey("code." + c.Code.MAC), By: string(device)}
}

// codeLimits are those of tries at a one-use code.
var codeLimits = consent.TryLimits{Pause: CodeTries, Lock: CodeTries}

// PINSubject is what a card's PIN hash is bound to: its account, so that a card that replaces another can have its PIN.
func PINSubject(c Card) string { return string(c.Account) }
