package processor

import (
	"slices"
	"strings"
	"time"

	"tapline/payment"
)

// WebhookState is what an endpoint is.
type WebhookState string

// States of an endpoint.
const (
	WebhookEnabled  WebhookState = "enabled"
	WebhookDisabled WebhookState = "disabled" // nothing is sent; what waits, and what happens, waits until it is enabled again
	WebhookRemoved  WebhookState = "removed"  // for ever
)

// WebhookWhy is why an endpoint is disabled.
type WebhookWhy string

// Reasons.
const (
	WhyAsked   WebhookWhy = "asked"   // the payee has disabled it
	WhyGone    WebhookWhy = "gone"    // it has answered 410
	WhyFailing WebhookWhy = "failing" // it has taken nothing for WebhookPatience
)

// Bounds of webhooks.
const (
	MaxWebhooks     = 20 // of a payee
	MaxWebhookTypes = 50 // in the filter of one
	WebhookPatience = 75 * time.Hour
	WebhookLease    = 30 * time.Second    // in which whoever has claimed a delivery has to send it, before another may
	DeliveriesKept  = 30 * 24 * time.Hour // since what they tell of
)

// Webhook is an endpoint of a payee: where its programs are told of its events.
//
// What is to be told is in the database since the transaction in which it happened: the payee's events after Told. They are taken
// as deliveries, in another transaction, which moves Told: each once.
type Webhook struct {
	ID           string
	Payee        payment.Handle
	URL          string
	Types        []string // of events to tell; "payment.*" for all that begin so; none for all
	Keys         []byte   // sealed
	OldKeys      []byte   // those before, sealed; nil if there are none
	OldUntil     time.Time
	State        WebhookState
	Why          WebhookWhy // if disabled
	Told         int64      // number of the last event that was looked at
	CreatedBy    Principal
	CreatedAt    time.Time
	FailingSince time.Time // when it failed first since it last took something; zero if it did not
	RemovedAt    time.Time
}

// Takes reports whether events of a type are to be told to the endpoint.
func (e Webhook) Takes(eventType string) bool {
	return len(e.Types) == 0 || slices.ContainsFunc(e.Types, func(t string) bool {
		family, all := strings.CutSuffix(t, "*")
		return t == eventType || all && strings.HasPrefix(eventType, family)
	})
}

// WebhookContext is what the keys of an endpoint are sealed with, so that boxes cannot be exchanged in the database.
func WebhookContext(id string) []byte { return []byte("webhook endpoint " + id) }

// WebhookReader reads what is to be sent to endpoints, and what became of it.
type WebhookReader interface {
	// FreshWebhooks lists enabled endpoints after one, in order of their ids, of payees that were told events since Told.
	FreshWebhooks(after string, limit int) ([]Webhook, error)
	// DueWebhooks lists enabled endpoints after one, in order of their ids, to which something is to be sent by now.
	DueWebhooks(now time.Time, after string, limit int) ([]Webhook, error)
	// DueDeliveries lists what is to be sent to an endpoint by now: of each subject the first event that it has not taken, if that
	// is due.
	DueDeliveries(endpoint string, now time.Time, limit int) ([]Delivery, error)
	// Sent lists newest first, unless it is asked to list oldest first.
	Sent(DeliveryQuery) ([]Delivery, error)
}

// DeliveryQuery selects deliveries of one endpoint.
type DeliveryQuery struct {
	Endpoint string
	State    DeliveryState // empty for any
	Since    time.Time     // of events not before
	Before   time.Time     // of events before; zero for now
	BeforeID string        // and of those at Before, the ones below this id
	Oldest   bool          // oldest first
	AfterID  string        // with Oldest: of those at Since, the ones above this id
	Limit    int
}

// WebhookWork is what every command of a payee's program about webhooks carries.
type WebhookWork struct {
	Payee payment.Handle
	With  string // the MAC of the program's key
}

// Wants names the payee, its key and its endpoints.
func (c *WebhookWork) Wants(_ *Unit, w *Wants) {
	w.APIKeys = append(w.APIKeys, c.With)
	w.Payees = append(w.Payees, c.Payee)
	w.WebhooksOf = append(w.WebhooksOf, c.Payee)
}

// allow refuses whoever may not ask, now.
func (c *WebhookWork) allow(u *Unit) (APIKey, error) {
	if _, ok := u.Payees.Get(c.Payee); !ok {
		return APIKey{}, ErrUnknownPayee
	}
	with, ok := u.APIKeys.Get(c.With)
	switch {
	case !ok || with.Payee != c.Payee || !with.Valid(u.Now):
		return APIKey{}, ErrAPIKeyOver
	case !with.May(ScopeWebhooks):
		return APIKey{}, ErrScope
	}
	return with, nil
}

// find is the payee's endpoint with an id.
func (c *WebhookWork) find(u *Unit, id string) (Webhook, error) {
	if _, err := c.allow(u); err != nil {
		return Webhook{}, err
	}
	if !slices.Contains(u.webhooksOf[c.Payee], id) {
		return Webhook{}, ErrUnknownWebhook
	}
	e, ok := u.Webhooks.Get(id)
	if !ok || e.Payee != c.Payee || e.State == WebhookRemoved {
		return Webhook{}, ErrUnknownWebhook
	}
	return e, nil
}

// tellWebhook says what happened to an endpoint.
func (u *Unit) tellWebhook(e Webhook, happened string, also ...Principal) {
	u.Tell(Event{Type: "webhook_endpoint." + happened, Subject: e.ID, State: string(e.State), To: append([]Principal{PayeePrincipal(e.Payee)}, also...)})
}

// MakeWebhook makes an endpoint. What happens from now on is told to it.
type MakeWebhook struct {
	WebhookWork
	Endpoint Webhook // with id, URL, types, keys, and as Told the number of an event that there was; completed by Do
}

// Wants names the endpoint, too.
func (c *MakeWebhook) Wants(u *Unit, w *Wants) {
	c.WebhookWork.Wants(u, w)
	w.Webhooks = append(w.Webhooks, c.Endpoint.ID)
}

// Do makes the endpoint.
func (c *MakeWebhook) Do(u *Unit) error {
	with, err := c.allow(u)
	if err != nil {
		return err
	}
	if p, _ := u.Payees.Get(c.Payee); p.Closed {
		return ErrPayeeClosed
	}
	there := 0
	for _, id := range u.webhooksOf[c.Payee] {
		if e, _ := u.Webhooks.Get(id); e.State != WebhookRemoved {
			there++
		}
	}
	if there >= MaxWebhooks {
		return ErrTooManyWebhooks
	}
	e := &c.Endpoint
	e.Payee, e.State, e.CreatedBy, e.CreatedAt = c.Payee, WebhookEnabled, APIKeyPrincipal(with.ID), u.Now
	u.Webhooks.Put(e.ID, *e)
	u.tellWebhook(*e, "made")
	return nil
}

// ChangeWebhook changes what is not nil. Enabling an endpoint sends it what it has missed.
type ChangeWebhook struct {
	WebhookWork
	ID      string
	URL     *string
	Types   *[]string
	Enabled *bool

	After Webhook // result
}

// Do changes the endpoint.
func (c *ChangeWebhook) Do(u *Unit) error {
	e, err := c.find(u, c.ID)
	if err != nil {
		return err
	}
	happened := "changed"
	if c.URL != nil {
		e.URL = *c.URL
	}
	if c.Types != nil {
		e.Types = *c.Types
	}
	switch {
	case c.Enabled == nil:
	case *c.Enabled && e.State == WebhookDisabled:
		e.State, e.Why, e.FailingSince, happened = WebhookEnabled, "", time.Time{}, "enabled"
	case !*c.Enabled && e.State == WebhookEnabled:
		e.State, e.Why, happened = WebhookDisabled, WhyAsked, "disabled"
	}
	u.Webhooks.Put(e.ID, e)
	u.tellWebhook(e, happened)
	c.After = e
	return nil
}

// RotateWebhook gives an endpoint new keys. Those before sign beside them until the overlap is over; those before them no more.
type RotateWebhook struct {
	WebhookWork
	ID      string
	Keys    []byte // sealed
	Overlap time.Duration

	After Webhook // result
}

// Do takes the new keys.
func (c *RotateWebhook) Do(u *Unit) error {
	e, err := c.find(u, c.ID)
	if err != nil {
		return err
	}
	e.OldKeys, e.OldUntil = nil, time.Time{}
	if c.Overlap > 0 {
		e.OldKeys, e.OldUntil = e.Keys, u.Now.Add(c.Overlap)
	}
	e.Keys = c.Keys
	u.Webhooks.Put(e.ID, e)
	u.tellWebhook(e, "rotated")
	c.After = e
	return nil
}

// RemoveWebhook ends an endpoint for ever, with all that was not sent.
type RemoveWebhook struct {
	WebhookWork
	ID string

	After Webhook // result
}

// Do removes the endpoint and forgets its keys.
func (c *RemoveWebhook) Do(u *Unit) error {
	e, err := c.find(u, c.ID)
	if err != nil {
		return err
	}
	e.State, e.Why, e.Keys, e.OldKeys, e.OldUntil, e.FailingSince, e.RemovedAt = WebhookRemoved, "", nil, nil, time.Time{}, time.Time{}, u.Now
	u.Webhooks.Put(e.ID, e)
	u.tellWebhook(e, "removed")
	c.After = e
	return nil
}

// TestSubject begins the subjects of events that were made to test programs. There is nothing by such an id.
const TestSubject = "test:"

// Trigger makes an event of a type for a payee, to test its programs. It tells of nothing that there is.
type Trigger struct {
	WebhookWork
	Type, Subject, State string // Subject begins with TestSubject
}

// Do tells the event.
func (c *Trigger) Do(u *Unit) error {
	if _, err := c.allow(u); err != nil {
		return err
	}
	u.Tell(Event{Type: c.Type, Subject: c.Subject, State: c.State, Version: 1, To: []Principal{PayeePrincipal(c.Payee)}})
	return nil
}
