package payee

import (
	"context"

	"tapline/api"
)

// TestClock tells the time in a sandbox. This and what follows is there in sandboxes only, and has no idempotency keys: after
// ErrNoAnswer ask what there is.
func (c *Client) TestClock(ctx context.Context) (clock api.TestClock, err error) {
	err = c.read(ctx, "/v1/test/clock", nil, &clock)
	return clock, err
}

// ForwardTestClock puts a sandbox's clock forward.
func (c *Client) ForwardTestClock(ctx context.Context, in api.TestClockChange) (api.TestClock, error) {
	return unnamed[api.TestClock](ctx, c, "/v1/test/clock", in)
}

// MakeTestCard makes a test card that plays a part.
func (c *Client) MakeTestCard(ctx context.Context, in api.NewTestCard) (api.TestCard, error) {
	return unnamed[api.TestCard](ctx, c, "/v1/test/cards", in)
}

// TestCards lists a sandbox's test cards, newest first.
func (c *Client) TestCards(ctx context.Context) ([]api.TestCard, error) {
	var list api.TestCards
	err := c.read(ctx, "/v1/test/cards", nil, &list)
	return list.Cards, err
}

// MakeTestPayment has a test card pay one of the payee's orders.
func (c *Client) MakeTestPayment(ctx context.Context, in api.NewTestPayment) (api.TestPayment, error) {
	return unnamed[api.TestPayment](ctx, c, "/v1/test/payments", in)
}
