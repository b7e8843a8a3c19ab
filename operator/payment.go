package operator

import (
	"context"
	"iter"
	"net/url"
	"strconv"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
)

// Search says which payments are looked for. What is empty is left open.
type Search struct {
	State       string
	Payee       string
	Card        consent.CardID
	Last4       string // of the number on the card, as it is masked: •••• 1234, or 1234
	Reference   string // of the order
	Least, Most int64  // of the amount, in minor units; 0 for no bound
	Currency    money.Currency
	From, Until time.Time
	Oldest      bool   // oldest first
	Before      string // the Next of the page before
	Limit       int    // 0 leaves it to the service
}

func (s Search) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"state": s.State, "payee": s.Payee, "card": string(s.Card), "last4": s.Last4, "reference": s.Reference, "before": s.Before,
		"currency": string(s.Currency),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, n := range map[string]int64{"least": s.Least, "most": s.Most, "limit": int64(s.Limit)} {
		if n > 0 {
			q.Set(name, strconv.FormatInt(n, 10))
		}
	}
	if s.Oldest {
		q.Set("sort", "oldest")
	}
	span(q, s.From, s.Until)
	return q
}

// span adds the ends of a span of time that are given.
func span(q url.Values, from, until time.Time) {
	for name, at := range map[string]time.Time{"from": from, "until": until} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
}

// Payments is one page of the payments that are looked for. A page may be empty and still have a Next.
func (c *Client) Payments(ctx context.Context, s Search) (api.AdminPayments, error) {
	return read[api.AdminPayments](ctx, c, "/v1/admin/payments", s.query())
}

// EachPayment gives all payments that are looked for, page by page. After an error it ends.
func (c *Client) EachPayment(ctx context.Context, s Search) iter.Seq2[api.AdminPayment, error] {
	return func(yield func(api.AdminPayment, error) bool) {
		for {
			page, err := c.Payments(ctx, s)
			if err != nil {
				yield(api.AdminPayment{}, err)
				return
			}
			for _, p := range page.Payments {
				if !yield(p, nil) {
					return
				}
			}
			if page.Next == "" || page.Next == s.Before {
				return
			}
			s.Before = page.Next
		}
	}
}

// Payment is one payment with its timeline.
func (c *Client) Payment(ctx context.Context, id consent.PaymentID) (api.AdminPayment, error) {
	if err := id.Check(); err != nil {
		return api.AdminPayment{}, err
	}
	return read[api.AdminPayment](ctx, c, "/v1/admin/payments/"+string(id), nil)
}

// Funnel counts how far the payments of a span of time came. A zero time leaves that end to the service.
func (c *Client) Funnel(ctx context.Context, from, until time.Time) (api.Funnel, error) {
	q := url.Values{}
	span(q, from, until)
	return read[api.Funnel](ctx, c, "/v1/admin/funnel", q)
}

// Events is one page of what operators were told, newest first. after is the Next of the page before, or "".
func (c *Client) Events(ctx context.Context, after string) (api.AdminEvents, error) {
	return read[api.AdminEvents](ctx, c, "/v1/admin/events", page(after))
}
