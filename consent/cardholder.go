package consent

import "time"

// Freeze stops a card; any device bound to it may.
type Freeze struct {
	Claims
	Card CardID `json:"card"`
}

func (*Freeze) fits(t Typ) bool { return t == TypFreeze }

// Validate checks the form of the card's id.
func (m *Freeze) Validate() error { return m.Card.Check() }

// Loss says that a card is lost, from its associated device.
type Loss struct {
	Claims
	Card CardID `json:"card"`
}

func (*Loss) fits(t Typ) bool { return t == TypLoss }

// Validate checks the form of the card's id.
func (m *Loss) Validate() error { return m.Card.Check() }

// Unfreeze lets a frozen card pay again.
type Unfreeze struct {
	Claims
	Card CardID `json:"card"`
	PIN  PIN    `json:"pin" pattern:"^[0-9]{4,12}$"`
}

func (*Unfreeze) fits(t Typ) bool { return t == TypUnfreeze }

// Validate checks the form of both parts.
func (m *Unfreeze) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	return m.PIN.Check()
}

// Limits is what the cardholder wants of every payment with the card, whatever the operator's policy asks for less.
type Limits struct {
	Claims
	Card  CardID `json:"card"`
	PIN   PIN    `json:"pin" pattern:"^[0-9]{4,12}$"`
	Level string `json:"level,omitempty" enum:"tap,authenticate,confirm,approve" doc:"The least a payment needs; tap leaves it to the operator's policy. Left out, it stays as it is."`

	Rules *SpendingRules `json:"rules,omitempty" doc:"In the place of all that the card has; left out, they stay as they are."`
}

func (*Limits) fits(t Typ) bool { return t == TypLimits }

// Validate checks the form of all parts.
func (m *Limits) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	switch m.Level {
	case "tap", "authenticate", "confirm", "approve":
	case "":
		if m.Rules == nil {
			return ErrInvalid.at("level")
		}
	default:
		return ErrInvalid.at("level")
	}
	if m.Rules != nil {
		if err := m.Rules.Check(); err != nil {
			return err
		}
	}
	return m.PIN.Check()
}

// PINChange sets a new PIN, by right of either the old PIN or a reset code from the operator.
type PINChange struct {
	Claims
	Card      CardID `json:"card"`
	OldPIN    PIN    `json:"old_pin,omitempty" pattern:"^[0-9]{4,12}$"`
	NewPIN    PIN    `json:"new_pin" pattern:"^[0-9]{4,12}$"`
	ResetCode Code   `json:"reset_code,omitempty" doc:"A code from the operator, in place of old_pin."`
}

func (*PINChange) fits(t Typ) bool { return t == TypPIN }

// Validate checks that there is exactly one of old PIN and reset code, and the new PIN as one that is being set.
func (m *PINChange) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	switch {
	case (m.OldPIN == "") == (m.ResetCode == ""):
		return ErrInvalid.at("old_pin")
	case m.OldPIN != "":
		if err := m.OldPIN.Check(); err != nil {
			return err
		}
	default:
		if _, err := NormalizeActivationCode(string(m.ResetCode)); err != nil {
			return err
		}
	}
	return m.NewPIN.CheckNew()
}

// Rebind makes another device the card's associated device. The old one signs it.
type Rebind struct {
	Claims
	Card      CardID   `json:"card"`
	NewDevice DeviceID `json:"new_device"`
}

func (*Rebind) fits(t Typ) bool { return t == TypRebind }

// Validate checks the form of both parts.
func (m *Rebind) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	if m.NewDevice.Check() != nil {
		return ErrInvalid.at("new_device")
	}
	return nil
}

func (m *Rebind) bind(e Envelope, _ time.Time) error {
	if m.NewDevice == e.device {
		return ErrInvalid.at("new_device")
	}
	return nil
}

// DeviceRemoval ends what a device is to a card that it was the associated device of. The associated device signs it, with
// the PIN: whoever has stolen that device must not shut its holder's others out.
type DeviceRemoval struct {
	Claims
	Card   CardID   `json:"card"`
	Device DeviceID `json:"device" doc:"The device to be removed."`
	PIN    PIN      `json:"pin" pattern:"^[0-9]{4,12}$"`
}

func (*DeviceRemoval) fits(t Typ) bool { return t == TypDeviceRemoval }

// Validate checks the form of all parts.
func (m *DeviceRemoval) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	if err := m.Device.Check(); err != nil {
		return err
	}
	return m.PIN.Check()
}

func (m *DeviceRemoval) bind(e Envelope, _ time.Time) error {
	if m.Device == e.device {
		return ErrInvalid.at("device")
	}
	return nil
}

// PasskeyRegistration makes a passkey known that its holder may pay with, with the PIN: whoever has only the phone must
// not be able to add a way to pay without it.
type PasskeyRegistration struct {
	Claims
	Card    CardID          `json:"card"`
	PIN     PIN             `json:"pin" pattern:"^[0-9]{4,12}$"`
	Label   string          `json:"label" maxLength:"64" doc:"What its user calls the passkey, such as 'phone'."`
	Passkey PasskeyCreation `json:"passkey" doc:"Made for the challenge SHA-256('tapline-passkey/1', line feed, card, line feed, jti), the user handle being the card's id."`
}

func (*PasskeyRegistration) fits(t Typ) bool { return t == TypPasskey }

// Validate checks the form of all parts but the passkey, which RelyingParty.Register reads.
func (m *PasskeyRegistration) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	if label, err := CleanText(m.Label, MaxLabel); err != nil || label == "" {
		return ErrInvalid.at("label")
	}
	return m.PIN.Check()
}

// PasskeyRemoval ends the use of a passkey.
type PasskeyRemoval struct {
	Claims
	Card       CardID `json:"card"`
	Credential string `json:"credential" maxLength:"1364" doc:"The credential's id in base64url."`
}

func (*PasskeyRemoval) fits(t Typ) bool { return t == TypPasskeyRemoval }

// Validate checks the form of both parts.
func (m *PasskeyRemoval) Validate() error {
	if err := m.Card.Check(); err != nil {
		return err
	}
	if _, err := (PasskeyAssertion{Credential: m.Credential}).ID(); err != nil {
		return ErrInvalid.at("credential")
	}
	return nil
}
