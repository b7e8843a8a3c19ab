// Package payee is what those who are paid do, for programs in Go: they make orders, see what became of them, and give money
// back.
//
// A Client has an API key, and needs a context for each call. Every write is sent until it is answered, under one idempotency key,
// so that it is done once: again after no answer, 429, 5xx and in_progress, six times in all, with growing pauses of which a part is
// random, or after the Retry-After that the service asks for. Everything else is an answer, and not asked for again.
//
// Refusals by the service are *api.Problem: errors.AsType finds it, and errors.Is(err, api.CodeOrderClosed) tells which one it is.
// Where no answer came it is ErrNotSent or ErrNoAnswer, which differ in whether it may have been done.
package payee

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/client"
	"tapline/money"
)

// Errors of talking to the service.
var (
	// ErrNoAnswer means that no answer came: what was asked may or may not have been done. See WithIdempotencyKey.
	ErrNoAnswer = client.ErrNoAnswer
	// ErrNotSent means that the service could not be reached, so what was asked has not been done.
	ErrNotSent = client.ErrNotSent
	// ErrAnswer means an answer that is not what the API promises.
	ErrAnswer = client.ErrAnswer
	// ErrIdempotencyKey means that WithIdempotencyKey was given something else than 1 to 128 visible ASCII characters. Nothing was sent.
	ErrIdempotencyKey = errors.New("an idempotency key is 1 to 128 visible ASCII characters")
	// ErrNoKey means that the Client has no APIKey.
	ErrNoKey = client.ErrNoKey
)

// Client talks to the service for one payee. Set the fields before the first call and not after; URL and APIKey are needed.
// It may be used by several goroutines.
type Client struct {
	URL      string           // the service's origin, such as https://pay.example; plain http only on this machine
	APIKey   string           // tapline_live_… or tapline_test_…
	HTTP     *http.Client     // nil for the usual one; redirects are refused in any case
	Now      func() time.Time // nil for time.Now
	Insecure bool             // allow plain http to other machines

	once sync.Once
	conn *client.Conn
	err  error
}

func (c *Client) connect() (*client.Conn, error) {
	c.once.Do(func() {
		c.conn, c.err = client.New(client.Config{URL: c.URL, HTTP: c.HTTP, Now: c.Now, Insecure: c.Insecure})
	})
	if c.err == nil && strings.TrimSpace(c.APIKey) == "" {
		return nil, ErrNoKey
	}
	return c.conn, c.err
}

type idempotencyKey struct{}

// WithIdempotencyKey makes the next write done with the context carry this key in place of a fresh one. A write that was
// not answered is sent again with the same key, and done once. One key is for one write.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, key)
}

// MakeOrder opens an order. Its URL is what payers are given.
func (c *Client) MakeOrder(ctx context.Context, in api.NewOrder) (api.PayeeOrder, error) {
	return write[api.PayeeOrder](ctx, c, "/v1/orders", in)
}

// CancelOrder ends an order that is not paid, and a payment that is paying it.
func (c *Client) CancelOrder(ctx context.Context, id string) (api.PayeeOrder, error) {
	return write[api.PayeeOrder](ctx, c, "/v1/orders/"+url.PathEscape(id)+"/cancel", nil)
}

// Order is an order as it is now.
func (c *Client) Order(ctx context.Context, id string) (o api.PayeeOrder, err error) {
	err = c.read(ctx, "/v1/orders/"+url.PathEscape(id), nil, &o)
	return o, err
}

// MakeTemplate keeps a template. Its URL is for a static link, a printed QR code or an NFC tag: whoever opens it makes an order of
// its own.
func (c *Client) MakeTemplate(ctx context.Context, in api.NewOrderTemplate) (api.OrderTemplate, error) {
	return write[api.OrderTemplate](ctx, c, "/v1/order-templates", in)
}

// DisableTemplate ends a template for ever. Orders that were made from it can be paid while their time lasts.
func (c *Client) DisableTemplate(ctx context.Context, id string) (api.OrderTemplate, error) {
	return write[api.OrderTemplate](ctx, c, "/v1/order-templates/"+url.PathEscape(id)+"/disable", nil)
}

// Template is a template, active or not.
func (c *Client) Template(ctx context.Context, id string) (t api.OrderTemplate, err error) {
	err = c.read(ctx, "/v1/order-templates/"+url.PathEscape(id), nil, &t)
	return t, err
}

// Templates are the active templates, the oldest first.
func (c *Client) Templates(ctx context.Context) (all api.OrderTemplates, err error) {
	err = c.read(ctx, "/v1/order-templates", nil, &all)
	return all, err
}

// Query selects orders.
type Query struct {
	State     string       // empty for any
	Reference string       // empty for any
	Amount    money.Amount // zero for any; in the payee's currency
	Least     int64        // of the amount, in minor units
	Most      int64        // of the amount; 0 for no bound
	Span                   // made in it
	Before    string       // the Next of the page before
	Limit     int          // 0 leaves it to the service
}

// Span is what part of a list by time is asked for. The zero value is all of it, newest first.
type Span struct {
	From   time.Time // zero for no bound; inclusive
	Until  time.Time // zero for no bound; exclusive
	Oldest bool      // oldest first
}

func (s Span) add(query url.Values) url.Values {
	for name, at := range map[string]time.Time{"from": s.From, "until": s.Until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if s.Oldest {
		query.Set("sort", "oldest")
	}
	return query
}

// bounds adds those of an amount that are given.
func bounds(query url.Values, least, most int64) url.Values {
	for name, minor := range map[string]int64{"least": least, "most": most} {
		if minor > 0 {
			query.Set(name, strconv.FormatInt(minor, 10))
		}
	}
	return query
}

// Orders is a page of orders, newest first.
func (c *Client) Orders(ctx context.Context, q Query) (page api.PayeeOrders, err error) {
	query := q.add(bounds(listing(q.Before, q.Limit, "state", q.State, "reference", q.Reference), q.Least, q.Most))
	if q.Amount.Minor > 0 {
		query.Set("minor", strconv.FormatInt(q.Amount.Minor, 10))
	}
	err = c.read(ctx, "/v1/orders", query, &page)
	return page, err
}

// EachOrder gives all orders from q on, newest first, asking for a page when the one before is used up. After an error it ends.
func (c *Client) EachOrder(ctx context.Context, q Query) iter.Seq2[api.PayeeOrder, error] {
	return each(q.Before, func(before string) ([]api.PayeeOrder, string, error) {
		q.Before = before
		page, err := c.Orders(ctx, q)
		return page.Orders, page.Next, err
	})
}

func write[T any](ctx context.Context, c *Client, path string, in any) (out T, err error) {
	conn, err := c.connect()
	if err != nil {
		return out, err
	}
	key, given := ctx.Value(idempotencyKey{}).(string)
	if !given {
		key = consent.NewID()
	}
	if key == "" || len(key) > 128 || strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }) {
		return out, ErrIdempotencyKey
	}
	err = conn.WriteAs(ctx, strings.TrimSpace(c.APIKey), path, key, in, &out)
	return out, err
}

// unnamed is write for what has no idempotency key.
func unnamed[T any](ctx context.Context, c *Client, path string, in any) (out T, err error) {
	conn, err := c.connect()
	if err != nil {
		return out, err
	}
	err = conn.WriteUnnamedAs(ctx, strings.TrimSpace(c.APIKey), path, in, &out)
	return out, err
}

func (c *Client) read(ctx context.Context, path string, query url.Values, out any) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	return conn.ReadAs(ctx, strings.TrimSpace(c.APIKey), path, query, 0, out)
}

// wait reads what the service may keep for a while before it answers.
func (c *Client) wait(ctx context.Context, path string, query url.Values, d time.Duration, out any) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	query.Set("wait", strconv.FormatInt(int64(d/time.Second), 10))
	return conn.ReadAs(ctx, strings.TrimSpace(c.APIKey), path, query, d, out)
}
