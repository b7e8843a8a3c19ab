package processor

import (
	"bytes"
	"crypto/subtle"
	"slices"
	"time"

	"tapline/consent"
	"tapline/payment"
)

// RegisterDevice takes a device's public key, which it has proved to hold.
type RegisterDevice struct{ Device Device }

// Wants names the device.
func (c *RegisterDevice) Wants(_ *Unit, w *Wants) { w.Devices = append(w.Devices, c.Device.ID) }

// Do registers the device, or gives it its new label.
func (c *RegisterDevice) Do(u *Unit) error {
	d := c.Device
	if known, ok := u.Devices.Get(d.ID); ok {
		if !known.RevokedAt.IsZero() {
			return ErrDeviceRevoked
		}
		d = known
		d.Label = c.Device.Label
	} else {
		d.CreatedAt = u.Now
	}
	d.UsedAt = u.Now
	u.Devices.Put(d.ID, d)
	c.Device = d
	return nil
}

// Activate binds a device to a card with the operator's one-use code and a tap of the card, and sets the first PIN
// where the code says so. A card that replaces another has its PIN. A wrong code takes one of its tries. Why it is refused is not told:
// an unknown card, a wrong code and a used one look the same. The tap of a card that proves itself is used up whether the code is right
// or not.
type Activate struct {
	Device    payment.DeviceID
	CardKeys  []CardKey   // of the number that was tapped
	SUN       SUNTap      // what the card proved; zero for a number that was only read
	CodeMACs  []string    // of the code, under each code key
	Challenge ChallengeID // that the card was to sign; zero for none
	PIN       consent.PINRecord

	Card    Card // results
	Refused bool
}

// Wants names the card with all that a rebinding touches.
func (c *Activate) Wants(u *Unit, w *Wants) {
	w.Devices = append(w.Devices, c.Device)
	w.CardKeys = append(w.CardKeys, c.CardKeys...)
	c.Challenge.want(w)
	u.eachCard(c.CardKeys, func(k CardKey, card Card) {
		wantCard(u, w, card.ID)
		w.Bindings = append(w.Bindings, BindingID{card.ID, c.Device})
		wantTries(w, k)
		w.Tries = append(w.Tries, codeTries(card, c.Device))
	})
}

// Do activates or refuses.
func (c *Activate) Do(u *Unit) error {
	c.Card, c.Refused = Card{}, true
	if _, err := u.actingDevice(c.Device); err != nil {
		return err
	}
	u.spendChallenge(c.Challenge, payment.Identified) // whatever was proved: a code and the number are enough
	card, _, ok := u.cardOf(c.CardKeys)
	if !ok || !u.spendTap(&card, c.SUN) || !c.fits(card) || !u.useCode(&card, c.CodeMACs, c.Device) {
		return nil
	}
	if card.State == CardIssued {
		if len(card.PIN.Sum) == 0 {
			card.PIN = c.PIN
			u.clearTries(card.Key)
		}
		card.State = CardActive
	}
	card.Associated = c.Device
	c.Card, c.Refused = card, false
	u.bind(Binding{Card: card.ID, Device: c.Device, BoundAt: u.Now})
	return u.change("bound", card)
}

// fits reports whether the request is of the kind that the card's code is for: the first activation sets a PIN, a
// rebinding does not, nor does a card that replaces another.
func (c *Activate) fits(card Card) bool {
	first := card.State == CardIssued && card.Code.Purpose == CodeActivates
	again := (card.State == CardActive || card.State == CardFrozen) && card.Code.Purpose == CodeRebinds
	replaces := card.State == CardIssued && card.Code.Purpose == CodeReplaces
	hasPIN := len(c.PIN.Sum) > 0
	return first && hasPIN || (again || replaces) && !hasPIN
}

// useCode spends the card's code if it is right, and one of the device's tries at it if it is wrong. Before its time
// and after, nothing counts. A code for a card that replaces another has no such time on the associated device.
func (u *Unit) useCode(c *Card, macs []string, device payment.DeviceID) bool {
	code, id := c.Code, codeTries(*c, device)
	early := u.Now.Before(code.NotBefore) && (code.Purpose != CodeReplaces || device != c.Associated)
	if code.Purpose == "" || early || !u.Now.Before(code.ExpiresAt) {
		return false
	}
	row, _ := u.Tries.Get(id)
	after, err := row.Reserve(codeLimits, u.Now)
	if err != nil {
		return false
	}
	right := slices.ContainsFunc(macs, func(mac string) bool {
		return subtle.ConstantTimeCompare([]byte(mac), []byte(code.MAC)) == 1
	})
	if !right {
		u.Tries.Put(id, Tries{id, after})
		return false
	}
	c.Code = OneUseCode{}
	return true
}

// Freeze stops a card, by a device that is or was its associated device.
type Freeze struct {
	Card   payment.CardID
	Device payment.DeviceID

	After Card // result
}

// Wants names the card and the binding.
func (c *Freeze) Wants(u *Unit, w *Wants) {
	w.Devices = append(w.Devices, c.Device)
	w.Bindings = append(w.Bindings, BindingID{c.Card, c.Device})
	wantCard(u, w, c.Card)
}

// Do freezes the card.
func (c *Freeze) Do(u *Unit) error {
	if _, err := u.actingDevice(c.Device); err != nil {
		return err
	}
	card, ok := u.Cards.Get(c.Card)
	if !ok || !u.isBound(BindingID{c.Card, c.Device}) {
		return ErrUnknownCard
	}
	if err := u.freeze(card, c.Device, "frozen"); err != nil {
		return err
	}
	c.After, _ = u.Cards.Get(c.Card)
	return nil
}

// cardTry is what finishing a PIN check for a card has in common.
type cardTry struct {
	Card     payment.CardID
	Device   payment.DeviceID
	Reserved consent.PINRecord // what the PIN was compared with
	Right    bool

	After  Card // results
	Result TryResult
}

// Wants names the card, all that changing it touches, and the counts of tries.
func (c *cardTry) Wants(u *Unit, w *Wants) {
	w.Devices = append(w.Devices, c.Device)
	wantCard(u, w, c.Card)
	if card, ok := u.Cards.rows[c.Card]; ok {
		wantTries(w, card.Key)
		w.Tries = append(w.Tries, codeTries(card, c.Device))
	}
}

// finish gives back a right try. It reports whether to go on: not with a PIN that was changed meanwhile, or a card that
// was closed.
func (c *cardTry) finish(u *Unit) (goOn bool, err error) {
	if c.After, err = u.associatedCard(c.Card, c.Device); err != nil {
		return false, err
	}
	if !bytes.Equal(c.Reserved.Sum, c.After.PIN.Sum) || c.After.State == CardClosed {
		return false, ErrCardState
	}
	c.Result = u.finishTry(c.After.Key, c.Device, c.Right)
	u.alarmPIN(c.After, c.Result)
	return c.Right, nil
}

// Unfreeze lets a frozen card pay again, by its associated device and with the PIN.
type Unfreeze struct{ cardTry }

// NewUnfreeze finishes the check of a PIN that ReserveTry began.
func NewUnfreeze(begun *ReserveTry, right bool) *Unfreeze {
	return &Unfreeze{finishing(begun, right)}
}

func finishing(begun *ReserveTry, right bool) cardTry {
	return cardTry{Card: begun.Card, Device: begun.Device, Reserved: begun.Record, Right: right}
}

// Do unfreezes the card if the PIN was right. After tells whether it can pay: one that is lost or was frozen by an operator
// cannot, and to say so with an error would keep the try that was right.
func (c *Unfreeze) Do(u *Unit) error {
	if goOn, err := c.finish(u); err != nil || !goOn {
		return err
	}
	if c.After.State != CardFrozen || c.After.FrozenByOperator || !c.After.LostAt.IsZero() {
		return nil
	}
	c.After.State = CardActive
	return u.change("unfrozen", c.After)
}

// SetLevel sets the least level that the cardholder wants, and the rules, by the associated device and with the PIN: whoever
// holds only the phone must not be able to ask for less.
type SetLevel struct {
	cardTry
	Level payment.Level  // 0 leaves it
	Rules *payment.Rules // nil leaves them
}

// NewSetLevel finishes the check of a PIN that ReserveTry began.
func NewSetLevel(begun *ReserveTry, right bool, level payment.Level) *SetLevel {
	return &SetLevel{cardTry: finishing(begun, right), Level: level}
}

// Do sets them if the PIN was right. Payments that were instructed before keep their level. Limits count for those, too, whose
// money is not set aside yet.
func (c *SetLevel) Do(u *Unit) error {
	if goOn, err := c.finish(u); err != nil || !goOn {
		return err
	}
	if c.Level != 0 {
		c.After.Level = c.Level
	}
	if c.Rules != nil {
		c.After.Rules = *c.Rules
	}
	u.Cards.Put(c.Card, c.After)
	u.tellCard("limits_changed", c.After)
	return nil
}

// ChangePIN sets a new PIN, by the associated device and with the old PIN.
type ChangePIN struct {
	cardTry
	New consent.PINRecord
}

// NewChangePIN finishes the check of a PIN that ReserveTry began.
func NewChangePIN(begun *ReserveTry, right bool, pin consent.PINRecord) *ChangePIN {
	return &ChangePIN{finishing(begun, right), pin}
}

// Do changes the PIN if the old one was right.
func (c *ChangePIN) Do(u *Unit) error {
	goOn, err := c.finish(u)
	if err != nil || !goOn {
		return err
	}
	c.After, err = u.setPIN(c.After, c.New)
	return err
}

// setPIN sets a PIN, forgets all tries, and cancels the card's open payments.
func (u *Unit) setPIN(card Card, pin consent.PINRecord) (Card, error) {
	card.PIN = pin
	u.clearTries(card.Key)
	return card, u.change("pin_changed", card)
}

// ResetPIN sets a new PIN, by the associated device and with an operator's code.
type ResetPIN struct {
	cardTry
	New      consent.PINRecord
	CodeMACs []string

	Refused bool // result: wrong code, or none for this
}

// NewResetPIN is the command for a card of its associated device.
func NewResetPIN(card payment.CardID, device payment.DeviceID, codeMACs []string, pin consent.PINRecord) *ResetPIN {
	return &ResetPIN{cardTry: cardTry{Card: card, Device: device}, New: pin, CodeMACs: codeMACs}
}

// Do sets the PIN if the code is right.
func (c *ResetPIN) Do(u *Unit) (err error) {
	c.Refused = true
	if c.After, err = u.associatedCard(c.Card, c.Device); err != nil {
		return err
	}
	if c.After.Code.Purpose != CodeResetsPIN || !u.useCode(&c.After, c.CodeMACs, c.Device) {
		return nil
	}
	c.Refused = false
	c.After, err = u.setPIN(c.After, c.New)
	return err
}

// Rebind makes another device the associated device, with the old one's signature.
type Rebind struct {
	Card      payment.CardID
	Device    payment.DeviceID
	NewDevice payment.DeviceID

	After Card // result
}

// Wants names the card and both devices.
func (c *Rebind) Wants(u *Unit, w *Wants) {
	w.Devices = append(w.Devices, c.Device, c.NewDevice)
	w.Bindings = append(w.Bindings, BindingID{c.Card, c.NewDevice})
	wantCard(u, w, c.Card)
}

// Do binds the new device and cancels the card's open payments.
func (c *Rebind) Do(u *Unit) (err error) {
	if c.After, err = u.associatedCard(c.Card, c.Device); err != nil {
		return err
	}
	if c.After.State != CardActive {
		return ErrCardState
	}
	if _, err := u.activeDevice(c.NewDevice); err != nil {
		return err
	}
	c.After.Associated = c.NewDevice
	u.bind(Binding{Card: c.Card, Device: c.NewDevice, BoundAt: u.Now})
	return u.change("bound", c.After)
}

// How an operator's one-use codes live.
const (
	CodeTries      = 5 // from each device
	CodeLife       = 14 * 24 * time.Hour
	RebindingDelay = 24 * time.Hour // between an operator's code to rebind a card, of which its devices are told, and its use
)
