package operator

import (
	"context"

	"tapline/api"
)

// SetFee sets the fee of payments to a payee in a currency, or to all that have none of their own.
func (c *Client) SetFee(ctx context.Context, fee api.NewTariff) (api.Tariff, error) {
	return write[api.Tariff](ctx, c, "/v1/admin/fees", fee)
}

// RemoveFee removes the fee of payments to a payee in a currency, or that for all.
func (c *Client) RemoveFee(ctx context.Context, fee api.TariffRemoval) (api.Tariff, error) {
	return write[api.Tariff](ctx, c, "/v1/admin/fees/remove", fee)
}

// Fees lists all fees that count for what is instructed from now on.
func (c *Client) Fees(ctx context.Context) ([]api.Tariff, error) {
	return all(func(after string) ([]api.Tariff, string, error) {
		list, err := read[api.Tariffs](ctx, c, "/v1/admin/fees", page(after))
		return list.Tariffs, list.Next, err
	})
}
