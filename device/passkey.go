package device

import (
	"context"
	"errors"

	"tapline/api"
	"tapline/consent"
)

// RegisterPasskey registers a passkey with which the card's holder may authenticate and confirm in one gesture. create has
// an authenticator make it: with the host of Service as relying party, consent.UserHandle(card) as user handle, the user
// verified, and this challenge. Whatever error it returns is returned.
func (c *Client) RegisterPasskey(ctx context.Context, card consent.CardID, label string, pin consent.PIN,
	create func(challenge []byte) (consent.PasskeyCreation, error),
) (api.Passkey, error) {
	if err := errors.Join(card.Check(), pin.Check()); err != nil {
		return api.Passkey{}, err
	}
	conn, err := c.connect()
	if err != nil {
		return api.Passkey{}, err
	}
	id := consent.NewID()
	passkey, err := create(consent.RegistrationChallenge(card, id))
	if err != nil {
		return api.Passkey{}, err
	}
	message := conn.Message(cardPath(card)+"/passkeys", consent.TypPasskey, id, func(claims consent.Claims) any {
		return &consent.PasskeyRegistration{Claims: claims, Card: card, PIN: pin, Label: label, Passkey: passkey}
	})
	var made api.Passkey
	err = message.Send(ctx, &made)
	return made, err
}

// Passkeys lists a card's passkeys.
func (c *Client) Passkeys(ctx context.Context, card consent.CardID) ([]api.Passkey, error) {
	if err := card.Check(); err != nil {
		return nil, err
	}
	list, err := read[api.Passkeys](ctx, c, cardPath(card)+"/passkeys", nil, 0)
	return list.Passkeys, err
}

// RemovePasskey ends the use of a passkey.
func (c *Client) RemovePasskey(ctx context.Context, card consent.CardID, credential string) (api.Passkey, error) {
	if err := card.Check(); err != nil {
		return api.Passkey{}, err
	}
	return write[api.Passkey](ctx, c, cardPath(card)+"/passkeys/remove", consent.TypPasskeyRemoval,
		func(claims consent.Claims) any {
			return &consent.PasskeyRemoval{Claims: claims, Card: card, Credential: credential}
		})
}
