package operator

import (
	"context"
	"net/url"

	"tapline/api"
	"tapline/consent"
)

// WriteNote keeps a note about a card, an account, a payee or a payment, for other operators.
func (c *Client) WriteNote(ctx context.Context, note api.NewNote) (api.Note, error) {
	return write[api.Note](ctx, c, "/v1/admin/notes", note)
}

// Notes lists the notes about something, such as "card:card_x", the newest first.
func (c *Client) Notes(ctx context.Context, subject string) ([]api.Note, error) {
	list, err := read[api.Notes](ctx, c, "/v1/admin/notes", url.Values{"subject": {subject}})
	return list.Notes, err
}

// AskErasure asks to erase what is personal of a card's holder. Another operator has to confirm it.
func (c *Client) AskErasure(ctx context.Context, id consent.CardID, why string) (api.Erasure, error) {
	return onCard[api.Erasure](ctx, c, id, "/erasure", why)
}

// ConfirmErasure erases what is personal of a card's holder, which another operator has asked for.
func (c *Client) ConfirmErasure(ctx context.Context, id consent.CardID, why string) (api.Erasure, error) {
	return onCard[api.Erasure](ctx, c, id, "/erasure/confirm", why)
}

// ExportCard is all that is kept about a card's holder, who is told that it was handed out.
func (c *Client) ExportCard(ctx context.Context, id consent.CardID, why string) (api.Export, error) {
	return onCard[api.Export](ctx, c, id, "/export", why)
}
