package payee

import (
	"context"
	"iter"
	"net/url"
	"strconv"
	"time"

	"tapline/api"
	"tapline/money"
)

// Payment is a payment to the payee as it is now. Once it is settled the money is the payee's.
func (c *Client) Payment(ctx context.Context, id string) (p api.Payment, err error) {
	err = c.read(ctx, paymentPath(id, ""), nil, &p)
	return p, err
}

// WholePayment is a payment with its order and its refunds, in Expanded.
func (c *Client) WholePayment(ctx context.Context, id string) (p api.Payment, err error) {
	err = c.read(ctx, paymentPath(id, ""), url.Values{"expand": {"order,refunds"}}, &p)
	return p, err
}

// WaitForPayment is the payment as soon as its version is greater than after, or as it is when that long has passed, 25 seconds at
// most.
func (c *Client) WaitForPayment(ctx context.Context, id string, after int64, wait time.Duration) (p api.Payment, err error) {
	query := url.Values{"after": {strconv.FormatInt(after, 10)}}
	err = c.wait(ctx, paymentPath(id, ""), query, wait, &p)
	return p, err
}

// PaymentQuery selects payments.
type PaymentQuery struct {
	State     string         // empty for any
	Reference string         // of an order; empty for any
	Least     int64          // of the amount, in minor units
	Most      int64          // of the amount; 0 for no bound
	Currency  money.Currency // empty for any
	Span                     // instructed in it
	Before    string         // the Next of the page before
	Limit     int            // 0 leaves it to the service
}

// Payments is a page of payments to the payee, newest first. It may be short, or empty, and have a Next.
func (c *Client) Payments(ctx context.Context, q PaymentQuery) (page api.Payments, err error) {
	err = c.read(ctx, "/v1/payments", q.add(bounds(listing(q.Before, q.Limit, "state", q.State, "reference", q.Reference, "currency", string(q.Currency)), q.Least, q.Most)), &page)
	return page, err
}

// EachPayment gives all payments from q on, newest first, page by page. After an error it ends.
func (c *Client) EachPayment(ctx context.Context, q PaymentQuery) iter.Seq2[api.Payment, error] {
	return each(q.Before, func(before string) ([]api.Payment, string, error) {
		q.Before = before
		page, err := c.Payments(ctx, q)
		return page.Payments, page.Next, err
	})
}

// CancelPayment ends a payment before its money moves: its payer has not finished, or it may still be undone.
func (c *Client) CancelPayment(ctx context.Context, id string) (api.Payment, error) {
	return write[api.Payment](ctx, c, paymentPath(id, "/cancel"), nil)
}

// Receipt is the signed receipt of a settled payment, for whoever wants to prove that it was paid. The payee's names neither card
// nor devices.
func (c *Client) Receipt(ctx context.Context, id string) (r api.Receipt, err error) {
	err = c.read(ctx, paymentPath(id, "/receipt"), nil, &r)
	return r, err
}

func paymentPath(id, what string) string { return "/v1/payments/" + url.PathEscape(id) + what }
