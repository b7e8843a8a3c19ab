package processor

import (
	"strings"
	"time"
)

// DeliveryState is what became of a delivery.
type DeliveryState string

// States of a delivery.
const (
	DeliveryPending DeliveryState = "pending"   // it is to be sent, or sent again
	DeliveryTaken   DeliveryState = "delivered" // the receiver has taken it
	DeliveryFailed  DeliveryState = "failed"    // it was given up
)

// DeliveryStates lists every state.
var DeliveryStates = []DeliveryState{DeliveryPending, DeliveryTaken, DeliveryFailed}

// WebhookTest is the type of the event that tests one endpoint.
const WebhookTest = "webhook_endpoint.test"

// Delivery is one event on its way to one endpoint. Its id names it to the receiver, the same each time that it is sent.
type Delivery struct {
	ID       string
	Endpoint string
	Number   int64 // of the event; 0 if it is none
	Type     string
	Subject  string
	About    string // the event's State
	Version  int64
	At       time.Time // of the event

	State    DeliveryState
	NextAt   time.Time // when it is to be sent, or sent again; zero unless it is pending
	Attempts int       // since it was last wanted

	// Of the last attempt that came to an end.
	TriedAt time.Time
	Failure string
	Status  int
	Answer  string
	Millis  int64
}

// IsTest reports whether the event was made to test programs, and tells of nothing.
func (d Delivery) IsTest() bool {
	return d.Type == WebhookTest || strings.HasPrefix(d.Subject, TestSubject)
}

// pauses are how long to wait after each attempt that failed: 75 hours and 35 minutes in all, as Standard Webhooks proposes.
var pauses = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// WebhookPause is how long to wait after so many attempts that failed; 0 if there is to be no other.
func WebhookPause(attempts int) time.Duration {
	if attempts < 1 || attempts > len(pauses) {
		return 0
	}
	return pauses[attempts-1]
}

// TakeEvents makes deliveries of events that an endpoint is to be told. Of all who take the same events one does.
type TakeEvents struct {
	Endpoint   string
	From       int64      // what Told was when the events were read
	Told       int64      // what it is to be
	Deliveries []Delivery // with id and event, of those that it takes

	Taken bool // result
}

// Wants names the endpoint and the deliveries.
func (c *TakeEvents) Wants(_ *Unit, w *Wants) {
	w.Webhooks = append(w.Webhooks, c.Endpoint)
	for _, d := range c.Deliveries {
		w.Deliveries = append(w.Deliveries, d.ID)
	}
}

// Do takes the events, unless somebody else has.
func (c *TakeEvents) Do(u *Unit) error {
	c.Taken = false
	e, ok := u.Webhooks.Get(c.Endpoint)
	if !ok || e.State != WebhookEnabled || e.Told != c.From || c.Told <= c.From {
		return nil
	}
	e.Told = c.Told
	u.Webhooks.Put(e.ID, e)
	for _, d := range c.Deliveries {
		d.Endpoint, d.State, d.NextAt = e.ID, DeliveryPending, u.Now
		u.Deliveries.Put(d.ID, d)
	}
	c.Taken = true
	return nil
}

// ClaimDeliveries takes deliveries that are due, to send them within WebhookLease. Of all who claim one at the same time one gets it.
type ClaimDeliveries struct {
	IDs       []string
	Endpoints []string // theirs

	Claimed []ClaimedDelivery // results
	Now     time.Time
}

// ClaimedDelivery is a delivery with the endpoint that it is for.
type ClaimedDelivery struct {
	Delivery
	To Webhook
}

// Wants names deliveries and endpoints.
func (c *ClaimDeliveries) Wants(_ *Unit, w *Wants) {
	w.Deliveries = append(w.Deliveries, c.IDs...)
	w.Webhooks = append(w.Webhooks, c.Endpoints...)
}

// Do claims those that are still due.
func (c *ClaimDeliveries) Do(u *Unit) error {
	c.Claimed, c.Now = nil, u.Now
	for _, id := range c.IDs {
		d, ok := u.Deliveries.Get(id)
		if !ok || d.NextAt.IsZero() || d.NextAt.After(u.Now) {
			continue
		}
		e, ok := u.Webhooks.Get(d.Endpoint)
		if !ok || e.State != WebhookEnabled {
			continue
		}
		d.NextAt = u.Now.Add(WebhookLease)
		d.Attempts++
		u.Deliveries.Put(id, d)
		c.Claimed = append(c.Claimed, ClaimedDelivery{d, e})
	}
	return nil
}

// FinishDelivery says what became of a delivery that was claimed.
type FinishDelivery struct {
	Claimed     ClaimedDelivery
	Interrupted bool // it was not sent to the end, and is to be sent by whoever runs next
	Failure     string
	Status      int
	Answer      string
	Took        time.Duration
	Gone        bool          // the receiver wants no more at all
	Again       time.Duration // when to try once more; 0 for never

	Disabled bool // result: the endpoint was disabled for it
}

// Wants names the delivery and its endpoint.
func (c *FinishDelivery) Wants(_ *Unit, w *Wants) {
	w.Deliveries = append(w.Deliveries, c.Claimed.ID)
	w.Webhooks = append(w.Webhooks, c.Claimed.Endpoint)
}

// Do ends the delivery or puts it off, unless it was claimed or wanted again in the meantime. An endpoint that has taken nothing for
// too long, or is gone, is disabled.
func (c *FinishDelivery) Do(u *Unit) error {
	c.Disabled = false
	d, ok := u.Deliveries.Get(c.Claimed.ID)
	if !ok || d.Attempts != c.Claimed.Attempts || !d.NextAt.Equal(c.Claimed.NextAt) {
		return nil
	}
	if c.Interrupted {
		d.NextAt, d.Attempts = u.Now, d.Attempts-1
		u.Deliveries.Put(d.ID, d)
		return nil
	}
	d.TriedAt, d.Failure, d.Status, d.Answer, d.Millis = u.Now, c.Failure, c.Status, c.Answer, c.Took.Milliseconds()
	switch {
	case c.Failure == "":
		d.State, d.NextAt = DeliveryTaken, time.Time{}
	case c.Again > 0 && !c.Gone:
		d.NextAt = u.Now.Add(c.Again)
	default:
		d.State, d.NextAt = DeliveryFailed, time.Time{}
	}
	u.Deliveries.Put(d.ID, d)
	c.judge(u)
	return nil
}

// judge takes note of how an endpoint does.
func (c *FinishDelivery) judge(u *Unit) {
	e, ok := u.Webhooks.Get(c.Claimed.Endpoint)
	if !ok || e.State != WebhookEnabled || e.URL != c.Claimed.To.URL {
		return // what was sent to another address says nothing of this one
	}
	before := e.FailingSince
	switch {
	case c.Failure == "":
		e.FailingSince = time.Time{}
	case before.IsZero():
		e.FailingSince = u.Now
	case u.Now.Sub(before) >= WebhookPatience:
		e.State, e.Why = WebhookDisabled, WhyFailing
	}
	if c.Gone {
		e.State, e.Why = WebhookDisabled, WhyGone
	}
	if e.State == WebhookDisabled {
		c.Disabled = true
		u.tellWebhook(e, "disabled", OperatorsPrincipal)
	}
	if c.Disabled || !e.FailingSince.Equal(before) {
		u.Webhooks.Put(e.ID, e)
	}
}

// TestWebhook sends an event to one endpoint that tells of nothing but the endpoint.
type TestWebhook struct {
	WebhookWork
	ID       string
	Delivery string // the id that it gets

	Made Delivery // result
}

// Wants names the delivery, too.
func (c *TestWebhook) Wants(u *Unit, w *Wants) {
	c.WebhookWork.Wants(u, w)
	w.Deliveries = append(w.Deliveries, c.Delivery)
}

// Do makes the delivery.
func (c *TestWebhook) Do(u *Unit) error {
	e, err := c.find(u, c.ID)
	if err != nil {
		return err
	}
	if e.State != WebhookEnabled {
		return ErrWebhookDisabled
	}
	c.Made = Delivery{ID: c.Delivery, Endpoint: e.ID, Type: WebhookTest, Subject: e.ID, About: string(e.State), At: u.Now,
		State: DeliveryPending, NextAt: u.Now}
	u.Deliveries.Put(c.Made.ID, c.Made)
	return nil
}

// MaxReplay is how many deliveries one Replay takes.
const MaxReplay = 1000

// Replay sends deliveries once more, whatever became of them, with all their attempts anew.
type Replay struct {
	WebhookWork
	IDs []string

	After []Delivery // result
}

// Wants names the deliveries, too.
func (c *Replay) Wants(u *Unit, w *Wants) {
	c.WebhookWork.Wants(u, w)
	w.Deliveries = append(w.Deliveries, c.IDs...)
}

// Do has them sent. One of them that is under way is left alone.
func (c *Replay) Do(u *Unit) error {
	c.After = nil
	if _, err := c.allow(u); err != nil {
		return err
	}
	for _, id := range c.IDs {
		d, ok := u.Deliveries.Get(id)
		if !ok {
			return ErrUnknownDelivery
		}
		e, err := c.find(u, d.Endpoint)
		switch {
		case err != nil:
			return ErrUnknownDelivery // a stranger's is not there
		case e.State != WebhookEnabled:
			return ErrWebhookDisabled
		}
		underWay := d.State == DeliveryPending && d.Attempts > 0 && d.NextAt.After(u.Now) && !d.NextAt.After(u.Now.Add(WebhookLease))
		if !underWay {
			d.State, d.NextAt, d.Attempts = DeliveryPending, u.Now, 0
			u.Deliveries.Put(id, d)
		}
		c.After = append(c.After, d)
	}
	return nil
}
