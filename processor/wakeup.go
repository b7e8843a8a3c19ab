package processor

import (
	"context"
	"time"

	"tapline/payment"
)

// PushSubscription is where a device can be woken. The zero value is nowhere.
type PushSubscription struct {
	Endpoint string // of a push service, https; whoever knows it and the service's key can wake the device
	Key      []byte // the browser's public key
	Auth     []byte // what browser and service both know
	Version  int    // of the service's push key that the browser was given
	Debits   bool   // whether the device is to be woken for debits, too
	Since    time.Time
}

// WakeKind is what a device is woken for.
type WakeKind string

// The kinds. A device that is woken is told the kind and nothing else.
const (
	WakeApprove WakeKind = "approve" // a payment waits for it
	WakeDebit   WakeKind = "debit"   // the card account was debited, or something of that came back
	WakeAlarm   WakeKind = "card"    // something happened to a card: see the events of cards
)

// WakeKinds lists every kind.
var WakeKinds = []WakeKind{WakeApprove, WakeDebit, WakeAlarm}

// How long a device may sleep before a wake-up is not worth it any more, and how long whoever has claimed a wake-up has to
// send it before another may.
const (
	noticeLife = 24 * time.Hour
	WakeLease  = 30 * time.Second
)

// WakeID names a wake-up.
type WakeID struct {
	Device payment.DeviceID
	Kind   WakeKind
}

// WakeUp says that a device is to be woken. There is one for each device and kind, written in the transaction of what it
// is for: what happens while it waits needs no second one, because it says nothing but the kind.
type WakeUp struct {
	WakeID
	Until    time.Time // after which it is not sent
	NextAt   time.Time // when it is to be sent, or sent again; zero if there is nothing to send
	Attempts int       // since it was last wanted
	Version  int64     // counts how often it was wanted
}

// wakeable names devices that may have to be woken, with their wake-ups: whether they can be woken or not, and with those of a
// device that is not there, because a stranger must not learn by the clock whose card is known.
func (w *Wants) wakeable(ids ...payment.DeviceID) {
	w.Devices = append(w.Devices, ids...)
	for _, id := range ids {
		for _, kind := range WakeKinds {
			w.WakeUps = append(w.WakeUps, WakeID{id, kind})
		}
	}
}

// wantWakeUps names the wake-ups of every loaded device that can be woken, and the device that each open payment may have
// to wake.
func (u *Unit) wantWakeUps(w *Wants) {
	for _, id := range u.Payments.known {
		if p := u.Payments.rows[id]; !p.State.Final() {
			w.wakeable(p.Associated)
		}
	}
	for _, id := range u.Devices.known {
		if u.Devices.rows[id].Push.Endpoint == "" {
			continue
		}
		for _, kind := range WakeKinds {
			w.WakeUps = append(w.WakeUps, WakeID{id, kind})
		}
	}
}

// wake has a device woken, if it can be.
func (u *Unit) wake(id payment.DeviceID, kind WakeKind, until time.Time) {
	d, ok := u.Devices.staged[id]
	if !ok {
		d, ok = u.Devices.rows[id]
	}
	if !ok || d.Push.Endpoint == "" || !d.RevokedAt.IsZero() || kind == WakeDebit && !d.Push.Debits || !u.WakeUps.asked[WakeID{id, kind}] {
		return
	}
	row, _ := u.WakeUps.Get(WakeID{id, kind})
	row.WakeID = WakeID{id, kind}
	if until.After(row.Until) || row.NextAt.IsZero() {
		row.Until = until
	}
	row.NextAt, row.Attempts, row.Version = u.Now, 0, row.Version+1
	u.WakeUps.Put(row.WakeID, row)
}

// wakeFor wakes the associated device for what a step of a payment came to.
func (u *Unit) wakeFor(before payment.State, p payment.Payment) {
	switch {
	case p.State == before:
	case p.State == payment.ApprovalRequired:
		u.wake(p.Associated, WakeApprove, p.Deadline)
	case p.State == payment.Settled:
		u.wake(p.Associated, WakeDebit, u.Now.Add(noticeLife))
		u.mailPayment(p)
	}
}

// wakeUps is how many of the batch's wake-ups are to be sent.
func (u *Unit) wakeUps() (n int) {
	for _, id := range u.WakeUps.dirty {
		if at := u.WakeUps.rows[id].NextAt; !at.IsZero() && !at.After(u.Now) {
			n++
		}
	}
	return n
}

// SetPush says where a device can be woken, or, with the zero subscription, that it cannot.
type SetPush struct {
	Device payment.DeviceID
	Push   PushSubscription

	After Device // result
}

// Wants names the device, and its wake-ups, so that what happens in the same batch can wake it.
func (c *SetPush) Wants(_ *Unit, w *Wants) {
	w.wakeable(c.Device)
}

// Do takes the subscription in the place of the one before.
func (c *SetPush) Do(u *Unit) error {
	d, err := u.activeDevice(c.Device)
	if err != nil {
		return err
	}
	since := d.Push.Since
	if d.Push.Endpoint != c.Push.Endpoint {
		since = u.Now
	}
	if d.Push = c.Push; d.Push.Endpoint != "" {
		d.Push.Since = since
	}
	u.Devices.Put(d.ID, d)
	c.After = d
	return nil
}

// ClaimWakeUps takes wake-ups that are due, to send them within WakeLease. Of all who claim one at the same time one gets it.
type ClaimWakeUps struct {
	IDs []WakeID

	Claimed []ClaimedWakeUp // results
	Now     time.Time
}

// ClaimedWakeUp is a wake-up with where to send it.
type ClaimedWakeUp struct {
	WakeUp
	Push PushSubscription
}

// Wants names the wake-ups and their devices.
func (c *ClaimWakeUps) Wants(_ *Unit, w *Wants) {
	w.WakeUps = append(w.WakeUps, c.IDs...)
	for _, id := range c.IDs {
		w.Devices = append(w.Devices, id.Device)
	}
}

// Do claims those that are still due. One that is not worth sending any more is given up.
func (c *ClaimWakeUps) Do(u *Unit) error {
	c.Claimed, c.Now = nil, u.Now
	for _, id := range c.IDs {
		row, ok := u.WakeUps.Get(id)
		if !ok || row.NextAt.IsZero() || row.NextAt.After(u.Now) {
			continue
		}
		d, _ := u.Devices.Get(id.Device)
		if d.Push.Endpoint == "" || !d.RevokedAt.IsZero() || !row.Until.After(u.Now) {
			row.NextAt = time.Time{}
		} else {
			row.NextAt, row.Attempts = u.Now.Add(WakeLease), row.Attempts+1
			c.Claimed = append(c.Claimed, ClaimedWakeUp{row, d.Push})
		}
		u.WakeUps.Put(id, row)
	}
	return nil
}

// FinishWakeUp says what became of a wake-up that was claimed.
type FinishWakeUp struct {
	Claimed ClaimedWakeUp
	Again   time.Duration // when to try once more; 0 for never
	Gone    bool          // the push service knows the subscription no more
}

// Wants names the wake-up and its device.
func (c *FinishWakeUp) Wants(_ *Unit, w *Wants) {
	w.WakeUps = append(w.WakeUps, c.Claimed.WakeID)
	w.Devices = append(w.Devices, c.Claimed.Device)
}

// Do ends the wake-up or puts it off, unless it was wanted once more in the meantime, and drops a subscription that is gone,
// unless there is another one in its place.
func (c *FinishWakeUp) Do(u *Unit) error {
	row, ok := u.WakeUps.Get(c.Claimed.WakeID)
	if ok && row.Version == c.Claimed.Version && row.Attempts == c.Claimed.Attempts {
		if row.NextAt = (time.Time{}); c.Again > 0 {
			row.NextAt = u.Now.Add(c.Again)
		}
		u.WakeUps.Put(row.WakeID, row)
	}
	if d, ok := u.Devices.Get(c.Claimed.Device); ok && c.Gone && d.Push.Endpoint == c.Claimed.Push.Endpoint {
		d.Push = PushSubscription{}
		u.Devices.Put(d.ID, d)
	}
	return nil
}

// TimeIn is the time by which a snapshot is judged: that of the commands.
func (p *Processor) TimeIn(r Reader) (time.Time, error) { return p.now(r) }

// DueWakeUp is a wake-up that is to be sent, and where its device says it can be woken.
type DueWakeUp struct {
	WakeID
	Push PushSubscription
}

// DueWakeUps lists wake-ups that are to be sent now, at most limit of them. They are to be claimed.
func (p *Processor) DueWakeUps(ctx context.Context, limit int) (due []DueWakeUp, err error) {
	err = p.Store.View(ctx, func(r Reader) error {
		due = nil
		now, err := p.now(r)
		if err != nil {
			return err
		}
		found, err := r.Due(now, limit)
		if err != nil || len(found.WakeUps) == 0 {
			return err
		}
		var w Wants
		for _, id := range found.WakeUps {
			w.Devices = append(w.Devices, id.Device)
		}
		rows, err := r.Load(w)
		subscriptions := map[payment.DeviceID]PushSubscription{}
		for _, d := range rows.Devices {
			subscriptions[d.ID] = d.Push
		}
		for _, id := range found.WakeUps {
			due = append(due, DueWakeUp{id, subscriptions[id.Device]})
		}
		return err
	})
	return due, err
}
