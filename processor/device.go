package processor

import (
	"tapline/payment"
)

// NoteUse notes that a device was used: one that only reads changes nothing else.
type NoteUse struct{ Device payment.DeviceID }

// Wants names the device.
func (c NoteUse) Wants(_ *Unit, w *Wants) { w.Devices = append(w.Devices, c.Device) }

// Do notes it, unless it was noted a short while ago.
func (c NoteUse) Do(u *Unit) error {
	_, err := u.actingDevice(c.Device)
	return err
}

// RemoveDevice ends what a device is to a card that it was the associated device of: by the associated device and with
// the PIN, since whoever has stolen that device must not shut its holder's others out. The card's open payments are
// cancelled, as after any change of devices.
type RemoveDevice struct {
	cardTry
	Removed payment.DeviceID

	Unknown bool // result: no such device is bound to the card; the PIN was right
}

// NewRemoveDevice finishes the check of a PIN that ReserveTry began.
func NewRemoveDevice(begun *ReserveTry, right bool, removed payment.DeviceID) *RemoveDevice {
	return &RemoveDevice{cardTry: finishing(begun, right), Removed: removed}
}

// Wants names the card, its passkeys and the binding.
func (c *RemoveDevice) Wants(u *Unit, w *Wants) {
	c.cardTry.Wants(u, w)
	w.Bindings = append(w.Bindings, BindingID{c.Card, c.Removed})
	w.PasskeysOf = append(w.PasskeysOf, c.Card)
}

// Do removes the device if the PIN was right, with the passkeys that it registered for the card. It is told of that as all
// the others are, and of nothing afterwards. The associated device cannot be removed.
func (c *RemoveDevice) Do(u *Unit) error {
	c.Unknown = false
	if goOn, err := c.finish(u); err != nil || !goOn {
		return err
	}
	id := BindingID{c.Card, c.Removed}
	if c.Unknown = !u.isBound(id) || c.Removed == c.After.Associated; c.Unknown {
		return nil
	}
	for _, key := range u.passkeysOf[c.Card] {
		if k, ok := u.Passkeys.Get(key); ok && k.Device == c.Removed && k.RemovedAt.IsZero() {
			k.RemovedAt = u.Now
			u.Passkeys.Put(key, k)
			c.After.Passkeys--
		}
	}
	if err := u.change("device_removed", c.After); err != nil {
		return err
	}
	b, _ := u.Bindings.Get(id)
	b.RemovedAt = u.Now
	u.Bindings.Put(id, b)
	c.After, _ = u.Cards.Get(c.Card)
	return nil
}
