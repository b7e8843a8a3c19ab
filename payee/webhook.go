package payee

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"

	"tapline/api"
	"tapline/webhook"
)

// Errors of VerifyWebhook. Each means that the message is not to be believed.
var (
	ErrWebhookSecret    = webhook.ErrSecret
	ErrWebhookHeader    = webhook.ErrHeader
	ErrWebhookTime      = webhook.ErrTime
	ErrWebhookSignature = webhook.ErrSignature
)

// Webhook is a message that came to one of the payee's endpoints.
type Webhook struct {
	ID string // the same each time that the message comes: what was done for it need not be done again
	api.WebhookMessage
}

// VerifyWebhook returns the message of a request that came to a webhook endpoint, if whoever has the endpoint's keys sent it, not more
// than five minutes ago. body is the request's, byte for byte. A secret is the endpoint's secret (whsec_…), which verifies signatures
// v1, or its public key (whpk_…), which verifies v1a; while it is rotated give the old and the new one: any of them will do. All have
// to be ones. The message says what has changed, and no more: ask the service for the rest.
func VerifyWebhook(body []byte, header http.Header, secrets ...string) (Webhook, error) {
	if len(secrets) == 0 {
		return Webhook{}, ErrWebhookSecret
	}
	now, believed, refusal := time.Now(), false, error(nil)
	for _, secret := range secrets {
		err := webhook.Verify(secret, header, body, now)
		if errors.Is(err, ErrWebhookSecret) {
			return Webhook{}, err // a mistake of the program's own, which must not hide until the rotation is over
		}
		believed = believed || err == nil
		refusal = err
	}
	if !believed {
		return Webhook{}, refusal
	}
	w := Webhook{ID: header.Get(webhook.HeaderID)}
	if json.Unmarshal(body, &w.WebhookMessage) != nil || w.Type == "" {
		return Webhook{}, ErrAnswer
	}
	return w, nil
}

// MakeWebhook has the payee's events sent to an address. The secret is in the answer, and nowhere else. This and the rest about webhooks
// needs a key with the scope webhooks.
func (c *Client) MakeWebhook(ctx context.Context, in api.NewWebhookEndpoint) (api.WebhookEndpoint, error) {
	return write[api.WebhookEndpoint](ctx, c, "/v1/webhook-endpoints", in)
}

// Webhooks lists the payee's endpoints, oldest first.
func (c *Client) Webhooks(ctx context.Context) ([]api.WebhookEndpoint, error) {
	var list api.WebhookEndpoints
	err := c.read(ctx, "/v1/webhook-endpoints", nil, &list)
	return list.Endpoints, err
}

// WebhookEndpoint is one endpoint.
func (c *Client) WebhookEndpoint(ctx context.Context, id string) (e api.WebhookEndpoint, err error) {
	err = c.read(ctx, endpointPath(id, ""), nil, &e)
	return e, err
}

func endpointPath(id, what string) string {
	return "/v1/webhook-endpoints/" + url.PathEscape(id) + what
}

// ChangeWebhook changes an endpoint's address or types, and enables or disables it.
func (c *Client) ChangeWebhook(ctx context.Context, id string, in api.WebhookChange) (api.WebhookEndpoint, error) {
	return write[api.WebhookEndpoint](ctx, c, endpointPath(id, ""), in)
}

// RotateWebhook gives an endpoint new keys. Until the overlap is over messages are signed with the old ones, too.
func (c *Client) RotateWebhook(ctx context.Context, id string, overlap time.Duration) (api.WebhookEndpoint, error) {
	seconds := int64(overlap / time.Second)
	return write[api.WebhookEndpoint](ctx, c, endpointPath(id, "/rotate-secret"), api.WebhookRotation{Overlap: &seconds})
}

// RemoveWebhook ends an endpoint.
func (c *Client) RemoveWebhook(ctx context.Context, id string) (api.WebhookEndpoint, error) {
	return write[api.WebhookEndpoint](ctx, c, endpointPath(id, "/remove"), nil)
}

// TestWebhook sends a message to an endpoint that tells of nothing.
func (c *Client) TestWebhook(ctx context.Context, id string) (api.WebhookDelivery, error) {
	return write[api.WebhookDelivery](ctx, c, endpointPath(id, "/test"), nil)
}

// DeliveryQuery selects deliveries.
type DeliveryQuery struct {
	State  string // empty for any
	Span          // of their events
	Before string // the Next of the page before
	Limit  int    // 0 leaves it to the service
}

// Deliveries is a page of what was sent to an endpoint, newest event first.
func (c *Client) Deliveries(ctx context.Context, endpoint string, q DeliveryQuery) (page api.WebhookDeliveries, err error) {
	err = c.read(ctx, endpointPath(endpoint, "/deliveries"), q.add(listing(q.Before, q.Limit, "state", q.State)), &page)
	return page, err
}

// EachDelivery gives all that was sent to an endpoint from q on, newest event first, page by page. After an error it ends.
func (c *Client) EachDelivery(ctx context.Context, endpoint string, q DeliveryQuery) iter.Seq2[api.WebhookDelivery, error] {
	return each(q.Before, func(before string) ([]api.WebhookDelivery, string, error) {
		q.Before = before
		page, err := c.Deliveries(ctx, endpoint, q)
		return page.Deliveries, page.Next, err
	})
}

// Replay sends a delivery again, whatever became of it.
func (c *Client) Replay(ctx context.Context, delivery string) (api.WebhookDelivery, error) {
	return write[api.WebhookDelivery](ctx, c, "/v1/webhook-deliveries/"+url.PathEscape(delivery)+"/replay", nil)
}

// ReplayFailed sends an endpoint again what failed since a time.
func (c *Client) ReplayFailed(ctx context.Context, endpoint string, since time.Time) (api.WebhookReplayed, error) {
	return write[api.WebhookReplayed](ctx, c, endpointPath(endpoint, "/replay"), api.WebhookReplay{Since: since})
}

// MakeTestEvent makes an event that tells of nothing, to test the payee's programs. Only a service of the test environment does.
func (c *Client) MakeTestEvent(ctx context.Context, eventType string) (api.Event, error) {
	return write[api.Event](ctx, c, "/v1/test/events", api.NewTestEvent{Type: eventType})
}
