package operator

import (
	"context"
	"net/url"

	"tapline/api"
	"tapline/consent"
)

// IssueCard makes a card known, with a card account behind it. The code to activate it is told once: hand it over apart
// from the card.
func (c *Client) IssueCard(ctx context.Context, card api.NewCard) (api.CardCode, error) {
	return write[api.CardCode](ctx, c, "/v1/admin/cards", card)
}

// Cards lists all cards.
func (c *Client) Cards(ctx context.Context) ([]api.Card, error) {
	return all(func(after string) ([]api.Card, string, error) {
		list, err := read[api.Cards](ctx, c, "/v1/admin/cards", page(after))
		return list.Cards, list.Next, err
	})
}

// Card is one card.
func (c *Client) Card(ctx context.Context, id consent.CardID) (api.Card, error) {
	if err := id.Check(); err != nil {
		return api.Card{}, err
	}
	return read[api.Card](ctx, c, cardPath(id), nil)
}

// FreezeCard stops a card and cancels its open payments.
func (c *Client) FreezeCard(ctx context.Context, id consent.CardID, note string) (api.Card, error) {
	return onCard[api.Card](ctx, c, id, "/freeze", note)
}

// UnfreezeCard lets a frozen card pay again.
func (c *Client) UnfreezeCard(ctx context.Context, id consent.CardID, note string) (api.Card, error) {
	return onCard[api.Card](ctx, c, id, "/unfreeze", note)
}

// ReportLost freezes a card that is lost. No device can undo it: unfreeze it if it is found, or replace it.
func (c *Client) ReportLost(ctx context.Context, id consent.CardID, note string) (api.Card, error) {
	return onCard[api.Card](ctx, c, id, "/lost", note)
}

// ReplaceCard ends a card for ever and puts a new one in its place, on the same account and with its devices and PIN. The
// code to activate the new one is told once: the associated device can use it at once, others a day from now.
func (c *Client) ReplaceCard(ctx context.Context, id consent.CardID, by api.Replacement) (api.CardCode, error) {
	if err := id.Check(); err != nil {
		return api.CardCode{}, err
	}
	return write[api.CardCode](ctx, c, cardPath(id)+"/replace", by)
}

// CloseCard ends a card for ever.
func (c *Client) CloseCard(ctx context.Context, id consent.CardID, note string) (api.Card, error) {
	return onCard[api.Card](ctx, c, id, "/close", note)
}

// RebindCard makes a code by which another device can become the card's associated device, a day from now. All devices
// of the card are told. If the associated device freezes the card until then, the code is void: revoke a device that was
// stolen before (RevokeDevice).
func (c *Client) RebindCard(ctx context.Context, id consent.CardID, note string) (api.CardCode, error) {
	return onCard[api.CardCode](ctx, c, id, "/rebind", note)
}

// ResetPIN makes a code by which the card's associated device can set a new PIN without the old one.
func (c *Client) ResetPIN(ctx context.Context, id consent.CardID, note string) (api.CardCode, error) {
	return onCard[api.CardCode](ctx, c, id, "/pin-reset", note)
}

// ActivationCode makes a new activation code for a card that was not activated yet. The one before is void.
func (c *Client) ActivationCode(ctx context.Context, id consent.CardID, note string) (api.CardCode, error) {
	return onCard[api.CardCode](ctx, c, id, "/activation-code", note)
}

func onCard[T any](ctx context.Context, c *Client, id consent.CardID, verb, note string) (T, error) {
	if err := id.Check(); err != nil {
		var none T
		return none, err
	}
	return write[T](ctx, c, cardPath(id)+verb, api.Noted{Note: note})
}

func cardPath(id consent.CardID) string { return "/v1/admin/cards/" + url.PathEscape(string(id)) }
