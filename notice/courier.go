package notice

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
	"tapline/webhook"
)

// How webhooks are sent.
const (
	hooksEvery   = 2 * time.Second       // to look for what is due
	hooksPause   = 20 * time.Millisecond // between two looks
	hooksAtOnce  = 256                   // endpoints looked at
	eventsAtOnce = 200                   // events of one endpoint's payee taken
	hooksSending = 512                   // messages under way, and of them
	hooksPayee   = 8                     // to endpoints of one payee, so that no payee takes the room of all
	hooksOne     = 4                     // to one endpoint
	hooksFailing = 1                     // to one that has not taken the last
	finishLimit  = 10 * time.Second
)

// FailureKeys is the failure of a delivery whose endpoint's keys this node cannot open.
const FailureKeys = "keys"

// Attempt is a message that was sent, to be measured.
type Attempt struct {
	Failure string // empty if it was taken
	Took    time.Duration
	Final   bool // it is not sent again
}

// Courier sends events to the endpoints of payees. Run it.
//
// It takes what endpoints are to be told out of the events, as deliveries, and claims those that are due. Several nodes may each run
// one: each event is taken once, and each delivery claimed by one. A node that dies leaves what it claimed to whoever finds it when
// WebhookLease is over: so a message may come twice, with the same id, but it comes.
type Courier struct {
	Processor *processor.Processor
	Keys      *keyring.Keyring
	Poster    *webhook.Poster
	Log       *slog.Logger
	OnAttempt func(Attempt) // nil: nobody measures; called by several goroutines
	// Now dates messages for those who receive them; nil: the time by which they were claimed.
	Now func() time.Time

	kick chan struct{}

	mu       sync.Mutex
	to       map[string]int
	of       map[payment.Handle]int
	underWay int
	sending  sync.WaitGroup

	freshAfter, dueAfter string // where the next look goes on, so that every endpoint has its turn
}

// NewCourier makes a courier. It is to be given a processor before it is run.
func NewCourier(keys *keyring.Keyring, p *webhook.Poster, log *slog.Logger) *Courier {
	return &Courier{Keys: keys, Poster: p, Log: log, kick: make(chan struct{}, 1), to: map[string]int{}, of: map[payment.Handle]int{}}
}

// Kick says that there is something to do. It never waits.
func (c *Courier) Kick() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// Run sends what is to be sent until ctx is done, and returns when nothing is under way any more.
func (c *Courier) Run(ctx context.Context) {
	var listening sync.WaitGroup
	listening.Go(func() { c.listen(ctx) })
	defer listening.Wait()
	tick := time.NewTicker(hooksEvery)
	defer tick.Stop()
	defer c.sending.Wait()
	for {
		err := c.take(ctx)
		if err == nil {
			err = c.send(ctx)
		}
		if err != nil && ctx.Err() == nil {
			c.Log.Warn("webhooks cannot be sent", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(hooksPause):
		}
		select {
		case <-ctx.Done():
			return
		case <-c.kick:
		case <-tick.C:
		}
	}
}

// listen kicks at every event, whichever node it came from.
func (c *Courier) listen(ctx context.Context) {
	last := int64(-1)
	for ctx.Err() == nil {
		newest, err := c.Processor.Store.Wait(ctx, last)
		if err != nil {
			select { // run looks by itself, too
			case <-ctx.Done():
			case <-time.After(hooksEvery):
			}
			continue
		}
		last = newest
		c.Kick()
	}
}

// fresh is an endpoint with events that it was not told.
type fresh struct {
	processor.Webhook
	events []processor.Event
	next   int64
}

// take makes deliveries of events.
func (c *Courier) take(ctx context.Context) error {
	var found []fresh
	err := c.Processor.Store.View(ctx, func(r processor.Reader) error {
		found = nil
		endpoints, err := r.FreshWebhooks(c.freshAfter, hooksAtOnce)
		if err != nil {
			return err
		}
		for _, e := range endpoints {
			f := fresh{Webhook: e}
			if f.events, f.next, err = r.Events(e.Told, eventsAtOnce, processor.PayeePrincipal(e.Payee)); err != nil {
				return err
			}
			found = append(found, f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	again := c.freshAfter != "" || len(found) == hooksAtOnce
	if c.freshAfter = ""; len(found) == hooksAtOnce {
		c.freshAfter = found[len(found)-1].ID
	}
	var taking sync.WaitGroup // so that one batch takes all
	errs := make(chan error, len(found))
	for _, f := range found {
		again = again || len(f.events) >= eventsAtOnce
		taking.Go(func() { errs <- c.takeOne(ctx, f) })
	}
	taking.Wait()
	close(errs)
	for e := range errs {
		if e != nil {
			err = e
		}
	}
	if again {
		c.Kick()
	}
	return err
}

func (c *Courier) takeOne(ctx context.Context, f fresh) error {
	command := &processor.TakeEvents{Endpoint: f.ID, From: f.Told, Told: f.next}
	for _, e := range f.events {
		if f.Takes(e.Type) {
			command.Deliveries = append(command.Deliveries, processor.Delivery{ID: "whd_" + consent.NewID(), Number: e.Seq, Type: e.Type,
				Subject: e.Subject, About: e.State, Version: e.Version, At: e.At})
		}
	}
	_, err := c.Processor.Do(ctx, processor.Request{Command: command})
	return err
}

// send claims what is due and there is room for, and begins to send it.
func (c *Courier) send(ctx context.Context) error {
	claim, err := c.choose(ctx)
	if err != nil || len(claim.IDs) == 0 {
		return err
	}
	if _, err := c.Processor.Do(ctx, processor.Request{Command: claim}); err != nil {
		return err
	}
	for _, d := range claim.Claimed {
		c.count(d, 1)
		c.sending.Go(func() {
			c.deliver(ctx, d, claim.Now)
			c.count(d, -1)
			c.Kick() // there is room again
		})
	}
	return nil
}

// choose names deliveries that are due, of each endpoint as many as there is room for.
func (c *Courier) choose(ctx context.Context) (claim *processor.ClaimDeliveries, err error) {
	err = c.Processor.Store.View(ctx, func(r processor.Reader) error {
		claim = &processor.ClaimDeliveries{}
		now, err := c.Processor.TimeIn(r)
		if err != nil {
			return err
		}
		endpoints, err := r.DueWebhooks(now, c.dueAfter, hooksAtOnce)
		if err != nil {
			return err
		}
		if c.dueAfter = ""; len(endpoints) == hooksAtOnce {
			c.dueAfter = endpoints[len(endpoints)-1].ID
			c.Kick()
		}
		chosen := map[payment.Handle]int{}
		for _, e := range endpoints {
			room := c.room(e, len(claim.IDs), chosen[e.Payee])
			if room == 0 {
				continue
			}
			due, err := r.DueDeliveries(e.ID, now, room)
			if err != nil {
				return err
			}
			for _, d := range due {
				claim.IDs = append(claim.IDs, d.ID)
			}
			chosen[e.Payee] += len(due)
			claim.Endpoints = append(claim.Endpoints, e.ID)
		}
		return nil
	})
	return claim, err
}

// room is how many more messages may be sent to an endpoint, besides those that were chosen.
func (c *Courier) room(e processor.Webhook, chosen, ofPayee int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := hooksOne
	if !e.FailingSince.IsZero() {
		most = hooksFailing
	}
	return max(0, min(most-c.to[e.ID], hooksPayee-c.of[e.Payee]-ofPayee, hooksSending-c.underWay-chosen))
}

// count takes note of a message under way, or of its end.
func (c *Courier) count(d processor.ClaimedDelivery, change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.underWay += change
	if c.to[d.Endpoint] += change; c.to[d.Endpoint] == 0 {
		delete(c.to, d.Endpoint)
	}
	if c.of[d.To.Payee] += change; c.of[d.To.Payee] == 0 {
		delete(c.of, d.To.Payee)
	}
}

// deliver sends one message and says what became of it.
func (c *Courier) deliver(ctx context.Context, d processor.ClaimedDelivery, now time.Time) {
	finish := &processor.FinishDelivery{Claimed: d}
	if keys, err := c.keys(d.To, now); err != nil {
		c.Log.Error("the keys of a webhook endpoint cannot be opened", "endpoint", d.Endpoint, "error", err)
		finish.Failure = FailureKeys
	} else {
		if c.Now != nil {
			now = c.Now()
		}
		m := webhook.Message{ID: d.ID, Time: now, Body: Body(d.Delivery)}
		r := c.Poster.Post(ctx, d.To.URL, m, keys...)
		finish.Failure, finish.Status, finish.Answer, finish.Took, finish.Gone = string(r.Failure), r.Status, r.Answer, r.Took, r.Gone()
	}
	finish.Interrupted = ctx.Err() != nil && finish.Failure != ""
	if finish.Failure != "" {
		finish.Again = spread(processor.WebhookPause(d.Attempts))
	}
	// Even if the service is shutting down. If it cannot be said, the lease ends by itself.
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), finishLimit)
	defer stop()
	if _, err := c.Processor.Do(end, processor.Request{Command: finish}); err != nil {
		c.Log.Warn("what became of a webhook was not kept", "delivery", d.ID, "error", err)
	}
	if finish.Disabled {
		c.Log.Warn("a webhook endpoint was disabled", "endpoint", d.Endpoint, "payee", d.To.Payee, "failure", finish.Failure, "status", finish.Status)
	}
	if c.OnAttempt != nil && !finish.Interrupted {
		c.OnAttempt(Attempt{Failure: finish.Failure, Took: finish.Took, Final: finish.Again == 0 || finish.Gone})
	}
}

// keys are those that sign for an endpoint at a time, the newest first.
func (c *Courier) keys(e processor.Webhook, now time.Time) ([]webhook.Keys, error) {
	boxes := [][]byte{e.Keys}
	if now.Before(e.OldUntil) {
		boxes = append(boxes, e.OldKeys)
	}
	var keys []webhook.Keys
	for _, box := range boxes {
		opened, err := c.Keys.Unseal(processor.WebhookContext(e.ID), box)
		if err != nil {
			return nil, err
		}
		if len(opened) != webhook.KeysSize {
			return nil, keyring.ErrSealed
		}
		keys = append(keys, webhook.Keys(opened))
	}
	return keys, nil
}

// Body is what is sent of a delivery, the same each time.
func Body(d processor.Delivery) []byte {
	body, err := json.Marshal(api.WebhookMessage{Type: d.Type, Timestamp: d.At, Data: api.WebhookData{
		ID: d.Subject, State: d.About, Version: d.Version, Test: d.IsTest(),
	}})
	if err != nil {
		panic(err) // it is our own
	}
	return body
}

// spread makes a pause up to a tenth longer, so that what failed together does not come back together.
func spread(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d + rand.N(d/10)
}
