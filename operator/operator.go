// Package operator is what the people who run the service do, for programs in Go: they enrol, issue cards, add payees,
// put money on accounts, and look at what happened.
//
// Every action carries the identity of the operator whose key the Client has. Every write is sent until it is answered,
// under one idempotency key, so that it is done once. Refusals by the service are *api.Problem.
package operator

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/client"
)

// Errors of talking to the service.
var (
	// ErrURL means an address that the client will not talk to.
	ErrURL = client.ErrURL
	// ErrAudience means that the service claims to be another one. Nothing was signed for it.
	ErrAudience = client.ErrAudience
	// ErrRedirect means that the service answered with a redirect, which is not followed.
	ErrRedirect = client.ErrRedirect
	// ErrNoAnswer means that no answer came: what was asked may or may not have been done. See WithIdempotencyKey.
	ErrNoAnswer = client.ErrNoAnswer
	// ErrNotSent means that the service could not be reached, so what was asked has not been done.
	ErrNotSent = client.ErrNotSent
	// ErrAnswer means an answer that is not what the API promises.
	ErrAnswer = client.ErrAnswer
	// ErrNoKey means that the Client has no Key.
	ErrNoKey = client.ErrNoKey
)

// Client talks to the service for one operator. Set the fields before the first call and not after; URL and Key are
// needed. It may be used by several goroutines.
type Client struct {
	URL      string             // the service's origin, such as https://pay.example; plain http only on this machine
	AdminURL string             // where its operators reach it, if elsewhere; it is held to be the service of URL all the same
	HTTP     *http.Client       // nil for the usual one; redirects are refused in any case
	Key      *consent.DeviceKey // the operator's
	Now      func() time.Time   // nil for time.Now
	Insecure bool               // allow plain http to other machines

	once sync.Once
	conn *client.Conn
	err  error
}

func (c *Client) connect() (*client.Conn, error) {
	c.once.Do(func() {
		c.conn, c.err = client.New(client.Config{
			URL: c.URL, AdminURL: c.AdminURL, HTTP: c.HTTP, Key: c.Key, Now: c.Now, Insecure: c.Insecure,
		})
	})
	return c.conn, c.err
}

type idempotencyKey struct{}

// WithIdempotencyKey makes the next write done with the context carry this key in place of a fresh one. A write that
// was not answered is sent again with the same key, and done once. One key is for one write.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, key)
}

// NewIdempotencyKey is a fresh key.
func NewIdempotencyKey() string { return consent.NewID() }

func keyFrom(ctx context.Context) string {
	if key, ok := ctx.Value(idempotencyKey{}).(string); ok && key != "" {
		return key
	}
	return NewIdempotencyKey()
}

// Service tells whom the client talks to. ErrAudience if the service claims to be another one than was asked.
func (c *Client) Service(ctx context.Context) (api.Service, error) {
	conn, err := c.connect()
	if err != nil {
		return api.Service{}, err
	}
	return conn.Service(ctx)
}

// EnrolFirst enrols the first operator, the one with the client's key, by right of the token that the service made at
// its first start.
func (c *Client) EnrolFirst(ctx context.Context, token, name string) (api.Operator, error) {
	var o api.Operator
	conn, err := c.connect()
	if err != nil {
		return o, err
	}
	if c.Key == nil {
		return o, ErrNoKey
	}
	in := api.NewOperator{Name: name, PublicKey: c.Key.Public().JWK()}
	err = conn.WriteAs(ctx, strings.TrimSpace(token), "/v1/admin/operators", keyFrom(ctx), in, &o)
	if err == nil && o.ID != string(c.Key.ID()) {
		return api.Operator{}, ErrAnswer
	}
	return o, err
}

// Enrol enrols another operator with the public key that he made.
func (c *Client) Enrol(ctx context.Context, name string, key consent.PublicKey) (api.Operator, error) {
	return write[api.Operator](ctx, c, "/v1/admin/operators", api.NewOperator{Name: name, PublicKey: key.JWK()})
}

// Operators lists the operators.
func (c *Client) Operators(ctx context.Context) ([]api.Operator, error) {
	return all(func(after string) ([]api.Operator, string, error) {
		list, err := read[api.Operators](ctx, c, "/v1/admin/operators", page(after))
		return list.Operators, list.Next, err
	})
}

// Devices lists every registered device, revoked ones too.
func (c *Client) Devices(ctx context.Context) ([]api.Device, error) {
	return all(func(after string) ([]api.Device, string, error) {
		list, err := read[api.Devices](ctx, c, "/v1/admin/devices", page(after))
		return list.Devices, list.Next, err
	})
}

// RevokeDevice takes a device's right to act away, for ever.
func (c *Client) RevokeDevice(ctx context.Context, id consent.DeviceID, note string) error {
	if err := id.Check(); err != nil {
		return err
	}
	_, err := write[any](ctx, c, "/v1/admin/devices/"+string(id)+"/revoke", api.Noted{Note: note})
	return err
}

// Audit is one page of the operators' actions, newest first. after is the Next of the page before, or "".
func (c *Client) Audit(ctx context.Context, after string) (api.AuditLog, error) {
	return read[api.AuditLog](ctx, c, "/v1/admin/audit", page(after))
}

func page(after string) url.Values {
	if after == "" {
		return nil
	}
	return url.Values{"before": {after}}
}

// all reads pages until there is none.
func all[T any](read func(after string) (items []T, next string, err error)) ([]T, error) {
	var list []T
	for after := ""; ; {
		items, next, err := read(after)
		if err != nil {
			return nil, err
		}
		list = append(list, items...)
		if next == "" || next == after {
			return list, nil
		}
		after = next
	}
}

func read[T any](ctx context.Context, c *Client, path string, query url.Values) (out T, err error) {
	conn, err := c.connect()
	if err != nil {
		return out, err
	}
	err = conn.Read(ctx, path, query, 0, &out)
	return out, err
}

func write[T any](ctx context.Context, c *Client, path string, in any) (out T, err error) {
	conn, err := c.connect()
	if err != nil {
		return out, err
	}
	err = conn.Write(ctx, path, keyFrom(ctx), in, &out)
	return out, err
}
