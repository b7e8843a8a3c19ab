package payee

import (
	"context"
	"iter"
	"net/url"

	"tapline/api"
	"tapline/money"
)

// RequestPayout has money paid out to the payee's bank account: all that is available, or in.Amount. Its key needs the scope payouts.
func (c *Client) RequestPayout(ctx context.Context, in api.NewPayout) (api.Payout, error) {
	return write[api.Payout](ctx, c, "/v1/payouts", in)
}

// Payout is a payout as it is now.
func (c *Client) Payout(ctx context.Context, id string) (p api.Payout, err error) {
	err = c.read(ctx, "/v1/payouts/"+url.PathEscape(id), nil, &p)
	return p, err
}

// PayoutQuery selects payouts.
type PayoutQuery struct {
	State    string         // empty for any
	Currency money.Currency // empty for any
	Span                    // made in it
	Before   string         // the Next of the page before
	Limit    int            // of a page; 0 leaves it to the service
}

// Payouts is a page of payouts, newest first.
func (c *Client) Payouts(ctx context.Context, q PayoutQuery) (page api.Payouts, err error) {
	err = c.read(ctx, "/v1/payouts", q.add(listing(q.Before, q.Limit, "state", q.State, "currency", string(q.Currency))), &page)
	return page, err
}

// EachPayout gives payouts, newest first, however many pages they take. It ends after an error.
func (c *Client) EachPayout(ctx context.Context, q PayoutQuery) iter.Seq2[api.Payout, error] {
	return each(q.Before, func(before string) ([]api.Payout, string, error) {
		q.Before = before
		page, err := c.Payouts(ctx, q)
		return page.Payouts, page.Next, err
	})
}

// PayoutPlans says where the payee's money is paid out to, and when.
func (c *Client) PayoutPlans(ctx context.Context) (plans api.PayoutPlans, err error) {
	err = c.read(ctx, "/v1/payout-plans", nil, &plans)
	return plans, err
}
