package operator

import (
	"context"

	"tapline/api"
	"tapline/consent"
)

// Email is where a card's holder is told by e-mail what happens, masked.
func (c *Client) Email(ctx context.Context, id consent.CardID) (api.Email, error) {
	if err := id.Check(); err != nil {
		return api.Email{}, err
	}
	return read[api.Email](ctx, c, cardPath(id)+"/email", nil)
}

// AskEmail has a code mailed to a new address of a card's holder, who tells it to be confirmed.
func (c *Client) AskEmail(ctx context.Context, id consent.CardID, address api.NewEmail) (api.Email, error) {
	if err := id.Check(); err != nil {
		return api.Email{}, err
	}
	return write[api.Email](ctx, c, cardPath(id)+"/email", address)
}

// ConfirmEmail takes the address to which a code was mailed.
func (c *Client) ConfirmEmail(ctx context.Context, id consent.CardID, code api.EmailCode) (api.Email, error) {
	if err := id.Check(); err != nil {
		return api.Email{}, err
	}
	return write[api.Email](ctx, c, cardPath(id)+"/email/confirm", code)
}

// RemoveEmail has a card's holder told by e-mail no more.
func (c *Client) RemoveEmail(ctx context.Context, id consent.CardID, note string) (api.Email, error) {
	return onCard[api.Email](ctx, c, id, "/email/remove", note)
}
