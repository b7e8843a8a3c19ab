package device

import (
	"context"
	"net/url"

	"tapline/api"
	"tapline/consent"
)

// Activate makes this device the associated device of the card that was tapped, with the operator's one-use code. The
// PIN is the card's first; it is "" with a code that only binds another device, and for a card that replaces another.
func (c *Client) Activate(
	ctx context.Context, code consent.Code, account consent.AccountNumber, pin consent.PIN,
) (api.Card, error) {
	return c.ActivateTap(ctx, code, consent.Tap{Account: account}, pin)
}

// ActivateTap is Activate with any tap, such as that of a card that proves itself.
func (c *Client) ActivateTap(ctx context.Context, code consent.Code, tap consent.Tap, pin consent.PIN) (api.Card, error) {
	code, err := consent.NormalizeActivationCode(string(code))
	if err != nil {
		return api.Card{}, err
	}
	m := consent.Activation{Code: code, Tap: tap, PIN: pin}
	if err := m.Validate(); err != nil {
		return api.Card{}, err
	}
	return write[api.Card](ctx, c, "/v1/cards/activate", consent.TypActivation, func(claims consent.Claims) any {
		m.Claims = claims
		return &m
	})
}

// Cards lists the cards that this device is bound to.
func (c *Client) Cards(ctx context.Context) ([]api.Card, error) {
	list, err := read[api.Cards](ctx, c, "/v1/cards", nil, 0)
	return list.Cards, err
}

// Card is one card that this device is bound to.
func (c *Client) Card(ctx context.Context, id consent.CardID) (api.Card, error) {
	if err := id.Check(); err != nil {
		return api.Card{}, err
	}
	return read[api.Card](ctx, c, cardPath(id), nil, 0)
}

// Freeze stops a card and cancels its open payments. Any device that is or was its associated device may.
func (c *Client) Freeze(ctx context.Context, id consent.CardID) (api.Card, error) {
	return c.card(ctx, id, "/freeze", consent.TypFreeze, func(claims consent.Claims) consent.Message {
		return &consent.Freeze{Claims: claims, Card: id}
	})
}

// ReportLost freezes a card that is lost, from its associated device. Only an operator can unfreeze or replace it then.
func (c *Client) ReportLost(ctx context.Context, id consent.CardID) (api.Card, error) {
	return c.card(ctx, id, "/lost", consent.TypLoss, func(claims consent.Claims) consent.Message {
		return &consent.Loss{Claims: claims, Card: id}
	})
}

// SetLevel sets the least that every payment with the card needs: tap, authenticate, confirm or approve.
func (c *Client) SetLevel(ctx context.Context, id consent.CardID, pin consent.PIN, level string) (api.Card, error) {
	return c.card(ctx, id, "/limits", consent.TypLimits, func(claims consent.Claims) consent.Message {
		return &consent.Limits{Claims: claims, Card: id, PIN: pin, Level: level}
	})
}

// SetRules sets the cardholder's rules, in the place of all that the card has. The level stays as it is.
func (c *Client) SetRules(ctx context.Context, id consent.CardID, pin consent.PIN, rules consent.SpendingRules) (api.Card, error) {
	return c.card(ctx, id, "/limits", consent.TypLimits, func(claims consent.Claims) consent.Message {
		return &consent.Limits{Claims: claims, Card: id, PIN: pin, Rules: &rules}
	})
}

// Unfreeze lets a frozen card pay again, from its associated device.
func (c *Client) Unfreeze(ctx context.Context, id consent.CardID, pin consent.PIN) (api.Card, error) {
	return c.card(ctx, id, "/unfreeze", consent.TypUnfreeze, func(claims consent.Claims) consent.Message {
		return &consent.Unfreeze{Claims: claims, Card: id, PIN: pin}
	})
}

// ChangePIN sets a new PIN with the old one, from the associated device. The card's open payments are cancelled.
func (c *Client) ChangePIN(ctx context.Context, id consent.CardID, old, pin consent.PIN) (api.Card, error) {
	return c.card(ctx, id, "/pin", consent.TypPIN, func(claims consent.Claims) consent.Message {
		return &consent.PINChange{Claims: claims, Card: id, OldPIN: old, NewPIN: pin}
	})
}

// ResetPIN sets a new PIN with a reset code from the operator, from the associated device.
func (c *Client) ResetPIN(
	ctx context.Context, id consent.CardID, code consent.Code, pin consent.PIN,
) (api.Card, error) {
	return c.card(ctx, id, "/pin", consent.TypPIN, func(claims consent.Claims) consent.Message {
		return &consent.PINChange{Claims: claims, Card: id, ResetCode: code, NewPIN: pin}
	})
}

// Rebind makes another device, which is registered, the card's associated device. This one signs it and is the
// associated device no longer.
func (c *Client) Rebind(ctx context.Context, id consent.CardID, to consent.DeviceID) (api.Card, error) {
	return c.card(ctx, id, "/associated-device", consent.TypRebind, func(claims consent.Claims) consent.Message {
		return &consent.Rebind{Claims: claims, Card: id, NewDevice: to}
	})
}

// RemoveDevice ends what a device is to a card that it was the associated device of, from the one that is now. The card's
// open payments are cancelled.
func (c *Client) RemoveDevice(ctx context.Context, id consent.CardID, pin consent.PIN, removed consent.DeviceID) (api.Card, error) {
	return c.card(ctx, id, "/devices/remove", consent.TypDeviceRemoval, func(claims consent.Claims) consent.Message {
		return &consent.DeviceRemoval{Claims: claims, Card: id, Device: removed, PIN: pin}
	})
}

// card checks a message about a card before anything is sent, and sends it.
func (c *Client) card(
	ctx context.Context, id consent.CardID, verb string, typ consent.Typ, message func(consent.Claims) consent.Message,
) (api.Card, error) {
	if err := message(consent.Claims{}).Validate(); err != nil {
		return api.Card{}, err
	}
	return write[api.Card](ctx, c, cardPath(id)+verb, typ, func(claims consent.Claims) any { return message(claims) })
}

func cardPath(id consent.CardID) string { return "/v1/cards/" + url.PathEscape(string(id)) }
