package device

import (
	"context"

	"tapline/api"
	"tapline/consent"
)

// Email is where the card's holder is told by e-mail what happens, masked, for its associated device.
func (c *Client) Email(ctx context.Context, id consent.CardID) (api.Email, error) {
	if err := id.Check(); err != nil {
		return api.Email{}, err
	}
	return read[api.Email](ctx, c, cardPath(id)+"/email", nil, 0)
}

// AskEmail has a code mailed to an address, in one of consent.EmailLanguages. It is taken by ConfirmEmail.
func (c *Client) AskEmail(ctx context.Context, id consent.CardID, pin consent.PIN, address, language string) (api.Email, error) {
	return c.email(ctx, id, "", consent.TypEmail, func(claims consent.Claims) consent.Message {
		return &consent.EmailChange{Claims: claims, Card: id, PIN: pin, Address: address, Language: language}
	})
}

// ConfirmEmail takes the address to which a code was mailed.
func (c *Client) ConfirmEmail(ctx context.Context, id consent.CardID, code consent.Code) (api.Email, error) {
	return c.email(ctx, id, "/confirm", consent.TypEmailCode, func(claims consent.Claims) consent.Message {
		return &consent.EmailConfirmation{Claims: claims, Card: id, Code: code}
	})
}

// RemoveEmail has the card's holder told by e-mail no more.
func (c *Client) RemoveEmail(ctx context.Context, id consent.CardID, pin consent.PIN) (api.Email, error) {
	return c.email(ctx, id, "/remove", consent.TypEmailRemoval, func(claims consent.Claims) consent.Message {
		return &consent.EmailRemoval{Claims: claims, Card: id, PIN: pin}
	})
}

func (c *Client) email(ctx context.Context, id consent.CardID, verb string, typ consent.Typ, message func(consent.Claims) consent.Message) (api.Email, error) {
	if err := message(consent.Claims{}).Validate(); err != nil {
		return api.Email{}, err
	}
	return write[api.Email](ctx, c, cardPath(id)+"/email"+verb, typ, func(claims consent.Claims) any { return message(claims) })
}
