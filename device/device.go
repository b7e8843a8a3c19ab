// Package device is what a user device and an associated device do, for programs in Go.
//
// A payment goes Client.Order, Order.Tap, Draft.Send. Order and Tap are local: before Send nothing leaves the device
// but the payee handle, to look it up, and the amount, where Client.TapChallenge asks for a challenge. What Send returns checks
// everything that the service later asks a person to confirm against what this device asked for.
//
// Every write is signed with the device's key and sent until it is answered, under one idempotency key, so that it is
// done once. Refusals by the service are *api.Problem.
package device

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/client"
	"tapline/money"
)

// Errors of talking to the service.
var (
	// ErrURL means an address that the device will not talk to.
	ErrURL = client.ErrURL
	// ErrAudience means that the service claims to be another one. Nothing was signed for it.
	ErrAudience = client.ErrAudience
	// ErrRedirect means that the service answered with a redirect, which is not followed.
	ErrRedirect = client.ErrRedirect
	// ErrNoAnswer means that no answer came: what was asked may or may not have been done.
	ErrNoAnswer = client.ErrNoAnswer
	// ErrNotSent means that the service could not be reached, so what was asked has not been done.
	ErrNotSent = client.ErrNotSent
	// ErrAnswer means an answer that is not what the API promises.
	ErrAnswer = client.ErrAnswer
	// ErrNoKey means that the Client has no Key.
	ErrNoKey = client.ErrNoKey
)

// Client talks to the service for one device. Set the fields before the first call and not after; URL and Key are
// needed. It may be used by several goroutines.
type Client struct {
	URL      string             // the service's origin, such as https://pay.example; plain http only on this machine
	HTTP     *http.Client       // nil for the usual one; redirects are refused in any case
	Key      *consent.DeviceKey // see MakeKey and LoadKey
	Now      func() time.Time   // nil for time.Now
	Insecure bool               // allow plain http to other machines

	once sync.Once
	conn *client.Conn
	err  error
}

func (c *Client) connect() (*client.Conn, error) {
	c.once.Do(func() {
		c.conn, c.err = client.New(client.Config{
			URL: c.URL, HTTP: c.HTTP, Key: c.Key, Now: c.Now, Insecure: c.Insecure,
		})
	})
	return c.conn, c.err
}

// ID is the device's id, "" without a key.
func (c *Client) ID() consent.DeviceID {
	if c.Key == nil {
		return ""
	}
	return c.Key.ID()
}

// Service tells whom the client talks to. ErrAudience if the service claims to be another one than was asked.
func (c *Client) Service(ctx context.Context) (api.Service, error) {
	conn, err := c.connect()
	if err != nil {
		return api.Service{}, err
	}
	return conn.Service(ctx)
}

// Register makes the device known under a label, or changes its label.
func (c *Client) Register(ctx context.Context, label string) (api.Device, error) {
	d, err := write[api.Device](ctx, c, "/v1/devices", consent.TypDevice, func(claims consent.Claims) any {
		return &consent.DeviceRegistration{Claims: claims, Label: label}
	})
	if err == nil && d.ID != string(c.ID()) {
		return api.Device{}, ErrAnswer
	}
	return d, err
}

// Payee looks up who the payee of a handle, or of an alias, is. Its texts are fit to be shown.
func (c *Client) Payee(ctx context.Context, handle string) (api.Payee, error) {
	return c.PayeeIn(ctx, handle, "")
}

// PayeeIn is Payee with the account that takes money in a currency; the payee's first if that is empty.
func (c *Client) PayeeIn(ctx context.Context, handle string, currency money.Currency) (api.Payee, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return api.Payee{}, err
	}
	var query url.Values
	if currency != "" {
		query = url.Values{"currency": {string(currency)}}
	}
	payee, err := read[api.Payee](ctx, c, "/v1/payees/"+url.PathEscape(handle), query, 0)
	if err != nil {
		return api.Payee{}, err
	}
	if payee.Handle != handle && payee.Alias != handle || consent.CheckHandle(payee.Handle) != nil ||
		currency != "" && payee.Currency != currency || checkPayee(payee) != nil {
		return api.Payee{}, ErrAnswer
	}
	return payee, nil
}

// checkPayee takes no texts that a person could not be shown.
func checkPayee(payee api.Payee) error {
	if name, err := consent.CleanText(payee.Name, 128); err != nil || name != payee.Name || name == "" {
		return ErrAnswer
	}
	if account, err := consent.CleanText(payee.Account, 64); err != nil || account != payee.Account {
		return ErrAnswer
	}
	if payee.Fee != nil && !(Order{payee: payee}).tariff().Valid() {
		return ErrAnswer
	}
	if !payee.Currency.Known() {
		return ErrAnswer
	}
	return nil
}

// read reads with a token.
func read[T any](ctx context.Context, c *Client, path string, query url.Values, wait time.Duration) (out T, err error) {
	conn, err := c.connect()
	if err != nil {
		return out, err
	}
	err = conn.Read(ctx, path, query, wait, &out)
	return out, err
}

// write signs and sends a message that needs no memory of having been sent before.
func write[T any](
	ctx context.Context, c *Client, path string, typ consent.Typ, claims func(consent.Claims) any,
) (out T, err error) {
	conn, err := c.connect()
	if err != nil {
		return out, err
	}
	err = conn.Message(path, typ, "", claims).Send(ctx, &out)
	return out, err
}
