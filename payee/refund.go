package payee

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"tapline/api"
)

// Refund gives money of a settled payment back, out of the payee's balance: all that is left of it, or in.Amount. It is final.
func (c *Client) Refund(ctx context.Context, in api.NewRefund) (api.Refund, error) {
	return write[api.Refund](ctx, c, "/v1/refunds", in)
}

// MadeRefund is a refund that was made before.
func (c *Client) MadeRefund(ctx context.Context, id string) (r api.Refund, err error) {
	err = c.read(ctx, "/v1/refunds/"+url.PathEscape(id), nil, &r)
	return r, err
}

// RefundQuery selects refunds.
type RefundQuery struct {
	Payment string // empty for those of all payments
	Before  string // the Next of the page before
	Limit   int    // 0 leaves it to the service
}

// Refunds is a page of refunds, newest first.
func (c *Client) Refunds(ctx context.Context, q RefundQuery) (page api.Refunds, err error) {
	query := url.Values{}
	for name, value := range map[string]string{"payment": q.Payment, "before": q.Before} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	err = c.read(ctx, "/v1/refunds", query, &page)
	return page, err
}

// SetUndo sets how long payments may be undone before their money moves, in whole seconds; 0 for not at all.
func (c *Client) SetUndo(ctx context.Context, d time.Duration) (api.Payee, error) {
	return write[api.Payee](ctx, c, "/v1/payee/undo", api.NewUndo{Undo: int64(d / time.Second)})
}

// CancelPayment ends a payment before its money moves: its payer has not finished, or it may still be undone.
func (c *Client) CancelPayment(ctx context.Context, id string) (api.Payment, error) {
	return write[api.Payment](ctx, c, "/v1/payments/"+url.PathEscape(id)+"/cancel", nil)
}

// Payment is a payment to the payee as it is now.
func (c *Client) Payment(ctx context.Context, id string) (p api.Payment, err error) {
	err = c.read(ctx, "/v1/payments/"+url.PathEscape(id), nil, &p)
	return p, err
}
