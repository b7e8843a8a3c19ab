package payee

import (
	"context"
	"iter"
	"net/url"
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
	Span           // made in it
	Before  string // the Next of the page before
	Limit   int    // 0 leaves it to the service
}

// Refunds is a page of refunds, newest first.
func (c *Client) Refunds(ctx context.Context, q RefundQuery) (page api.Refunds, err error) {
	err = c.read(ctx, "/v1/refunds", q.add(listing(q.Before, q.Limit, "payment", q.Payment)), &page)
	return page, err
}

// EachRefund gives all refunds from q on, newest first, page by page. After an error it ends.
func (c *Client) EachRefund(ctx context.Context, q RefundQuery) iter.Seq2[api.Refund, error] {
	return each(q.Before, func(before string) ([]api.Refund, string, error) {
		q.Before = before
		page, err := c.Refunds(ctx, q)
		return page.Refunds, page.Next, err
	})
}

// SetUndo sets how long payments may be undone before their money moves, in whole seconds; 0 for not at all.
func (c *Client) SetUndo(ctx context.Context, d time.Duration) (api.Payee, error) {
	return write[api.Payee](ctx, c, "/v1/payee/undo", api.NewUndo{Undo: int64(d / time.Second)})
}
