package sqlstore

import (
	"time"

	"tapline/payment"
	"tapline/processor"
)

var webhooks = newTable("webhook_endpoints", 1,
	text("id", func(e *processor.Webhook) *string { return &e.ID }),
	fixed(text("payee", func(e *processor.Webhook) *payment.Handle { return &e.Payee })),
	text("url", func(e *processor.Webhook) *string { return &e.URL }),
	list("types", func(e *processor.Webhook) *[]string { return &e.Types }),
	octets("keys", func(e *processor.Webhook) *[]byte { return &e.Keys }),
	octets("old_keys", func(e *processor.Webhook) *[]byte { return &e.OldKeys }),
	instant("old_until", func(e *processor.Webhook) *time.Time { return &e.OldUntil }),
	text("state", func(e *processor.Webhook) *processor.WebhookState { return &e.State }),
	text("why", func(e *processor.Webhook) *processor.WebhookWhy { return &e.Why }),
	integer("told", func(e *processor.Webhook) *int64 { return &e.Told }),
	fixed(text("created_by", func(e *processor.Webhook) *processor.Principal { return &e.CreatedBy })),
	fixed(instant("created_at", func(e *processor.Webhook) *time.Time { return &e.CreatedAt })),
	instant("failing_since", func(e *processor.Webhook) *time.Time { return &e.FailingSince }),
	instant("removed_at", func(e *processor.Webhook) *time.Time { return &e.RemovedAt }),
)

var deliveries = newTable("webhook_deliveries", 1,
	text("id", func(d *processor.Delivery) *string { return &d.ID }),
	fixed(text("endpoint", func(d *processor.Delivery) *string { return &d.Endpoint })),
	fixed(integer("number", func(d *processor.Delivery) *int64 { return &d.Number })),
	fixed(text("type", func(d *processor.Delivery) *string { return &d.Type })),
	fixed(text("subject", func(d *processor.Delivery) *string { return &d.Subject })),
	fixed(text("about", func(d *processor.Delivery) *string { return &d.About })),
	fixed(integer("version", func(d *processor.Delivery) *int64 { return &d.Version })),
	fixed(instant("at", func(d *processor.Delivery) *time.Time { return &d.At })),
	text("state", func(d *processor.Delivery) *processor.DeliveryState { return &d.State }),
	instant("next_at", func(d *processor.Delivery) *time.Time { return &d.NextAt }),
	integer("attempts", func(d *processor.Delivery) *int { return &d.Attempts }),
	instant("tried_at", func(d *processor.Delivery) *time.Time { return &d.TriedAt }),
	text("failure", func(d *processor.Delivery) *string { return &d.Failure }),
	integer("status", func(d *processor.Delivery) *int { return &d.Status }),
	text("answer", func(d *processor.Delivery) *string { return &d.Answer }),
	integer("millis", func(d *processor.Delivery) *int64 { return &d.Millis }),
)

var (
	webhooksOf = webhooks.by("state <> 'removed'", "payee")

	freshWebhooks = plain("SELECT "+webhooks.list()+" FROM webhook_endpoints WHERE id > $1 AND state = 'enabled'"+
		" AND EXISTS (SELECT 1 FROM event_recipients r WHERE r.principal = 'payee:' || payee AND r.event > told)"+
		" ORDER BY id LIMIT $2", isText, isInteger)
	dueWebhooks = plain("SELECT "+webhooks.list()+" FROM webhook_endpoints e WHERE id > $1 AND state = 'enabled'"+
		" AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint = e.id AND d.next_at > 0 AND d.next_at <= $3)"+
		" ORDER BY id LIMIT $2", isText, isInteger, isInteger)
	dueDeliveries = plain("SELECT "+deliveries.list()+" FROM webhook_deliveries d WHERE endpoint = $1 AND next_at > 0 AND next_at <= $2"+
		" AND NOT EXISTS (SELECT 1 FROM webhook_deliveries b WHERE b.endpoint = $1 AND b.subject = d.subject AND b.next_at > 0 AND b.number < d.number)"+
		" ORDER BY next_at LIMIT $3", isText, isInteger, isInteger)
	sentDeliveries = bothWays("at", "$4", func(span, order string) *statement {
		return plain("SELECT "+deliveries.list()+" FROM webhook_deliveries WHERE endpoint = $1 AND "+span+" AND ($5 = '' OR state = $5)"+order+" LIMIT $6",
			isText, isInteger, isText, isInteger, isText, isInteger)
	})

	purgeDeliveries = plain(`DELETE FROM webhook_deliveries WHERE id IN (
		SELECT id FROM webhook_deliveries WHERE at < $1 ORDER BY at LIMIT $2)`, isInteger, isInteger)
	purgeWebhooks = plain(`DELETE FROM webhook_endpoints WHERE id IN (
		SELECT e.id FROM webhook_endpoints e WHERE e.removed_at > 0 AND e.removed_at <= $1
			AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint = e.id) LIMIT $2)`, isInteger, isInteger)
)

// loadWebhooks adds the rows about webhooks.
func (r *rows) loadWebhooks(w processor.Wants, found *processor.Rows) {
	guarded := make([]string, len(w.WebhooksOf))
	for i, payee := range w.WebhooksOf {
		guarded[i] = "webhooks of " + string(payee)
	}
	r.guard(guarded...)
	found.Webhooks = join(pick(r, webhooks, webhooks.byKey, single(w.Webhooks)), pick(r, webhooks, webhooksOf, single(w.WebhooksOf)),
		func(e processor.Webhook) string { return e.ID })
	found.Deliveries = pick(r, deliveries, deliveries.byKey, single(w.Deliveries))
}

// FreshWebhooks lists whose payees were told something; see processor.WebhookReader.
func (r *reader) FreshWebhooks(after string, limit int) ([]processor.Webhook, error) {
	if limit < 1 {
		return nil, errNoLimit
	}
	found := collect(&r.rows, webhooks, freshWebhooks, func(to binder) {
		to.text(after)
		to.integer(int64(limit))
	})
	return found, r.err
}

// DueWebhooks lists to whom something is to be sent; see processor.WebhookReader.
func (r *reader) DueWebhooks(now time.Time, after string, limit int) ([]processor.Webhook, error) {
	if limit < 1 {
		return nil, errNoLimit
	}
	found := collect(&r.rows, webhooks, dueWebhooks, func(to binder) {
		to.text(after)
		to.integer(int64(limit))
		to.integer(micros(now))
	})
	return found, r.err
}

// DueDeliveries lists what is to be sent; see processor.WebhookReader.
func (r *reader) DueDeliveries(endpoint string, now time.Time, limit int) ([]processor.Delivery, error) {
	if limit < 1 {
		return nil, errNoLimit
	}
	found := collect(&r.rows, deliveries, dueDeliveries, func(to binder) {
		to.text(endpoint)
		to.integer(micros(now))
		to.integer(int64(limit))
	})
	return found, r.err
}

// Sent lists by time; see processor.WebhookReader.
func (r *reader) Sent(q processor.DeliveryQuery) ([]processor.Delivery, error) {
	if q.Limit < 1 {
		return nil, errNoLimit
	}
	e := edgesOf(q.Since, q.Before, q.BeforeID, q.AfterID, q.Oldest)
	if !storable(q.Endpoint) || !storable(e.id) || !storable(string(q.State)) {
		return nil, nil // there is nothing by such text
	}
	found := collect(&r.rows, deliveries, sentDeliveries.way(q.Oldest), func(to binder) {
		to.text(q.Endpoint)
		to.integer(e.at)
		to.text(e.id)
		to.integer(e.far)
		to.text(string(q.State))
		to.integer(int64(q.Limit))
	})
	return found, r.err
}
