package operator

import (
	"context"
	"net/url"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
)

// Payee is one payee, with its aliases.
func (c *Client) Payee(ctx context.Context, handle string) (api.AdminPayee, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return api.AdminPayee{}, err
	}
	return read[api.AdminPayee](ctx, c, payeePath(handle), nil)
}

// MovePayee gives a payee a new account in a currency; its first if that is empty. Payments that were instructed before go to the old
// one. In a currency that the payee does not take yet, it is the first.
func (c *Client) MovePayee(ctx context.Context, handle string, currency money.Currency, note string) (api.AdminPayee, error) {
	return c.onPayee(ctx, handle, "account", api.NewPayeeAccount{Currency: currency, Note: note})
}

// ClosePayee closes a payee, or opens it again.
func (c *Client) ClosePayee(ctx context.Context, handle string, closed bool, note string) (api.AdminPayee, error) {
	return c.onPayee(ctx, handle, "closed", api.PayeeClosed{Closed: closed, Note: note})
}

// RenamePayee sets a name that the operator has verified; its Note says how.
func (c *Client) RenamePayee(ctx context.Context, handle string, name api.VerifiedName) (api.AdminPayee, error) {
	return c.onPayee(ctx, handle, "name", name)
}

// AliasPayee makes a handle lead to a payee as well, or no more.
func (c *Client) AliasPayee(ctx context.Context, handle string, alias api.PayeeAlias) (api.AdminPayee, error) {
	if err := consent.CheckHandle(alias.Alias); err != nil {
		return api.AdminPayee{}, err
	}
	return c.onPayee(ctx, handle, "aliases", alias)
}

func (c *Client) onPayee(ctx context.Context, handle, what string, in any) (api.AdminPayee, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return api.AdminPayee{}, err
	}
	return write[api.AdminPayee](ctx, c, payeePath(handle)+"/"+what, in)
}

func payeePath(handle string) string { return "/v1/admin/payees/" + url.PathEscape(handle) }
